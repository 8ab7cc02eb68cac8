"""Where a graph bites its own tail, and how far a broken node's harm reaches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from server.engine.graph import Graph

MAX_CYCLES = 100
"""Enough to mend a file by; a graph can have more cycles than there are atoms."""


def cycles_of(graph: Graph) -> list[list[str]]:
    """A cycle for each knot of nodes that feed one another, at most MAX_CYCLES, each from source to consumer."""
    left = _unordered(graph)
    if not left:
        return []
    import networkx as nx  # noqa: PLC0415 -- only broken graphs pay for it

    wiring = Graph({node_id: graph[node_id] for node_id in graph.nodes if node_id in left}).wiring()
    found: list[list[str]] = []
    for knot in nx.strongly_connected_components(wiring):
        first = next((n for n in graph.nodes if n in knot), None)
        if first is not None and (len(knot) > 1 or wiring.has_edge(first, first)):
            edges = cast("list[tuple[str, str]]", nx.find_cycle(wiring.subgraph(knot), first))  # pyright: ignore[reportUnknownMemberType]
            found.append([source for source, _ in edges])
    place = {node_id: i for i, node_id in enumerate(graph.nodes)}
    return sorted(found, key=lambda cycle: place[cycle[0]])[:MAX_CYCLES]


def spoiled_outputs(graph: Graph, bad: Iterable[str], outputs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """For each bad node, the outputs that need it, itself included when it is one."""
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


def _picked(bits: int, outputs: Sequence[str]) -> Iterable[str]:
    return (output for place, output in enumerate(outputs) if bits >> place & 1)


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
