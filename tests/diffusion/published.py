"""The published samplers once more, from their papers, in other forms than those that the library computes with.

Steps in log-SNR are integrals, taken here numerically (Gauss-Legendre); DPM-Solver and DDPM are in the variance
preserving terms of their papers, in which x is divided by sqrt(1 + sigma^2). Each takes x from the first level to the
last; `d` gives x0 of (x, sigma), `d.uncond` the unguided one, `noise` the noise of a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

Levels = Sequence[float]
Noise = Callable[[float, float], Tensor]
Curve = Callable[[float], Tensor]


class Denoise(Protocol):
    def __call__(self, x: Tensor, sigma: float) -> Tensor: ...

    def uncond(self, x: Tensor, sigma: float) -> Tensor: ...


Sampler = Callable[[Denoise, Tensor, Levels, Noise], Tensor]


POINTS: Sequence[tuple[float, float]] = list(
    zip(*(a.tolist() for a in np.polynomial.legendre.leggauss(48)), strict=True)
)
"""Where Gauss and Legendre look between -1 and 1, and what it weighs."""

# What many share.


def integral(f: Callable[[float], float | Tensor], start: float, end: float) -> float | Tensor:
    middle, half = (start + end) / 2, (end - start) / 2
    return sum(f(middle + half * node) * (half * weight) for node, weight in POINTS)


def lagrange(nodes: Sequence[float], values: Sequence[Tensor]) -> Curve:
    """The polynomial with these values at the nodes."""

    def curve(at: float) -> Tensor:
        total = torch.zeros_like(values[0])
        for j, value in enumerate(values):
            others = [node for k, node in enumerate(nodes) if k != j]
            total = total + value * math.prod((at - other) / (nodes[j] - other) for other in others)
        return total

    return curve


def driven(x: Tensor, start: float, end: float, x0: Curve, grown: float = 1.0) -> Tensor:
    """x' = grown * (x0(u) - x) solved over u = 0 .. log(start / end)."""
    h = math.log(start / end)
    return x * math.exp(-grown * h) + integral(lambda u: x0(u) * (grown * math.exp(grown * (u - h))), 0.0, h)


def held(x0: Tensor) -> Curve:
    return lambda _: x0


def ramp(x0: Tensor, later: Tensor, span: float) -> Curve:
    """A line that is x0 at 0 and `later` at `span`."""
    return lambda u: x0 + (later - x0) * (u / span)


def reverse_noise(sigma: float, sigma_next: float) -> float:
    """The spread of what the reverse SDE adds over a step, in x."""
    return sigma_next * math.sqrt(1 - (sigma_next / sigma) ** 2)


def runge_kutta(d: Denoise, x: Tensor, levels: Levels, shares: Levels, end: float) -> Tensor:
    """A step along slopes at `levels`, each reached by Euler from the one before, with their shares of the step."""
    slopes: list[Tensor] = []
    at = x
    for i, level in enumerate(levels):
        if i:
            at = at + slopes[-1] * (level - levels[i - 1])
        slopes.append((at - d(at, level)) / level)
    return x + (end - levels[0]) * sum((k * share for k, share in zip(slopes, shares, strict=True)), torch.zeros(()))


def kept(sigma: float) -> float:
    """alpha bar: the share of the picture in the variance of a variance preserving x."""
    return 1 / (1 + sigma**2)


# One call a step.


def ddim(d: Denoise, x: Tensor, s: Levels, noise: Noise, eta: float = 0.0) -> Tensor:
    """Song et al. 2021, eq. 12 and 16."""
    for sigma, after in pairwise(s):
        a, b = kept(sigma), kept(after)
        eps = (x - d(x, sigma)) / sigma
        spread = eta * math.sqrt((1 - b) / (1 - a)) * math.sqrt(1 - a / b)
        y = math.sqrt(b) * d(x, sigma) + math.sqrt(max(0.0, 1 - b - spread**2)) * eps
        x = (y + (spread * noise(sigma, after) if spread else 0.0)) / math.sqrt(b)
    return x


def ancestral(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
    return ddim(d, x, s, noise, 1.0)


def ddpm(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
    """Ho et al. 2020, eq. 6 and 7, the posterior in x0 and x."""
    for sigma, after in pairwise(s):
        a, b = kept(sigma), kept(after)
        beta, y = 1 - a / b, math.sqrt(a) * x
        y = (math.sqrt(b) * beta * d(x, sigma) + math.sqrt(a / b) * (1 - b) * y) / (1 - a)
        if after > 0:
            y = y + math.sqrt((1 - b) / (1 - a) * beta) * noise(sigma, after)
        x = y / math.sqrt(b)
    return x


def consistency(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
    for sigma, after in pairwise(s):
        x = d(x, sigma) + (after * noise(sigma, after) if after else 0.0)
    return x


# Runge-Kutta in sigma.


def heun(d: Denoise, x: Tensor, s: Levels, _: Noise) -> Tensor:
    for a, b in pairwise(s):
        x = runge_kutta(d, x, (a, b), (0.5, 0.5), b) if b else d(x, a)
    return x


def heun_plus_plus(d: Denoise, x: Tensor, s: Levels, _: Noise) -> Tensor:
    """Three slopes, weighted by their levels as shares of the first one."""
    for i, a in enumerate(s[:-1]):
        levels = [a, *(level for level in s[i + 1 : i + 3] if level > 0)]
        shares = [level / s[0] / len(levels) for level in levels[1:]]
        x = runge_kutta(d, x, levels, (1 - sum(shares), *shares), s[i + 1])
    return x


def dpm_2(d: Denoise, x: Tensor, s: Levels, _: Noise) -> Tensor:
    for a, b in pairwise(s):
        x = runge_kutta(d, x, (a, math.exp((math.log(a) + math.log(b)) / 2)), (0.0, 1.0), b) if b else d(x, a)
    return x


def dpm_2_ancestral(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
    for a, b in pairwise(s):
        x = dpm_2(d, x, (a, b * b / a), noise) + (reverse_noise(a, b) * noise(a, b) if b else 0.0)
    return x


# Linear multistep.


def multistep(d: Denoise, x: Tensor, s: Levels, order: int, time: Callable[[float], float]) -> Tensor:
    """Slopes as a polynomial of a time, integrated over sigma."""
    past: list[tuple[float, Tensor]] = []
    for a, b in pairwise(s):
        if b == 0:
            return d(x, a)
        past = [(time(a), (x - d(x, a)) / a), *past][:order]
        curve = lagrange([t for t, _ in past], [k for _, k in past])
        x = x + integral(lambda sigma, curve=curve: curve(time(sigma)), a, b)
    return x


def lms(d: Denoise, x: Tensor, s: Levels, _: Noise) -> Tensor:
    return multistep(d, x, s, 4, lambda sigma: sigma)


def deis(d: Denoise, x: Tensor, s: Levels, _: Noise) -> Tensor:
    """Polynomials in the time of the process with log(1 + sigma^2) = b t^2 + a t: 0.002 at 0.001, 80 at 1."""
    first, last = math.log(1 + 0.002**2), math.log(1 + 80.0**2)
    a, half_b = np.linalg.solve([[1e-3, 1e-6], [1.0, 1.0]], [first, last]).tolist()

    def time(sigma: float) -> float:
        return 2 * math.log(1 + sigma**2) / (a + math.sqrt(a * a + 4 * half_b * math.log(1 + sigma**2)))

    return multistep(d, x, s, 3, time)


def ipndm(d: Denoise, x: Tensor, s: Levels, _: Noise, *, third: float = 3 / 8) -> Tensor:
    """Adams-Bashforth for equal steps, whatever they are: backward differences of the slope, weighted."""
    past: list[Tensor] = []
    for a, b in pairwise(s):
        if b == 0:
            return d(x, a)
        past = [(x - d(x, a)) / a, *past][:4]
        differences = past
        for weight in (1, 1 / 2, 5 / 12, third)[: len(past)]:
            x = x + (b - a) * weight * differences[0]
            differences = [new - old for new, old in pairwise(differences)]
    return x


def gradient_estimation(d: Denoise, x: Tensor, s: Levels, _: Noise) -> Tensor:
    """Permenter and Yuan: gamma eps_t + (1 - gamma) eps_(t+1), gamma 2."""
    eps: list[Tensor] = []
    for a, b in pairwise(s):
        if b == 0:
            return d(x, a)
        eps.append((x - d(x, a)) / a)
        x = x + (b - a) * (2 * eps[-1] - eps[max(len(eps) - 2, 0)])
    return x


# DPM-Solver, in eps and variance preserving terms.


def dpm_step(d: Denoise, x: Tensor, start: float, end: float, *, order: int, r1: float = 1 / 3) -> Tensor:
    """DPM-Solver-1, -2 and -3, algorithms 1 and 2 of Lu et al. 2022, from one half log-SNR to another."""
    h = end - start

    def sigma(lam: float) -> float:
        return math.sqrt(1 / (1 + math.exp(2 * lam)))

    def alpha(lam: float) -> float:
        return math.sqrt(1 - sigma(lam) ** 2)

    def eps(y: Tensor, lam: float) -> Tensor:
        level = math.exp(-lam)
        return (y / alpha(lam) - d(y / alpha(lam), level)) / level

    def first(lam: float) -> Tensor:
        return alpha(lam) / alpha(start) * y - sigma(lam) * math.expm1(lam - start) * e

    y = x * alpha(start)
    e = eps(y, start)
    if order == 1:
        return first(end) / alpha(end)
    s1 = start + r1 * h
    d1 = eps(first(s1), s1) - e
    if order == 2:
        return (first(end) - sigma(end) / (2 * r1) * math.expm1(h) * d1) / alpha(end)
    r2 = 2 / 3
    s2 = start + r2 * h
    u2 = first(s2) - sigma(s2) * r2 / r1 * (math.expm1(r2 * h) / (r2 * h) - 1) * d1
    d2 = eps(u2, s2) - e
    return (first(end) - sigma(end) / r2 * (math.expm1(h) / h - 1) * d2) / alpha(end)


def dpm_fast(d: Denoise, x: Tensor, s: Levels, _: Noise) -> Tensor:
    """Section 3.4: as many steps of order 3 as the calls allow, then what is left."""
    calls, end = len(s) - 1, -math.log(s[-1] or s[-2])
    start, parts = -math.log(s[0]), calls // 3 + 1
    orders = {0: [3] * (parts - 2) + [2, 1], 1: [3] * (parts - 1) + [1], 2: [3] * (parts - 1) + [2]}[calls % 3]
    times = np.linspace(start, end, parts + 1).tolist()
    for order, (a, b) in zip(orders, pairwise(times), strict=True):
        x = dpm_step(d, x, a, b, order=order, r1=0.5 if order == 2 else 1 / 3)
    return x


def dpm_adaptive(d: Denoise, x: Tensor, s: Levels, _: Noise) -> Tensor:
    """Appendix C: orders 2 and 3 compared, with a bounded change of the step."""
    at, end, h = -math.log(s[0]), -math.log(s[-1] or s[-2]), 0.05
    low_before = x
    while at < end - 1e-5:
        to = min(end, at + h)
        low, high = (dpm_step(d, x, at, to, order=order) for order in (2, 3))
        allowed = torch.maximum(torch.tensor(0.0078), 0.05 * torch.maximum(low.abs(), low_before.abs()))
        error = float((((low - high) / allowed) ** 2).mean().sqrt())
        factor = 1 + math.atan((1 / (error + 1e-8)) ** (1 / 3) - 1)
        if factor >= 0.81:
            x, low_before, at = high, low, to
        h *= factor
    return x


# Exponential integrators of x0.


def dpmpp_2s_ancestral(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
    """DPM-Solver++, algorithm 1, to the level from which the noise of the step leads back up."""
    for a, b in pairwise(s):
        if b == 0:
            return d(x, a)
        down = b * b / a
        middle = math.sqrt(a * down)
        u = driven(x, a, middle, held(d(x, a)))
        x = driven(x, a, down, held(d(u, middle))) + reverse_noise(a, b) * noise(a, b)
    return x


def dpmpp_sde(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
    for a, b in pairwise(s):
        if b == 0:
            return d(x, a)
        middle = math.sqrt(a * b)
        u = driven(x, a, middle, held(d(x, a)), 2.0) + reverse_noise(a, middle) * noise(a, middle)
        x = driven(x, a, b, held(d(u, middle)), 2.0) + reverse_noise(a, b) * noise(a, b)
    return x


def two_steps(grown: float, *, held_at_middle: bool) -> Sampler:
    """x0 on the line through the last two, as it goes or as it is in the middle of the step."""

    def sample(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
        before: tuple[float, Tensor] | None = None
        for a, b in pairwise(s):
            x0, h = d(x, a), math.log(a / b) if b else 0.0
            if b == 0:
                return x0
            line = held(x0) if before is None else lagrange([0.0, -before[0]], [x0, before[1]])
            x = driven(x, a, b, held(line(h / 2)) if held_at_middle else line, grown)
            x = x + (reverse_noise(a, b) * noise(a, b) if grown > 1 else 0.0)
            before = (h, x0)
        return x

    return sample


def dpmpp_3m_sde(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
    """A parabola through the last three, of which the square enters by half: the paper's Taylor term."""
    past: list[tuple[float, Tensor]] = []
    for a, b in pairwise(s):
        x0 = d(x, a)
        if b == 0:
            return x0
        past = [(math.log(s[0] / a), x0), *past][:3]
        here, nodes, values = past[0][0], [at for at, _ in past], [value for _, value in past]
        curve = lagrange([at - here for at in nodes], values)
        if len(past) == 3:
            slopes = [(values[i] - values[i + 1]) / (nodes[i] - nodes[i + 1]) for i in (0, 1)]
            square = (slopes[0] - slopes[1]) / (nodes[0] - nodes[2])
            whole = curve
            curve = lambda u, whole=whole, square=square: whole(u) - square * (u * u / 2)  # noqa: E731
        x = driven(x, a, b, curve, 2.0) + reverse_noise(a, b) * noise(a, b)
    return x


def refined(*, ancestral: bool) -> Sampler:
    """Zhang et al. 2023: x0 on the line through the last two; the older is as far back as the last step went."""

    def sample(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
        before: tuple[float, Tensor] | None = None
        for a, b in pairwise(s):
            x0, down = d(x, a), b * b / a if ancestral else b
            if b == 0:
                return x0
            line = held(x0) if before is None else lagrange([0.0, -before[0]], [x0, before[1]])
            x = driven(x, a, down, line) + (reverse_noise(a, b) * noise(a, b) if ancestral else 0.0)
            before = (math.log(a / down), x0)
        return x

    return sample


def seeds_2(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
    """Gonzalez et al. 2023, SEEDS-2: the middle's x0 for the whole step, one noise path for both stages."""
    for a, b in pairwise(s):
        if b == 0:
            return d(x, a)
        m = math.sqrt(a * b)
        z1, z2 = noise(a, m), noise(m, b)
        u = driven(x, a, m, held(d(x, a)), 2.0) + reverse_noise(a, m) * z1
        x = driven(x, a, b, held(d(u, m)), 2.0) + (b / m) ** 2 * reverse_noise(a, m) * z1 + reverse_noise(m, b) * z2
    return x


def seeds_3(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
    """SEEDS-3: stages at a third and two thirds of the step in log-SNR."""
    for a, b in pairwise(s):
        if b == 0:
            return d(x, a)
        h = math.log(a / b)
        m, n = a * math.exp(-h / 3), a * math.exp(-2 * h / 3)
        x0 = d(x, a)
        path = reverse_noise(a, m) * noise(a, m)
        x0_2 = d(driven(x, a, m, held(x0), 2.0) + path, m)
        path = (n / m) ** 2 * path + reverse_noise(m, n) * noise(m, n)
        x0_3 = d(driven(x, a, n, ramp(x0, x0_2, h / 3), 2.0) + path, n)
        path = (b / n) ** 2 * path + reverse_noise(n, b) * noise(n, b)
        x = driven(x, a, b, ramp(x0, x0_3, 2 * h / 3), 2.0) + path
    return x


def exponential_heun(grown: float) -> Sampler:
    """x0 as a line from this level's to that at the next one, guessed by a step with this level's alone."""

    def sample(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
        for a, b in pairwise(s):
            x0 = d(x, a)
            if b == 0:
                return x0
            added = reverse_noise(a, b) * noise(a, b) if grown > 1 else torch.zeros_like(x)
            later = d(driven(x, a, b, held(x0), grown) + added, b)
            x = driven(x, a, b, ramp(x0, later, math.log(a / b)), grown) + added
        return x

    return sample


def er_sde(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
    """Cui et al. 2023, algorithm 3, with the sums of 200 terms of the authors."""

    def phi(level: float) -> float:
        return level * (math.exp(level**0.3) + 10)

    past: list[tuple[float, Tensor]] = []
    change_before: Tensor | None = None
    for a, b in pairwise(s):
        x0 = d(x, a)
        if b == 0:
            return x0
        past = [(a, x0), *past][:3]
        spread = math.sqrt(b**2 - (phi(b) / phi(a) * a) ** 2)
        levels = [b + (a - b) * i / 200 for i in range(200)]
        x = phi(b) / phi(a) * x + (1 - phi(b) / phi(a)) * x0
        if len(past) > 1:
            change = (past[0][1] - past[1][1]) / (past[0][0] - past[1][0])
            x = x + (b - a + phi(b) * sum((a - b) / 200 / phi(at) for at in levels)) * change
            if change_before is not None:
                bend = (change - change_before) / ((past[0][0] - past[2][0]) / 2)
                third = phi(b) * sum((a - b) / 200 * (at - a) / phi(at) for at in levels)
                x = x + ((b - a) ** 2 / 2 + third) * bend
            change_before = change
        x = x + spread * noise(a, b)
    return x


def sa_solver(low: float, high: float, *, again: bool) -> Sampler:
    """Xue et al. 2023, algorithm 1: a predictor of order 3, a corrector of 4; stochastic between two levels."""

    def sample(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
        guess, last, past = x, len(s) - 1, list[tuple[float, Tensor]]()
        path: Tensor | float = 0.0
        for i, (a, b) in enumerate(pairwise(s)):
            past = [(-math.log(a), d(guess, a)), *past][:4]
            tau_here = 1.0 if low <= a <= high else 0.0
            if i and (b > 0 or again):
                use = past[: min(4, last - i)]
                x = _adams(x, use, s[i - 1], a, 1 + tau_here**2) + path
                past[0] = (past[0][0], d(x, a)) if again else past[0]
            else:
                x = guess
            if b == 0:
                return past[0][1]
            tau = 1.0 if low <= b <= high else 0.0
            path = b * math.sqrt(1 - (b / a) ** (2 * tau**2)) * noise(a, b) if tau else 0.0
            guess = _adams(x, past[: max(1, min(3, last - 1 - i))], a, b, 1 + tau**2) + path
        return guess

    return sample


def _adams(x: Tensor, past: Sequence[tuple[float, Tensor]], start: float, end: float, grown: float) -> Tensor:
    return driven(x, start, end, lagrange([at + math.log(start) for at, _ in past], [v for _, v in past]), grown)


def uni_pc(variant: int) -> Sampler:
    """Zhao et al. 2023: order 3, whose lowest orders depend on B(h); the others are integrals of a polynomial."""

    def sample(d: Denoise, x: Tensor, s: Levels, _: Noise) -> Tensor:
        levels = [*s[:-1], s[-1] or 0.001]
        last = len(levels) - 1
        past = [(levels[0], d(x, levels[0]))]
        for i, (a, b) in enumerate(pairwise(levels), 1):
            order, h = min(i, last + 1 - i, max(1, min(3, last - 1))), math.log(a / b)
            use, scale = past[:order], h if variant == 1 else 1 - math.exp(-h)
            nodes, values = [math.log(a / at) for at, _ in use], [value for _, value in use]
            plain = driven(x, a, b, held(values[0]))
            guess = driven(x, a, b, lagrange(nodes, values))
            if order == 2:
                guess = plain + scale / 2 * (values[1] - values[0]) / (nodes[1] / h)
            if i == last:
                return guess
            x0 = d(guess, b)
            x = driven(x, a, b, lagrange([*nodes, h], [*values, x0]))
            if order == 1:
                x = plain + scale / 2 * (x0 - values[0])
            past = [(b, x0), *past][:3]
        return x

    return sample


# CFG++: guidance moves x0, the noise is the unguided one.


def euler_cfg_pp(d: Denoise, x: Tensor, s: Levels, noise: Noise, *, ancestral: bool = False) -> Tensor:
    for a, b in pairwise(s):
        down = b * b / a if ancestral else b
        x = d(x, a) + (x - d.uncond(x, a)) / a * down + (reverse_noise(a, b) * noise(a, b) if ancestral else 0.0)
    return x


def euler_ancestral_cfg_pp(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
    return euler_cfg_pp(d, x, s, noise, ancestral=True)


def dpmpp_2s_ancestral_cfg_pp(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
    for a, b in pairwise(s):
        x0, moved = d(x, a), x + d(x, a) - d.uncond(x, a)
        if b == 0:
            return x0
        down = b * b / a
        middle = math.sqrt(a * down)
        u = driven(moved, a, middle, held(x0))
        x = driven(moved, a, down, held(d(u, middle))) + reverse_noise(a, b) * noise(a, b)
    return x


def dpmpp_2m_cfg_pp(d: Denoise, x: Tensor, s: Levels, _: Noise) -> Tensor:
    before: tuple[float, Tensor] | None = None
    for a, b in pairwise(s):
        x0, uncond = d(x, a), d.uncond(x, a)
        if b == 0:
            return x0
        h = math.log(a / b)
        x = x0 + (x - uncond) * (b / a)
        if before is not None:
            x = x + (1 - b / a) * (x0 - before[1]) * (h / before[0] / 2)
        before = (h, uncond)
    return x


def refined_cfg_pp(*, ancestral: bool) -> Sampler:
    def sample(d: Denoise, x: Tensor, s: Levels, noise: Noise) -> Tensor:
        before: tuple[float, Tensor] | None = None
        for a, b in pairwise(s):
            x0, uncond, down = d(x, a), d.uncond(x, a), b * b / a if ancestral else b
            if b == 0:
                return x0
            moved = x + x0 - uncond
            line = held(x0) if before is None else lagrange([0.0, -before[0]], [uncond, before[1]])
            x = driven(moved, a, down, line) + (reverse_noise(a, b) * noise(a, b) if ancestral else 0.0)
            before = (math.log(a / down), uncond)
        return x

    return sample


def gradient_estimation_cfg_pp(d: Denoise, x: Tensor, s: Levels, _: Noise) -> Tensor:
    eps: list[Tensor] = []
    for a, b in pairwise(s):
        x0 = d(x, a)
        if b == 0:
            return x0
        eps.append((x - d.uncond(x, a)) / a)
        x = x0 + b * eps[-1] + (b - a) * (eps[-1] - eps[max(len(eps) - 2, 0)])
    return x


def every(low: float, high: float) -> MappingProxyType[str, Sampler]:
    """The samplers by their names; SA-Solver is stochastic between two levels."""
    midpoint_sde, heun_sde = two_steps(2.0, held_at_middle=True), two_steps(2.0, held_at_middle=False)
    found: dict[str, Sampler] = {
        "euler": ddim, "ddim": ddim, "euler_ancestral": ancestral, "ddpm": ddpm, "lcm": consistency,
        "heun": heun, "heunpp2": heun_plus_plus, "dpm_2": dpm_2, "dpm_2_ancestral": dpm_2_ancestral,
        "lms": lms, "deis": deis, "ipndm": ipndm, "gradient_estimation": gradient_estimation,
        "dpm_fast": dpm_fast, "dpm_adaptive": dpm_adaptive,
        "dpmpp_2s_ancestral": dpmpp_2s_ancestral, "dpmpp_2m": two_steps(1.0, held_at_middle=True),
        "dpmpp_sde": dpmpp_sde, "dpmpp_sde_gpu": dpmpp_sde,
        "dpmpp_2m_sde": midpoint_sde, "dpmpp_2m_sde_gpu": midpoint_sde,
        "dpmpp_2m_sde_heun": heun_sde, "dpmpp_2m_sde_heun_gpu": heun_sde,
        "dpmpp_3m_sde": dpmpp_3m_sde, "dpmpp_3m_sde_gpu": dpmpp_3m_sde,
        "res_multistep": refined(ancestral=False), "res_multistep_ancestral": refined(ancestral=True),
        "seeds_2": seeds_2, "seeds_3": seeds_3,
        "exp_heun_2_x0": exponential_heun(1.0), "exp_heun_2_x0_sde": exponential_heun(2.0),
        "er_sde": er_sde, "sa_solver": sa_solver(low, high, again=False),
        "sa_solver_pece": sa_solver(low, high, again=True),
        "uni_pc": uni_pc(1), "uni_pc_bh2": uni_pc(2),
        "euler_cfg_pp": euler_cfg_pp, "euler_ancestral_cfg_pp": euler_ancestral_cfg_pp,
        "dpmpp_2s_ancestral_cfg_pp": dpmpp_2s_ancestral_cfg_pp, "dpmpp_2m_cfg_pp": dpmpp_2m_cfg_pp,
        "res_multistep_cfg_pp": refined_cfg_pp(ancestral=False),
        "res_multistep_ancestral_cfg_pp": refined_cfg_pp(ancestral=True),
        "gradient_estimation_cfg_pp": gradient_estimation_cfg_pp,
    }  # fmt: skip
    return MappingProxyType(found)
