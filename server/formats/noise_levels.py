"""At which point of sampling a step stands, for models with Stable Diffusion's thousand noise levels.

ComfyUI limits a prompt to a part of sampling by the model's timesteps, A1111 by steps; the schedule says which belong
together.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import cache, lru_cache

_TIMESTEPS = 1000
_ONE_MORE = frozenset({"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"})
"""These samplers take a schedule of one step more, without the last but one."""

EXACT = frozenset(
    {"karras", "exponential", "kl_optimal", "simple", "sgm_uniform", "ddim_uniform", "normal", "linear_quadratic"}
)


def percent_before(step: int, steps: int, scheduler: str, sampler: str = "") -> float:
    """The part of sampling, 0 to 1, that is over just before a step (counted from 0).

    It lies between the step's noise level and the one before, near the step's own: samplers that look ahead do so from
    the step before.
    """
    if step <= 0:
        return 0.0
    if step >= steps:
        return 1.0
    levels = _levels(scheduler, steps + 1 if sampler in _ONE_MORE else steps)
    level, before = levels[step], levels[step - 1]
    return round(1 - _timestep(level + 0.1 * (before - level)) / (_TIMESTEPS - 1), 6)


@cache
def _table() -> tuple[float, ...]:
    """Log of the noise level at each timestep. Betas are squares of evenly spaced roots of 0.00085 to 0.012."""
    first, last = math.sqrt(0.00085), math.sqrt(0.012)
    kept, out = 1.0, list[float]()
    for place in range(_TIMESTEPS):
        kept *= 1 - (first + (last - first) * place / (_TIMESTEPS - 1)) ** 2
        out.append(0.5 * math.log((1 - kept) / kept))
    return tuple(out)


def _timestep(log_level: float) -> float:
    table = _table()
    above = min(max(bisect_left(table, log_level), 1), _TIMESTEPS - 1)
    low, high = table[above - 1], table[above]
    return above - 1 + min(max((log_level - low) / (high - low), 0.0), 1.0)


def _at(timestep: float) -> float:
    table = _table()
    place = min(int(timestep), _TIMESTEPS - 2)
    return table[place] + (table[place + 1] - table[place]) * (timestep - place)


@lru_cache(maxsize=16)
def _levels(scheduler: str, steps: int) -> list[float]:
    """Log noise levels of a schedule's steps."""
    table = _table()
    parts = [place / max(steps - 1, 1) for place in range(steps)]
    most, least = math.exp(table[-1]), math.exp(table[0])
    match scheduler:
        case "karras":
            ends = most ** (1 / 7), least ** (1 / 7)
            return [7 * math.log(ends[0] + part * (ends[1] - ends[0])) for part in parts]
        case "exponential":
            return [table[-1] + part * (table[0] - table[-1]) for part in parts]
        case "kl_optimal":
            return [math.log(math.tan(part * math.atan(least) + (1 - part) * math.atan(most))) for part in parts]
        case "simple":
            return [table[-(1 + place * _TIMESTEPS // steps)] for place in range(steps)]
        case "ddim_uniform":
            taken = [0, *range(1, _TIMESTEPS, max(_TIMESTEPS // steps, 1))][1:]
            levels = [table[each] for each in reversed(taken)]
            return (levels + [table[0]] * steps)[:steps] if len(levels) < steps else levels
        case "normal":
            return [_at((_TIMESTEPS - 1) * (1 - part)) for part in parts]
        case "linear_quadratic":
            return [math.log(each * most) for each in _linear_quadratic(steps)]
        case _:
            return [_at((_TIMESTEPS - 1) * (1 - place / steps)) for place in range(steps)]


def _linear_quadratic(steps: int) -> list[float]:
    """Even steps down to 0.975 in the first half, then a curve to 0 (Mochi's schedule)."""
    if steps < 2:
        return [1.0]
    straight = steps // 2
    slope = 0.025 / straight
    rest = steps - straight
    difference = straight - 0.025 * steps
    quadratic = difference / (straight * rest**2)
    linear = slope - 2 * difference / rest**2
    constant = quadratic * straight**2
    curve = [quadratic * place**2 + linear * place + constant for place in range(straight, steps)]
    return [1 - each for each in (*(slope * place for place in range(straight)), *curve)]
