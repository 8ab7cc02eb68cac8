"""What a node looks like to a file: its inputs in order, which of them are widgets, and its outputs.

Ours come from the node registry. For ComfyUI's nodes that are not among ours, known_nodes.json holds the same facts,
and pack_nodes.json those of widely used packs, by pack: so that files which use them still open, convert and show.
"""

from __future__ import annotations

import difflib
import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib import resources
from itertools import pairwise
from typing import Any, cast

from nodes.define import MISSING, Input, NodeDef
from nodes.registry import Registry
from nodes.widgets import Files, Rows, Seed, Text

PLAIN = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})
"""Types that are edited in a field unless they are forced to be sockets."""

_WIDGET_TYPES = PLAIN | {"COMFY_DYNAMICCOMBO_V3"}
_SEEDS = frozenset({"seed", "noise_seed"})
_COMPARED = 30
"""How many names, those with most pairs of letters in common, are compared letter by letter."""


@dataclass(frozen=True, slots=True)
class InputShape:
    """One input. `control`: a field for what happens to it after each run follows; `upload`: it has a button.

    `folder` is where the files that it names are; `extra` are names without a file. An input with `rows` is a place of
    a list of rows.
    """

    name: str
    type: str
    widget: bool = False
    control: bool = False
    upload: bool = False
    dynamic: bool = False
    optional: bool = False
    folder: str | None = None
    extra: tuple[str, ...] = ()
    default: Any = MISSING
    rows: Rows | None = None

    @property
    def plain(self) -> bool:
        """Whether it is of a type that a field could edit, widget or not."""
        return self.type in _WIDGET_TYPES


@dataclass(frozen=True, slots=True)
class NodeShape:
    """A node type: what it is called, its inputs (required before optional), its outputs as (name, type).

    `versions` are the fields of other versions of it, in the order in which files hold their values.
    """

    id: str
    title: str
    inputs: tuple[InputShape, ...]
    outputs: tuple[tuple[str, str], ...]
    terminal: bool = False
    ours: bool = True
    pack: str | None = None
    versions: tuple[tuple[InputShape, ...], ...] = ()

    def input(self, name: str) -> InputShape | None:
        """The input of this name; `images.3` finds the growing input `images`."""
        stem = name.split(".", 1)[0]
        found = next((i for i in self.inputs if i.name == name), None)
        return found or next((i for i in self.inputs if i.name == stem and not i.widget), None)

    @property
    def widgets(self) -> tuple[InputShape, ...]:
        """The inputs that have a field, in the order in which files hold their values."""
        return tuple(i for i in self.inputs if i.widget)


@cache
def _known_nodes() -> Mapping[str, Any]:
    """Facts by node type. A pack's nodes say which pack that is."""
    packs: Mapping[str, Mapping[str, Any]] = _facts_file("pack_nodes.json")
    of_packs = {kind: {**facts, "pack": pack} for pack, nodes in packs.items() for kind, facts in nodes.items()}
    return {**of_packs, **_facts_file("known_nodes.json")}


def _facts_file(name: str) -> Mapping[str, Any]:
    text = resources.files("server.formats").joinpath(name).read_text("utf-8")
    return cast("Mapping[str, Any]", json.loads(text))


@lru_cache(maxsize=4096)
def _pairs_of(name: str) -> frozenset[str]:
    """The pairs of letters in a name."""
    return frozenset(map("".join, pairwise(name)))


@dataclass(frozen=True)
class Shapes:
    """Shapes of node types by name: ours first, then those that are only known."""

    ours: Registry
    _facts: Mapping[str, Any] = field(default_factory=_known_nodes, repr=False)
    _made: dict[str, NodeShape] = field(default_factory=dict[str, NodeShape], repr=False)

    def get(self, node_type: str) -> NodeShape | None:
        """The shape of a node type, or None when nothing is known of it."""
        if node_type not in self._made:
            definition = self.ours.get(node_type)
            if definition is not None:
                self._made[node_type] = replace(shape_of(definition), versions=_versions(self._facts.get(node_type)))
            elif node_type in self._facts:
                self._made[node_type] = _known_shape(node_type, self._facts[node_type])
        return self._made.get(node_type)

    def nearest(self, node_type: str) -> str | None:
        """The node type of ours whose name is most like this one."""
        name = node_type[:200]
        pairs = _pairs_of(name)
        alike = heapq.nlargest(_COMPARED, self.ours.definitions, key=lambda each: len(pairs & _pairs_of(each)))
        found = difflib.get_close_matches(name, alike, n=1, cutoff=0.6)
        return found[0] if found else None

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys((*self.ours.definitions, *self._facts))


def shape_of(definition: NodeDef) -> NodeShape:
    """The shape of one of our nodes."""
    return NodeShape(
        definition.id,
        definition.title,
        tuple(_input_shape(i) for i in _in_file_order(definition.inputs)),
        tuple((o.name, o.type) for o in definition.outputs),
        definition.terminal,
    )


def _in_file_order(inputs: Sequence[Input]) -> list[Input]:
    """Required inputs before optional ones, and what a choice brings, `choice.field`, right after the choice."""
    place = {each.name: (each.optional, number) for number, each in enumerate(inputs)}
    return sorted(inputs, key=lambda each: (*place.get(each.name.split(".", 1)[0], place[each.name]), place[each.name]))


def _input_shape(each: Input) -> InputShape:
    widget = each.widget
    controlled = widget.control if isinstance(widget, Seed) else each.name in _SEEDS
    return InputShape(
        name=each.name,
        type=each.type,
        widget=each.is_widget,
        control=each.is_widget and each.type == "INT" and controlled,
        upload=isinstance(widget, Files) and widget.upload is not None,
        dynamic=isinstance(widget, Text) and widget.dynamic,
        optional=each.optional,
        folder=widget.folder if isinstance(widget, Files) else None,
        extra=widget.extra if isinstance(widget, Files) else (),
        default=each.default,
        rows=widget if isinstance(widget, Rows) else None,
    )


def _known_shape(node_type: str, facts: Mapping[str, Any]) -> NodeShape:
    inputs = tuple(_known_input(fact) for fact in facts["in"])
    return NodeShape(
        node_type,
        facts.get("title", node_type),
        tuple(sorted(inputs, key=lambda i: i.optional)),
        tuple((name, kind) for name, kind in facts["out"]),
        facts.get("terminal", False),
        ours=False,
        pack=facts.get("pack") or None,
        versions=_versions(facts),
    )


def _versions(facts: Mapping[str, Any] | None) -> tuple[tuple[InputShape, ...], ...]:
    """The fields of other versions of a node type than the one that is known best."""
    return tuple(tuple(_known_input(fact) for fact in fields) for fields in (facts or {}).get("versions", ()))


def _known_input(fact: Sequence[Any]) -> InputShape:
    name, kind, *more = fact
    options: Mapping[str, Any] = more[0] if more else {}
    widget = kind in _WIDGET_TYPES and not options.get("wire", False)
    return InputShape(
        name=name,
        type=kind,
        widget=widget,
        control=kind == "INT" and (options.get("control", False) or name in _SEEDS),
        upload=options.get("upload", False),
        dynamic=options.get("dynamic", False),
        optional=options.get("optional", False),
        default=options.get("default", MISSING),
    )


def compatible(one: str, other: str) -> bool:
    """Whether a link may join two socket types: equal but for case, one is anything, or the lists they are meet."""
    if one in ("*", "") or other in ("*", ""):
        return True
    return not {o.strip().lower() for o in one.split(",")}.isdisjoint(o.strip().lower() for o in other.split(","))
