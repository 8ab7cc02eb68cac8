"""CFG++: guidance moves x0 only; the noise that is put back is the unguided one. arXiv:2406.08070."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nodes.diffusion.samplers.run import (
    ancestral,
    ancestral_levels,
    exploding,
    geometric_mean,
    imploded,
    slope,
    steps,
    towards,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from nodes.diffusion.samplers.run import Run


def euler_cfg_pp(run: Run, x: Tensor, sigmas: Sequence[float], *, alternative: bool = False) -> Tensor:
    """Euler's method (DDIM) with CFG++. Algorithm 2.

    The alternative goes along the slope of an x that is moved to where unguided and guided x0 would agree.
    """
    if not alternative:
        return euler_ancestral_cfg_pp(run, x, sigmas, eta=0.0, s_noise=0.0)
    for i, sigma, sigma_next in steps(sigmas):
        x0, uncond = run.first_with_uncond(i, x, sigma)
        x = x + slope(x - x0 + uncond, sigma, x0) * (sigma_next - sigma)
    return x


def euler_ancestral_cfg_pp(
    run: Run, x: Tensor, sigmas: Sequence[float], *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """Ancestral Euler with CFG++."""
    run, x, sigmas = exploding(run, x, sigmas)
    for i, sigma, sigma_next in steps(sigmas):
        x0, uncond = run.first_with_uncond(i, x, sigma)
        down, up = ancestral_levels(sigma, sigma_next, eta)
        x = x0 + slope(x, sigma, uncond) * down
        if sigma_next > 0 and eta > 0 and s_noise > 0:
            x = x + run.noise(sigma, sigma_next) * (up * s_noise)
    return imploded(run, x, sigmas[-1])


def dpmpp_2s_ancestral_cfg_pp(
    run: Run, x: Tensor, sigmas: Sequence[float], *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """Ancestral DPM-Solver++(2S) with CFG++."""
    for i, sigma, sigma_next in steps(sigmas):
        x0, uncond = run.first_with_uncond(i, x, sigma)
        step = ancestral(run, sigma, sigma_next, eta)
        shifted = x + (x0 - uncond)
        if step.down > 0:
            middle = geometric_mean(sigma, step.down)
            x0 = run.denoise(towards(shifted, x0, sigma, middle), middle)
        x = towards(shifted, x0, sigma, step.down)
        x = step.lift(x, lambda a=sigma, b=sigma_next: run.noise(a, b), s_noise)
    return x


def dpmpp_2m_cfg_pp(run: Run, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """DPM-Solver++(2M) with CFG++."""
    before, h_before = None, 0.0
    for i, sigma, sigma_next in steps(sigmas):
        x0, uncond = run.first_with_uncond(i, x, sigma)
        if sigma_next == 0:
            return x0
        h = math.log(sigma / sigma_next)
        bend = 0.0 if before is None else (x0 - before) * (-math.expm1(-h) * h / (2 * h_before))
        x = x0 + (x - uncond) * (sigma_next / sigma) + bend
        before, h_before = uncond, h
    return x


def gradient_estimation_cfg_pp(run: Run, x: Tensor, sigmas: Sequence[float], *, ge_gamma: float = 2.0) -> Tensor:
    """Gradient estimation with CFG++."""
    before = None
    for i, sigma, sigma_next in steps(sigmas):
        x0, uncond = run.first_with_uncond(i, x, sigma)
        if sigma_next == 0:
            return x0
        d = slope(x, sigma, uncond)
        x = x0 + d * sigma_next
        if before is not None:
            x = x + (d - before) * ((ge_gamma - 1) * (sigma_next - sigma))
        before = d
    return x
