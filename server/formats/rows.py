"""Lists of rows in a file: found among a node's values, which have no names there, and written as the node's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nodes.widgets import Rows
from server.formats.shapes import NodeShape


def places_of(shape: NodeShape) -> Mapping[str, Rows]:
    """The inputs that are places of a list of rows, in order."""
    return {each.name: each.rows for each in shape.inputs if each.rows is not None}


def take_rows(values: Sequence[Any], shape: NodeShape) -> tuple[dict[str, Any], list[Any]]:
    """The rows among a node's values by the names of their inputs, and the values that belong to other fields."""
    named: dict[str, Any] = {}
    rest = list(values)
    places = places_of(shape)
    for rows in {each.name: each for each in places.values()}.values():
        names = [name for name, each in places.items() if each.name == rows.name]
        start, end = _span(rest, rows)
        named |= dict(zip(names, filter(rows.holds, rest[start:end]), strict=False))
        del rest[start:end]
    return named, rest


def list_rows(rows: Rows, held: Sequence[Any]) -> list[Any]:
    """Rows as a file holds them, with what stands around them."""
    return [*rows.before, *held, *rows.after]


def _span(values: Sequence[Any], rows: Rows) -> tuple[int, int]:
    """From where to where the list goes, with what stands around it."""
    before, after = list(rows.before), list(rows.after)
    found = [place for place, value in enumerate(values) if rows.holds(value)]
    if found:
        start, end = found[0], found[-1] + 1
        if before and list(values[max(0, start - len(before)) : start]) == before:
            start -= len(before)
        return start, end + (len(after) if list(values[end : end + len(after)]) == after else 0)
    frame = before + after
    starts = (n for n in range(len(values)) if frame and list(values[n : n + len(frame)]) == frame)
    start = next(starts, 0)
    return start, start + len(frame) if frame and list(values[start : start + len(frame)]) == frame else start
