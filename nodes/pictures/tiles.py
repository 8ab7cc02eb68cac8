"""Large pictures done piece by piece, without seams."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def count_tiles(height: int, width: int, tile: int, overlap: int) -> int:
    """How many pieces `in_tiles` makes of a picture."""
    return len(_starts(height, tile, overlap)) * len(_starts(width, tile, overlap))


def in_tiles(work: Callable[[Tensor], Tensor], x: Tensor, tile: int, overlap: int, scale: int) -> Tensor:
    """`work` on pieces of `x` [B,C,H,W] of at most `tile` a side, put together; its results are `scale` times larger.

    Neighbours share `overlap` pixels, over which one fades into the other.
    """
    batch, _, height, width = x.shape
    total = weights = None
    for top, left in itertools.product(_starts(height, tile, overlap), _starts(width, tile, overlap)):
        done = work(x[..., top : top + tile, left : left + tile])
        h, w = done.shape[-2:]
        weight = torch.outer(_ramp(h, overlap * scale), _ramp(w, overlap * scale))
        if total is None or weights is None:
            total = torch.zeros((batch, done.shape[1], height * scale, width * scale))
            weights = torch.zeros((height * scale, width * scale))
        place = (..., slice(top * scale, top * scale + h), slice(left * scale, left * scale + w))
        total[place] += done.float().cpu() * weight
        weights[place] += weight
    assert total is not None
    assert weights is not None
    return total / weights


def _starts(size: int, tile: int, overlap: int) -> list[int]:
    if size <= tile:
        return [0]
    step = max(tile - overlap, 1)
    return [*range(0, size - tile, step), size - tile]


def _ramp(length: int, over: int) -> Tensor:
    """Rises over so many pixels from both ends, never to 0."""
    rise = torch.arange(1, length + 1) / max(over, 1)
    return torch.minimum(rise, rise.flip(0)).clamp(max=1.0)
