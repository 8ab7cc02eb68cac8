"""Noise levels: which ones sampling visits, and what to do with a list of them."""

from __future__ import annotations

import math
import re
from typing import Annotated, NamedTuple

import torch

from nodes.define import NodeError, node
from nodes.diffusion import options, schedules
from nodes.diffusion.prediction import prediction
from nodes.types import Model, Sigmas
from nodes.widgets import Choice, Range, Text

_SCHEDULERS = "sampling/custom_sampling/schedulers"
_SIGMAS = "sampling/custom_sampling/sigmas"

_Steps = Annotated[int, Range(1, 10_000)]
_Level = Annotated[float, Range(0.0, 5000.0, step=0.01)]
_Denoise = Annotated[float, Range(0.0, 1.0, step=0.01)]
_SD_MAX, _SD_MIN = 14.614642, 0.0291675


@node(id="BasicScheduler", category=_SCHEDULERS)
def basic_scheduler(
    *,
    model: Model,
    scheduler: Annotated[str, Choice(schedules.NAMES)] = "simple",
    steps: _Steps = 20,
    denoise: _Denoise = 1.0,
) -> Sigmas:
    """The levels that KSampler visits; with denoise below 1 the last of a longer run."""
    return Sigmas(schedules.for_denoise(scheduler, prediction(options.parametrization(model)), steps, denoise))


@node(id="KarrasScheduler", category=_SCHEDULERS)
def karras_scheduler(
    *,
    steps: _Steps = 20,
    sigma_max: _Level = _SD_MAX,
    sigma_min: _Level = _SD_MIN,
    rho: Annotated[float, Range(0.0, 100.0, step=0.01)] = 7.0,
) -> Sigmas:
    """Levels even in sigma^(1/rho): more steps at low noise."""
    _require_order(sigma_min, sigma_max)
    if rho <= 0:
        raise NodeError(f"KarrasScheduler: rho is {rho}; it must be above 0.")
    return Sigmas(schedules.karras(steps, sigma_min, sigma_max, rho))


@node(id="ExponentialScheduler", category=_SCHEDULERS)
def exponential_scheduler(*, steps: _Steps = 20, sigma_max: _Level = _SD_MAX, sigma_min: _Level = _SD_MIN) -> Sigmas:
    """Levels even in log sigma."""
    _require_order(sigma_min, sigma_max)
    return Sigmas(schedules.exponential(steps, sigma_min, sigma_max))


@node(id="PolyexponentialScheduler", category=_SCHEDULERS)
def polyexponential_scheduler(
    *,
    steps: _Steps = 20,
    sigma_max: _Level = _SD_MAX,
    sigma_min: _Level = _SD_MIN,
    rho: Annotated[float, Range(0.0, 100.0, step=0.01)] = 1.0,
) -> Sigmas:
    """Levels polynomial in log sigma."""
    _require_order(sigma_min, sigma_max)
    return Sigmas(schedules.polyexponential(steps, sigma_min, sigma_max, rho))


@node(id="LaplaceScheduler", category=_SCHEDULERS)
def laplace_scheduler(
    *,
    steps: _Steps = 20,
    sigma_max: _Level = _SD_MAX,
    sigma_min: _Level = _SD_MIN,
    mu: Annotated[float, Range(-10.0, 10.0, step=0.1)] = 0.0,
    beta: Annotated[float, Range(0.0, 10.0, step=0.1)] = 0.5,
) -> Sigmas:
    """Levels dense around log sigma = mu."""
    _require_order(sigma_min, sigma_max)
    return Sigmas(schedules.laplace(steps, sigma_min, sigma_max, mu, beta))


@node(id="VPScheduler", category=_SCHEDULERS)
def vp_scheduler(
    *,
    steps: _Steps = 20,
    beta_d: _Level = 19.9,
    beta_min: _Level = 0.1,
    eps_s: Annotated[float, Range(0.0, 1.0, step=0.0001)] = 0.001,
) -> Sigmas:
    """Levels of the continuous variance preserving process."""
    return Sigmas(schedules.variance_preserving(steps, beta_d, beta_min, eps_s))


@node(id="BetaSamplingScheduler", category=_SCHEDULERS)
def beta_scheduler(
    *,
    model: Model,
    steps: _Steps = 20,
    alpha: Annotated[float, Range(0.0, 50.0, step=0.01)] = 0.6,
    beta: Annotated[float, Range(0.0, 50.0, step=0.01)] = 0.6,
) -> Sigmas:
    """Timesteps at even quantiles of a beta distribution."""
    if alpha <= 0 or beta <= 0:
        raise NodeError(f"BetaSamplingScheduler: alpha is {alpha} and beta {beta}; both must be above 0.")
    return Sigmas(schedules.beta(prediction(options.parametrization(model)), steps, alpha, beta))


@node(id="SDTurboScheduler", category=_SCHEDULERS)
def sd_turbo_scheduler(*, model: Model, steps: Annotated[int, Range(1, 10)] = 1, denoise: _Denoise = 1.0) -> Sigmas:
    """The few timesteps that turbo models were distilled for."""
    return Sigmas(schedules.sd_turbo(prediction(options.parametrization(model)), steps, denoise))


@node(id="AlignYourStepsScheduler", category=_SCHEDULERS)
def align_your_steps_scheduler(
    *,
    model_type: Annotated[str, Choice(("SD1", "SDXL", "SVD"))] = "SD1",
    steps: _Steps = 10,
    denoise: _Denoise = 1.0,
) -> Sigmas:
    """Levels optimised for a model family, best with 10 steps."""
    return Sigmas(schedules.align_your_steps(model_type, steps, denoise))


@node(id="GITSScheduler", category=_SCHEDULERS)
def gits_scheduler(
    *,
    coeff: Annotated[float, Range(0.8, 1.5, step=0.05)] = 1.2,
    steps: Annotated[int, Range(2, 1000)] = 10,
    denoise: _Denoise = 1.0,
) -> Sigmas:
    """Levels where the way from noise to picture bends most, for SD 1.x; a larger `coeff` has more at low noise."""
    return Sigmas(schedules.gits(coeff, steps, denoise))


@node(id="OptimalStepsScheduler", category=_SCHEDULERS)
def optimal_steps_scheduler(
    *,
    model_type: Annotated[str, Choice(schedules.OPTIMAL_STEPS)] = "FLUX",
    steps: Annotated[int, Range(3, 1000)] = 20,
    denoise: _Denoise = 1.0,
) -> Sigmas:
    """Levels searched for a model so that few steps come near to many."""
    return Sigmas(schedules.optimal_steps(model_type, steps, denoise))


@node(id="Flux2Scheduler", category=_SCHEDULERS)
def flux2_scheduler(
    *,
    steps: Annotated[int, Range(1, 4096)] = 20,
    width: Annotated[int, Range(16, 16384, step=1)] = 1024,
    height: Annotated[int, Range(16, 16384, step=1)] = 1024,
) -> Sigmas:
    """The levels that Flux.2 visits for a picture of this size."""
    return Sigmas(schedules.flux2(steps, width, height))


@node(id="ManualSigmas", category="_for_testing/custom_sampling", experimental=True)
def manual_sigmas(*, sigmas: Annotated[str, Text()] = "1, 0.5") -> Sigmas:
    """Levels as they are written: numbers, with anything else between them."""
    found = re.findall(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", sigmas)
    return Sigmas(torch.tensor([float(number) for number in found], dtype=torch.float32))


class Parts(NamedTuple):
    """A list of levels in two parts; the level between them is in both."""

    high_sigmas: Sigmas
    low_sigmas: Sigmas


@node(id="SplitSigmas", category=_SIGMAS)
def split_sigmas(*, sigmas: Sigmas, step: Annotated[int, Range(0, 10_000)] = 0) -> Parts:
    """The levels up to a step, and those from it on."""
    return Parts(Sigmas(sigmas.values[: step + 1]), Sigmas(sigmas.values[step:]))


@node(id="SplitSigmasDenoise", category=_SIGMAS)
def split_sigmas_denoise(*, sigmas: Sigmas, denoise: _Denoise = 1.0) -> Parts:
    """The levels in two parts, the second of which is the share `denoise` of all steps."""
    steps = max(len(sigmas.values) - 1, 0)
    last = round(steps * denoise)
    if last == 0:
        return Parts(sigmas, Sigmas(sigmas.values[:0]))
    return Parts(Sigmas(sigmas.values[:-last]), Sigmas(sigmas.values[-(last + 1) :]))


@node(id="FlipSigmas", category=_SIGMAS)
def flip_sigmas(*, sigmas: Sigmas) -> Sigmas:
    """The levels in reverse, to find the noise that a picture would come from. A 0 in front becomes 0.0001."""
    flipped = sigmas.values.flip(0)
    if len(flipped) and flipped[0] == 0:
        flipped[0] = 0.0001
    return Sigmas(flipped)


@node(id="SetFirstSigma", category=_SIGMAS)
def set_first_sigma(*, sigmas: Sigmas, sigma: Annotated[float, Range(0.0, 20_000.0, step=0.001)] = 136.0) -> Sigmas:
    """The levels with another first one."""
    changed = sigmas.values.clone()
    changed[:1] = sigma
    return Sigmas(changed)


@node(id="ExtendIntermediateSigmas", category=_SIGMAS)
def extend_intermediate_sigmas(
    *,
    sigmas: Sigmas,
    steps: Annotated[int, Range(1, 100)] = 2,
    start_at_sigma: Annotated[float, Range(-1.0, 20_000.0, step=0.01)] = -1.0,
    end_at_sigma: Annotated[float, Range(0.0, 20_000.0, step=0.01)] = 12.0,
    spacing: Annotated[str, Choice(("linear", "cosine", "sine"))] = "linear",
) -> Sigmas:
    """The levels with more of them where there is much noise."""
    return Sigmas(schedules.extended(sigmas.values, steps, start_at_sigma, end_at_sigma, spacing))


@node(id="SamplingPercentToSigma", category=_SIGMAS, outputs=("sigma_value",))
def sampling_percent_to_sigma(
    *,
    model: Model,
    sampling_percent: Annotated[float, Range(0.0, 1.0, step=0.0001)] = 0.0,
    return_actual_sigma: bool = False,
) -> float:
    """The level after a share of the way. At its ends, the model's own levels instead of beyond them when asked."""
    of = prediction(options.parametrization(model))
    if return_actual_sigma and sampling_percent <= 0.0:
        return of.sigma_max
    if return_actual_sigma and sampling_percent >= 1.0:
        return of.sigma_min
    return of.percent_to_sigma(sampling_percent)


def _require_order(sigma_min: float, sigma_max: float) -> None:
    if not 0 < sigma_min < sigma_max or not math.isfinite(sigma_max):
        raise NodeError(f"sigma_min is {sigma_min} and sigma_max {sigma_max}; they must be above 0 and in this order.")
