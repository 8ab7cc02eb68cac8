from __future__ import annotations

import json
from typing import Any

import pytest

from nodes.registry import Registry
from server.formats import Shapes, open_document, to_prompt
from tests.formats.documents import LOADER, Json, item, sheet, socket, subgraph, text_to_image


def sent_everywhere(*kinds: str) -> Json:
    """The usual workflow, links of some types replaced by a node that sends them everywhere."""
    document = json.loads(json.dumps(text_to_image()))
    gone = [link for link in document["links"] if link[5] in kinds]
    document["links"] = [link for link in document["links"] if link not in gone]
    for link in gone:
        target = next(node for node in document["nodes"] if node["id"] == link[3])
        target["inputs"][link[4]]["link"] = None
    names = ("downstream", "downstream_slot", "upstream", "upstream_slot", "type")
    found = [(link[3], link[4], str(link[1]), link[2], link[5]) for link in gone]
    document["extra"]["ue_links"] = [{**dict(zip(names, each, strict=True)), "controller": 9} for each in found]
    senders = [("anything", "CLIP", 30), ("anything2", "VAE", 31)]
    document["nodes"].append(item(9, "Anything Everywhere3", [], ins=senders))
    document["links"] += [[30, 1, 1, 9, 0, "CLIP"], [31, 1, 2, 9, 1, "VAE"]]
    return document


@pytest.mark.parametrize("kinds", [("CLIP",), ("CLIP", "VAE", "MODEL"), ("CONDITIONING", "LATENT", "IMAGE")])
def test_links_that_were_found_are_links(kinds: tuple[str, ...], shapes: Shapes) -> None:
    assert to_prompt(sent_everywhere(*kinds), shapes) == to_prompt(text_to_image(), shapes)


def test_an_inputs_own_link_stays(shapes: Shapes) -> None:
    document = text_to_image()
    document["extra"]["ue_links"] = [
        {"downstream": 5, "downstream_slot": 1, "upstream": 3, "upstream_slot": 0, "type": "CONDITIONING"}
    ]
    assert to_prompt(document, shapes) == to_prompt(text_to_image(), shapes)


def test_a_seed_is_sent_as_a_value(shapes: Shapes) -> None:
    document = text_to_image()
    sampler = document["nodes"][4]
    sampler["inputs"].append(socket("seed", "INT", None, "seed"))
    document["nodes"].append(item(9, "Seed Everywhere", [77, "fixed"], outs=("INT",)))
    document["extra"]["ue_links"] = [
        {"downstream": 5, "downstream_slot": 4, "upstream": "9", "upstream_slot": 0, "controller": 9, "type": "INT"}
    ]
    prompt = to_prompt(document, shapes)
    assert prompt["5"]["inputs"]["seed"] == 77
    assert "9" not in prompt


def test_links_are_found_inside_subgraphs(shapes: Shapes) -> None:
    inner = subgraph(
        "encode",
        [item(4, "CLIPTextEncode", ["inside"], ins=[("clip", "CLIP", None)], outs=("CONDITIONING",))],
        [],
        ins=[("clip", "CLIP")],
        outs=[("CONDITIONING", "CONDITIONING")],
    )
    inner["extra"] = {
        "ue_links": [
            {"downstream": 4, "downstream_slot": 0, "upstream": "-10", "upstream_slot": 0, "type": "CLIP"},
            {"downstream": -20, "downstream_slot": 0, "upstream": 4, "upstream_slot": 0, "type": "CONDITIONING"},
        ]
    }
    outer = item(2, "encode", [], ins=[("clip", "CLIP", 1)], outs=("CONDITIONING",))
    zero = item(3, "ConditioningZeroOut", [], ins=[("conditioning", "CONDITIONING", 2)], outs=("CONDITIONING",))
    links = [(1, 1, 1, 2, 0, "CLIP"), (2, 2, 0, 3, 0, "CONDITIONING")]
    document = sheet([LOADER, outer, zero], links, definitions={"subgraphs": [inner]})
    prompt = to_prompt(document, shapes)
    assert prompt["2:4"]["inputs"] == {"text": "inside", "clip": ["1", 1]}
    assert prompt["3"]["inputs"] == {"conditioning": ["2:4", 0]}


@pytest.mark.parametrize(
    "links",
    [None, 3, [None], [{}], [{"downstream": [], "upstream": {}}], [{"downstream": 5, "downstream_slot": 99}]],
)
def test_strange_lists_change_nothing(links: Any, shapes: Shapes) -> None:
    document = text_to_image()
    document["extra"]["ue_links"] = links
    assert to_prompt(document, shapes) == to_prompt(text_to_image(), shapes)


def test_a_file_that_does_not_say_what_was_sent_is_told_of(registry: Registry) -> None:
    document = sent_everywhere("VAE")
    assert open_document(document, registry).report.notes == ()
    del document["extra"]["ue_links"]
    (note,) = open_document(document, registry).report.notes
    assert note.startswith("Use Everywhere feeds inputs here")
