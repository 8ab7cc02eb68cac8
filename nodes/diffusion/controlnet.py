"""What ControlNets add to a UNet: the hints that act at a step, each through its net, summed."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch

from nodes.diffusion.files import WeightsError
from nodes.diffusion.network import Residuals
from nodes.diffusion.regions import fit_batch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nodes.diffusion.network import Inputs
    from nodes.types import ControlHint, ControlNet


OWN_TEXT, OWN_POOLED = "cross_attn_controlnet", "pooled_output_controlnet"
"""Among a conditioning's extras: the prompt, encoded, that its ControlNets read in the place of its own."""

_LATENT_PIXEL = 8

UNION_KINDS: Mapping[str, int] = {
    "openpose": 0,
    "depth": 1,
    "hed/pidi/scribble/ted": 2,
    "canny/lineart/anime_lineart/mlsd": 3,
    "normal": 4,
    "segment": 5,
    "tile": 6,
    "repaint": 7,
}
"""What a union ControlNet's kinds of picture are counted as."""


def _with_own_text(inputs: Inputs, samples: int) -> Inputs:
    """The inputs with the prompt that was meant for ControlNets, where there is one."""
    extras = inputs.extras or {}
    text, pooled = (cast("Tensor | None", extras.get(name)) for name in (OWN_TEXT, OWN_POOLED))
    if text is None:
        return inputs
    return replace(
        inputs,
        context=fit_batch(text, samples),
        pooled=inputs.pooled if pooled is None or inputs.pooled is None else fit_batch(pooled, samples),
    )


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
        self._kinds: int = config.get("num_control_type", 0)
        self._hint_channels: int = config["conditioning_channels"]
        self._hint_scale = 2 ** (len(config["conditioning_embedding_out_channels"]) - 1)
        self._fitted: dict[tuple[int, tuple[int, ...]], tuple[ControlHint, Tensor]] = {}

    def residuals(self, hint: ControlHint, x: Tensor, timestep: Tensor, inputs: Inputs) -> Residuals:
        """What the net adds to each level on the way down and to the middle, at the hint's strength."""
        inputs = _with_own_text(inputs, len(x))
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
                added_cond_kwargs=added,
                return_dict=False,
                **self._shown(hint, x),
            )
        return Residuals([r.float() * hint.strength for r in down], mid.float() * hint.strength)

    def _shown(self, hint: ControlHint, x: Tensor) -> dict[str, Any]:
        """The picture as the net takes it; a union net is told its kind too."""
        picture = self._hint(hint, x)
        if not self._kinds:
            return {"controlnet_cond": picture}
        name = dict(hint.net.options).get("union_type", "auto")
        kind = UNION_KINDS.get(name)
        if kind is not None and kind >= self._kinds:
            raise WeightsError(f"The ControlNet {self._title} knows {self._kinds} kinds of picture; {name} is none.")
        told = torch.zeros((len(x), self._kinds), device=self.device, dtype=self.dtype)
        if kind is not None:
            told[:, kind] = 1.0
        # The row after the last kind holds zeros (see load_controlnet): left to itself the net is told nothing.
        place = self._kinds if kind is None else kind
        return {"controlnet_cond": [picture], "control_type": told, "control_type_idx": [place]}

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


class AdapterModel:
    """A T2I-Adapter on its device: what it adds depends on the picture only."""

    def __init__(self, module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        self.module: Any = module
        self.device = device
        self.dtype = dtype
        self._channels: int = self.module.config["in_channels"]
        self._known: dict[tuple[int, tuple[int, ...]], tuple[ControlHint, list[Tensor]]] = {}

    def residuals(self, hint: ControlHint, x: Tensor, timestep: Tensor, inputs: Inputs) -> Residuals:  # noqa: ARG002
        """What the adapter adds inside each level on the way down, at the hint's strength."""
        key = (id(hint), tuple(x.shape))
        if key not in self._known:
            size = x.shape[-2] * _LATENT_PIXEL, x.shape[-1] * _LATENT_PIXEL
            picture = _fit(hint.image.movedim(-1, 1)[:, :3], size)
            if self._channels == 1:
                picture = picture.mean(1, keepdim=True)
            picture = picture.repeat(-(-len(x) // len(picture)), 1, 1, 1)[: len(x)]
            with torch.no_grad():
                self._known[key] = (hint, list(self.module(picture.to(self.device, self.dtype))))
        return Residuals(adapter=[feature.float() * hint.strength for feature in self._known[key][1]])


class ActiveControls:
    """The control networks of a run, on the device; implements the sampler's `Controls`."""

    def __init__(self, nets: Mapping[ControlNet, ControlModel | AdapterModel]) -> None:
        self._nets = nets

    def __call__(self, hints: Sequence[ControlHint], x: Tensor, timestep: Tensor, inputs: Inputs) -> Residuals:
        """Residuals for the hints that act now, summed."""
        found = [self._nets[hint.net].residuals(hint, x, timestep, inputs) for hint in hints]
        mids = [r.mid for r in found if r.mid is not None]
        return Residuals(
            _summed([r.down for r in found if r.down is not None]),
            functools.reduce(operator.add, mids) if mids else None,
            _summed([r.adapter for r in found if r.adapter is not None]),
        )


def _summed(each: Sequence[Sequence[Tensor]]) -> list[Tensor] | None:
    """Lists of tensors added up, place by place."""
    return [functools.reduce(operator.add, level) for level in zip(*each, strict=True)] if each else None


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
