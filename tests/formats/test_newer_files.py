"""Files of newer ComfyUIs than the one whose nodes ours are: outputs that nodes got since, fields, fewer links."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sfumato
from server.engine.graph import Link
from server.formats import Shapes, read_prompt
from server.formats.editor import to_prompt
from tests.formats.documents import item, sheet

PICTURE = {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 8, "batch_size": 1, "color": 255}}


def ran(base: Path, prompt: dict[str, Any]) -> Any:
    return sfumato.run(prompt, base=base, device="cpu")


@pytest.mark.parametrize("shows", ["SaveImage", "PreviewImage"])
def test_what_a_node_passes_on_comes_from_where_it_came(shows: str) -> None:
    graph = read_prompt(
        {
            "1": PICTURE,
            "2": {"class_type": shows, "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
            "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
            "4": {"class_type": "ImageInvert", "inputs": {"image": ["3", 0], "self": ["2", 0]}},
        }
    )

    assert graph["2"].inputs == {"images": Link("1", 0), "filename_prefix": "a"}
    assert graph["3"].inputs == {"images": Link("1", 0)}
    assert graph["4"].inputs == {"image": Link("1", 0), "self": Link("1", 0)}


@pytest.mark.parametrize(
    "inputs", [{}, {"images": ["2", 0]}, {"images": ["3", 0]}, {"images": 7}], ids=["no link", "itself", "a ring", "7"]
)
def test_what_passes_nothing_on_stays_as_it_is(inputs: dict[str, Any]) -> None:
    graph = read_prompt(
        {
            "2": {"class_type": "PreviewImage", "inputs": inputs},
            "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
            "4": {"class_type": "ImageInvert", "inputs": {"image": ["2", 1]}},
        }
    )

    assert graph["4"].inputs == {"image": Link("2", 1)}
    assert isinstance(graph["3"].inputs["images"], Link)


def test_a_picture_goes_on_behind_the_node_that_keeps_it(tmp_path: Path) -> None:
    prompt = {
        "1": PICTURE,
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "first"}},
        "3": {"class_type": "ImageInvert", "inputs": {"image": ["2", 0]}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "second"}},
    }

    assert sorted(path.name for path in ran(tmp_path, prompt).files) == ["first_00001_.png", "second_00001_.png"]


def test_a_shown_text_and_a_chosen_number_are_given_on(tmp_path: Path) -> None:
    prompt = {
        "1": {"class_type": "CustomCombo", "inputs": {"choice": "two", "index": 1, "option1": "one", "option2": "two"}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 1]}},
        "3": {
            "class_type": "StringConcatenate",
            "inputs": {"string_a": ["1", 0], "string_b": ["2", 0], "delimiter": ": "},
        },
        "4": {"class_type": "PreviewAny", "inputs": {"source": ["3", 0]}},
    }

    assert {node: said["text"] for node, said in ran(tmp_path, prompt).outputs.items()} == {"2": ["1"], "4": ["two: 1"]}


def test_a_batch_may_be_of_one(tmp_path: Path) -> None:
    prompt = {
        "1": PICTURE,
        "2": {"class_type": "BatchImagesNode", "inputs": {"images.image0": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "one"}},
    }

    assert len(ran(tmp_path, prompt).files) == 1


@pytest.mark.parametrize(
    ("values", "index"),
    [
        pytest.param(["two", 1, "one", "two"], 1, id="number"),
        pytest.param(["two", "one", "two"], None, id="words"),
        pytest.param(["two", "two"], None, id="a word"),
        pytest.param(["two"], None, id="older"),
    ],
)
def test_the_words_of_a_choice_are_no_number(shapes: Shapes, values: list[Any], index: int | None) -> None:
    prompt = to_prompt(sheet([item(1, "CustomCombo", values, outs=("STRING", "INT"))], []), shapes)

    assert prompt["1"]["inputs"] == {"choice": "two", **({} if index is None else {"index": index})}
