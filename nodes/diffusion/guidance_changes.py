"""What people do to guidance, by name: other ways to mix, and changes before and after."""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import torch

from nodes.diffusion import frequencies
from nodes.diffusion.guidance import NO_HOOKS, Hooks, cfg, extrapolated, perpendicular
from nodes.diffusion.network import SELF_ATTENTION, SKIPPED_BLOCKS, WATCH, Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor

    from nodes.diffusion.guidance import After, Before, Guess, Mix

EMPTY = "empty"
"""The side of an empty prompt, for those who compare with it."""

_BLUR = 9
"""Width of the blur of self-attention guidance, in latent pixels."""


class Operation(Protocol):
    """A change to latents."""

    def apply(self, latent: Tensor) -> Tensor:
        """The changed latents."""
        ...


def rescaled(multiplier: float) -> Mix:
    """Guidance on v whose spread is brought back towards that of the condition. arXiv:2305.08891, eq. 14 to 16."""

    def mix(guess: Guess) -> Tensor:
        root = math.sqrt(guess.sigma**2 + 1)
        base, unit = guess.x / (guess.sigma**2 + 1), guess.sigma / root
        cond, uncond = (base - guess.cond) / unit, (base - guess.uncond) / unit
        v = extrapolated(uncond, cond, guess.scale)
        dims = tuple(range(1, v.ndim))
        fitted = v * (cond.std(dims, keepdim=True) / v.std(dims, keepdim=True))
        return base - (fitted * multiplier + v * (1 - multiplier)) * unit

    return mix


def renormed(until: float, limit: float) -> Mix:
    """Guidance below the level `until`, made no longer than `limit` times the condition (0: as long as it likes)."""

    def mix(guess: Guess) -> Tensor:
        if guess.sigma >= until:
            return guess.cond
        x0 = cfg(guess)
        if limit <= 0:
            return x0
        allowed = _norm(guess.cond) * limit
        return x0 * (allowed / _norm(x0)).clamp(max=1.0)

    return mix


def zero_star(guess: Guess, x0: Tensor) -> Tensor:
    """Guidance from the multiple of the negative that is nearest to the condition. CFG-Zero*, arXiv:2503.18886."""
    cond, uncond = guess.cond.flatten(1), guess.uncond.flatten(1)
    nearest = (cond * uncond).sum(1) / ((uncond**2).sum(1) + 1e-8)
    nearest = nearest.view(-1, *(1,) * (x0.ndim - 1))
    return x0 + guess.uncond * ((nearest - 1) * (1 - guess.scale))


def no_longer(strength: float) -> After:
    """x0 made no longer, pixel by pixel, than the condition's, times the strength."""

    def after(guess: Guess, x0: Tensor) -> Tensor:
        lengths = guess.cond.norm(dim=1, keepdim=True) / (x0.norm(dim=1, keepdim=True) + 1e-8)
        return x0 * lengths.clamp(0.0, 1.0) * strength

    return after


def mahiro(guess: Guess, x0: Tensor) -> Tensor:
    """More of the scaled condition the more the directions of guidance and negative differ."""
    leap = guess.cond * guess.scale

    def rooted(t: Tensor) -> Tensor:
        return t.abs().sqrt() * t.sign()

    same = torch.nn.functional.cosine_similarity(
        rooted(guess.uncond * guess.scale), rooted((leap + x0) / 2), dim=1
    ).mean()
    share = (same + 1) / 2
    return x0 * share + leap * (1 - share)


def scaled_noise(factor: float) -> After:
    """x0 as if the noise found were that much smaller. Epsilon scaling, arXiv:2308.15321."""
    return lambda guess, x0: guess.x - (guess.x - x0) / factor


def damped(guess: Guess) -> Guess:
    """Only that part of the negative's noise that lies along what both have in common. TCFG, arXiv:2503.18137."""
    noise, uncond_noise = (guess.x - guess.cond).flatten(1), (guess.x - guess.uncond).flatten(1)
    pair = torch.stack([uncond_noise, noise], dim=1)
    common = torch.linalg.svd(pair, full_matrices=False).Vh[:, 0]
    along = (uncond_noise * common).sum(1, keepdim=True) * common
    return replace(guess, uncond=guess.x - along.view_as(guess.x))


def by_frequency(low: float, high: float, cutoff: int) -> Before:
    """Low and high frequencies of the guidance scaled apart. FreSca, arXiv:2504.02154."""

    def before(guess: Guess) -> Guess:
        return replace(guess, cond=guess.uncond + frequencies.scaled(guess.cond - guess.uncond, low, high, cutoff))

    return before


def rescaled_score(k: float, spread: float) -> After:
    """The score scaled by k at low noise, and not at all at high. Temporal score rescaling, arXiv:2510.01184."""

    def after(guess: Guess, x0: Tensor) -> Tensor:
        signal = 1 - guess.sigma if guess.prediction.is_flow else 1.0
        snr = (signal / guess.sigma) ** 2 if guess.sigma else math.inf
        factor = (snr * spread**2 + 1) / (snr * spread**2 / k + 1) if math.isfinite(snr) else k
        return x0 if signal == 0 else x0 + (guess.x / signal - x0) * (1 - factor)

    return after


def projected(eta: float, norm_threshold: float, momentum: float) -> Before:
    """The guidance remembered from step to step, bounded, and only `eta` of it along the condition.

    Adaptive projected guidance, arXiv:2410.02416; the condition itself stays as it is.
    """
    average: Tensor | None = None
    last = math.inf

    def before(guess: Guess) -> Guess:
        nonlocal average, last
        if guess.scale == 0:
            return guess
        if guess.sigma > last:
            average = None
        last = guess.sigma
        plain = update = guess.cond - guess.uncond
        if momentum:
            average = update = update if average is None else average * momentum + update
        if norm_threshold > 0:
            update = update * (norm_threshold / _norm(update)).clamp(max=1.0)
        unit = guess.cond / _norm(guess.cond).clamp(min=1e-12)
        parallel = unit * (update * unit).sum(tuple(range(1, unit.ndim)), keepdim=True)
        update = update - parallel + parallel * eta
        return replace(guess, cond=guess.uncond + update + plain / guess.scale)

    return before


def operated(operation: Operation) -> Before:
    """Guidance changed by a latent operation, or the condition itself where nothing guides."""

    def before(guess: Guess) -> Guess:
        return replace(guess, cond=operation.apply(guess.cond - guess.uncond) + guess.uncond)

    return before


def perp_neg(scale: float) -> Mix:
    """Guidance away from only what the negative adds perpendicular to the positive, both beside an empty prompt."""

    def mix(guess: Guess) -> Tensor:
        if not guess.has_uncond:
            return guess.cond
        return perpendicular(guess.cond, guess.uncond, guess.x0[EMPTY], guess.scale, scale)

    return mix


def perturbed_attention(scale: float) -> After:
    """Guidance away from x0 as the network sees it without self-attention in its middle. arXiv:2403.17377."""

    def after(guess: Guess, x0: Tensor) -> Tensor:
        if scale == 0:
            return x0
        blind = guess.ask("positive", {SELF_ATTENTION: "values"})
        return x0 + (guess.cond - blind) * scale

    return after


def self_attention(scale: float, blur_sigma: float) -> Hooks:
    """Guidance away from x0 with what the network attends to blurred. SAG, arXiv:2210.00939."""
    watched = Watched()

    def after(guess: Guess, x0: Tensor) -> Tensor:
        attention = watched.attention.get("negative")
        if scale == 0 or attention is None or not guess.has_uncond or min(x0.shape[-2:]) <= _BLUR // 2:
            return x0
        salient = (attention > 1.0).to(x0.dtype).unsqueeze(1)
        salient = torch.nn.functional.interpolate(salient, size=x0.shape[-2:], mode="nearest")
        degraded = guess.uncond + (_blurred(guess.uncond, blur_sigma) - guess.uncond) * salient
        again = guess.ask("negative", x=degraded + guess.x - guess.uncond)
        return x0 + (degraded - again) * scale

    return Hooks(after=(after,), needs_uncond=True, changes={WATCH: watched})


def skipped_blocks(blocks: tuple[int, ...], scale: float, start: float, end: float, rescale: float) -> After:
    """Guidance away from x0 as the network sees it without some of its blocks, over a range of percents.

    Spatiotemporal skip guidance, arXiv:2411.18664; `rescale` is how far the spread is brought back to the condition's.
    """

    def after(guess: Guess, x0: Tensor) -> Tensor:
        if scale == 0 or not blocks or not _acts(guess, start, end):
            return x0
        without = guess.ask("positive", {SKIPPED_BLOCKS: blocks})
        x0 = x0 + (guess.cond - without) * scale
        return x0 * (guess.cond.std() / x0.std() * rescale + (1 - rescale)) if rescale else x0

    return after


def weaker_negative(blocks: tuple[int, ...], start: float, end: float) -> Before:
    """The negative as the network sees it without some of its blocks, over a range of percents."""

    def before(guess: Guess) -> Guess:
        if not blocks or not _acts(guess, start, end):
            return guess
        return replace(guess, uncond=guess.ask("negative", {SKIPPED_BLOCKS: blocks}))

    return before


def _acts(guess: Guess, start: float, end: float) -> bool:
    to_sigma = guess.prediction.percent_to_sigma
    return to_sigma(end) <= guess.sigma <= to_sigma(start)


def _norm(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, dim=tuple(range(1, x.ndim)), keepdim=True)


def _blurred(x: Tensor, sigma: float) -> Tensor:
    """x [B,C,h,w] under a Gaussian of this spread, reflected at the edges."""
    if sigma == 0:
        return x
    places = torch.arange(_BLUR, device=x.device, dtype=x.dtype) - _BLUR // 2
    bell = torch.exp(-0.5 * (places / sigma) ** 2)
    bell = bell / bell.sum()
    kernel = (bell[:, None] * bell[None, :]).expand(x.shape[1], 1, -1, -1)
    padded = torch.nn.functional.pad(x, (_BLUR // 2,) * 4, mode="reflect")
    return torch.nn.functional.conv2d(padded, kernel, groups=x.shape[1])


def _if_asked(change: Before) -> Before:
    """The change, where the negative was evaluated."""
    return lambda guess: change(guess) if guess.has_uncond else guess


CHANGES: MappingProxyType[str, Callable[..., Hooks]] = MappingProxyType(
    {
        "rescale_cfg": lambda multiplier: Hooks(mix=rescaled(multiplier)),
        "renorm_cfg": lambda until, limit: Hooks(mix=renormed(until, limit)),
        "perp_neg": lambda empty, scale: Hooks(mix=perp_neg(scale), sides={EMPTY: empty}, needs_uncond=True),
        "zero_star": lambda: Hooks(after=(zero_star,)),
        "cfg_norm": lambda strength: Hooks(after=(no_longer(strength),)),
        "mahiro": lambda: Hooks(after=(mahiro,)),
        "perturbed_attention": lambda scale: Hooks(after=(perturbed_attention(scale),)),
        "self_attention": self_attention,
        "skipped_blocks": lambda blocks, scale, start, end, rescale: Hooks(
            after=(skipped_blocks(blocks, scale, start, end, rescale),)
        ),
        "weaker_negative": lambda blocks, start, end: Hooks(before=(_if_asked(weaker_negative(blocks, start, end)),)),
        "epsilon_scaling": lambda factor: Hooks(after=(scaled_noise(factor),)),
        "score_rescaling": lambda k, spread: Hooks(after=(rescaled_score(k, spread),)),
        "projected": lambda eta, norm_threshold, momentum: Hooks(
            before=(_if_asked(projected(eta, norm_threshold, momentum)),)
        ),
        "tangential_damping": lambda: Hooks(before=(_if_asked(damped),)),
        "frequencies": lambda low, high, cutoff: Hooks(before=(_if_asked(by_frequency(low, high, int(cutoff))),)),
        "operation": lambda operation: Hooks(before=(operated(operation),)),
    }
)
"""Changes to guidance by name; each takes its parameters and gives hooks that hold this change alone."""


def hooks_named(names: Iterable[tuple[str, Mapping[str, Any]]]) -> Hooks:
    """All named changes, in order; of several ways to mix the last one counts.

    Raises KeyError for a name that is not in CHANGES.
    """
    total = NO_HOOKS
    for name, parameters in names:
        change = CHANGES[name](**parameters)
        total = replace(
            total,
            mix=total.mix if change.mix is cfg else change.mix,
            before=(*total.before, *change.before),
            after=(*total.after, *change.after),
            needs_uncond=total.needs_uncond or change.needs_uncond,
            sides={**total.sides, **change.sides},
            changes={**total.changes, **change.changes},
        )
    return total
