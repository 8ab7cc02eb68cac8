"""The Impact pack's basic pipes: a model and what belongs to it along one link, and samplers that take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

from nodes import sampling
from nodes.define import Context, node
from nodes.diffusion.weights import Weights
from nodes.sampling import Cfg, SamplerName, SchedulerName, Steps
from nodes.types import Clip, Conditioning, Latent, Model, Vae
from nodes.widgets import Range, Seed, Toggle

PACK = "Impact Pack"

_PIPES = "ImpactPack/Pipe"
_SAMPLING = "ImpactPack/sampling"

_OnOff = Annotated[bool, Toggle("enable", "disable")]


@dataclass(frozen=True, slots=True, eq=False)
class BasicPipe:
    """A model with its text encoder and VAE, and what to draw with them."""

    socket: ClassVar[str] = "BASIC_PIPE"
    model: Model
    clip: Clip
    vae: Vae
    positive: Conditioning
    negative: Conditioning


class Parts(NamedTuple):
    """What a pipe holds."""

    model: Model
    clip: Clip
    vae: Vae
    positive: Conditioning
    negative: Conditioning


class PipeAndParts(NamedTuple):
    """A pipe, and what it holds."""

    basic_pipe: BasicPipe
    model: Model
    clip: Clip
    vae: Vae
    positive: Conditioning
    negative: Conditioning


class Sampled(NamedTuple):
    """The pipe, what was drawn with it, and the VAE to decode that with."""

    basic_pipe: BasicPipe
    latent: Latent
    vae: Vae


@node(id="ToBasicPipe", category=_PIPES, outputs=("basic_pipe",))
def to_basic_pipe(*, model: Model, clip: Clip, vae: Vae, positive: Conditioning, negative: Conditioning) -> BasicPipe:
    """A model and what belongs to it along one link."""
    return BasicPipe(model, clip, vae, positive, negative)


@node(id="FromBasicPipe", category=_PIPES)
def from_basic_pipe(*, basic_pipe: BasicPipe) -> Parts:
    """What a pipe holds."""
    return Parts(basic_pipe.model, basic_pipe.clip, basic_pipe.vae, basic_pipe.positive, basic_pipe.negative)


@node(id="FromBasicPipe_v2", title="FromBasicPipe_v2", category=_PIPES)
def from_basic_pipe_v2(*, basic_pipe: BasicPipe) -> PipeAndParts:
    """A pipe, and what it holds."""
    return PipeAndParts(basic_pipe, *from_basic_pipe(basic_pipe=basic_pipe))


@node(id="EditBasicPipe", title="Edit BasicPipe", category=_PIPES, outputs=("basic_pipe",))
def edit_basic_pipe(
    *,
    basic_pipe: BasicPipe,
    model: Model | None = None,
    clip: Clip | None = None,
    vae: Vae | None = None,
    positive: Conditioning | None = None,
    negative: Conditioning | None = None,
) -> BasicPipe:
    """A pipe with some of what it holds exchanged for what is connected."""
    return BasicPipe(
        model or basic_pipe.model,
        clip or basic_pipe.clip,
        vae or basic_pipe.vae,
        basic_pipe.positive if positive is None else positive,
        basic_pipe.negative if negative is None else negative,
    )


@node(id="ImpactKSamplerBasicPipe", title="KSampler (pipe)", category=_SAMPLING)
def ksampler_pipe(
    *,
    basic_pipe: BasicPipe,
    seed: Annotated[int, Seed()] = 0,
    steps: Steps = 20,
    cfg: Cfg = 8.0,
    sampler_name: SamplerName = "euler",
    scheduler: SchedulerName = "simple",
    latent_image: Latent,
    denoise: Annotated[float, Range(0.0, 1.0, step=0.01)] = 1.0,
    ctx: Context,
    weights: Weights,
) -> Sampled:
    """KSampler with the model and the conditionings of a pipe."""
    drawn = sampling.ksampler(
        ctx=ctx,
        weights=weights,
        model=basic_pipe.model,
        seed=seed,
        steps=steps,
        cfg=cfg,
        sampler_name=sampler_name,
        scheduler=scheduler,
        positive=basic_pipe.positive,
        negative=basic_pipe.negative,
        latent_image=latent_image,
        denoise=denoise,
    )
    return Sampled(basic_pipe, drawn, basic_pipe.vae)


@node(id="ImpactKSamplerAdvancedBasicPipe", title="KSampler (Advanced/pipe)", category=_SAMPLING)
def ksampler_advanced_pipe(
    *,
    basic_pipe: BasicPipe,
    add_noise: _OnOff = True,
    noise_seed: Annotated[int, Seed()] = 0,
    steps: Steps = 20,
    cfg: Cfg = 8.0,
    sampler_name: SamplerName = "euler",
    scheduler: SchedulerName = "simple",
    latent_image: Latent,
    start_at_step: Annotated[int, Range(0, 10_000)] = 0,
    end_at_step: Annotated[int, Range(0, 10_000)] = 10_000,
    return_with_leftover_noise: _OnOff = False,
    ctx: Context,
    weights: Weights,
) -> Sampled:
    """KSampler (Advanced) with the model and the conditionings of a pipe."""
    drawn = sampling.ksampler_advanced(
        ctx=ctx,
        weights=weights,
        model=basic_pipe.model,
        add_noise="enable" if add_noise else "disable",
        noise_seed=noise_seed,
        steps=steps,
        cfg=cfg,
        sampler_name=sampler_name,
        scheduler=scheduler,
        positive=basic_pipe.positive,
        negative=basic_pipe.negative,
        latent_image=latent_image,
        start_at_step=start_at_step,
        end_at_step=end_at_step,
        return_with_leftover_noise="enable" if return_with_leftover_noise else "disable",
    )
    return Sampled(basic_pipe, drawn, basic_pipe.vae)
