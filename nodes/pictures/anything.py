"""Everything in a picture by itself: Segment Anything (arXiv:2304.02643) asked at a grid of points."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch

from nodes.pictures.annotators import Preparation, normalised

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from nodes.pictures.annotate import Levels

KINDS = ("sam",)
_POINTS_PER_SIDE = 24
_AT_ONCE = 64
_SURE, _STABLE, _SAME = 0.88, 0.92, 0.7
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_GOLDEN = 0.618033988749895


def parts(module: nn.Module, rgb: Levels, device: torch.device, check: Callable[[], None]) -> np.ndarray:
    """What there is in a picture, [N,H,W] of booleans, the largest first.

    Of what is found at several points, the one is kept that the network is surest of.
    """
    network: Any = module
    side: int = network.config.vision_config.image_size
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    fitted = max(1, round(height * scale)), max(1, round(width * scale))
    small = np.asarray(cv2.resize(rgb, (fitted[1], fitted[0]), interpolation=cv2.INTER_AREA))
    pixels = normalised(small, Preparation(side, 1, _MEAN, _DEVIATION))
    pixels = torch.nn.functional.pad(pixels, (0, side - fitted[1], 0, side - fitted[0]))
    seen = network.get_image_embeddings(pixels.to(device))
    logits, sure = [], []
    for points in _grid(fitted).split(_AT_ONCE):
        check()
        found = network(image_embeddings=seen, input_points=points[None, :, None].to(device), multimask_output=True)
        logits.append(found.pred_masks[0].flatten(0, 1).float().cpu())
        sure.append(found.iou_scores[0].flatten().float().cpu())
    kept = distinct(torch.cat(logits), torch.cat(sure))
    cut = kept[:, : round(fitted[0] / side * kept.shape[1]), : round(fitted[1] / side * kept.shape[2])]
    masks = [cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR) > 0 for mask in cut.numpy()]
    masks.sort(key=np.count_nonzero, reverse=True)
    return np.stack(masks) if masks else np.zeros((0, height, width), bool)


def _grid(size: tuple[int, int]) -> Tensor:
    """Points (x, y) all over a picture of this size (high, wide), [N,2]."""
    at = (torch.arange(_POINTS_PER_SIDE) + 0.5) / _POINTS_PER_SIDE
    y, x = torch.meshgrid(at * size[0], at * size[1], indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


def distinct(logits: Tensor, sure: Tensor) -> Tensor:
    """The masks [N,h,w] that the network is sure of and that a small change leaves alike, each thing once."""
    inner, outer = (logits > 1).flatten(1).sum(1), (logits > -1).flatten(1).sum(1)
    chosen = (sure > _SURE) & (inner > _STABLE * outer) & (inner > 0)
    logits, sure = logits[chosen], sure[chosen]
    order = sure.argsort(descending=True)
    flat = (logits[order] > 0).flatten(1).float()
    kept: list[int] = []
    for place in range(len(flat)):
        if kept:
            both = flat[kept] @ flat[place]
            either = flat[kept].sum(1) + flat[place].sum() - both
            if (both / either.clamp(min=1)).max() > _SAME:
                continue
        kept.append(place)
    return logits[order][kept]


def coloured(masks: np.ndarray, height: int, width: int) -> Levels:
    """Each mask in a colour of its own, the smaller over the larger, on black."""
    canvas = np.zeros((height, width, 3), np.uint8)
    for number, mask in enumerate(masks):
        canvas[mask] = colour(number)
    return canvas


def colour(number: int) -> tuple[int, int, int]:
    """The colour of something by its number; numbers near each other have colours far apart."""
    red, green, blue = colorsys.hsv_to_rgb(
        number * _GOLDEN % 1.0, 0.55 + 0.4 * (number % 2), 0.95 - 0.15 * (number % 3)
    )
    return round(red * 255), round(green * 255), round(blue * 255)
