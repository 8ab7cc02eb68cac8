from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nodes import guidance, model_sampling
from nodes.diffusion import options
from nodes.diffusion.prediction import prediction
from nodes.types import Model, Source

MODEL = Model(Source(Path("model"), "d", "unet", "sd15"))

SAMPLINGS: list[tuple[Any, dict[str, Any], tuple[str, float, float]]] = [
    (model_sampling.model_sampling_discrete, {}, ("eps", 0.029167, 14.614642)),
    (model_sampling.model_sampling_discrete, {"sampling": "v_prediction"}, ("v", 0.029167, 14.614642)),
    (model_sampling.model_sampling_discrete, {"sampling": "v_prediction", "zsnr": True}, ("v", 0.029167, 4518.76)),
    (model_sampling.model_sampling_discrete, {"sampling": "lcm"}, ("lcm", 0.134451, 14.614642)),
    (model_sampling.model_sampling_discrete, {"sampling": "img_to_img"}, ("picture", 0.029167, 14.614642)),
    (model_sampling.model_sampling_continuous_edm, {"sampling": "edm"}, ("edm", 0.002, 120.0)),
    (model_sampling.model_sampling_continuous_v, {}, ("v", 0.03, 500.0)),
    (model_sampling.model_sampling_sd3, {}, ("flow", 0.002994, 1.0)),
    (model_sampling.model_sampling_aura_flow, {}, ("flow", 0.001729, 1.0)),
    (model_sampling.model_sampling_flux, {}, ("flow", 0.000316, 1.0)),
    (model_sampling.model_sampling_stable_cascade, {"shift": 1.0}, ("eps", 0.010, 99.995)),
]


@pytest.mark.parametrize(("node", "given", "expected"), SAMPLINGS)
def test_a_handle_says_how_it_is_sampled(node: Any, given: dict[str, Any], expected: tuple[str, float, float]) -> None:
    changed = node(model=MODEL, **given)
    found = prediction(options.parametrization(changed))

    assert (found.kind, found.sigma_min, found.sigma_max) == (expected[0], *map(_near, expected[1:]))
    assert options.parametrization(MODEL).kind == "eps"


def _near(value: float) -> Any:
    return pytest.approx(value, rel=2e-3)


def test_the_last_word_counts() -> None:
    zero_snr = model_sampling.model_sampling_discrete(model=MODEL, sampling="v_prediction", zsnr=True)

    again = model_sampling.model_sampling_discrete(model=zero_snr, sampling="eps")

    assert options.parametrization(again) == options.parametrization(MODEL)


def test_equal_handles_are_equal() -> None:
    assert guidance.rescale_cfg(model=MODEL) == guidance.rescale_cfg(model=MODEL)
    assert guidance.rescale_cfg(model=MODEL) != guidance.rescale_cfg(model=MODEL, multiplier=0.5)


def test_flux_shifts_larger_pictures_more() -> None:
    shifts = [
        options.parametrization(model_sampling.model_sampling_flux(model=MODEL, width=side, height=side)).shift
        for side in (256, 1024)
    ]

    assert shifts == pytest.approx([0.5, 1.15])


def test_changes_to_guidance_add_up() -> None:
    both = guidance.cfg_norm(model=guidance.mahiro(model=guidance.rescale_cfg(model=MODEL)))

    assert len(options.hooks(both).after) == 2
    assert options.hooks(MODEL).after == ()


@pytest.mark.parametrize(
    ("node", "given"),
    [
        (model_sampling.model_sampling_continuous_edm, {"sigma_min": 5.0, "sigma_max": 1.0}),
        (model_sampling.model_sampling_continuous_v, {"sigma_min": 0.0, "sigma_max": 1.0}),
        (model_sampling.model_sampling_sd3, {"shift": 0.0}),
    ],
)
def test_levels_that_cannot_be_are_told(node: Any, given: dict[str, float]) -> None:
    assert len(list(node.definition.check(**given))) == 1
    assert not list(node.definition.check())


def test_differential_diffusion_lets_a_soft_mask_join_step_by_step() -> None:
    of = prediction(options.parametrization(MODEL))
    sigmas = torch.tensor([of.sigma_max, 3.0, 1.0, 0.0])
    mask = torch.tensor([0.0, 0.4, 0.8, 1.0])

    hook = options.mask_hook(model_sampling.differential_diffusion(model=MODEL), of, sigmas)
    half = options.mask_hook(model_sampling.differential_diffusion(model=MODEL, strength=0.5), of, sigmas)

    assert hook is not None
    assert half is not None
    assert hook(of.sigma_max, mask).tolist() == [0, 0, 0, 1]
    assert hook(3.0, mask).tolist() == [0, 0, 1, 1]
    assert hook(1.0, mask).tolist() == [0, 1, 1, 1]
    assert half(3.0, mask).tolist() == pytest.approx([0, 0.2, 0.9, 1])
    assert options.mask_hook(MODEL, of, sigmas) is None
