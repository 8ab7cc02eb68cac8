"""Line drawing networks in models/annotators: found by their tensors, fed and read as their detectors do it.

Pictures are 8-bit RGB; what comes out is grey, white lines on black.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
import torch

from nodes.diffusion import files, modules
from nodes.diffusion.files import Shapes, WeightsError
from nodes.digests import digest
from nodes.pictures.annotate import Levels
from nodes.types import Source

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nodes.diffusion.weights import Weights
    from nodes.folders import Folders

Kind = Literal["hed", "pidinet", "lineart", "coarse lineart", "anime lineart", "mlsd"]
FILES: Mapping[Kind, str] = {
    "hed": "ControlNetHED",
    "pidinet": "table5_pidinet",
    "lineart": "sk_model",
    "coarse lineart": "sk_model2",
    "anime lineart": "netG",
    "mlsd": "mlsd_large_512_fp32",
}
"""What the networks' files are called as they are published."""

_log = logging.getLogger(__name__)
_SIGNS: Mapping[Kind, str] = {
    "hed": "block1.convs.0.weight",
    "pidinet": "init_block.weight",
    "lineart": "model0.1.weight",
    "coarse lineart": "model0.1.weight",
    "anime lineart": "model.model.0.weight",
    "mlsd": "backbone.features.0.0.weight",
}
_PREFIXES = ("module.", "netNetwork.", "")
_MLSD_SIDE, _MLSD_MOST = 512, 200
_ANIME_MULTIPLE, _LINEART_MULTIPLE = 256, 4


def find(folders: Folders, kind: Kind) -> Source | None:
    """The network of a kind in models/annotators, if there is one as safetensors."""
    for name in folders.names("annotators"):
        path = folders.path("annotators", name)
        if path.suffix not in (".safetensors", ".sft"):
            _tell_of_pickle(path, kind)
            continue
        try:
            shapes = files.read_header(path).shapes
        except WeightsError:
            continue
        prefix = next((p for p in _PREFIXES if p + _SIGNS[kind] in shapes), None)
        if prefix is not None and _is_of(path, kind):
            return Source(path, digest(path), "lines", kind, (("prefix", prefix),))
    return None


def _is_of(path: Path, kind: Kind) -> bool:
    """Fine and coarse line art differ by name only."""
    coarse = path.stem.endswith("2") or "coarse" in path.stem.lower()
    return kind not in ("lineart", "coarse lineart") or coarse == (kind == "coarse lineart")


def _tell_of_pickle(path: Path, kind: Kind) -> None:
    if path.stem.lower() == FILES[kind].lower():
        _log.warning("%s is a pickle and is not opened; convert it to safetensors to have it used.", path.name)


def digests(folders: Folders, *kinds: Kind) -> str:
    """What the results of nodes that use these kinds depend on."""
    return " ".join(source.digest for kind in kinds if (source := find(folders, kind)))


def load(source: Source, dtype: torch.dtype) -> nn.Module:
    """The network on the CPU. Raises WeightsError naming the first tensor that is missing or does not fit."""
    prefix = dict(source.options)["prefix"]
    header = files.read_header(source.path)
    names = {name: name.removeprefix(prefix) for name in header.shapes if name.startswith(prefix)}
    shapes = {new: header.shapes[old] for old, new in names.items()}
    with torch.device("meta"):
        try:
            network = BUILDS[_kind(source)](shapes)
        except KeyError as error:
            raise WeightsError(f"{source.path} lacks tensor {error} of a network for {source.family}.") from None
    return modules.filled(network, _counted(network, files.read_tensors(source.path, names)), dtype, source.path)


def _kind(source: Source) -> Kind:
    return source.family  # pyright: ignore[reportReturnType] -- as `find` wrote it


def _counted(network: nn.Module, tensors: Iterator[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """The tensors, after what some files leave out: how many batches a norm has seen, which nobody asks."""
    for name in network.state_dict():
        if name.endswith("num_batches_tracked"):
            yield name, torch.zeros((), dtype=torch.long)
    yield from tensors


def _hed(shapes: Shapes) -> nn.Module:
    from nodes.pictures.line_networks import Hed  # noqa: PLC0415 -- defines networks

    count = len({name.split(".")[0] for name in shapes if re.match(r"block\d+\.", name)})
    return Hed([shapes[f"block{i + 1}.convs.0.weight"][0] for i in range(count)])


def _pidinet(shapes: Shapes) -> nn.Module:
    from nodes.pictures.line_networks import PiDiNet  # noqa: PLC0415

    return PiDiNet(shapes["init_block.weight"][0], shapes["dilations.0.conv1.weight"][0])


def _lineart(shapes: Shapes) -> nn.Module:
    from nodes.pictures.line_networks import LineArt  # noqa: PLC0415

    blocks = {m[1] for name in shapes if (m := re.match(r"model2\.(\d+)\.", name))}
    return LineArt(shapes["model0.1.weight"][0], len(blocks))


def _anime(shapes: Shapes) -> nn.Module:
    from nodes.pictures.line_networks import AnimeLineArt  # noqa: PLC0415

    # It halves once for every two of its convolutions.
    downs = sum(len(shape) == 4 for shape in shapes.values()) // 2
    return AnimeLineArt(shapes["model.model.0.weight"][0], downs)


def _mlsd(shapes: Shapes) -> nn.Module:
    from nodes.pictures.line_networks import Mlsd  # noqa: PLC0415

    first = shapes["backbone.features.0.0.weight"][0]
    ends = [shapes[f"backbone.features.{i}.conv.{1 if i == 1 else 2}.weight"][0] for i in (1, 3, 6, 10, 13)]
    return Mlsd((first, *ends), shapes["block15.conv1.0.weight"][0], shapes["block23.conv3.weight"][0])


BUILDS: Mapping[Kind, Callable[[Shapes], Any]] = {
    "hed": _hed,
    "pidinet": _pidinet,
    "lineart": _lineart,
    "coarse lineart": _lineart,
    "anime lineart": _anime,
    "mlsd": _mlsd,
}
"""What builds each kind's network in the sizes of its tensors."""


def draw(weights: Weights, source: Source, rgb: Levels, *, steps: int | None = None) -> Levels:
    """The lines that a network sees in a picture; edges in so many `steps` beside black, if given."""
    with weights.module(source, load) as network, torch.no_grad():
        found = _DRAWS[_kind(source)](network, rgb, weights.device)
    if steps is not None:
        found = np.floor(found * (steps + 1)) / steps
    return np.clip(found * 255.0, 0, 255).astype(np.uint8)


def _planes(rgb: Levels, device: torch.device, scale: float = 255.0) -> Tensor:
    return torch.from_numpy(rgb.astype(np.float32) / scale).movedim(-1, 0)[None].to(device)


def _grey(found: Tensor) -> np.ndarray:
    return found[0, 0].float().cpu().numpy()


def _draw_hed(network: Any, rgb: Levels, device: torch.device) -> np.ndarray:
    size = rgb.shape[:2]
    found = [
        torch.nn.functional.interpolate(edges, size, mode="bilinear", align_corners=False)
        for edges in network(_planes(rgb, device, 1.0))
    ]
    return _grey(torch.sigmoid(torch.stack(found).mean(0)))


def _draw_pidinet(network: Any, rgb: Levels, device: torch.device) -> np.ndarray:
    return _grey(network(_planes(np.ascontiguousarray(rgb[..., ::-1]), device)))


def _draw_lineart(network: Any, rgb: Levels, device: torch.device) -> np.ndarray:
    height, width = rgb.shape[:2]
    x = _planes(rgb, device)
    room = -width % _LINEART_MULTIPLE, -height % _LINEART_MULTIPLE
    x = torch.nn.functional.pad(x, (0, room[0], 0, room[1]), mode="replicate")
    return 1.0 - _grey(network(x))[:height, :width]


def _draw_anime(network: Any, rgb: Levels, device: torch.device) -> np.ndarray:
    height, width = rgb.shape[:2]
    fitted = tuple(-(-side // _ANIME_MULTIPLE) * _ANIME_MULTIPLE for side in (width, height))
    large = np.asarray(cv2.resize(rgb, fitted, interpolation=cv2.INTER_CUBIC))
    paper = _grey(network(_planes(large, device, 127.5) - 1.0)) * 0.5 + 0.5
    return 1.0 - np.asarray(cv2.resize(paper, (width, height), interpolation=cv2.INTER_CUBIC))


_DRAWS: Mapping[Kind, Callable[[Any, Levels, torch.device], np.ndarray]] = {
    "hed": _draw_hed,
    "pidinet": _draw_pidinet,
    "lineart": _draw_lineart,
    "coarse lineart": _draw_lineart,
    "anime lineart": _draw_anime,
}


def draw_segments(weights: Weights, source: Source, rgb: Levels, score: float, distance: float) -> Levels:
    """The straight lines that M-LSD is surer of than `score`, and that are longer than `distance` of its pixels."""
    side = _MLSD_SIDE
    small = np.asarray(cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA))
    fed = np.concatenate([small, np.ones((side, side, 1), np.uint8)], axis=2)
    with weights.module(source, load) as network, torch.no_grad():
        found = segments(network(_planes(fed, weights.device, 127.5) - 1.0), score, distance)
    height, width = rgb.shape[:2]
    canvas = np.zeros((height, width), np.uint8)
    for x0, y0, x1, y1 in found * np.array([width, height] * 2) / side:
        cv2.line(canvas, (int(x0), int(y0)), (int(x1), int(y1)), 255, 1)
    return canvas


def segments(output: Tensor, score: float, distance: float) -> np.ndarray:
    """Lines (x0, y0, x1, y1) in the network's input pixels, from its output [1,9,h,w] at half their size."""
    heat = torch.sigmoid(output[:, :1])
    peak = torch.nn.functional.max_pool2d(heat, 3, 1, 1) == heat
    scores, places = (heat * peak).flatten().topk(min(_MLSD_MOST, heat.numel()))
    width = output.shape[-1]
    y, x = places // width, places % width
    moves = output[0, 1:5, y, x].T
    lengths = (moves[:, :2] - moves[:, 2:]).norm(dim=1)
    kept = (scores > score) & (lengths > distance)
    centres = torch.stack([x, y, x, y], dim=1)
    return ((centres + moves)[kept] * 2).float().cpu().numpy()
