"""How predictions under several conditionings become one: classifier-free guidance and what people do to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import torch

from nodes.diffusion import frequencies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor

    from nodes.diffusion.prediction import Prediction

    Ask = Callable[[str, Mapping[str, object]], Tensor]
    """x0 of a side at this x and level, with these changes to what the network gets."""

    Mix = Callable[["Guess"], Tensor]
    Before = Callable[["Guess"], "Guess"]
    After = Callable[["Guess", Tensor], Tensor]


SELF_ATTENTION = "self_attention"
"""Under this name guidance asks a network to change its self-attention; "values" leaves it out in the middle."""


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """What guidance sees at one call: x at its level, x0 under both conditionings, and how strongly to guide.

    `uncond` is all zero when nobody needed it evaluated.
    """

    x: Tensor
    sigma: float
    cond: Tensor
    uncond: Tensor
    scale: float
    prediction: Prediction
    ask: Ask
    has_uncond: bool = True


def cfg(guess: Guess) -> Tensor:
    """Classifier-free guidance on x0. Ho and Salimans 2022, arXiv:2207.12598, eq. 6."""
    return extrapolated(guess.uncond, guess.cond, guess.scale)


def extrapolated(start: Tensor, end: Tensor, scale: float) -> Tensor:
    """The point `scale` times as far from start as end is."""
    return start + (end - start) * scale


@dataclass(frozen=True, slots=True)
class Hooks:
    """Changes to guidance: another way to mix, and what happens before and after, in order."""

    mix: Mix = cfg
    before: tuple[Before, ...] = ()
    after: tuple[After, ...] = ()
    needs_uncond: bool = False

    def guided(self, guess: Guess) -> Tensor:
        """x0 with all changes."""
        for change in self.before:
            guess = change(guess)
        return self.finished(guess, self.mix(guess))

    def finished(self, guess: Guess, x0: Tensor) -> Tensor:
        """x0 with the changes that come after mixing."""
        for change in self.after:
            x0 = change(guess, x0)
        return x0


NO_HOOKS = Hooks()


class Guide(Protocol):
    """Which sides are evaluated, and what becomes of them."""

    def wanted(self) -> tuple[str, ...]:
        """The sides whose x0 is needed."""
        ...

    def guided(self, x: Tensor, sigma: float, x0: Mapping[str, Tensor], prediction: Prediction, ask: Ask) -> Tensor:
        """One x0 from those of the sides that were evaluated."""
        ...


@dataclass(frozen=True, slots=True)
class CfgGuide:
    """Plain guidance of "positive" away from "negative", which is not evaluated where it would make no difference."""

    scale: float = 1.0
    hooks: Hooks = NO_HOOKS

    def wanted(self) -> tuple[str, ...]:
        skips = math.isclose(self.scale, 1.0) and not self.hooks.needs_uncond
        return ("positive",) if skips else ("positive", "negative")

    def guided(self, x: Tensor, sigma: float, x0: Mapping[str, Tensor], prediction: Prediction, ask: Ask) -> Tensor:
        if self.hooks is NO_HOOKS and "negative" not in x0:
            return x0["positive"]
        asked = "negative" in x0
        uncond = x0["negative"] if asked else x0["positive"].new_zeros(x0["positive"].shape)
        return self.hooks.guided(Guess(x, sigma, x0["positive"], uncond, self.scale, prediction, ask, asked))


@dataclass(frozen=True, slots=True)
class DualGuide:
    """Guidance by two conditions: "middle" away from "negative", and "positive" beyond "middle".

    Nested guidance first goes from middle to positive, and then away from negative.
    """

    scale: float
    middle_scale: float
    nested: bool = False
    hooks: Hooks = NO_HOOKS

    def wanted(self) -> tuple[str, ...]:
        if not math.isclose(self.middle_scale, 1.0) or self.hooks.needs_uncond:
            return ("positive", "middle", "negative")
        return ("positive",) if math.isclose(self.scale, 1.0) else ("positive", "middle")

    def guided(self, x: Tensor, sigma: float, x0: Mapping[str, Tensor], prediction: Prediction, ask: Ask) -> Tensor:
        positive = x0["positive"]
        if "middle" not in x0:
            return positive
        middle = x0["middle"]
        negative = x0["negative"] if "negative" in x0 else middle.new_zeros(middle.shape)

        def away(cond: Tensor, uncond: Tensor, scale: float) -> Tensor:
            return self.hooks.guided(Guess(x, sigma, cond, uncond, scale, prediction, ask))

        if self.nested:
            return away(away(positive, middle, self.scale), negative, self.middle_scale)
        return away(middle, negative, self.middle_scale) + (positive - middle) * self.scale


@dataclass(frozen=True, slots=True)
class PerpNegGuide:
    """Guidance away from only that part of "negative" that is perpendicular to "positive". arXiv:2304.04968."""

    scale: float
    negative_scale: float
    hooks: Hooks = NO_HOOKS

    def wanted(self) -> tuple[str, ...]:
        return ("positive", "negative", "empty")

    def guided(self, x: Tensor, sigma: float, x0: Mapping[str, Tensor], prediction: Prediction, ask: Ask) -> Tensor:
        found = perpendicular(x0["positive"], x0["negative"], x0["empty"], self.scale, self.negative_scale)
        guess = Guess(x, sigma, x0["positive"], x0["negative"], self.scale, prediction, ask)
        return self.hooks.finished(guess, found)


def perpendicular(positive: Tensor, negative: Tensor, empty: Tensor, scale: float, negative_scale: float) -> Tensor:
    """Guidance from `empty` towards positive, and away from what negative adds perpendicular to it."""
    towards, away = positive - empty, negative - empty
    away = away - towards * ((away * towards).sum() / towards.norm() ** 2)
    return empty + (towards - away * negative_scale) * scale


# What model handles can name: ways to mix, and changes before and after.


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


def perturbed_attention(scale: float) -> After:
    """Guidance away from x0 as the network sees it without self-attention in its middle. arXiv:2403.17377."""

    def after(guess: Guess, x0: Tensor) -> Tensor:
        if scale == 0:
            return x0
        blind = guess.ask("positive", {SELF_ATTENTION: "values"})
        return x0 + (guess.cond - blind) * scale

    return after


def _norm(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, dim=tuple(range(1, x.ndim)), keepdim=True)


CHANGES: MappingProxyType[str, Callable[..., Hooks]] = MappingProxyType(
    {
        "rescale_cfg": lambda multiplier: Hooks(mix=rescaled(multiplier)),
        "renorm_cfg": lambda until, limit: Hooks(mix=renormed(until, limit)),
        "zero_star": lambda: Hooks(after=(zero_star,)),
        "cfg_norm": lambda strength: Hooks(after=(no_longer(strength),)),
        "mahiro": lambda: Hooks(after=(mahiro,)),
        "perturbed_attention": lambda scale: Hooks(after=(perturbed_attention(scale),)),
        "epsilon_scaling": lambda factor: Hooks(after=(scaled_noise(factor),)),
        "tangential_damping": lambda: Hooks(before=(_if_asked(damped),)),
        "frequencies": lambda low, high, cutoff: Hooks(before=(_if_asked(by_frequency(low, high, int(cutoff))),)),
    }
)
"""Changes to guidance by name; each takes its parameters and gives hooks that hold this change alone."""


def _if_asked(change: Before) -> Before:
    """The change, where the negative was evaluated."""
    return lambda guess: change(guess) if guess.has_uncond else guess


def hooks_named(names: Iterable[tuple[str, Mapping[str, float]]]) -> Hooks:
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
        )
    return total
