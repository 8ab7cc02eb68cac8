"""What the one who opens a workflow should know: node types that are not there, models that are missing."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, cast

from nodes.folders import Folders
from server.formats.everywhere import is_lost
from server.formats.prompt import Prompt, is_link
from server.formats.reading import optional_mapping
from server.formats.shapes import Shapes


@dataclass(frozen=True, slots=True)
class UnknownNode:
    """A node type that is not ours: where it is used, its pack if that is known, and our most similar one."""

    type: str
    nodes: tuple[str, ...]
    pack: str | None = None
    nearest: str | None = None

    @property
    def sentence(self) -> str:
        """The same for a person."""
        pack = f" It is from the pack {self.pack}." if self.pack else ""
        near = f" The nearest known node is {self.nearest}." if self.nearest else ""
        return f"{_short(self.type)} ({_numbered(self.nodes)}) is not known here.{pack}{near}"


@dataclass(frozen=True, slots=True)
class MissingModel:
    """A file that a node names and that is not there: its folder, names on disk like it, and where it can be had."""

    name: str
    folder: str
    node: str
    input: str
    near: tuple[str, ...] = ()
    url: str | None = None

    @property
    def sentence(self) -> str:
        """The same for a person."""
        near = f" On disk is {', '.join(self.near)}." if self.near else ""
        url = f" The workflow says it is at {self.url}." if self.url else ""
        return f"{self.name} (node {self.node}, {self.input}) is not in {self.folder}.{near}{url}"


@dataclass(frozen=True, slots=True)
class Report:
    """What is to know about a workflow before it runs."""

    unknown: tuple[UnknownNode, ...] = ()
    missing: tuple[MissingModel, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of it, for a person."""
        return (*(u.sentence for u in self.unknown), *(m.sentence for m in self.missing), *self.notes)


_SHOWN_NODES, _SHOWN_LETTERS = 8, 100


def _short(name: str) -> str:
    return name if len(name) <= _SHOWN_LETTERS else name[: _SHOWN_LETTERS - 3] + "..."


def _numbered(nodes: tuple[str, ...]) -> str:
    """The nodes by their ids; of many, the first and how many more there are."""
    more = len(nodes) - _SHOWN_NODES
    names = ", ".join(_short(each) for each in nodes[:_SHOWN_NODES])
    return f"node {names} and {more} more" if more > 0 else f"node {names}"


def make_report(prompt: Prompt, document: Mapping[str, Any] | None, shapes: Shapes, folders: Folders | None) -> Report:
    """The report on a prompt, and on the editor's file that it came from."""
    raw = list(_raw_nodes(document or {}))
    return Report(
        tuple(_unknown(prompt, raw, shapes)),
        tuple(_missing(prompt, raw, shapes, folders)) if folders is not None else (),
        tuple(_notes(document or {}, raw)),
    )


def _notes(document: Mapping[str, Any], raw: list[Mapping[str, Any]]) -> Iterator[str]:
    if is_lost(document, {str(node.get("type")) for node in raw}):
        yield (
            "Use Everywhere feeds inputs here, and the file does not say which: in ComfyUI, convert its links to real "
            "ones and save again."
        )


def _unknown(prompt: Prompt, raw: list[Mapping[str, Any]], shapes: Shapes) -> Iterator[UnknownNode]:
    used: dict[str, list[str]] = {}
    for name, node in prompt.items():
        if node["class_type"] not in shapes.ours:
            used.setdefault(node["class_type"], []).append(name)
    packs = {str(node.get("type")): _pack(node) for node in raw}
    for kind, names in used.items():
        shape = shapes.get(kind)
        yield UnknownNode(kind, tuple(names), packs.get(kind) or (shape and shape.pack), shapes.nearest(kind))


def _pack(node: Mapping[str, Any]) -> str | None:
    properties = optional_mapping(node.get("properties"))
    found = (properties.get("cnr_id"), properties.get("aux_id"))
    return next((pack for pack in found if isinstance(pack, str) and pack), None)


def _missing(prompt: Prompt, raw: list[Mapping[str, Any]], shapes: Shapes, folders: Folders) -> Iterator[MissingModel]:
    urls = dict(_urls(raw))
    for name, node in prompt.items():
        shape = shapes.get(node["class_type"])
        for each in shape.inputs if shape else ():
            value = node["inputs"].get(each.name)
            if each.folder is None or each.folder == "output" or not isinstance(value, str) or is_link(value):
                continue
            if value not in each.extra and not _has(folders, each.folder, value):
                near = _near(value, folders.names(each.folder))
                yield MissingModel(value, each.folder, name, each.name, near, urls.get(_stem(value)))


def _has(folders: Folders, kind: str, name: str) -> bool:
    return folders.has(kind, name) or name.replace("\\", "/") in folders.names(kind)


def _near(name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the same file in another folder first, then of files called nearly so."""
    same = [n for n in names if _stem(n) == _stem(name)]
    like = difflib.get_close_matches(name[:200], names, n=3, cutoff=0.6)
    return tuple(dict.fromkeys([*same, *like]))[:3]


def _stem(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name.lower()


def _urls(raw: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for node in raw:
        listed: object = optional_mapping(node.get("properties")).get("models")
        for each in cast("list[object]", listed) if isinstance(listed, list) else []:
            model = optional_mapping(each)
            name, url = model.get("name"), model.get("url")
            if isinstance(name, str) and isinstance(url, str) and url.startswith(("https://", "http://")):
                yield _stem(name), url


def _raw_nodes(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every node object of a document, those of its subgraphs too."""
    sheets: list[object] = [document]
    definitions: object = optional_mapping(document.get("definitions")).get("subgraphs")
    sheets.extend(cast("list[object]", definitions) if isinstance(definitions, list) else [])
    for sheet in sheets:
        nodes: object = optional_mapping(sheet).get("nodes")
        for node in cast("list[object]", nodes) if isinstance(nodes, list) else []:
            if isinstance(node, dict):
                yield cast("dict[str, Any]", node)
