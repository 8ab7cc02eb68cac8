"""Samplers that ask the network once a step and look no further back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nodes.diffusion.samplers.run import ancestral, slope, steps, towards
from nodes.pictures.resize import resize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from nodes.pictures.resize import resize
from nodes.diffusion.samplers.run import Run


def euler(run: Run, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Euler's method on the probability flow ODE; the same as DDIM. arXiv:2206.00364, algorithm 1 without heating."""
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        x = x + slope(x, sigma, x0) * (sigma_next - sigma)
    return x


def euler_ancestral(run: Run, x: Tensor, sigmas: Sequence[float], *, eta: float = 1.0, s_noise: float = 1.0) -> Tensor:
    """Euler's method that steps too far down and comes back with fresh noise."""
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        step = ancestral(run, sigma, sigma_next, eta)
        x = towards(x, x0, sigma, step.down)
        x = step.lift(x, lambda a=sigma, b=sigma_next: run.noise(a, b), s_noise)
    return x


def lcm(run: Run, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Multistep consistency sampling: jump to x0, add noise for the next level. arXiv:2303.01469, algorithm 1."""
    for i, sigma, sigma_next in steps(sigmas):
        x = run.first(i, x, sigma)
        if sigma_next > 0:
            x = run.prediction.add_noise(x, run.noise(sigma, sigma_next), sigma_next)
    return x


def lcm_upscale(
    run: Run, x: Tensor, sigmas: Sequence[float], *, scale: float, growing: int | None, method: str
) -> Tensor:
    """`lcm` of which the first `growing` steps (None: half of them) each make x0 larger, up to `scale` times."""
    height, width = x.shape[-2:]
    count = max(len(sigmas) // 2, 1) if growing is None else min(growing, len(sigmas))
    for i, sigma, sigma_next in steps(sigmas):
        x = run.first(i, x, sigma)
        if i < count:
            factor = 1 + (scale - 1) * (i + 1) / count
            x = resize(x, round(width * factor), round(height * factor), method)
        if sigma_next > 0:
            x = run.prediction.add_noise(x, run.noise_like(x), sigma_next)
    return x


def ddpm(run: Run, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """The posterior of the forward process at each step. Ho et al. 2020, arXiv:2006.11239, eq. 7."""
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        kept, kept_next = 1 / (sigma**2 + 1), 1 / (sigma_next**2 + 1)
        alpha = kept / kept_next
        eps = slope(x, sigma, x0)
        mean = (x * math.sqrt(kept) - eps * ((1 - alpha) / math.sqrt(1 - kept))) / math.sqrt(alpha)
        if sigma_next > 0:
            spread = math.sqrt((1 - alpha) * (1 - kept_next) / (1 - kept))
            mean = (mean + run.noise(sigma, sigma_next) * spread) * math.sqrt(1 + sigma_next**2)
        x = mean
    return x
