"""Sharpening that is strongest where there is little contrast: AMD's contrast adaptive sharpening."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_LEAST = 1e-6


def contrast_adaptive(pixels: Tensor, amount: float) -> Tensor:
    """Pictures [B,H,W,C] in 0..1 sharpened by an amount of 0 to 1."""
    planes = torch.nn.functional.pad(pixels.movedim(-1, 1), (1, 1, 1, 1), mode="replicate")
    height, width = pixels.shape[1:3]

    def shifted(y: int, x: int) -> Tensor:
        return planes[:, :, 1 + y : 1 + y + height, 1 + x : 1 + x + width]

    centre = shifted(0, 0)
    cross = torch.stack([shifted(-1, 0), shifted(1, 0), shifted(0, -1), shifted(0, 1)])
    lowest = torch.minimum(cross.amin(0), centre)
    highest = torch.maximum(cross.amax(0), centre)
    room = torch.minimum(lowest, 1 - highest) / highest.clamp(min=_LEAST)
    weight = -room.clamp(0, 1).sqrt() / (8 - 3 * amount)
    return ((centre + cross.sum(0) * weight) / (1 + 4 * weight)).clamp(0, 1).movedim(1, -1)
