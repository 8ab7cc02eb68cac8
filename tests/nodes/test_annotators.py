"""Depth, segments and poses: real architectures, tiny and with random weights, through the real loader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nodes import annotators as annotator_nodes
from nodes.define import NodeError
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.pictures import annotators, poses
from nodes.types import Image, Source


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights("cpu", "fp32")


def configured(name: str, **values: Any) -> Any:
    """A transformers configuration by its class's name."""
    import transformers

    return getattr(transformers, name)(**values)


def dpt() -> Any:
    from transformers import DPTForDepthEstimation

    config = configured(
        "DPTConfig",
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=64,
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
    )
    model: Any = DPTForDepthEstimation(config)
    model.head.head[-2].bias.data.fill_(1.0)  # it ends in a ReLU, which random weights may leave dark
    return model


def depth_anything() -> Any:
    from transformers import DepthAnythingForDepthEstimation

    backbone = configured(
        "Dinov2Config",
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    config = configured(
        "DepthAnythingConfig",
        backbone_config=backbone,
        patch_size=14,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
    )
    model: Any = DepthAnythingForDepthEstimation(config)
    model.head.conv3.bias.data.fill_(1.0)
    return model


def segformer() -> Any:
    from transformers import SegformerForSemanticSegmentation

    config = configured(
        "SegformerConfig",
        num_encoder_blocks=2,
        depths=[1, 1],
        sr_ratios=[4, 2],
        hidden_sizes=[8, 16],
        patch_sizes=[7, 3],
        strides=[4, 2],
        num_attention_heads=[1, 2],
        mlp_ratios=[2, 2],
        decoder_hidden_size=16,
        num_labels=150,
    )
    return SegformerForSemanticSegmentation(config)


def vitpose() -> Any:
    from transformers.models.vitpose.modeling_vitpose import VitPoseForPoseEstimation

    backbone = configured(
        "VitPoseBackboneConfig",
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        out_indices=[1],
        out_features=["stage1"],
    )
    config = configured("VitPoseConfig", backbone_config=backbone, num_labels=17, scale_factor=4)
    return VitPoseForPoseEstimation(config)


def put(folders: Folders, name: str, make: Any, **said: Any) -> Path:
    """A tiny model's folder under models/annotators."""
    torch.manual_seed(0)
    folder = folders.base / "models/annotators" / name
    make().save_pretrained(folder)
    if said:
        (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder


def run(node: Any, folders: Folders, weights: Weights, ctx: Any, **inputs: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    picture = Image(torch.rand((1, 48, 64, 3), generator=generator))
    return node(image=picture, resolution=64, weights=weights, folders=folders, ctx=ctx, **inputs).pixels


@pytest.mark.parametrize(
    ("make", "said"), [(dpt, {}), (depth_anything, {"size": {"height": 56, "width": 56}})], ids=["dpt", "anything"]
)
def test_depth_is_a_grey_picture_of_the_size_asked_for(
    folders: Folders, weights: Weights, ctx, make: Any, said: Any
) -> None:
    put(folders, "depth", make, **said)
    for node in (annotator_nodes.midas_depth, annotator_nodes.depth_anything_v2, annotator_nodes.zoe_depth):
        found = run(node, folders, weights, ctx)
        assert found.shape == (1, 64, 85, 3)
        assert torch.equal(found[..., 0], found[..., 2])
        assert found.max() > found.min() >= 0


class Slope(torch.nn.Module):
    """Stands for a depth network: what it says grows from left to right, but for one outlier."""

    def forward(self, x: torch.Tensor) -> Any:
        depth = torch.linspace(3.0, 5.0, x.shape[-1]).expand(1, *x.shape[-2:]).clone()
        depth[0, 0, 0] = 1000.0
        return type("Output", (), {"predicted_depth": depth})


@pytest.mark.parametrize(("family", "right"), [("dpt", 1.0), ("depth_anything", 1.0), ("zoedepth", 0.0)])
def test_nearness_uses_the_whole_range_and_metres_are_turned_round(folders: Folders, family: str, right: float) -> None:
    source = Source(folders.base / "model.safetensors", "", "annotator", family)
    near = annotators.nearness(Slope(), source, np.zeros((200, 300, 3), np.uint8), torch.device("cpu"))
    assert near.shape == (200, 300)
    assert near[100, -1] == pytest.approx(right, abs=0.02)
    assert near[100, 0] == pytest.approx(1 - right, abs=0.02)
    assert near[100, 150] == pytest.approx(0.5, abs=0.02)


def test_what_is_far_is_background(folders: Folders, weights: Weights, ctx) -> None:
    put(folders, "depth", dpt)
    found = run(annotator_nodes.midas_depth, folders, weights, ctx, bg_threshold=0.6)
    assert ((found == 0) | (found > 0.59)).all()


def test_normals_point_where_a_slope_faces() -> None:
    slope = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    across = annotators.normals(slope, 0.0, 6.28)[8:-8, 8:-8]
    down = annotators.normals(slope.T, 0.0, 6.28)[8:-8, 8:-8]
    flat = annotators.normals(np.full((64, 64), 0.5, np.float32), 0.0, 6.28)
    assert across[..., 0].min() > 200
    assert np.abs(across[..., 1].astype(int) - 127).max() <= 1
    assert down[..., 1].min() > 200
    assert (flat == [127, 127, 255]).all()
    lengths = np.linalg.norm(across.astype(float) / 127.5 - 1, axis=2)
    np.testing.assert_allclose(lengths, 1, atol=0.02)


def test_normals_of_a_picture(folders: Folders, weights: Weights, ctx) -> None:
    put(folders, "depth", dpt)
    midas, bae = (
        run(node, folders, weights, ctx) for node in (annotator_nodes.midas_normal, annotator_nodes.bae_normal)
    )
    assert midas.shape == bae.shape == (1, 64, 85, 3)
    assert bae.std() > 0


def test_leres_whitens_what_is_near_and_blackens_what_is_far(folders: Folders, weights: Weights, ctx) -> None:
    put(folders, "depth", dpt)
    whole = run(annotator_nodes.leres_depth, folders, weights, ctx)
    cut = run(annotator_nodes.leres_depth, folders, weights, ctx, rm_nearest=30.0, rm_background=20.0)
    near, far = whole > 0.705, whole < 0.195
    assert (cut[near] == 1).all()
    assert (cut[far] == 0).all()
    between = (whole > 0.21) & (whole < 0.69)
    assert torch.equal(cut[between], whole[between])


def test_segments_have_the_palettes_colours(folders: Folders, weights: Weights, ctx) -> None:
    put(folders, "segments", segformer)
    found = run(annotator_nodes.oneformer_ade20k, folders, weights, ctx)
    known = {tuple(c) for c in annotators.coloured(np.arange(150)).tolist()}
    assert {tuple(c) for c in (found * 255).round().int().reshape(-1, 3).tolist()} <= known
    assert len(known) >= 148
    assert annotators.coloured(np.array([0, 2, 12])).tolist() == [[120, 120, 120], [6, 230, 230], [150, 5, 61]]


def test_poses_come_from_vitpose(folders: Folders, weights: Weights, ctx) -> None:
    put(folders, "pose", vitpose)
    for node in (annotator_nodes.openpose, annotator_nodes.dwpose):
        assert run(node, folders, weights, ctx).shape == (1, 64, 85, 3)
        assert not run(node, folders, weights, ctx, detect_body="disable").any()


class Hottest(torch.nn.Module):
    """Stands for ViTPose: COCO's joint i is at (8 + i, 30) of its 48 x 64 heat map, the last one nowhere."""

    def forward(self, x: torch.Tensor) -> Any:
        assert x.shape == (1, 3, 256, 192)
        heat = torch.zeros((1, 17, 64, 48))
        for i in range(16):
            heat[0, i, 30, 8 + i] = 1
        return type("Output", (), {"heatmaps": heat})


def test_joints_are_openposes_and_in_the_pictures_pixels(folders: Folders) -> None:
    source = annotators.find(folders_with(folders, "pose"), annotators.POSE, "poses", "x")
    rgb = np.zeros((512, 384, 3), np.uint8)
    found = poses.joints(Hottest(), source, rgb, (0.0, 0.0, 384.0, 512.0), torch.device("cpu"))
    nose, neck, right_shoulder = found[:3]
    # The box is enlarged by a quarter about its middle; a heat map's pixel is then 10 of the picture's.
    assert nose == pytest.approx((-48 + 8.5 * 10, -64 + 30.5 * 10))
    assert right_shoulder == pytest.approx((-48 + 14.5 * 10, 241))
    assert neck == pytest.approx((-48 + 14 * 10, 241))
    assert found[10] is None


def folders_with(folders: Folders, name: str) -> Folders:
    """The folders with something that calls itself a pose network."""
    folder = folders.base / "models/annotators" / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "vitpose"}')
    (folder / "model.safetensors").write_bytes(b"")
    return folders


def test_a_skeleton_is_drawn_where_its_joints_are() -> None:
    body: list[poses.Joint] = [None] * 18
    body[2], body[3] = (20.0, 20.0), (80.0, 20.0)
    drawn = poses.draw(40, 100, [body])
    assert drawn[20, 20].tolist() == [255, 170, 0]
    assert drawn[20, 80].tolist() == [255, 255, 0]
    assert drawn[20, 50].tolist() == [int(0.6 * c) for c in (255, 170, 0)]
    assert not drawn[30:].any()


def test_what_is_missing_is_said(folders: Folders, weights: Weights, ctx) -> None:
    for node in (annotator_nodes.zoe_depth, annotator_nodes.uniformer, annotator_nodes.openpose):
        with pytest.raises(NodeError, match=r"There is no network for .* into models/annotators"):
            run(node, folders, weights, ctx)


def test_damaged_networks_are_said(folders: Folders, weights: Weights, ctx) -> None:
    folder = put(folders, "depth", dpt)
    weights_file = folder / "model.safetensors"
    weights_file.write_bytes(weights_file.read_bytes()[:-100])
    with pytest.raises(NodeError, match="cut short"):
        run(annotator_nodes.midas_depth, folders, weights, ctx)
