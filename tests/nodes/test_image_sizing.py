"""Pictures and masks resized in every way that there is, cut, and put in a grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pil

from nodes import image_sizing as nodes
from nodes.define import NodeError
from nodes.types import Image, Mask

WIDE = Image(torch.rand((2, 40, 80, 3), generator=torch.Generator().manual_seed(1)))
SELECTION = Mask(torch.rand((1, 40, 80), generator=torch.Generator().manual_seed(2)))


@pytest.mark.parametrize(
    ("way", "numbers", "size"),
    [
        ("scale dimensions", {"width": 30, "height": 20}, (30, 20)),
        ("scale dimensions", {"width": 0, "height": 20}, (40, 20)),
        ("scale dimensions", {"width": 20, "height": 0}, (20, 10)),
        ("scale dimensions", {"width": 0, "height": 0}, (80, 40)),
        ("scale by multiplier", {"multiplier": 0.5}, (40, 20)),
        ("scale longer dimension", {"longer_size": 20}, (20, 10)),
        ("scale shorter dimension", {"shorter_size": 20}, (40, 20)),
        ("scale width", {"width": 20}, (20, 10)),
        ("scale height", {"height": 20}, (40, 20)),
        ("scale height", {"height": 0}, (80, 40)),
        ("scale total pixels", {"megapixels": 0.01}, (145, 72)),
    ],
)
@pytest.mark.parametrize("value", [WIDE, SELECTION], ids=["picture", "mask"])
def test_the_way_says_the_size(value: Any, way: str, numbers: dict[str, Any], size: tuple[int, int]) -> None:
    got: Any = nodes.resize_image_or_mask(input=value, resize_type=way, **numbers)
    assert type(got) is type(value)
    shape = got.values.shape if isinstance(got, Mask) else got.pixels.shape
    assert (shape[2], shape[1]) == size


def test_a_size_is_matched_in_the_middle_or_squeezed() -> None:
    square = Mask(torch.zeros(1, 20, 20))
    cut: Any = nodes.resize_image_or_mask(input=WIDE, resize_type="match size", match=square)  # type: ignore[arg-type]
    torch.testing.assert_close(
        cut.pixels, WIDE.pixels[:, :, 20:60].unflatten(1, (20, 2)).unflatten(3, (20, 2)).mean((2, 4))
    )
    squeezed: Any = nodes.resize_image_or_mask(input=WIDE, resize_type="match size", match=square, crop="disabled")  # type: ignore[arg-type]
    torch.testing.assert_close(squeezed.pixels, WIDE.pixels.unflatten(1, (20, 2)).unflatten(3, (20, 4)).mean((2, 4)))


def test_what_cannot_be_resized_is_told() -> None:
    with pytest.raises(NodeError, match="connect the picture or mask to match"):
        nodes.resize_image_or_mask(input=WIDE, resize_type="match size")  # type: ignore[arg-type]
    with pytest.raises(NodeError, match="this is a str"):
        nodes.resize_image_or_mask(input="words")  # type: ignore[arg-type]


def test_edges_get_their_length_by_lanczos() -> None:
    short = nodes.resize_by_shorter_edge(images=WIDE, shorter_edge=10).pixels
    long = nodes.resize_by_longer_edge(images=WIDE, longer_edge=20).pixels
    tall = nodes.resize_by_longer_edge(images=Image(WIDE.pixels.transpose(1, 2)), longer_edge=30).pixels
    assert short.shape[1:3] == long.shape[1:3] == (10, 20)
    assert tall.shape[1:3] == (30, 15)
    levels = (WIDE.pixels[0].numpy() * 255).astype(np.uint8)
    expected = np.asarray(Pil.fromarray(levels).resize((20, 10), Pil.Resampling.LANCZOS)) / 255
    np.testing.assert_allclose(short[0], expected, atol=1e-6)


def test_crops_take_the_middle_or_a_place_by_seed() -> None:
    middle = nodes.center_crop(images=WIDE, width=20, height=100).pixels
    assert torch.equal(middle, WIDE.pixels[:, :, 30:50])
    places = {seed: nodes.random_crop(images=WIDE, width=16, height=16, seed=seed).pixels for seed in range(6)}
    again = nodes.random_crop(images=WIDE, width=16, height=16, seed=3).pixels
    assert torch.equal(places[3], again)
    assert len({found.sum().item() for found in places.values()}) > 3
    windows = WIDE.pixels.unfold(1, 16, 1).unfold(2, 16, 1).permute(1, 2, 0, 4, 5, 3).flatten(0, 1)
    assert any(torch.equal(window, again) for window in windows)


def test_levels_are_scaled_from_black_or_from_grey() -> None:
    grey = Image(torch.tensor([0.0, 0.25, 0.5, 1.0]).view(1, 1, 4, 1).expand(1, 1, 4, 3))
    assert nodes.adjust_brightness(images=grey, factor=2.0).pixels[0, 0, :, 0].tolist() == [0, 0.5, 1, 1]
    assert nodes.adjust_contrast(images=grey, factor=0.5).pixels[0, 0, :, 0].tolist() == [0.25, 0.375, 0.5, 0.75]
    assert nodes.adjust_contrast(images=grey, factor=2.0).pixels[0, 0, :, 0].tolist() == [0, 0, 0.5, 1]
    assert nodes.normalize(images=grey, mean=0.5, std=0.25).pixels[0, 0, :, 0].tolist() == [-2, -1, 0, 2]


def test_a_grid_has_all_pictures_in_rows() -> None:
    three = Image(torch.stack([torch.full((8, 8, 3), value / 255) for value in (51, 102, 255)]))
    grid = nodes.image_grid(images=three, columns=2, cell_width=32, cell_height=40, padding=4).pixels
    assert grid.shape == (1, 84, 68, 3)
    assert [round(grid[0, y, x, 0].item(), 4) for y, x in ((20, 16), (20, 50), (60, 16), (60, 50))] == [0.2, 0.4, 1, 0]
    assert grid[0, :, 32:36].max() == 0
    assert grid[0, 40:44].max() == 0
