from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from nodes.diffusion.guidance import NOTHING, Guess, cfg, perpendicular
from nodes.diffusion.guidance_changes import (
    by_frequency,
    damped,
    hooks_named,
    mahiro,
    no_longer,
    projected,
    renormed,
    rescaled,
    rescaled_score,
    scaled_noise,
    self_attention,
    zero_star,
)
from nodes.diffusion.network import WATCH, Parametrization, Watched
from nodes.diffusion.prediction import prediction

SD = prediction(Parametrization())
SIGMA = 3.0


def unasked(side: str, changes: Mapping[str, object] = NOTHING, *, x: Tensor | None = None) -> Tensor:
    raise AssertionError("nothing more has to be asked")


def guess(scale: float = 7.0, sigma: float = SIGMA) -> Guess:
    """Two pictures' predictions under two conditionings."""
    generator = torch.Generator().manual_seed(1)
    x, cond, uncond = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(3))
    return Guess(x * sigma, sigma, cond, uncond * 0.5, scale, SD, unasked)


def velocity(of: Guess, x0: Tensor) -> Tensor:
    """x0 as the velocity a v-prediction network would have said."""
    return (of.x / (of.sigma**2 + 1) - x0) * math.sqrt(of.sigma**2 + 1) / of.sigma


@pytest.mark.parametrize(("scale", "expected"), [(0.0, "uncond"), (1.0, "cond")])
def test_guidance_reaches_both_ends(scale: float, expected: str) -> None:
    torch.testing.assert_close(cfg(guess(scale)), getattr(guess(scale), expected))


def test_rescaling_by_nothing_is_plain_guidance() -> None:
    torch.testing.assert_close(rescaled(0.0)(guess()), cfg(guess()))


def test_rescaling_in_full_gives_the_spread_of_the_condition() -> None:
    given = guess()

    found = velocity(given, rescaled(1.0)(given))

    torch.testing.assert_close(found.std((1, 2, 3)), velocity(given, given.cond).std((1, 2, 3)))


def lengths(x: Tensor) -> Tensor:
    return x.norm(dim=1)


def test_zero_star_guides_from_the_nearest_multiple_of_the_negative() -> None:
    given = guess()
    flat = (given.cond * given.uncond).sum((1, 2, 3)) / (given.uncond**2).sum((1, 2, 3))
    nearest = given.uncond * flat.view(-1, 1, 1, 1)

    torch.testing.assert_close(zero_star(given, cfg(given)), nearest + (given.cond - nearest) * given.scale)


def test_norm_guidance_makes_nothing_longer_than_the_condition() -> None:
    given = guess()

    found = no_longer(1.0)(given, cfg(given))

    assert (lengths(found) <= lengths(given.cond) * 1.0001).all()
    torch.testing.assert_close(no_longer(1.0)(given, given.cond * 0.5), given.cond * 0.5)
    torch.testing.assert_close(no_longer(2.0)(given, given.cond), given.cond * 2.0)


def test_renormed_guidance_is_bounded_and_starts_late() -> None:
    given = guess()

    bounded, free = renormed(100.0, 1.0)(given), renormed(100.0, 0.0)(given)

    torch.testing.assert_close(bounded.flatten(1).norm(dim=1), given.cond.flatten(1).norm(dim=1))
    torch.testing.assert_close(free, cfg(given))
    torch.testing.assert_close(renormed(SIGMA, 1.0)(given), given.cond)


def test_mahiro_leaps_where_directions_agree_and_guides_where_they_oppose() -> None:
    given = replace(guess(), uncond=torch.zeros(2, 4, 8, 8))
    same = replace(given, uncond=given.cond)
    opposed = replace(given, uncond=-given.cond * 0.1)

    torch.testing.assert_close(mahiro(given, given.cond), (given.cond + given.cond * given.scale) / 2)
    torch.testing.assert_close(mahiro(same, same.cond * 3.0), same.cond * 3.0)
    torch.testing.assert_close(mahiro(opposed, opposed.cond * 3.0), opposed.cond * opposed.scale)


def test_epsilon_scaling_makes_the_noise_smaller() -> None:
    given = guess()

    found = scaled_noise(2.0)(given, given.cond)

    torch.testing.assert_close(given.x - found, (given.x - given.cond) / 2.0)


def test_damping_keeps_what_both_have_in_common() -> None:
    given = guess()
    parallel = replace(given, uncond=given.x - (given.x - given.cond) * 0.3)

    torch.testing.assert_close(damped(parallel).uncond, parallel.uncond, rtol=1e-4, atol=1e-4)
    left = (given.x - damped(given).uncond).flatten(1).norm(dim=1)
    assert (left < (given.x - given.uncond).flatten(1).norm(dim=1)).all()


def test_frequencies_of_guidance_are_scaled_apart() -> None:
    given = replace(guess(), uncond=torch.zeros(2, 4, 8, 8))
    mean = given.cond.mean((2, 3), keepdim=True).expand_as(given.cond)

    torch.testing.assert_close(by_frequency(1.0, 1.0, 2)(given).cond, given.cond)
    torch.testing.assert_close(by_frequency(3.0, 3.0, 2)(given).cond, given.cond * 3.0)
    flat = replace(given, cond=mean)
    torch.testing.assert_close(by_frequency(2.0, 5.0, 1)(flat).cond, mean * 2.0)


def test_perpendicular_guidance_by_hand() -> None:
    empty = torch.zeros(1, 2)
    positive, negative = torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 3.0]])

    # Of the negative only (0, 3) is perpendicular to the positive.
    found = perpendicular(positive, negative, empty, scale=2.0, negative_scale=0.5)

    assert found.tolist() == [[4.0, -3.0]]


def test_changes_without_a_negative_leave_things_as_they_are() -> None:
    alone = replace(guess(1.0), uncond=torch.zeros(2, 4, 8, 8), has_uncond=False)

    for name, parameters in (("tangential_damping", {}), ("frequencies", {"low": 2.0, "high": 2.0, "cutoff": 2})):
        torch.testing.assert_close(hooks_named([(name, parameters)]).guided(alone), alone.cond)


def test_changes_apply_in_order() -> None:
    given = guess()

    found = hooks_named([("cfg_norm", {"strength": 1.0}), ("epsilon_scaling", {"factor": 2.0})]).guided(given)

    torch.testing.assert_close(found, scaled_noise(2.0)(given, no_longer(1.0)(given, cfg(given))))


def test_projected_guidance_leaves_out_what_lies_along_the_condition() -> None:
    given = guess()
    flat, along = (given.cond - given.uncond).flatten(1), given.cond.flatten(1)
    parallel = along * ((flat * along).sum(1) / (along * along).sum(1)).unsqueeze(1)
    across = (flat - parallel).view_as(given.cond)

    found = cfg(projected(0.0, 0.0, 0.0)(given))

    torch.testing.assert_close(found, given.cond + across * given.scale)
    whole = cfg(projected(1.0, 0.0, 0.0)(given))
    torch.testing.assert_close(whole, given.cond + (given.cond - given.uncond) * given.scale)


def test_projected_guidance_is_bounded_and_remembers_a_run() -> None:
    given = guess()
    direction = given.cond - given.uncond

    bounded = cfg(projected(1.0, 2.0, 0.0)(given)) - given.cond
    torch.testing.assert_close(bounded.flatten(1).norm(dim=1), torch.full((2,), 2.0 * given.scale))

    change = projected(1.0, 0.0, -0.5)
    for sigma, factor in ((3.0, 1.0), (2.0, 0.5), (1.0, 0.75), (4.0, 1.0)):
        found = cfg(change(replace(given, sigma=sigma))) - given.cond
        torch.testing.assert_close(found, direction * factor * given.scale)


@pytest.mark.parametrize(("sigma", "factor"), [(1e4, 1.0), (1.0, 1.5 / 1.25), (1e-4, 2.0)])
def test_score_rescaling_acts_at_low_noise(sigma: float, factor: float) -> None:
    given = replace(guess(), sigma=sigma)

    found = rescaled_score(2.0, math.sqrt(0.5))(given, given.cond)

    expected = given.x - (given.x - given.cond) * factor
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("salient", [0.0, 2.0])
def test_self_attention_guidance_blurs_what_is_attended_to(salient: float) -> None:
    asked: list[Tensor] = []
    again = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(9))

    def ask(side: str, changes: Mapping[str, object] = NOTHING, *, x: Tensor | None = None) -> Tensor:
        assert side == "negative"
        assert x is not None
        asked.append(x)
        return again

    given = replace(guess(), ask=ask)
    hooks = self_attention(0.5, 1.5)
    watched = hooks.changes[WATCH]
    assert isinstance(watched, Watched)
    watched.attention["negative"] = torch.full((2, 2, 2), salient)

    found = hooks.guided(given)

    blurred = torch.tensor(gaussian_filter(given.uncond.numpy(), 1.5, axes=(2, 3), mode="mirror", radius=4))
    degraded = blurred if salient > 1 else given.uncond
    torch.testing.assert_close(asked[0], given.x - given.uncond + degraded, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found, cfg(given) + (degraded - again) * 0.5, rtol=1e-4, atol=1e-4)
