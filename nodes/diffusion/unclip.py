"""Pictures as prompts: CLIP's embeddings, noised a little, in the place of a model's label or pooled text.

unCLIP, arXiv:2204.06125; SDXL takes its large encoder's in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from nodes.diffusion import families, files
from nodes.diffusion.files import WeightsError
from nodes.types import Cond, Conditioning

if TYPE_CHECKING:
    from torch import Tensor

    from nodes.diffusion.unet import UNet
    from nodes.types import Source

KEY = "unclip_conditioning"
"""Among a conditioning's extras: a tuple of (embeddings [B,E], strength, noise augmentation)."""

Shown = tuple["Tensor", float, float]

_LEVELS = 1000
_MERGED_NOISE = 0.05
_SEED_OFFSET = -10
_STATISTICS = "noise_augmentor.data_"
_LARGEST_BETA = 0.999


def with_embeddings(
    sides: Mapping[str, Conditioning], network: UNet, source: Source, seed: int
) -> Mapping[str, Conditioning]:
    """The conditionings with what pictures say in the place of their pooled text.

    A model with labels gets zeros where no picture is shown. `seed` is the run's. Raises WeightsError where the model
    takes no pictures, or those of another image encoder.
    """
    labels = network.label_width
    shown = any(KEY in cond.extras for side in sides.values() for cond in side)
    if not shown and not labels:
        return sides
    wanted = labels // 2 if labels else network.pooled_width
    if not wanted:
        raise WeightsError(
            f"{network.title} takes no pictures as prompts; unCLIPConditioning is for unCLIP models and for SDXL."
        )
    noiser = _Noiser(source, wanted, seed)

    def told(cond: Cond) -> Cond:
        pictures: Sequence[Shown] = cond.extras.get(KEY, ())
        extras = {k: v for k, v in cond.extras.items() if k != KEY}
        if not pictures:
            return cond.having(pooled=torch.zeros(1, labels)) if labels else cond
        for embeds, *_ in pictures:
            _check_width(embeds, wanted, network)
        found = noiser.merged(pictures)
        return cond.having(pooled=found if labels else found[:, :wanted], extras=extras)

    return {name: Conditioning(tuple(told(cond) for cond in side)) for name, side in sides.items()}


def _check_width(embeds: Tensor, wanted: int, network: UNet) -> None:
    if embeds.shape[-1] != wanted:
        raise WeightsError(
            f"{network.title} takes pictures as {wanted} numbers, this CLIP vision model gives {embeds.shape[-1]}. "
            "Use the CLIP vision model that belongs to the checkpoint."
        )


def noised(embeds: Tensor, level: int, seed: int, mean: Tensor, deviation: Tensor) -> Tensor:
    """Embeddings [B,E] at a noise level of 0 to 999, followed by how an unCLIP model is told the level: [B,2E]."""
    left = _alphas()[level]
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(embeds.shape, generator=generator)
    scaled = (embeds - mean) / deviation
    mixed = left.sqrt() * scaled + (1 - left).sqrt() * noise
    return torch.cat([mixed * deviation + mean, _waves(level, embeds.shape[-1]).expand(len(embeds), -1)], dim=-1)


class _Noiser:
    """What one model knows of its image encoder's embeddings, and the seed of a run."""

    def __init__(self, source: Source, width: int, seed: int) -> None:
        self._mean, self._deviation = _statistics(source, width)
        self._seed = seed + _SEED_OFFSET

    def merged(self, pictures: Sequence[Shown]) -> Tensor:
        """All pictures in one: each noised and weighted; a sum of several is noised once more."""
        found = [self._noised(embeds, noise) * strength for embeds, strength, noise in pictures]
        if len(found) == 1:
            return found[0]
        longest = max(len(each) for each in found)
        total = torch.stack([each.expand(longest, -1) if len(each) == 1 else each for each in found]).sum(0)
        return self._noised(total[:, : total.shape[1] // 2], _MERGED_NOISE)

    def _noised(self, embeds: Tensor, augmentation: float) -> Tensor:
        level = round((_LEVELS - 1) * augmentation)
        return noised(embeds.float(), level, self._seed, self._mean, self._deviation)


def _statistics(source: Source, width: int) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the embeddings, where the model brings them."""
    for path, names in (
        (source.path, (f"{_STATISTICS}mean", f"{_STATISTICS}std")),
        (source.path / "image_normalizer" / "diffusion_pytorch_model.safetensors", ("mean", "std")),
    ):
        if path.is_file() and all(name in files.read_header(path).shapes for name in names):
            mean, deviation = (t.float().reshape(1, -1) for _, t in files.read_tensors(path, {n: n for n in names}))
            if mean.shape[1] != width:
                title = families.family_named(source.family).title
                raise WeightsError(f"{path} is damaged: {title} here takes {width} numbers, not {mean.shape[1]}.")
            return mean, deviation
    return torch.zeros(1, width), torch.ones(1, width)


def _alphas() -> Tensor:
    """How much is left of the embeddings at each level: the squared cosine schedule of arXiv:2102.09672."""

    def bar(t: float) -> float:
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    betas = [min(1 - bar((i + 1) / _LEVELS) / bar(i / _LEVELS), _LARGEST_BETA) for i in range(_LEVELS)]
    return torch.cumprod(1.0 - torch.tensor(betas, dtype=torch.float64), 0).float()


def _waves(level: int, width: int) -> Tensor:
    """The sinusoidal embedding of a level, [1,width]: cosines, then sines."""
    half = width // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)
    angles = level * frequencies
    return torch.cat([angles.cos(), angles.sin()])[None]
