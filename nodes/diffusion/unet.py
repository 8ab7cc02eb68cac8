"""diffusers' UNet as a Network: our inputs in, float32 out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch

from nodes.diffusion.files import WeightsError
from nodes.diffusion.network import NOISE_LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor, nn

    from nodes.diffusion.families import Family
    from nodes.diffusion.network import Inputs, LatentFormat, Parametrization
    from nodes.diffusion.patches import WeightPatch
    from nodes.diffusion.preview import Factors

_SIZES = {"sdxl": 6, "sdxl_refiner": 5}
"""How many sizes a family is told beside the pooled text."""


class UNet:
    """A UNet on its device. `module` is diffusers' own, for those who hook into it.

    `approximate` makes a picture [h,w,3] of the first sample of what it predicts, quickly and roughly, where weights
    for that are at hand; `colours` gives the linear map to colours of a latent space that is the model's own.
    `noise_levels` is how many levels of noise in a small picture it can be told of (the x4 upscaler), else 0.
    `wear` makes the weights have these patches beside the model's own, until it is called again.
    """

    def __init__(
        self,
        module: nn.Module,
        family: Family,
        device: torch.device,
        dtype: torch.dtype,
        *,
        approximate: Callable[[Tensor], Tensor] | None = None,
        colours: Callable[[], Factors | None] | None = None,
        wear: Callable[[Sequence[WeightPatch]], None] | None = None,
    ) -> None:
        self.module: Any = module
        self.family = family.name
        self.title = family.title
        self.latent_format: LatentFormat = family.latent_format
        self.parametrization: Parametrization = family.parametrization
        self.device = device
        self.dtype = dtype
        self.approximate = approximate
        self.colours = colours
        self.wear = wear
        config: Mapping[str, Any] = self.module.config
        self.in_channels: int = config["in_channels"]
        self._context: int = _only(config["cross_attention_dim"])
        self._adds = config.get("addition_embed_type") == "text_time"
        label = config.get("class_embed_type") == "projection"
        told: int = config.get("projection_class_embeddings_input_dim") or 0
        self.label_width = told if label else 0
        """How many numbers a label has (unCLIP); 0 where there are none."""
        times = _SIZES.get(family.name, 0) * (config.get("addition_time_embed_dim") or 0)
        self.pooled_width = told - times if self._adds else 0
        """How many numbers the pooled text has; 0 where there is none."""
        self.noise_levels: int = config.get("num_class_embeds") or 0

    def __call__(self, x: Tensor, timestep: Tensor, inputs: Inputs) -> Tensor:
        """The network's raw output for x [B,C,h,w] at `timestep` [B], float32 in and out, on `device`."""
        if inputs.concat is not None:
            x = torch.cat([x, inputs.concat.to(x)], dim=1)
        self._check(x, inputs)
        with torch.no_grad():
            output = self.module(
                self._cast(x),
                timestep.to(self.device),
                encoder_hidden_states=self._cast(inputs.context),
                class_labels=self._labels(inputs, len(x)),
                added_cond_kwargs=self._added(inputs) if self._adds else None,
                return_dict=False,
                **self._residuals(inputs),
            )
        return output[0].float()

    def _cast(self, tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.to(self.device, self.dtype)

    def _labels(self, inputs: Inputs, count: int) -> Tensor | None:
        if self.noise_levels:
            level = (inputs.extras or {}).get(NOISE_LEVEL, 0)
            return torch.full((count,), cast("int", level), dtype=torch.long, device=self.device)
        return self._cast(inputs.pooled) if self.label_width else None

    def _added(self, inputs: Inputs) -> dict[str, Tensor | None]:
        if inputs.pooled is None or inputs.time_ids is None:
            raise WeightsError(f"{self.title} needs the pooled text beside the tokens; encode it with its own CLIP.")
        # Sizes stay float32: a width of 1023 has no bfloat16.
        return {"text_embeds": self._cast(inputs.pooled), "time_ids": inputs.time_ids.to(self.device, torch.float32)}

    def _residuals(self, inputs: Inputs) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if inputs.down_residuals is not None or inputs.mid_residual is not None:
            mid = inputs.mid_residual
            found["mid_block_additional_residual"] = self._cast(torch.zeros(()) if mid is None else mid)
            found["down_block_additional_residuals"] = tuple(self._cast(r) for r in inputs.down_residuals or ())
        if inputs.adapter_residuals is not None:
            # A list of its own: diffusers empties the one it is given.
            found["down_intrablock_additional_residuals"] = [self._cast(r) for r in inputs.adapter_residuals]
        return found

    def _check(self, x: Tensor, inputs: Inputs) -> None:
        if x.shape[1] != self.in_channels:
            raise WeightsError(
                f"This latent has {x.shape[1]} channels; {self.title} takes {self.in_channels}. "
                "Use the VAE of the same checkpoint."
            )
        if inputs.context is None:
            raise WeightsError(f"{self.title} needs a text conditioning; an empty prompt will do.")
        if inputs.context.shape[-1] != self._context:
            raise WeightsError(
                f"The text was encoded for another model: its tokens have {inputs.context.shape[-1]} channels, "
                f"{self.title} takes {self._context}. Use the CLIP of the same checkpoint."
            )


def _only(value: int | tuple[int, ...]) -> int:
    return value if isinstance(value, int) else value[0]
