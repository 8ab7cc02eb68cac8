"""Preprocessors' common frame: each picture in 8 bits, in the size asked for, through a function, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
import torch

from nodes.pictures.resize import to_bytes
from nodes.types import Image

Levels: TypeAlias = "np.ndarray"
"""A picture's 8-bit values: [H,W,3] in RGB, or [H,W] in grey."""


def annotate(image: Image, resolution: int, work: Callable[[Levels], Levels]) -> Image:
    """What `work` makes of each picture, whose shorter side has `resolution` pixels; grey results become RGB."""
    results = [work(with_shorter_side(levels, resolution)) for levels in to_bytes(image.pixels[..., :3])]
    stacked = np.stack([np.repeat(r[..., None], 3, axis=2) if r.ndim == 2 else r for r in results])
    return Image(torch.from_numpy(stacked.astype(np.float32) / 255.0))


def with_shorter_side(levels: Levels, resolution: int) -> Levels:
    """The picture resized so that its shorter side has so many pixels."""
    height, width = levels.shape[:2]
    scale = resolution / min(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return levels
    return np.asarray(cv2.resize(levels, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA))
