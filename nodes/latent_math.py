"""Arithmetic with latents."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Protocol, runtime_checkable

import torch

from nodes.define import node
from nodes.pictures.batches import like
from nodes.pictures.filters import sharpen
from nodes.types import Latent
from nodes.widgets import Range

if TYPE_CHECKING:
    from torch import Tensor


@runtime_checkable
class LatentOperation(Protocol):
    """A change to latents that can be done later, again and again: values comparable, so that it can be a key."""

    socket: ClassVar[str] = "LATENT_OPERATION"

    def apply(self, latent: Tensor) -> Tensor:
        """The changed latents, [B,C,...]."""
        ...


@dataclass(frozen=True, slots=True)
class TonemapReinhard(LatentOperation):
    """Squeezes the lengths of the vectors along C, the longest most (Reinhard et al. 2002)."""

    multiplier: float

    def apply(self, latent: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(latent, dim=1, keepdim=True) + 1e-10
        axes = list(range(1, latent.ndim))
        top = (length.std(dim=axes, keepdim=True) * 5 + length.mean(dim=axes, keepdim=True)) * self.multiplier
        squeezed = length / top
        return latent / length * (squeezed / (squeezed + 1.0) * top)


@dataclass(frozen=True, slots=True)
class Sharpen(LatentOperation):
    """Adds what a blur takes away, to the directions of the vectors along C."""

    radius: int
    sigma: float
    alpha: float

    def apply(self, latent: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(latent, dim=1, keepdim=True) + 1e-6
        return sharpen(latent / length, self.radius, self.sigma, self.alpha) * length


@node(id="LatentAdd", category="latent/advanced")
def latent_add(*, samples1: Latent, samples2: Latent) -> Latent:
    """The sum of latents, the second resized to the first."""
    return replace(samples1, samples=samples1.samples + like(samples2.samples, samples1.samples))


@node(id="LatentSubtract", category="latent/advanced")
def latent_subtract(*, samples1: Latent, samples2: Latent) -> Latent:
    """The difference of latents, the second resized to the first."""
    return replace(samples1, samples=samples1.samples - like(samples2.samples, samples1.samples))


@node(id="LatentMultiply", category="latent/advanced")
def latent_multiply(*, samples: Latent, multiplier: Annotated[float, Range(-10, 10, step=0.01)] = 1.0) -> Latent:
    """A latent times a number."""
    return replace(samples, samples=samples.samples * multiplier)


@node(id="LatentInterpolate", category="latent/advanced")
def latent_interpolate(
    *, samples1: Latent, samples2: Latent, ratio: Annotated[float, Range(0, 1, step=0.01)] = 1.0
) -> Latent:
    """A mix of two latents: of the directions of their vectors along C, and of their lengths. 1 is the first."""
    first, second = samples1.samples, like(samples2.samples, samples1.samples)
    length1, length2 = (torch.linalg.vector_norm(x, dim=1, keepdim=True) for x in (first, second))
    mixed = torch.nan_to_num(first / length1) * ratio + torch.nan_to_num(second / length2) * (1.0 - ratio)
    direction = torch.nan_to_num(mixed / torch.linalg.vector_norm(mixed, dim=1, keepdim=True))
    return replace(samples1, samples=direction * (length1 * ratio + length2 * (1.0 - ratio)))


@node(id="LatentBlend", title="Latent Blend", category="_for_testing")
def latent_blend(
    *, samples1: Latent, samples2: Latent, blend_factor: Annotated[float, Range(0, 1, step=0.01)] = 0.5
) -> Latent:
    """A mix of two latents. 1 is the first."""
    second = like(samples2.samples, samples1.samples, method="bicubic")
    return replace(samples1, samples=samples1.samples * blend_factor + second * (1 - blend_factor))


@node(id="LatentApplyOperation", category="latent/advanced/operations", experimental=True)
def latent_apply_operation(*, samples: Latent, operation: LatentOperation) -> Latent:
    """Do an operation on a latent."""
    return replace(samples, samples=operation.apply(samples.samples))


@node(id="LatentOperationTonemapReinhard", category="latent/advanced/operations", experimental=True)
def latent_operation_tonemap_reinhard(
    *, multiplier: Annotated[float, Range(0, 100, step=0.01)] = 1.0
) -> LatentOperation:
    """An operation that tames what is too strong."""
    return TonemapReinhard(multiplier)


@node(id="LatentOperationSharpen", category="latent/advanced/operations", experimental=True)
def latent_operation_sharpen(
    *,
    sharpen_radius: Annotated[int, Range(1, 31, step=1)] = 9,
    sigma: Annotated[float, Range(0.1, 10, step=0.1)] = 1.0,
    alpha: Annotated[float, Range(0, 5, step=0.01)] = 0.1,
) -> LatentOperation:
    """An operation that makes details stronger."""
    return Sharpen(sharpen_radius, sigma, alpha)
