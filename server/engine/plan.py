"""What has to be made for some outputs, in which order, and under which key each result is known.

The key of a result is a SHA-256 over the node's type and version, its constants, its fingerprint, and the keys of what
feeds it. Each node is hashed once, so a plan costs what its edges are, and a key means the same in another process,
after a restart, and on another machine.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from nodes.define import Never, NodeDef
from server.engine.graph import Graph, Link, Placed
from server.engine.kinds import Kind, Kinds, Things, unwrapped
from server.engine.validate import Live

_text_of = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

Salt = Callable[[NodeDef], str]
"""What a node's results depend on beside the node's own version: of a custom pack, its code."""


@dataclass(frozen=True, slots=True)
class Step:
    """A node that may run: as placed, its kind, and its result's key. A volatile result has a key no other run has."""

    placed: Placed
    kind: Kind
    key: str
    volatile: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps by node id, sources before consumers, and the output nodes that are wanted."""

    steps: Mapping[str, Step]
    targets: tuple[str, ...]


class CyclicGraph(ValueError):  # noqa: N818 -- reads as what it is
    """Nodes that feed one another cannot be put in an order."""


def no_salt(_: NodeDef) -> str:
    """Nothing beside the node's version."""
    return ""


def make_plan(graph: Graph, targets: Sequence[str], kinds: Kinds, provided: Things, salt: Salt = no_salt) -> Plan:
    """The plan for these output nodes of a validated graph. Raises CyclicGraph."""
    return Plan(make_steps(graph, ordered(graph, targets), kinds, provided, salt), tuple(targets))


def make_steps(
    graph: Graph, order: Iterable[str], kinds: Kinds, provided: Things, salt: Salt = no_salt
) -> dict[str, Step]:
    """Steps for nodes whose sources come before them."""
    steps: dict[str, Step] = {}
    for node_id in order:
        placed = graph[node_id]
        kind = kinds.get(placed.type)
        assert kind is not None, f"{placed.type} is not known, though the graph is said to be valid"
        steps[node_id] = _step(placed, kind, steps, provided, salt(kind.definition))
    return steps


def ordered(graph: Graph, targets: Iterable[str]) -> list[str]:
    """These nodes and all that feeds them, each after its sources, one target's as far as possible before the next's.

    Raises CyclicGraph.
    """
    order: list[str] = []
    done: set[str] = set()
    open_: set[str] = set()
    waiting = list(targets)[::-1]
    while waiting:
        node_id = waiting[-1]
        if node_id in done:
            waiting.pop()
            continue
        sources = [link.node for _, link in graph[node_id].links if link.node not in done]
        if not sources:
            waiting.pop()
            open_.discard(node_id)
            done.add(node_id)
            order.append(node_id)
            continue
        if node_id in open_:
            raise CyclicGraph(f"Node {node_id} feeds itself, by way of node {sources[0]}.")
        open_.add(node_id)
        waiting.extend(reversed(sources))
    return order


def _step(placed: Placed, kind: Kind, steps: Mapping[str, Step], provided: Things, salt: str) -> Step:
    constants: dict[str, Any] = {}
    sources: dict[str, tuple[str, int]] = {}
    volatile = False
    for name, value in placed.inputs.items():
        if isinstance(value, Link):
            source = steps[value.node]
            sources[name] = (source.key, value.slot)
            volatile = volatile or source.volatile
        elif isinstance(value, Live):
            sources[name] = (value.token, 0)
        else:
            constants[name] = unwrapped(value)
    print_ = _fingerprint(placed, kind, provided)
    if print_ is None:
        return Step(placed, kind, secrets.token_hex(32), volatile=True)
    definition = kind.definition
    own_id = placed.id if kind.own_id else ""
    content = _text_of([definition.id, definition.version, salt, own_id, print_, constants, sources])
    return Step(placed, kind, sha256(content.encode()).hexdigest(), volatile)


def _fingerprint(placed: Placed, kind: Kind, provided: Things) -> str | None:
    """What the result depends on beside its inputs; None when it is made anew each time."""
    if kind.fingerprint is None:
        return ""
    try:
        found = kind.fingerprint(kind.constants(placed.inputs, Link), provided)
    except Exception:  # noqa: BLE001 -- a file that cannot be read: the node itself will say so, running
        return None
    return None if isinstance(found, Never) else str(found)
