"""Methods that extrapolate the slope from those of the last steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from nodes.diffusion.samplers.run import slope, steps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from nodes.diffusion.samplers.run import Run

_EQUAL_STEPS = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
"""Adams-Bashforth weights for equal steps, newest slope first, by order."""


def lms(run: Run, x: Tensor, sigmas: Sequence[float], *, order: int = 4) -> Tensor:
    """Linear multistep with weights for the steps' real lengths."""
    return _multistep(run, x, sigmas, order, lambda nodes, end: weights(nodes, nodes[0], end))


def _multistep(
    run: Run,
    x: Tensor,
    sigmas: Sequence[float],
    order: int,
    shares: Callable[[Sequence[float], float], Sequence[float]],
) -> Tensor:
    """Steps along the last slopes, newest first: `shares(their levels, next level)` is how far along each."""
    slopes: list[Tensor] = []
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        if sigma_next == 0:
            return x0
        slopes = [slope(x, sigma, x0), *slopes[: order - 1]]
        levels = [sigmas[i - j] for j in range(len(slopes))]
        x = x + _mixed(slopes, shares(levels, sigma_next))
    return x


def weights(nodes: Sequence[float], start: float, end: float) -> list[float]:
    """Integrals from start to end of the Lagrange polynomials over `nodes`."""
    result: list[float] = []
    for j, node in enumerate(nodes):
        # In powers of (sigma - start), where the numbers are small: powers of sigma itself would cancel.
        basis = [1.0]
        for k, other in enumerate(nodes):
            if k != j:
                zero, scale = start - other, node - other
                basis = [(a * zero + b) / scale for a, b in zip([*basis, 0.0], [0.0, *basis], strict=True)]
        result.append(sum(a * (end - start) ** (n + 1) / (n + 1) for n, a in enumerate(basis)))
    return result


def _mixed(slopes: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    total = slopes[0] * shares[0]
    for d, share in zip(slopes[1:], shares[1:], strict=True):
        total = total + d * share
    return total


def ipndm(run: Run, x: Tensor, sigmas: Sequence[float], *, max_order: int = 4) -> Tensor:
    """Pseudo numerical method with weights for equal steps. Zhang and Chen 2022, arXiv:2204.13902."""
    return _multistep(
        run, x, sigmas, max_order, lambda nodes, end: [w * (end - nodes[0]) for w in _EQUAL_STEPS[len(nodes) - 1]]
    )


def ipndm_v(run: Run, x: Tensor, sigmas: Sequence[float], *, max_order: int = 4) -> Tensor:
    """iPNDM with weights that know of unequal steps, as its authors' programs compute them."""
    return _multistep(run, x, sigmas, max_order, _unequal_weights)


def _unequal_weights(nodes: Sequence[float], end: float) -> list[float]:
    """Weights of iPNDM-v: the slope's first, second and third backward differences, each times a factor.

    The last two factors and the last weight are not those of Adams-Bashforth (`weights`), except for some ratios of
    steps; but people know the sampler by the pictures it gives with them.
    """
    h, *past = [a - b for a, b in zip((end, *nodes), nodes, strict=False)]
    result = [1.0, 0.0, 0.0, 0.0]
    if len(past) >= 1:
        first = h / past[0] / 2
        result[0], result[1] = 1 + first, -first
    if len(past) >= 2:
        h1, h2 = past[:2]
        ratio, share = h1 / h2, h / (3 * (h + h1))
        second = (1 - share * h * (h + h1) / (h1 * (h1 + h2))) / 2
        for k, part in enumerate((1, -(1 + ratio), ratio)):
            result[k] += second * part
        if len(past) >= 3:
            h3 = past[2]
            product = h1 * (h1 + h2) / (h2 * (h2 + h3))
            reach = h * (h + h1) * (h + h1 + h2) / (h1 * (h1 + h2) * (h1 + h2 + h3))
            third = ((1 - share) / 2 + (1 - h / (2 * (h + h1))) * h / (6 * (h + h1 + h2))) * reach
            parts = (1, -(1 + ratio + product), ratio + product * (1 + h2 / h3), -product * ratio)
            for k, part in enumerate(parts):
                result[k] += third * part
    return [h * weight for weight in result[: len(nodes)]]


def deis(run: Run, x: Tensor, sigmas: Sequence[float], *, max_order: int = 3) -> Tensor:
    """Slopes extrapolated as polynomials in the time of a variance preserving process. tAB-DEIS, arXiv:2204.13902."""
    return _multistep(run, x, sigmas, max_order, _deis_weights)


_DEIS_LOW, _DEIS_HIGH, _DEIS_FIRST = 0.002, 80.0, 1e-3
"""Levels of the variance preserving process at its first time and at time 1."""

_DEIS_POINTS = 2001


def _deis_weights(nodes: Sequence[float], end: float) -> list[float]:
    """Integrals over sigma of the Lagrange polynomials in time, by Simpson's rule."""
    if len(nodes) == 1:
        return [end - nodes[0]]
    grid = torch.linspace(nodes[0], end, _DEIS_POINTS, dtype=torch.float64)
    simpson = torch.full_like(grid, 2.0)
    simpson[1::2] = 4.0
    simpson[0] = simpson[-1] = 1.0
    simpson *= (end - nodes[0]) / (_DEIS_POINTS - 1) / 3
    times = _deis_time(torch.tensor(nodes, dtype=torch.float64)).tolist()
    at = _deis_time(grid)
    result: list[float] = []
    for j, time in enumerate(times):
        basis = torch.ones_like(at)
        for k, other in enumerate(times):
            if k != j:
                basis *= (at - other) / (time - other)
        result.append(float((basis * simpson).sum()))
    return result


def _deis_time(sigma: Tensor) -> Tensor:
    """The time at which log(1 + sigma^2) = beta_d t^2 / 2 + beta_min t."""
    low, high = math.log(_DEIS_LOW**2 + 1), math.log(_DEIS_HIGH**2 + 1)
    beta_d = 2 * (low / _DEIS_FIRST - high) / (_DEIS_FIRST - 1)
    beta_min = high - beta_d / 2
    return ((beta_min**2 + 2 * beta_d * (sigma**2 + 1).log()).sqrt() - beta_min) / beta_d


def gradient_estimation(run: Run, x: Tensor, sigmas: Sequence[float], *, ge_gamma: float = 2.0) -> Tensor:
    """Euler's method along a slope that exaggerates the last change. Permenter and Yuan, arXiv:2306.04848."""
    before = None
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        if sigma_next == 0:
            return x0
        d = slope(x, sigma, x0)
        bent = d if before is None else d + (d - before) * (ge_gamma - 1)
        x = x + bent * (sigma_next - sigma)
        before = d
    return x
