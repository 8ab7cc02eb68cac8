"""Sampling algorithms with their parameters."""

from __future__ import annotations

from typing import Annotated

from nodes.define import node
from nodes.diffusion import options
from nodes.diffusion.prediction import prediction
from nodes.diffusion.samplers import NAMES
from nodes.types import Model, Sampler
from nodes.widgets import Choice, Range

_CATEGORY = "sampling/custom_sampling/samplers"

_Amount = Annotated[float, Range(0.0, 100.0, step=0.01)]
_Device = Annotated[str, Choice(("gpu", "cpu"))]


def _sampler(name: str, **parameters: float | str | bool | None) -> Sampler:
    return Sampler(name, tuple(parameters.items()))


def _on(device: str, name: str) -> str:
    return f"{name}_gpu" if device == "gpu" else name


@node(id="KSamplerSelect", category=_CATEGORY)
def ksampler_select(*, sampler_name: Annotated[str, Choice(NAMES)] = "euler") -> Sampler:
    """A sampler by its name."""
    return Sampler(sampler_name)


@node(id="SamplerEulerAncestral", category=_CATEGORY)
def sampler_euler_ancestral(*, eta: _Amount = 1.0, s_noise: _Amount = 1.0) -> Sampler:
    """Ancestral Euler: `eta` is how much of the noise is renewed."""
    return _sampler("euler_ancestral", eta=eta, s_noise=s_noise)


@node(id="SamplerEulerAncestralCFGPP", title="SamplerEulerAncestralCFG++", category=_CATEGORY)
def sampler_euler_ancestral_cfg_pp(
    *,
    eta: Annotated[float, Range(0.0, 1.0, step=0.01)] = 1.0,
    s_noise: Annotated[float, Range(0.0, 10.0, step=0.01)] = 1.0,
) -> Sampler:
    """Ancestral Euler with CFG++; use a low cfg."""
    return _sampler("euler_ancestral_cfg_pp", eta=eta, s_noise=s_noise)


@node(id="SamplerEulerCFGpp", title="SamplerEulerCFG++", category="_for_testing", experimental=True)
def sampler_euler_cfg_pp(*, version: Annotated[str, Choice(("regular", "alternative"))] = "regular") -> Sampler:
    """Euler with CFG++; use a low cfg."""
    return _sampler("euler_cfg_pp", alternative=version == "alternative")


@node(id="SamplerLCMUpscale", category=_CATEGORY)
def sampler_lcm_upscale(
    *,
    scale_ratio: Annotated[float, Range(0.1, 20.0, step=0.01)] = 1.0,
    scale_steps: Annotated[int, Range(-1, 1000, step=1)] = -1,
    upscale_method: Annotated[str, Choice(("bislerp", "nearest-exact", "bilinear", "area", "bicubic"))] = "bislerp",
) -> Sampler:
    """LCM that grows the picture on its way, over the first `scale_steps` steps (-1: over the first half)."""
    steps = None if scale_steps < 0 else scale_steps
    return _sampler("lcm_upscale", scale=scale_ratio, growing=steps, method=upscale_method)


@node(id="SamplerLMS", category=_CATEGORY)
def sampler_lms(*, order: Annotated[int, Range(1, 100)] = 4) -> Sampler:
    """Linear multistep over the last `order` steps."""
    return _sampler("lms", order=order)


@node(id="SamplerDPMPP_3M_SDE", category=_CATEGORY)
def sampler_dpmpp_3m_sde(*, eta: _Amount = 1.0, s_noise: _Amount = 1.0, noise_device: _Device = "gpu") -> Sampler:
    """SDE-DPM-Solver++(3M). Noise is drawn on the CPU on every device, so that a seed gives one picture."""
    return _sampler(_on(noise_device, "dpmpp_3m_sde"), eta=eta, s_noise=s_noise)


@node(id="SamplerDPMPP_2M_SDE", category=_CATEGORY)
def sampler_dpmpp_2m_sde(
    *,
    solver_type: Annotated[str, Choice(("midpoint", "heun"))] = "midpoint",
    eta: _Amount = 1.0,
    s_noise: _Amount = 1.0,
    noise_device: _Device = "gpu",
) -> Sampler:
    """SDE-DPM-Solver++(2M). Noise is drawn on the CPU on every device, so that a seed gives one picture."""
    return _sampler(_on(noise_device, "dpmpp_2m_sde"), eta=eta, s_noise=s_noise, solver_type=solver_type)


@node(id="SamplerDPMPP_SDE", category=_CATEGORY)
def sampler_dpmpp_sde(
    *, eta: _Amount = 1.0, s_noise: _Amount = 1.0, r: _Amount = 0.5, noise_device: _Device = "gpu"
) -> Sampler:
    """Stochastic DPM-Solver++. Noise is drawn on the CPU on every device, so that a seed gives one picture."""
    return _sampler(_on(noise_device, "dpmpp_sde"), eta=eta, s_noise=s_noise, r=r)


@sampler_dpmpp_sde.check
def _middle_inside(r: float | None = None) -> list[str]:
    return ["r is 0; the second evaluation must lie after the first."] if r == 0 else []


@node(id="SamplerDPMPP_2S_Ancestral", category=_CATEGORY)
def sampler_dpmpp_2s_ancestral(*, eta: _Amount = 1.0, s_noise: _Amount = 1.0) -> Sampler:
    """Ancestral DPM-Solver++(2S)."""
    return _sampler("dpmpp_2s_ancestral", eta=eta, s_noise=s_noise)


@node(id="SamplerDPMAdaptative", category=_CATEGORY)
def sampler_dpm_adaptive(
    *,
    order: Annotated[int, Range(2, 3)] = 3,
    rtol: _Amount = 0.05,
    atol: _Amount = 0.0078,
    h_init: _Amount = 0.05,
    pcoeff: _Amount = 0.0,
    icoeff: _Amount = 1.0,
    dcoeff: _Amount = 0.0,
    accept_safety: _Amount = 0.81,
    eta: _Amount = 0.0,
    s_noise: _Amount = 1.0,
) -> Sampler:
    """DPM-Solver that chooses its own steps, within an error of `rtol` of the values plus `atol`."""
    return _sampler(
        "dpm_adaptive",
        order=order,
        rtol=rtol,
        atol=atol,
        h_init=h_init,
        pcoeff=pcoeff,
        icoeff=icoeff,
        dcoeff=dcoeff,
        accept_safety=accept_safety,
        eta=eta,
        s_noise=s_noise,
    )


@sampler_dpm_adaptive.check
def _gets_on(rtol: float | None = None, atol: float | None = None, h_init: float | None = None) -> list[str]:
    problems = ["h_init is 0; the first step must have a length."] if h_init == 0 else []
    return problems + (["rtol and atol are 0; no step is that exact."] if rtol == 0 and atol == 0 else [])


@node(id="SamplerER_SDE", category=_CATEGORY)
def sampler_er_sde(
    *,
    solver_type: Annotated[str, Choice(("ER-SDE", "Reverse-time SDE", "ODE"))] = "ER-SDE",
    max_stage: Annotated[int, Range(1, 3)] = 3,
    eta: _Amount = 1.0,
    s_noise: _Amount = 1.0,
) -> Sampler:
    """ER-SDE-Solver; `eta` counts for the reverse-time SDE only."""
    return _sampler("er_sde", solver_type=solver_type, max_stage=max_stage, eta=eta, s_noise=s_noise)


@node(id="SamplerSASolver", category=_CATEGORY)
def sampler_sa_solver(
    *,
    model: Model,
    eta: Annotated[float, Range(0.0, 10.0, step=0.01)] = 1.0,
    sde_start_percent: Annotated[float, Range(0.0, 1.0, step=0.001)] = 0.2,
    sde_end_percent: Annotated[float, Range(0.0, 1.0, step=0.001)] = 0.8,
    s_noise: _Amount = 1.0,
    predictor_order: Annotated[int, Range(1, 6)] = 3,
    corrector_order: Annotated[int, Range(0, 6)] = 4,
    use_pece: bool = False,
    simple_order_2: bool = False,
) -> Sampler:
    """SA-Solver, stochastic between two shares of the model's way."""
    of = prediction(options.parametrization(model))
    return _sampler(
        "sa_solver",
        eta=eta,
        sde_start_sigma=of.percent_to_sigma(sde_start_percent),
        sde_end_sigma=of.percent_to_sigma(sde_end_percent),
        s_noise=s_noise,
        predictor_order=predictor_order,
        corrector_order=corrector_order,
        use_pece=use_pece,
        simple_order_2=simple_order_2,
    )


@node(id="SamplerSEEDS2", category=_CATEGORY)
def sampler_seeds_2(
    *,
    solver_type: Annotated[str, Choice(("phi_1", "phi_2"))] = "phi_1",
    eta: _Amount = 1.0,
    s_noise: _Amount = 1.0,
    r: Annotated[float, Range(0.01, 1.0, step=0.01)] = 0.5,
) -> Sampler:
    """SEEDS-2: a second evaluation at the share `r` of each step."""
    return _sampler("seeds_2", solver_type=solver_type, eta=eta, s_noise=s_noise, r=r)
