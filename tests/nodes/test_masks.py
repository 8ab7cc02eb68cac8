"""Mask nodes against slow, obvious references."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch

from nodes import masks
from nodes.define import NodeError
from nodes.types import Image, Mask


@pytest.fixture
def mask() -> Mask:
    return Mask(torch.rand((2, 12, 20), generator=torch.Generator().manual_seed(2)))


def test_a_mask_becomes_a_picture_and_back(mask: Mask) -> None:
    image = masks.mask_to_image(mask=mask)
    for channel in ("red", "green", "blue"):
        assert torch.equal(masks.image_to_mask(image=image, channel=channel).values, mask.values)


def test_alpha_of_a_picture(noise: Image) -> None:
    rgba = Image(torch.cat([noise.pixels, noise.pixels[..., :1]], dim=-1))
    assert torch.equal(masks.image_to_mask(image=rgba, channel="alpha").values, noise.pixels[..., 0])
    assert masks.image_to_mask(image=noise, channel="alpha").values.min() == 1


def test_a_colour_is_found_exactly() -> None:
    pixels = torch.tensor([[[0x12, 0x34, 0x56], [0x12, 0x34, 0x57], [0, 0, 0]]]) / 255
    found = masks.image_color_to_mask(image=Image(pixels.unsqueeze(0)), color=0x123456)
    assert found.values.tolist() == [[[1, 0, 0]]]


def test_solid_inverted_and_thresholded() -> None:
    solid = masks.solid_mask(value=0.25, width=3, height=2)
    assert solid.values.shape == (1, 2, 3)
    assert masks.invert_mask(mask=solid).values.unique().tolist() == [0.75]
    values = Mask(torch.tensor([[[0.4, 0.5, 0.6]]]))
    assert masks.threshold_mask(mask=values, value=0.5).values.tolist() == [[[0, 0, 1]]]


def test_cropping(mask: Mask) -> None:
    assert torch.equal(masks.crop_mask(mask=mask, x=3, y=2, width=5, height=99).values, mask.values[:, 2:, 3:8])
    with pytest.raises(NodeError, match=r"\(20, 0\), outside of the mask \(20 x 12\)"):
        masks.crop_mask(mask=mask, x=20)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("multiply", [0, 0, 0, 0.36]),
        ("add", [0, 1, 1, 1]),
        ("subtract", [0, 0, 1, 0]),
        ("and", [0, 0, 0, 1]),
        ("or", [0, 1, 1, 1]),
        ("xor", [0, 1, 1, 0]),
    ],
)
def test_combining(operation: str, expected: list[float]) -> None:
    below, above = Mask(torch.tensor([[[0, 0, 1, 0.6]]])), Mask(torch.tensor([[[0, 1, 0, 0.6]]]))
    combined = masks.mask_composite(destination=below, source=above, operation=operation).values
    torch.testing.assert_close(combined, torch.tensor([[expected]], dtype=torch.float32))


def test_combining_at_a_place_leaves_the_rest(mask: Mask) -> None:
    combined = masks.mask_composite(destination=mask, source=masks.solid_mask(value=0), x=18, y=10).values
    assert not combined[:, 10:, 18:].any()
    assert torch.equal(combined[:, :10], mask.values[:, :10])
    outside = masks.mask_composite(destination=mask, source=mask, x=500, y=500).values
    assert torch.equal(outside, mask.values)


def test_feathering_rises_from_each_side() -> None:
    feathered = masks.feather_mask(mask=Mask(torch.ones((1, 6, 8))), left=4, top=2, right=1, bottom=3).values[0]
    assert feathered[2].tolist() == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1])
    assert feathered[:, 5].tolist() == pytest.approx([0.5, 1, 1, 1, 2 / 3, 1 / 3])


@pytest.mark.parametrize("tapered", [True, False])
@pytest.mark.parametrize("expand", [-3, -1, 1, 4, 9000])
def test_growing_is_grey_dilation(mask: Mask, tapered: bool, expand: int) -> None:
    corner = 0 if tapered else 1
    footprint = np.array([[corner, 1, corner], [1, 1, 1], [corner, 1, corner]])
    expected = mask.values[0].numpy()
    for _ in range(min(abs(expand), 40)):
        step = scipy.ndimage.grey_dilation if expand > 0 else scipy.ndimage.grey_erosion
        expected = step(expected, footprint=footprint)
    grown = masks.grow_mask(mask=mask, expand=expand, tapered_corners=tapered)
    np.testing.assert_array_equal(grown.values[0].numpy(), expected)


def test_batching_masks_resizes_to_the_first(mask: Mask) -> None:
    batch = masks.batch_masks(masks=[mask, masks.solid_mask(value=1.0, width=8, height=8)])
    assert batch.values.shape == (3, 12, 20)
    assert batch.values[2].min().item() == pytest.approx(1)
