"""Adams-Bashforth methods: the slope extrapolated from those of the last steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodes.diffusion.samplers.run import slope, steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from nodes.diffusion.samplers.run import Run

_EQUAL_STEPS = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
"""Adams-Bashforth weights for equal steps, newest slope first, by order."""


def lms(run: Run, x: Tensor, sigmas: Sequence[float], *, order: int = 4) -> Tensor:
    """Linear multistep with weights for the steps' real lengths."""
    slopes: list[Tensor] = []
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        if sigma_next == 0:
            return x0
        slopes = [slope(x, sigma, x0), *slopes[: order - 1]]
        nodes = [sigmas[i - j] for j in range(len(slopes))]
        x = x + _mixed(slopes, weights(nodes, sigma, sigma_next))
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
    slopes: list[Tensor] = []
    for i, sigma, sigma_next in steps(sigmas):
        x0 = run.first(i, x, sigma)
        if sigma_next == 0:
            return x0
        slopes = [slope(x, sigma, x0), *slopes[: max_order - 1]]
        x = x + _mixed(slopes, _EQUAL_STEPS[len(slopes) - 1]) * (sigma_next - sigma)
    return x
