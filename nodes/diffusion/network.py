"""The seam between weights and sampling: a denoising network on its device, ready to be called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from torch import Tensor

    from nodes.types import ControlHint

PredictionKind = Literal["eps", "v", "flow", "edm", "x0", "lcm", "picture"]
LevelsKind = Literal["table", "distilled", "edm", "angular", "flow", "flux", "cascade"]


@dataclass(frozen=True, slots=True)
class LatentFormat:
    """How a VAE's space maps to the one the network works in: inside = (outside - shift) * scale."""

    channels: int = 4
    scale: float = 0.18215
    shift: float = 0.0
    downscale: int = 8

    def process_in(self, samples: Tensor) -> Tensor:
        """The VAE's samples as the network sees them."""
        return (samples - self.shift) * self.scale

    def process_out(self, samples: Tensor) -> Tensor:
        """The network's samples as the VAE sees them."""
        return samples / self.scale + self.shift


@dataclass(frozen=True, slots=True)
class Parametrization:
    """What a network predicts, and the noise levels it was trained on.

    `kind` is what comes out of the network. Discrete families (eps, v) have a table of `timesteps` levels from the
    scaled-linear betas; `zero_snr` rescales it to zero terminal SNR. Flow families use `shift` and `multiplier`.
    `levels` names another set of noise levels than the kind's usual one (table, or flow): continuous ones lie between
    `sigma_min` and `sigma_max`, for pictures of standard deviation `sigma_data`; for "flux" the shift is mu.
    """

    kind: PredictionKind = "eps"
    beta_start: float = 0.00085
    beta_end: float = 0.012
    timesteps: int = 1000
    zero_snr: bool = False
    shift: float = 1.0
    multiplier: float = 1000.0
    levels: LevelsKind | None = None
    sigma_min: float = 0.002
    sigma_max: float = 120.0
    sigma_data: float = 1.0


@dataclass(frozen=True, slots=True)
class Inputs:
    """What one call of a network takes beside x and t, for a batch of B.

    `context` [B,T,D]; `pooled` [B,P] with `time_ids` [B,6] for families that take them; `concat` [B,C',h,w] joins x on
    the channel axis; `residuals` are ControlNet outputs already summed: down-block list and the middle block's.
    `sides` says whose the batch is, a name for each of its equal parts in order, and `sigma` the noise level.
    """

    context: Tensor | None
    pooled: Tensor | None = None
    time_ids: Tensor | None = None
    concat: Tensor | None = None
    down_residuals: Sequence[Tensor] | None = None
    mid_residual: Tensor | None = None
    adapter_residuals: Sequence[Tensor] | None = None
    extras: Mapping[str, object] | None = None
    sides: tuple[str, ...] = ()
    sigma: float = 0.0


SELF_ATTENTION = "self_attention"
"""Among the extras: "values" asks for the middle without self-attention, where each place keeps its own value."""

SKIPPED_BLOCKS = "skipped_blocks"
"""Among the extras: numbers of transformer blocks to leave out."""

NOISE_LEVEL = "noise_level"
"""Among the extras: how much noise is in the picture beside the latent, for those that are told (the x4 upscaler)."""

WATCH = "watch"
"""Among the extras: a `Watched` to note the middle's self-attention in."""


@dataclass(slots=True)
class Watched:
    """How much attention each place of the middle gets from all others, [B,h,w] for each side."""

    attention: dict[str, Tensor] = field(default_factory=dict)


class Network(Protocol):
    """A denoising network whose weights are on the device with all patches applied."""

    family: str
    latent_format: LatentFormat
    parametrization: Parametrization
    device: torch.device
    dtype: torch.dtype
    in_channels: int

    def __call__(self, x: Tensor, timestep: Tensor, inputs: Inputs) -> Tensor:
        """The network's raw output for x [B,C,h,w] at `timestep` [B], float32 in and out, on `device`."""
        ...


@dataclass(frozen=True, slots=True)
class Residuals:
    """What control networks add to a denoising network, summed over all of them and with their strengths applied."""

    down: Sequence[Tensor] | None = None
    mid: Tensor | None = None
    adapter: Sequence[Tensor] | None = None


class Controls(Protocol):
    """The control networks of a run, on the device."""

    def __call__(self, hints: Sequence[ControlHint], x: Tensor, timestep: Tensor, inputs: Inputs) -> Residuals:
        """Residuals for the hints that act now; the arguments are those the denoising network is about to get.

        Hints are fitted to x: a region of the picture gets the whole hint, as it gets a whole prompt.
        """
        ...
