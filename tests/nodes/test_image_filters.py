"""Filters against slow, obvious references."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.ndimage
import torch

from nodes import compositing, image_filters
from nodes.types import Image, Mask


def bell(radius: int, sigma: float) -> np.ndarray:
    """Weights in a square, sigma counted in radii."""
    at = np.linspace(-1, 1, 2 * radius + 1)
    weights = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * sigma**2))
    return weights / weights.sum()


def blurred(pixels: np.ndarray, radius: int, sigma: float) -> np.ndarray:
    return scipy.ndimage.convolve(pixels, bell(radius, sigma)[..., None], mode="mirror")


@pytest.mark.parametrize(("radius", "sigma"), [(1, 1.0), (5, 0.3), (9, 10.0)])
def test_blurring_is_a_convolution(noise: Image, radius: int, sigma: float) -> None:
    expected = blurred(noise.pixels[1].numpy().astype(np.float64), radius, sigma)
    found = image_filters.image_blur(image=noise, blur_radius=radius, sigma=sigma)
    np.testing.assert_allclose(found.pixels[1].numpy(), expected, atol=1e-6)


def test_sharpening_adds_what_blurring_takes(noise: Image) -> None:
    before = noise.pixels[0].numpy().astype(np.float64)
    expected = np.clip(before + 10 * 0.07 * (before - blurred(before, 2, 0.8)), 0, 1)
    found = image_filters.image_sharpen(image=noise, sharpen_radius=2, sigma=0.8, alpha=0.07)
    np.testing.assert_allclose(found.pixels[0].numpy(), expected, atol=1e-5)


def test_filters_take_pictures_smaller_than_themselves() -> None:
    tiny = Image(torch.full((1, 1, 2, 3), 0.25))
    torch.testing.assert_close(image_filters.image_blur(image=tiny, blur_radius=31).pixels, tiny.pixels)
    torch.testing.assert_close(image_filters.image_sharpen(image=tiny, sharpen_radius=31).pixels, tiny.pixels)


def soft_light(a: float, b: float) -> float:
    lighter = ((16 * a - 12) * a + 4) * a if a <= 0.25 else math.sqrt(a)
    return a - (1 - 2 * b) * a * (1 - a) if b <= 0.5 else a + (2 * b - 1) * (lighter - a)


BLENDS = {
    "normal": lambda a, b: b,
    "multiply": lambda a, b: a * b,
    "screen": lambda a, b: a + b - a * b,
    "overlay": lambda a, b: 2 * a * b if a <= 0.5 else 1 - 2 * (1 - a) * (1 - b),
    "soft_light": soft_light,
    "difference": lambda a, b: a - b,
}


@pytest.mark.parametrize("mode", BLENDS)
def test_blending_is_the_formula(noise: Image, mode: str) -> None:
    first, second = Image(noise.pixels[:1]), Image(noise.pixels[1:])
    found = image_filters.image_blend(image1=first, image2=second, blend_factor=0.3, blend_mode=mode).pixels
    a, b = first.pixels.flatten().tolist(), second.pixels.flatten().tolist()
    expected = [min(max(0.7 * x + 0.3 * BLENDS[mode](x, y), 0), 1) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(found.flatten().numpy(), expected, atol=1e-6)


def test_blending_resizes_the_second_and_repeats_it(noise: Image) -> None:
    other = Image(torch.full((1, 5, 9, 3), 0.5))
    blended = image_filters.image_blend(image1=noise, image2=other, blend_factor=1.0)
    torch.testing.assert_close(blended.pixels, torch.full_like(noise.pixels, 0.5))


def test_noise_is_the_seeds(noise: Image) -> None:
    grey = Image(torch.full((1, 64, 64, 3), 0.5))
    once = image_filters.image_add_noise(image=grey, seed=2**64 - 1, strength=0.05).pixels
    again = image_filters.image_add_noise(image=grey, seed=2**64 - 1, strength=0.05).pixels
    other = image_filters.image_add_noise(image=grey, seed=1, strength=0.05).pixels
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert once.std().item() == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize("dither", ["none", "floyd-steinberg", "bayer-2", "bayer-4", "bayer-8", "bayer-16"])
@pytest.mark.parametrize("colours", [1, 2, 7, 256])
def test_quantising_leaves_so_many_colours(noise: Image, dither: str, colours: int) -> None:
    few = image_filters.image_quantize(image=noise, colors=colours, dither=dither).pixels
    assert few.shape == noise.pixels.shape
    assert all(len(p.reshape(-1, 3).unique(dim=0)) <= colours for p in few)


def test_dithering_keeps_the_mean_brightness() -> None:
    ramp = torch.linspace(0, 1, 64).reshape(1, 1, 64, 1).expand(1, 64, 64, 3)
    plain, dithered = (
        image_filters.image_quantize(image=Image(ramp), colors=2, dither=d).pixels for d in ("none", "floyd-steinberg")
    )
    # The two colours are about a quarter and three quarters; only between them can dots mix.
    between = slice(20, 44)
    error = [(p.mean(dim=(0, 1, 3)) - ramp[0, 0, :, 0])[between].abs().mean().item() for p in (plain, dithered)]
    assert error[1] < error[0] / 2


@pytest.mark.parametrize("size", [3, 5, 9])
def test_morphology_is_scipys(noise: Image, size: int) -> None:
    before = noise.pixels[0].numpy()
    window = (size, size, 1)
    small = scipy.ndimage.grey_erosion(before, window)
    large = scipy.ndimage.grey_dilation(before, window)
    expected = {"erode": small, "dilate": large, "gradient": large - small}
    for operation, values in expected.items():
        found = image_filters.morphology(image=noise, operation=operation, kernel_size=size)
        np.testing.assert_allclose(found.pixels[0].numpy(), values, atol=1e-6)


def test_opening_and_closing_bracket_the_picture(noise: Image) -> None:
    found = {
        operation: image_filters.morphology(image=noise, operation=operation, kernel_size=3).pixels
        for operation in ("open", "close", "top_hat", "bottom_hat")
    }
    assert (found["open"] <= noise.pixels).all()
    assert (found["close"] >= noise.pixels).all()
    torch.testing.assert_close(found["top_hat"], noise.pixels - found["open"])
    torch.testing.assert_close(found["bottom_hat"], found["close"] - noise.pixels)


def test_yuv_there_and_back(noise: Image) -> None:
    planes = image_filters.image_rgb_to_yuv(image=noise)
    back = image_filters.image_yuv_to_rgb(Y=planes.Y, U=planes.U, V=planes.V)
    torch.testing.assert_close(back.pixels, noise.pixels, atol=2e-3, rtol=0)
    grey = image_filters.image_rgb_to_yuv(image=Image(torch.full((1, 1, 1, 3), 0.25)))
    assert [p.pixels[0, 0, 0].tolist() for p in grey] == [pytest.approx([v] * 3) for v in (0.25, 0.5, 0.5)]


def test_a_picture_over_another(noise: Image) -> None:
    above = Image(torch.ones((1, 8, 8, 3)))
    mask = Mask(torch.tensor([0.0, 0.5]).repeat_interleave(4).reshape(1, 1, 8).expand(1, 8, 8))
    over = compositing.image_composite_masked(destination=noise, source=above, x=20, y=4, mask=mask).pixels
    assert torch.equal(over[:, 4:12, 20:24], noise.pixels[:, 4:12, 20:24])
    whole = compositing.image_composite_masked(destination=noise, source=above, x=20, y=12).pixels
    assert whole[:, 12:, 20:].min() == 1
    assert torch.equal(whole[:, :12], noise.pixels[:, :12])
    half = compositing.image_composite_masked(destination=noise, source=above, x=0, y=0, mask=mask).pixels
    torch.testing.assert_close(half[:, :8, 4:8], 0.5 + 0.5 * noise.pixels[:, :8, 4:8])
    covered = compositing.image_composite_masked(destination=noise, source=above, resize_source=True).pixels
    assert covered.min() == 1


def test_alpha_apart_and_together(noise: Image) -> None:
    mask = Mask(noise.pixels[..., 0].clone())
    rgba = compositing.join_image_with_alpha(image=noise, alpha=mask)
    apart = compositing.split_image_with_alpha(image=rgba)
    torch.testing.assert_close(apart.mask.values, mask.values)
    assert torch.equal(apart.image.pixels, noise.pixels)
    assert not compositing.split_image_with_alpha(image=noise).mask.values.any()


Share = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def nothing(sa: torch.Tensor, da: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(sa)


def all_of_it(sa: torch.Tensor, da: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(sa)


def where_source(sa: torch.Tensor, da: torch.Tensor) -> torch.Tensor:
    return sa


def where_no_source(sa: torch.Tensor, da: torch.Tensor) -> torch.Tensor:
    return 1 - sa


def where_destination(sa: torch.Tensor, da: torch.Tensor) -> torch.Tensor:
    return da


def where_no_destination(sa: torch.Tensor, da: torch.Tensor) -> torch.Tensor:
    return 1 - da


PORTER_DUFF: dict[str, tuple[Share, Share]] = {
    "CLEAR": (nothing, nothing),
    "SRC": (all_of_it, nothing),
    "DST": (nothing, all_of_it),
    "SRC_OVER": (all_of_it, where_no_source),
    "DST_OVER": (where_no_destination, all_of_it),
    "SRC_IN": (where_destination, nothing),
    "DST_IN": (nothing, where_source),
    "SRC_OUT": (where_no_destination, nothing),
    "DST_OUT": (nothing, where_no_source),
    "SRC_ATOP": (where_destination, where_no_source),
    "DST_ATOP": (where_no_destination, where_source),
    "XOR": (where_no_destination, where_no_source),
}
"""The share of the source and of the destination in each mode, by the alphas of both (Porter and Duff 1984)."""


@pytest.mark.parametrize("mode", PORTER_DUFF)
def test_porter_duff_shares(noise: Image, mode: str) -> None:
    s, d = Image(noise.pixels[:1]), Image(noise.pixels[1:])
    sa, da = (p.pixels[..., 1] * 0.8 + 0.1 for p in (d, s))
    found = compositing.porter_duff_image_composite(
        source=s, source_alpha=Mask(1 - sa), destination=d, destination_alpha=Mask(1 - da), mode=mode
    )
    fs, fd = (share(sa, da) for share in PORTER_DUFF[mode])
    alpha = sa * fs + da * fd
    torch.testing.assert_close(1 - found.mask.values, alpha, atol=1e-6, rtol=0, check_dtype=False)
    if mode != "CLEAR":
        colours = (s.pixels * (sa * fs).unsqueeze(-1) + d.pixels * (da * fd).unsqueeze(-1)) / alpha.unsqueeze(-1)
        torch.testing.assert_close(found.image.pixels, colours, atol=1e-5, rtol=0)


BLENDED = {
    "ADD": lambda s, d: min(s + d, 1),
    "MULTIPLY": lambda s, d: s * d,
    "SCREEN": lambda s, d: s + d - s * d,
    "DARKEN": min,
    "LIGHTEN": max,
    "OVERLAY": lambda s, d: 2 * s * d if d < 0.5 else 1 - 2 * (1 - s) * (1 - d),
}


@pytest.mark.parametrize("mode", BLENDED)
def test_blending_modes_of_opaque_pictures(noise: Image, mode: str) -> None:
    s, d = Image(noise.pixels[:1]), Image(noise.pixels[1:])
    opaque = Mask(torch.zeros((1, 16, 24)))
    found = compositing.porter_duff_image_composite(
        source=s, source_alpha=opaque, destination=d, destination_alpha=opaque, mode=mode
    )
    pairs = zip(s.pixels.flatten().tolist(), d.pixels.flatten().tolist(), strict=True)
    np.testing.assert_allclose(found.image.pixels.flatten().numpy(), [BLENDED[mode](*p) for p in pairs], atol=1e-6)
    assert not found.mask.values.any()
