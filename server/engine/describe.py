"""Values in a few words, for errors: shapes instead of numbers, and never long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, cast

_CHARS = 200
_PARTS = 6


def describe(value: Any, depth: int = 2) -> str:
    """A value in at most a line: `Image(pixels=Tensor[1, 64, 64, 3] float32)`."""
    text = _described(value, depth)
    return text if len(text) <= _CHARS else text[: _CHARS - 3] + "..."


def _described(value: Any, depth: int) -> str:
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int):
        return repr(value) if value.bit_length() <= 256 else f"a whole number of {value.bit_length()} bits"
    if isinstance(value, str):
        return repr(value[:_CHARS])
    name = type(value).__name__
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{name}{list(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    if depth == 0:
        return name
    if is_dataclass(value) and not isinstance(value, type):
        shown = [(f.name, getattr(value, f.name)) for f in fields(value)[:_PARTS]]
        return f"{name}({', '.join(f'{key}={describe(part, depth - 1)}' for key, part in shown)})"
    if isinstance(value, Mapping):
        pairs = list(cast("Mapping[Any, Any]", value).items())
        return "{" + ", ".join(f"{key}: {describe(part, depth - 1)}" for key, part in pairs[:_PARTS]) + "}"
    if isinstance(value, Sequence):
        parts = cast("Sequence[Any]", value)
        shown_parts = [describe(part, depth - 1) for part in parts[:_PARTS]]
        return f"{name} of {len(parts)}: {', '.join(shown_parts)}"
    return name
