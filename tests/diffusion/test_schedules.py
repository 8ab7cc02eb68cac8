from __future__ import annotations

import math

import pytest
import torch

from nodes.diffusion import schedules
from nodes.diffusion.network import Parametrization
from nodes.diffusion.prediction import prediction
from nodes.diffusion.samplers import algorithm

SD = prediction(Parametrization())
SD3 = prediction(Parametrization(kind="flow", shift=3.0))
FLUX = prediction(Parametrization(kind="flow", levels="flux", shift=1.15))
MODELS = {"sd": SD, "sd3": SD3, "flux": FLUX, "v zero snr": prediction(Parametrization(kind="v", zero_snr=True))}

# What people's workflows were made with (the numbers k-diffusion style programs show), to the digits that are shown.
KNOWN = [
    ("sd", "simple", [14.614641, 4.081729, 1.612886, 0.693205, 0]),
    ("sd", "sgm_uniform", [14.61464, 4.086081, 1.61558, 0.69515, 0]),
    ("sd", "karras", [14.614643, 3.168605, 0.446919, 0.029167, 0]),
    ("sd", "exponential", [14.61464, 1.840024, 0.231664, 0.029167, 0]),
    ("sd", "ddim_uniform", [4.116696, 1.623692, 0.698398, 0.041314, 0]),
    ("sd", "beta", [14.614641, 5.686592, 1.618279, 0.515391, 0]),
    ("sd", "normal", [14.61464, 2.918307, 0.932358, 0.029167, 0]),
    ("sd", "linear_quadratic", [14.614641, 14.431958, 14.249275, 10.595615, 0]),
    ("sd", "kl_optimal", [14.614633, 1.597066, 0.572914, 0.029167, 0]),
    ("sd3", "simple", [1, 0.9, 0.75, 0.5, 0]),
    ("sd3", "sgm_uniform", [1, 0.900359, 0.751121, 0.502985, 0]),
    ("sd3", "normal", [1, 0.857692, 0.602151, 0.008929, 0]),
    ("sd3", "beta", [1, 0.933535, 0.750749, 0.392171, 0]),
    ("sd3", "karras", [1, 0.232737, 0.036832, 0.002994, 0]),
    ("sd3", "ddim_uniform", [0.900958, 0.751497, 0.50266, 0.005976, 0]),
    ("flux", "simple", [1, 0.904531, 0.759511, 0.512844, 0]),
    ("flux", "normal", [1, 0.863376, 0.612492, 0.000997, 0]),
    ("flux", "beta", [1, 0.936776, 0.759584, 0.402498, 0]),
]


@pytest.mark.parametrize(("model", "scheduler", "expected"), KNOWN, ids=lambda v: v if isinstance(v, str) else "")
def test_four_steps_visit_the_known_levels(model: str, scheduler: str, expected: list[float]) -> None:
    found = schedules.sigmas(scheduler, MODELS[model], 4)

    torch.testing.assert_close(found, torch.tensor(expected), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("scheduler", schedules.NAMES)
@pytest.mark.parametrize("steps", [1, 2, 7, 20, 63])
def test_every_schedule_falls_from_noise_to_zero(model: str, scheduler: str, steps: int) -> None:
    levels = schedules.sigmas(scheduler, MODELS[model], steps)

    assert levels.dtype == torch.float32
    assert levels.isfinite().all()
    assert (levels.diff() < 0).all()
    assert levels[-1] == 0
    assert levels[0] <= MODELS[model].sigma_max * (1 + 1e-5)
    if scheduler == "ddim_uniform":
        assert len(levels) > steps
    elif scheduler == "beta":
        assert len(levels) <= steps + 1
    else:
        assert len(levels) == steps + 1


@pytest.mark.parametrize(
    ("scheduler", "sampler", "denoise", "expected"),
    [
        ("normal", "euler", 0.5, [1.276832, 0.79126, 0.439666, 0.029167, 0]),
        ("karras", "euler", 0.5, [0.828868, 0.32112, 0.107198, 0.029167, 0]),
        ("normal", "uni_pc", 0.5, [1.61558, 1.071159, 0.69515, 0.399701, 0]),
        ("normal", "dpm_2", 1.0, [14.61464, 4.086081, 1.61558, 0.69515, 0]),
        ("normal", "euler", 0.99995, [14.61464, 2.918307, 0.932358, 0.029167, 0]),
    ],
)
def test_denoising_a_share_takes_the_last_steps_of_more(
    scheduler: str, sampler: str, denoise: float, expected: list[float]
) -> None:
    drop = algorithm(sampler).drops_penultimate

    levels = schedules.for_denoise(scheduler, SD, 4, denoise, drop_penultimate=drop)

    torch.testing.assert_close(levels, torch.tensor(expected), rtol=2e-6, atol=1e-6)


def test_denoising_nothing_visits_no_level() -> None:
    assert len(schedules.for_denoise("normal", SD, 4, 0.0)) == 0


@pytest.mark.parametrize(
    ("start", "end", "to_zero", "expected"),
    [
        (None, None, True, [4, 3, 2, 1, 0]),
        (0, 10_000, True, [4, 3, 2, 1, 0]),
        (None, 2, False, [4, 3, 2]),
        (None, 2, True, [4, 3, 0]),
        (2, None, True, [2, 1, 0]),
        (1, 3, False, [3, 2, 1]),
        (4, None, True, []),
        (3, 2, True, []),
    ],
)
def test_part_of_a_schedule(start: int | None, end: int | None, to_zero: bool, expected: list[float]) -> None:
    levels = torch.tensor([4.0, 3.0, 2.0, 1.0, 0.0])

    assert schedules.between(levels, start, end, to_zero=to_zero).tolist() == expected
    assert levels.tolist() == [4, 3, 2, 1, 0]


def test_the_table_of_stable_diffusion() -> None:
    table = SD.levels.table

    assert len(table) == 1000
    assert table[[0, 1, 2, -1]].tolist() == pytest.approx([0.0291671585, 0.041314, 0.050680, 14.6146411896], rel=1e-5)


def test_zero_terminal_snr_ends_in_almost_pure_noise() -> None:
    assert prediction(Parametrization(kind="v", zero_snr=True)).sigma_max == pytest.approx(4518.76, rel=1e-5)


def test_a_level_is_told_as_the_nearest_timestep() -> None:
    levels = SD.levels

    assert [levels.timestep(float(levels.table[t])) for t in (0, 1, 500, 999)] == [0, 1, 500, 999]
    assert levels.timestep(levels.sigma(500.4)) == 500
    assert levels.timestep(levels.sigma(500.6)) == 501
    assert levels.timestep(1000.0) == 999
    assert levels.timestep(0.001) == 0


def test_distilled_levels_are_every_twentieth() -> None:
    levels = prediction(Parametrization(kind="lcm", levels="distilled")).levels

    torch.testing.assert_close(levels.table, SD.levels.table[19::20])
    assert levels.timestep(float(SD.levels.table[999])) == 999
    assert levels.sigma(999) == pytest.approx(SD.sigma_max)
    assert levels.timestep(float(SD.levels.table[19])) == 19


@pytest.mark.parametrize("kind", ["edm", "angular", "cascade", "flow", "flux"])
def test_continuous_levels_and_timesteps_agree(kind: str) -> None:
    levels = prediction(Parametrization(kind="v", levels=kind, shift=1.0)).levels  # pyright: ignore[reportArgumentType]
    table = levels.table

    for sigma in table[[10, len(table) // 2, -10]].tolist():
        told = levels.timestep(sigma)
        # At shift 1 a flow's level and time are the same; the flux shift is not undone by what the network is told.
        expected = math.e / (math.e + 1 / sigma - 1) if kind == "flux" else sigma
        assert levels.sigma(told) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("percent", "sigma"), [(0.1, 8.307171), (0.5, 1.61558), (0.9, 0.343705), (1.0, 0.0)])
def test_percent_counts_timesteps(percent: float, sigma: float) -> None:
    assert SD.percent_to_sigma(percent) == pytest.approx(sigma, rel=1e-5)


def test_zero_percent_is_before_everything() -> None:
    assert SD.percent_to_sigma(0.0) > 1e8
    assert SD3.percent_to_sigma(0.0) == 1.0
    assert SD3.percent_to_sigma(0.25) == pytest.approx(0.9)


def test_karras_by_hand() -> None:
    # (4^(1/2), 3, 1) squared: even steps in the root of sigma.
    assert schedules.karras(3, 1.0, 9.0, rho=2.0).tolist() == pytest.approx([9, 4, 1, 0])


def test_polyexponential_of_degree_one_is_exponential() -> None:
    torch.testing.assert_close(schedules.polyexponential(5, 0.1, 10.0), schedules.exponential(5, 0.1, 10.0))


def test_variance_preserving_levels_solve_the_forward_equation() -> None:
    # d(alpha_bar)/dt = -beta(t) alpha_bar with beta(t) = beta_min + beta_d t, from 1 at t = 0, by small steps.
    n, log_kept = 200_000, 0.0
    for i in range(n):
        log_kept -= (0.1 + 19.9 * (i + 0.5) / n) / n
    expected = math.sqrt((1 - math.exp(log_kept)) / math.exp(log_kept))

    assert float(schedules.variance_preserving(4)[0]) == pytest.approx(expected, rel=1e-4)


def test_laplace_levels_stay_between_their_ends() -> None:
    levels = schedules.laplace(9, 0.03, 14.6)

    assert levels[[0, -1]].tolist() == pytest.approx([14.6, 0.03])
    assert float(levels[4]) == pytest.approx(1.0, rel=1e-4)
    assert (levels.diff() <= 0).all()


def test_turbo_steps() -> None:
    table = SD.levels.table

    torch.testing.assert_close(schedules.sd_turbo(SD, 2), torch.tensor([table[999], table[899], 0.0]))
    torch.testing.assert_close(schedules.sd_turbo(SD, 1, denoise=0.5), torch.tensor([table[499], 0.0]))


def test_unknown_names_and_no_steps_are_told() -> None:
    with pytest.raises(ValueError, match="No scheduler is called 'karas'"):
        schedules.sigmas("karas", SD, 4)
    with pytest.raises(ValueError, match="steps is 0"):
        schedules.sigmas("karras", SD, 0)
