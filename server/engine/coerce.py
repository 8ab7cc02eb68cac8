"""Values from files as the types that inputs declare, by ComfyUI's rules, and described where they are not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

LARGEST = 2**64 - 1
MAX_DEPTH = 64
_SHOWN_CHARS = 200


class Refused(ValueError):  # noqa: N818 -- reads as what it is
    """A value that cannot be what is wanted; the text says why."""


def coerced(value: Any, wanted: str) -> Any:
    """The value as INT, FLOAT, STRING, BOOLEAN or COMBO; any other type's as it is. Raises Refused."""
    match wanted:
        case "INT":
            return _integer(value)
        case "FLOAT":
            return _real(value)
        case "STRING" | "COMBO":
            return _text(value)
        case "BOOLEAN":
            return _truth(value)
        case _:
            _require_json(value)
            return value


def brief(value: Any) -> str:
    """A value in a few words, for messages."""
    text = value if isinstance(value, str) else _written(value)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 3] + "..."


def plain(value: Any) -> Any:
    """A value that any JSON writer can take back to who sent it: short, finite, not nested."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= 64 else brief(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list) and len(cast("list[Any]", value)) <= 4:
        parts = cast("list[Any]", value)
        return [brief(part) if isinstance(part, list | dict) else plain(part) for part in parts]
    return brief(value)


def _integer(value: Any) -> int:
    if not isinstance(value, bool | int | float | str):
        raise Refused(f"{_kind(value)} is no whole number")
    try:
        return int(value)
    except (ValueError, OverflowError) as error:
        raise Refused(f"{brief(value)!r} is no whole number") from error


def _real(value: Any) -> float:
    if not isinstance(value, bool | int | float | str):
        raise Refused(f"{_kind(value)} is no number")
    try:
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise Refused(f"{brief(value)!r} is no number") from error
    if not math.isfinite(number):
        raise Refused(f"{number} is no finite number")
    return number


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, bool | int | float):
        raise Refused(f"{_kind(value)} is no text")
    return brief(value)


def _truth(value: Any) -> bool:
    if isinstance(value, str) and value.strip().lower() in ("false", "0", "no", "off", "disable", "disabled"):
        return False
    if not isinstance(value, bool | int | float | str):
        raise Refused(f"{_kind(value)} is neither true nor false")
    return bool(value)


def _require_json(value: Any) -> None:
    """Raise Refused for a value that JSON cannot hold, or that is nested deeper than anybody means."""
    waiting = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise Refused(f"it is nested more than {MAX_DEPTH} deep")
        if isinstance(item, float) and not math.isfinite(item):
            raise Refused(f"{item} is no finite number")
        if isinstance(item, int) and item.bit_length() > 64:
            raise Refused("it holds a number of more than 64 bits")
        if isinstance(item, dict):
            waiting.extend((part, depth + 1) for part in cast("dict[str, Any]", item).values())
        elif isinstance(item, list):
            waiting.extend((part, depth + 1) for part in cast("list[Any]", item))


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list) else f"a {type(value).__name__}"


def _written(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a whole number of {value.bit_length()} bits"
    try:
        return repr(value)
    except (RecursionError, ValueError):
        return _kind(value) + " nested too deep to show"
