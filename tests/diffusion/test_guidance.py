from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nodes.diffusion.guidance import Guess, cfg, rescaled
from nodes.diffusion.network import Parametrization
from nodes.diffusion.prediction import prediction

SD = prediction(Parametrization())
SIGMA = 3.0


def unasked(side: str, changes: object) -> Tensor:
    raise AssertionError("nothing more has to be asked")


def guess(scale: float = 7.0, sigma: float = SIGMA) -> Guess:
    """Two pictures' predictions under two conditionings."""
    generator = torch.Generator().manual_seed(1)
    x, cond, uncond = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(3))
    return Guess(x * sigma, sigma, cond, uncond * 0.5, scale, SD, unasked)


def velocity(of: Guess, x0: Tensor) -> Tensor:
    """x0 as the velocity a v-prediction network would have said."""
    return (of.x / (of.sigma**2 + 1) - x0) * math.sqrt(of.sigma**2 + 1) / of.sigma


@pytest.mark.parametrize(("scale", "expected"), [(0.0, "uncond"), (1.0, "cond")])
def test_guidance_reaches_both_ends(scale: float, expected: str) -> None:
    torch.testing.assert_close(cfg(guess(scale)), getattr(guess(scale), expected))


def test_rescaling_by_nothing_is_plain_guidance() -> None:
    torch.testing.assert_close(rescaled(0.0)(guess()), cfg(guess()))


def test_rescaling_in_full_gives_the_spread_of_the_condition() -> None:
    given = guess()

    found = velocity(given, rescaled(1.0)(given))

    torch.testing.assert_close(found.std((1, 2, 3)), velocity(given, given.cond).std((1, 2, 3)))
