"""Every sampler over every schedule against its algorithm, written a second time from the papers (published.py)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from nodes.diffusion import schedules
from nodes.diffusion.network import Parametrization
from nodes.diffusion.prediction import prediction
from nodes.diffusion.samplers import NAMES, Run, algorithm
from tests.diffusion import published

PREDICTION = prediction(Parametrization())
PUBLISHED = published.every(PREDICTION.percent_to_sigma(0.8), PREDICTION.percent_to_sigma(0.2))
SIZE, STEPS = 16, 7
MIXED = torch.randn((SIZE, SIZE), generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.3
PHASES = torch.randn(SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 3
START = torch.randn(SIZE, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 14.6


@dataclass(frozen=True)
class Curved:
    """A denoiser that bends in x and in sigma, so that every coefficient of a sampler counts."""

    strength: float = 0.9

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        return torch.tanh(x @ MIXED / (1 + sigma)) * 0.7 + x * 0.2 / (1 + sigma**2)

    def uncond(self, x: Tensor, sigma: float) -> Tensor:
        return self(x * self.strength, sigma)

    def with_uncond(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        return self(x, sigma), self.uncond(x, sigma)


def noise(sigma: float, sigma_next: float) -> Tensor:
    """As wild as noise over the places, but smooth in the levels: rounding of those does not count."""
    return torch.cos(PHASES * 5 + sigma + 3 * sigma_next) * 2**0.5


def drawn(name: str, sigmas: list[float], **options: object) -> Tensor:
    run = Run(Curved(), PREDICTION, noise, lambda *_: None, torch.randn_like)
    return algorithm(name).sample(run, START, sigmas, **options)


@pytest.mark.parametrize("scheduler", schedules.NAMES)
@pytest.mark.parametrize("name", [name for name in NAMES if name != "ipndm_v"])
def test_samplers_are_their_papers(name: str, scheduler: str) -> None:
    sigmas = schedules.sigmas(scheduler, PREDICTION, STEPS).double().tolist()

    expected = PUBLISHED[name](Curved(), START, sigmas, noise)

    # Both compute in float64, and Gauss-Legendre is exact to its last digits; a wrong coefficient shows in the second.
    torch.testing.assert_close(drawn(name, sigmas), expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("scheduler", schedules.NAMES)
def test_the_second_order_of_ipndm_v_is_adams_bashforth(scheduler: str) -> None:
    sigmas = schedules.sigmas(scheduler, PREDICTION, STEPS).double().tolist()

    expected = published.multistep(Curved(), START, sigmas, 2, lambda sigma: sigma)

    torch.testing.assert_close(drawn("ipndm_v", sigmas, max_order=2), expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_over_equal_steps_ipndm_v_is_ipndm(order: int) -> None:
    sigmas = torch.linspace(14.0, 0.5, 12, dtype=torch.float64).tolist()

    got, expected = (drawn(name, sigmas, max_order=order) for name in ("ipndm_v", "ipndm"))

    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


def test_the_last_weight_of_ipndm_v_is_its_authors() -> None:
    sigmas = torch.linspace(14.0, 0.5, 12, dtype=torch.float64).tolist()

    # Adams-Bashforth has 9/24 for the third difference; the authors' program comes to 11/24, and pictures with it.
    expected = published.ipndm(Curved(), START, sigmas, noise, third=11 / 24)

    torch.testing.assert_close(drawn("ipndm_v", sigmas), expected, rtol=1e-9, atol=1e-9)
