"""Steps whose answer is so foreseeable that the network is not asked: the last one is carried on.

EasyCache, arXiv:2507.02860: how fast the output changes with the input is nearly constant from step to step, so the
change of the input tells how much the output will have changed. Once that adds up to the threshold, it is asked again.
"""

from __future__ import annotations

import logging
import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodes.diffusion.unet import UNet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from nodes.diffusion.network import Inputs
    from nodes.diffusion.prediction import Prediction
    from nodes.diffusion.samplers import Denoiser
    from nodes.types import Model

_OPTION = "reuse"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reuse:
    """How much the output may change before it is computed again (0 to 3), and between which shares of sampling.

    `whole` is to reuse what guidance made of all answers, and otherwise the answers themselves.
    """

    threshold: float
    start_percent: float
    end_percent: float
    whole: bool = False
    verbose: bool = False

    def acts_at(self, sigma: float, prediction: Prediction) -> bool:
        """Whether anything may be reused at this level."""
        to_sigma = prediction.percent_to_sigma
        return to_sigma(self.end_percent) <= sigma <= to_sigma(self.start_percent)


def with_reuse(model: Model, reuse: Reuse) -> Model:
    """A handle whose sampling reuses answers in this way; the last such wish counts."""
    return model.with_option(_OPTION, reuse)


def reuse_of(model: Model) -> Reuse | None:
    """How the handle's answers are to be reused, if they are."""
    return model.option(_OPTION)


class Course:
    """The last input and output of a run, and how far what was reused may be from what would have been computed."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._input: Tensor | None = None
        self._output: Tensor | None = None
        self._rate = math.nan
        self._drift = 0.0

    def foreseen(self, x: Tensor) -> bool:
        """Whether the output for x is near enough to the last one, carried on."""
        if self._input is None or self._output is None or math.isnan(self._rate):
            return False
        size = _size(self._output)
        self._drift += self._rate * _size(x - self._input) / size if size else math.inf
        return self._drift < self._threshold

    def computed(self, x: Tensor, output: Tensor) -> None:
        """Note what was computed for x."""
        if self._input is not None and self._output is not None and (moved := _size(x - self._input)):
            self._rate = _size(output - self._output) / moved
        self._input, self._output, self._drift = x, output, 0.0

    def carried(self, x: Tensor, output: Tensor) -> None:
        """Note what was taken for x without computing."""
        self._input, self._output = x, output


def _size(x: Tensor) -> float:
    return float(x.abs().mean())


@contextmanager
def reusing(network: UNet, reuse: Reuse | None, prediction: Prediction) -> Iterator[UNet]:
    """The network, asked only where its answer is not foreseen, for one run."""
    if reuse is None or reuse.whole:
        yield network
        return
    counted = _Reusing(network, reuse, prediction)
    yield counted
    if reuse.verbose:
        _log.info("EasyCache reused %d of %d answers.", counted.reused, counted.asked)


class _Reusing(UNet):
    """The same UNet, which keeps a course for each prompt."""

    def __init__(self, unet: UNet, reuse: Reuse, prediction: Prediction) -> None:
        vars(self).update(vars(unet))
        self._inner = unet
        self._reuse = reuse
        self._prediction = prediction
        self._courses: dict[object, tuple[Course, Tensor]] = {}
        self.asked = self.reused = 0

    def __call__(self, x: Tensor, timestep: Tensor, inputs: Inputs) -> Tensor:
        self.asked += 1
        key = (id(inputs.context), tuple(x.shape), tuple(sorted(inputs.extras or ())))
        course, change = self._courses.get(key, (Course(self._reuse.threshold), None))
        if change is not None and self._reuse.acts_at(inputs.sigma, self._prediction) and course.foreseen(x):
            self.reused += 1
            output = x + change
            course.carried(x, output)
            return output
        output = self._inner(x, timestep, inputs)
        course.computed(x, output)
        self._courses[key] = course, output - x
        return output


class Carried:
    """A denoiser that keeps its last direction where that is foreseen, without asking for another."""

    def __init__(self, inner: Denoiser, reuse: Reuse, prediction: Prediction) -> None:
        self._inner = inner
        self._reuse = reuse
        self._prediction = prediction
        self._course = Course(reuse.threshold)
        self._direction: Tensor | None = None

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        direction = self._direction
        if direction is not None and self._reuse.acts_at(sigma, self._prediction) and self._course.foreseen(x):
            x0 = x - direction * sigma
            self._course.carried(x, x0)
            return x0
        return self._noted(x, sigma, self._inner(x, sigma))

    def with_uncond(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """x0 and the negative's; both are needed, so nothing is reused."""
        x0, uncond = self._inner.with_uncond(x, sigma)
        return self._noted(x, sigma, x0), uncond

    def _noted(self, x: Tensor, sigma: float, x0: Tensor) -> Tensor:
        self._course.computed(x, x0)
        self._direction = (x - x0) / sigma if sigma else None
        return x0
