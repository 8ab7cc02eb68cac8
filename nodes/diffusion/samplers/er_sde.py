"""Extended reverse-time SDE solvers. Cui et al. 2023, arXiv:2309.06169."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch

from nodes.diffusion.samplers.run import exploding, imploded, steps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from nodes.diffusion.samplers.run import Run

_POINTS = 200
"""Points of the Riemann sums that the authors' program takes over a step."""


def er_sde(
    run: Run,
    x: Tensor,
    sigmas: Sequence[float],
    *,
    max_stage: int = 3,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: Literal["ER-SDE", "Reverse-time SDE", "ODE"] = "ER-SDE",
) -> Tensor:
    """ER-SDE-Solver of up to three stages, each with one more earlier x0."""
    run, x, sigmas = exploding(run, x, sigmas)
    if solver_type == "ODE" or (solver_type == "Reverse-time SDE" and eta == 0):
        eta = s_noise = 0.0
    scale = _scale if solver_type == "ER-SDE" else lambda level: level ** (eta + 1)
    before: Tensor | None = None
    change_before: Tensor | None = None
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        if sigma_next == 0:
            return x0
        top = _at(scale, sigma_next)
        r = top / _at(scale, sigma)
        x = x * r + x0 * (1 - r)
        if before is not None and max_stage >= 2:
            once, twice = _sums(scale, sigma, sigma_next)
            dt = sigma_next - sigma
            change = (x0 - before) / (sigma - sigmas[i - 1])
            x = x + change * (dt + once * top)
            if change_before is not None and max_stage >= 3:
                bend = (change - change_before) / ((sigma - sigmas[i - 2]) / 2)
                x = x + bend * (dt**2 / 2 + twice * top)
            change_before = change
        if s_noise > 0:
            up = math.sqrt(max(0.0, sigma_next**2 - sigma**2 * r**2))
            x = x + run.noise(sigma, sigma_next) * (up * s_noise)
        before = x0
    return imploded(run, x, sigmas[-1])


def _scale(level: Tensor) -> Tensor:
    """The noise scale the paper recommends: phi(x) = x (e^(x^0.3) + 10)."""
    return level * ((level**0.3).exp() + 10.0)


def _at(scale: Callable[[Tensor], Tensor], level: float) -> float:
    return float(scale(torch.tensor(level, dtype=torch.float64)))


def _sums(scale: Callable[[Tensor], Tensor], sigma: float, sigma_next: float) -> tuple[float, float]:
    """Integrals over the step, from below, of 1 / phi and of (x - sigma) / phi."""
    width = (sigma - sigma_next) / _POINTS
    levels = sigma_next + torch.arange(_POINTS, dtype=torch.float64) * width
    inverse = 1 / scale(levels)
    return float(inverse.sum() * width), float(((levels - sigma) * inverse).sum() * width)
