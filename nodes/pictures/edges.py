"""Edges of pictures, as [B,H,W] tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
_DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
"""(row, column) steps to the eight neighbours, by angle in steps of 45 degrees; rows go down."""


def luma(pixels: Tensor) -> Tensor:
    """Brightness of pictures [B,H,W,C] as ITU-R BT.601 weighs it, [B,H,W]."""
    r, g, b = (pixels[..., c] for c in range(3))
    return LUMA[0] * r + LUMA[1] * g + LUMA[2] * b


def gaussian_kernel(size: int, sigma: float) -> Tensor:
    """`size` weights of a bell curve that sum to 1."""
    x = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    weights = torch.exp(-x.square() / (2 * sigma * sigma))
    return weights / weights.sum()


def canny(grey: Tensor, low: float, high: float) -> Tensor:
    """Where edges are: 1 or 0, [B,H,W]. Canny 1986: smoothed gradients, thinned, then joined across weak places.

    Smoothed by a bell curve of sigma 1 over 5 pixels; gradients are Sobel's, up to 4 for a step from 0 to 1.
    An edge holds wherever the gradient's length is above `low`, if it is above `high` somewhere along it.
    """
    gx, gy = _sobel(_blur(grey))
    length = torch.sqrt(gx * gx + gy * gy + 1e-6)
    thin = torch.where(_is_ridge(length, gx, gy), length, 0)
    return torch.stack([_joined(each.numpy(), low, high) for each in thin])


def _blur(grey: Tensor) -> Tensor:
    weights = gaussian_kernel(5, 1.0)
    # Mirrored at the border, which needs more pixels than are added.
    mode = "reflect" if min(grey.shape[1:]) > 2 else "replicate"
    padded = torch.nn.functional.pad(grey.unsqueeze(1), (2, 2, 2, 2), mode=mode)
    across = torch.nn.functional.conv2d(padded, weights.reshape(1, 1, 1, 5))
    return torch.nn.functional.conv2d(across, weights.reshape(1, 1, 5, 1)).squeeze(1)


def _sobel(grey: Tensor) -> tuple[Tensor, Tensor]:
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    weights = torch.stack([across, across.T]).unsqueeze(1)
    padded = torch.nn.functional.pad(grey.unsqueeze(1), (1, 1, 1, 1), mode="replicate")
    gx, gy = torch.nn.functional.conv2d(padded, weights).unbind(1)
    return gx, gy


def _is_ridge(length: Tensor, gx: Tensor, gy: Tensor) -> Tensor:
    """Where the gradient is longer than at both neighbours along it.

    Between two equal pixels, as at a sharp step, the left or upper one is the ridge.
    """
    h, w = length.shape[1:]
    padded = torch.nn.functional.pad(length, (1, 1, 1, 1))
    rises = torch.stack([length - padded[:, 1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w] for dy, dx in _DIRECTIONS])
    wins = rises > 0
    for right_or_down in (0, 2):
        wins[right_or_down] = rises[right_or_down] >= 0
    direction = torch.round(torch.rad2deg(torch.atan2(gy, gx)) / 45).long().remainder(8).unsqueeze(0)
    ahead = wins.gather(0, direction)
    behind = wins.gather(0, (direction + 4).remainder(8))
    return (ahead & behind).squeeze(0)


def _joined(thin: np.ndarray, low: float, high: float) -> Tensor:
    """The connected edges above `low` that reach above `high`."""
    count, found = cv2.connectedComponents((thin > low).astype(np.uint8), connectivity=8)
    labels = np.asarray(found, dtype=np.int32)
    strong = np.zeros(count, dtype=bool)
    strong[labels[thin > high]] = True
    strong[0] = False
    return torch.from_numpy(strong[labels].astype(np.float32))
