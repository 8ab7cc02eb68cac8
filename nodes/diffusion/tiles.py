"""Large pictures and latents done piece by piece, without seams."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

Size = tuple[int, int]
"""(height, width)"""


def count(size: Size, tile: Size, overlap: int) -> int:
    """How many tiles `blended` makes of something of this size."""
    return len(_starts(size[0], tile[0], overlap)) * len(_starts(size[1], tile[1], overlap))


def blended(work: Callable[[Tensor], Tensor], x: Tensor, tile: Size, overlap: int, scale: float) -> Tensor:
    """`work` on pieces of `x` [B,C,H,W] of at most this size, put together, float32 on the CPU.

    Its results are `scale` times larger. Neighbours share `overlap` pixels, over which one fades into the other.
    """
    height, width = tile
    blend = _Blend(x.shape, scale, overlap)
    for top, left in itertools.product(_starts(x.shape[-2], height, overlap), _starts(x.shape[-1], width, overlap)):
        blend.add(work(x[..., top : top + height, left : left + width]).float().cpu(), top, left)
    return blend.result()


def _starts(size: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin on an axis so that each overlaps the one before."""
    if size <= tile:
        return [0]
    step = max(tile - overlap, 1)
    return [min(start, size - overlap) for start in range(0, size - overlap, step)]


class _Blend:
    """Tiles laid over each other, faded linearly at their edges."""

    def __init__(self, shape: Sequence[int], scale: float, overlap: int) -> None:
        self._scale = scale
        self._fade = max(round(overlap * scale), 0)
        self._size = round(shape[-2] * scale), round(shape[-1] * scale)
        self._sum: Tensor | None = None
        self._weight: Tensor | None = None

    def add(self, tile: Tensor, top: int, left: int) -> None:
        """Lay down a finished tile whose source began at (top, left)."""
        weight = self._ramp(tile.shape[-2])[:, None] * self._ramp(tile.shape[-1])[None, :]
        if self._sum is None or self._weight is None:
            self._sum = tile.new_zeros((*tile.shape[:-2], *self._size))
            self._weight = tile.new_zeros(self._size)
        y, x = round(top * self._scale), round(left * self._scale)
        height, width = tile.shape[-2:]
        self._sum[..., y : y + height, x : x + width] += tile * weight
        self._weight[y : y + height, x : x + width] += weight

    def result(self) -> Tensor:
        """The mean of the tiles, place by place."""
        assert self._sum is not None
        assert self._weight is not None
        return self._sum / self._weight

    def _ramp(self, length: int) -> Tensor:
        rise = torch.arange(1, length + 1, dtype=torch.float32) / max(self._fade, 1)
        return rise.clamp(max=1.0) * rise.flip(0).clamp(max=1.0)
