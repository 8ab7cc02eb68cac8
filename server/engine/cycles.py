"""Where a graph bites its own tail, and how far a broken node's harm reaches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, cast

from server.engine.graph import Graph

if TYPE_CHECKING:
    import networkx as nx

MAX_CYCLES = 100
"""Enough to mend a file by; a graph can have more cycles than there are atoms."""
MAX_SPOILED = 100
"""Enough to show; thousands of bad nodes times thousands of outputs would be an answer of gigabytes."""


def cycles_of(graph: Graph) -> list[list[str]]:
    """A cycle for each knot of nodes that feed one another, at most MAX_CYCLES, each from source to consumer."""
    left = _unordered(graph)
    if not left:
        return []
    import networkx as nx  # noqa: PLC0415 -- only broken graphs pay for it

    wiring = Graph({node_id: graph[node_id] for node_id in graph.nodes if node_id in left}).wiring()
    place = {node_id: i for i, node_id in enumerate(graph.nodes)}
    knots: list[tuple[str, set[str]]] = []
    for knot in nx.strongly_connected_components(wiring):
        first = min(knot, key=place.__getitem__)
        if len(knot) > 1 or wiring.has_edge(first, first):
            knots.append((first, knot))
    knots.sort(key=lambda each: place[each[0]])
    return [_cycle_in(wiring.subgraph(knot), first) for first, knot in knots[:MAX_CYCLES]]


def spoiled_outputs(graph: Graph, bad: Iterable[str], outputs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """For each bad node, the first MAX_SPOILED outputs that need it, itself included when it is one."""
    import networkx as nx  # noqa: PLC0415 -- only broken graphs pay for it

    wiring = graph.wiring()
    reach: dict[str, int] = dict.fromkeys(graph.nodes, 0)
    for bit, output in enumerate(outputs):
        reach[output] = 1 << bit
    # Knots come consumers first, so one pass carries the sets of outputs, as bits, all the way up.
    for knot in nx.strongly_connected_components(wiring):
        bits = 0
        for node_id in knot:
            bits |= reach[node_id]
            for consumer in wiring.successors(node_id):
                bits |= reach[consumer]
        for node_id in knot:
            reach[node_id] = bits
    return {node_id: tuple(_picked(reach[node_id], outputs)) for node_id in bad if node_id in reach}


def _cycle_in(knot: nx.DiGraph[str], first: str) -> list[str]:
    import networkx as nx  # noqa: PLC0415 -- only broken graphs pay for it

    edges = cast("list[tuple[str, str]]", nx.find_cycle(knot, first))  # pyright: ignore[reportUnknownMemberType]
    return [source for source, _ in edges]


def _picked(bits: int, outputs: Sequence[str]) -> Iterable[str]:
    flags = format(bits, "b")[::-1]
    place = flags.find("1")
    for _ in range(MAX_SPOILED):
        if place < 0:
            return
        yield outputs[place]
        place = flags.find("1", place + 1)


def _unordered(graph: Graph) -> set[str]:
    """The nodes that cannot be put in an order: those on cycles, and those that these feed."""
    waits = {placed.id: sum(link.node in graph for _, link in placed.links) for placed in graph}
    feeds: dict[str, list[str]] = {}
    for placed in graph:
        for _, link in placed.links:
            if link.node in graph:
                feeds.setdefault(link.node, []).append(placed.id)
    ready = [node_id for node_id, count in waits.items() if count == 0]
    while ready:
        for consumer in feeds.get(ready.pop(), ()):
            waits[consumer] -= 1
            if waits[consumer] == 0:
                ready.append(consumer)
    return {node_id for node_id, count in waits.items() if count > 0}
