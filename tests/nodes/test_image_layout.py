"""Pictures cut, turned, batched, stitched."""

from __future__ import annotations

import pytest
import torch

from nodes import image_layout
from nodes.types import Image


def plain(value: float, width: int, height: int, batch: int = 1, channels: int = 3) -> Image:
    return Image(torch.full((batch, height, width, channels), value))


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ({"x": 2, "y": 1, "width": 5, "height": 3}, (slice(1, 4), slice(2, 7))),
        ({"x": 20, "y": 10, "width": 99, "height": 99}, (slice(10, 16), slice(20, 24))),
        ({"x": 999, "y": 999, "width": 4, "height": 4}, (slice(15, 16), slice(23, 24))),
    ],
)
def test_cropping_stays_inside(noise: Image, box: dict[str, int], expected: tuple[slice, slice]) -> None:
    assert torch.equal(image_layout.image_crop(image=noise, **box).pixels, noise.pixels[:, *expected])


def test_turning_is_clockwise(noise: Image) -> None:
    turned = image_layout.image_rotate(image=noise, rotation="90 degrees").pixels
    assert turned.shape == (2, 24, 16, 3)
    assert torch.equal(turned[:, :, -1], noise.pixels[:, 0])
    back = image_layout.image_rotate(image=Image(turned), rotation="270 degrees").pixels
    assert torch.equal(back, noise.pixels)


def test_flipping(noise: Image) -> None:
    down = image_layout.image_flip(image=noise, flip_method="x-axis: vertically").pixels
    across = image_layout.image_flip(image=noise, flip_method="y-axis: horizontally").pixels
    assert torch.equal(down[:, 0], noise.pixels[:, -1])
    assert torch.equal(across[:, :, 0], noise.pixels[:, :, -1])


def test_the_size(noise: Image) -> None:
    assert image_layout.get_image_size(image=noise) == (24, 16, 2)


def test_batching_resizes_to_the_first_and_keeps_alpha(noise: Image) -> None:
    both = image_layout.image_batch(image1=noise, image2=plain(0.5, 60, 20, channels=4)).pixels
    assert both.shape == (3, 16, 24, 4)
    assert torch.equal(both[:2, ..., :3], noise.pixels)
    assert both[:2, ..., 3].min() == 1
    assert (both[2] - 0.5).abs().max() < 1e-6


def test_batches_are_repeated_split_and_taken_from(noise: Image) -> None:
    three = image_layout.repeat_image_batch(image=noise, amount=3)
    assert torch.equal(three.pixels[4:], noise.pixels)
    batches = image_layout.rebatch_images(images=[three, plain(0, 8, 8)], batch_size=4)
    assert [tuple(b.pixels.shape[:3]) for b in batches] == [(4, 16, 24), (2, 16, 24), (1, 8, 8)]
    part = image_layout.image_from_batch(image=three, batch_index=5, length=9)
    assert torch.equal(part.pixels, noise.pixels[1:])
    assert len(image_layout.batch_images(images=[noise, three, noise]).pixels) == 10


@pytest.mark.parametrize("colour", [0.0, 1.0])
def test_fitting_adds_bars_of_the_colour(colour: float) -> None:
    fitted = image_layout.resize_and_pad_image(
        image=plain(0.5, 20, 10), target_width=40, target_height=40, padding_color="white" if colour else "black"
    ).pixels
    assert fitted.shape == (1, 40, 40, 3)
    assert fitted[0, :, 0, 0].tolist() == [colour] * 10 + [0.5] * 20 + [colour] * 10


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("right", (20, 10 + 4 + 20)),
        ("left", (20, 20 + 4 + 10)),
        ("down", (20 + 4 + 10, 10)),
        ("up", (10 + 4 + 20, 10)),
    ],
)
def test_stitching_matches_sizes_and_leaves_a_bar(direction: str, expected: tuple[int, int]) -> None:
    stitched = image_layout.image_stitch(
        image1=plain(0.0, 10, 20),
        direction=direction,
        spacing_width=3,
        spacing_color="red",
        image2=plain(1.0, 8, 8),
    ).pixels
    assert stitched.shape[1:3] == expected
    axis, first = (2, 10) if direction in ("right", "left") else (1, 20)
    start = first if direction in ("right", "down") else expected[axis - 1] - first - 4
    bar = stitched.narrow(axis, start, 4)
    assert bar.reshape(-1, 3).unique(dim=0).tolist() == [[1, 0, 0]]


def test_stitching_without_matching_centres_on_black() -> None:
    stitched = image_layout.image_stitch(
        image1=plain(0.5, 4, 8), direction="right", match_image_size=False, image2=plain(1.0, 2, 4, batch=2)
    ).pixels
    assert stitched.shape == (2, 8, 6, 3)
    assert stitched[1, :, 5, 0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0]


def test_stitching_to_nothing_changes_nothing(noise: Image) -> None:
    assert image_layout.image_stitch(image1=noise) is noise


@pytest.mark.parametrize(
    ("width", "height", "expected"), [(100, 100, (1024, 1024)), (300, 100, (672, 1568)), (90, 160, (1392, 752))]
)
def test_kontext_sizes_follow_the_aspect(width: int, height: int, expected: tuple[int, int]) -> None:
    scaled = image_layout.flux_kontext_image_scale(image=plain(0.5, width, height))
    assert scaled.pixels.shape[1:3] == expected
