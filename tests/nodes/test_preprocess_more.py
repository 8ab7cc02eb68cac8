"""More of the preprocessors that people name: joined lines, everything by itself; and all of them by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from nodes import annotators as nodes
from nodes import preprocess_networks
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.pictures import anything, lines
from nodes.preprocess_any import PREPROCESSORS
from nodes.types import Image
from server.engine.execute import Outcome
from tests.nodes.test_annotators import configured, dpt, put, segformer

PICTURE = Image(torch.rand((1, 48, 64, 3), generator=torch.Generator().manual_seed(1)))
NEED_NETWORKS: frozenset[str] = frozenset(
    (
        "BAE-NormalMapPreprocessor",
        "DSINE-NormalMapPreprocessor",
        "DWPreprocessor",
        "DepthAnythingPreprocessor",
        "DepthAnythingV2Preprocessor",
        "LeReS-DepthMapPreprocessor",
        "Metric3D-DepthMapPreprocessor",
        "Metric3D-NormalMapPreprocessor",
        "MiDaS-DepthMapPreprocessor",
        "MiDaS-NormalMapPreprocessor",
        "OneFormer-ADE20K-SemSegPreprocessor",
        "OneFormer-COCO-SemSegPreprocessor",
        "OpenposePreprocessor",
        "SAMPreprocessor",
        "UniFormer-SemSegPreprocessor",
        "Zoe-DepthMapPreprocessor",
        "Zoe_DepthAnythingPreprocessor",
    )
)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights("cpu", "fp32")


@pytest.mark.parametrize("name", PREPROCESSORS)
def test_every_name_runs_or_says_what_it_needs(
    name: str, run_prompt: Callable[[Mapping[str, Any]], Outcome], folders: Folders
) -> None:
    drawn = np.full((64, 96, 3), 230, np.uint8)
    cv2.rectangle(drawn, (20, 12), (70, 50), (30, 60, 90), 3)
    cv2.imwrite(str(folders.root("input") / "drawn.png"), drawn)
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "drawn.png"}},
        "2": {"class_type": "AIO_Preprocessor", "inputs": {"image": ["1", 0], "preprocessor": name, "resolution": 128}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "seen"}},
    }
    outcome = run_prompt(prompt)
    if name in NEED_NETWORKS:
        assert outcome.error is not None
        assert "There is no network for" in outcome.error.sentence
        return
    assert outcome.state == "done", outcome.error
    saved = outcome.outputs["3"]["images"][0]
    seen = cv2.imread(str(folders.root("output") / saved["filename"]))
    assert seen is not None
    assert seen.shape == (128, 192, 3)
    assert seen.std() > 1


def test_lines_are_joined_without_specks(weights: Weights, folders: Folders, ctx: Any) -> None:
    drawn = np.full((128, 128, 3), 255, np.uint8)
    cv2.line(drawn, (10, 64), (118, 64), (0, 0, 0), 3)
    drawn[20, 20] = 0
    picture = Image(torch.from_numpy(drawn.astype(np.float32) / 255)[None])
    given: Any = {"image": picture, "resolution": 128, "weights": weights, "folders": folders, "ctx": ctx}
    edges = preprocess_networks.any_line(**given, merge_with_lineart="none").pixels
    joined = preprocess_networks.any_line(**given).pixels
    unclean = preprocess_networks.any_line(**given, object_min_size=1).pixels
    assert (joined >= edges).all()
    assert joined[0, 62:67, 20:110].max(0).values.min() > 0.3
    assert (joined - edges)[0, 14:27, 14:27].max() == 0
    assert (unclean - edges)[0, 14:27, 14:27].max() > 0
    dim = preprocess_networks.any_line(**given, lineart_upper_bound=0.1).pixels
    assert dim.sum() < joined.sum()


def test_specks_are_told_by_their_pixels() -> None:
    values = np.zeros((8, 8), np.float32)
    values[0, 0] = values[1, 1] = 0.5
    values[4:6, 4:6] = 0.25
    assert np.count_nonzero(lines.without_specks(values, 2)) == 4
    assert np.count_nonzero(lines.without_specks(values, 2, connectivity=2)) == 6
    assert np.count_nonzero(lines.without_specks(values, 5)) == 0


def test_depth_stands_in_for_networks_of_other_kinds(weights: Weights, folders: Folders, ctx: Any) -> None:
    put(folders, "depth", dpt)
    given: Any = {"image": PICTURE, "resolution": 64, "weights": weights, "folders": folders, "ctx": ctx}
    normal = nodes.bae_normal(**given).pixels
    assert torch.equal(nodes.dsine_normal(**given).pixels, normal)
    assert torch.equal(nodes.metric3d_normal(**given).pixels, normal)
    depth = nodes.depth_anything(**given).pixels
    assert torch.equal(nodes.metric3d_depth(**given).pixels, depth)
    assert torch.equal(nodes.zoe_depth_anything(**given).pixels, depth)


def test_classes_have_colours_of_their_own(weights: Weights, folders: Folders, ctx: Any) -> None:
    put(folders, "segments", segformer)
    given: Any = {"image": PICTURE, "resolution": 64, "weights": weights, "folders": folders, "ctx": ctx}
    coco = (nodes.oneformer_coco(**given).pixels * 255).round().int().reshape(-1, 3)
    ade = (nodes.oneformer_ade20k(**given).pixels * 255).round().int().reshape(-1, 3)
    assert len(coco.unique(dim=0)) == len(ade.unique(dim=0))
    assert len({anything.colour(number) for number in range(133)}) == 133


def sam() -> Any:
    from transformers import SamModel

    config = configured(
        "SamConfig",
        vision_config={
            "hidden_size": 16, "output_channels": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "image_size": 64, "patch_size": 8, "window_size": 4, "global_attn_indexes": [0], "mlp_dim": 32,
            "num_pos_feats": 8,
        },
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 8},
        mask_decoder_config={
            "hidden_size": 16, "mlp_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )  # fmt: skip
    return SamModel(config)


def test_segment_anything_goes_through_its_loader(weights: Weights, folders: Folders, ctx: Any) -> None:
    put(folders, "anything", sam)
    found = nodes.segment_anything(image=PICTURE, resolution=64, weights=weights, folders=folders, ctx=ctx).pixels
    assert found.shape == (1, 64, 85, 3)


class Seer(torch.nn.Module):
    """Stands for Segment Anything: it is sure of the half of the picture in which a point is, and of little else."""

    class config:  # noqa: N801
        class vision_config:  # noqa: N801
            image_size = 64

    def get_image_embeddings(self, pixels: torch.Tensor) -> torch.Tensor:
        assert pixels.shape == (1, 3, 64, 64)
        assert pixels[:, :, 32:].abs().max() == 0  # the picture is twice as wide as high
        return pixels.mean()

    def forward(self, image_embeddings: Any, input_points: torch.Tensor, multimask_output: bool) -> Any:
        points = input_points[0, :, 0]
        masks = torch.full((1, len(points), 3, 16, 16), -9.0)
        for place, (x, _) in enumerate(points.tolist()):
            half = slice(0, 6) if x < 24 else slice(6, 16)
            masks[0, place, 0, :8, half] = 9.0
            masks[0, place, 1] = 0.5  # unstable
            masks[0, place, 2, 2, 2] = 9.0
        scores = torch.tensor([0.95, 0.99, 0.5]).expand(1, len(points), 3)
        return type("Output", (), {"pred_masks": masks, "iou_scores": scores})


def test_each_thing_is_found_once_and_in_its_place() -> None:
    masks = anything.parts(Seer(), np.zeros((100, 200, 3), np.uint8), torch.device("cpu"), lambda: None)
    assert masks.shape == (2, 100, 200)
    assert [round(mask.mean(), 2) for mask in masks] == pytest.approx([0.625, 0.375], abs=0.02)
    assert masks[1][50, 10]
    assert masks[0][50, 190]
    colours = anything.coloured(masks, 100, 200)
    assert colours[50, 10].tolist() == list(anything.colour(1))
    assert colours[50, 190].tolist() == list(anything.colour(0))
