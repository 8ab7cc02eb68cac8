"""What every sampler is given, and the few formulas that many of them share."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from nodes.diffusion.noise import NoiseSource
    from nodes.diffusion.prediction import Prediction

FLOW_START_PERCENT = 1e-4
"""A flow starts at sigma 1, where log-SNR is minus infinity; solvers in log-SNR start this little later."""


class Denoiser(Protocol):
    """The guided prediction of the clean picture."""

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        """x0 of a noisy x at this level."""
        ...

    def with_uncond(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """x0, and x0 under the negative conditioning alone."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """One sampling run: the denoiser, what it predicts, where noise comes from, and whom to tell of each step.

    `report(i, x0)` is called once in step i, when its first x0 is known; it may raise to end the run. `noise_like`
    draws noise of any shape, for samplers that change it.
    """

    denoise: Denoiser
    prediction: Prediction
    noise: NoiseSource
    report: Callable[[int, Tensor], None]
    noise_like: Callable[[Tensor], Tensor]

    def first(self, i: int, x: Tensor, sigma: float) -> Tensor:
        """x0 at the beginning of step i, reported."""
        x0 = self.denoise(x, sigma)
        self.report(i, x0)
        return x0

    def first_with_uncond(self, i: int, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """x0 at the beginning of step i, reported, and x0 under the negative conditioning alone."""
        x0, uncond = self.denoise.with_uncond(x, sigma)
        self.report(i, x0)
        return x0, uncond


class _ExplodingDenoiser:
    """A flow's denoiser asked in variance exploding terms: y = x / alpha at level sigma / alpha."""

    def __init__(self, flow: Denoiser) -> None:
        self._flow = flow

    def __call__(self, y: Tensor, level: float) -> Tensor:
        return self._flow(y / (1 + level), _flow_sigma(level))

    def with_uncond(self, y: Tensor, level: float) -> tuple[Tensor, Tensor]:
        return self._flow.with_uncond(y / (1 + level), _flow_sigma(level))


def _flow_sigma(level: float) -> float:
    return level / (1 + level)


def exploding(run: Run, x: Tensor, sigmas: Sequence[float]) -> tuple[Run, Tensor, list[float]]:
    """The same run in variance exploding terms, in which x = x0 + level * noise and log-SNR is -2 log(level).

    A diffusion is there already. A flow x = (1 - s) x0 + s noise is divided by 1 - s. Runs that end at 0 end in x
    itself; after another end multiply by `imploded`.
    """
    if not run.prediction.is_flow:
        return run, x, list(sigmas)
    sigmas = list(sigmas)
    if sigmas[0] >= 1.0:
        sigmas[0] = run.prediction.percent_to_sigma(FLOW_START_PERCENT)

    def noise(level: float, level_next: float) -> Tensor:
        return run.noise(_flow_sigma(level), _flow_sigma(level_next))

    changed = replace(run, denoise=_ExplodingDenoiser(run.denoise), noise=noise)
    return changed, x / (1 - sigmas[0]), [sigma / (1 - sigma) for sigma in sigmas]


def imploded(run: Run, y: Tensor, level: float) -> Tensor:
    """A result in variance exploding terms at this level, back in the run's own terms."""
    return y / (1 + level) if run.prediction.is_flow else y


def slope(x: Tensor, sigma: float, x0: Tensor) -> Tensor:
    """dx/dsigma of the probability flow ODE. Karras et al. 2022, arXiv:2206.00364, eq. 3."""
    return (x - x0) / sigma


def towards(x: Tensor, x0: Tensor, sigma: float, sigma_next: float) -> Tensor:
    """x after a first-order step: the exact solution if x0 stayed as it is."""
    return x0 if sigma_next == 0 else x0 + (x - x0) * (sigma_next / sigma)


@dataclass(frozen=True, slots=True)
class Ancestral:
    """A step to a level below the next one, and the noise that lifts x from there: x * scale + noise * up."""

    down: float
    up: float
    scale: float = 1.0

    def lift(self, x: Tensor, noise: Callable[[], Tensor], s_noise: float) -> Tensor:
        """x at the next level, given x at the lower one; at the end there is nothing to lift."""
        return x if self.down == 0 else x * self.scale + noise() * (self.up * s_noise)


def ancestral_levels(sigma: float, sigma_next: float, eta: float) -> tuple[float, float]:
    """(down, up) of an ancestral step: down^2 + up^2 = sigma_next^2, and no noise at all for eta 0."""
    up = min(sigma_next, eta * math.sqrt(max(0.0, sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2)))
    return math.sqrt(sigma_next**2 - up**2), up


def ancestral(run: Run, sigma: float, sigma_next: float, eta: float) -> Ancestral:
    """The ancestral step from one level to the next; in a flow signal and noise both have to be rescaled."""
    if not run.prediction.is_flow:
        return Ancestral(*ancestral_levels(sigma, sigma_next, eta))
    down = sigma_next * (1 + (sigma_next / sigma - 1) * eta)
    scale = (1 - sigma_next) / (1 - down)
    return Ancestral(down, math.sqrt(max(0.0, sigma_next**2 - (down * scale) ** 2)), scale)


def geometric_mean(a: float, b: float) -> float:
    """The level half way between two in log sigma."""
    return math.sqrt(a * b)


def matched(nodes: Sequence[float], moments: Sequence[float]) -> list[float]:
    """Weights whose sums over powers 0, 1, ... of the nodes are the moments."""
    if len(nodes) < 2:
        return list(moments)
    powers = torch.linalg.vander(torch.tensor(nodes, dtype=torch.float64)).T
    return torch.linalg.solve(powers, torch.tensor(moments, dtype=torch.float64)).tolist()


def steps(sigmas: Sequence[float]) -> list[tuple[int, float, float]]:
    """(i, sigma, sigma_next) of every step."""
    return [(i, a, b) for i, (a, b) in enumerate(pairwise(sigmas))]
