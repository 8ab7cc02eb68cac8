"""Both halves of a picture: the editor's file, converted, is what the browser sent to be run.

The halves are as browsers of several years wrote them. Where ours differs from the API half, the case says where and
why; any other difference fails.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from nodes.registry import Registry
from server.formats import diff, open_workflow, read_prompt
from tests.formats.documents import LOADER, Json, item, sheet, subgraph, text_to_image

BUTTON = "the name of the upload button, which no node takes"
FOREIGN = "an extension's own field on a node whose type has no such input"
UNLINKED = "a field turned into a socket without a link: its value is kept rather than dropped, so the node can run"
OTHER_VERSION = "the file holds another number of values than the pack's node has fields: whose they are is a guess"
NAMELESS = "a node of an unknown pack, in a file that does not say which field a value is for"


@dataclass(frozen=True)
class Pair:
    """Two halves, and where ours may differ: reason by (node, input)."""

    name: str
    document: Json
    api: Json
    differs: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])


def ran(kind: str, **inputs: Any) -> Json:
    return {"class_type": kind, "inputs": inputs}


TEXT_TO_IMAGE = {
    "1": ran("CheckpointLoaderSimple", ckpt_name="a.safetensors"),
    "2": ran("CLIPTextEncode", text="a cat", clip=["1", 1]),
    "3": ran("CLIPTextEncode", text="bad", clip=["1", 1]),
    "4": ran("EmptyLatentImage", width=64, height=32, batch_size=2),
    "5": ran(
        "KSampler", seed=7, steps=20, cfg=5.5, sampler_name="euler", scheduler="normal", denoise=0.75,
        model=["1", 0], positive=["2", 0], negative=["3", 0], latent_image=["4", 0],
    ),
    "6": ran("VAEDecode", samples=["5", 0], vae=["1", 2]),
    "7": ran("SaveImage", filename_prefix="out", images=["6", 0]),
}  # fmt: skip


def load_image(number: int, values: Any, **more: Any) -> Json:
    return item(number, "LoadImage", values, outs=("IMAGE", "MASK"), **more)


PREVIEW = item(2, "PreviewImage", ins=[("images", "IMAGE", 1)])
ONE_LINK = [(1, 1, 0, 2, 0, "IMAGE")]

PAIRS = [
    Pair("text to image", text_to_image(), TEXT_TO_IMAGE),
    Pair(
        "what is muted or only drawn is not sent",
        {
            **(usual := text_to_image()),
            "nodes": [
                *usual["nodes"],
                item(8, "Note", ["mind the seed"]),
                item(9, "PreviewImage", ins=[("images", "IMAGE", 10)], mode=2),
                item(10, "MarkdownNote", ["# Read me"]),
            ],
            "links": [*usual["links"], [10, 6, 0, 9, 0, "IMAGE"]],
        },
        TEXT_TO_IMAGE,
    ),
    Pair(
        "upload button of 2023",
        sheet([load_image(1, ["cat.png", "image"]), PREVIEW], ONE_LINK),
        {"1": ran("LoadImage", image="cat.png", upload="image"), "2": ran("PreviewImage", images=["1", 0])},
        {("1", "upload"): BUTTON},
    ),
    Pair(
        "upload button under its label",
        sheet([load_image(1, ["cat.png", "image"]), PREVIEW], ONE_LINK),
        {
            "1": {"class_type": "LoadImage", "inputs": {"image": "cat.png", "choose file to upload": "image"}},
            "2": ran("PreviewImage", images=["1", 0]),
        },
        {("1", "choose file to upload"): BUTTON},
    ),
    Pair(
        "field of an extension",
        sheet(
            [LOADER, item(2, "CLIPTextEncode", ["a cat", True], ins=[("clip", "CLIP", 1)])], [(1, 1, 1, 2, 0, "CLIP")]
        ),
        {
            "1": TEXT_TO_IMAGE["1"],
            "2": ran("CLIPTextEncode", text="a cat", speak=True, clip=["1", 1]),
        },
        {("2", "speak"): FOREIGN},
    ),
    Pair(
        "field turned into a socket, fed by a primitive through a reroute",
        sheet(
            [
                item(1, "PrimitiveNode", [640, "fixed"], outs=("INT",)),
                item(2, "Reroute", ins=[("", "*", 1)], outs=("*",)),
                item(
                    3,
                    "EmptyLatentImage",
                    [512, 256, 1],
                    ins=[("width", "INT", 2, "width"), ("batch_size", "INT", None, "batch_size")],
                    outs=("LATENT",),
                ),
            ],
            [(1, 1, 0, 2, 0, "*"), (2, 2, 0, 3, 0, "INT")],
        ),
        {"3": ran("EmptyLatentImage", width=640, height=256)},
        {("3", "batch_size"): UNLINKED},
    ),
    Pair(
        "node of a pack whose fields are known",
        sheet(
            [
                item(1, "Text Multiline", ["a cat"], outs=("STRING",)),
                item(2, "Text _O", ["a dog"], outs=("STRING",)),
                item(3, "MMDetLoader", ["bbox/face"], outs=("BBOX_MODEL", "SEGM_MODEL")),
                load_image(4, ["cat.png", "image"]),
                item(
                    5,
                    "BboxDetectorForEach",
                    [0.5, 10, 4],
                    ins=[("bbox_model", "BBOX_MODEL", 1), ("image", "IMAGE", 2)],
                    outs=("SEGS",),
                ),
            ],
            [(1, 3, 0, 5, 0, "BBOX_MODEL"), (2, 4, 0, 5, 1, "IMAGE")],
        ),
        {
            "1": ran("Text Multiline", text="a cat"),
            "2": ran("Text _O", text="a dog"),
            "3": ran("MMDetLoader", model_name="bbox/face"),
            "4": ran("LoadImage", image="cat.png"),
            "5": ran(
                "BboxDetectorForEach", threshold=0.5, dilation=10, crop_factor=4, bbox_model=["3", 0], image=["4", 0]
            ),
        },
    ),
    Pair(
        "node of a pack in a version that has other fields",
        sheet([item(1, "MMDetLoader", ["a cat", 3, "more"], outs=("BBOX_MODEL",))], []),
        {"1": ran("MMDetLoader", model_name="a cat", lines=3, rest="more")},
        {("1", "model_name"): OTHER_VERSION, ("1", "lines"): OTHER_VERSION, ("1", "rest"): OTHER_VERSION},
    ),
    Pair(
        "nodes in versions that are known: more fields at the end, and another pack's of that name",
        sheet(
            [
                item(
                    1,
                    "UltimateSDUpscale",
                    [
                        2,
                        7,
                        "fixed",
                        20,
                        8,
                        "euler",
                        "normal",
                        0.2,
                        "Linear",
                        512,
                        512,
                        8,
                        32,
                        "None",
                        1,
                        64,
                        8,
                        16,
                        True,
                        False,
                        4,
                    ],
                ),
                item(2, "IPAdapter", [0.5, "face.bin", "fp32"]),
                item(3, "IPAdapter", [0.5, 0, 1, "standard"]),
            ],
            [],
        ),
        {
            "1": ran(
                "UltimateSDUpscale",
                upscale_by=2,
                seed=7,
                steps=20,
                cfg=8,
                sampler_name="euler",
                scheduler="normal",
                denoise=0.2,
                mode_type="Linear",
                tile_width=512,
                tile_height=512,
                mask_blur=8,
                tile_padding=32,
                seam_fix_mode="None",
                seam_fix_denoise=1,
                seam_fix_width=64,
                seam_fix_mask_blur=8,
                seam_fix_padding=16,
                force_uniform_tiles=True,
                tiled_decode=False,
                batch_size=4,
            ),
            "2": ran("IPAdapter", weight=0.5, model_name="face.bin", dtype="fp32"),
            "3": ran("IPAdapter", weight=0.5, start_at=0, end_at=1, weight_type="standard"),
        },
    ),
    Pair(
        "node of a pack nobody knows",
        sheet([item(1, "Frobnicate", [3, "much"]), item(2, "Frobnicate", {"amount": 3})], []),
        {"1": ran("Frobnicate", amount=3, how="much"), "2": ran("Frobnicate", amount=3)},
        {("1", "amount"): NAMELESS, ("1", "how"): NAMELESS},
    ),
    Pair(
        "node of a pack nobody knows, in a file of today",
        sheet(
            [
                item(
                    1,
                    "Frobnicate",
                    [3, "much"],
                    ins=[("amount", "INT", None, "amount"), ("how", "STRING", None, "how")],
                )
            ],
            [],
        ),
        {"1": ran("Frobnicate", amount=3, how="much")},
    ),
    Pair(
        "file name that takes another node's value",
        sheet(
            [
                item(1, "Load Text File", ["preview", "[filename]"], properties={"Node name for S&R": "WorkflowName"}),
                load_image(2, ["cat.png", "image"]),
                item(3, "SaveImage", ["%WorkflowName.file_path%"], ins=[("images", "IMAGE", 1)]),
            ],
            [(1, 2, 0, 3, 0, "IMAGE")],
        ),
        {
            "1": ran("Load Text File", file_path="preview", dictionary_name="[filename]"),
            "2": ran("LoadImage", image="cat.png"),
            "3": ran("SaveImage", filename_prefix="preview", images=["2", 0]),
        },
    ),
    Pair(
        "two instances of a subgraph",
        sheet(
            [
                load_image(1, ["cat.png", "image"]),
                item(2, "upside", [], ins=[("picture", "IMAGE", 1)], outs=("IMAGE",)),
                item(3, "upside", [], ins=[("picture", "IMAGE", 2)], outs=("IMAGE",)),
                item(4, "PreviewImage", ins=[("images", "IMAGE", 3)]),
            ],
            [(1, 1, 0, 2, 0, "IMAGE"), (2, 2, 0, 3, 0, "IMAGE"), (3, 3, 0, 4, 0, "IMAGE")],
            definitions={
                "subgraphs": [
                    subgraph(
                        "upside",
                        [item(1, "ImageInvert", ins=[("image", "IMAGE", 1)], outs=("IMAGE",))],
                        [(1, -10, 0, 1, 0, "IMAGE"), (2, 1, 0, -20, 0, "IMAGE")],
                        [("picture", "IMAGE")],
                        [("picture", "IMAGE")],
                    )
                ]
            },
        ),
        {
            "1": ran("LoadImage", image="cat.png"),
            "2:1": ran("ImageInvert", image=["1", 0]),
            "3:1": ran("ImageInvert", image=["2:1", 0]),
            "4": ran("PreviewImage", images=["3:1", 0]),
        },
    ),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name.replace(" ", "-"))
def test_editor_half_converts_to_the_api_half(pair: Pair, registry: Registry) -> None:
    converted = open_workflow(json.dumps(pair.document).encode(), registry).prompt
    changes = [change for change in diff(read_prompt(pair.api), read_prompt(converted)) if change.kind != "title"]
    assert {(change.node, change.input): change.sentence for change in changes}.keys() == pair.differs.keys()
