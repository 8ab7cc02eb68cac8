"""Samplers that ask the network a second time within a step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nodes.diffusion.samplers.run import ancestral, geometric_mean, slope, steps, towards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from nodes.diffusion.samplers.run import Run


def heun(run: Run, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Heun's method: the slope is the mean of those at both ends. arXiv:2206.00364, algorithm 1."""
    for i, sigma, sigma_next in steps(sigmas):
        d = slope(x, sigma, run.first(i, x, sigma))
        guess = x + d * (sigma_next - sigma)
        if sigma_next > 0:
            d_next = slope(guess, sigma_next, run.denoise(guess, sigma_next))
            x = x + (d + d_next) * ((sigma_next - sigma) / 2)
        else:
            x = guess
    return x


def dpm_2(run: Run, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """The midpoint method, with the middle in log sigma. DPM-Solver-2, arXiv:2206.00927."""
    for i, sigma, sigma_next in steps(sigmas):
        x = _midpoint(run, x, run.first(i, x, sigma), sigma, sigma_next)
    return x


def dpm_2_ancestral(run: Run, x: Tensor, sigmas: Sequence[float], *, eta: float = 1.0, s_noise: float = 1.0) -> Tensor:
    """DPM-Solver-2 to a level below the next one, then fresh noise."""
    for i, sigma, sigma_next in steps(sigmas):
        step = ancestral(run, sigma, sigma_next, eta)
        x = _midpoint(run, x, run.first(i, x, sigma), sigma, step.down)
        x = step.lift(x, lambda a=sigma, b=sigma_next: run.noise(a, b), s_noise)
    return x


def _midpoint(run: Run, x: Tensor, x0: Tensor, sigma: float, sigma_next: float) -> Tensor:
    if sigma_next == 0:
        return x0
    middle = geometric_mean(sigma, sigma_next)
    half = towards(x, x0, sigma, middle)
    return x + slope(half, middle, run.denoise(half, middle)) * (sigma_next - sigma)


def dpmpp_2s_ancestral(
    run: Run, x: Tensor, sigmas: Sequence[float], *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """DPM-Solver++(2S) to a level below the next one, then fresh noise. arXiv:2211.01095, algorithm 1."""
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        step = ancestral(run, sigma, sigma_next, eta)
        if step.down > 0:
            middle = _middle(run, sigma, step.down)
            x0 = run.denoise(towards(x, x0, sigma, middle), middle)
        x = towards(x, x0, sigma, step.down)
        x = step.lift(x, lambda a=sigma, b=sigma_next: run.noise(a, b), s_noise)
    return x


def _middle(run: Run, sigma: float, sigma_next: float) -> float:
    """The level half way in log-SNR; a flow's first level has none, so its middle is next to it."""
    if not run.prediction.is_flow:
        return geometric_mean(sigma, sigma_next)
    if sigma >= 1.0:
        return 0.9999
    odds = geometric_mean(sigma / (1 - sigma), sigma_next / (1 - sigma_next))
    return odds / (1 + odds)


def heunpp2(run: Run, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Heun's method with slopes from up to two steps ahead, weighted by their levels."""
    last = len(sigmas) - 2
    for i, sigma, sigma_next in steps(sigmas):
        slopes = [slope(x, sigma, run.first(i, x, sigma))]
        ahead, at = x, sigma
        for level in sigmas[i + 1 : min(i + 3, last + 1)]:
            ahead = ahead + slopes[-1] * (level - at)
            slopes.append(slope(ahead, level, run.denoise(ahead, level)))
            at = level
        shares = [level / (len(slopes) * sigmas[0]) for level in sigmas[i + 1 : i + len(slopes)]]
        shares = [1 - math.fsum(shares), *shares]
        x = x + sum(d * share for d, share in zip(slopes, shares, strict=True)) * (sigma_next - sigma)
    return x
