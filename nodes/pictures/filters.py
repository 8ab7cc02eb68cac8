"""Blurs and what is built on them, on planes [B,C,H,W]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def bell(radius: int, sigma: float) -> Tensor:
    """2 * radius + 1 weights of a bell curve that sum to 1. `sigma` is a part of the radius, as in ComfyUI's nodes."""
    x = torch.linspace(-1, 1, 2 * radius + 1)
    weights = torch.exp(-x.square() / (2 * sigma * sigma))
    return weights / weights.sum()


def convolve(planes: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Every plane convolved with `down` along H and `across` along W, mirrored at its border."""
    channels = planes.shape[1]
    y, x = len(down) // 2, len(across) // 2
    # Mirroring needs more pixels than it adds.
    mode = "reflect" if planes.shape[-2] > y and planes.shape[-1] > x else "replicate"
    padded = torch.nn.functional.pad(planes, (x, x, y, y), mode=mode)
    rows = across.reshape(1, 1, 1, -1).expand(channels, -1, -1, -1)
    columns = down.reshape(1, 1, -1, 1).expand(channels, -1, -1, -1)
    half = torch.nn.functional.conv2d(padded, rows, groups=channels)
    return torch.nn.functional.conv2d(half, columns, groups=channels)


def blur(planes: Tensor, radius: int, sigma: float) -> Tensor:
    """Planes smoothed by a bell curve over 2 * radius + 1 pixels."""
    weights = bell(radius, sigma)
    return convolve(planes, weights, weights)


def sharpen(planes: Tensor, radius: int, sigma: float, alpha: float) -> Tensor:
    """Planes with ten times `alpha` of what a blur takes away added."""
    return planes + 10.0 * alpha * (planes - blur(planes, radius, sigma))
