"""One picture over another, [B,C,H,W]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from nodes.pictures.batches import to_batch
from nodes.pictures.resize import resize

if TYPE_CHECKING:
    from torch import Tensor


def paste(below: Tensor, above: Tensor, left: int, top: int, mask: Tensor | None = None) -> Tensor:
    """`below` with `above` over it, its corner at (left, top); what reaches beyond is cut off.

    `mask` [B,H,W] is resized to `above`, and says how much of it shows. There are as many as there are of `below`.
    """
    above = to_batch(above, len(below))
    height, width = below.shape[-2:]
    h, w = above.shape[-2:]
    y0, y1 = max(0, top), min(height, top + h)
    x0, x1 = max(0, left), min(width, left + w)
    result = below.clone()
    if y0 >= y1 or x0 >= x1:
        return result
    shown = above[..., y0 - top : y1 - top, x0 - left : x1 - left]
    if mask is not None:
        opacity = to_batch(resize(mask.unsqueeze(1), w, h, "bilinear"), len(below))
        opacity = opacity[..., y0 - top : y1 - top, x0 - left : x1 - left]
        opacity = opacity.reshape(len(opacity), *[1] * (below.ndim - 3), *opacity.shape[-2:])
        shown = opacity * shown + (1.0 - opacity) * result[..., y0:y1, x0:x1]
    result[..., y0:y1, x0:x1] = shown
    return result


def feather(height: int, width: int, sides: tuple[int, int, int, int]) -> Tensor:
    """A mask [H,W] of ones that rises over so many pixels at its left, top, right and bottom."""
    left, top, right, bottom = sides
    across = _rise(width, left) * _rise(width, right).flip(0)
    down = _rise(height, top) * _rise(height, bottom).flip(0)
    return torch.outer(down, across)


def _rise(length: int, over: int) -> Tensor:
    """From 1/over in equal steps to 1 and on."""
    over = min(over, length)
    return (torch.arange(1, length + 1) / over).clamp(max=1.0) if over > 0 else torch.ones(length)
