"""What a model predicts, and over which noise levels: changes to the handle, none to the weights."""

from __future__ import annotations

from typing import Annotated

from nodes.define import node
from nodes.diffusion import options
from nodes.types import Model
from nodes.widgets import Choice, Range, Spare

_ADVANCED = "advanced/model"

_Shift = Annotated[float, Range(0.0, 100.0, step=0.01)]
_Level = Annotated[float, Range(0.0, 1000.0, step=0.001)]
_KINDS = {"eps": "eps", "v_prediction": "v", "lcm": "lcm", "x0": "x0", "img_to_img": "picture", "edm": "edm"}


@node(id="ModelSamplingDiscrete", category=_ADVANCED)
def model_sampling_discrete(
    *,
    model: Model,
    sampling: Annotated[str, Choice(("eps", "v_prediction", "lcm", "x0", "img_to_img"))] = "eps",
    zsnr: bool = False,
) -> Model:
    """Say what the model predicts, over the table of noise levels. `zsnr`: the last one leaves no signal."""
    levels = "distilled" if sampling == "lcm" else None
    return options.with_parametrization(model, kind=_KINDS[sampling], zero_snr=zsnr, levels=levels)


@node(id="ModelSamplingContinuousEDM", category=_ADVANCED)
def model_sampling_continuous_edm(
    *,
    model: Model,
    sampling: Annotated[str, Choice(("v_prediction", "edm", "eps"))] = "v_prediction",
    sigma_max: _Level = 120.0,
    sigma_min: _Level = 0.002,
) -> Model:
    """Say what the model predicts, over continuous noise levels told as log(sigma) / 4."""
    return options.with_parametrization(
        model,
        kind=_KINDS[sampling],
        levels="edm",
        sigma_min=sigma_min,
        sigma_max=sigma_max,
        sigma_data=0.5 if sampling == "edm" else 1.0,
    )


@node(id="ModelSamplingContinuousV", category=_ADVANCED)
def model_sampling_continuous_v(
    *,
    model: Model,
    sampling: Annotated[str, Choice(("v_prediction",))] = "v_prediction",
    sigma_max: _Level = 500.0,
    sigma_min: _Level = 0.03,
) -> Model:
    """Say that the model predicts v, over continuous noise levels told as angles."""
    kind = _KINDS[sampling]
    return options.with_parametrization(model, kind=kind, levels="angular", sigma_min=sigma_min, sigma_max=sigma_max)


@model_sampling_continuous_edm.check
@model_sampling_continuous_v.check
def _levels_in_order(sigma_max: float | None = None, sigma_min: float | None = None) -> list[str]:
    if sigma_max is None or sigma_min is None or 0 < sigma_min < sigma_max:
        return []
    return [f"sigma_min is {sigma_min} and sigma_max {sigma_max}; they must be above 0 and in this order."]


@node(id="ModelSamplingStableCascade", category=_ADVANCED)
def model_sampling_stable_cascade(*, model: Model, shift: _Shift = 2.0) -> Model:
    """Noise levels of a cosine schedule, shifted."""
    return options.with_parametrization(model, kind="eps", levels="cascade", shift=shift)


@node(id="ModelSamplingSD3", category=_ADVANCED)
def model_sampling_sd3(*, model: Model, shift: _Shift = 3.0) -> Model:
    """Noise levels of a rectified flow, shifted; the model is told timesteps up to 1000."""
    return options.with_parametrization(model, kind="flow", levels="flow", shift=shift, multiplier=1000.0)


@node(id="ModelSamplingAuraFlow", category=_ADVANCED)
def model_sampling_aura_flow(*, model: Model, shift: _Shift = 1.73) -> Model:
    """Noise levels of a rectified flow, shifted; the model is told the levels themselves."""
    return options.with_parametrization(model, kind="flow", levels="flow", shift=shift, multiplier=1.0)


@model_sampling_stable_cascade.check
@model_sampling_sd3.check
@model_sampling_aura_flow.check
def _shift_above_zero(shift: float | None = None) -> list[str]:
    return ["shift is 0; it must be above 0."] if shift == 0 else []


_SMALL_PICTURE, _LARGE_PICTURE = 256, 4096
"""Tokens of the pictures that the base and the maximal shift of Flux are for."""


@node(id="ModelSamplingFlux", category=_ADVANCED)
def model_sampling_flux(
    *,
    model: Model,
    max_shift: _Shift = 1.15,
    base_shift: _Shift = 0.5,
    width: Annotated[int, Range(16, 16384, step=8)] = 1024,
    height: Annotated[int, Range(16, 16384, step=8)] = 1024,
) -> Model:
    """Noise levels of Flux, shifted the more the larger the picture."""
    slope = (max_shift - base_shift) / (_LARGE_PICTURE - _SMALL_PICTURE)
    mu = (width * height / 256) * slope + base_shift - slope * _SMALL_PICTURE
    return options.with_parametrization(model, kind="flow", levels="flux", shift=mu, multiplier=1.0)


@node(id="DifferentialDiffusion", title="Differential Diffusion", category="_for_testing", experimental=True)
def differential_diffusion(
    *, model: Model, strength: Annotated[float, Range(0.0, 1.0, step=0.01), Spare] = 1.0
) -> Model:
    """Let a soft mask say from which step on each place may change."""
    return options.with_differential(model, strength)
