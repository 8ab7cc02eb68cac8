"""What has to be made for some outputs, in which order, and under which key each result is known.

The key of a result is a SHA-256 over the node's type and version, its constants, what is in the files that they name,
its fingerprint, and the keys of what feeds it. Each node is hashed once, so a plan costs what its edges are, and a key
means the same in another process, after a restart, and on another machine.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from nodes.define import Never, NodeDef
from nodes.folders import Folders, MissingFile
from server.engine.graph import Graph, Link, Placed
from server.engine.kinds import Kind, Kinds, Things, thing, unwrapped
from server.engine.validate import Live

Salt = Callable[[NodeDef], str]
"""What a node's results depend on beside the node's own version: of a custom pack, its code."""


@dataclass(frozen=True, slots=True)
class Step:
    """A node that may run: as placed, its kind, and its result's key. A volatile result has a key no other run has."""

    placed: Placed
    kind: Kind
    links: Sequence[tuple[str, Link]]
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
        placed = graph.nodes[node_id]
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
        sources = [link.node for _, link in graph.nodes[node_id].links if link.node not in done]
        if sources and node_id in open_:
            raise CyclicGraph(f"Node {node_id} feeds itself, by way of node {sources[0]}.")
        if sources:
            open_.add(node_id)
            waiting.extend(reversed(sources))
            continue
        waiting.pop()
        done.add(node_id)
        order.append(node_id)
    return order


def _step(placed: Placed, kind: Kind, steps: Mapping[str, Step], provided: Things, salt: str) -> Step:
    links = placed.links
    mark = _fingerprint(placed, kind, provided)
    if mark is None:
        return Step(placed, kind, links, secrets.token_hex(32), volatile=True)
    content = [_fact(name, value, steps) for name, value in placed.inputs.items()]
    content.sort()
    definition = kind.definition
    head = (definition.id, definition.version, salt, placed.id if kind.own_id else "", mark)
    key = sha256(f"{head}{content}".encode()).hexdigest()
    return Step(placed, kind, links, key, any(steps[link.node].volatile for _, link in links))


def _fact(name: str, value: Any, steps: Mapping[str, Step]) -> tuple[str, str, str]:
    """An input as the key takes it in. The middle part keeps a text from passing for a link."""
    if isinstance(value, Link):
        return name, "link", f"{steps[value.node].key}/{value.slot}"
    if isinstance(value, Live):
        return name, "live", value.token
    return name, "value", repr(unwrapped(value))


def _fingerprint(placed: Placed, kind: Kind, provided: Things) -> str | None:
    """What the result depends on beside its inputs; None when it is made anew each time."""
    try:
        found = kind.fingerprint(kind.constants(placed.inputs, Link), provided) if kind.fingerprint else ""
        contents = _contents(placed, kind, provided) if kind.files else ""
    except Exception:  # noqa: BLE001 -- a file that cannot be read: the node itself will say so, running
        return None
    return None if isinstance(found, Never) or contents is None else f"{found}{contents}"


def _contents(placed: Placed, kind: Kind, provided: Things) -> str | None:
    """Digests of the files that constants name; None where a name is linked, and so not known before the node runs."""
    folders = thing(provided, Folders)
    if not isinstance(folders, Folders):
        return ""
    digests: list[str] = []
    for name, widget in kind.files:
        value = unwrapped(placed.inputs.get(name, kind.defaults[kind.inputs[name].parameter]))
        if isinstance(value, (Link, Live)):
            return None
        if isinstance(value, str) and value not in widget.extra:
            digests.append(_content(folders, widget.folder, value))
    return " ".join(digests)


def _content(folders: Folders, kind: str, name: str) -> str:
    """A file's digest. Of a missing one only that it is: some nodes do without, the others tell of it."""
    try:
        return folders.digest(kind, name)
    except MissingFile:
        return "missing"
