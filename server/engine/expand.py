"""A graph that a node returned in place of a result, as steps that the executor can run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from nodes.define import Expand, Input, NodeError, Out
from server.engine.graph import Graph, Link, Placed
from server.engine.kinds import Kinds, Things
from server.engine.plan import CyclicGraph, Salt, Step, make_steps, ordered
from server.engine.validate import Live, check_nodes

MAX_DEPTH = 1000


@dataclass(frozen=True, slots=True)
class Expansion:
    """The steps of one expansion by id, and for each output of the node a value or a Link to one of them."""

    steps: Mapping[str, Step]
    outputs: tuple[Any, ...]

    @property
    def wanted(self) -> Iterator[str]:
        """The nodes that must run: those that give the outputs, and output nodes."""
        yield from (value.node for value in self.outputs if isinstance(value, Link))
        yield from (node_id for node_id, step in self.steps.items() if step.kind.definition.terminal)


def expansion_of(parent: Step, call: int, expand: Expand, *, kinds: Kinds, provided: Things, salt: Salt) -> Expansion:
    """What a call of `parent` expanded to; ids are `<node>.<call>.<id>`. Raises NodeError when the graph is wrong.

    Values in it are known by the parent's key and their place, so its results are cached like any others.
    """
    start = f"{parent.placed.id}.{call}."
    token = f"{parent.key}.{call}."
    graph = Graph.of(
        _placed(name, kind, inputs, kinds, start=start, token=token) for name, (kind, inputs) in expand.nodes.items()
    )
    _, problems = checked = check_nodes(graph, list(graph.nodes), kinds, provided)
    if problems:
        raise NodeError(f"the graph that it expands to is wrong: {problems[0].sentence}")
    declared = len(parent.kind.definition.outputs)
    if len(expand.outputs) != declared:
        raise NodeError(f"it expands to {len(expand.outputs)} outputs; it declares {declared}.")
    outputs = tuple(_linked(value, start) for value in expand.outputs)
    for value in outputs:
        if isinstance(value, Link) and not _exists(graph, value, kinds):
            raise NodeError(f"its output is said to come from {value.node}, output {value.slot}, which is not there.")
    try:
        order = ordered(checked[0], graph.nodes)
    except CyclicGraph as error:
        raise NodeError(f"the graph that it expands to has a cycle: {error}") from error
    steps = make_steps(checked[0], order, kinds, provided, salt)
    return Expansion(steps, outputs)


def _placed(name: str, node_type: str, inputs: Mapping[str, Any], kinds: Kinds, *, start: str, token: str) -> Placed:
    kind = kinds.get(node_type)
    if kind is None:
        raise NodeError(f"it expands to a node of type {node_type!r}, which is not installed.")
    made: dict[str, Any] = {}
    for key, value in inputs.items():
        each = kind.input(key)
        if each is not None and value is not None:
            made.update(_values(key, each, value, start, f"{token}{name}.{key}"))
    return Placed(start + name, node_type, made)


def _values(name: str, each: Input, value: Any, start: str, token: str) -> dict[str, Any]:
    """One input's value as validation takes it; a list for a growing input fills its places."""
    if each.each is not None and each.name == name and isinstance(value, list | tuple):
        parts = cast("list[Any]", value)
        return {f"{name}.{i}": _value(each, part, start, f"{token}.{i}") for i, part in enumerate(parts)}
    return {name: _value(each, value, start, token)}


def _value(each: Input, value: Any, start: str, token: str) -> Any:
    if isinstance(value, Out):
        return Link(start + value.node, value.slot)
    if isinstance(value, bool | int | float | str):
        # A plain value is judged like a file's, and gives the same key wherever it comes from.
        return value if each.is_widget or each.wire else Live(value, f"={type(value).__name__}:{value!r}")
    return Live(value, token)


def _linked(value: Any, start: str) -> Any:
    return Link(start + value.node, value.slot) if isinstance(value, Out) else value


def _exists(graph: Graph, link: Link, kinds: Kinds) -> bool:
    placed = graph.get(link.node)
    kind = kinds.get(placed.type) if placed is not None else None
    return kind is not None and 0 <= link.slot < len(kind.definition.outputs)
