"""Results that came of a file are known again by what was in it, for every input of every node that names one."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes.folders import Folders
from nodes.registry import builtin
from nodes.widgets import Files
from server.engine.graph import Graph, Link, Placed
from server.engine.kinds import Kinds
from server.engine.plan import Step, make_steps

FILES = [
    (definition.id, each.name, each.widget)
    for definition in builtin()
    for each in definition.inputs
    if isinstance(each.widget, Files)
]


@pytest.fixture(scope="module")
def kinds() -> Kinds:
    return Kinds(builtin())


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders.at(tmp_path)


def write(folders: Folders, kind: str, content: bytes) -> None:
    path = folders.roots(kind)[0] / "a.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def step(kinds: Kinds, folders: Folders, node: str, **named: str | Link) -> Step:
    """The node's step; files that are not named are those called a.safetensors."""
    inputs = {name: "a.safetensors" for each, name, _ in FILES if each == node}
    placed = [
        Placed("source", "PrimitiveString", {"value": "a.safetensors"}),
        Placed("node", node, {**inputs, **named}),
    ]
    return make_steps(Graph.of(placed), ("source", "node"), kinds, {Folders: folders})["node"]


@pytest.mark.parametrize(("node", "name", "widget"), FILES, ids=[f"{node}.{name}" for node, name, _ in FILES])
def test_another_content_is_another_result(kinds: Kinds, folders: Folders, node: str, name: str, widget: Files) -> None:
    for _, _, each in FILES:
        write(folders, each.folder, b"first")
    before = step(kinds, folders, node)
    assert not before.volatile
    assert step(kinds, folders, node).key == before.key
    write(folders, widget.folder, b"another")
    assert step(kinds, folders, node).key != before.key
    for extra in widget.extra[-1:]:
        assert not step(kinds, folders, node, **{name: extra}).volatile, "a name without a file"


@pytest.mark.parametrize("named", ["../a.safetensors", Link("source", 0)])
def test_what_cannot_be_read_yet_is_never_taken_from_before(kinds: Kinds, folders: Folders, named: str | Link) -> None:
    write(folders, "loras", b"first")
    assert step(kinds, folders, "LoraLoaderModelOnly", lora_name=named).volatile


def test_a_file_that_appears_is_another_result(kinds: Kinds, folders: Folders) -> None:
    missing = step(kinds, folders, "LoraLoaderModelOnly")
    assert missing.key == step(kinds, folders, "LoraLoaderModelOnly").key
    write(folders, "loras", b"here now")
    assert step(kinds, folders, "LoraLoaderModelOnly").key != missing.key
