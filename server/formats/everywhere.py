"""Links of the pack "Use Everywhere" (cg-use-everywhere), whose nodes feed every fitting input without one.

Which input gets what is worked out by the pack's script in the editor. It leaves what it found in each graph's
`extra.ue_links`, and those are taken for links here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from server.formats.document import INSIDE_OUTPUT, Document, Sheet, Wire
from server.formats.reading import optional_mapping

SENDERS = frozenset({"Anything Everywhere", "Anything Everywhere3", "Anything Everywhere?", "Prompts Everywhere"})
SEED = "Seed Everywhere"
"""Holds a seed, as a primitive does."""


def with_found_links(document: Document, raw: Mapping[str, Any]) -> Document:
    """The document with the links that the pack found, where an input has none of its own."""
    listed: object = optional_mapping(raw.get("definitions")).get("subgraphs")
    sheets = [optional_mapping(each) for each in cast("list[object]", listed)] if isinstance(listed, list) else []
    named = {str(each.get("id")): each for each in sheets}
    definitions = {name: _linked(sheet, named.get(name, {})) for name, sheet in document.definitions.items()}
    return replace(document, root=_linked(document.root, raw), definitions=definitions)


def _linked(sheet: Sheet, raw: Mapping[str, Any]) -> Sheet:
    items, wires, returned = dict(sheet.items), dict(sheet.wires), dict(sheet.returned)
    for wire in _found(raw):
        if wire.target == INSIDE_OUTPUT:
            returned.setdefault(wire.target_slot, wire)
            continue
        item = items.get(wire.target)
        if item is None or not 0 <= wire.target_slot < len(item.inputs):
            continue
        socket = item.inputs[wire.target_slot]
        if socket.link is None or socket.link not in wires:
            wires[wire.id] = wire
            inputs = list(item.inputs)
            inputs[wire.target_slot] = replace(socket, link=wire.id)
            items[item.id] = replace(item, inputs=tuple(inputs))
    return replace(sheet, items=items, wires=wires, returned=returned)


def is_lost(raw: Mapping[str, Any], types: Iterable[str]) -> bool:
    """Whether a document sends things everywhere, and does not say where to."""
    return not SENDERS.isdisjoint(types) and "ue_links" not in optional_mapping(raw.get("extra"))


def _found(raw: Mapping[str, Any]) -> Iterator[Wire]:
    listed: object = optional_mapping(raw.get("extra")).get("ue_links")
    for place, each in enumerate(cast("list[object]", listed) if isinstance(listed, list) else []):
        link = optional_mapping(each)
        ends = [link.get(name) for name in ("upstream", "downstream")]
        slots = [link.get(f"{name}_slot") for name in ("upstream", "downstream")]
        if all(isinstance(end, str | int) for end in ends) and all(isinstance(slot, int) for slot in slots):
            origin, target = (str(end) for end in ends)
            origin_slot, target_slot = (int(cast("int", slot)) for slot in slots)
            yield Wire(f"ue:{place}", origin, origin_slot, target, target_slot, str(link.get("type") or "*"))
