from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nodes import schedulers
from nodes.define import NodeError
from nodes.diffusion import options
from nodes.types import Model, Sigmas, Source

MODEL = Model(Source(Path("model"), "d", "unet", "sd15"))
FLOW = options.with_parametrization(MODEL, kind="flow", shift=3.0)
SOME = Sigmas(torch.tensor([8.0, 4.0, 2.0, 1.0, 0.0]))


def values(sigmas: Sigmas) -> list[float]:
    return [round(value, 4) for value in sigmas.values.tolist()]


CASES: list[tuple[Any, dict[str, Any], list[float]]] = [
    (schedulers.basic_scheduler, {"model": MODEL, "scheduler": "karras", "steps": 3}, [14.6146, 1.2741, 0.0292, 0]),
    (
        schedulers.basic_scheduler,
        {"model": MODEL, "scheduler": "normal", "steps": 2, "denoise": 0.5},
        [0.9324, 0.0292, 0],
    ),
    (schedulers.basic_scheduler, {"model": FLOW, "scheduler": "simple", "steps": 4}, [1, 0.9, 0.75, 0.5, 0]),
    (schedulers.basic_scheduler, {"model": MODEL, "steps": 2, "denoise": 0.0}, []),
    (schedulers.karras_scheduler, {"steps": 3, "sigma_max": 9.0, "sigma_min": 1.0, "rho": 2.0}, [9, 4, 1, 0]),
    (schedulers.exponential_scheduler, {"steps": 3, "sigma_max": 4.0, "sigma_min": 1.0}, [4, 2, 1, 0]),
    (
        schedulers.polyexponential_scheduler,
        {"steps": 3, "sigma_max": 4.0, "sigma_min": 1.0, "rho": 2.0},
        [4, 1.4142, 1, 0],
    ),
    (schedulers.laplace_scheduler, {"steps": 3, "sigma_max": 4.0, "sigma_min": 0.5}, [4, 1, 0.5]),
    (schedulers.vp_scheduler, {"steps": 1}, [152.167, 0]),
    (schedulers.beta_scheduler, {"model": MODEL, "steps": 4}, [14.6146, 5.6866, 1.6183, 0.5154, 0]),
    (schedulers.sd_turbo_scheduler, {"model": MODEL}, [14.6146, 0]),
    (schedulers.align_your_steps_scheduler, {"model_type": "SVD", "denoise": 0.2}, [0.173, 0.034, 0]),
    (schedulers.gits_scheduler, {"steps": 4}, [14.61464, 2.36326, 0.92192, 0.36617, 0]),
    (schedulers.gits_scheduler, {"steps": 3, "coeff": 0.8}, [14.61464, 11.54542, 6.77309, 0]),
    (schedulers.gits_scheduler, {"steps": 10, "coeff": 1.5, "denoise": 0.3}, [0.17026, 0.13792, 0.09825, 0]),
    (schedulers.gits_scheduler, {"steps": 5, "denoise": 0.0}, []),
    (schedulers.optimal_steps_scheduler, {"steps": 10, "denoise": 0.3}, [0.8287, 0.5512, 0.2808, 0]),
    (schedulers.optimal_steps_scheduler, {"model_type": "Wan", "steps": 4}, [1.0, 0.989, 0.973, 0.902, 0]),
    (schedulers.optimal_steps_scheduler, {"steps": 5}, [0.9968, 0.9819, 0.966, 0.9158, 0.5512, 0]),
    (schedulers.optimal_steps_scheduler, {"steps": 20, "denoise": 0.0}, []),
    (schedulers.align_your_steps_scheduler, {"model_type": "SD1", "steps": 2}, [14.6146, 1.3944, 0]),
    (schedulers.align_your_steps_scheduler, {"steps": 1, "denoise": 0.1}, []),
    (schedulers.flux2_scheduler, {"steps": 2}, [1, 0.9095, 0]),
    (schedulers.manual_sigmas, {"sigmas": "14.6, 3 .5; 1e-2, 0"}, [14.6, 3, 0.5, 0.01, 0]),
    (schedulers.manual_sigmas, {"sigmas": "none"}, []),
    (schedulers.flip_sigmas, {"sigmas": SOME}, [0.0001, 1, 2, 4, 8]),
    (schedulers.set_first_sigma, {"sigmas": SOME, "sigma": 9.0}, [9, 4, 2, 1, 0]),
    (
        schedulers.extend_intermediate_sigmas,
        {"sigmas": SOME, "steps": 2, "end_at_sigma": 3.0},
        [8, 6, 4, 3, 2, 1, 0],
    ),
    (
        schedulers.extend_intermediate_sigmas,
        {"sigmas": SOME, "start_at_sigma": 5.0, "end_at_sigma": 3.0, "spacing": "cosine"},
        [8, 4, 2.5858, 2, 1, 0],
    ),
]


@pytest.mark.parametrize(("scheduler", "given", "expected"), CASES)
def test_levels(scheduler: Any, given: dict[str, Any], expected: list[float]) -> None:
    assert values(scheduler(**given)) == pytest.approx(expected, abs=1e-3)
    assert values(SOME) == [8, 4, 2, 1, 0]


def test_splitting_shares_the_level_between() -> None:
    high, low = schedulers.split_sigmas(sigmas=SOME, step=2)

    assert (values(high), values(low)) == ([8, 4, 2], [2, 1, 0])


@pytest.mark.parametrize(
    ("denoise", "high", "low"),
    [(1.0, [8], [8, 4, 2, 1, 0]), (0.5, [8, 4, 2], [2, 1, 0]), (0.0, [8, 4, 2, 1, 0], [])],
)
def test_splitting_by_share(denoise: float, high: list[float], low: list[float]) -> None:
    parts = schedulers.split_sigmas_denoise(sigmas=SOME, denoise=denoise)

    assert (values(parts.high_sigmas), values(parts.low_sigmas)) == (high, low)


@pytest.mark.parametrize(
    ("percent", "actual", "expected"),
    [(0.5, False, 1.61558), (0.0, True, 14.614641), (1.0, True, 0.029167), (1.0, False, 0.0)],
)
def test_percent_as_level(percent: float, actual: bool, expected: float) -> None:
    found = schedulers.sampling_percent_to_sigma(model=MODEL, sampling_percent=percent, return_actual_sigma=actual)

    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("scheduler", "given", "message"),
    [
        (schedulers.karras_scheduler, {"sigma_min": 0.0}, "sigma_min is 0.0"),
        (schedulers.karras_scheduler, {"rho": 0.0}, "rho is 0.0"),
        (schedulers.exponential_scheduler, {"sigma_min": 20.0}, "in this order"),
        (schedulers.beta_scheduler, {"model": MODEL, "alpha": 0.0}, "alpha is 0.0"),
    ],
)
def test_levels_that_cannot_be_are_told(scheduler: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(NodeError, match=message):
        scheduler(**given)


@pytest.mark.parametrize("coeff", [0.8 + 0.05 * i for i in range(15)])
def test_gits_has_levels_for_every_number_of_steps(coeff: float) -> None:
    for steps in (*range(2, 21), 33):
        levels = schedulers.gits_scheduler(coeff=coeff, steps=steps).values
        assert len(levels) == steps + 1
        assert (levels.diff() < 0).all()


def test_a_larger_gits_coefficient_has_more_steps_at_low_noise() -> None:
    middle = [float(schedulers.gits_scheduler(coeff=0.8 + 0.05 * i, steps=10).values[5]) for i in range(15)]

    assert middle == sorted(middle, reverse=True)
