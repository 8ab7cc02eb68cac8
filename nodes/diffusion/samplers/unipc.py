"""UniPC: a predictor of any order whose next evaluation also corrects the last step. arXiv:2302.04867."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from nodes.diffusion.samplers.run import matched, towards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from nodes.diffusion.samplers.run import Run

_LAST_SIGMA = 0.001
"""Takes the place of 0 at the end, where log-SNR is infinite."""


def uni_pc(run: Run, x: Tensor, sigmas: Sequence[float], *, variant: Literal["bh1", "bh2"] = "bh1") -> Tensor:
    """Multistep UniPC of order 3 (less near both ends) with B(h) = h or B(h) = e^h - 1."""
    levels = [*sigmas[:-1], sigmas[-1] or _LAST_SIGMA]
    last = len(levels) - 1
    order = max(1, min(3, last - 1))
    past: list[tuple[float, Tensor]] = [(levels[0], run.first(0, x, levels[0]))]  # newest first
    for i in range(1, last + 1):
        use = min(i, order, last + 1 - i)
        step = _Step(levels[i], past[:use], variant)
        guess = step.predict(x)
        if i == last:
            return guess
        x0 = run.first(i, guess, levels[i])
        x = step.correct(x, x0)
        past = [(levels[i], x0), *past[: order - 1]]
    return x


def uni_pc_bh2(run: Run, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """UniPC with B(h) = e^h - 1."""
    return uni_pc(run, x, sigmas, variant="bh2")


class _Step:
    """One step from the newest of `past` to `sigma`: the prediction and the correction share their coefficients."""

    def __init__(self, sigma: float, past: Sequence[tuple[float, Tensor]], variant: str) -> None:
        (self._from, self._x0), *earlier = past
        self._to = sigma
        h = math.log(self._from / sigma)
        self._ratios = [math.log(self._from / level) / h for level, _ in earlier]
        self._differences = [(x0 - self._x0) / r for (_, x0), r in zip(earlier, self._ratios, strict=True)]
        self._scale = -h if variant == "bh1" else math.expm1(-h)
        self._moments = _moments(-h, len(past), self._scale)

    def predict(self, x: Tensor) -> Tensor:
        """x at the next level from what is known before it is evaluated."""
        # Order 2 has 1/2 here by the paper's choice (any value keeps the order).
        count = len(self._ratios)
        shares = [0.5] if count == 1 else matched(self._ratios, self._moments[:count])
        return self._advanced(x, shares, self._differences)

    def correct(self, x: Tensor, x0_next: Tensor) -> Tensor:
        """x at the next level, now that the network has been asked there."""
        shares = [0.5] if not self._ratios else matched([*self._ratios, 1.0], self._moments)
        return self._advanced(x, shares, [*self._differences, x0_next - self._x0])

    def _advanced(self, x: Tensor, shares: Sequence[float], differences: Sequence[Tensor]) -> Tensor:
        x = towards(x, self._x0, self._from, self._to)
        for share, difference in zip(shares, differences, strict=True):
            x = x - difference * (self._scale * share)
        return x


def _moments(hh: float, order: int, scale: float) -> list[float]:
    """k! * hh * phi_{k+1}(hh) / B(h) for k = 1..order, which the shares' moments have to match."""
    phi = math.expm1(hh) / hh - 1
    factorial, result = 1.0, []
    for k in range(1, order + 1):
        result.append(phi * factorial / scale)
        factorial *= k + 1
        phi = phi / hh - 1 / factorial
    return result
