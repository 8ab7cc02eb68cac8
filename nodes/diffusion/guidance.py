"""How predictions under several conditionings become one: classifier-free guidance and what people do to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from nodes.diffusion.prediction import Prediction
    from nodes.types import Conditioning

    Mix = Callable[["Guess"], Tensor]
    Before = Callable[["Guess"], "Guess"]
    After = Callable[["Guess", Tensor], Tensor]


NOTHING: Mapping[str, object] = MappingProxyType({})


class Ask(Protocol):
    """One more question to the network, at the level that guidance is at."""

    def __call__(self, side: str, changes: Mapping[str, object] = NOTHING, *, x: Tensor | None = None) -> Tensor:
        """x0 of a side, for another x if one is given, with these changes to what the network gets."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """What guidance sees at one call: x at its level, x0 under both conditionings, and how strongly to guide.

    `uncond` is all zero when nobody needed it evaluated. `x0` has all sides that were, by name.
    """

    x: Tensor
    sigma: float
    cond: Tensor
    uncond: Tensor
    scale: float
    prediction: Prediction
    ask: Ask
    has_uncond: bool = True
    x0: Mapping[str, Tensor] = field(default_factory=dict)


def cfg(guess: Guess) -> Tensor:
    """Classifier-free guidance on x0. Ho and Salimans 2022, arXiv:2207.12598, eq. 6."""
    return extrapolated(guess.uncond, guess.cond, guess.scale)


def extrapolated(start: Tensor, end: Tensor, scale: float) -> Tensor:
    """The point `scale` times as far from start as end is."""
    return start + (end - start) * scale


@dataclass(frozen=True, slots=True)
class Hooks:
    """Changes to guidance: another way to mix, and what happens before and after, in order.

    They may keep something from step to step, so hooks are made anew for each run. `sides` are further conditionings
    to evaluate at every step, by name; `changes` join what the network gets every time.
    """

    mix: Mix = cfg
    before: tuple[Before, ...] = ()
    after: tuple[After, ...] = ()
    needs_uncond: bool = False
    sides: Mapping[str, Conditioning] = field(default_factory=dict)
    changes: Mapping[str, object] = field(default_factory=dict)

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

    @property
    def hooks(self) -> Hooks:
        """The changes to guidance."""
        ...

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
        return self.hooks.guided(Guess(x, sigma, x0["positive"], uncond, self.scale, prediction, ask, asked, x0))


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
            return self.hooks.guided(Guess(x, sigma, cond, uncond, scale, prediction, ask, x0=x0))

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
        guess = Guess(x, sigma, x0["positive"], x0["negative"], self.scale, prediction, ask, x0=x0)
        return self.hooks.finished(guess, found)


def perpendicular(positive: Tensor, negative: Tensor, empty: Tensor, scale: float, negative_scale: float) -> Tensor:
    """Guidance from `empty` towards positive, and away from what negative adds perpendicular to it."""
    towards, away = positive - empty, negative - empty
    away = away - towards * ((away * towards).sum() / towards.norm() ** 2)
    return empty + (towards - away * negative_scale) * scale
