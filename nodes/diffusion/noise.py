"""Where noise comes from: always the CPU, so that a seed gives one picture on every device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torchsde

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    NoiseSource = Callable[[float, float], Tensor]
    """Standard normal noise for the step from one level to another, of the latent's shape, on its device."""

_TREE_DIGITS = 6
"""To so many decimals torchsde rounds times; beyond its rounded ends the tree would warn."""


def initial(shape: Sequence[int], seed: int, batch_index: Sequence[int] | None = None) -> Tensor:
    """The noise a picture of this shape starts from, float32 on the CPU.

    With `batch_index` each sample gets the noise it would have had at that place of a batch drawn one by one.
    """
    generator = torch.Generator().manual_seed(seed)
    if batch_index is None:
        return torch.randn(tuple(shape), generator=generator)
    one = (1, *shape[1:])
    wanted = set(batch_index)
    drawn: dict[int, Tensor] = {}
    for place in range(max(wanted) + 1):
        sample = torch.randn(one, generator=generator)
        if place in wanted:
            drawn[place] = sample
    return torch.cat([drawn[place] for place in batch_index])


def fresh(like: Tensor, seed: int) -> NoiseSource:
    """A source that draws anew at every call, whatever the levels.

    It is seeded with seed + 1: with the seed itself its first draw would be the initial noise again.
    """
    generator = torch.Generator().manual_seed((seed + 1) % 2**64)

    def draw(sigma: float, sigma_next: float) -> Tensor:  # noqa: ARG001 - a source is asked by levels
        return torch.randn(like.shape, generator=generator).to(like.device)

    return draw


def continued(like: Tensor, seed: int) -> Callable[[Tensor], Tensor]:
    """Draws noise of any tensor's shape, going on where the initial noise of this shape and seed ended."""
    generator = torch.Generator().manual_seed(seed)
    torch.randn(like.shape, generator=generator)

    def draw(x: Tensor) -> Tensor:
        return torch.randn(x.shape, generator=generator).to(x.device)

    return draw


def brownian(like: Tensor, sigmas: Sequence[float], seed: int) -> NoiseSource:
    """A source that reads one Brownian path over the levels: other step sizes see the same path.

    The noise for a step is the path's increment over it, scaled to unit variance.
    """
    positive = [sigma for sigma in sigmas if sigma > 0]
    low, high = min(positive, default=0.0), max(positive, default=1.0)
    if round(high - low, _TREE_DIGITS) == 0:
        high = low + 10.0**-_TREE_DIGITS
    start = torch.zeros(like.shape)
    tree = torchsde.BrownianTree(t0=low, w0=start, t1=high, entropy=seed)
    bottom, top = round(low, _TREE_DIGITS), round(high, _TREE_DIGITS)

    def increment(sigma: float, sigma_next: float) -> Tensor:
        first, last = sorted((sigma, sigma_next))
        if first == last:
            return torch.zeros_like(like)
        sign = 1.0 if sigma < sigma_next else -1.0
        path = tree(max(first, bottom), min(last, top))
        assert isinstance(path, torch.Tensor)
        return (path * (sign / math.sqrt(last - first))).to(like.device)

    return increment
