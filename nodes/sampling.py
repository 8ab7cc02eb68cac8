"""From noise to latent: samplers, guiders, and where noise comes from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

from nodes.define import Context, node
from nodes.diffusion import enlarging, gligen, options, preview, schedules, unclip
from nodes.diffusion import noise as noises
from nodes.diffusion import sample as sampling
from nodes.diffusion.companions import accompanied, companions
from nodes.diffusion.compiled import compiled
from nodes.diffusion.guidance import CfgGuide, DualGuide, PerpNegGuide
from nodes.diffusion.hooks import hooked
from nodes.diffusion.prediction import prediction
from nodes.diffusion.reuse import reuse_of, reusing
from nodes.diffusion.samplers import NAMES as SAMPLERS
from nodes.diffusion.samplers import algorithm
from nodes.diffusion.unet_patches import patched
from nodes.diffusion.weights import Weights
from nodes.types import Conditioning, Guider, Latent, Model, Noise, Sampler, Sigmas
from nodes.widgets import Choice, Range, Seed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from nodes.diffusion.guidance import Guide
    from nodes.diffusion.network import Network
    from nodes.diffusion.unet import UNet

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


class Drawn(NamedTuple):
    """A sampled latent, and the last guess of what it becomes without noise."""

    output: Latent
    denoised_output: Latent


@node(id="SamplerCustom", category="sampling/custom_sampling")
def sampler_custom(
    *,
    ctx: Context,
    weights: Weights,
    model: Model,
    add_noise: bool = True,
    noise_seed: Annotated[int, Seed()] = 0,
    cfg: Cfg = 8.0,
    positive: Conditioning,
    negative: Conditioning,
    sampler: Sampler,
    sigmas: Sigmas,
    latent_image: Latent,
) -> Drawn:
    """Draw in a latent over given noise levels."""
    guide = CfgGuide(cfg, options.hooks(model))
    sides = {"positive": positive, "negative": negative}
    found = run(
        ctx,
        weights,
        model,
        guide,
        sides,
        sampler,
        sigmas.values,
        latent_image,
        noise_seed=noise_seed if add_noise else None,
        seed=noise_seed,
    )
    return Drawn(replace(latent_image, samples=found.latent), replace(latent_image, samples=found.denoised))


@node(id="SamplerCustomAdvanced", category="sampling/custom_sampling")
def sampler_custom_advanced(
    *,
    ctx: Context,
    weights: Weights,
    noise: Noise,
    guider: Guider,
    sampler: Sampler,
    sigmas: Sigmas,
    latent_image: Latent,
) -> Drawn:
    """Draw in a latent over given noise levels, under any guider and with any noise."""
    found = run(
        ctx,
        weights,
        guider.model,
        _guide(guider),
        guider.conditionings,
        sampler,
        sigmas.values,
        latent_image,
        noise_seed=noise.seed if noise.kind == "random" else None,
        seed=noise.seed,
    )
    return Drawn(replace(latent_image, samples=found.latent), replace(latent_image, samples=found.denoised))


@node(id="BasicGuider", category="sampling/custom_sampling/guiders")
def basic_guider(*, model: Model, conditioning: Conditioning) -> Guider:
    """One conditioning, followed as it is."""
    return Guider(model, "basic", {"positive": conditioning})


@node(id="CFGGuider", category="sampling/custom_sampling/guiders")
def cfg_guider(*, model: Model, positive: Conditioning, negative: Conditioning, cfg: Cfg = 8.0) -> Guider:
    """Towards the positive conditioning, away from the negative."""
    return Guider(model, "cfg", {"positive": positive, "negative": negative}, {"cfg": cfg})


@node(id="DualCFGGuider", category="sampling/custom_sampling/guiders")
def dual_cfg_guider(
    *,
    model: Model,
    cond1: Conditioning,
    cond2: Conditioning,
    negative: Conditioning,
    cfg_conds: Cfg = 8.0,
    cfg_cond2_negative: Cfg = 8.0,
    style: Annotated[str, Choice(("regular", "nested"))] = "regular",
) -> Guider:
    """Two conditionings: the second away from the negative, and the first beyond the second."""
    sides = {"positive": cond1, "middle": cond2, "negative": negative}
    scales = {"cfg": cfg_conds, "middle": cfg_cond2_negative, "nested": float(style == "nested")}
    return Guider(model, "dual", sides, scales)


@node(id="PerpNegGuider", category="_for_testing", experimental=True)
def perp_neg_guider(
    *,
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    empty_conditioning: Conditioning,
    cfg: Cfg = 8.0,
    neg_scale: Annotated[float, Range(0.0, 100.0, step=0.01)] = 1.0,
) -> Guider:
    """Away from only that part of the negative conditioning that has nothing to do with the positive."""
    sides = {"positive": positive, "negative": negative, "empty": empty_conditioning}
    return Guider(model, "perp_neg", sides, {"cfg": cfg, "negative": neg_scale})


def _guide(guider: Guider) -> Guide:
    hooks, scales = options.hooks(guider.model), guider.options
    match guider.kind:
        case "basic":
            return CfgGuide(1.0, replace(hooks, needs_uncond=False))
        case "cfg":
            return CfgGuide(scales["cfg"], hooks)
        case "dual":
            return DualGuide(scales["cfg"], scales["middle"], bool(scales["nested"]), hooks)
        case "perp_neg":
            return PerpNegGuide(scales["cfg"], scales["negative"], hooks)
        case kind:
            raise ValueError(f"No guider is called {kind!r}; there are basic, cfg, dual and perp_neg.")


@node(id="RandomNoise", category="sampling/custom_sampling/noise")
def random_noise(*, noise_seed: Annotated[int, Seed()] = 0) -> Noise:
    """Noise from a seed."""
    return Noise(noise_seed)


@node(id="DisableNoise", category="sampling/custom_sampling/noise")
def disable_noise() -> Noise:
    """No noise: sampling goes on from the latent as it is."""
    return Noise(kind="none")


@node(id="AddNoise", category="_for_testing/custom_sampling/noise", experimental=True)
def add_noise_to_latent(*, model: Model, noise: Noise, sigmas: Sigmas, latent_image: Latent) -> Latent:
    """A latent with the noise that would take it from the last of the levels to the first."""
    levels = sigmas.values
    if not len(levels):
        return latent_image
    form, of = options.latent_format(model), prediction(options.parametrization(model))
    start = sampling.fit_empty(latent_image.samples, form)
    drawn = _noise(start, noise.seed if noise.kind == "random" else None, latent_image.batch_index)
    sigma = float((levels[0] - levels[-1]).abs()) if len(levels) > 1 else float(levels[0])
    inside = form.process_in(start) if start.any() else start
    found = form.process_out(of.add_noise(inside, drawn, sigma))
    return replace(latent_image, samples=found.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0))


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
    found = run(ctx, weights, model, guide, sides, Sampler(sampler), levels, latent, noise_seed=noise_seed, seed=seed)
    return replace(latent, samples=found.latent)


def run(  # noqa: PLR0917 -- a sampling run has this many parts
    ctx: Context,
    weights: Weights,
    model: Model,
    guide: Guide,
    sides: Mapping[str, Conditioning],
    sampler: Sampler,
    levels: Tensor,
    latent: Latent,
    *,
    noise_seed: int | None,
    seed: int,
) -> sampling.Sampled:
    """A sampling run with the model's weights; without a `noise_seed` it starts from the latent as it is.

    `seed` is for the noise that some samplers add on the way.
    """
    if len(levels) < 2:
        return sampling.Sampled(latent.samples, latent.samples)
    parametrization = options.parametrization(model)
    with (
        weights.network(model) as unet,
        compiled(unet, options.compiler(model)) as translated,
        patched(translated, options.unet_patches(model), sides) as changed,
        accompanied(changed, [*companions(model), *gligen.companions_of(sides)], weights) as joined,
        hooked(joined, sides, prediction(parametrization)) as dressed,
        reusing(dressed, reuse_of(model), prediction(parametrization)) as network,
        weights.controls([*sides.values(), *guide.hooks.sides.values()], model) as controls,
    ):
        start = sampling.fit_empty(latent.samples, network.latent_format)
        return sampling.run(
            network,
            guide,
            _with_pictures(gligen.shared(sides), network, model, seed),
            noise=_noise(start, noise_seed, latent.batch_index),
            latent=start,
            sigmas=levels,
            sampler=sampler.name,
            sampler_options=dict(sampler.options),
            seed=seed,
            noise_mask=latent.noise_mask,
            mask_hook=options.mask_hook(model, prediction(parametrization), levels),
            progress=_progress(ctx, network, model),
            check=ctx.check,
            controls=controls,
            parametrization=parametrization,
            reuse=reuse_of(model),
        )


def _with_pictures(
    sides: Mapping[str, Conditioning], network: UNet, model: Model, seed: int
) -> Mapping[str, Conditioning]:
    """The conditionings with the pictures that they show, as the network takes them."""
    return enlarging.with_small_pictures(unclip.with_embeddings(sides, network, model.source, seed), network, seed)


def _noise(latent: Tensor, seed: int | None, batch_index: tuple[int, ...] | None) -> Tensor:
    return latent.new_zeros(latent.shape) if seed is None else noises.initial(latent.shape, seed, batch_index)


def _progress(ctx: Context, network: Network, model: Model) -> sampling.Progress:
    factors = dict(model.source.options).get("preview")

    def report(step: int, steps: int, x0: Tensor) -> None:
        pixels = preview.picture(x0, network, factors) if ctx.wants_previews else None
        ctx.progress(step, steps, None if pixels is None else preview.encoded(pixels))

    return report
