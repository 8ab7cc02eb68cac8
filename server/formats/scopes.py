"""A document unfolded: the root sheet, and a scope for each instance of a subgraph, however deep.

A scope knows which instance it belongs to and which of its inner fields that instance sets. Nothing recurses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from server.formats.document import INSIDE_INPUT, Document, Item, Sheet, Wire
from server.formats.errors import FormatError, shown
from server.formats.fields import own_fields, zip_fields
from server.formats.groups import group_fields, group_name, group_sheet
from server.formats.shapes import InputShape, Shapes

MAX_NODES = 200_000
"""A document that unfolds to more is refused: nested subgraphs can multiply without end."""

FieldKey = tuple[str, str]


@dataclass(eq=False)
class Scope:
    """One sheet as it stands at one place.

    `prefix` goes before its nodes' ids. `given` are values of the subgraph's inputs, from the instance's own fields.
    `overrides` are values of inner fields, by (node, field). `children` are the instances inside that run.
    """

    sheet: Sheet
    prefix: str = ""
    parent: Scope | None = None
    instance: Item | None = None
    depth: int = 0
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])
    overrides: Mapping[FieldKey, Any] = field(default_factory=dict[FieldKey, Any])
    children: dict[str, Scope] = field(default_factory=dict[str, "Scope"])


def unfold(document: Document, shapes: Shapes) -> Scope:
    """The root scope, with all scopes below it.

    Raises FormatError when a subgraph contains itself, or when there are too many nodes.
    """
    root = Scope(document.root)
    waiting = [root]
    count = 0
    deepest = len(document.definitions) + len(document.groups)
    groups: dict[str, Sheet] = {}
    while waiting:
        scope = waiting.pop()
        count += len(scope.sheet.items)
        if count > MAX_NODES:
            raise FormatError(f"The workflow's subgraphs unfold to more than {MAX_NODES} nodes.")
        for item in scope.sheet.items.values():
            if not item.active:
                continue
            sheet = document.definitions.get(item.type) or _group(item, document, groups, shapes)
            if sheet is None:
                continue
            if scope.depth >= deepest:
                raise FormatError(f"The subgraph {shown(sheet.name)} contains itself (node {scope.prefix}{item.id}).")
            fields = None if item.type in document.definitions else group_fields(sheet, shapes)
            child = _child(scope, item, sheet, fields)
            scope.children[item.id] = child
            waiting.append(child)
    return root


def _group(item: Item, document: Document, made: dict[str, Sheet], shapes: Shapes) -> Sheet | None:
    name = group_name(item.type)
    if name is None or name not in document.groups:
        return None
    if name not in made:
        made[name] = group_sheet(name, document.groups[name], shapes)
    return made[name]


def _child(scope: Scope, item: Item, sheet: Sheet, fields: tuple[InputShape, ...] | None) -> Scope:
    given, inner = instance_fields(item, sheet, fields)
    for (node, name), value in scope.overrides.items():
        if node == item.id:
            given[name] = value
    return Scope(sheet, f"{scope.prefix}{item.id}:", scope, item, scope.depth + 1, given, inner)


def instance_fields(
    item: Item, sheet: Sheet, fields: tuple[InputShape, ...] | None = None
) -> tuple[dict[str, Any], dict[FieldKey, Any]]:
    """What an instance sets: values of the subgraph's inputs by name, and of inner nodes' fields by (node, field).

    `fields` are the instance's fields in order, where that is known.
    """
    given: dict[str, Any] = {}
    inner: dict[FieldKey, Any] = {}
    if isinstance(item.values, Mapping):
        return {name: value for name, value in item.values.items() if value is not None}, inner
    proxies: object = item.properties.get("proxyWidgets")
    if not isinstance(proxies, list):
        fields = fields if fields is not None else _instance_order(item, sheet)
        return {k: v for k, v in zip_fields(item.values, fields).items() if v is not None}, inner
    for proxy, value in zip(cast("list[Any]", proxies), item.values, strict=False):
        if value is None or not isinstance(proxy, list) or len(cast("list[Any]", proxy)) < 2:
            continue
        node, name = (str(part) for part in cast("list[Any]", proxy)[:2])
        if node == "-1":
            given[name] = value
        else:
            inner[(node, name)] = value
    return given, inner


def _instance_order(item: Item, sheet: Sheet) -> tuple[InputShape, ...]:
    """Whose an instance's values are: its own list of fields says it if it is whole, else the subgraph's inputs do."""
    own = own_fields(item)
    behind = _inputs_with_fields(sheet)
    return own if len(own) in (len(item.values), len(behind)) or len(own) > len(behind) else behind


def _inputs_with_fields(sheet: Sheet) -> tuple[InputShape, ...]:
    """The inputs of a subgraph that feed a field; where no field is known, those of a type that one could edit."""
    fed = {
        wire.origin_slot
        for wire in sheet.wires.values()
        if wire.origin == INSIDE_INPUT and _feeds_field(wire, sheet.items.get(wire.target))
    }
    shapes = [InputShape(port.name, port.type, widget=True) for port in sheet.inputs]
    found = tuple(shape for place, shape in enumerate(shapes) if place in fed)
    return found or tuple(shape for shape in shapes if shape.plain)


def _feeds_field(wire: Wire, item: Item | None) -> bool:
    inputs = item.inputs if item is not None else ()
    return 0 <= wire.target_slot < len(inputs) and inputs[wire.target_slot].widget is not None
