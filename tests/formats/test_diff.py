from __future__ import annotations

import json
import random
from copy import deepcopy
from typing import Any

import pytest

from server.formats import Shapes, canonical, diff, read_prompt, to_document, to_prompt
from tests.formats.documents import text_to_image
from tests.formats.test_rewriting import random_document


def prompt(shapes: Shapes) -> dict[str, Any]:
    return to_prompt(text_to_image(), shapes)


def sentences(before: Any, after: Any) -> list[str]:
    return [change.sentence for change in diff(read_prompt(before), read_prompt(after))]


def test_nothing_changed_says_nothing(shapes: Shapes) -> None:
    assert sentences(prompt(shapes), prompt(shapes)) == []


def test_changes_are_said_by_title(shapes: Shapes) -> None:
    before = prompt(shapes)
    after = deepcopy(before)
    after["5"]["inputs"]["seed"] = 8
    after["2"]["_meta"]["title"] = "Wanted"
    after["8"] = {"class_type": "LoraLoader", "inputs": {"model": ["1", 0]}, "_meta": {"title": "Ink"}}
    after["5"]["inputs"]["model"] = ["8", 0]
    del after["7"], after["5"]["inputs"]["negative"]
    assert sentences(before, after) == [
        "~ Wanted (node 2): called 'Wanted', was 'Prompt'",
        "~ KSampler (node 5): seed 7 -> 8",
        "~ KSampler (node 5): model from Ink (node 8) output 0, was Load Checkpoint (node 1) output 0",
        "~ KSampler (node 5): negative from nothing, was CLIP Text Encode (Prompt) (node 3) output 0",
        "+ Ink (node 8)",
        "- Save Image (node 7)",
    ]
    assert [c.as_json() for c in diff(read_prompt(before), read_prompt(after))][1] == {
        "kind": "value",
        "node": "5",
        "name": "KSampler (node 5)",
        "input": "seed",
        "before": 7,
        "after": 8,
    }


def test_new_numbers_are_no_change(shapes: Shapes) -> None:
    before = prompt(shapes)
    after = json.loads(json.dumps(before))
    names = {name: f"x{int(name) * 3}" for name in after}
    for node in after.values():
        node["inputs"] = {
            k: [names[v[0]], v[1]] if isinstance(v, list) else v for k, v in node["inputs"].items()
        }  # fmt: skip
    assert sentences(before, {names[name]: node for name, node in after.items()}) == []


def test_nodes_that_were_numbered_anew_are_known_by_what_they_are_made_of(shapes: Shapes) -> None:
    """Two nodes of a type that change places, of which each has the other's number, and two that are alike."""
    before = prompt(shapes)
    before["3"]["inputs"]["text"] = before["2"]["inputs"]["text"] = ""
    before["8"] = deepcopy(before["5"])
    before["8"]["inputs"] |= {"seed": 8, "latent_image": ["5", 0]}
    before["6"]["inputs"]["samples"] = ["8", 0]
    names = {"5": "8", "8": "5", "2": "3", "3": "2"}
    after = {
        names.get(name, name): {
            **node,
            "inputs": {
                k: [names.get(v[0], v[0]), v[1]] if isinstance(v, list) else v for k, v in node["inputs"].items()
            },
        }
        for name, node in before.items()
    }
    assert sentences(before, after) == []
    after["5"]["inputs"]["steps"] = 3
    assert sentences(before, after) == ["~ KSampler (node 5): steps 20 -> 3"]


def test_rings_are_compared_by_their_numbers() -> None:
    one, other = ({n: {"class_type": "T", "inputs": {"a": ["1", 0], "b": n}} for n in ids} for ids in ("12", "132"))
    assert sentences(one, other) == ["+ T (node 3)"]


def test_file_without_titles_renames_nothing() -> None:
    one, other, last = (
        {"1": {"class_type": "T", "inputs": {}, "_meta": m}} for m in ({}, {"title": "A"}, {"title": "B"})
    )
    assert sentences(one, other) == sentences(other, one) == []
    assert sentences(other, last) == ["~ B (node 1): called 'B', was 'A'"]


def test_true_is_another_value_than_one() -> None:
    one, other = ({"1": {"class_type": "T", "inputs": {"a": value}}} for value in (1, True))
    assert sentences(one, other) == ["~ T (node 1): a 1 -> True"]


@pytest.mark.parametrize("seed", range(40))
def test_canonical_form_is_stable_and_says_the_same(seed: int, shapes: Shapes) -> None:
    document = random_document(seed)
    shuffled = json.loads(json.dumps(document))
    random.Random(seed).shuffle(shuffled["nodes"])
    random.Random(seed).shuffle(shuffled["links"])
    shuffled = dict(reversed(shuffled.items()))
    text = canonical(document)
    assert canonical(json.loads(text)) == text == canonical(shuffled)
    assert to_prompt(json.loads(text), shapes) == to_prompt(document, shapes)


def test_canonical_prompt_has_its_nodes_by_number() -> None:
    nodes = {name: {"inputs": {}, "class_type": "T"} for name in ("10", "9", "a", "2:3")}
    assert list(json.loads(canonical(nodes))) == ["9", "10", "2:3", "a"]


@pytest.mark.parametrize("seed", range(100))
def test_laid_out_prompt_converts_back(seed: int, shapes: Shapes) -> None:
    before = to_prompt(random_document(seed), shapes)
    after = to_prompt(json.loads(json.dumps(to_document(before, shapes))), shapes)
    assert sentences(before, after) == []


def test_laid_out_prompt_keeps_links_from_outputs_that_are_not_known(shapes: Shapes) -> None:
    prompt = {
        "1": {"class_type": "PreviewImage", "inputs": {}},
        "2": {"class_type": "Unheard Of", "inputs": {"image": ["1", 3]}},
    }
    opened = to_prompt(to_document(prompt, shapes), shapes)
    assert opened["2"]["inputs"] == {"image": ["1", 3]}


def test_laid_out_choice_has_the_fields_that_it_brings(shapes: Shapes) -> None:
    inputs = {"resize_type": "scale width", "resize_type.width": 64, "scale_method": "area"}
    document = to_document({"1": {"class_type": "ResizeImageMaskNode", "inputs": inputs}}, shapes)
    assert document["nodes"][0]["widgets_values"] == ["scale width", 64, "area"]
    assert to_prompt(document, shapes)["1"]["inputs"] == inputs


def test_laid_out_nodes_stand_apart_and_after_what_feeds_them(shapes: Shapes) -> None:
    document = to_document(prompt(shapes), shapes, title="Seven")
    boxes = {n["id"]: (*n["pos"], *n["size"]) for n in document["nodes"]}
    assert document["extra"] == {"title": "Seven"}
    for link in document["links"]:
        assert boxes[link[1]][0] < boxes[link[3]][0]
    for one, (x, y, w, h) in boxes.items():
        for other, (x2, y2, w2, h2) in boxes.items():
            apart = x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y
            assert one == other or apart


def test_layout_of_a_ring_ends(shapes: Shapes) -> None:
    ring = {str(n): {"class_type": "T", "inputs": {"a": [str((n + 1) % 5), 0]}} for n in range(5)}
    assert len(to_document(ring, shapes)["nodes"]) == 5
