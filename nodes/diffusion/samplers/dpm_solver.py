"""DPM-Solver with its own choice of steps: a fixed number of network calls, or as many as an error bound needs.

Lu et al. 2022, arXiv:2206.00927. Both use only the ends of the levels they are given, and stop at the last above 0.
"""

from __future__ import annotations

import math
from itertools import count, pairwise
from typing import TYPE_CHECKING

import torch

from nodes.diffusion.samplers.run import ancestral_levels, slope, towards

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from nodes.diffusion.samplers.run import Run

_SMALLEST_STEP = 1e-5


def dpm_fast(run: Run, x: Tensor, sigmas: Sequence[float], *, eta: float = 0.0, s_noise: float = 1.0) -> Tensor:
    """DPM-Solver-fast: as many network calls as there are steps, in steps of order 3 and what is left over."""
    calls = len(sigmas) - 1
    counted = count()

    def ask(x: Tensor, sigma: float) -> Tensor:
        return run.first(next(counted), x, sigma)

    if calls == 1:
        return towards(x, ask(x, sigmas[0]), sigmas[0], sigmas[1])
    start, end = _ends(sigmas)
    parts = calls // 3 + 1
    orders = [3] * (parts - 2) + [2, 1] if calls % 3 == 0 else [3] * (parts - 1) + [calls % 3]
    times = [start + (end - start) * i / parts for i in range(parts + 1)]
    for order, (time, time_next) in zip(orders, pairwise(times), strict=True):
        down, up = _lowered(time, time_next, end, eta)
        x = _Stages(ask, x, time, down).step(order)
        if up > 0:
            x = x + run.noise(_sigma(time), _sigma(time_next)) * (up * s_noise)
    return x


def dpm_adaptive(
    run: Run,
    x: Tensor,
    sigmas: Sequence[float],
    *,
    order: int = 3,
    rtol: float = 0.05,
    atol: float = 0.0078,
    h_init: float = 0.05,
    pcoeff: float = 0.0,
    icoeff: float = 1.0,
    dcoeff: float = 0.0,
    accept_safety: float = 0.81,
    eta: float = 0.0,
    s_noise: float = 1.0,
) -> Tensor:
    """DPM-Solver-12 or -23: steps as long as the difference of two orders allows, by a PID controller."""
    if len(sigmas) == 2:
        return towards(x, run.first(0, x, sigmas[0]), sigmas[0], sigmas[1])
    time, end = _ends(sigmas)
    start, reports = time, len(sigmas) - 1
    powers = ((pcoeff + icoeff + dcoeff), -(pcoeff + 2 * dcoeff), dcoeff)
    pace = _Pace(h_init, [power / (1.5 if eta else order) for power in powers], accept_safety)
    low_before, reported = x, 0
    while time < end - _SMALLEST_STEP:
        time_next = min(end, time + pace.h)
        down, up = _lowered(time, time_next, end, eta)
        stages = _Stages(run.denoise, x, time, down)
        # Reported by how far it has come, so that progress ends where it should.
        while reported < reports and time >= start + (end - start) * reported / reports:
            run.report(reported, stages.x0)
            reported += 1
        low, high = stages.pair(order)
        allowed = torch.maximum(torch.full_like(x, atol), torch.maximum(low.abs(), low_before.abs()) * rtol)
        error = float(torch.linalg.vector_norm((low - high) / allowed)) / math.sqrt(x.numel())
        if not math.isfinite(error):
            raise ValueError("dpm_adaptive: the network's answer is no number; no step is short enough.")
        if pace.accepts(error):
            low_before = low
            x = high if up == 0 else high + run.noise(_sigma(time), _sigma(time_next)) * (up * s_noise)
            time = time_next
    for step in range(reported, reports):
        run.report(step, x)
    return x


def _ends(sigmas: Sequence[float]) -> tuple[float, float]:
    """First and last half log-SNR, of levels above 0."""
    return -math.log(sigmas[0]), -math.log(sigmas[-1] or sigmas[-2])


def _sigma(time: float) -> float:
    return math.exp(-time)


def _lowered(time: float, time_next: float, end: float, eta: float) -> tuple[float, float]:
    """Where an ancestral step goes, and how much noise brings it back; it goes no lower than the end."""
    if not eta:
        return time_next, 0.0
    down, _ = ancestral_levels(_sigma(time), _sigma(time_next), eta)
    reached = end if down == 0 else min(end, -math.log(down))
    return reached, math.sqrt(max(0.0, _sigma(time_next) ** 2 - _sigma(reached) ** 2))


class _Stages:
    """One step of DPM-Solver in eps, from `time` to `time_next`, which are half log-SNRs."""

    def __init__(self, ask: Callable[[Tensor, float], Tensor], x: Tensor, time: float, time_next: float) -> None:
        self._ask = ask
        self._x = x
        self._time = time
        self._h = time_next - time
        self._end = _sigma(time_next)
        self.x0 = ask(x, _sigma(time))
        self._eps = slope(x, _sigma(time), self.x0)

    def step(self, order: int) -> Tensor:
        """x at the end of the step."""
        if order == 1:
            return self._first()
        if order == 2:
            return self._second(0.5, self._later(0.5))
        return self._third(self._later(1 / 3))

    def pair(self, order: int) -> tuple[Tensor, Tensor]:
        """x at the end by the order below, and by the order."""
        if order == 2:
            return self._first(), self._second(0.5, self._later(0.5))
        later = self._later(1 / 3)
        return self._second(1 / 3, later), self._third(later)

    def _first(self) -> Tensor:
        return self._x - self._eps * (self._end * math.expm1(self._h))

    def _later(self, share: float) -> Tensor:
        """eps at this share of the step, reached by the first order."""
        sigma = _sigma(self._time + share * self._h)
        return self._eps_at(self._x - self._eps * (sigma * math.expm1(share * self._h)), sigma)

    def _second(self, share: float, later: Tensor) -> Tensor:
        change = (later - self._eps) * (self._end * math.expm1(self._h) / (2 * share))
        return self._first() - change

    def _third(self, later: Tensor, first: float = 1 / 3, second: float = 2 / 3) -> Tensor:
        sigma, h = _sigma(self._time + second * self._h), second * self._h
        bend = (later - self._eps) * (sigma * second / first * (math.expm1(h) / h - 1))
        latest = self._eps_at(self._x - self._eps * (sigma * math.expm1(h)) - bend, sigma)
        return self._first() - (latest - self._eps) * (self._end / second * (math.expm1(self._h) / self._h - 1))

    def _eps_at(self, x: Tensor, sigma: float) -> Tensor:
        return slope(x, sigma, self._ask(x, sigma))


class _Pace:
    """How long the next step may be: a PID controller of the error of the last ones."""

    def __init__(self, h: float, powers: Sequence[float], safety: float) -> None:
        self.h = abs(h)
        self._powers = powers
        self._safety = safety
        self._inverse_errors: list[float] = []

    def accepts(self, error: float) -> bool:
        """Whether a step with this error counts; either way the next is fitted to it."""
        inverse = 1 / (error + 1e-8)
        past = self._inverse_errors
        errors = [inverse, *(past[1:] if past else [inverse, inverse])]
        factor = math.prod(e**power for e, power in zip(errors, self._powers, strict=True))
        factor = 1 + math.atan(factor - 1)
        accepted = factor >= self._safety
        self._inverse_errors = [errors[0], errors[0], errors[1]] if accepted else errors
        self.h *= factor
        return accepted
