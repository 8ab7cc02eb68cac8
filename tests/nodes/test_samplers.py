"""Each sampler node's sampler runs with the parameters it was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nodes import samplers
from nodes.diffusion import schedules
from nodes.diffusion.guidance import CfgGuide
from nodes.diffusion.sample import run
from nodes.types import Model, Sampler, Source
from tests.diffusion.toy_networks import ToyNetwork, saying

MODEL = Model(Source(Path("model"), "d", "unet", "sd15"))

VARIANTS: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    (samplers.ksampler_select, {"sampler_name": "heun"}, {"sampler_name": "euler"}),
    (samplers.sampler_euler_ancestral, {}, {"eta": 0.5}),
    (samplers.sampler_euler_ancestral, {}, {"s_noise": 0.5}),
    (samplers.sampler_euler_ancestral_cfg_pp, {}, {"eta": 0.5}),
    (samplers.sampler_euler_cfg_pp, {}, {"version": "alternative"}),
    (samplers.sampler_lms, {}, {"order": 2}),
    (samplers.sampler_lcm_upscale, {}, {"scale_ratio": 0.5, "scale_steps": 2}),
    (samplers.sampler_dpmpp_3m_sde, {}, {"eta": 0.5}),
    (samplers.sampler_dpmpp_2m_sde, {}, {"solver_type": "heun"}),
    (samplers.sampler_dpmpp_sde, {}, {"r": 0.3}),
    (samplers.sampler_dpmpp_2s_ancestral, {}, {"eta": 0.5}),
    (samplers.sampler_dpm_adaptive, {}, {"order": 2}),
    (samplers.sampler_dpm_adaptive, {}, {"rtol": 0.01, "atol": 0.001}),
    (samplers.sampler_dpm_adaptive, {}, {"pcoeff": 0.2, "dcoeff": 0.1, "accept_safety": 0.6}),
    (samplers.sampler_er_sde, {}, {"max_stage": 1}),
    (samplers.sampler_er_sde, {}, {"solver_type": "ODE"}),
    (samplers.sampler_er_sde, {"solver_type": "Reverse-time SDE"}, {"solver_type": "Reverse-time SDE", "eta": 0.5}),
    (samplers.sampler_sa_solver, {"model": MODEL}, {"model": MODEL, "use_pece": True}),
    (samplers.sampler_sa_solver, {"model": MODEL}, {"model": MODEL, "sde_end_percent": 0.5}),
    (
        samplers.sampler_sa_solver,
        {"model": MODEL, "predictor_order": 2, "corrector_order": 2},
        {"model": MODEL, "predictor_order": 2, "corrector_order": 2, "simple_order_2": True},
    ),
    (samplers.sampler_sa_solver, {"model": MODEL, "corrector_order": 0}, {"model": MODEL, "predictor_order": 1}),
    (samplers.sampler_seeds_2, {}, {"r": 0.3}),
    (samplers.sampler_seeds_2, {}, {"solver_type": "phi_2"}),
]


def drawn(sampler: Sampler) -> torch.Tensor:
    """What the toy model draws with this sampler; guided, because some samplers are alike otherwise."""
    network = ToyNetwork()
    return run(
        network,
        CfgGuide(2.0),
        {"positive": saying(0.4), "negative": saying(-0.3)},
        noise=torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)),
        latent=torch.zeros(1, 4, 8, 8),
        sigmas=schedules.sigmas("karras", network.prediction, 9),
        sampler=sampler.name,
        sampler_options=dict(sampler.options),
        seed=4,
    ).latent


@pytest.mark.parametrize(("sampler", "one", "other"), VARIANTS)
def test_parameters_matter(sampler: Any, one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = drawn(sampler(**one)), drawn(sampler(**other))

    assert first.isfinite().all()
    assert second.isfinite().all()
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    "sampler", [samplers.sampler_dpmpp_3m_sde, samplers.sampler_dpmpp_2m_sde, samplers.sampler_dpmpp_sde]
)
def test_the_noise_is_the_same_on_every_device(sampler: Any) -> None:
    assert torch.equal(drawn(sampler(noise_device="cpu")), drawn(sampler(noise_device="gpu")))


@pytest.mark.parametrize(
    ("node", "given", "message"),
    [
        (samplers.sampler_dpmpp_sde, {"r": 0.0}, "r is 0"),
        (samplers.sampler_dpm_adaptive, {"h_init": 0.0}, "h_init is 0"),
        (samplers.sampler_dpm_adaptive, {"rtol": 0.0, "atol": 0.0}, "no step is that exact"),
    ],
)
def test_parameters_that_cannot_be_are_told(node: Any, given: dict[str, Any], message: str) -> None:
    [problem] = node.definition.check(**given)

    assert message in problem
    assert not list(node.definition.check())


@pytest.mark.parametrize(("steps", "sizes"), [(-1, [8, 9, 10, 11, 12, 12]), (2, [8, 10, 12, 12]), (0, [8, 8])])
def test_lcm_grows_the_picture_on_its_way(steps: int, sizes: list[int]) -> None:
    network = ToyNetwork()
    sampler = samplers.sampler_lcm_upscale(scale_ratio=1.5, scale_steps=steps, upscale_method="bilinear")
    found = run(
        network,
        CfgGuide(1.0),
        {"positive": saying(0.4)},
        noise=torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)),
        latent=torch.zeros(1, 4, 8, 8),
        sigmas=schedules.sigmas("karras", network.prediction, 8),
        sampler=sampler.name,
        sampler_options=dict(sampler.options),
    ).latent

    assert found.shape[-1] == sizes[-1]
    assert [x.shape[-1] for x, _, _ in network.calls][: len(sizes)] == sizes
