"""Which nodes there are: ours, and those of packs, with what went wrong on the way."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, cast

import nodes
from nodes.define import NodeDef, NodeFunction
from nodes.lazily import lazily

_NO_NODES = frozenset(
    {"define", "digests", "widgets", "types", "registry", "schema", "lazily", "folders", "codec", "packs"}
)


@dataclass(frozen=True, slots=True)
class PackError:
    """A pack that could not be loaded: its name, and the reason."""

    pack: str
    reason: str


@dataclass(frozen=True)
class Registry:
    """Nodes by id. Iterating gives the definitions in the order in which they were found."""

    definitions: Mapping[str, NodeDef]
    errors: tuple[PackError, ...] = ()

    def __iter__(self) -> Iterator[NodeDef]:
        return iter(self.definitions.values())

    def __contains__(self, node_type: str) -> bool:
        return node_type in self.definitions

    def get(self, node_type: str) -> NodeDef | None:
        """The node of this id, if there is one."""
        return self.definitions.get(node_type)

    def joined(self, definitions: Iterable[NodeDef], errors: Iterable[PackError] = ()) -> Registry:
        """This registry with more nodes; an id that is taken stays with who had it first, unless that is a stand-in."""
        more = {d.id: d for d in definitions}
        kept = {d.id: d for d in self if d.id not in more or not d.pack}
        return Registry({**more, **kept}, (*self.errors, *errors))


class _Defined(Mapping[str, NodeDef]):
    """Definitions by id, each made when it is first asked for; `functions` come with the pack they stand in for."""

    def __init__(self, functions: Mapping[str, tuple[NodeFunction[..., Any], str]]) -> None:
        self._functions = functions
        self._made: dict[str, NodeDef] = {}

    def __getitem__(self, node_type: str) -> NodeDef:
        if node_type not in self._made:
            function, pack = self._functions[node_type]
            self._made[node_type] = replace(function.definition, pack=pack) if pack else function.definition
        return self._made[node_type]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def __contains__(self, node_type: object) -> bool:
        return node_type in self._functions


def registry_of(*functions: NodeFunction[..., Any]) -> Registry:
    """A registry of these nodes."""
    return Registry({f.id: f.definition for f in functions})


def nodes_in(module: ModuleType) -> list[NodeFunction[..., Any]]:
    """The nodes that a module defines (not those it imports)."""
    # By type(), not isinstance(), which would ask a lazily imported module for its class and so load it.
    found = [cast("NodeFunction[..., Any]", f) for f in vars(module).values() if type(f) is NodeFunction]
    return [f for f in found if f.__module__ == module.__name__]


def builtin() -> Registry:
    """Every node that ships with Sfumato. Costs no torch. Raises ValueError when two nodes share an id.

    A module that cannot be imported is among the registry's errors; the others' nodes are there.
    """
    functions: dict[str, tuple[NodeFunction[..., Any], str]] = {}
    errors: list[PackError] = []
    with lazily():
        for found in sorted(pkgutil.iter_modules(nodes.__path__), key=lambda m: m.name):
            if found.ispkg or found.name in _NO_NODES:
                continue
            try:
                module = importlib.import_module(f"nodes.{found.name}")
            except Exception as error:  # noqa: BLE001 -- whatever one module raises, the others are of use
                errors.append(PackError(found.name, f"{type(error).__name__}: {error}"))
                continue
            pack = str(getattr(module, "PACK", ""))
            for function in nodes_in(module):
                if function.id in functions:
                    first, _ = functions[function.id]
                    raise ValueError(f"{function.id} is defined in {first.__module__} and in {function.__module__}.")
                functions[function.id] = (function, pack)
    return Registry(_Defined(functions), tuple(errors))
