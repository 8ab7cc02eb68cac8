"""A masked part taken out and put back."""

from __future__ import annotations

import pytest
import torch

from nodes import inpaint_crop
from nodes.define import NodeError
from nodes.types import Image, Mask


def masked(height: int, width: int, box: tuple[int, int, int, int]) -> Mask:
    """1 in a box of (left, top, right, bottom)."""
    values = torch.zeros((1, height, width))
    left, top, right, bottom = box
    values[:, top:bottom, left:right] = 1
    return Mask(values)


@pytest.fixture
def picture() -> Image:
    return Image(torch.rand((2, 80, 120, 3), generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("box", [(40, 30, 60, 50), (0, 0, 10, 10), (100, 60, 120, 80), (0, 0, 120, 80)])
@pytest.mark.parametrize("size", [(0, 0), (64, 64), (128, 32), (512, 512)])
def test_the_part_is_in_the_size_asked_for_and_holds_the_mask(
    picture: Image, box: tuple[int, int, int, int], size: tuple[int, int]
) -> None:
    taken = inpaint_crop.crop_for_inpaint(
        image=picture, mask=masked(80, 120, box), width=size[0], height=size[1], context=1.5
    )
    part = taken.stitch.box
    assert taken.image.pixels.shape[1:3] == (size[1] or part.height, size[0] or part.width)
    assert taken.mask.values.shape == taken.image.pixels.shape[:3]
    assert part.left <= box[0]
    assert part.top <= box[1]
    assert part.left + part.width >= box[2]
    assert part.top + part.height >= box[3]
    if size[0]:
        assert part.width / part.height == pytest.approx(size[0] / size[1], rel=0.1)


@pytest.mark.parametrize("box", [(40, 30, 60, 50), (0, 0, 10, 10), (0, 0, 120, 80)])
def test_an_untouched_part_goes_back_as_it_was(picture: Image, box: tuple[int, int, int, int]) -> None:
    taken = inpaint_crop.crop_for_inpaint(image=picture, mask=masked(80, 120, box), width=0, height=0)
    back = inpaint_crop.stitch_inpaint(stitch=taken.stitch, image=taken.image)
    torch.testing.assert_close(back.pixels, picture.pixels)


def test_only_the_masked_place_and_its_fade_change(picture: Image) -> None:
    box = (40, 30, 60, 50)
    taken = inpaint_crop.crop_for_inpaint(image=picture, mask=masked(80, 120, box), width=256, height=256, blend=4)
    red = Image(torch.tensor([1.0, 0, 0]).expand(taken.image.pixels.shape))
    back = inpaint_crop.stitch_inpaint(stitch=taken.stitch, image=red).pixels
    torch.testing.assert_close(back[:, 30:50, 40:60], red.pixels[:, :20, :20])
    changed = (back != picture.pixels).any(-1).any(0)
    rows, columns = changed.nonzero(as_tuple=True)
    assert (rows.min(), rows.max()) == (26, 53)
    assert (columns.min(), columns.max()) == (36, 63)
    edge = back[0, 40, 60:64, 0] - picture.pixels[0, 40, 60:64, 0]
    share = edge / (1 - picture.pixels[0, 40, 60:64, 0])
    assert share.tolist() == pytest.approx([0.8, 0.6, 0.4, 0.2], abs=1e-5)


def test_one_part_for_several_pictures_and_one_mask_for_all(picture: Image) -> None:
    taken = inpaint_crop.crop_for_inpaint(image=picture, mask=masked(160, 240, (80, 60, 120, 100)), width=64, height=64)
    assert len(taken.image.pixels) == len(taken.mask.values) == 2
    four = Image(taken.image.pixels.repeat(2, 1, 1, 1))
    assert len(inpaint_crop.stitch_inpaint(stitch=taken.stitch, image=four).pixels) == 4


def test_an_empty_mask_is_said(picture: Image) -> None:
    with pytest.raises(NodeError, match="selects nothing"):
        inpaint_crop.crop_for_inpaint(image=picture, mask=Mask(torch.zeros((1, 80, 120))))
