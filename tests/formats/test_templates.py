from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nodes.folders import STARTER, Folders
from nodes.registry import Registry
from server.engine.engine import Engine
from server.engine.errors import Problem
from server.formats import Shapes, canonical, diff, open_workflow, read_prompt, to_document
from server.formats.sketch import sketch

FOLDER = Path(__file__).parents[2] / "workflows"
TEMPLATES = sorted(FOLDER.glob("*.json"))
WANTED = {
    "text_to_image", "image_to_image", "inpaint", "outpaint", "hires_fix", "upscale", "lora", "two_loras",
    "controlnet_canny", "controlnet_depth", "controlnet_pose", "regional_prompts", "style_reference",
    "icon_batch", "product_variations", "xy_sweep", "sdxl_base_refiner", "sd35", "flux_schnell", "flux_dev",
    "qwen_image", "z_image",
}  # fmt: skip

each_template = pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)


def test_the_templates_are_there() -> None:
    assert {path.stem for path in TEMPLATES} >= WANTED


@each_template
def test_template_says_what_it_is(path: Path) -> None:
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    extra = document["extra"]
    assert 3 < len(extra["title"]) < 40
    assert 20 < len(extra["description"]) < 200
    assert document["version"] == 0.4
    assert path.read_text("utf-8") == canonical(document)


@each_template
def test_template_links_both_ways(path: Path) -> None:
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    nodes = {node["id"]: node for node in document["nodes"]}
    for number, origin, slot, target, place, kind in document["links"]:
        assert number in nodes[origin]["outputs"][slot]["links"]
        assert nodes[target]["inputs"][place]["link"] == number
        assert nodes[origin]["outputs"][slot]["type"] == kind


@each_template
def test_template_is_sketched_whole(path: Path) -> None:
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    seen = sketch(document)
    assert [(box.x, box.y) for box in seen.boxes] == [tuple(node["pos"]) for node in document["nodes"]]
    assert all(box.type for box in seen.boxes)
    places = [node["id"] for node in document["nodes"]]
    lines = [(places[line.start], places[line.end], line.type) for line in seen.lines]
    assert sorted(lines) == sorted((origin, target, kind) for _, origin, _, target, _, kind in document["links"])


def test_places_are_read_as_files_have_them() -> None:
    nodes = [
        {"id": 1, "type": "A", "pos": {"0": 5, "1": 6}, "size": {"0": 70, "1": 80}},
        {"id": 2, "type": "B", "pos": [1.5, 2]},
        {"id": 3, "type": "C", "pos": "far away", "size": None},
    ]
    boxes = sketch({"nodes": nodes, "links": []}).boxes
    assert [(box.x, box.y, box.width, box.height) for box in boxes] == [
        (5, 6, 70, 80),
        (1.5, 2, 210, 60),
        (0, 0, 210, 60),
    ]


def needs_a_file(problem: Problem, registry: Registry, kinds: dict[str, str]) -> bool:
    """Whether a problem is only that a file is not on this machine's disk."""
    definition = registry.definitions[kinds[problem.node_id or ""]]
    named = definition.input(problem.input_name or "") or definition.inputs[0]
    return getattr(named.widget, "folder", None) is not None


@each_template
def test_template_is_valid_but_for_files_that_are_not_there(path: Path, registry: Registry, tmp_path: Path) -> None:
    opened = open_workflow(path.read_bytes(), registry, path.name)
    assert opened.report.unknown == ()
    checked = Engine(registry, provided={Folders: Folders.at(tmp_path)}).validate(read_prompt(opened.prompt))
    kinds = {name: node["class_type"] for name, node in opened.prompt.items()}
    assert [p.sentence for p in checked.problems if not needs_a_file(p, registry, kinds)] == []
    models = {v for n in opened.prompt.values() for k, v in n["inputs"].items() if k == "ckpt_name"}
    if models == {STARTER} and STARTER in Folders.at(tmp_path).names("checkpoints"):
        assert checked.sound


@each_template
def test_template_comes_back_from_the_api_format(path: Path, registry: Registry, shapes: Shapes) -> None:
    prompt = open_workflow(path.read_bytes(), registry).prompt
    again = open_workflow(json.dumps(to_document(prompt, shapes)).encode(), registry).prompt
    assert diff(read_prompt(prompt), read_prompt(again)) == []
