"""Where a link really comes from: through reroutes, primitives, bypassed nodes and the walls of subgraphs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from server.formats.document import BYPASSED, INSIDE_INPUT, MUTED, Item, Socket, Wire
from server.formats.errors import FormatError
from server.formats.everywhere import SEED
from server.formats.scopes import Scope
from server.formats.shapes import compatible

REROUTES = frozenset({"Reroute", "Reroute (rgthree)"})
PRIMITIVES = frozenset({"PrimitiveNode", SEED})
GETTER, SETTER = "GetNode", "SetNode"


@dataclass(frozen=True, slots=True)
class Source:
    """An output of a node that runs: its id in the API format, and the output's place."""

    node: str
    slot: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that arrives along a link: from a primitive, or from a field of a subgraph's instance."""

    value: Any


@dataclass(frozen=True, slots=True)
class Gone:
    """The link comes from a muted node: the input is left out, its field's value too."""


Found = Source | Constant | Gone | None
"""None: the link leads nowhere, and the field's own value stays."""


def find_source(scope: Scope, socket: Socket) -> Found:
    """What feeds an input. Raises FormatError when reroutes form a ring."""
    return _Search(scope, socket.type).run(socket)


class _Search:
    """A walk upstream. `wanted` is the type of the input that it started from."""

    def __init__(self, scope: Scope, wanted: str) -> None:
        self._scope = scope
        self._wanted = wanted
        self._seen: set[tuple[int, str]] = set()

    def run(self, socket: Socket) -> Found:
        wire = self._wire_of(socket)
        while wire is not None:
            key = (id(self._scope), wire.id)
            if key in self._seen:
                raise FormatError(
                    f"Reroutes form a ring at node {self._scope.prefix}{wire.origin}; remove one of its links."
                )
            self._seen.add(key)
            step = self._leave(wire) if wire.origin == INSIDE_INPUT else self._pass(wire)
            if not isinstance(step, Wire):
                return step
            wire = step
        return None

    def _wire_of(self, socket: Socket | None) -> Wire | None:
        return self._scope.sheet.wires.get(socket.link) if socket is not None and socket.link is not None else None

    def _leave(self, wire: Wire) -> Wire | Found:
        """Out of a subgraph, by one of its inputs: to what feeds the instance there, or to the value it gives."""
        scope = self._scope
        if scope.parent is None or scope.instance is None or not 0 <= wire.origin_slot < len(scope.sheet.inputs):
            return None
        name = scope.sheet.inputs[wire.origin_slot].name
        socket = next((s for s in scope.instance.inputs if s.name == name), None)
        self._scope = scope.parent
        outer = self._wire_of(socket)
        if outer is not None:
            return outer
        return Constant(scope.given[name]) if name in scope.given else None

    def _pass(self, wire: Wire) -> Wire | Found:
        item = self._scope.sheet.items.get(wire.origin)
        if item is None:
            return None
        if item.type in REROUTES:
            return self._wire_of(item.inputs[0] if item.inputs else None)
        if item.type in PRIMITIVES:
            return self._wire_of(item.inputs[0] if item.inputs else None) or _primitive(item, self._scope)
        if item.type == GETTER:
            return self._from_setter(item)
        if item.type == SETTER:
            return self._wire_of(item.inputs[0] if item.inputs else None)
        if item.mode == MUTED:
            return Gone()
        if item.mode == BYPASSED:
            return self._wire_of(passed_by(item, wire.origin_slot, self._wanted))
        child = self._scope.children.get(item.id)
        if child is None:
            return Source(f"{self._scope.prefix}{item.id}", wire.origin_slot)
        self._scope = child
        return child.sheet.returned.get(wire.origin_slot)

    def _from_setter(self, getter: Item) -> Wire | Found:
        """To what is stored under a name, here or in a sheet around."""
        name = _first(getter.values)
        scope: Scope | None = self._scope
        while scope is not None:
            for item in scope.sheet.items.values():
                if item.type == SETTER and name is not None and _first(item.values) == name:
                    self._scope = scope
                    return self._wire_of(item.inputs[0] if item.inputs else None)
            scope = scope.parent
        return None


def passed_by(item: Item, slot: int, wanted: str) -> Socket | None:
    """The input that a bypassed node hands on as its output `slot` to an input of type `wanted`.

    The input at the same place if the types allow, else the first of the very type, else the first that is compatible.
    """
    inputs: Sequence[Socket] = item.inputs
    same = inputs[slot] if 0 <= slot < len(inputs) else None
    if wanted == "*":
        return same or (inputs[0] if inputs else None)
    given = item.outputs[slot].type if 0 <= slot < len(item.outputs) else wanted
    if same is not None and compatible(same.type, given) and compatible(same.type, wanted):
        return same
    exact = next((socket for socket in inputs if socket.type == wanted), None)
    return exact or next((socket for socket in inputs if compatible(socket.type, wanted)), None)


def _primitive(item: Item, scope: Scope) -> Constant | None:
    if item.inputs and item.inputs[0].link is not None:
        return None
    value = scope.overrides.get((item.id, "value"), _first(item.values))
    return None if value is None else Constant(value)


def _first(values: object) -> Any:
    return cast("list[Any]", values)[0] if isinstance(values, list) and values else None
