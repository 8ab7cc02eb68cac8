"""DPM-Solver++ and its stochastic forms: exponential integrators of x0 in log-SNR. arXiv:2211.01095."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from nodes.diffusion.samplers.run import ancestral_levels, exploding, geometric_mean, imploded, steps, towards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from nodes.diffusion.samplers.run import Run


def dpmpp_2m(run: Run, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """DPM-Solver++(2M): x0 extrapolated from this step's and the last one's. Algorithm 2."""
    before, h_before = None, 0.0
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        if sigma_next == 0:
            return x0
        h = math.log(sigma / sigma_next)
        target = x0 if before is None else x0 + (x0 - before) * (h / (2 * h_before))
        x = towards(x, target, sigma, sigma_next)
        before, h_before = x0, h
    return x


def dpmpp_sde(
    run: Run, x: Tensor, sigmas: Sequence[float], *, eta: float = 1.0, s_noise: float = 1.0, r: float = 0.5
) -> Tensor:
    """Stochastic DPM-Solver++ that asks twice a step; `r` is where between the levels (in log-SNR) the second lies."""
    run, x, sigmas = exploding(run, x, sigmas)
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        if sigma_next == 0:
            return x0
        middle = geometric_mean(sigma, sigma_next) if r == 0.5 else sigma ** (1 - r) * sigma_next**r
        down, up = ancestral_levels(sigma, middle, eta)
        half = towards(x, x0, sigma, down) + run.noise(sigma, middle) * (up * s_noise)
        x0_half = run.denoise(half, middle)
        target = x0 + (x0_half - x0) / (2 * r)
        down, up = ancestral_levels(sigma, sigma_next, eta)
        x = towards(x, target, sigma, down) + run.noise(sigma, sigma_next) * (up * s_noise)
    return imploded(run, x, sigmas[-1])


def dpmpp_2m_sde(
    run: Run,
    x: Tensor,
    sigmas: Sequence[float],
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: Literal["midpoint", "heun"] = "midpoint",
) -> Tensor:
    """SDE-DPM-Solver++(2M)."""
    run, x, sigmas = exploding(run, x, sigmas)
    before, h_before = None, 0.0
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        if sigma_next == 0:
            return x0
        h = math.log(sigma / sigma_next)
        grown = h * (1 + eta)
        change = x0 * -math.expm1(-grown)
        if before is not None:
            weight = -math.expm1(-grown) / 2 if solver_type == "midpoint" else math.expm1(-grown) / grown + 1
            change = change + (x0 - before) * (weight * h / h_before)
        x = x * math.exp(-grown) + change + _noise(run, sigma, sigma_next, h * eta, s_noise)
        before, h_before = x0, h
    return imploded(run, x, sigmas[-1])


def dpmpp_2m_sde_heun(
    run: Run, x: Tensor, sigmas: Sequence[float], *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """SDE-DPM-Solver++(2M) with Heun's weights."""
    return dpmpp_2m_sde(run, x, sigmas, eta=eta, s_noise=s_noise, solver_type="heun")


def dpmpp_3m_sde(run: Run, x: Tensor, sigmas: Sequence[float], *, eta: float = 1.0, s_noise: float = 1.0) -> Tensor:
    """SDE-DPM-Solver++(3M): x0 as a parabola through this step's and the last two's."""
    run, x, sigmas = exploding(run, x, sigmas)
    past: list[tuple[Tensor, float]] = []  # x0 of earlier steps and those steps' lengths, newest first
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        if sigma_next == 0:
            return x0
        h = math.log(sigma / sigma_next)
        grown = h * (1 + eta)
        phi_2 = math.expm1(-grown) / grown + 1
        x = x * math.exp(-grown) - x0 * math.expm1(-grown)
        if len(past) == 1:
            x = x + (x0 - past[0][0]) * (phi_2 * h / past[0][1])
        elif past:
            (x0_1, h_1), (x0_2, h_2) = past
            r0, r1 = h_1 / h, h_2 / h
            d1, d1_before = (x0 - x0_1) / r0, (x0_1 - x0_2) / r1
            d2 = (d1 - d1_before) / (r0 + r1)
            phi_3 = phi_2 / grown - 0.5
            x = x + (d1 + d2 * r0) * phi_2 - d2 * phi_3
        x = x + _noise(run, sigma, sigma_next, h * eta, s_noise)
        past = [(x0, h), *past[:1]]
    return imploded(run, x, sigmas[-1])


def _noise(run: Run, sigma: float, sigma_next: float, h_eta: float, s_noise: float) -> Tensor | float:
    """The noise of a step of the reverse SDE whose stochastic part is h_eta long."""
    if h_eta <= 0 or s_noise <= 0:
        return 0.0
    return run.noise(sigma, sigma_next) * (sigma_next * math.sqrt(-math.expm1(-2 * h_eta)) * s_noise)
