"""Pictures and masks under the names that KJNodes and the Impact pack gave their nodes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nodes import impact_lists, kjnodes
from nodes.define import NodeError
from nodes.types import Cond, Conditioning, Image, Mask

WIDE = Image(torch.rand((2, 40, 80, 3), generator=torch.Generator().manual_seed(1)))
HALF = Mask(torch.cat([torch.ones(1, 40, 40), torch.zeros(1, 40, 40)], dim=2))


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"width": 31, "height": 31}, (30, 30)),
        ({"width": 31, "height": 31, "divisible_by": 0}, (31, 31)),
        ({"width": 40, "height": 40, "keep_proportion": "resize"}, (40, 20)),
        ({"width": 0, "height": 20}, (40, 20)),
        ({"width": 40, "height": 0, "keep_proportion": "resize"}, (40, 20)),
        ({"width": 0, "height": 0}, (80, 40)),
        ({"width": 40, "height": 40, "keep_proportion": "crop"}, (40, 40)),
        ({"width": 40, "height": 20, "keep_proportion": "total_pixels"}, (40, 20)),
        ({"width": 20, "height": 40, "keep_proportion": "total_pixels"}, (40, 20)),
        *(({"width": 60, "height": 60, "keep_proportion": p}, (60, 60)) for p in kjnodes._PADS),
    ],
)
def test_pictures_and_masks_are_resized_together(settings: dict[str, Any], size: tuple[int, int]) -> None:
    got = kjnodes.image_resize(image=WIDE, mask=HALF, **settings)
    assert (got.width, got.height) == size
    assert got.IMAGE.pixels.shape == (2, size[1], size[0], 3)
    assert got.mask.values.shape[1:] == (size[1], size[0])


@pytest.mark.parametrize(("place", "top"), [("center", 20), ("top", 0), ("bottom", 40)])
def test_padding_is_masked_and_has_its_colour(place: str, top: int) -> None:
    got = kjnodes.image_resize(
        image=WIDE, width=80, height=80, keep_proportion="pad", pad_color="255, 0, 51", crop_position=place, mask=HALF
    )
    inside = slice(top, top + 40)
    assert torch.equal(got.IMAGE.pixels[:, inside], WIDE.pixels)
    torch.testing.assert_close(got.IMAGE.pixels[0, (top + 60) % 80, 0], torch.tensor([1.0, 0.0, 0.2]))
    assert torch.equal(got.mask.values[0, inside], HALF.values[0])
    assert got.mask.values.sum() == 2 * (40 * 40 + 40 * 80)


def test_edges_go_on_into_the_padding() -> None:
    got = kjnodes.image_resize(image=WIDE, width=80, height=80, keep_proportion="pad_edge_pixel").IMAGE.pixels
    assert torch.equal(got[:, 0], WIDE.pixels[:, 0])
    mean = kjnodes.image_resize(image=WIDE, width=80, height=80, keep_proportion="pad_edge").IMAGE.pixels
    torch.testing.assert_close(mean[:, 3, 5], WIDE.pixels[:, 0].mean(1))
    blurred = kjnodes.image_resize(image=WIDE, width=80, height=80, keep_proportion="pillarbox_blur").IMAGE.pixels
    assert torch.equal(blurred[:, 20:60], WIDE.pixels)
    assert 0.1 < blurred[:, :10].mean() < 0.4


def test_cutting_keeps_the_side_that_is_named() -> None:
    left = kjnodes.image_resize(image=WIDE, width=40, height=40, keep_proportion="crop", crop_position="left")
    assert torch.equal(left.IMAGE.pixels, WIDE.pixels[:, :, :40])
    right = kjnodes.image_resize(
        image=WIDE, width=40, height=40, keep_proportion="crop", crop_position="right", mask=HALF
    )
    assert torch.equal(right.IMAGE.pixels, WIDE.pixels[:, :, 40:])
    assert right.mask.values.max() == 0
    with pytest.raises(NodeError, match="'pinkish' is no colour"):
        kjnodes.image_resize(image=WIDE, keep_proportion="pad", pad_color="pinkish")


def test_pictures_are_counted_joined_and_reversed() -> None:
    assert kjnodes.get_size_and_count(image=WIDE)[1:] == (80, 40, 2)
    small = Image(torch.ones(1, 20, 20, 3))
    assert kjnodes.concatenate(image1=WIDE, image2=small).pixels.shape == (2, 40, 120, 3)
    assert kjnodes.concatenate(image1=WIDE, image2=small, direction="up").pixels.shape == (2, 120, 80, 3)
    with pytest.raises(NodeError, match="40 and 20 pixels where they meet"):
        kjnodes.concatenate(image1=WIDE, image2=small, match_image_size=False)
    assert torch.equal(kjnodes.reverse_batch(images=WIDE).pixels[0], WIDE.pixels[1])


def test_masks_grow_fill_blur_and_turn_round() -> None:
    values = torch.zeros(2, 21, 21)
    values[:, 8:13, 8:13] = 1
    values[:, 10, 10] = 0
    square = kjnodes.grow_with_blur(mask=Mask(values), expand=2, tapered_corners=False)
    assert square.mask.values[0].sum() == 9 * 9
    assert torch.equal(square.mask_inverted.values, 1 - square.mask.values)
    assert kjnodes.grow_with_blur(mask=Mask(values), expand=2).mask.values[0].sum() == 9 * 9 - 4 * 3
    more = kjnodes.grow_with_blur(mask=Mask(values), expand=1, incremental_expandrate=1.0, tapered_corners=False)
    assert [each.sum().item() for each in more.mask.values] == [49, 81]
    assert kjnodes.grow_with_blur(mask=Mask(values), fill_holes=True).mask.values[0].sum() == 25
    assert kjnodes.grow_with_blur(mask=Mask(values), expand=-2).mask.values.max() == 0
    soft = kjnodes.grow_with_blur(mask=Mask(values), blur_radius=3).mask.values
    assert 0 < soft[0, 6, 10] < soft[0, 8, 10] < 1
    turned = kjnodes.grow_with_blur(mask=Mask(values), flip_input=True).mask.values
    assert torch.equal(turned, 1 - values)


def test_masks_are_stretched_and_found_by_colour() -> None:
    mask = Mask(torch.tensor([[[0.0, 0.25, 0.5]]]))
    assert kjnodes.remap_range(mask=mask, min=0.2, max=0.8).values.flatten().tolist() == pytest.approx([0.2, 0.5, 0.8])
    picture = Image(torch.tensor([[255, 0, 0], [250, 4, 4], [0, 0, 255]]).view(1, 1, 3, 3) / 255)
    assert kjnodes.colour_to_mask(images=picture, red=255).values.flatten().tolist() == [1, 1, 0]
    assert kjnodes.colour_to_mask(images=picture, red=255, threshold=5, invert=True).values.flatten().tolist() == [
        0,
        1,
        1,
    ]


def test_lists_and_batches() -> None:
    single = impact_lists.batch_to_list(image=WIDE)
    assert [tuple(each.pixels.shape) for each in single] == [(1, 40, 80, 3)] * 2
    assert torch.equal(impact_lists.list_to_batch(images=single).pixels, WIDE.pixels)
    small = Image(torch.ones(1, 20, 20, 3))
    assert impact_lists.make_batch(image1=small, image3=WIDE).pixels.shape == (3, 20, 20, 3)
    assert impact_lists.make_list(image1=small, image6=WIDE) == [small, WIDE]
    assert impact_lists.make_any_list(value2="a", value5=3) == ["a", 3]  # type: ignore[arg-type]
    assert [impact_lists.select_nth(any_list=["a", "b"], index=i) for i in (0, 1, 9)] == ["a", "b", "b"]  # type: ignore[list-item]
    assert impact_lists.join_texts(string_list=["a", "b"]) == "a\nb"
    assert impact_lists.image_info(value=WIDE) == (2, 40, 80, 3)


def test_switching_gives_the_value_and_its_place() -> None:
    assert impact_lists.switch(select=2, input2="b") == ("b", "input2", 2)  # type: ignore[arg-type]
    for select in (1, 11):
        with pytest.raises(NodeError, match=f"set to input {select}, and nothing is connected"):
            impact_lists.switch(select=select, input2="b")  # type: ignore[arg-type]


def test_masks_are_taken_together() -> None:
    quarter = Mask(torch.zeros(1, 20, 40))
    quarter.values[:, :, 10:30] = 1
    assert impact_lists.to_binary(mask=Mask(torch.tensor([[[0.07, 0.08]]])), threshold=20).values.tolist() == [[[0, 1]]]
    minus = impact_lists.subtract(mask1=HALF, mask2=quarter).values
    both = impact_lists.intersect(mask1=HALF, mask2=quarter).values
    plus = impact_lists.add(mask1=HALF, mask2=quarter).values
    torch.testing.assert_close(minus + both, HALF.values)
    assert plus.sum() > HALF.values.sum()
    assert impact_lists.dilate(mask=HALF, dilation=3).values.sum() == 41 * 40
    assert impact_lists.dilate(mask=HALF, dilation=-3).values.sum() == 39 * 40
    blurred = impact_lists.blur_mask(mask=HALF, kernel_size=5, sigma=2.0).values[0, 20]
    assert (blurred[:-1] - blurred[1:]).min() > -1e-6
    assert 0.3 < blurred[40] < 0.5 < blurred[39] < 0.7


def test_conditionings_are_combined() -> None:
    some = [Conditioning((Cond(torch.zeros(1, 2, 3)),)) for _ in range(2)]
    got = impact_lists.combine_conditionings(conditioning1=some[0], conditioning4=some[1])
    assert got.parts == (*some[0].parts, *some[1].parts)
