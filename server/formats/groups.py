"""Legacy group nodes (`workflow>name`) as subgraphs, so that one converter does for both.

A group lists nodes, links by place in that list, and what it shows outside. Its own inputs, fields and outputs are
those of its nodes, in order, that no inner link takes; a name that is taken gets the node's name before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from server.formats.document import INSIDE_INPUT, INSIDE_OUTPUT, Item, Port, Sheet, Socket, Wire, read_item
from server.formats.fields import own_fields
from server.formats.reading import mapping, optional_mapping, sequence
from server.formats.shapes import InputShape, Shapes

_PREFIXES = ("workflow>", "workflow/")


def group_name(node_type: str) -> str | None:
    """The group that a node type names, if it is a group node's."""
    return next((node_type.removeprefix(p) for p in _PREFIXES if node_type.startswith(p)), None)


def group_sheet(name: str, raw: object, shapes: Shapes) -> Sheet:
    """The subgraph that a legacy group is. Raises FormatError naming the group and what is wrong."""
    return _Builder(name, mapping(raw, f"Group {name!r}"), shapes).sheet()


class _Builder:
    def __init__(self, name: str, raw: Mapping[str, Any], shapes: Shapes) -> None:
        self._name = name
        self._shapes = shapes
        self._config = optional_mapping(raw.get("config"))
        self._items = {
            str(place): read_item({**mapping(each, where), "id": place}, where)
            for place, each in enumerate(sequence(raw.get("nodes"), f"Group {name!r}: nodes"))
            for where in (f"Group {name!r}: node {place}",)
        }
        self._wires = dict(self._inner_wires(raw))
        self._outside = {(origin, slot) for origin, slot in self._external(raw)}

    def sheet(self) -> Sheet:
        """The group as a sheet: every input and field that shows outside is an input of it."""
        targets = {(w.target, w.target_slot): w.id for w in self._wires.values()}
        inputs: list[Port] = []
        names: set[str] = set()
        items: dict[str, Item] = {}
        for item in self._items.values():
            sockets = self._sockets(item)
            linked: list[Socket] = []
            for slot, socket in enumerate(sockets):
                taken = targets.get((item.id, slot))
                if taken is None and self._visible(item, "input", socket.name):
                    taken = f"in{len(inputs)}"
                    origin = (INSIDE_INPUT, len(inputs))
                    self._wires[taken] = Wire(taken, *origin, item.id, slot, socket.type)
                    inputs.append(Port(self._outer_name(item, socket.name, names), socket.type))
                linked.append(replace(socket, link=taken))
            items[item.id] = replace(item, inputs=tuple(linked))
        returned = dict(enumerate(self._returned()))
        outputs = tuple(Port("", wire.type) for wire in returned.values())
        return Sheet(self._name, items, self._wires, tuple(inputs), outputs, returned)

    def _sockets(self, item: Item) -> list[Socket]:
        """A node's inputs as the file has them, then its fields that are not among them."""
        if item.type == "PrimitiveNode":
            return [Socket("value", item.outputs[0].type if item.outputs else "*", None, "value")]
        if item.type == "Reroute":  # its input has no name; outside it goes by the type that it carries
            wire = next((w for w in self._wires.values() if w.origin == item.id), None)
            return [replace(socket, name=wire.type if wire else "*") for socket in item.inputs[:1]]
        shape = self._shapes.get(item.type)
        fields = shape.widgets if shape else own_fields(item)
        have = {socket.name for socket in item.inputs}
        return [*item.inputs, *(Socket(f.name, f.type, None, f.name) for f in fields if f.name not in have)]

    def _inner_wires(self, raw: Mapping[str, Any]) -> Iterator[tuple[str, Wire]]:
        for number, each in enumerate(sequence(raw.get("links"), f"Group {self._name!r}: links")):
            match each:
                case [int(origin), int(slot), int(target), int(target_slot), *more]:
                    name = f"link{number}"
                    kind = more[1] if len(more) > 1 and isinstance(more[1], str) else "*"
                    yield name, Wire(name, str(origin), slot, str(target), target_slot, kind)
                case _:
                    pass  # a link from outside, whose origin is null: an input of the group

    def _external(self, raw: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
        for each in sequence(raw.get("external"), f"Group {self._name!r}: external"):
            match each:
                case [{"index": int(place)}, int(slot), *_] | [int(place), int(slot), *_]:
                    yield str(place), slot
                case _:
                    pass

    def _returned(self) -> Iterator[Wire]:
        used = {(w.origin, w.origin_slot) for w in self._wires.values()}
        count = 0
        for item in self._items.values():
            for slot, output in enumerate(item.outputs):
                place = (item.id, slot)
                if (place in used and place not in self._outside) or not self._visible(item, "output", str(slot)):
                    continue
                yield Wire(f"out{count}", item.id, slot, INSIDE_OUTPUT, count, output.type)
                count += 1

    def _of_config(self, item: Item, side: str, name: str) -> Mapping[str, Any]:
        return optional_mapping(optional_mapping(optional_mapping(self._config.get(item.id)).get(side)).get(name))

    def _visible(self, item: Item, side: str, name: str) -> bool:
        return self._of_config(item, side, name).get("visible") is not False

    def _outer_name(self, item: Item, name: str, taken: set[str]) -> str:
        named = self._of_config(item, "input", name).get("name")
        label = next((s.label for s in item.inputs if s.name == name and s.label), None)
        plain = named if isinstance(named, str) and named else label or name
        found = plain
        if found in taken or (item.type == "PrimitiveNode" and item.title):
            found = f"{item.title or item.type} {name}"
        number = 1
        stem = found
        while found in taken:
            number += 1
            found = f"{stem} {number}"
        taken.add(found)
        return found


def group_fields(sheet: Sheet, shapes: Shapes) -> tuple[InputShape, ...]:
    """The fields of a group node in the order of its values: its nodes' fields that show outside, seeds controlled."""
    found: list[InputShape] = []
    for place, port in enumerate(sheet.inputs):
        wire = next(w for w in sheet.wires.values() if w.origin == INSIDE_INPUT and w.origin_slot == place)
        item = sheet.items[wire.target]
        socket = item.inputs[wire.target_slot]
        if socket.widget is None:
            continue
        shape = shapes.get(item.type)
        known = shape.input(socket.name) if shape else None
        control = known.control if known else item.type == "PrimitiveNode" and port.type == "INT"
        found.append(InputShape(port.name, port.type, widget=True, control=control))
    return tuple(found)
