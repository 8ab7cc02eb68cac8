"""Networks that say what is in a picture: depth, what each place shows, where people's joints are.

They are transformers' models in folders under models/annotators, found by their architecture. Pictures are 8-bit RGB.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
import torch

from nodes import hub
from nodes.diffusion.files import WeightsError, read_header
from nodes.digests import digest
from nodes.pictures.annotate import Levels
from nodes.types import NodeError, Source

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nodes.define import Context
    from nodes.folders import Folders

DEPTH = ("depth_anything", "dpt", "zoedepth")
SEGMENTATION = ("segformer", "mask2former", "maskformer", "upernet", "beit")
POSE = ("vitpose",)
PERSONS = ("rt_detr", "rt_detr_v2", "detr")

_WEIGHTS = hub.WEIGHTS
_SQUARE = ("dpt", "beit")
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_SIZES: Mapping[str, int] = {"depth_anything": 518, "dpt": 384, "zoedepth": 384}
_MULTIPLES: Mapping[str, int] = {"depth_anything": 14}
_PALETTE = (
    "787878b4787806e6e650323204c8037878508c8c8ccc05ffe6e6e604fa07e005ffebff0796053d78784608ff33ff0652"
    "8fff8cccff04ff3307cc46030066c83de6faff06330b66ffff0747ff09e00907e6dcdcdcff095c7009ff08ffd607ffe0"
    "ffb8060aff47ff290a07ffffe0ff086608ffff3d06ffc207ff7a0800ff14ff0829ff05990633ffeb0cffa0961400a3ff"
    "8c8c8cfa0a0f14ff001fff00ff1f00ffe00099ff000000ffff470000ebff00adff1f00ff0bc8c8ff520000fff5003dff"
    "00ff7000ff85ff0000ffa300ff6600c2ff00008fff33ff000052ff00ff2900ffad0a00ffadff0000ff99ff5c00ff00ff"
    "ff00f5ff0066ffad00ff0014ffb8b8001fff00ff3d0047ffff00cc00ffc200ff52000aff0070ff3300ff00c2ff007aff"
    "00ffa3ff990000ff0aff70008fff005200ffa3ff00ffeb0008b8aa8500ff00ff5cb800ffff001f00b8ff00d6ffff0070"
    "5cff0000e0ff70e0ff46b8a0a300ff9900ff47ff00ff00a3ffcc00ff008f00ffeb85ff00ff00ebf500ffff007afff500"
    "0abed4d6ff0000ccff1400ffffff000099ff0029ff00ffcc2900ff29ff00ad00ff00f5ff4700ff7a00ff00ffb8005cff"
    "b8ff000085ffffd60019c2c266ff005c00ff"
)
"""The colours of ADE20K's 150 classes, as segmentation ControlNets know them: RRGGBB, one after another."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a picture becomes a network's input: its size, and what is taken off and divided by."""

    size: tuple[int, int] | int
    multiple: int
    mean: Sequence[float]
    deviation: Sequence[float]


def find(folders: Folders, kinds: Sequence[str], purpose: str, example: str, ctx: Context | None = None) -> Source:
    """The annotator of the first of these architectures that there is.

    Without any, `example` is fetched from the hub if that is allowed and there is a `ctx` to fetch it under. Raises
    NodeError saying what to put where.
    """
    if found := _first(folders, kinds):
        return found
    if ctx is None or not folders.allow_downloads:
        raise hub.refusal(example, purpose)
    place = hub.fetch(folders, example, ctx)
    if found := _first(folders, kinds):
        return found
    raise NodeError(f"{place} holds no network for {purpose}; {example} is none of {', '.join(kinds)}.")


def mark(folders: Folders, kinds: Sequence[str], purpose: str, example: str) -> str:
    """What results of an annotator depend on beside their inputs: which one there is. Raises NodeError as `find` does.

    One that is still to be fetched is told apart from all that there may be.
    """
    if folders.allow_downloads and not has(folders, kinds):
        return f"to fetch {example}"
    return find(folders, kinds, purpose, example).digest


def _first(folders: Folders, kinds: Sequence[str]) -> Source | None:
    there = _kinds(folders)
    for kind in kinds:
        if folder := there.get(kind):
            weights, config = folder / _WEIGHTS, folder / "config.json"
            return Source(weights, digest(weights), "annotator", kind, (("config", digest(config)),))
    return None


def has(folders: Folders, kinds: Sequence[str]) -> bool:
    """Whether `find` would find one."""
    return any(kind in _kinds(folders) for kind in kinds)


def _kinds(folders: Folders) -> dict[str, Path]:
    """The first folder of each architecture."""
    found: dict[str, Path] = {}
    for root in folders.roots("annotators"):
        for config in sorted(root.glob("*/config.json")):
            if (config.parent / _WEIGHTS).is_file():
                found.setdefault(str(_read(config).get("model_type")), config.parent)
    return found


def load(source: Source, dtype: torch.dtype) -> nn.Module:
    """The network of a folder. Raises WeightsError when its weights do not fit its configuration."""
    from transformers import AutoConfig  # noqa: PLC0415 -- slow to import
    from transformers.models.auto import modeling_auto  # noqa: PLC0415

    read_header(source.path)
    classes: dict[str, Any] = {
        **dict.fromkeys(DEPTH, modeling_auto.AutoModelForDepthEstimation),
        **dict.fromkeys(("segformer", "upernet", "beit"), modeling_auto.AutoModelForSemanticSegmentation),
        **dict.fromkeys(("mask2former", "maskformer"), modeling_auto.AutoModelForUniversalSegmentation),
        **dict.fromkeys(POSE, modeling_auto.AutoModelForKeypointDetection),
        **dict.fromkeys(PERSONS, modeling_auto.AutoModelForObjectDetection),
        "sam": modeling_auto.AutoModelForMaskGeneration,
    }
    if source.family == "vitpose":
        from transformers.models.vitpose.modeling_vitpose import VitPoseForPoseEstimation  # noqa: PLC0415

        classes["vitpose"] = VitPoseForPoseEstimation
    folder = source.path.parent
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        module, info = classes[source.family].from_pretrained(
            folder, config=config, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise WeightsError(f"{folder.name} cannot be loaded: {str(error).splitlines()[0]}") from None
    if missing := sorted(info["missing_keys"]):
        raise WeightsError(f"{source.path} lacks {len(missing)} tensors of its model, the first is {missing[0]}.")
    return cast("nn.Module", module.eval().requires_grad_(False))


def _read(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def preparation(source: Source) -> Preparation:
    """What the folder's preprocessor_config.json says, or what the architecture is used to."""
    said = _read(source.path.parent / "preprocessor_config.json")
    size = said.get("size", {})
    usual = _HALVES if source.family in ("dpt", "zoedepth") else _IMAGENET
    short = size.get("shortest_edge") or min(size.get("height", 0), size.get("width", 0)) if size else 0
    side = int(short or _SIZES.get(source.family, 512))
    if source.family in _SQUARE:
        config = _read(source.path.parent / "config.json")
        side = int(config.get("image_size") or side)
    multiple = int(said.get("ensure_multiple_of") or _MULTIPLES.get(source.family, 32))
    return Preparation(
        (side, side) if source.family in _SQUARE else side,
        multiple,
        said.get("image_mean") or usual[0],
        said.get("image_std") or usual[1],
    )


def prepared(rgb: Levels, how: Preparation) -> Tensor:
    """A picture as a network's input, [1,3,H,W]."""
    height, width = rgb.shape[:2]
    if isinstance(how.size, tuple):
        h, w = how.size
    else:
        scale = how.size / min(height, width)
        h, w = (max(how.multiple, round(side * scale / how.multiple) * how.multiple) for side in (height, width))
    resized = np.asarray(cv2.resize(rgb, (w, h), interpolation=cv2.INTER_AREA if h < height else cv2.INTER_CUBIC))
    return normalised(resized, how)


def normalised(rgb: Levels, how: Preparation) -> Tensor:
    """A picture in the right size as a network's input, [1,3,H,W]."""
    pixels = torch.from_numpy(rgb.astype(np.float32) / 255.0)
    return ((pixels - torch.tensor(how.mean)) / torch.tensor(how.deviation)).movedim(-1, 0).unsqueeze(0)


def nearness(module: nn.Module, source: Source, rgb: Levels, device: torch.device) -> np.ndarray:
    """How near each place is, 0 for the farthest to 1 for the nearest, in the picture's size."""
    found = module(prepared(rgb, preparation(source)).to(device)).predicted_depth.float().cpu()
    if source.family == "zoedepth":
        found = -found  # metres; the others say nearness
    size = rgb.shape[:2]
    resized = torch.nn.functional.interpolate(found.reshape(1, 1, *found.shape[-2:]), size, mode="bicubic")[0, 0]
    # A few outliers would take up the whole range.
    low, high = torch.quantile(resized.flatten()[:: max(1, resized.numel() // 100_000)], torch.tensor([0.001, 0.999]))
    return ((resized - low) / (high - low).clamp(min=1e-6)).clamp(0, 1).numpy()


def normals(near: np.ndarray, background: float, strength: float) -> Levels:
    """Which way surfaces face, by how nearness changes: red to the right, green down, blue at the viewer."""
    x = np.asarray(cv2.Sobel(near.astype(np.float32) * 1000.0, cv2.CV_32F, 1, 0, ksize=3))
    y = np.asarray(cv2.Sobel(near.astype(np.float32) * 1000.0, cv2.CV_32F, 0, 1, ksize=3))
    x[near < background] = 0
    y[near < background] = 0
    facing = np.stack([x, y, np.full_like(x, max(strength, 1e-3))], axis=2)
    facing /= np.linalg.norm(facing, axis=2, keepdims=True)
    return np.clip(facing * 127.5 + 127.5, 0, 255).astype(np.uint8)


def classes(module: nn.Module, source: Source, rgb: Levels, device: torch.device) -> np.ndarray:
    """Which class each place shows, in the picture's size."""
    output = module(prepared(rgb, preparation(source)).to(device))
    if hasattr(output, "class_queries_logits"):
        share = output.class_queries_logits.softmax(-1)[..., :-1]
        scores = torch.einsum("bqc,bqhw->bchw", share, output.masks_queries_logits.sigmoid())
    else:
        scores = output.logits
    scores = torch.nn.functional.interpolate(scores.float(), rgb.shape[:2], mode="bilinear")
    return scores[0].argmax(0).cpu().numpy()


def coloured(found: np.ndarray) -> Levels:
    """Classes in ADE20K's colours."""
    palette = np.frombuffer(bytes.fromhex(_PALETTE), dtype=np.uint8).reshape(-1, 3)
    return palette[found % len(palette)]
