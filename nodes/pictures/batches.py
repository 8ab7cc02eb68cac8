"""Tensors whose first axis counts pictures: made alike in number and size so that they can be put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from nodes.pictures.resize import resize

if TYPE_CHECKING:
    from torch import Tensor


def to_batch(x: Tensor, size: int) -> Tensor:
    """`x` with exactly `size` entries: cut, or repeated from its start."""
    if len(x) >= size:
        return x[:size]
    times = -(-size // len(x))
    return x.repeat(times, *[1] * (x.ndim - 1))[:size]


def like(x: Tensor, target: Tensor, *, method: str = "bilinear", batch: bool = True) -> Tensor:
    """Latents `x` resized to `target` (its middle, where the aspect differs); with `batch`, as many as it has."""
    if x.shape[-2:] != target.shape[-2:]:
        x = resize(x, target.shape[-1], target.shape[-2], method, "center")
    return to_batch(x, len(target)) if batch else x


def same_channels(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures [B,H,W,C], both with alpha when one has it: opaque where it was missing."""
    channels = max(a.shape[-1], b.shape[-1])
    return with_channels(a, channels), with_channels(b, channels)


def with_channels(pixels: Tensor, channels: int) -> Tensor:
    """Pictures [B,H,W,C] with `channels` of them: what is too much dropped, opaque alpha added."""
    missing = channels - pixels.shape[-1]
    if missing <= 0:
        return pixels[..., :channels]
    return torch.cat([pixels, pixels.new_ones((*pixels.shape[:-1], missing))], dim=-1)


def joined(pictures: list[Tensor]) -> Tensor:
    """Pictures [B,H,W,C] as one batch, in the first one's size; with alpha when one has it."""
    first = pictures[0]
    channels = max(p.shape[-1] for p in pictures)
    planes = [with_channels(p, channels).movedim(-1, 1) for p in pictures]
    target = first.movedim(-1, 1)
    return torch.cat([like(p, target, batch=False) for p in planes]).movedim(1, -1)
