"""Pictures given the colours of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import torch

from nodes.define import node
from nodes.pictures.batches import to_batch
from nodes.types import Image
from nodes.widgets import Choice, Range, Spare

if TYPE_CHECKING:
    from torch import Tensor

_LEAST_VARIANCE = 1e-6


def _centred(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The mean of colours [N,3], their covariance, and the colours less their mean."""
    mean = x.mean(0)
    spread = x - mean
    covariance = spread.T @ spread / len(x)
    return mean, covariance + _LEAST_VARIANCE * torch.eye(3, dtype=x.dtype), spread


def _root(matrix: Tensor) -> Tensor:
    """The symmetric square root of a positive matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


def _transported(x: Tensor, to: Tensor) -> Tensor:
    """The linear map that takes one normal distribution to another and moves least (Pitié and Kokaram 2007)."""
    _, covariance, spread = _centred(x)
    mean, wanted, _ = _centred(to)
    root = _root(covariance)
    inverse = torch.linalg.inv(root)
    return spread @ (inverse @ _root(root @ wanted @ root) @ inverse).T + mean


def _whitened(x: Tensor, to: Tensor) -> Tensor:
    """The linear map through Cholesky factors: the same mean and covariance, colour axes kept in order."""
    _, covariance, spread = _centred(x)
    mean, wanted, _ = _centred(to)
    chain = torch.linalg.cholesky(wanted) @ torch.linalg.inv(torch.linalg.cholesky(covariance))
    return spread @ chain.T + mean


def _scaled(x: Tensor, to: Tensor) -> Tensor:
    """The same mean and deviation in each channel (Reinhard et al. 2001)."""
    deviation = x.std(0, correction=0).clamp(min=_LEAST_VARIANCE)
    return (x - x.mean(0)) / deviation * to.std(0, correction=0) + to.mean(0)


def _ranked(x: Tensor, to: Tensor) -> Tensor:
    """The same distribution in each channel: every value becomes the other picture's of the same rank."""
    return torch.stack([_ranked_channel(a, b) for a, b in zip(x.T, to.T, strict=True)], dim=1)


def _ranked_channel(x: Tensor, to: Tensor) -> Tensor:
    values, place, counts = x.unique(return_inverse=True, return_counts=True)
    # Equal values share the middle of their ranks, so that flat areas stay flat.
    middle = (counts.cumsum(0) - counts / 2) / len(x)
    ordered = to.sort().values
    at = middle * len(ordered) - 0.5
    low = at.floor().long().clamp(0, len(ordered) - 1)
    high = (low + 1).clamp(max=len(ordered) - 1)
    share = (at - low).clamp(0, 1)
    return (ordered[low] * (1 - share) + ordered[high] * share)[place] if len(values) else x


def _in_turn(*steps: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def run(x: Tensor, to: Tensor) -> Tensor:
        for step in steps:
            x = step(x, to)
        return x

    return run


_METHODS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mkl": _transported,
    "hm": _ranked,
    "reinhard": _scaled,
    "mvgd": _whitened,
    "hm-mvgd-hm": _in_turn(_ranked, _whitened, _ranked),
    "hm-mkl-hm": _in_turn(_ranked, _transported, _ranked),
}


@node(id="ColorMatch", title="Color Match", category="image/postprocessing", outputs=("image",))
def color_match(
    *,
    image_ref: Image,
    image_target: Image,
    method: Annotated[str, Choice(tuple(_METHODS))] = "mkl",
    strength: Annotated[float, Range(0, 10, step=0.01), Spare] = 1.0,
    multithread: Annotated[bool, Spare] = True,  # noqa: ARG001 -- written into workflows
) -> Image:
    """Pictures with the colours of a reference: by its mean and covariance, its histogram, or one after the other."""
    references = to_batch(image_ref.pixels[..., :3], len(image_target.pixels))
    matched = [
        _matched(target, reference, _METHODS[method], strength)
        for target, reference in zip(image_target.pixels, references, strict=True)
    ]
    return Image(torch.stack(matched))


def _matched(target: Tensor, reference: Tensor, match: Callable[[Tensor, Tensor], Tensor], strength: float) -> Tensor:
    before = target[..., :3].reshape(-1, 3).double()
    after = match(before, reference.reshape(-1, 3).double())
    colours = (before + strength * (after - before)).clamp(0, 1).float().reshape(*target.shape[:2], 3)
    return torch.cat([colours, target[..., 3:]], dim=-1)
