"""The SD x4 upscaler: a small picture, noised a little, stands beside the latent, and the network is told how much.

Cascaded diffusion with noise augmentation, arXiv:2106.15282 and 2112.10752 (section 4.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from nodes.diffusion.files import WeightsError
from nodes.diffusion.network import NOISE_LEVEL
from nodes.types import Cond, Conditioning

if TYPE_CHECKING:
    from torch import Tensor

    from nodes.diffusion.unet import UNet

PICTURE = "concat_image"
"""Among a conditioning's extras: the small picture [B,3,h,w] in -1..1, as large as the latent."""

AUGMENTATION = "noise_augmentation"
"""Beside it: how much noise is added to it, 0 to 1."""

_BETAS = (0.0001, 0.02)
_LEVELS, _MOST = 1000, 350
_SEED_OFFSET = -10


def with_small_pictures(sides: Mapping[str, Conditioning], network: UNet, seed: int) -> Mapping[str, Conditioning]:
    """The conditionings with their small pictures noised, beside the latent; without one it is grey.

    `seed` is the run's. Raises WeightsError where the model takes no small picture.
    """
    shown = any(PICTURE in cond.extras for side in sides.values() for cond in side)
    if not shown:
        return sides
    if not network.noise_levels:
        raise WeightsError(
            f"{network.title} takes no small picture; SD_4XUpscale_Conditioning is for the SD x4 upscaler."
        )

    def told(cond: Cond) -> Cond:
        if PICTURE not in cond.extras:
            return cond
        extras = {k: v for k, v in cond.extras.items() if k not in (PICTURE, AUGMENTATION)}
        level = min(round(_MOST * cond.extras.get(AUGMENTATION, 0.0)), network.noise_levels - 1)
        picture = noised(cond.extras[PICTURE], level, seed + _SEED_OFFSET)
        return cond.having(concat_latent=picture, extras={**extras, NOISE_LEVEL: level})

    return {name: Conditioning(tuple(told(cond) for cond in side)) for name, side in sides.items()}


def noised(picture: Tensor, level: int, seed: int) -> Tensor:
    """A picture at a noise level of 0 to 999; the noise is drawn on the CPU."""
    betas = torch.linspace(_BETAS[0] ** 0.5, _BETAS[1] ** 0.5, _LEVELS, dtype=torch.float64) ** 2
    left = float(torch.cumprod(1.0 - betas, 0)[level])
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed % 2**64))
    return left**0.5 * picture + (1 - left) ** 0.5 * noise
