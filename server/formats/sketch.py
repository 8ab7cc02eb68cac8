"""A graph as one sees it from afar: boxes where its nodes are, and lines where its links are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from server.formats.document import Item, read_document


@dataclass(frozen=True, slots=True)
class Box:
    """A node. `type` is that of its first output, or of its first linked input, or nothing."""

    x: float
    y: float
    width: float
    height: float
    type: str


@dataclass(frozen=True, slots=True)
class Line:
    """A link, from one box to another by their places in the list."""

    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class Sketch:
    """All of an editor's file's root graph."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def sketch(file: Mapping[str, Any]) -> Sketch:
    """What an editor's file looks like. Raises FormatError where it is none."""
    root = read_document(file).root
    seen = {str(node.get("id")): node for node in cast("list[dict[str, Any]]", file["nodes"])}
    places = {node: place for place, node in enumerate(root.items)}
    lines = [
        Line(places[wire.origin], places[wire.target], wire.type)
        for wire in root.wires.values()
        if wire.origin in places and wire.target in places
    ]
    return Sketch(tuple(_box(item, seen[item.id]) for item in root.items.values()), tuple(lines))


def _box(item: Item, node: Mapping[str, Any]) -> Box:
    x, y = _pair(node.get("pos"), (0.0, 0.0))
    width, height = _pair(node.get("size"), (210.0, 60.0))
    linked = next((socket.type for socket in item.inputs if socket.link is not None), "")
    return Box(x, y, width, height, item.outputs[0].type if item.outputs else linked)


def _pair(value: object, otherwise: tuple[float, float]) -> tuple[float, float]:
    """Two numbers as files write them: a list, or an object with the keys 0 and 1."""
    found = cast("Mapping[str, Any]", value).values() if isinstance(value, dict) else value
    if not isinstance(found, Iterable):
        return otherwise
    numbers = [float(each) for each in cast("Iterable[object]", found) if isinstance(each, int | float)]
    return (numbers[0], numbers[1]) if len(numbers) >= 2 else otherwise
