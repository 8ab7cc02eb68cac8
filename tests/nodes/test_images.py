"""Picture nodes against slow, obvious references."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image as Pil

from nodes import images
from nodes.types import Image


def gradient(height: int, width: int) -> Image:
    """A picture whose red grows to the right and whose green grows downwards."""
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    return Image(torch.stack([x, y, torch.full_like(x, 0.25)], dim=-1).unsqueeze(0))


def nearest(old: int, new: int) -> list[int]:
    return [min(int((i + 0.5) * old / new), old - 1) for i in range(new)]


def area(values: np.ndarray, new: int) -> np.ndarray:
    """Mean over whole pixels that each new one touches, along axis 0."""
    old = len(values)
    return np.stack([values[i * old // new : -(-(i + 1) * old // new)].mean(0) for i in range(new)])


def linear(values: np.ndarray, new: int) -> np.ndarray:
    """Linear interpolation between pixel centres, along axis 0."""
    at = np.clip((np.arange(new) + 0.5) * len(values) / new - 0.5, 0, len(values) - 1)
    low = at.astype(int)
    high = np.minimum(low + 1, len(values) - 1)
    t = (at - low)[:, None, None]
    return values[low] * (1 - t) + values[high] * t


def cubic(values: np.ndarray, new: int) -> np.ndarray:
    """Keys' cubic convolution with a = -0.75, the border repeated, along axis 0."""

    def weight(d: float, a: float = -0.75) -> float:
        if d <= 1:
            return (a + 2) * d**3 - (a + 3) * d**2 + 1
        return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0

    rows: list[np.ndarray] = []
    for i in range(new):
        at = (i + 0.5) * len(values) / new - 0.5
        near = range(math.floor(at) - 1, math.floor(at) + 3)
        weighted = [weight(abs(at - j)) * values[min(max(j, 0), len(values) - 1)] for j in near]
        rows.append(np.sum(weighted, axis=0))
    return np.stack(rows)


Resample = Callable[[np.ndarray, int], np.ndarray]


def both_axes(resample: Resample, values: np.ndarray, width: int, height: int) -> np.ndarray:
    return resample(resample(values, height).swapaxes(0, 1), width).swapaxes(0, 1)


@pytest.mark.parametrize(("method", "along"), [("bilinear", linear), ("area", area), ("bicubic", cubic)])
@pytest.mark.parametrize(("width", "height"), [(48, 40), (7, 5), (24, 16)])
def test_scaling_is_what_the_formula_says(noise: Image, method: str, along: Resample, width: int, height: int) -> None:
    scaled = images.image_scale(image=noise, upscale_method=method, width=width, height=height)
    expected = both_axes(along, noise.pixels[1].numpy().astype(np.float64), width, height)
    np.testing.assert_allclose(scaled.pixels[1].numpy(), expected, atol=1e-6)


def test_nearest_takes_the_pixel_under_the_centre(noise: Image) -> None:
    scaled = images.image_scale(image=noise, upscale_method="nearest-exact", width=48, height=8)
    assert torch.equal(scaled.pixels, noise.pixels[:, nearest(16, 8)][:, :, nearest(24, 48)])


def test_lanczos_is_pillows(noise: Image) -> None:
    scaled = images.image_scale(image=noise, upscale_method="lanczos", width=10, height=30)
    levels = (noise.pixels[0].numpy() * 255).astype(np.uint8)
    expected = np.asarray(Pil.fromarray(levels).resize((10, 30), Pil.Resampling.LANCZOS))
    np.testing.assert_array_equal(np.rint(scaled.pixels[0].numpy() * 255), expected)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(0, 0, (16, 24)), (48, 0, (32, 48)), (0, 8, (8, 12)), (7, 0, (5, 7)), (1, 1, (1, 1))],
    ids=["neither", "width", "height", "rounded", "tiny"],
)
def test_a_side_of_zero_follows_the_other(noise: Image, width: int, height: int, expected: tuple[int, int]) -> None:
    scaled = images.image_scale(image=noise, width=width, height=height)
    assert scaled.pixels.shape[1:3] == expected


def test_cropping_to_the_centre_keeps_the_aspect() -> None:
    wide = gradient(20, 60)
    scaled = images.image_scale(image=wide, upscale_method="nearest-exact", width=20, height=20, crop="center")
    assert torch.equal(scaled.pixels, wide.pixels[:, :, 20:40])


@pytest.mark.parametrize(("factor", "expected"), [(0.01, (1, 1)), (0.5, (8, 12)), (1.1, (18, 26)), (8, (128, 192))])
def test_scaling_by_a_factor_rounds_the_sides(noise: Image, factor: float, expected: tuple[int, int]) -> None:
    assert images.image_scale_by(image=noise, scale_by=factor).pixels.shape[1:3] == expected


def test_total_pixels_and_longest_side() -> None:
    picture = gradient(100, 200)
    total = images.image_scale_to_total_pixels(image=picture, megapixels=0.5)
    stepped = images.image_scale_to_total_pixels(image=picture, megapixels=0.5, resolution_steps=64)
    longest = images.image_scale_to_max_dimension(image=picture, largest_size=50)
    assert total.pixels.shape[1:3] == (512, 1024)
    assert stepped.pixels.shape[1:3] == (512, 1024)
    assert longest.pixels.shape[1:3] == (25, 50)


def test_alpha_goes_along_when_scaling() -> None:
    picture = Image(torch.cat([gradient(8, 8).pixels, torch.ones((1, 8, 8, 1))], dim=-1))
    scaled = images.image_scale(image=picture, upscale_method="lanczos", width=16, height=16)
    assert scaled.pixels.shape == (1, 16, 16, 4)
    assert torch.equal(scaled.pixels[..., 3], torch.ones((1, 16, 16)))


def test_a_node_leaves_its_inputs_alone(noise: Image) -> None:
    before = noise.pixels.clone()
    images.image_invert(image=noise)
    images.image_pad_for_outpaint(image=noise, left=8, feathering=4)
    images.image_scale(image=noise, width=24, height=16, upscale_method="bilinear").pixels.zero_()
    assert torch.equal(noise.pixels, before)


def test_an_empty_picture_has_its_colour() -> None:
    picture = images.empty_image(width=5, height=3, batch_size=2, color=0xFF8000)
    assert picture.pixels.shape == (2, 3, 5, 3)
    torch.testing.assert_close(picture.pixels[1, 2, 4], torch.tensor([1.0, 128 / 255, 0.0]))


def test_inverting_twice_changes_nothing(noise: Image) -> None:
    twice = images.image_invert(image=images.image_invert(image=noise))
    torch.testing.assert_close(twice.pixels, noise.pixels)


def test_padding_puts_the_picture_inside_grey(noise: Image) -> None:
    padded = images.image_pad_for_outpaint(image=noise, left=8, top=16, right=24, bottom=32, feathering=0)
    assert padded.image.pixels.shape == (2, 64, 56, 3)
    assert torch.equal(padded.image.pixels[:, 16:32, 8:32], noise.pixels)
    assert padded.image.pixels[0, 0, 0].tolist() == [0.5] * 3
    assert padded.mask.values.shape == (1, 64, 56)
    assert padded.mask.values.sum() == 64 * 56 - 16 * 24


def test_the_padding_mask_fades_only_at_sides_with_a_margin() -> None:
    padded = images.image_pad_for_outpaint(image=gradient(40, 40), left=8, feathering=10)
    inside = padded.mask.values[0, :, 8:]
    expected = torch.tensor([((10 - d) / 10) ** 2 if d < 10 else 0.0 for d in range(40)])
    torch.testing.assert_close(inside, expected.expand(40, 40))
