"""What a model handle's options mean for sampling. Nodes set them, samplers read them; values stay comparable."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from nodes.diffusion import families
from nodes.diffusion.guidance_changes import hooks_named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from nodes.diffusion.guidance import Hooks
    from nodes.diffusion.network import LatentFormat, Parametrization
    from nodes.diffusion.prediction import Prediction
    from nodes.types import Model

_PARAMETRIZATION = "parametrization"
_GUIDANCE = "guidance"
_DIFFERENTIAL = "differential_diffusion"
_UNET = "unet_patches"
_DTYPE = "dtype"
_COMPILER = "compiler"


def parametrization(model: Model) -> Parametrization:
    """What the model predicts over which noise levels: its family's, its file's and its handle's word on it."""
    family = families.with_facts(families.family_named(model.source.family), dict(model.source.options))
    return replace(family.parametrization, **dict(model.option(_PARAMETRIZATION, ())))


def latent_format(model: Model) -> LatentFormat:
    """The latent space that the model works in."""
    return families.with_facts(families.family_named(model.source.family), dict(model.source.options)).latent_format


def with_parametrization(model: Model, **changes: object) -> Model:
    """A handle under which the model is sampled with these fields of its parametrization changed."""
    return model.with_option(_PARAMETRIZATION, tuple({**dict(model.option(_PARAMETRIZATION, ())), **changes}.items()))


def hooks(model: Model) -> Hooks:
    """The changes to guidance that the handle names."""
    return hooks_named((name, dict(parameters)) for name, parameters in model.option(_GUIDANCE, ()))


def with_guidance(model: Model, name: str, **parameters: object) -> Model:
    """A handle with one more change to guidance, after those it has."""
    return model.with_option(_GUIDANCE, (*model.option(_GUIDANCE, ()), (name, tuple(parameters.items()))))


def with_differential(model: Model, strength: float) -> Model:
    """A handle under which a soft mask says from which step on each place may change."""
    return model.with_option(_DIFFERENTIAL, strength)


def mask_hook(model: Model, prediction: Prediction, sigmas: Tensor) -> Callable[[float, Tensor], Tensor] | None:
    """What the handle does to noise masks over a run of these levels; None where it leaves them alone."""
    strength = model.option(_DIFFERENTIAL)
    if strength is None or len(sigmas) < 2:
        return None
    timestep = prediction.levels.timestep
    first, last = timestep(float(sigmas[0])), timestep(max(prediction.sigma_min, float(sigmas[-1])))

    def differential(sigma: float, mask: Tensor) -> Tensor:
        # Differential diffusion, arXiv:2306.00950: a place joins once its value reaches what is left of the way.
        joined = (mask >= (timestep(sigma) - last) / ((first - last) or 1)).to(mask.dtype)
        return joined * strength + mask * (1 - strength)

    return differential


def with_unet_patch(model: Model, name: str, **parameters: object) -> Model:
    """A handle with one more change to how the UNet computes, after those it has."""
    return model.with_option(_UNET, (*model.option(_UNET, ()), (name, tuple(parameters.items()))))


def unet_patches(model: Model) -> list[tuple[str, Mapping[str, object]]]:
    """The changes to how the UNet computes that the handle names."""
    return [(name, dict(parameters)) for name, parameters in model.option(_UNET, ())]


def with_dtype(model: Model, dtype: str | None) -> Model:
    """A handle whose network computes in this precision; None leaves it to the device."""
    return model.with_option(_DTYPE, dtype)


def dtype(model: Model) -> torch.dtype | None:
    """The precision that the handle asks for."""
    names = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
    return names.get(model.option(_DTYPE))


def with_compiler(model: Model, backend: str) -> Model:
    """A handle whose network is compiled by this backend of torch.compile."""
    return model.with_option(_COMPILER, backend)


def compiler(model: Model) -> str | None:
    """The backend that compiles the network, if any does."""
    return model.option(_COMPILER)
