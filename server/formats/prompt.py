"""API-format JSON, a node by its id with its type and inputs, and the graph that it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from server.engine.graph import Graph, Link, Placed
from server.formats.errors import FormatError, shown
from server.formats.legacy import current_input, current_type, current_value, passed_on
from server.formats.reading import optional_mapping

Prompt = dict[str, Any]


def is_prompt(value: object) -> bool:
    """Whether a JSON value looks like an API-format prompt: nodes by id, each saying its class_type."""
    if not isinstance(value, dict) or not value:
        return False
    nodes = cast("dict[str, object]", value).values()
    return any(isinstance(node, dict) and "class_type" in node for node in nodes)


def read_prompt(prompt: object) -> Graph:
    """The graph of an API-format prompt, old names replaced by today's.

    What a node lacks or has too much is left to validation; what is not of the shape at all raises FormatError naming
    the node.
    """
    if not isinstance(prompt, Mapping):
        raise FormatError(f"The prompt is {shown(prompt)}; it must be an object of nodes by id.")
    return _without_passing_on(
        Graph.of(_placed(str(name), node) for name, node in cast("Mapping[Any, Any]", prompt).items())
    )


def to_prompt(graph: Graph) -> Prompt:
    """The API-format JSON of a graph."""
    return {placed.id: _entry(placed) for placed in graph}


def clean_prompt(prompt: object) -> Prompt:
    """A prompt as we would write it: today's names, and nothing that a server left in it (`is_changed`)."""
    return to_prompt(read_prompt(prompt))


def is_link(value: object) -> bool:
    """Whether an input's value is a well-formed link, `["node id", slot]`."""
    match value:
        case [str(), int(slot)]:
            return not isinstance(slot, bool)
        case _:
            return False


def _placed(name: str, node: object) -> Placed:
    if not isinstance(node, Mapping):
        raise FormatError(f"Node {shown(name)} is {shown(node)}; it must be an object with class_type and inputs.")
    entry = cast("Mapping[str, Any]", node)
    inputs: object = entry.get("inputs", {})
    if not isinstance(inputs, Mapping):
        raise FormatError(f"Node {shown(name)}: inputs is {shown(inputs)}; it must be an object of values by name.")
    kind: object = entry.get("class_type")
    kind = current_type(kind) if isinstance(kind, str) else ""
    about = optional_mapping(entry.get("_meta"))
    title: object = about.get("title")
    version: object = about.get("version")
    return Placed(
        name,
        kind,
        {
            current_input(kind, str(given)): _value(str(given), value)
            for given, value in cast("Mapping[Any, Any]", inputs).items()
        },
        title if isinstance(title, str) else "",
        version if isinstance(version, int) and not isinstance(version, bool) else None,
    )


def _without_passing_on(graph: Graph) -> Graph:
    """The graph with links to what a node only passes on leading to where that comes from."""
    if not any(_passed_on(graph, link) for each in graph for _, link in each.links):
        return graph
    return Graph.of(
        replace(each, inputs={**each.inputs, **{name: _origin(graph, link) for name, link in each.links}})
        for each in graph
    )


def _origin(graph: Graph, link: Link) -> Link:
    seen = {link}
    while (before := _passed_on(graph, link)) is not None and before not in seen:
        seen.add(link := before)
    return link


def _passed_on(graph: Graph, link: Link) -> Link | None:
    source = graph.get(link.node)
    name = passed_on(source.type, link.slot) if source is not None else None
    before = source.inputs.get(name) if source is not None and name is not None else None
    return before if isinstance(before, Link) else None


def _value(name: str, value: object) -> Any:
    match value:
        case [str(node), int(slot)] if not isinstance(slot, bool):
            return Link(node, slot)
        case _:
            return current_value(name, value)


def _entry(placed: Placed) -> dict[str, Any]:
    inputs = {
        name: [value.node, value.slot] if isinstance(value, Link) else value for name, value in placed.inputs.items()
    }
    meta: dict[str, Any] = {}
    if placed.title:
        meta["title"] = placed.title
    if placed.version is not None:
        meta["version"] = placed.version
    return {"class_type": placed.type, "inputs": inputs, **({"_meta": meta} if meta else {})}
