"""Inputs that a choice brings: a node has them only while that is chosen; files hold them right after the choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BROUGHT: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]] = {
    ("ResizeImageMaskNode", "resize_type"): {
        "scale dimensions": ("width", "height", "crop"),
        "scale by multiplier": ("multiplier",),
        "scale longer dimension": ("longer_size",),
        "scale shorter dimension": ("shorter_size",),
        "scale width": ("width",),
        "scale height": ("height",),
        "scale total pixels": ("megapixels",),
        "match size": ("match", "crop"),
    },
}


def brought_by(node_type: str, name: str, chosen: Any) -> tuple[str, ...]:
    """The names of the inputs, `choice.field`, that a node has while `chosen` is the value of its field `name`."""
    brought = _BROUGHT.get((node_type, name), {}).get(chosen, ()) if isinstance(chosen, str) else ()
    return tuple(f"{name}.{each}" for each in brought)


def is_brought(node_type: str, name: str) -> bool:
    """Whether a node has this input only while something is chosen."""
    return bool(brought_when(node_type, name))


def brought_when(node_type: str, name: str) -> Mapping[str, list[str]]:
    """By the name of the choice, the values that bring this input; nothing where it is always there."""
    choice, dot, field = name.partition(".")
    values = [value for value, fields in _BROUGHT.get((node_type, choice), {}).items() if field in fields]
    return {choice: values} if dot and values else {}
