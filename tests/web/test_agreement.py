"""The editor and the server read the same files in the same way.

`agreement/files.json` holds files made for this and the prompt that each one is; `saved.json` is what the editor saves
of them. web/test/model/agreement.test.ts holds the editor to both, with the nodes of `object_info.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from nodes.folders import Folders
from nodes.registry import Registry, builtin
from nodes.schema import node_info
from server.formats import Shapes
from server.formats.document import read_item
from server.formats.editor import to_prompt
from server.formats.fields import known_fields
from server.formats.prompt import clean_prompt

FOLDER = Path(__file__).parent / "agreement"
Json = dict[str, Any]


class _First(Random):
    """Picks the first of what there is, as the editor does in its test."""

    def random(self) -> float:
        return 0.0


def _rows(name: str) -> list[Json]:
    return json.loads((FOLDER / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return builtin()


def _prompt(file: Json, registry: Registry) -> Json:
    now = datetime(2026, 1, 7, 9, 5, 3, tzinfo=UTC)
    return clean_prompt(to_prompt(file, Shapes(registry), choices=_First(), now=now))


def _with_defaults(prompt: Mapping[str, Any], registry: Registry) -> Json:
    """A prompt with the defaults that it leaves out, as node types say them: the editor always sends them."""
    full: Json = {}
    for name, node in prompt.items():
        definition = registry.get(node["class_type"])
        widgets = [each for each in definition.inputs if each.is_widget and "." not in each.name] if definition else []
        defaults = {each.name: each.default for each in widgets}
        full[name] = (node["class_type"], {**defaults, **node["inputs"]})
    return full


@pytest.mark.parametrize("row", _rows("files.json"), ids=lambda row: row["name"])
def test_the_server_makes_this_prompt_of_the_file(row: Json, registry: Registry) -> None:
    assert _prompt(row["file"], registry) == row["prompt"]


@pytest.mark.parametrize("row", [row for row in _rows("files.json") if "fields" in row], ids=lambda row: row["name"])
def test_the_server_tells_these_fields_of_its_nodes(row: Json, registry: Registry) -> None:
    shapes = Shapes(registry)
    items = [read_item(node, "The node") for node in row["file"]["nodes"] if str(node["id"]) in row["fields"]]
    told = {item.id: known_fields(item, shapes.get(item.type)) or () for item in items}
    assert {name: [{"name": e.name, "type": e.type} for e in fields] for name, fields in told.items()} == row["fields"]


@pytest.mark.parametrize("place", range(len(_rows("files.json"))), ids=[row["name"] for row in _rows("files.json")])
def test_what_the_editor_saved_asks_for_the_same(place: int, registry: Registry) -> None:
    row, saved = _rows("files.json")[place], _rows("saved.json")[place]
    assert saved["name"] == row["name"]
    found = _with_defaults(_prompt(saved["file"], registry), registry)
    assert found == _with_defaults(row["prompt"], registry)


def test_the_editor_is_tested_with_the_nodes_that_there_are(registry: Registry, tmp_path: Path) -> None:
    known = json.loads((FOLDER / "object_info.json").read_text("utf-8"))
    folders = Folders(tmp_path)
    assert known == {name: node_info(registry.definitions[name], folders) for name in known}
