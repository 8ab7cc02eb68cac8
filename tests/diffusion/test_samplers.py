"""Every sampler against data for which everything is known: pixels that are N(mean, std^2).

The ideal denoiser, the ODE's solution and the distribution of samples are in closed form (toy_networks.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from nodes.diffusion import noise as noises
from nodes.diffusion import schedules
from nodes.diffusion.network import Parametrization
from nodes.diffusion.prediction import Prediction, prediction
from nodes.diffusion.samplers import NAMES, Run, algorithm
from tests.diffusion.toy_networks import gaussian_x0, ode_solution

MEAN, STD = 0.3, 0.5
DIFFUSION = prediction(Parametrization())
FLOW = prediction(Parametrization(kind="flow", shift=3.0))

ODE_ORDERS = {
    "euler": 1,
    "ddim": 1,
    "heun": 2,
    "dpm_2": 2,
    "dpmpp_2m": 2,
    "lms": 2,
    "uni_pc": 2,
    "uni_pc_bh2": 2,
    "exp_heun_2_x0": 2,
    "ipndm_v": 2,
    "deis": 2,
    "res_multistep": 2,
    "gradient_estimation": 1,
    # With nothing to guide away from, CFG++ is the plain method.
    "euler_cfg_pp": 1,
    "dpmpp_2m_cfg_pp": 2,
    "res_multistep_cfg_pp": 2,
    "gradient_estimation_cfg_pp": 1,
}
"""Samplers that solve the ODE, and the order at which their error falls with the step.

Multistep methods start with a step of a lower order, which is what remains in the end.
"""

_NOISY = {"lcm", "ddpm", "seeds_2", "seeds_3", "sa_solver", "sa_solver_pece"}
STOCHASTIC = [name for name in NAMES if "sde" in name or "ancestral" in name or name in _NOISY]
UNBIASED = [name for name in NAMES if name != "lcm"]
"""Samplers whose samples are distributed like the pictures, in the limit of many steps."""


@dataclass
class Ideal:
    """The exact denoiser of such pictures, counting how often it is asked."""

    flow: bool = False
    asked: list[float] = field(default_factory=list)

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        self.asked.append(sigma)
        return gaussian_x0(x, sigma, MEAN, STD, flow=self.flow)

    def with_uncond(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        x0 = self(x, sigma)
        return x0, x0


def draw(
    name: str,
    x: Tensor,
    sigmas: Sequence[float],
    *,
    model: Prediction = DIFFUSION,
    seed: int = 5,
    reports: list[tuple[int, Tensor]] | None = None,
    ideal: Ideal | None = None,
    **options: object,
) -> Tensor:
    """What a sampler makes of x."""
    chosen = algorithm(name)
    source = noises.brownian(x, sigmas, seed) if chosen.noise == "brownian" else noises.fresh(x, seed)

    def report(step: int, x0: Tensor) -> None:
        if reports is not None:
            reports.append((step, x0))

    run = Run(ideal or Ideal(model.is_flow), model, source, report, torch.randn_like)
    return chosen.sample(run, x.double(), list(sigmas), **options)


def start(n: int, sigma: float, *, flow: bool = False, seed: int = 1) -> Tensor:
    """Noisy pictures at this level."""
    generator = torch.Generator().manual_seed(seed)
    clean, noise = MEAN + STD * torch.randn(n, generator=generator), torch.randn(n, generator=generator)
    return clean * (1 - sigma) + noise * sigma if flow else clean + noise * sigma


def exponential(steps: int, high: float = 10.0, low: float = 0.1) -> list[float]:
    return torch.linspace(math.log(high), math.log(low), steps + 1, dtype=torch.float64).exp().tolist()


@pytest.mark.parametrize("name", UNBIASED)
def test_every_sampler_gives_back_such_pictures(name: str) -> None:
    sigmas = schedules.karras(80, 0.0291671585, 14.614641).tolist()

    found = draw(name, start(20_000, sigmas[0]), sigmas)

    # 20,000 draws are within 0.015 of the mean and 2 % of the spread; 80 first-order steps leave 6 % of bias.
    assert float(found.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(found.std()) == pytest.approx(STD, rel=0.08)


@pytest.mark.parametrize("name", [name for name in UNBIASED if name != "ddpm"])
def test_every_sampler_gives_back_such_pictures_in_a_flow(name: str) -> None:
    sigmas = schedules.sigmas("simple", FLOW, 120).tolist()

    found = draw(name, start(20_000, 1.0, flow=True), sigmas, model=FLOW)

    assert float(found.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(found.std()) == pytest.approx(STD, rel=0.08)


def test_consistency_sampling_is_denoising_and_noising_in_turn() -> None:
    sigmas = schedules.karras(5, 0.0291671585, 14.614641).tolist()
    spread = math.hypot(STD, sigmas[0])
    for sigma, after in pairwise(sigmas):
        denoised = spread * STD**2 / (STD**2 + sigma**2)
        spread = math.hypot(denoised, after)

    found = draw("lcm", start(20_000, sigmas[0]), sigmas)

    assert float(found.std()) == pytest.approx(spread, rel=0.02)


@pytest.mark.parametrize("name", ODE_ORDERS)
def test_the_error_falls_at_the_order_of_the_method(name: str) -> None:
    x = start(50, 10.0)
    exact = ode_solution(x.double(), 10.0, 0.1, MEAN, STD)

    errors = [float((draw(name, x, exponential(n)) - exact).abs().max()) for n in (40, 80)]

    assert errors[1] < 0.05
    # Halving the step divides the error by 2^order, in the limit; a tenth of the order is left for what is beyond it.
    assert math.log2(errors[0] / errors[1]) > ODE_ORDERS[name] * 0.9


_NO_ETA = {"lcm", "ddpm", "er_sde", "sa_solver_pece"}


@pytest.mark.parametrize("name", [name for name in STOCHASTIC if name not in _NO_ETA])
def test_without_noise_a_stochastic_sampler_solves_the_ode(name: str) -> None:
    x = start(50, 10.0)
    exact = ode_solution(x.double(), 10.0, 0.1, MEAN, STD)

    once = draw(name, x, exponential(200), eta=0.0)
    again = draw(name, x, exponential(200), eta=0.0, seed=6)

    assert torch.equal(once, again)
    assert float((once - exact).abs().max()) < 0.05


@pytest.mark.parametrize("name", STOCHASTIC)
def test_noise_comes_from_the_seed_alone(name: str) -> None:
    sigmas = schedules.karras(6, 0.03, 14.6).tolist()
    x = start(64, sigmas[0])

    assert torch.equal(draw(name, x, sigmas, seed=1), draw(name, x, sigmas, seed=1))
    assert not torch.equal(draw(name, x, sigmas, seed=1), draw(name, x, sigmas, seed=2))


@pytest.mark.parametrize("name", [name for name in NAMES if name not in STOCHASTIC])
def test_a_deterministic_sampler_draws_no_noise(name: str) -> None:
    sigmas = schedules.karras(6, 0.03, 14.6).tolist()
    x = start(64, sigmas[0])

    assert torch.equal(draw(name, x, sigmas, seed=1), draw(name, x, sigmas, seed=2))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_each_step_is_reported_once_and_levels_are_inside(name: str, steps: int) -> None:
    sigmas = schedules.karras(steps, 0.03, 14.6).tolist()
    reports: list[tuple[int, Tensor]] = []
    ideal = Ideal()

    found = draw(name, start(16, sigmas[0]), sigmas, reports=reports, ideal=ideal)

    assert [step for step, _ in reports] == list(range(steps))
    assert found.isfinite().all()
    assert all(0 < sigma <= sigmas[0] * 1.000001 for sigma in ideal.asked)


@pytest.mark.parametrize("name", NAMES)
def test_stopping_early_leaves_the_noise_of_the_last_level(name: str) -> None:
    sigmas = exponential(60, 14.0, 2.0)

    found = draw(name, start(20_000, sigmas[0]), sigmas)

    assert float(found.std()) == pytest.approx(math.hypot(STD, 2.0), rel=0.08)


@pytest.mark.parametrize("name", NAMES)
def test_a_report_that_raises_ends_the_run(name: str) -> None:
    class EnoughError(Exception):
        pass

    def report(step: int, _: Tensor) -> None:
        if step == 2:
            raise EnoughError

    sigmas = schedules.karras(9, 0.03, 14.6).tolist()
    x = start(16, sigmas[0])
    chosen = algorithm(name)
    source = noises.brownian(x, sigmas, 1) if chosen.noise == "brownian" else noises.fresh(x, 1)

    with pytest.raises(EnoughError):
        chosen.sample(Run(Ideal(), DIFFUSION, source, report, torch.randn_like), x, sigmas)


def test_ddim_is_the_papers_update() -> None:
    # Song et al. 2021, eq. 12 with sigma_t = 0, in the paper's variance preserving terms.
    sigmas = schedules.karras(5, 0.03, 14.6).tolist()
    x = start(16, sigmas[0]).double()
    expected = x
    for sigma, after in pairwise(sigmas):
        kept, kept_after = 1 / (1 + sigma**2), 1 / (1 + after**2)
        vp = expected * math.sqrt(kept)
        x0 = gaussian_x0(expected, sigma, MEAN, STD)
        eps = (vp - math.sqrt(kept) * x0) / math.sqrt(1 - kept)
        expected = (math.sqrt(kept_after) * x0 + math.sqrt(1 - kept_after) * eps) / math.sqrt(kept_after)

    torch.testing.assert_close(draw("ddim", x, sigmas), expected)


def test_an_unknown_sampler_is_told() -> None:
    with pytest.raises(ValueError, match="No sampler is called 'eular'; there are euler, "):
        algorithm("eular")
