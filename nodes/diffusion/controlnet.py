"""What ControlNets add to a UNet: the hints that act at a step, each through its net, summed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from nodes.diffusion.files import WeightsError
from nodes.diffusion.network import Residuals

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nodes.diffusion.network import Inputs
    from nodes.types import ControlHint, ControlNet


class ControlModel:
    """A ControlNet on its device."""

    def __init__(self, module: nn.Module, device: torch.device, dtype: torch.dtype, title: str) -> None:
        self.module: Any = module
        self.device = device
        self.dtype = dtype
        self._title = title
        config = self.module.config
        self._channels: int = config["in_channels"]
        self._context: int = config["cross_attention_dim"]
        self._adds = config.get("addition_embed_type") == "text_time"
        self._hint_channels: int = config["conditioning_channels"]
        self._hint_scale = 2 ** (len(config["conditioning_embedding_out_channels"]) - 1)
        self._fitted: dict[tuple[int, tuple[int, ...]], tuple[ControlHint, Tensor]] = {}

    def residuals(self, hint: ControlHint, x: Tensor, timestep: Tensor, inputs: Inputs) -> tuple[list[Tensor], Tensor]:
        """What the net adds to each level on the way down and to the middle, at the hint's strength."""
        self._check(x, inputs)
        added = None
        if self._adds and inputs.pooled is not None and inputs.time_ids is not None:
            added = {
                "text_embeds": inputs.pooled.to(self.device, self.dtype),
                "time_ids": inputs.time_ids.to(self.device, torch.float32),
            }
        assert inputs.context is not None
        with torch.no_grad():
            down, mid = self.module(
                x[:, : self._channels].to(self.device, self.dtype),
                timestep.to(self.device),
                encoder_hidden_states=inputs.context.to(self.device, self.dtype),
                controlnet_cond=self._hint(hint, x),
                conditioning_scale=1.0,
                added_cond_kwargs=added,
                return_dict=False,
            )
        return [r.float() * hint.strength for r in down], mid.float() * hint.strength

    def _hint(self, hint: ControlHint, x: Tensor) -> Tensor:
        """The hint's picture at the size of x, [B,C,H,W] in 0..1: cut to its shape at the centre, nearest pixels."""
        key = (id(hint), tuple(x.shape))
        if key not in self._fitted:
            size = x.shape[-2] * self._hint_scale, x.shape[-1] * self._hint_scale
            picture = _fit(hint.image.movedim(-1, 1)[:, : self._hint_channels], size)
            repeats = -(-len(x) // len(picture))
            picture = picture.repeat(repeats, 1, 1, 1)[: len(x)]
            # The hint is kept too, so that its id stays its own.
            self._fitted[key] = (hint, picture.to(self.device, self.dtype))
        return self._fitted[key][1]

    def _check(self, x: Tensor, inputs: Inputs) -> None:
        width = None if inputs.context is None else inputs.context.shape[-1]
        if width != self._context or x.shape[1] < self._channels:
            raise WeightsError(
                f"The ControlNet {self._title} is made for another model family: it takes text of {self._context} "
                f"channels, this model's has {width}."
            )


class ActiveControls:
    """The control networks of a run, on the device; implements the sampler's `Controls`."""

    def __init__(self, nets: Mapping[ControlNet, ControlModel]) -> None:
        self._nets = nets

    def __call__(self, hints: Sequence[ControlHint], x: Tensor, timestep: Tensor, inputs: Inputs) -> Residuals:
        """Residuals for the hints that act now, summed."""
        down: list[Tensor] | None = None
        mid: Tensor | None = None
        for hint in hints:
            more, middle = self._nets[hint.net].residuals(hint, x, timestep, inputs)
            if down is None or mid is None:
                down, mid = more, middle
            else:
                down = [a + b for a, b in zip(down, more, strict=True)]
                mid = mid + middle
        return Residuals(down, mid)


def _fit(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """[B,C,H,W] cut evenly to the shape of `size`, then resized to it."""
    height, width = picture.shape[-2:]
    if width * size[0] > height * size[1]:
        margin = round((width - width * (size[1] / size[0]) * (height / width)) / 2)
        picture = picture[..., margin : width - margin]
    elif width * size[0] < height * size[1]:
        margin = round((height - height * (size[0] / size[1]) * (width / height)) / 2)
        picture = picture[..., margin : height - margin, :]
    return torch.nn.functional.interpolate(picture.float(), size, mode="nearest-exact")
