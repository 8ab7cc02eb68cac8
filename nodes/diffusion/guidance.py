"""How predictions under several conditionings become one: classifier-free guidance and what people do to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor

    from nodes.diffusion.prediction import Prediction

    Ask = Callable[[str, Mapping[str, object]], Tensor]
    """x0 of a side at this x and level, with these changes to what the network gets."""

    Mix = Callable[["Guess"], Tensor]
    Before = Callable[["Guess"], "Guess"]
    After = Callable[["Guess", Tensor], Tensor]


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
        uncond = x0["negative"] if "negative" in x0 else x0["positive"].new_zeros(x0["positive"].shape)
        return self.hooks.guided(Guess(x, sigma, x0["positive"], uncond, self.scale, prediction, ask))


# What model handles can name.


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


CHANGES: MappingProxyType[str, Callable[..., Hooks]] = MappingProxyType(
    {
        "rescale_cfg": lambda multiplier: Hooks(mix=rescaled(multiplier)),
    }
)
"""Changes to guidance by name; each takes its parameters and gives hooks that hold this change alone."""


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
