"""Node definitions made ready for the engine: looked up, matched and called many times, so taken apart once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast, get_type_hints

from nodes.define import ANY, MISSING, Input, NodeDef
from nodes.registry import Registry
from nodes.types import Provided
from nodes.widgets import Files

Things = Mapping[type, object]
"""What a worker provides to nodes, by type."""


_WRITTEN = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", ANY})


def thing(provided: Things, kind: type) -> object | None:
    """What is provided under this type, or under one derived from it."""
    # Asked by key alone: what is provided may be made only when it is asked for.
    key = kind if kind in provided else next((each for each in provided if issubclass(each, kind)), None)
    return None if key is None else provided[key]


@dataclass(frozen=True, slots=True)
class Hook:
    """A function that a node's author wrote beside it, and what its signature asks for. None asks for everything."""

    fn: Callable[..., Any]
    names: frozenset[str] | None
    provided: tuple[tuple[str, type], ...]

    @staticmethod
    def of(fn: Callable[..., Any]) -> Hook:
        """The hook that calls this function."""
        parameters = inspect.signature(fn).parameters
        hints = _hints(fn)
        provided = tuple(
            (name, hint)
            for name in parameters
            if isinstance(hint := hints.get(name), type) and issubclass(hint, Provided)
        )
        takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        return Hook(fn, None if takes_all else frozenset(parameters), provided)

    def __call__(self, values: Mapping[str, Any], provided: Things) -> Any:
        """What the function returns, given inputs by their parameters' names."""
        wanted = {name: value for name, value in values.items() if self.names is None or name in self.names}
        return self.fn(**wanted, **{name: thing(provided, kind) for name, kind in self.provided})


@dataclass(frozen=True, slots=True)
class Kind:
    """A node definition with what follows from it. `defaults` are by parameter, growing inputs by their stem."""

    definition: NodeDef
    inputs: Mapping[str, Input]
    growing: Mapping[str, Input]
    defaults: Mapping[str, Any]
    fillings: tuple[tuple[str, Any], ...]
    hidden: tuple[tuple[str, str], ...]
    own_id: bool
    lazy: frozenset[str]
    files: tuple[tuple[str, Files], ...]
    check: Hook | None
    fingerprint: Hook | None
    needs: Hook | None

    @staticmethod
    def of(definition: NodeDef) -> Kind:
        """What follows from a definition."""
        plain = {each.name: each for each in definition.inputs if each.each is None}
        lazy = frozenset(each.name for each in definition.inputs if each.lazy)
        return Kind(
            definition=definition,
            inputs=plain,
            growing={each.name: each for each in definition.inputs if each.each is not None},
            defaults={each.parameter: _default(each) for each in definition.inputs},
            fillings=tuple(
                (name, each.default)
                for name, each in plain.items()
                if each.default is not MISSING and each.default is not None
            ),
            hidden=tuple(definition.hidden.items()),
            own_id="UNIQUE_ID" in definition.hidden.values(),
            lazy=lazy,
            files=tuple((name, each.widget) for name, each in plain.items() if isinstance(each.widget, Files)),
            check=None if _is_default(definition, "check") else Hook.of(definition.check),
            fingerprint=Hook.of(definition.fingerprint) if definition.fingerprint else None,
            needs=Hook.of(definition.needs) if lazy else None,
        )

    def input(self, name: str) -> Input | None:
        """The input of this name; `images.3` finds the growing input `images`."""
        return self.inputs.get(name) or self.growing.get(name.split(".", 1)[0])

    def is_lazy(self, name: str) -> bool:
        """Whether the input is computed only when the node asks for it."""
        return bool(self.lazy) and name.split(".", 1)[0] in self.lazy

    def constants(self, inputs: Mapping[str, Any], unknown: type) -> dict[str, Any]:
        """Values by parameter as hooks take them: the default where absent, None where of type `unknown` (linked)."""
        values = dict(self.defaults)
        for name, value in inputs.items():
            if (each := self.inputs.get(name)) is not None:
                values[each.parameter] = None if isinstance(value, unknown) else unwrapped(value)
        for stem, each in self.growing.items():
            parts = [value for _, value in grown(inputs, stem)]
            linked = any(isinstance(value, unknown) for value in parts)
            values[each.parameter] = None if linked else [unwrapped(value) for value in parts]
        return values


class Kinds:
    """The kinds of a registry, made as they are asked for."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._made: dict[str, Kind] = {}
        self._given: frozenset[str] | None = None

    def get(self, node_type: str) -> Kind | None:
        """The kind of this node type; old files have blanks behind some names."""
        made = self._made.get(node_type)
        if made is not None:
            return made
        definition = self.registry.get(node_type) or self.registry.get(node_type.strip())
        if definition is None:
            return None
        self._made[node_type] = made = Kind.of(definition)
        return made

    def is_wire(self, kind: str) -> bool:
        """Whether values of this type come along a link and are never written in a file: some node gives them."""
        if kind in _WRITTEN:
            return False  # without a look at every node
        if self._given is None:
            self._given = frozenset(
                part for each in self.registry for out in each.outputs for part in out.type.split(",")
            )
        return kind in self._given


def fits(given: str, wanted: str) -> bool:
    """Whether an output of one type may feed an input of another: equal, a wildcard, or sets that meet."""
    if given == wanted or ANY in (given, wanted):
        return True
    return not {part.strip() for part in given.split(",")}.isdisjoint(part.strip() for part in wanted.split(","))


def grown(inputs: Mapping[str, Any], stem: str) -> list[tuple[str, Any]]:
    """The places of a growing input that are filled, in the order of their numbers."""
    start = stem + "."
    places = [
        (int(name[len(start) :]), name) for name in inputs if name.startswith(start) and name[len(start) :].isdigit()
    ]
    return [(name, inputs[name]) for _, name in sorted(places)]


def unwrapped(value: Any) -> Any:
    """A value as it is meant: files wrap lists, `{"__value__": [...]}`, to tell them from links."""
    if not isinstance(value, dict):
        return value
    held = cast("dict[str, Any]", value)
    return held["__value__"] if held.keys() == {"__value__"} else held


def _default(each: Input) -> Any:
    default: Any = each.default
    if each.each is not None:
        return []
    if default is MISSING:
        return None
    return [default] if each.many and default is not None and not isinstance(default, list) else cast("Any", default)


def _hints(fn: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return get_type_hints(fn)
    except (NameError, TypeError):  # annotations that only a type checker can read; then nothing is provided
        return {}


def _is_default(definition: NodeDef, name: str) -> bool:
    return getattr(definition, name) is NodeDef.__dataclass_fields__[name].default
