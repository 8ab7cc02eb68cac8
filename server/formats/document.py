"""An editor's file (format 0.4, or 1.0) taken apart: checked, typed, and looked up by id.

Both versions come to one form here: ids are text, links are objects. What is only to be seen (positions, colours,
groups, native reroutes) is left in the JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from server.formats.errors import FormatError, shown
from server.formats.legacy import current_type
from server.formats.reading import mapping, node_id, optional_mapping, sequence, type_name, whole

MUTED, BYPASSED = 2, 4
INSIDE_INPUT, INSIDE_OUTPUT = "-10", "-20"
"""Ids that links inside a subgraph use for its own inputs and outputs."""


@dataclass(frozen=True, slots=True)
class Socket:
    """An input of a node in a file. `widget` names the field behind it, if there is one."""

    name: str
    type: str
    link: str | None = None
    widget: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """An output of a node, or an input or output of a subgraph."""

    name: str
    type: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """A link in a file: from an output (counted from 0) of a node to an input of another."""

    id: str
    origin: str
    origin_slot: int
    target: str
    target_slot: int
    type: str


@dataclass(frozen=True, slots=True)
class Item:
    """A node in a file. `values` are its fields' values: a list by position, or an object by name."""

    id: str
    type: str
    mode: int = 0
    title: str = ""
    inputs: tuple[Socket, ...] = ()
    outputs: tuple[Port, ...] = ()
    values: list[Any] | Mapping[str, Any] = field(default_factory=list[Any])
    properties: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def active(self) -> bool:
        """Whether it runs: neither muted nor bypassed."""
        return self.mode not in (MUTED, BYPASSED)


@dataclass(frozen=True)
class Sheet:
    """One graph of a document: the root, or a subgraph's definition with what goes in and out."""

    name: str
    items: Mapping[str, Item]
    wires: Mapping[str, Wire]
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    returned: Mapping[int, Wire] = field(default_factory=dict[int, Wire])
    """For each output of a subgraph, the wire that feeds it."""


@dataclass(frozen=True)
class Document:
    """A whole file: the root sheet, and the definitions of subgraphs by id."""

    root: Sheet
    definitions: Mapping[str, Sheet]
    groups: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Legacy group nodes by name, as JSON."""

    def sheets(self) -> Iterator[Sheet]:
        """The root, then each definition."""
        yield self.root
        yield from self.definitions.values()


def is_document(value: object) -> bool:
    """Whether a JSON value looks like an editor's file."""
    return isinstance(value, dict) and isinstance(cast("dict[str, object]", value).get("nodes"), list)


def read_document(value: object) -> Document:
    """The document that a JSON value holds. Raises FormatError naming the node, the link or the definition."""
    raw = mapping(value, "The workflow")
    if not isinstance(raw.get("nodes"), list):
        raise FormatError("The workflow has no list of nodes; it is no editor's file.")
    definitions: dict[str, Sheet] = {}
    listed = sequence(optional_mapping(raw.get("definitions")).get("subgraphs"), "definitions.subgraphs")
    for place, each in enumerate(listed):
        definition = mapping(each, f"Subgraph number {place + 1}")
        name = definition.get("id")
        if not isinstance(name, str) or not name:
            raise FormatError(f"Subgraph number {place + 1} has the id {shown(name)}; it must be a string.")
        definitions[name] = _sheet(definition, f"Subgraph {shown(definition.get('name', name))}: ")
    groups = optional_mapping(optional_mapping(raw.get("extra")).get("groupNodes"))
    return Document(_sheet(raw, ""), definitions, groups)


def read_item(value: object, where: str) -> Item:
    """A node of a file. `where` is how an error names it."""
    raw = mapping(value, where)
    kind = raw.get("type")
    if not isinstance(kind, str) or not kind.strip():
        raise FormatError(f"{where} has the type {shown(kind)}; it must be a node type's name.")
    name = node_id(raw.get("id"), f"{where}: its id")
    where = f"Node {name} ({kind[:60]})"
    values: object = raw.get("widgets_values")
    title = raw.get("title")
    mode = raw.get("mode", 0)
    return Item(
        name,
        current_type(kind),
        mode if isinstance(mode, int) else 0,
        title if isinstance(title, str) else "",
        tuple(_socket(each, f"{where}: input {n + 1}") for n, each in enumerate(sequence(raw.get("inputs"), where))),
        tuple(_port(each, f"{where}: output {n + 1}") for n, each in enumerate(sequence(raw.get("outputs"), where))),
        _values(values, where),
        optional_mapping(raw.get("properties")),
    )


def _sheet(raw: Mapping[str, Any], where: str) -> Sheet:
    items: dict[str, Item] = {}
    for place, each in enumerate(sequence(raw.get("nodes"), f"{where}nodes")):
        item = read_item(each, f"{where}Node number {place + 1}")
        if item.id in items:
            raise FormatError(f"{where}Two nodes have the id {shown(item.id)}; give one of them another.")
        items[item.id] = item
    wires: dict[str, Wire] = {}
    for place, each in enumerate(sequence(raw.get("links"), f"{where}links")):
        if each is not None:  # the editor that ComfyUI grew from leaves holes where links were
            wire = _wire(each, f"{where}Link number {place + 1}")
            wires[wire.id] = wire
    inside = "inputNode" in raw or "outputNode" in raw
    return Sheet(
        str(raw.get("name", "")),
        items,
        wires,
        _ports(raw, "inputs", where) if inside else (),
        _ports(raw, "outputs", where) if inside else (),
        _returned(raw, wires) if inside else {},
    )


def _returned(raw: Mapping[str, Any], wires: Mapping[str, Wire]) -> dict[int, Wire]:
    """For each output of a subgraph the wire that it names first; else the last that is there."""
    found = {w.target_slot: w for w in wires.values() if w.target == INSIDE_OUTPUT}
    for slot, output in enumerate(sequence(raw.get("outputs"), "outputs")):
        named = sequence(optional_mapping(output).get("linkIds"), "linkIds")
        wire = wires.get(str(named[0])) if named else None
        if wire is not None and (wire.target, wire.target_slot) == (INSIDE_OUTPUT, slot):
            found[slot] = wire
    return found


def _ports(raw: Mapping[str, Any], key: str, where: str) -> tuple[Port, ...]:
    return tuple(_port(e, f"{where}{key} number {n + 1}") for n, e in enumerate(sequence(raw.get(key), where + key)))


def _values(values: object, where: str) -> list[Any] | Mapping[str, Any]:
    if values is None:
        return []
    if isinstance(values, list | dict):
        return cast("list[Any] | dict[str, Any]", values)
    raise FormatError(f"{where}: widgets_values is {shown(values)}; it must be a list, or an object by name.")


def _socket(value: object, where: str) -> Socket:
    raw = mapping(value, where)
    name = str(raw.get("name", ""))
    link: object = raw.get("link")
    widget = raw.get("widget")
    behind: object = cast("Mapping[str, Any]", widget).get("name", name) if isinstance(widget, dict) else None
    return Socket(
        name,
        type_name(raw.get("type")),
        None if link is None else node_id(link, f"{where}: its link"),
        behind if isinstance(behind, str) else None,
        _label(raw),
    )


def _port(value: object, where: str) -> Port:
    raw = mapping(value, where)
    return Port(str(raw.get("name", "")), type_name(raw.get("type")), _label(raw))


def _label(raw: Mapping[str, Any]) -> str | None:
    label: object = raw.get("label")
    return label if isinstance(label, str) else None


def _wire(value: object, where: str) -> Wire:
    if isinstance(value, list):
        parts = cast("list[object]", value)
        if len(parts) < 5:
            raise FormatError(f"{where} is {shown(parts)}; it must be [id, from, slot, to, slot, type].")
        name, origin, origin_slot, target, target_slot, *kind = parts
        kind = kind[0] if kind else "*"
    else:
        raw = mapping(value, where)
        name, origin, origin_slot = raw.get("id"), raw.get("origin_id"), raw.get("origin_slot")
        target, target_slot, kind = raw.get("target_id"), raw.get("target_slot"), raw.get("type")
    return Wire(
        node_id(name, f"{where}: its id"),
        node_id(origin, f"{where}: the node it comes from"),
        whole(origin_slot, f"{where}: the output it comes from"),
        node_id(target, f"{where}: the node it goes to"),
        whole(target_slot, f"{where}: the input it goes to"),
        type_name(kind),
    )
