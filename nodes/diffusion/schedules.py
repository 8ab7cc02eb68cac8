"""Noise schedules: which levels sampling visits. Each is float32 and falls to where sampling ends (usually 0)."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch

from nodes.diffusion import gits as gits_rows
from nodes.diffusion.network import Parametrization
from nodes.diffusion.prediction import prediction as prediction_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from nodes.diffusion.prediction import Prediction

    Schedule = Callable[[Prediction, int], Tensor]

_ALMOST_ZERO = 1e-5


def sigmas(scheduler: str, prediction: Prediction, steps: int) -> Tensor:
    """The levels that `scheduler` visits in `steps` steps: usually steps + 1 values, the last 0.

    "beta" may give fewer (it drops repeated levels) and "ddim_uniform" more (it strides through the whole table).
    Raises ValueError for an unknown name or fewer than one step.
    """
    if scheduler not in SCHEDULES:
        raise ValueError(f"No scheduler is called {scheduler!r}; there are {', '.join(NAMES)}.")
    if steps < 1:
        raise ValueError(f"steps is {steps}; it must be at least 1.")
    return SCHEDULES[scheduler](prediction, steps)


def for_denoise(
    scheduler: str, prediction: Prediction, steps: int, denoise: float = 1.0, *, drop_penultimate: bool = False
) -> Tensor:
    """The last `steps` steps of a schedule long enough that they are the share `denoise` of it.

    `drop_penultimate` plans one step more and leaves out the last level above 0, which second-order samplers of the
    KDPM2 kind need. Nothing to denoise gives an empty tensor.
    """
    if denoise <= 0.0:
        return torch.zeros(0)
    total = steps if denoise > 0.9999 else int(steps / denoise)
    levels = sigmas(scheduler, prediction, total + drop_penultimate)
    if drop_penultimate:
        levels = torch.cat([levels[:-2], levels[-1:]])
    return levels if total == steps else levels[-(steps + 1) :]


def between(levels: Tensor, start: int | None, end: int | None, *, to_zero: bool) -> Tensor:
    """The part of a schedule from step `start` to step `end`; `to_zero` makes an early end a complete one.

    A start beyond the last step leaves nothing: an empty tensor.
    """
    if end is not None and end < len(levels) - 1:
        levels = levels[: end + 1].clone()
        if to_zero and len(levels):
            levels[-1] = 0.0
    if start is None:
        return levels
    return levels[start:] if start < len(levels) - 1 else torch.zeros(0)


def _ending_in_zero(levels: Tensor | Sequence[float]) -> Tensor:
    return torch.cat([torch.as_tensor(levels, dtype=torch.float32), torch.zeros(1)])


# The nine of the KSampler.


def simple(prediction: Prediction, steps: int) -> Tensor:
    """Entries of the table at even distances from its top."""
    table = prediction.levels.table
    stride = len(table) / steps
    return _ending_in_zero(table[[-(1 + int(i * stride)) for i in range(steps)]])


def ddim_uniform(prediction: Prediction, steps: int) -> Tensor:
    """Every k-th entry of the table from its bottom up, as DDIM strides."""
    table = prediction.levels.table
    if table[1] < _ALMOST_ZERO:
        steps += 1
        rising = []
    else:
        rising = [0.0]
    rising += table[1 :: max(len(table) // steps, 1)].tolist()
    return torch.tensor(rising[::-1])


def _even_timesteps(prediction: Prediction, count: int, *, leave_last: bool) -> Tensor:
    first, last = prediction.levels.timestep(prediction.sigma_max), prediction.levels.timestep(prediction.sigma_min)
    timesteps = torch.linspace(first, last, count + leave_last).tolist()
    return torch.tensor([prediction.levels.sigma(t) for t in (timesteps[:-1] if leave_last else timesteps)])


def normal(prediction: Prediction, steps: int) -> Tensor:
    """Even timesteps from the first to the last, then 0 (unless the last is 0 already)."""
    if prediction.levels.sigma(prediction.levels.timestep(prediction.sigma_min)) < _ALMOST_ZERO:
        return _even_timesteps(prediction, steps + 1, leave_last=False)
    return _ending_in_zero(_even_timesteps(prediction, steps, leave_last=False))


def sgm_uniform(prediction: Prediction, steps: int) -> Tensor:
    """Even timesteps of which 0 takes the place of the last."""
    return _ending_in_zero(_even_timesteps(prediction, steps, leave_last=True))


def beta(prediction: Prediction, steps: int, a: float = 0.6, b: float = 0.6) -> Tensor:
    """Timesteps at even quantiles of a beta distribution: dense at both ends (arXiv:2407.12173)."""
    from scipy.special import betaincinv  # noqa: PLC0415 -- slow to import, and only this schedule needs it

    table = prediction.levels.table
    quantiles = (1.0 - i / steps for i in range(steps))
    timesteps = (round(float(betaincinv(a, b, q)) * (len(table) - 1)) for q in quantiles)
    return _ending_in_zero(table[list(dict.fromkeys(timesteps))])


def linear_quadratic(prediction: Prediction, steps: int, threshold: float = 0.025) -> Tensor:
    """Half the steps linear through the first `threshold` of the way, the rest quadratic (Mochi)."""
    if steps == 1:
        return torch.tensor([prediction.sigma_max, 0.0])
    linear = steps // 2
    quadratic = steps - linear
    excess = linear - threshold * steps
    bend = excess / (linear * quadratic**2)
    slope = threshold / linear - 2 * excess / quadratic**2
    way = [i * threshold / linear for i in range(linear)]
    way += [bend * i * i + slope * i + bend * linear**2 for i in range(linear, steps)]
    return torch.tensor([1.0 - w for w in [*way, 1.0]]) * prediction.sigma_max


def kl_optimal(prediction: Prediction, steps: int) -> Tensor:
    """Even angles arctan(sigma), as minimises the divergence bound (Align Your Steps, arXiv:2404.14507)."""
    way = torch.linspace(0.0, 1.0, steps)
    low, high = math.atan(prediction.sigma_min), math.atan(prediction.sigma_max)
    return _ending_in_zero((way * low + (1.0 - way) * high).tan())


# Families of which the levels at both ends are given.


def karras(steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """Levels even in sigma^(1/rho), then 0. Karras et al. 2022, arXiv:2206.00364, eq. 5."""
    way = torch.linspace(0.0, 1.0, steps)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return _ending_in_zero((high + way * (low - high)) ** rho)


def exponential(steps: int, sigma_min: float, sigma_max: float) -> Tensor:
    """Levels even in log sigma, then 0."""
    return _ending_in_zero(torch.linspace(math.log(sigma_max), math.log(sigma_min), steps).exp())


def polyexponential(steps: int, sigma_min: float, sigma_max: float, rho: float = 1.0) -> Tensor:
    """Levels polynomial in log sigma, then 0; rho 1 is exponential."""
    way = torch.linspace(1.0, 0.0, steps) ** rho
    low, high = math.log(sigma_min), math.log(sigma_max)
    return _ending_in_zero((way * (high - low) + low).exp())


def variance_preserving(steps: int, beta_d: float = 19.9, beta_min: float = 0.1, eps_s: float = 1e-3) -> Tensor:
    """Levels of the continuous variance preserving process at even times, then 0. Song et al., arXiv:2011.13456."""
    t = torch.linspace(1.0, eps_s, steps)
    return _ending_in_zero((torch.exp(beta_d * t**2 / 2 + beta_min * t) - 1).sqrt())


def laplace(steps: int, sigma_min: float, sigma_max: float, mu: float = 0.0, beta: float = 0.5) -> Tensor:
    """Levels at even quantiles of a Laplace distribution of log sigma; no 0 at the end. arXiv:2407.03297."""
    x = torch.linspace(0.0, 1.0, steps)
    logs = mu - beta * (0.5 - x).sign() * (1 - 2 * (0.5 - x).abs() + _ALMOST_ZERO).log()
    return logs.exp().clamp(sigma_min, sigma_max)


def sd_turbo(prediction: Prediction, steps: int, denoise: float = 1.0) -> Tensor:
    """Timesteps 999, 899, ... of which the first tenths are left out for denoise below 1, then 0."""
    skipped = 10 - int(10 * denoise)
    timesteps = range(999, 0, -100)[skipped : skipped + steps]
    return _ending_in_zero([prediction.levels.sigma(t) for t in timesteps])


# Schedules found by optimisation, and made for particular models.

_ALIGNED_TIMESTEPS = MappingProxyType(
    {
        "SD1": (999, 850, 736, 645, 545, 455, 343, 233, 124, 24, 0),
        "SDXL": (999, 845, 730, 587, 443, 310, 193, 116, 53, 13, 0),
    }
)
_ALIGNED_LEVELS_SVD = (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002)


def align_your_steps(model: str, steps: int, denoise: float = 1.0) -> Tensor:
    """Levels that minimise the divergence bound for a model family, as published for 10 steps. arXiv:2404.14507."""
    levels: Sequence[float] = _ALIGNED_LEVELS_SVD
    if model in _ALIGNED_TIMESTEPS:
        levels = prediction_of(Parametrization()).levels.table[list(_ALIGNED_TIMESTEPS[model])].tolist()
    return _last_part(levels, steps, denoise)


_OPTIMAL_LEVELS = MappingProxyType(
    {
        "FLUX": (0.9968, 0.9886, 0.9819, 0.975, 0.966, 0.9471, 0.9158, 0.8287, 0.5512, 0.2808, 0.001),
        "Wan": (
            1.0, 0.997, 0.995, 0.993, 0.991, 0.989, 0.987, 0.985, 0.98, 0.975, 0.973, 0.968, 0.96, 0.946, 0.927, 0.902,
            0.864, 0.776, 0.539, 0.208, 0.001,
        ),
        "Chroma": (
            0.992, 0.99, 0.988, 0.985, 0.982, 0.978, 0.973, 0.968, 0.961, 0.953, 0.943, 0.931, 0.917, 0.9, 0.881, 0.858,
            0.832, 0.802, 0.769, 0.731, 0.69, 0.646, 0.599, 0.55, 0.501, 0.451, 0.402, 0.355, 0.311, 0.27, 0.232, 0.199,
            0.169, 0.143, 0.12, 0.101, 0.084, 0.07, 0.058, 0.048, 0.001,
        ),
    }
)  # fmt: skip
OPTIMAL_STEPS = tuple(_OPTIMAL_LEVELS)


def optimal_steps(model: str, steps: int, denoise: float = 1.0) -> Tensor:
    """Levels searched so that few steps come near to many, as published for a model. arXiv:2503.21774."""
    return _last_part(_OPTIMAL_LEVELS[model], steps, denoise)


_GITS_MOST_STEPS = 20


def gits(coefficient: float, steps: int, denoise: float = 1.0) -> Tensor:
    """Levels where the trajectories of SD 1.x bend, as published for 0.8 to 1.5 and up to 20 steps. arXiv:2405.11326.

    The larger the coefficient, the more steps at low noise; it is taken to the nearest 0.05.
    """
    levels, last = prediction_of(Parametrization()).levels, 999
    numbers = gits_rows.row(round(coefficient * 20) * 5, min(steps, _GITS_MOST_STEPS))
    return _last_part([levels.sigma(last * (1 - number / gits_rows.LAST)) for number in numbers], steps, denoise)


def _last_part(levels: Sequence[float], steps: int, denoise: float) -> Tensor:
    """The last share of published levels, brought to another number of steps; the last level becomes 0."""
    taken = round(steps * denoise)
    if taken < 1:
        return torch.zeros(0)
    if steps + 1 != len(levels):
        levels = _interpolated(levels, steps + 1)
    return _ending_in_zero(levels[-(taken + 1) : -1])


def _interpolated(levels: Sequence[float], count: int) -> list[float]:
    """`count` levels, log-linear between the given ones."""
    logs, last, found = [math.log(level) for level in levels], len(levels) - 1, list[float]()
    for i in range(count):
        place = i * last / (count - 1)
        low = min(int(place), last - 1)
        found.append(math.exp(logs[low] + (logs[low + 1] - logs[low]) * (place - low)))
    return found


_FLUX2_FEW, _FLUX2_MANY = (8.73809524e-05, 1.89833333), (0.00016927, 0.45666666)
"""Slope and offset of mu over the number of tokens, at 10 and at 200 steps."""


def flux2(steps: int, width: int, height: int) -> Tensor:
    """Even times under the shift that Flux.2 uses for a picture of this size."""
    tokens = round(width * height / 256)
    few, many = (slope * tokens + offset for slope, offset in (_FLUX2_FEW, _FLUX2_MANY))
    mu = many if tokens > 4300 else many + (many - few) / 190 * (steps - 200)
    times = torch.linspace(1.0, 0.0, steps + 1)
    return math.exp(mu) / (math.exp(mu) + (1 / times - 1))


def extended(levels: Tensor, steps: int, start: float, end: float, spacing: str) -> Tensor:
    """Levels with `steps` - 1 more between each two neighbours from level `start` (negative: any) down to `end`."""
    ways = {
        "linear": lambda t: t,
        "cosine": lambda t: math.sin(t * math.pi / 2),
        "sine": lambda t: 1 - math.cos(t * math.pi / 2),
    }
    top = math.inf if start < 0 else start
    values: list[float] = levels.tolist()
    found: list[float] = []
    for here, after in zip(values, [*values[1:], None], strict=True):
        found.append(here)
        if after is not None and end <= here <= top:
            found += [here + (after - here) * ways[spacing](k / steps) for k in range(1, steps)]
    return torch.tensor(found)


SCHEDULES: MappingProxyType[str, Schedule] = MappingProxyType(
    {
        "simple": simple,
        "sgm_uniform": sgm_uniform,
        "karras": lambda p, n: karras(n, p.sigma_min, p.sigma_max),
        "exponential": lambda p, n: exponential(n, p.sigma_min, p.sigma_max),
        "ddim_uniform": ddim_uniform,
        "beta": beta,
        "normal": normal,
        "linear_quadratic": linear_quadratic,
        "kl_optimal": kl_optimal,
    }
)

NAMES = tuple(SCHEDULES)
