"""From noise to latent: the samplers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from nodes.define import Context, node
from nodes.diffusion import noise as noises
from nodes.diffusion import options, preview, schedules
from nodes.diffusion import sample as sampling
from nodes.diffusion.guidance import CfgGuide
from nodes.diffusion.prediction import prediction
from nodes.diffusion.samplers import NAMES as SAMPLERS
from nodes.diffusion.samplers import algorithm
from nodes.diffusion.weights import Weights
from nodes.types import Conditioning, Latent, Model
from nodes.widgets import Choice, Range, Seed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from nodes.diffusion.guidance import Guide
    from nodes.diffusion.network import Network

Steps = Annotated[int, Range(1, 10_000)]
Cfg = Annotated[float, Range(0.0, 100.0, step=0.1, round=0.01)]
SamplerName = Annotated[str, Choice(SAMPLERS)]
SchedulerName = Annotated[str, Choice(schedules.NAMES)]
_ENABLED, _DISABLED = "enable", "disable"


@node(id="KSampler", category="sampling")
def ksampler(
    *,
    ctx: Context,
    weights: Weights,
    model: Model,
    seed: Annotated[int, Seed()] = 0,
    steps: Steps = 20,
    cfg: Cfg = 8.0,
    sampler_name: SamplerName = "euler",
    scheduler: SchedulerName = "simple",
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    denoise: Annotated[float, Range(0.0, 1.0, step=0.01)] = 1.0,
) -> Latent:
    """Draw in a latent what the positive conditioning says, away from the negative."""
    levels = _levels(model, scheduler, sampler_name, steps, denoise)
    return _draw(ctx, weights, model, positive, negative, cfg, sampler_name, levels, latent_image, seed)


@node(id="KSamplerAdvanced", title="KSampler (Advanced)", category="sampling")
def ksampler_advanced(
    *,
    ctx: Context,
    weights: Weights,
    model: Model,
    add_noise: Annotated[str, Choice((_ENABLED, _DISABLED))] = _ENABLED,
    noise_seed: Annotated[int, Seed()] = 0,
    steps: Steps = 20,
    cfg: Cfg = 8.0,
    sampler_name: SamplerName = "euler",
    scheduler: SchedulerName = "simple",
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    start_at_step: Annotated[int, Range(0, 10_000)] = 0,
    end_at_step: Annotated[int, Range(0, 10_000)] = 10_000,
    return_with_leftover_noise: Annotated[str, Choice((_DISABLED, _ENABLED))] = _DISABLED,
) -> Latent:
    """Some of the steps from noise to picture, so that several samplers can share a run."""
    levels = _levels(model, scheduler, sampler_name, steps, 1.0)
    to_zero = return_with_leftover_noise == _DISABLED
    levels = schedules.between(levels, start_at_step, end_at_step, to_zero=to_zero)
    noisy = add_noise == _ENABLED
    return _draw(
        ctx, weights, model, positive, negative, cfg, sampler_name, levels, latent_image, noise_seed, noisy=noisy
    )


def _levels(model: Model, scheduler: str, sampler: str, steps: int, denoise: float) -> Tensor:
    drop = algorithm(sampler).drops_penultimate
    of = prediction(options.parametrization(model))
    return schedules.for_denoise(scheduler, of, steps, denoise, drop_penultimate=drop)


def _draw(  # noqa: PLR0917 -- what both KSamplers were given
    ctx: Context,
    weights: Weights,
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    cfg: float,
    sampler: str,
    levels: Tensor,
    latent: Latent,
    seed: int,
    *,
    noisy: bool = True,
) -> Latent:
    guide = CfgGuide(cfg, options.hooks(model))
    sides = {"positive": positive, "negative": negative}
    noise_seed = seed if noisy else None
    found = run(ctx, weights, model, guide, sides, sampler, levels, latent, noise_seed=noise_seed, seed=seed)
    return replace(latent, samples=found.latent)


def run(  # noqa: PLR0917 -- a sampling run has this many parts
    ctx: Context,
    weights: Weights,
    model: Model,
    guide: Guide,
    sides: Mapping[str, Conditioning],
    sampler: str,
    levels: Tensor,
    latent: Latent,
    *,
    noise_seed: int | None,
    seed: int,
    sampler_options: Mapping[str, object] | None = None,
) -> sampling.Sampled:
    """A sampling run with the model's weights; without a `noise_seed` it starts from the latent as it is.

    `seed` is for the noise that some samplers add on the way.
    """
    if len(levels) < 2:
        return sampling.Sampled(latent.samples, latent.samples)
    with weights.network(model) as network, weights.controls(sides.values()) as controls:
        start = sampling.fit_empty(latent.samples, network.latent_format)
        return sampling.run(
            network,
            guide,
            sides,
            noise=_noise(start, noise_seed, latent.batch_index),
            latent=start,
            sigmas=levels,
            sampler=sampler,
            sampler_options=sampler_options,
            seed=seed,
            noise_mask=latent.noise_mask,
            progress=_progress(ctx, network, model),
            check=ctx.check,
            controls=controls,
            parametrization=options.parametrization(model),
        )


def _noise(latent: Tensor, seed: int | None, batch_index: tuple[int, ...] | None) -> Tensor:
    return latent.new_zeros(latent.shape) if seed is None else noises.initial(latent.shape, seed, batch_index)


def _progress(ctx: Context, network: Network, model: Model) -> sampling.Progress:
    factors = dict(model.source.options).get("preview")

    def report(step: int, steps: int, x0: Tensor) -> None:
        pixels = preview.project(x0, network.family, factors) if ctx.wants_previews else None
        ctx.progress(step, steps, None if pixels is None else preview.encoded(pixels))

    return report
