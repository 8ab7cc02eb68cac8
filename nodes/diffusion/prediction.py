"""What a network's output means: its noise levels, its timesteps, and how raw output becomes the clean picture x0."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from nodes.diffusion.network import Parametrization, PredictionKind

BEFORE_EVERYTHING = 999999999.9
"""The noise level of 0 percent for models whose levels have no upper end."""

_ZERO_SNR_LAST_ALPHA = 4.8973451890853435e-08
_LCM_STEPS = 50
_CASCADE_STEPS = 10_000
_FLUX_STEPS = 10_000
_FLOW_STEPS = 1000


class Levels(Protocol):
    """Noise levels a network was trained on, and the timesteps it knows them by."""

    @property
    def table(self) -> Tensor:
        """The levels in rising order, float32 [N]."""
        ...

    def timestep(self, sigma: float) -> float:
        """The timestep the network is told for this noise level."""
        ...

    def sigma(self, timestep: float) -> float:
        """The noise level of a timestep, which may lie between two trained ones."""
        ...

    def at_percent(self, percent: float) -> float:
        """The noise level after this share of the way, for shares strictly between 0 and 1."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TableLevels:
    """Levels of a discrete diffusion: a table, of which every `stride`-th entry has a timestep of its own.

    Timesteps are whole: a level in between is told as its nearest neighbour's, by the distance of logarithms.
    """

    table: Tensor
    logs: Tensor
    stride: int = 1

    def timestep(self, sigma: float) -> float:
        distance = (torch.tensor(sigma, dtype=torch.float32).log() - self.logs).abs()
        return float(int(distance.argmin()) * self.stride + self.stride - 1)

    def sigma(self, timestep: float) -> float:
        position = torch.tensor(timestep, dtype=torch.float32)
        position = ((position - (self.stride - 1)) / self.stride).clamp(0, len(self.logs) - 1)
        low, high, part = int(position.floor()), int(position.ceil()), position.frac()
        return float(((1 - part) * self.logs[low] + part * self.logs[high]).exp())

    def at_percent(self, percent: float) -> float:
        return self.sigma((1.0 - percent) * 999.0)


@dataclass(frozen=True, slots=True, eq=False)
class LogLevels:
    """Continuous levels, even in log sigma; the network is told log(sigma)/4 (EDM), or an angle (v)."""

    sigma_min: float
    sigma_max: float
    angular: bool

    @property
    def table(self) -> Tensor:
        return torch.linspace(math.log(self.sigma_min), math.log(self.sigma_max), 1000).exp()

    def timestep(self, sigma: float) -> float:
        return math.atan(sigma) / math.pi * 2 if self.angular else 0.25 * math.log(sigma)

    def sigma(self, timestep: float) -> float:
        return math.tan(timestep * math.pi / 2) if self.angular else math.exp(timestep / 0.25)

    def at_percent(self, percent: float) -> float:
        low = math.log(self.sigma_min)
        return math.exp((math.log(self.sigma_max) - low) * (1.0 - percent) + low)


@dataclass(frozen=True, slots=True, eq=False)
class FlowLevels:
    """Levels of a rectified flow: 0 is the picture, 1 is noise; `shift` holds the path longer at high noise."""

    shift: float
    multiplier: float

    @property
    def table(self) -> Tensor:
        t = torch.arange(1, _FLOW_STEPS + 1) / _FLOW_STEPS
        return self.shift * t / (1 + (self.shift - 1) * t)

    def timestep(self, sigma: float) -> float:
        return sigma * self.multiplier

    def sigma(self, timestep: float) -> float:
        return self.at_percent(1.0 - timestep / self.multiplier)

    def at_percent(self, percent: float) -> float:
        t = 1.0 - percent
        return self.shift * t / (1 + (self.shift - 1) * t)


@dataclass(frozen=True, slots=True, eq=False)
class FluxLevels:
    """Levels of a rectified flow whose shift is exp(mu); the network is told the level itself."""

    mu: float

    @property
    def table(self) -> Tensor:
        t = torch.arange(1, _FLUX_STEPS + 1) / _FLUX_STEPS
        return math.exp(self.mu) / (math.exp(self.mu) + (1 / t - 1))

    def timestep(self, sigma: float) -> float:
        return sigma

    def sigma(self, timestep: float) -> float:
        return math.exp(self.mu) / (math.exp(self.mu) + (1 / timestep - 1)) if timestep > 0 else 0.0

    def at_percent(self, percent: float) -> float:
        return self.sigma(1.0 - percent)


@dataclass(frozen=True, slots=True, eq=False)
class CascadeLevels:
    """Levels of a cosine schedule shifted in log-SNR (Wuerstchen, arXiv:2306.00637)."""

    shift: float
    offset: float = 8e-3

    @property
    def _first(self) -> float:
        return math.cos(self.offset / (1 + self.offset) * math.pi / 2) ** 2

    @property
    def table(self) -> Tensor:
        return torch.tensor([self.sigma((i + 1) / _CASCADE_STEPS) for i in range(_CASCADE_STEPS)])

    def sigma(self, timestep: float) -> float:
        angle = (timestep + self.offset) / (1 + self.offset) * math.pi / 2
        kept = min(max(math.cos(angle) ** 2 / self._first, 0.0001), 0.9999)
        log_snr = math.log(kept / (1 - kept)) + 2 * math.log(1 / self.shift)
        kept = 1 / (1 + math.exp(-log_snr))
        return math.sqrt((1 - kept) / kept)

    def timestep(self, sigma: float) -> float:
        log_snr = math.log(1 / sigma**2) - 2 * math.log(1 / self.shift)
        kept = 1 / (1 + math.exp(-log_snr))
        angle = math.acos(min(1.0, math.sqrt(kept * self._first)))
        return angle / (math.pi / 2) * (1 + self.offset) - self.offset

    def at_percent(self, percent: float) -> float:
        return self.sigma(1.0 - percent)


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a network predicts over which noise levels; `is_flow` says whether noise replaces the picture or joins it.

    In a flow x = sigma * noise + (1 - sigma) * picture, otherwise x = picture + sigma * noise.
    """

    kind: PredictionKind
    levels: Levels
    sigma_min: float
    sigma_max: float
    sigma_data: float = 1.0

    @property
    def is_flow(self) -> bool:
        return self.kind == "flow"

    def percent_to_sigma(self, percent: float) -> float:
        """The noise level after `percent` (0..1) of sampling, counted in timesteps."""
        if percent <= 0.0:
            return 1.0 if self.is_flow else BEFORE_EVERYTHING
        return 0.0 if percent >= 1.0 else self.levels.at_percent(percent)

    def scale_input(self, x: Tensor, sigma: float) -> Tensor:
        """The noisy picture as the network wants to see it: of unit variance, where the kind says so."""
        return x if self.is_flow or self.kind == "picture" else x / math.sqrt(sigma**2 + self.sigma_data**2)

    def denoised(self, output: Tensor, x: Tensor, sigma: float) -> Tensor:
        """x0, from the network's output for the noisy picture x."""
        data = self.sigma_data
        if self.kind in ("eps", "flow"):
            return x - output * sigma
        if self.kind in ("x0", "picture"):
            return output
        if self.kind == "lcm":
            return self._consistent(x - output * sigma, x, sigma)
        sign = 1.0 if self.kind == "edm" else -1.0
        total = sigma**2 + data**2
        return x * (data**2 / total) + output * (sign * sigma * data / math.sqrt(total))

    def _consistent(self, x0: Tensor, x: Tensor, sigma: float) -> Tensor:
        """The boundary condition of latent consistency models (arXiv:2310.04378, eq. 9)."""
        time, data = self.levels.timestep(sigma) * 10.0, 0.5
        total = time**2 + data**2
        return x0 * (time / math.sqrt(total)) + x * (data**2 / total)

    def add_noise(self, latent: Tensor, noise: Tensor, sigma: float, *, from_pure_noise: bool = False) -> Tensor:
        """The latent at this noise level; at the top level a diffusion's x has variance 1 + sigma^2."""
        if self.is_flow:
            return noise * sigma + latent * (1.0 - sigma)
        return latent + noise * (math.sqrt(1.0 + sigma**2) if from_pure_noise else sigma)

    def undo_scaling(self, x: Tensor, sigma: float) -> Tensor:
        """What sampling gives when it stops at `sigma`, as a latent that can be taken up again."""
        return x / (1.0 - sigma) if self.is_flow and sigma < 1.0 else x

    def starts_from_pure_noise(self, sigma: float) -> bool:
        """Whether a run from this level leaves nothing of the latent it is given."""
        return sigma > self.sigma_max or math.isclose(sigma, self.sigma_max, rel_tol=1e-5)


@lru_cache(maxsize=32)
def prediction(of: Parametrization) -> Prediction:
    """The prediction that a parametrization describes."""
    levels = _levels(of)
    table = levels.table
    return Prediction(of.kind, levels, float(table[0]), float(table[-1]), of.sigma_data)


def _levels(of: Parametrization) -> Levels:
    name = of.levels or ("flow" if of.kind == "flow" else "table")
    if name == "flow":
        return FlowLevels(of.shift, of.multiplier)
    if name == "flux":
        return FluxLevels(of.shift)
    if name == "cascade":
        return CascadeLevels(of.shift)
    if name in ("edm", "angular"):
        return LogLevels(of.sigma_min, of.sigma_max, angular=name == "angular")
    return _discrete(of, distilled=name == "distilled")


def _discrete(of: Parametrization, *, distilled: bool) -> TableLevels:
    betas = torch.linspace(of.beta_start**0.5, of.beta_end**0.5, of.timesteps, dtype=torch.float64) ** 2
    kept = (1.0 - betas).cumprod(0)
    sigmas = ((1.0 - kept) / kept).sqrt()
    if of.zero_snr:
        sigmas = zero_terminal_snr(sigmas)
    stride = of.timesteps // _LCM_STEPS if distilled else 1
    sigmas = sigmas[stride - 1 :: stride]
    return TableLevels(sigmas.float(), sigmas.log().float(), stride)


def zero_terminal_snr(sigmas: Tensor) -> Tensor:
    """Levels rescaled so that the last leaves (almost) no signal (arXiv:2305.08891, algorithm 1)."""
    root = (1.0 / (sigmas**2 + 1.0)).sqrt()
    first, last = root[0].clone(), root[-1].clone()
    kept = ((root - last) * first / (first - last)) ** 2
    kept[-1] = _ZERO_SNR_LAST_ALPHA
    return ((1.0 - kept) / kept).sqrt()
