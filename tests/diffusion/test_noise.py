from __future__ import annotations

import math

import pytest
import torch

from nodes.diffusion import noise


def test_a_seed_gives_the_known_noise() -> None:
    drawn = noise.initial((1, 4, 64, 64), 42)

    assert drawn.flatten()[:4].tolist() == pytest.approx([1.926915, 1.487284, 0.900717, -2.105521], abs=1e-6)
    assert float(drawn.sum()) == pytest.approx(149.764816, abs=1e-2)


def test_the_largest_seed_is_a_seed() -> None:
    assert noise.initial((1, 4, 8, 8), 2**64 - 1).isfinite().all()
    assert noise.fresh(torch.zeros(2, 2), 2**64 - 1)(1.0, 0.5).isfinite().all()


def test_one_picture_of_a_batch_can_be_drawn_again() -> None:
    batch = noise.initial((3, 4, 16, 16), 7)

    again = noise.initial((2, 4, 16, 16), 7, batch_index=(2, 0))

    assert torch.equal(again, batch[[2, 0]])


def test_drawing_noise_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()

    noise.initial((1, 4, 8, 8), 1)
    noise.fresh(torch.zeros(4), 1)(2.0, 1.0)

    assert torch.equal(torch.get_rng_state(), before)


def test_fresh_noise_is_the_known_one_and_not_the_initial_noise() -> None:
    like = torch.zeros(1, 4, 4, 4)
    source = noise.fresh(like, 42)

    first, second = source(2.0, 1.0), source(2.0, 1.0)

    assert first.flatten()[:4].tolist() == pytest.approx([-0.016604, -0.466795, 2.090898, 0.614903], abs=1e-6)
    assert not torch.equal(first, second)
    assert not torch.equal(first, noise.initial(like.shape, 42))


def test_brownian_noise_is_the_known_one() -> None:
    source = noise.brownian(torch.zeros(1, 4, 2, 2), [14.614642, 5.0, 0.0291671, 0.0], 42)

    found = source(14.614642, 5.0).flatten()[:4].tolist()

    assert found == pytest.approx([-0.845805, -0.262949, 0.617547, 0.997622], abs=1e-5)


def test_brownian_steps_add_up_to_one_path() -> None:
    levels = [10.0, 4.0, 1.0, 0.0]
    source = noise.brownian(torch.zeros(1, 4, 8, 8), levels, 3)

    whole = source(10.0, 1.0) * math.sqrt(9.0)
    parts = source(10.0, 4.0) * math.sqrt(6.0) + source(4.0, 1.0) * math.sqrt(3.0)

    torch.testing.assert_close(whole, parts, rtol=0, atol=1e-4)


def test_brownian_noise_is_standard_normal_and_new_for_each_step() -> None:
    source = noise.brownian(torch.zeros(100, 100), [10.0, 4.0, 1.0], 3)

    first, second = source(10.0, 4.0), source(4.0, 1.0)

    # 10,000 draws: the mean of a standard normal sample is within 0.05 in all but one of 10^6 cases.
    for drawn in (first, second):
        assert abs(float(drawn.mean())) < 0.05
        assert float(drawn.std()) == pytest.approx(1.0, abs=0.04)
    assert abs(float((first * second).mean())) < 0.05


def test_a_brownian_path_upwards_is_the_same_path() -> None:
    source = noise.brownian(torch.zeros(4, 4), [10.0, 4.0, 1.0], 3)

    torch.testing.assert_close(source(4.0, 10.0), -source(10.0, 4.0))


def test_a_single_level_has_a_path_too() -> None:
    source = noise.brownian(torch.zeros(4, 4), [3.0, 0.0], 3)

    assert source(3.0, 3.0).tolist() == torch.zeros(4, 4).tolist()
