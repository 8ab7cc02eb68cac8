"""Pictures turned into depth, normals, segments and poses that ControlNets are steered by, by networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch

from nodes.define import Context, node
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.pictures import annotators, anything, poses
from nodes.pictures.annotate import Levels, annotate
from nodes.types import Image, Source
from nodes.widgets import Choice, Range, Spare

PACK = "ControlNet Auxiliary Preprocessors"

if TYPE_CHECKING:
    from torch import nn

_DEPTH = "ControlNet Preprocessors/Normal and Depth Estimators"
_SEGMENTS = "ControlNet Preprocessors/Semantic Segmentation"
_POSES = "ControlNet Preprocessors/Faces and Poses Estimators"
_DEPTH_EXAMPLE = "depth-anything/Depth-Anything-V2-Small-hf"
_SEGMENTS_EXAMPLE = "nvidia/segformer-b0-finetuned-ade-512-512"
_POSES_EXAMPLE = "usyd-community/vitpose-base-simple"
_PEOPLE_EXAMPLE = "PekingU/rtdetr_r50vd"
_ANYTHING_EXAMPLE = "facebook/sam-vit-base"
_BACKBONES = ("vit-small", "vit-large", "vit-giant2")
_MIDAS = ("dpt", *(kind for kind in annotators.DEPTH if kind != "dpt"))
_ZOE = ("zoedepth", *(kind for kind in annotators.DEPTH if kind != "zoedepth"))
_Resolution = Annotated[int, Range(64, 16384, step=64), Spare]
_Angle = Annotated[float, Range(0, 15.71, step=0.01), Spare]
_Share = Annotated[float, Range(0, 1, step=0.01), Spare]
_Percent = Annotated[float, Range(0, 100, step=0.1), Spare]
_Focal = Annotated[int, Range(1, 16384), Spare]
_USUAL_ANGLE = 6.28
_OnOff = Annotated[str, Choice(("enable", "disable")), Spare]


@dataclass(frozen=True, slots=True)
class _Around:
    """What a node was given beside its inputs."""

    weights: Weights
    folders: Folders
    ctx: Context

    def using(self, source: Source) -> AbstractContextManager[nn.Module]:
        return self.weights.module(source, annotators.load)

    def depth(self, image: Image, resolution: int, kinds: Sequence[str], draw: Callable[[np.ndarray], Levels]) -> Image:
        """What `draw` makes of how near each place is (0 to 1)."""
        source = annotators.find(self.folders, kinds, "depth", _DEPTH_EXAMPLE, self.ctx)
        with self.using(source) as network, torch.no_grad():

            def work(rgb: Levels) -> Levels:
                self.ctx.check()
                return draw(annotators.nearness(network, source, rgb, self.weights.device))

            return annotate(image, resolution, work)

    def segments(self, image: Image, resolution: int, *, own_colours: bool = False) -> Image:
        """Each place in the colour of what it shows: ADE20K's, or else one of each class's own."""
        source = annotators.find(self.folders, annotators.SEGMENTATION, "segmentation", _SEGMENTS_EXAMPLE, self.ctx)
        with self.using(source) as network, torch.no_grad():

            def work(rgb: Levels) -> Levels:
                self.ctx.check()
                found = annotators.classes(network, source, rgb, self.weights.device)
                return _by_class(found) if own_colours else annotators.coloured(found)

            return annotate(image, resolution, work)

    def poses(self, image: Image, resolution: int) -> Image:
        """Skeletons of the people; without a detector, of the one person whom the picture is taken to show."""
        source = annotators.find(self.folders, annotators.POSE, "poses", _POSES_EXAMPLE, self.ctx)

        def work(rgb: Levels) -> Levels:
            self.ctx.check()
            height, width = rgb.shape[:2]
            boxes = self._people(rgb)
            with self.using(source) as network, torch.no_grad():
                bodies = [poses.joints(network, source, rgb, box, self.weights.device) for box in boxes]
            return poses.draw(height, width, bodies)

        return annotate(image, resolution, work)

    def _people(self, rgb: Levels) -> list[tuple[float, ...]]:
        height, width = rgb.shape[:2]
        if not annotators.has(self.folders, annotators.PERSONS):
            return [(0.0, 0.0, float(width), float(height))]
        source = annotators.find(self.folders, annotators.PERSONS, "people", _PEOPLE_EXAMPLE)
        with self.using(source) as network, torch.no_grad():
            return poses.people(network, source, rgb, self.weights.device)


def _grey(near: np.ndarray) -> Levels:
    return np.clip(near * 255.0, 0, 255).astype(np.uint8)


def _by_class(found: np.ndarray) -> Levels:
    palette = np.array([anything.colour(number) for number in range(int(found.max()) + 1)], np.uint8)
    return palette[found]


@node(id="MiDaS-DepthMapPreprocessor", title="MiDaS Depth Map", category=_DEPTH)
def midas_depth(
    *,
    image: Image,
    a: _Angle = 6.28,  # noqa: ARG001 -- it only shapes normals, but workflows hold it
    bg_threshold: _Share = 0.1,
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """How near everything is, by a DPT network (or another depth network); what is farther than the threshold black."""

    def draw(near: np.ndarray) -> Levels:
        return _grey(np.where(near < bg_threshold, 0.0, near))

    return _Around(weights, folders, ctx).depth(image, resolution, _MIDAS, draw)


@node(id="MiDaS-NormalMapPreprocessor", title="MiDaS Normal Map", category=_DEPTH)
def midas_normal(
    *,
    image: Image,
    a: _Angle = 6.28,
    bg_threshold: _Share = 0.1,
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """Which way surfaces face, from how depth changes; the greater a, the flatter."""

    def draw(near: np.ndarray) -> Levels:
        return annotators.normals(near, bg_threshold, a)

    return _Around(weights, folders, ctx).depth(image, resolution, _MIDAS, draw)


@node(id="Zoe-DepthMapPreprocessor", title="Zoe Depth Map", category=_DEPTH)
def zoe_depth(
    *, image: Image, resolution: _Resolution = 512, weights: Weights, folders: Folders, ctx: Context
) -> Image:
    """How near everything is, by a ZoeDepth network (or another depth network)."""
    return _Around(weights, folders, ctx).depth(image, resolution, _ZOE, _grey)


@node(id="LeReS-DepthMapPreprocessor", title="LeReS Depth Map", category=_DEPTH)
def leres_depth(
    *,
    image: Image,
    rm_nearest: _Percent = 0.0,
    rm_background: _Percent = 0.0,
    boost: Annotated[str, Choice(("disable", "enable")), Spare] = "disable",  # noqa: ARG001 -- written into workflows
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """How near everything is, by any depth network; the nearest percents all white, the farthest all black."""

    def draw(near: np.ndarray) -> Levels:
        clipped = np.where(near >= 1.0 - rm_nearest / 100.0, 1.0, near)
        return _grey(np.where(clipped <= rm_background / 100.0, 0.0, clipped))

    return _Around(weights, folders, ctx).depth(image, resolution, annotators.DEPTH, draw)


@node(id="BAE-NormalMapPreprocessor", title="BAE Normal Map", category=_DEPTH)
def bae_normal(
    *, image: Image, resolution: _Resolution = 512, weights: Weights, folders: Folders, ctx: Context
) -> Image:
    """Which way surfaces face, from how depth changes, by any depth network."""

    def draw(near: np.ndarray) -> Levels:
        return annotators.normals(near, 0.0, _USUAL_ANGLE)

    return _Around(weights, folders, ctx).depth(image, resolution, annotators.DEPTH, draw)


@node(id="DepthAnythingPreprocessor", title="Depth Anything", category=_DEPTH)
def depth_anything(
    *,
    image: Image,
    ckpt_name: Annotated[str, Spare] = "depth_anything_vitl14.pth",  # noqa: ARG001 -- written into workflows
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """How near everything is, by a Depth Anything network (or another depth network)."""
    return _Around(weights, folders, ctx).depth(image, resolution, annotators.DEPTH, _grey)


@node(id="DepthAnythingV2Preprocessor", title="Depth Anything V2", category=_DEPTH)
def depth_anything_v2(
    *,
    image: Image,
    ckpt_name: Annotated[str, Spare] = "depth_anything_v2_vitl.pth",  # noqa: ARG001 -- written into workflows
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """How near everything is, by a Depth Anything network (or another depth network)."""
    return _Around(weights, folders, ctx).depth(image, resolution, annotators.DEPTH, _grey)


@node(id="Zoe_DepthAnythingPreprocessor", title="Zoe Depth Anything", category=_DEPTH)
def zoe_depth_anything(
    *,
    image: Image,
    environment: Annotated[str, Choice(("indoor", "outdoor")), Spare] = "indoor",  # noqa: ARG001 -- in workflows
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """How near everything is, by a Depth Anything network (or another depth network)."""
    return _Around(weights, folders, ctx).depth(image, resolution, annotators.DEPTH, _grey)


@node(id="Metric3D-DepthMapPreprocessor", title="Metric3D Depth Map", category=_DEPTH)
def metric3d_depth(
    *,
    image: Image,
    backbone: Annotated[str, Choice(_BACKBONES), Spare] = "vit-small",  # noqa: ARG001 -- written into workflows
    fx: _Focal = 1000,  # noqa: ARG001
    fy: _Focal = 1000,  # noqa: ARG001
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """How near everything is, by any depth network: Metric3D's own is no transformers model and does not run here."""
    return _Around(weights, folders, ctx).depth(image, resolution, annotators.DEPTH, _grey)


@node(id="Metric3D-NormalMapPreprocessor", title="Metric3D Normal Map", category=_DEPTH)
def metric3d_normal(
    *,
    image: Image,
    backbone: Annotated[str, Choice(_BACKBONES), Spare] = "vit-small",  # noqa: ARG001 -- written into workflows
    fx: _Focal = 1000,  # noqa: ARG001
    fy: _Focal = 1000,  # noqa: ARG001
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """Which way surfaces face, from how depth changes, by any depth network."""
    return bae_normal(image=image, resolution=resolution, weights=weights, folders=folders, ctx=ctx)


@node(id="DSINE-NormalMapPreprocessor", title="DSINE Normal Map", category=_DEPTH)
def dsine_normal(
    *,
    image: Image,
    fov: Annotated[float, Range(0.0, 365.0, step=0.1), Spare] = 60.0,  # noqa: ARG001 -- written into workflows
    iterations: Annotated[int, Range(1, 20, step=1), Spare] = 5,  # noqa: ARG001
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """Which way surfaces face, from how depth changes, by any depth network."""
    return bae_normal(image=image, resolution=resolution, weights=weights, folders=folders, ctx=ctx)


@node(id="SAMPreprocessor", title="SAM Segmentor", category="ControlNet Preprocessors/others")
def segment_anything(
    *, image: Image, resolution: _Resolution = 512, weights: Weights, folders: Folders, ctx: Context
) -> Image:
    """Each thing in a colour of its own, by Segment Anything."""
    around = _Around(weights, folders, ctx)
    source = annotators.find(folders, anything.KINDS, "segmenting anything", _ANYTHING_EXAMPLE, ctx)
    with around.using(source) as network, torch.no_grad():

        def work(rgb: Levels) -> Levels:
            masks = anything.parts(network, rgb, weights.device, ctx.check)
            return anything.coloured(masks, *rgb.shape[:2])

        return annotate(image, resolution, work)


@node(id="OneFormer-COCO-SemSegPreprocessor", title="OneFormer COCO Segmentor", category=_SEGMENTS)
def oneformer_coco(
    *, image: Image, resolution: _Resolution = 512, weights: Weights, folders: Folders, ctx: Context
) -> Image:
    """What each place shows, each class in a colour of its own, by SegFormer, Mask2Former, UperNet or their like."""
    return _Around(weights, folders, ctx).segments(image, resolution, own_colours=True)


@node(id="OneFormer-ADE20K-SemSegPreprocessor", title="OneFormer ADE20K Segmentor", category=_SEGMENTS)
def oneformer_ade20k(
    *, image: Image, resolution: _Resolution = 512, weights: Weights, folders: Folders, ctx: Context
) -> Image:
    """What each place shows, in ADE20K's colours, by SegFormer, Mask2Former, UperNet or their like."""
    return _Around(weights, folders, ctx).segments(image, resolution)


@node(id="UniFormer-SemSegPreprocessor", title="UniFormer Segmentor", category=_SEGMENTS)
def uniformer(
    *, image: Image, resolution: _Resolution = 512, weights: Weights, folders: Folders, ctx: Context
) -> Image:
    """What each place shows, in ADE20K's colours, by SegFormer, Mask2Former, UperNet or their like."""
    return _Around(weights, folders, ctx).segments(image, resolution)


@node(id="OpenposePreprocessor", title="OpenPose Pose", category=_POSES)
def openpose(
    *,
    image: Image,
    detect_hand: _OnOff = "enable",  # noqa: ARG001 -- bodies only
    detect_body: _OnOff = "enable",
    detect_face: _OnOff = "enable",  # noqa: ARG001
    resolution: _Resolution = 512,
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """People's skeletons as OpenPose draws them, by ViTPose. Bodies only, no hands and faces."""
    found = _Around(weights, folders, ctx).poses(image, resolution)
    return found if detect_body == "enable" else Image(torch.zeros_like(found.pixels))


@node(id="DWPreprocessor", title="DWPose Estimator", category=_POSES)
def dwpose(
    *,
    image: Image,
    detect_hand: _OnOff = "enable",  # noqa: ARG001 -- bodies only
    detect_body: _OnOff = "enable",
    detect_face: _OnOff = "enable",  # noqa: ARG001
    resolution: _Resolution = 512,
    bbox_detector: Annotated[str, Spare] = "yolox_l.onnx",  # noqa: ARG001 -- written into workflows
    pose_estimator: Annotated[str, Spare] = "dw-ll_ucoco_384_bs5.torchscript.pt",  # noqa: ARG001
    weights: Weights,
    folders: Folders,
    ctx: Context,
) -> Image:
    """People's skeletons as OpenPose draws them, by ViTPose. Bodies only, no hands and faces."""
    found = _Around(weights, folders, ctx).poses(image, resolution)
    return found if detect_body == "enable" else Image(torch.zeros_like(found.pixels))


@midas_depth.fingerprint
@midas_normal.fingerprint
def _midas_digest(folders: Folders) -> str:
    return annotators.mark(folders, _MIDAS, "depth", _DEPTH_EXAMPLE)


@zoe_depth.fingerprint
def _zoe_digest(folders: Folders) -> str:
    return annotators.mark(folders, _ZOE, "depth", _DEPTH_EXAMPLE)


@leres_depth.fingerprint
@bae_normal.fingerprint
@depth_anything.fingerprint
@depth_anything_v2.fingerprint
@zoe_depth_anything.fingerprint
@metric3d_depth.fingerprint
@metric3d_normal.fingerprint
@dsine_normal.fingerprint
def _depth_anything_digest(folders: Folders) -> str:
    return annotators.mark(folders, annotators.DEPTH, "depth", _DEPTH_EXAMPLE)


@segment_anything.fingerprint
def _anything_digest(folders: Folders) -> str:
    return annotators.mark(folders, anything.KINDS, "segmenting anything", _ANYTHING_EXAMPLE)


@oneformer_coco.fingerprint
@oneformer_ade20k.fingerprint
@uniformer.fingerprint
def _segmentation_digest(folders: Folders) -> str:
    return annotators.mark(folders, annotators.SEGMENTATION, "segmentation", _SEGMENTS_EXAMPLE)


@openpose.fingerprint
@dwpose.fingerprint
def _pose_digest(folders: Folders) -> str:
    found = annotators.mark(folders, annotators.POSE, "poses", _POSES_EXAMPLE)
    if not annotators.has(folders, annotators.PERSONS):
        return found
    return f"{found} {annotators.mark(folders, annotators.PERSONS, 'people', _PEOPLE_EXAMPLE)}"
