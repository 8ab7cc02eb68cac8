"""Networks whose right answers are known in closed form, and that remember how they were asked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nodes.diffusion.network import Inputs, LatentFormat, Parametrization
from nodes.diffusion.prediction import Prediction, prediction
from nodes.types import Cond, Conditioning


def gaussian_x0(x: Tensor, sigma: float, mean: float | Tensor, std: float, *, flow: bool = False) -> Tensor:
    """The posterior mean of a picture whose pixels are N(mean, std^2), given its noisy version."""
    signal = 1 - sigma if flow else 1.0
    gain = std**2 * signal / (std**2 * signal**2 + sigma**2)
    return mean + gain * (x - signal * mean)


def ode_solution(x: Tensor, start: float, end: float, mean: float, std: float, *, flow: bool = False) -> Tensor:
    """Where the probability flow ODE for such pictures leads: deviations scale with the spread of each level."""

    def spread(sigma: float) -> float:
        return math.hypot(std * (1 - sigma), sigma) if flow else math.hypot(std, sigma)

    def centre(sigma: float) -> float:
        return mean * (1 - sigma) if flow else mean

    return centre(end) + (x - centre(start)) * (spread(end) / spread(start))


@dataclass
class ToyNetwork:
    """A network that paints N(context mean, std^2), in any parametrization. It is exact, so samplers can be judged."""

    parametrization: Parametrization = field(default_factory=Parametrization)
    std: float = 0.5
    family: str = "sd15"
    latent_format: LatentFormat = field(default_factory=lambda: LatentFormat(scale=0.5))
    in_channels: int = 4
    fits: int = 1000
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    calls: list[tuple[Tensor, Tensor, Inputs]] = field(default_factory=list)

    @property
    def prediction(self) -> Prediction:
        return prediction(self.parametrization)

    def __call__(self, x: Tensor, timestep: Tensor, inputs: Inputs) -> Tensor:
        if len(x) > self.fits:
            raise torch.OutOfMemoryError("toy")
        self.calls.append((x, timestep, inputs))
        levels, flow = self.prediction.levels, self.prediction.is_flow
        sigma = float(timestep[0]) / self.parametrization.multiplier if flow else levels.sigma(float(timestep[0]))
        noisy = x if flow else x * math.sqrt(sigma**2 + self.prediction.sigma_data**2)
        assert inputs.context is not None
        mean = inputs.context.mean((1, 2))[:, None, None, None]
        x0 = gaussian_x0(noisy, sigma, mean, self.std, flow=flow)
        return self._output(x0, noisy, sigma)

    def _output(self, x0: Tensor, noisy: Tensor, sigma: float) -> Tensor:
        match self.parametrization.kind:
            case "eps" | "flow":
                return (noisy - x0) / sigma
            case "v":
                return (noisy / (sigma**2 + 1) - x0) * (math.sqrt(sigma**2 + 1) / sigma)
            case "x0":
                return x0
            case kind:
                raise AssertionError(f"the toy does not know {kind}")


def saying(value: float, *, length: int = 77, **facts: object) -> Conditioning:
    """A conditioning under which the toy network paints this value."""
    return Conditioning((piece(value, length=length, **facts),))


def piece(value: float, *, length: int = 77, **facts: object) -> Cond:
    """One piece of such a conditioning."""
    return Cond(torch.full((1, length, 8), value)).having(**facts)
