"""Nodes of the essentials pack."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from nodes import essentials as nodes
from nodes.define import NodeError
from nodes.folders import Folders
from nodes.types import Cond, Conditioning, Image, Mask

WIDE = Image(torch.rand((2, 40, 80, 3), generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"width": 30, "height": 30}, (30, 30)),
        ({"width": 30, "height": 30, "method": "keep proportion"}, (30, 15)),
        ({"width": 0, "height": 30, "method": "keep proportion"}, (60, 30)),
        ({"width": 30, "height": 0, "method": "keep proportion"}, (30, 15)),
        ({"width": 0, "height": 0, "method": "keep proportion"}, (80, 40)),
        ({"width": 30, "height": 30, "method": "fill / crop"}, (30, 30)),
        ({"width": 30, "height": 30, "method": "pad"}, (30, 30)),
        ({"width": 0, "height": 20}, (80, 20)),
        ({"width": 90, "height": 30, "condition": "downscale if bigger"}, (90, 30)),
        ({"width": 90, "height": 50, "condition": "downscale if bigger"}, (80, 40)),
        ({"width": 40, "height": 30, "condition": "upscale if smaller"}, (80, 40)),
        ({"width": 40, "height": 50, "condition": "upscale if smaller"}, (40, 50)),
        ({"width": 60, "height": 60, "condition": "if bigger area"}, (80, 40)),
        ({"width": 60, "height": 60, "condition": "if smaller area"}, (60, 60)),
        ({"width": 35, "height": 35, "multiple_of": 8}, (32, 32)),
        ({"width": 33, "height": 0, "multiple_of": 8, "method": "keep proportion"}, (32, 16)),
    ],
)
def test_pictures_are_resized_as_asked(settings: dict[str, Any], size: tuple[int, int]) -> None:
    got = nodes.image_resize(image=WIDE, interpolation="bilinear", **settings)
    assert (got.width, got.height) == size
    assert got.IMAGE.pixels.shape == (2, size[1], size[0], 3)


def test_padding_is_black_and_filling_cuts_the_middle() -> None:
    padded = nodes.image_resize(image=WIDE, width=80, height=80, method="pad").IMAGE.pixels
    assert torch.equal(padded[:, 20:60], WIDE.pixels)
    assert padded[:, :20].max() == padded[:, 60:].max() == 0
    filled = nodes.image_resize(image=WIDE, width=40, height=40, method="fill / crop").IMAGE.pixels
    assert torch.equal(filled, WIDE.pixels[:, :, 20:60])
    with pytest.raises(NodeError, match="80 x 40 cannot be cut to a multiple of 64"):
        nodes.image_resize(image=WIDE, width=0, height=0, multiple_of=64, condition="if bigger area")


@pytest.mark.parametrize(
    ("position", "offset", "x", "y"),
    [
        ("top-left", (0, 0), 0, 0),
        ("bottom-right", (0, 0), 60, 30),
        ("center", (0, 0), 30, 15),
        ("right-center", (-5, 3), 55, 18),
        ("top-left", (-5, 99), 0, 30),
    ],
)
def test_crops(position: str, offset: tuple[int, int], x: int, y: int) -> None:
    got = nodes.image_crop(image=WIDE, width=20, height=10, position=position, x_offset=offset[0], y_offset=offset[1])
    assert (got.x, got.y) == (x, y)
    assert torch.equal(got.IMAGE.pixels, WIDE.pixels[:, y : y + 10, x : x + 20])


def test_sizes_flips_and_colours() -> None:
    assert nodes.get_image_size(image=WIDE) == (80, 40, 2)
    assert torch.equal(nodes.image_flip(image=WIDE, axis="xy").pixels, WIDE.pixels.flip(1, 2))
    mask = Mask(WIDE.pixels[..., 0])
    assert torch.equal(nodes.mask_flip(mask=mask, axis="y").values, mask.values.flip(1))
    colour = Image(torch.tensor([1.0, 0.5, 0.0]).expand(1, 1, 1, 3))
    greys = {m: nodes.image_desaturate(image=colour, method=m).pixels[0, 0, 0] for m in (*nodes._GREYS, "lightness")}
    expected = (0.2126 + 0.3576, 0.299 + 0.2935, 0.5, 0.5)
    for grey, value in zip(greys.values(), expected, strict=True):
        torch.testing.assert_close(grey, torch.full((3,), value))
    half = nodes.image_desaturate(image=colour, factor=0.5, method="average").pixels[0, 0, 0]
    torch.testing.assert_close(half, torch.tensor([0.75, 0.5, 0.25]))
    assert nodes.image_posterize(image=colour, threshold=0.4).pixels.min() == 1
    assert nodes.image_posterize(image=colour, threshold=0.6).pixels.max() == 0


def test_sharpening_steepens_an_edge_and_keeps_flat_places() -> None:
    edge = torch.full((1, 8, 8, 3), 0.4)
    edge[:, :, 4:] = 0.6
    got = nodes.image_sharpen(image=Image(edge), amount=1.0).pixels
    assert got[0, 4, 4, 0] > 0.61
    assert got[0, 4, 3, 0] < 0.39
    torch.testing.assert_close(got[:, :, :2], edge[:, :, :2])


def test_masks_blur_like_opencv() -> None:
    import cv2

    values = torch.zeros(1, 21, 21)
    values[0, 8:13, 8:13] = 1
    got = nodes.mask_blur(mask=Mask(values), amount=6).values[0].numpy()
    expected = cv2.GaussianBlur(values[0].numpy(), (7, 7), 1.4)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert nodes.mask_blur(mask=Mask(values), amount=0).values is values


def test_masks_are_shown(ctx: Any, folders: Folders) -> None:
    shown = nodes.mask_preview(mask=Mask(torch.ones(2, 4, 4)), folders=folders, ctx=ctx)
    assert [folders.exists(saved) for saved in shown.files["images"]] == [True, True]


def test_each_colour_has_its_mask() -> None:
    colours = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (0, 0, 0), (1, 1, 1), (0.5, 0.5, 0.5)]
    got = nodes.mask_from_colours(image=Image(torch.tensor(colours, dtype=torch.float32).view(1, 1, 9, 3)))
    assert torch.equal(torch.stack([mask.values[0, 0] for mask in got]), torch.eye(8, 9))


def test_sums() -> None:
    assert nodes.simple_math(value="a * 2 + b / c", a=3, b=1.0, c=4) == (6, 6.25)  # type: ignore[arg-type]
    assert nodes.simple_math(value="a + 1") == (1, 1.0)
    with pytest.raises(NodeError, match="division by zero"):
        nodes.simple_math(value="1 / a")
    with pytest.raises(NodeError, match="no number to go on with"):
        nodes.simple_math(value="1e308 * 10")


def test_values_are_shown_and_conditionings_joined() -> None:
    shown = nodes.console_debug(value=WIDE, prefix="seen:")  # type: ignore[arg-type]
    assert shown.data["text"] == ["seen: Image: pixels 2 x 40 x 80 x 3"]
    some = [Conditioning((Cond(torch.zeros(1, 2, 3)),)) for _ in range(3)]
    got = nodes.combine_conditionings(conditioning_1=some[0], conditioning_2=some[1], conditioning_5=some[2])
    assert got.parts == tuple(each.parts[0] for each in some)
