"""Preprocessors on drawn pictures whose answer is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nodes import preprocess, preprocess_colours, preprocess_networks
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Image, Mask
from tests.nodes.conftest import Running


def square(size: int = 64) -> Image:
    """A white square from a quarter to three quarters of a black picture."""
    pixels = torch.zeros((1, size, size, 3))
    pixels[:, size // 4 : -size // 4, size // 4 : -size // 4] = 1
    return Image(pixels)


def disc(size: int = 96, radius: float = 30.0) -> Image:
    y, x = torch.meshgrid(torch.arange(size) - size / 2, torch.arange(size) - size / 2, indexing="ij")
    inside = (torch.hypot(x, y) < radius).float()
    return Image(inside.reshape(1, size, size, 1).expand(1, size, size, 3))


WEIGHTS = Weights("cpu", "fp32")


def by_filter(node: Any, **inputs: Any) -> Image:
    """What a node draws that would use a network if there were one."""
    return node(**inputs, weights=WEIGHTS, folders=Folders.at(Path("no-such-folder")), ctx=Running())


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


def lines_drawing(size: int = 128) -> Image:
    """Black strokes on white: one across, one down, four pixels wide."""
    pixels = torch.ones((1, size, size, 3))
    pixels[:, 30:34, 10:118] = 0
    pixels[:, 20:110, 90:94] = 0
    return Image(pixels)


def near(mask: torch.Tensor, pixels: int) -> torch.Tensor:
    """A mask grown by so many pixels."""
    grown = torch.nn.functional.max_pool2d(mask.float()[None, None], 2 * pixels + 1, 1, pixels)
    return grown[0, 0] > 0.5


def outline(image: Image) -> torch.Tensor:
    """Where a black and white picture changes to the right or downwards."""
    on = is_on(image)
    edge = torch.zeros_like(on)
    edge[:, :-1] |= on[:, 1:] != on[:, :-1]
    edge[:-1] |= on[1:] != on[:-1]
    return edge


EDGES = {
    "canny": lambda image: preprocess.canny_edge(image=image, resolution=128),
    "pyracanny": lambda image: preprocess.pyra_canny(image=image, resolution=128),
    "hed": lambda image: by_filter(preprocess_networks.hed, image=image, safe="disable", resolution=128),
    "hed safe": lambda image: by_filter(preprocess_networks.hed, image=image, safe="enable", resolution=128),
    "pidinet": lambda image: by_filter(preprocess_networks.pidinet, image=image, resolution=128),
    "fake scribble": lambda image: by_filter(preprocess_networks.fake_scribble, image=image, resolution=128),
    "scribble pidinet": lambda image: by_filter(preprocess_networks.scribble_pidinet, image=image, resolution=128),
    "mlsd": lambda image: by_filter(preprocess_networks.mlsd, image=image, resolution=128),
}


@pytest.mark.parametrize("find", EDGES.values(), ids=EDGES.keys())
def test_edges_are_on_a_shapes_outline_and_nowhere_else(find) -> None:
    shape = square(128)
    found, true = is_on(find(shape)), outline(shape)
    # A pen's strokes are 16 pixels wide.
    assert not (found & ~near(true, 9)).any()
    assert (near(found, 3) & true).sum() > 0.9 * true.sum()


STROKES = {
    "scribble": lambda image: preprocess.scribble(image=image, resolution=128),
    "xdog": lambda image: preprocess.scribble_xdog(image=image, resolution=128),
    "standard lineart": lambda image: preprocess.lineart_standard(image=image, resolution=128),
    "lineart": lambda image: by_filter(preprocess_networks.lineart, image=image, resolution=128),
    "coarse lineart": lambda image: by_filter(
        preprocess_networks.lineart, image=image, coarse="enable", resolution=128
    ),
    "anime lineart": lambda image: by_filter(preprocess_networks.lineart_anime, image=image, resolution=128),
}


@pytest.mark.parametrize("find", STROKES.values(), ids=STROKES.keys())
def test_strokes_become_white_on_black(find) -> None:
    drawing = lines_drawing()
    found = find(drawing).pixels[0, ..., 0]
    strokes = ~is_on(drawing)
    assert found[strokes].mean() > 0.4
    assert found[~near(strokes, 3)].max() < 0.1


@pytest.mark.parametrize("find", [*EDGES.values(), *STROKES.values()], ids=[*EDGES.keys(), *STROKES.keys()])
def test_a_white_picture_has_no_lines(find) -> None:
    assert find(Image(torch.ones((1, 128, 128, 3)))).pixels.max() < 0.01


@pytest.mark.parametrize(("resolution", "expected"), [(64, (64, 128)), (512, (512, 1024)), (128, (128, 256))])
def test_the_shorter_side_gets_the_resolution(resolution: int, expected: tuple[int, int]) -> None:
    wide = Image(torch.rand((2, 20, 40, 3)))
    assert preprocess.canny_edge(image=wide, resolution=resolution).pixels.shape == (2, *expected, 3)


def test_straight_lines_are_found_and_curves_are_not() -> None:
    found = is_on(by_filter(preprocess_networks.mlsd, image=square(128), resolution=128, dist_threshold=20))
    assert found.sum() == pytest.approx(4 * 64, rel=0.1)
    assert not is_on(by_filter(preprocess_networks.mlsd, image=disc(128, 20), resolution=128, dist_threshold=20)).any()
    faint = Image(square(128).pixels * 0.08)
    assert not is_on(by_filter(preprocess_networks.mlsd, image=faint, resolution=128, score_threshold=0.1)).any()
    assert is_on(by_filter(preprocess_networks.mlsd, image=faint, resolution=128, score_threshold=0.05)).any()


@pytest.mark.parametrize(("threshold", "bright"), [(100, 0.5), (200, 0.9), (0, 0.6), (255, 0.6)])
def test_binary_splits_at_a_level_or_where_otsu_says(threshold: int, bright: float) -> None:
    pixels = torch.zeros((1, 64, 64, 3)) + 0.1
    pixels[:, :, 32:] = bright
    found = preprocess.binary(image=Image(pixels), bin_threshold=threshold, resolution=64).pixels[0, ..., 0]
    assert not found[:, :32].any()
    assert found[:, 32:].min() == 1


def test_the_palette_is_the_mean_of_each_patch() -> None:
    pixels = torch.rand((1, 128, 192, 3), generator=torch.Generator().manual_seed(0))
    found = preprocess_colours.colour(image=Image(pixels), resolution=128).pixels
    means = torch.nn.functional.avg_pool2d(pixels.movedim(-1, 1), 64)
    expected = torch.nn.functional.interpolate(means, scale_factor=64).movedim(1, -1)
    torch.testing.assert_close(found, expected, atol=2 / 255, rtol=0)


def test_shuffling_keeps_colours_and_moves_places() -> None:
    halves = torch.zeros((1, 128, 128, 3))
    halves[:, :, 64:] = torch.tensor([1.0, 0.5, 0.0])
    found = preprocess_colours.shuffle(image=Image(halves), resolution=128, seed=3).pixels
    again = preprocess_colours.shuffle(image=Image(halves), resolution=128, seed=3).pixels
    other = preprocess_colours.shuffle(image=Image(halves), resolution=128, seed=4).pixels
    assert torch.equal(found, again)
    assert not torch.equal(found, other)
    known = torch.stack([found[..., 0] * 0.5 - found[..., 1], found[..., 2]])
    assert known.abs().max() < 0.01
    assert (found - halves).abs().mean() > 0.05


TILES = {
    "tile": lambda image: preprocess_colours.tile(image=image, resolution=64, pyrUp_iters=2),
    "simple": lambda image: preprocess_colours.tile_simple(image=image, scale_factor=2.0),
    "guided": lambda image: preprocess_colours.tile_guided(image=image, scale_factor=2.0),
}


@pytest.mark.parametrize("blur", TILES.values(), ids=TILES.keys())
def test_tiles_lose_detail_and_keep_tone(blur, noise: Image) -> None:
    grain = Image(torch.rand((1, 64, 80, 3), generator=torch.Generator().manual_seed(0)))
    found = blur(grain).pixels
    assert found.shape == grain.pixels.shape
    assert found.std() < 0.4 * grain.pixels.std()
    assert found.mean().item() == pytest.approx(grain.pixels.mean().item(), abs=0.02)


def test_the_guided_filter_keeps_edges_that_blurring_loses() -> None:
    shape = square(64)
    guided = preprocess_colours.tile_guided(image=shape, blur_strength=1.0, eps=0.001).pixels
    blurred = preprocess_colours.tile_simple(image=shape, blur_strength=6.0).pixels
    assert (guided - shape.pixels).abs().mean() < (blurred - shape.pixels).abs().mean()


@pytest.mark.parametrize(("gamma", "expected"), [(1.0, 0.5), (2.0, 0.25)])
def test_intensity_is_the_strongest_colour_bent(gamma: float, expected: float) -> None:
    pixels = torch.tensor([0.5, 0.1, 0.2]).expand(1, 64, 64, 3)
    found = preprocess_colours.intensity(image=Image(pixels), gamma_correction=gamma, resolution=64).pixels
    assert found.unique().tolist() == [pytest.approx(expected, abs=0.01)]


def test_luminance_orders_colours_as_the_eye_does() -> None:
    bars = torch.tensor([[0.0, 0, 1], [1.0, 0, 0], [0.0, 1, 0], [1.0, 1, 1]]).repeat_interleave(16, dim=0)
    found = preprocess_colours.luminance(image=Image(bars.expand(1, 64, 64, 3)), resolution=64).pixels
    shades = found[0, 0, ::16, 0]
    assert (shades.diff() > 0.1).all()
    assert shades[-1] == 1


@pytest.mark.parametrize(("black", "value"), [(False, -1.0), (True, 0.0)])
def test_the_masked_place_is_blanked(noise: Image, black: bool, value: float) -> None:
    mask = Mask(torch.zeros((1, 32, 48)))
    mask.values[:, 16:, 24:] = 1
    found = preprocess_colours.inpaint(image=noise, mask=mask, black_pixel_for_xinsir_cn=black).pixels
    assert found[:, 8:, 12:].unique().tolist() == [value]
    assert torch.equal(found[:, :8], noise.pixels[:, :8])
