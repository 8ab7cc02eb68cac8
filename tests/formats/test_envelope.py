"""Workflows inside what else a file holds: bodies of requests, and keys beside an API prompt's nodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nodes.registry import Registry
from server.cli import main
from server.formats import FormatError, open_workflow
from tests.formats.documents import text_to_image

API: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 16}},
    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
}
DOCUMENT = text_to_image()
INFO = {"extra_pnginfo": {"workflow": DOCUMENT}}


@pytest.mark.parametrize(
    ("value", "document"),
    [
        pytest.param(API, None, id="nodes alone"),
        pytest.param({"prompt": API}, None, id="a body"),
        pytest.param({"prompt": API, "client_id": "x", "extra_data": {}}, None, id="a client's body"),
        pytest.param({"prompt": API, "extra_data": INFO}, DOCUMENT, id="the editor's body"),
        pytest.param({"workflow": DOCUMENT, "output": API}, DOCUMENT, id="both halves"),
        pytest.param({"workflow": {"prompt": API, "extra_data": INFO}}, DOCUMENT, id="a job"),
        pytest.param({**API, **INFO}, DOCUMENT, id="information beside nodes"),
        pytest.param({**API, "version": 0.4, "notes": ["a"], "about": {"author": "x"}}, None, id="keys beside nodes"),
    ],
)
def test_the_workflow_is_found(registry: Registry, value: Any, document: Any) -> None:
    opened = open_workflow(json.dumps(value).encode(), registry)

    assert {name: node["class_type"] for name, node in opened.prompt.items()} == {
        "1": "EmptyImage",
        "2": "PreviewImage",
    }
    assert opened.document == document


def test_what_is_left_out_is_told(registry: Registry) -> None:
    value = {"prompt": {**API, "version": 0.4, "a\nb": None}, "client_id": "x"}

    opened = open_workflow(json.dumps(value).encode(), registry)

    assert opened.report.notes == (r"Left out, as they are no nodes: version, a\nb.",)


@pytest.mark.parametrize("broken", [{"inputs": {}}, {"class_type": "EmptyImage", "inputs": 3}])
def test_a_broken_node_is_no_key_to_leave_out(registry: Registry, tmp_path: Path, broken: Any) -> None:
    value = {**API, "3": broken}
    file = tmp_path / "broken.json"
    file.write_text(json.dumps(value))

    assert main(["check", str(file), "--base", str(tmp_path)]) == 2


@pytest.mark.parametrize(
    "value", [{"prompt": {"prompt": {}}}, {"prompt": 3}, {"extra_data": INFO["extra_pnginfo"]["workflow"]["nodes"]}]
)
def test_an_empty_envelope_is_no_workflow(registry: Registry, value: Any) -> None:
    with pytest.raises(FormatError, match="is no workflow"):
        open_workflow(json.dumps(value).encode(), registry)


def test_checking_tells_what_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "beside.json"
    file.write_text(json.dumps({**API, "version": 0.4}))

    assert main(["check", str(file), "--base", str(tmp_path)]) == 0

    said = capsys.readouterr()
    assert "2 nodes, no problem" in said.out
    assert said.err == "Left out, as they are no nodes: version.\n"


@pytest.mark.parametrize("value", [{**API, "version": 0.4}, {"prompt": API, "extra_data": INFO}])
def test_formatting_a_file_loses_nothing_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], value: Any) -> None:
    file = tmp_path / "beside.json"
    file.write_text(json.dumps(value))

    assert main(["fmt", str(file), "--base", str(tmp_path)]) == 2

    assert json.loads(file.read_text()) == value
    assert "holds more than a workflow" in capsys.readouterr().err
