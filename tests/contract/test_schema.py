"""`object_info` as clients of ComfyUI expect it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from nodes.define import AnyValue, Prompt, Shown, node
from nodes.folders import Folders
from nodes.schema import node_info, object_info
from nodes.types import Clip, Conditioning, Image, Latent, Model, Vae
from nodes.widgets import Cell, Choice, Each, Files, Lazy, Range, Rows, Seed, Text, Toggle, Wire
from server.workers.catalogue import from_data, to_data


class Loaded(NamedTuple):
    model: Model
    clip: Clip
    vae: Vae


@node(id="Loader", title="Load Checkpoint", category="loaders")
def loader(*, ckpt_name: Annotated[str, Files("checkpoints")]) -> Loaded:
    """Load."""
    raise NotImplementedError


@node(id="Sampler", category="sampling")
def sampler(
    *,
    model: Model,
    seed: Annotated[int, Seed()] = 0,
    steps: Annotated[int, Range(1, 10_000)] = 20,
    cfg: Annotated[float, Range(0, 100, step=0.1, round=0.01)] = 8.0,
    sampler_name: Annotated[str, Choice(lambda: ["euler", "heun"])],
    positive: Conditioning,
    mask: Latent | None = None,
) -> Latent:
    """Sample."""
    raise NotImplementedError


@node(id="Save", title="Save Image", category="image", terminal=True)
def save(*, images: Image, filename_prefix: str = "ComfyUI", prompt: Prompt = None) -> Shown:
    """Save."""
    raise NotImplementedError


@node(id="Odd", deprecated=True, experimental=True)
def odd(
    *,
    text: Annotated[str, Text(multiline=True, dynamic=True)],
    flag: Annotated[bool, Toggle("yes", "no")] = True,
    number: Annotated[int, Wire],
    image: Annotated[str, Files("input", upload="image")],
    later: Annotated[Image | None, Lazy] = None,
    images: Annotated[list[Image], Each(max=2)],
) -> int:
    """Odd."""
    raise NotImplementedError


def info(fn: Any, base: Path) -> dict[str, Any]:
    return node_info(fn.definition, Folders.at(base))


def test_a_sampler_node_reads_as_comfyui_writes_it(tmp_path: Path) -> None:
    assert info(sampler, tmp_path) == {
        "input": {
            "required": {
                "model": ["MODEL"],
                "seed": ["INT", {"default": 0, "min": 0, "max": 2**64 - 1, "control_after_generate": True}],
                "steps": ["INT", {"default": 20, "min": 1, "max": 10000}],
                "cfg": ["FLOAT", {"default": 8.0, "min": 0.0, "max": 100.0, "step": 0.1, "round": 0.01}],
                "sampler_name": [["euler", "heun"]],
                "positive": ["CONDITIONING"],
            },
            "optional": {"mask": ["LATENT"]},
        },
        "input_order": {
            "required": ["model", "seed", "steps", "cfg", "sampler_name", "positive"],
            "optional": ["mask"],
        },
        "output": ["LATENT"],
        "output_is_list": [False],
        "output_name": ["LATENT"],
        "name": "Sampler",
        "display_name": "Sampler",
        "description": "Sample.",
        "python_module": sampler.definition.module,
        "category": "sampling",
        "output_node": False,
    }


def test_several_outputs_are_named_by_their_types(tmp_path: Path) -> None:
    made = info(loader, tmp_path)
    assert made["output"] == made["output_name"] == ["MODEL", "CLIP", "VAE"]


def test_hidden_inputs_and_output_nodes(tmp_path: Path) -> None:
    made = info(save, tmp_path)
    assert made["output_node"] is True
    assert made["output"] == []
    assert made["input"]["hidden"] == {"prompt": "PROMPT"}
    assert made["input"]["required"]["filename_prefix"] == ["STRING", {"default": "ComfyUI"}]


def test_widget_options(tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "b.png").write_bytes(b"x")
    made = info(odd, tmp_path)
    assert made["deprecated"] is made["experimental"] is True
    assert made["input"]["required"] == {
        "text": ["STRING", {"default": "", "multiline": True, "dynamicPrompts": True}],
        "flag": ["BOOLEAN", {"default": True, "label_on": "yes", "label_off": "no"}],
        "number": ["INT", {"forceInput": True}],
        "image": [["b.png"], {"image_upload": True}],
    }
    assert made["input"]["optional"] == {
        "later": ["IMAGE", {"lazy": True}],
        "images.0": ["IMAGE", {"each": {"name": "images", "min": 0, "max": 2}}],
        "images.1": ["IMAGE", {"each": {"name": "images", "min": 0, "max": 2}}],
    }


def test_the_whole_is_json(tmp_path: Path) -> None:
    made = object_info([f.definition for f in (loader, sampler, save, odd)], Folders.at(tmp_path))
    assert json.loads(json.dumps(made)) == made


def test_new_model_files_appear(tmp_path: Path) -> None:
    folders = Folders.at(tmp_path)
    before = node_info(loader.definition, folders)["input"]["required"]["ckpt_name"][0]
    (tmp_path / "models" / "checkpoints" / "sub").mkdir(parents=True)
    (tmp_path / "models" / "checkpoints" / "sub" / "a.safetensors").write_bytes(b"")
    after = node_info(loader.definition, folders)["input"]["required"]["ckpt_name"][0]
    assert set(after) - set(before) == {"sub/a.safetensors"}


_ROW = Annotated[
    AnyValue | None,
    Rows(
        "colours",
        (
            Cell("on", "BOOLEAN", default=True),
            Cell("name", "COMBO", "red", Choice(["red", "blue"])),
            Cell("fade", "FLOAT", 0.5, Range(0, 1), "fading", optional=True),
        ),
        add="Add colour",
        before=({},),
    ),
]


@node(id="Colours")
def colours(*, colour_1: _ROW = None, colour_2: _ROW = None) -> Image:
    """Colours."""
    raise NotImplementedError


def test_the_first_place_of_a_list_says_what_a_row_is(tmp_path: Path) -> None:
    fields = {
        "on": ["BOOLEAN", {"default": True}],
        "name": [["red", "blue"], {"default": "red"}],
        "fade": ["FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0, "display_name": "fading", "optional": True}],
    }
    said = info(colours, tmp_path)
    assert said["input"]["optional"] == {
        "colour_1": ["*", {"rows": {"name": "colours", "add": "Add colour", "fields": fields, "before": [{}]}}],
        "colour_2": ["*", {"rows": {"name": "colours"}}],
    }
    kept = from_data(json.loads(json.dumps(to_data(colours.definition))))
    assert node_info(kept, Folders.at(tmp_path)) == said
