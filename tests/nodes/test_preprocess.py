"""Preprocessors on drawn pictures whose answer is known."""

from __future__ import annotations

import pytest
import torch

from nodes import preprocess
from nodes.types import Image


def square(size: int = 64) -> Image:
    """A white square from a quarter to three quarters of a black picture."""
    pixels = torch.zeros((1, size, size, 3))
    pixels[:, size // 4 : -size // 4, size // 4 : -size // 4] = 1
    return Image(pixels)


def disc(size: int = 96, radius: float = 30.0) -> Image:
    y, x = torch.meshgrid(torch.arange(size) - size / 2, torch.arange(size) - size / 2, indexing="ij")
    inside = (torch.hypot(x, y) < radius).float()
    return Image(inside.reshape(1, size, size, 1).expand(1, size, size, 3))


def is_on(image: Image) -> torch.Tensor:
    return image.pixels[0, ..., 0] > 0.5


def test_canny_draws_a_squares_outline_once() -> None:
    found = is_on(preprocess.canny(image=square()))
    for row in range(22, 42):
        for line in (found[row], found[:, row]):
            first, last = line.nonzero().flatten().tolist()
            assert first in (15, 16)
            assert last in (47, 48)


def test_canny_draws_a_disc_as_a_thin_closed_circle() -> None:
    found = is_on(preprocess.canny(image=disc()))
    y, x = found.nonzero(as_tuple=True)
    distance = torch.hypot(y - 48.0, x - 48.0)
    assert (distance - 30).abs().max() <= 1.8
    angles = torch.rad2deg(torch.atan2(y - 48.0, x - 48.0)).sort().values
    assert angles.diff().max() < 5
    assert found.sum() < 1.3 * 2 * 3.1416 * 30


@pytest.mark.parametrize("step", [0.05, 0.3, 0.8])
def test_canny_keeps_steps_above_the_thresholds(step: float) -> None:
    pixels = torch.zeros((1, 16, 32, 3))
    pixels[:, :, 16:] = step
    # Sobel gives 4 times a step, and the smoothing before it about two thirds of that.
    found = is_on(preprocess.canny(image=Image(pixels), low_threshold=0.5, high_threshold=0.5))
    assert bool(found.any()) == (step * 4 * 0.66 > 0.5)


def test_canny_follows_a_weak_edge_from_a_strong_one() -> None:
    pixels = torch.zeros((1, 32, 64, 3))
    pixels[:, 16:] = torch.linspace(0.1, 0.5, 64).reshape(64, 1)
    image = Image(pixels)
    followed = is_on(preprocess.canny(image=image, low_threshold=0.3, high_threshold=0.9)).sum()
    strong_only = is_on(preprocess.canny(image=image, low_threshold=0.9, high_threshold=0.9)).sum()
    none = is_on(preprocess.canny(image=Image(pixels * 0.6), low_threshold=0.3, high_threshold=0.9)).sum()
    assert followed > strong_only + 10
    assert strong_only > 0
    assert none == 0


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (2, 2, 3, 3), (1, 5, 4, 4)])
def test_canny_of_a_plain_picture_is_black(shape: tuple[int, ...]) -> None:
    found = preprocess.canny(image=Image(torch.full(shape, 0.7)))
    assert found.pixels.shape == (*shape[:3], 3)
    assert found.pixels.sum() == 0


def test_canny_refuses_thresholds_the_wrong_way_round() -> None:
    problems = list(preprocess.canny.definition.check(low_threshold=0.9, high_threshold=0.1))
    assert problems == ["low_threshold is 0.9, above high_threshold (0.1); swap them."]
