"""What changed between two workflows, in words: nodes, links, values, by title."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from server.engine.graph import Graph, Link, Placed
from server.formats.errors import FormatError
from server.formats.script import in_order

Kind = Literal["added", "removed", "title", "value", "link"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: a node that came, went or was renamed, or an input with another value or link."""

    kind: Kind
    node: str
    name: str
    input: str | None = None
    before: Any = None
    after: Any = None

    @property
    def sentence(self) -> str:
        """The same for a person."""
        match self.kind:
            case "added":
                return f"+ {self.name}"
            case "removed":
                return f"- {self.name}"
            case "title":
                return f"~ {self.name}: called {self.after!r}, was {self.before!r}"
            case "link":
                return f"~ {self.name}: {self.input} from {self.after or 'nothing'}, was {self.before or 'nothing'}"
            case "value":
                return f"~ {self.name}: {self.input} {_shown(self.before)} -> {_shown(self.after)}"

    def as_json(self) -> dict[str, Any]:
        """The change as JSON."""
        return {key: value for key, value in asdict(self).items() if value is not None or key in ("before", "after")}


def diff(before: Graph, after: Graph) -> list[Change]:
    """Every difference, in the order of the later workflow, what went at the end.

    Ids say which node became which, unless the nodes were numbered anew: then what they are made of says it.
    """
    by_id = _changed(before, after, matched(before, after, {}))
    if not by_id:
        return by_id
    by_content = _changed(before, after, matched(before, after, _same_content(before, after)))
    return min(by_id, by_content, key=len)


def matched(before: Graph, after: Graph, known: Mapping[str, str]) -> dict[str, str]:
    """Which node became which: those that are known, and of one type, by id, then by title, then in order."""
    pairs = dict(known)
    taken = set(pairs.values())
    for old in before:
        new = after.get(old.id)
        if old.id not in pairs and new is not None and new.type == old.type and new.id not in taken:
            pairs[old.id] = new.id
    for named in (True, False):
        taken = set(pairs.values())
        waiting: dict[tuple[str, str], list[str]] = {}
        for new in after:
            if new.id not in taken:
                waiting.setdefault(_likeness(new, named=named), []).append(new.id)
        for old in before:
            if old.id not in pairs and (fitting := waiting.get(_likeness(old, named=named))):
                pairs[old.id] = fitting.pop(0)
    return pairs


def _same_content(before: Graph, after: Graph) -> dict[str, str]:
    """Nodes of the same type and values, fed by such nodes in the same way; none where links form a ring."""
    try:
        one, other = _digests(before), _digests(after)
    except FormatError:
        return {}
    alike: dict[str, list[str]] = {}
    for name, digest in other.items():
        alike.setdefault(digest, []).append(name)
    found: dict[str, str] = {}
    taken: set[str] = set()
    for old, digest in reversed(one.items()):  # from the ends up: what feeds the same input is the same node
        left = alike.get(digest, [])
        while left and left[-1] in taken:
            left.pop()
        waiting = [(old, new) for new in left[-1:]]
        while waiting:
            old_id, new_id = waiting.pop()
            if old_id in found or new_id in taken or one.get(old_id) != other.get(new_id):
                continue
            found[old_id] = new_id
            taken.add(new_id)
            fed = after[new_id].inputs
            waiting += [
                (link.node, to.node) for name, link in before[old_id].links if isinstance(to := fed.get(name), Link)
            ]
    return found


def _digests(graph: Graph) -> dict[str, str]:
    """What each node is made of, all that feeds it included. Raises FormatError when links form a ring."""
    found: dict[str, str] = {}
    for placed in in_order(graph):
        inputs = {
            name: [found.get(value.node, ""), value.slot] if isinstance(value, Link) else repr(value)
            for name, value in placed.inputs.items()
        }
        text = json.dumps([placed.type, inputs], sort_keys=True)
        found[placed.id] = hashlib.sha256(text.encode()).hexdigest()
    return found


def _changed(before: Graph, after: Graph, pairs: Mapping[str, str]) -> list[Change]:
    back = {new: old for old, new in pairs.items()}
    found: list[Change] = []
    for placed in after:
        old = back.get(placed.id)
        if old is None:
            found.append(Change("added", placed.id, placed.name))
        else:
            found.extend(_changes(before[old], placed, pairs, before, after))
    found.extend(Change("removed", old.id, old.name) for old in before if old.id not in pairs)
    return found


def _likeness(placed: Placed, *, named: bool) -> tuple[str, str]:
    return placed.type, placed.title if named else ""


def _changes(old: Placed, new: Placed, pairs: Mapping[str, str], before: Graph, after: Graph) -> Iterator[Change]:
    if old.title != new.title and old.title and new.title:  # a file without titles says nothing of them
        yield Change("title", new.id, new.name, None, old.title, new.title)
    for name in _names(old.inputs, new.inputs):
        one, other = old.inputs.get(name), new.inputs.get(name)
        if isinstance(one, Link) or isinstance(other, Link):
            if not _same_link(one, other, pairs):
                yield Change("link", new.id, new.name, name, _end(one, before), _end(other, after))
        elif one != other or isinstance(one, bool) != isinstance(other, bool):
            yield Change("value", new.id, new.name, name, one, other)


def _names(one: Iterable[str], other: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*other, *one]))


def _same_link(one: object, other: object, pairs: Mapping[str, str]) -> bool:
    if not (isinstance(one, Link) and isinstance(other, Link)):
        return False
    return pairs.get(one.node, one.node) == other.node and one.slot == other.slot


def _end(value: Any, graph: Graph) -> str | None:
    """A link's end by the name of its node; a value as it is written."""
    if not isinstance(value, Link):
        return None if value is None else repr(value)
    placed = graph.get(value.node)
    return f"{placed.name if placed else f'node {value.node}'} output {value.slot}"


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 200 else text[:197] + "..."
