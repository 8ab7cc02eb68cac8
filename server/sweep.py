"""Values set from outside a workflow, `KSampler.seed=1..8`, and the graphs that they make of one graph."""

from __future__ import annotations

import difflib
import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nodes.define import Input
from nodes.registry import Registry
from nodes.widgets import Choice, Files
from server.engine.graph import Graph, Link, Placed

MAX_RUNS = 10_000

_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(\d+))?")
_REAL_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\.\.(-?\d+(?:\.\d+)?)\.\.(\d+(?:\.\d+)?)")


class BadAssignment(ValueError):  # noqa: N818 -- reads as what it is
    """Something that cannot be set; one sentence says why and what can."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A graph with values set, and those values by `NODE.INPUT` as they were named."""

    graph: Graph
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Axis:
    """An input and the values that it takes in turn."""

    name: str
    node: str
    input: str
    values: Sequence[Any]


def variants(graph: Graph, assignments: Sequence[str], registry: Registry) -> list[Variant]:
    """The graph once for each combination of the values; later assignments vary fastest. Raises BadAssignment.

    A node is named by its id, its title or its type; an input that only one node has needs no node.
    """
    axes = [_axis(text, graph, registry) for text in assignments]
    count = math.prod(len(axis.values) for axis in axes)
    if count > MAX_RUNS:
        raise BadAssignment(f"The values make {count} runs; at most {MAX_RUNS} are taken at once.")
    return [_variant(graph, axes, values) for values in itertools.product(*(axis.values for axis in axes))]


def _variant(graph: Graph, axes: Sequence[_Axis], values: Iterable[Any]) -> Variant:
    nodes = dict(graph.nodes)
    chosen: dict[str, Any] = {}
    for axis, value in zip(axes, values, strict=True):
        placed = nodes[axis.node]
        nodes[axis.node] = replace(placed, inputs={**placed.inputs, axis.input: value})
        chosen[axis.name] = value
    return Variant(Graph(nodes), chosen)


def _axis(text: str, graph: Graph, registry: Registry) -> _Axis:
    target, equals, value = text.partition("=")
    if not equals or not target.strip():
        raise BadAssignment(f"--set {text}: it must be NODE.INPUT=VALUE.")
    placed, each, name = _found(text, target.strip(), graph, registry)
    return _Axis(target.strip(), placed.id, name, values_of(value, each))


def values_of(text: str, each: Input) -> list[Any]:
    """The values that a text means for an input: `1..8`, `0..1..0.25`, `4,7,10`; a JSON list of texts or anything."""
    if text.startswith("[") and (listed := _json(text)) is not None and isinstance(listed, list):
        return list(listed)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if each.type in ("INT", "FLOAT"):
        return [value for part in text.split(",") for value in _numbers(part.strip())]
    if isinstance(each.widget, Choice | Files):
        whole = isinstance(each.widget, Choice) and text in each.widget.names()
        return [text] if whole or (isinstance(each.widget, Files) and "," not in text) else text.split(",")
    if each.type == "BOOLEAN":
        return text.split(",")
    if each.type == "STRING":
        return [text]
    found = _json(text)
    return [text if found is None else found]


def _numbers(part: str) -> list[Any]:
    if whole := _RANGE.fullmatch(part):
        first, last, step = int(whole[1]), int(whole[2]), int(whole[3] or 1)
        if step == 0 or abs(last - first) // step >= MAX_RUNS:
            raise BadAssignment(f"{part} is a range of more than {MAX_RUNS} values.")
        return list(range(first, last + 1, step) if first <= last else range(first, last - 1, -step))
    if real := _REAL_RANGE.fullmatch(part):
        first, last, step = float(real[1]), float(real[2]), float(real[3])
        count = int(abs(last - first) / step + 1e-9) + 1 if step else MAX_RUNS + 1
        if count > MAX_RUNS:
            raise BadAssignment(f"{part} is a range of more than {MAX_RUNS} values.")
        # Rounded, so that 0..1..0.1 gives 0.3 and not 0.30000000000000004, which would be another result's key.
        return [round(first + math.copysign(step, last - first) * i, 10) for i in range(count)]
    for number in (int, float):
        try:
            return [number(part)]
        except ValueError:
            pass
    return [part]


def _found(text: str, target: str, graph: Graph, registry: Registry) -> tuple[Placed, Input, str]:
    """The node and the input that a name means."""
    for node, name in _splits(target):
        candidates = _named(node, graph, registry)
        if not candidates:
            continue
        fitting = [(placed, each) for placed in candidates if (each := _input(placed, name, registry)) is not None]
        if len(fitting) == 1:
            return (*fitting[0], name)
        if len(fitting) > 1:
            ids = ", ".join(placed.id for placed, _ in fitting)
            raise BadAssignment(f"--set {text}: more than one node has that name; say which of {ids} by its id.")
        raise BadAssignment(
            f"--set {text}: {candidates[0].name} has no input {name!r}.{_near_inputs(candidates[0], name, registry)}"
        )
    return _only(text, target, graph, registry)


def _only(text: str, name: str, graph: Graph, registry: Registry) -> tuple[Placed, Input, str]:
    """The one node that has a value of its own for an input of this name."""
    having = [(placed, each) for placed in graph if (each := _input(placed, name, registry)) is not None]
    fitting = [(placed, each) for placed, each in having if not isinstance(placed.inputs.get(name), Link)]
    if len(fitting) == 1:
        return (*fitting[0], name)
    nodes = ", ".join(placed.name for placed, _ in (fitting or having)[:6])
    if fitting:
        raise BadAssignment(f"--set {text}: more than one node has an input {name!r}: {nodes}. Name the node too.")
    if having:
        raise BadAssignment(f"--set {text}: every input {name!r} is linked; name its node too: {nodes}.")
    names = [placed.title or placed.type for placed in graph]
    near = difflib.get_close_matches(name.rpartition(".")[0] or name, [*names, *graph.nodes], n=3)
    hint = f" Near matches: {', '.join(near)}." if near else f" Nodes: {', '.join(dict.fromkeys(names[:12]))}."
    raise BadAssignment(f"--set {text}: the workflow has no such node or input.{hint}")


def _splits(target: str) -> Iterable[tuple[str, str]]:
    """Node and input, split at each dot from the right: titles may hold dots, and so do growing inputs."""
    places = [i for i, letter in enumerate(target) if letter == "."]
    return ((target[:i], target[i + 1 :]) for i in reversed(places))


def _named(node: str, graph: Graph, registry: Registry) -> list[Placed]:
    if (placed := graph.get(node)) is not None:
        return [placed]
    wanted = node.casefold()
    titled = [placed for placed in graph if placed.title.casefold() == wanted]
    if titled:
        return titled
    return [placed for placed in graph if wanted in (placed.type.casefold(), _title(placed, registry).casefold())]


def _title(placed: Placed, registry: Registry) -> str:
    definition = registry.get(placed.type)
    return definition.title if definition else ""


def _input(placed: Placed, name: str, registry: Registry) -> Input | None:
    definition = registry.get(placed.type)
    found = definition.input(name) if definition else None
    return found if found is not None and found.type in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "*") else None


def _near_inputs(placed: Placed, name: str, registry: Registry) -> str:
    definition = registry.get(placed.type)
    names = [each.name for each in definition.inputs if _input(placed, each.name, registry)] if definition else []
    near = difflib.get_close_matches(name, names, n=3) or names
    return f" It has {', '.join(near)}." if near else ""


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
