"""From noise to a latent: one sampling run, with what surrounds the sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from nodes.diffusion import noise as noises
from nodes.diffusion.evaluate import Evaluator
from nodes.diffusion.guidance import NO_HOOKS, NOTHING, CfgGuide
from nodes.diffusion.prediction import prediction as prediction_of
from nodes.diffusion.regions import place
from nodes.diffusion.reuse import Carried
from nodes.diffusion.samplers import Run, algorithm
from nodes.types import NodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from nodes.diffusion.guidance import Guide, Hooks
    from nodes.diffusion.network import Controls, LatentFormat, Network, Parametrization
    from nodes.diffusion.prediction import Prediction
    from nodes.diffusion.regions import Piece
    from nodes.diffusion.reuse import Reuse
    from nodes.diffusion.samplers import Denoiser
    from nodes.types import Conditioning

    Progress = Callable[[int, int, Tensor], None]
    """Called as (step, steps, x0) once a step; x0 is in the network's space. Raises to end the run."""

    MaskHook = Callable[[float, Tensor], Tensor]
    """The mask to use at a level, given the whole mask."""


class Sampled(NamedTuple):
    """A run's result and its last guess of the clean picture, both in the VAE's space, float32 on the CPU."""

    latent: Tensor
    denoised: Tensor


def sample(
    network: Network,
    *,
    noise: Tensor,
    latent: Tensor,
    sigmas: Tensor,
    sampler: str,
    positive: Conditioning,
    negative: Conditioning,
    cfg: float,
    seed: int = 0,
    noise_mask: Tensor | None = None,
    progress: Progress | None = None,
    controls: Controls | None = None,
    hooks: Hooks = NO_HOOKS,
) -> Tensor:
    """The latent that `sampler` reaches from `latent` plus `noise` over `sigmas`, guided by cfg.

    Latents are in the VAE's space, float32 [B,C,h,w] on the CPU, before and after. `noise_mask` is 1 where the latent
    may change. Nothing is sampled when `sigmas` has no step.
    """
    return run(
        network,
        CfgGuide(cfg, hooks),
        {"positive": positive, "negative": negative},
        noise=noise,
        latent=latent,
        sigmas=sigmas,
        sampler=sampler,
        seed=seed,
        noise_mask=noise_mask,
        progress=progress,
        controls=controls,
    ).latent


def run(
    network: Network,
    guide: Guide,
    conditionings: Mapping[str, Conditioning],
    *,
    noise: Tensor,
    latent: Tensor,
    sigmas: Tensor,
    sampler: str,
    sampler_options: Mapping[str, object] | None = None,
    seed: int = 0,
    noise_mask: Tensor | None = None,
    mask_hook: MaskHook | None = None,
    progress: Progress | None = None,
    check: Callable[[], None] | None = None,
    controls: Controls | None = None,
    parametrization: Parametrization | None = None,
    reuse: Reuse | None = None,
) -> Sampled:
    """A sampling run under any guide, whose sides' conditionings are given by name; its hooks may add to them.

    `check` is called before the network is asked, and may raise to end the run. `parametrization` overrides the
    network's own; `reuse` is how what was guided is reused, if it is.
    Raises ValueError when latent, noise and network do not fit.
    """
    latent = fit_empty(latent, network.latent_format)
    if len(sigmas) < 2:
        return Sampled(latent, latent)
    if noise.shape != latent.shape:
        raise ValueError(
            f"The noise has shape {tuple(noise.shape)}, the latent {tuple(latent.shape)}; they must agree."
        )
    chosen = algorithm(sampler)
    device, prediction = network.device, prediction_of(parametrization or network.parametrization)
    start = latent.to(device, torch.float32)
    if start.any():
        start = network.latent_format.process_in(start)
    noise = noise.to(device, torch.float32)
    mask = None if noise_mask is None else fit_mask(noise_mask, start.shape).to(device)
    levels: list[float] = sigmas.tolist()

    evaluator = Evaluator(network, prediction, controls=controls, latent=start, mask=mask)
    sides = place({**conditionings, **guide.hooks.sides}, start.shape, prediction, device)
    denoise: Denoiser = _Guided(evaluator, guide, sides, check)
    if reuse is not None and reuse.whole:
        denoise = Carried(denoise, reuse, prediction)
    if mask is not None:
        kept = noises.initial(noise.shape, (seed + 1) % 2**64).to(device) if chosen.fresh_mask_noise else noise
        denoise = _Inpainting(denoise, _Mask(mask, mask_hook, start, kept, prediction))

    last = start

    def report(step: int, x0: Tensor) -> None:
        nonlocal last
        last = x0
        if progress is not None:
            progress(step + 1, len(levels) - 1, x0)

    draw = noises.brownian(start, levels, seed) if chosen.noise == "brownian" else noises.fresh(start, seed)
    pure = prediction.starts_from_pure_noise(levels[0])
    x = prediction.add_noise(start, noise, levels[0], from_pure_noise=pure)
    # Not inference_mode: what comes out may be trained on.
    with torch.no_grad():
        whole = Run(denoise, prediction, draw, report, noises.continued(start, seed))
        x = chosen.sample(whole, x, levels, **(sampler_options or {}))
    x = prediction.undo_scaling(x, levels[-1])
    return Sampled(_out(network, x), _out(network, last))


def _out(network: Network, x: Tensor) -> Tensor:
    return network.latent_format.process_out(x.to(torch.float32)).cpu()


def fit_empty(latent: Tensor, form: LatentFormat) -> Tensor:
    """The latent with the network's channels: an empty one fits every network, another one has to have them.

    Raises NodeError when it has not.
    """
    if latent.shape[1] == form.channels:
        return latent
    if latent.any():
        raise NodeError(
            f"The latent has {latent.shape[1]} channels and the model works with {form.channels}; "
            "encode the picture with the VAE that belongs to this model."
        )
    return latent.new_zeros((latent.shape[0], form.channels, *latent.shape[2:]))


def fit_mask(mask: Tensor, shape: Sequence[int]) -> Tensor:
    """A noise mask of any size and batch as [B,C,h,w] of the latent."""
    mask = mask.reshape(-1, 1, *mask.shape[-2:]).to(torch.float32)
    if mask.shape[-2:] != shape[-2:]:
        mask = torch.nn.functional.interpolate(mask, size=tuple(shape[-2:]), mode="bilinear", align_corners=False)
    repeats = -(-shape[0] // len(mask))
    return mask.repeat(repeats, shape[1], 1, 1)[: shape[0]]


class _Guided:
    """A denoiser of guided predictions."""

    def __init__(
        self,
        evaluator: Evaluator,
        guide: Guide,
        sides: Mapping[str, Sequence[Piece]],
        check: Callable[[], None] | None,
    ) -> None:
        self._evaluator = evaluator
        self._guide = guide
        self._sides = sides
        self._check = check

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        return self._guided(x, sigma, self._predictions(x, sigma, self._guide.wanted()))

    def with_uncond(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        found = self._predictions(x, sigma, (*self._guide.wanted(), "negative"))
        x0 = self._guided(x, sigma, found)
        return x0, found.get("negative", x0)

    def _predictions(self, x: Tensor, sigma: float, wanted: Sequence[str]) -> dict[str, Tensor]:
        if self._check is not None:
            self._check()
        hooks = self._guide.hooks
        names = [name for name in dict.fromkeys((*wanted, *hooks.sides)) if name in self._sides]
        sides = [self._sides[name] for name in names]
        return dict(zip(names, self._evaluator(x, sigma, sides, hooks.changes), strict=True))

    def _guided(self, x: Tensor, sigma: float, found: Mapping[str, Tensor]) -> Tensor:
        here = x

        def ask(side: str, changes: Mapping[str, object] = NOTHING, *, x: Tensor | None = None) -> Tensor:
            return self._evaluator(here if x is None else x, sigma, [self._sides[side]], changes)[0]

        return self._guide.guided(x, sigma, found, self._evaluator.prediction, ask)


@dataclass(frozen=True, slots=True, eq=False)
class _Mask:
    """Where the original stays, at which level: the mask (1 where the picture may change), the original, its noise."""

    values: Tensor
    hook: MaskHook | None
    latent: Tensor
    noise: Tensor
    prediction: Prediction

    def at(self, sigma: float) -> Tensor:
        """The mask at this level."""
        return self.values if self.hook is None else self.hook(sigma, self.values)

    def before(self, x: Tensor, sigma: float, mask: Tensor) -> Tensor:
        """x with the noised original outside the mask."""
        return x * mask + self.prediction.add_noise(self.latent, self.noise, sigma) * (1 - mask)

    def after(self, x0: Tensor, mask: Tensor) -> Tensor:
        """x0 with the original outside the mask."""
        return x0 * mask + self.latent * (1 - mask)


class _Inpainting:
    """A denoiser that sees and gives the original, suitably noised, wherever the mask is 0."""

    def __init__(self, inner: Denoiser, mask: _Mask) -> None:
        self._inner = inner
        self._mask = mask

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        mask = self._mask.at(sigma)
        return self._mask.after(self._inner(self._mask.before(x, sigma, mask), sigma), mask)

    def with_uncond(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        mask = self._mask.at(sigma)
        x0, uncond = self._inner.with_uncond(self._mask.before(x, sigma, mask), sigma)
        return self._mask.after(x0, mask), uncond
