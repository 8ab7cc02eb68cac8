"""An editor's file as the API-format prompt that it queues: subgraphs unfolded, links followed to what makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, cast

from server.formats.document import Document, Item, read_document
from server.formats.everywhere import SENDERS, with_found_links
from server.formats.fields import fields_of
from server.formats.prompt import Prompt, is_link
from server.formats.scopes import Scope, unfold
from server.formats.shapes import NodeShape, Shapes
from server.formats.texts import choose, fill_name
from server.formats.wanted import GETTER, PRIMITIVES, REROUTES, SETTER, Constant, Gone, Source, find_source

NOT_RUN = frozenset(
    {
        *REROUTES,
        *PRIMITIVES,
        *SENDERS,
        GETTER,
        SETTER,
        "Note",
        "MarkdownNote",
        "Label (rgthree)",
        "Bookmark (rgthree)",
        "Node Collector (rgthree)",
        "Fast Muter (rgthree)",
        "Fast Bypasser (rgthree)",
        "Fast Groups Muter (rgthree)",
        "Fast Groups Bypasser (rgthree)",
        "Fast Actions Button (rgthree)",
        "Mute / Bypass Relay (rgthree)",
        "Mute / Bypass Repeater (rgthree)",
        "Random Unmuter (rgthree)",
    }
)
"""Node types that live in the editor only."""


@dataclass(frozen=True, slots=True)
class Running:
    """A node of a document that runs: its id in the API format, the node, and where it stands."""

    id: str
    item: Item
    scope: Scope


def to_prompt(
    document: Mapping[str, Any], shapes: Shapes, *, choices: Random | None = None, now: datetime | None = None
) -> Prompt:
    """The API-format prompt of an editor's file (0.4 or 1.0).

    `choices` picks among the variants of dynamic prompts (fresh each time when None), `now` is the date in file names.
    Raises FormatError naming the node or link that cannot be read.
    """
    return convert(with_found_links(read_document(document), document), shapes, choices=choices, now=now)


def convert(
    document: Document, shapes: Shapes, *, choices: Random | None = None, now: datetime | None = None
) -> Prompt:
    """Like `to_prompt`, of a document that is read already."""
    prompt: Prompt = {}
    running = list(running_nodes(unfold(document, shapes)))
    for each in running:
        shape = shapes.get(each.item.type)
        title = each.item.title or (shape.title if shape else each.item.type)
        prompt[each.id] = {
            "class_type": each.item.type,
            "inputs": _inputs(each, shape, choices or Random()),
            "_meta": {"title": title},
        }
    _fill_names(prompt, running, now or datetime.now().astimezone())
    return prompt


def running_nodes(root: Scope) -> Iterator[Running]:
    """The nodes that run, those of a subgraph in its instance's place."""
    waiting = [(root, iter(root.sheet.items.values()))]
    while waiting:
        scope, items = waiting[-1]
        item = next(items, None)
        if item is None:
            waiting.pop()
        elif item.id in scope.children:
            child = scope.children[item.id]
            waiting.append((child, iter(child.sheet.items.values())))
        elif item.active and item.type not in NOT_RUN:
            yield Running(f"{scope.prefix}{item.id}", item, scope)


def _inputs(each: Running, shape: NodeShape | None, choices: Random) -> dict[str, Any]:
    inputs = _own_values(each, shape)
    for socket in each.item.inputs:
        if socket.link is None:
            continue
        match find_source(each.scope, socket):
            case Source(node=node, slot=slot):
                inputs[socket.name] = [node, slot]
            case Constant(value=value):
                inputs[socket.name] = _wrapped(value)
            case Gone():
                inputs.pop(socket.name, None)
            case None:
                pass
    for name, value in inputs.items():
        known = shape.input(name) if shape else None
        if known is not None and known.dynamic and isinstance(value, str):
            inputs[name] = choose(value, choices)
    return inputs


def _own_values(each: Running, shape: NodeShape | None) -> dict[str, Any]:
    values = fields_of(each.item, shape)
    for (node, name), value in each.scope.overrides.items():
        if node == each.item.id and not name.startswith(("$$", "control_")):
            values[name] = value
    return {name: _wrapped(value) for name, value in values.items()}


def _wrapped(value: Any) -> Any:
    """A list that is a value, marked so that it is not taken for a link."""
    return {"__value__": cast("list[Any]", value)} if isinstance(value, list) else value


def _fill_names(prompt: Prompt, running: list[Running], now: datetime) -> None:
    named: dict[str, str] = {}
    for each in running:
        called = each.item.properties.get("Node name for S&R")
        for name in (called, each.item.title):
            if isinstance(name, str) and name:
                named.setdefault(name, each.id)

    def field(node: str, name: str) -> object | None:
        found = prompt.get(named.get(node, node))
        value = found["inputs"].get(name) if found else None
        return None if is_link(value) else value

    for entry in prompt.values():
        prefix = entry["inputs"].get("filename_prefix")
        if isinstance(prefix, str):
            entry["inputs"]["filename_prefix"] = fill_name(prefix, now, field)
