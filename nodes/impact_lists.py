"""The Impact pack's switches, lists and small mask tools."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import torch

from nodes.define import AnyValue, NodeError, node
from nodes.pictures.batches import joined, to_batch
from nodes.pictures.filters import blur
from nodes.pictures.resize import resize
from nodes.types import Conditioning, Image, Mask
from nodes.widgets import Lazy, Many, Range, Text, Toggle, Wire

PACK = "Impact Pack"

_LOGIC = "ImpactPack/Logic"
_UTILITIES = "ImpactPack/Util"
_OPERATIONS = "ImpactPack/Operation"

_Given = Annotated[AnyValue | None, Lazy]


class Selected(NamedTuple):
    """One of several values, and which it is."""

    selected_value: AnyValue
    selected_label: str
    selected_index: int


class Facts(NamedTuple):
    """How many pictures, how large, and of how many channels."""

    batch: int
    height: int
    width: int
    channel: int


@node(id="ImpactSwitch", title="Switch (Any)", category=_LOGIC)
def switch(
    *,
    select: Annotated[int, Range(1, 999_999, step=1)] = 1,
    sel_mode: Annotated[bool, Toggle("select_on_prompt", "select_on_execution")] = False,  # noqa: ARG001
    input1: _Given = None,
    input2: _Given = None,
    input3: _Given = None,
    input4: _Given = None,
    input5: _Given = None,
    input6: _Given = None,
    input7: _Given = None,
    input8: _Given = None,
    input9: _Given = None,
    input10: _Given = None,
) -> Selected:
    """One of up to ten values; the others are not computed."""
    every = (input1, input2, input3, input4, input5, input6, input7, input8, input9, input10)
    found = every[select - 1] if select <= len(every) else None
    if found is None:
        raise NodeError(f"ImpactSwitch is set to input {select}, and nothing is connected there.")
    return Selected(found, f"input{select}", select)


@switch.needs
def _switched(select: int | None) -> Iterable[str]:
    return [f"input{select}"] if select is not None and select <= 10 else []


@node(id="ImageListToImageBatch", title="Image List to Image Batch", category=_OPERATIONS)
def list_to_batch(*, images: Annotated[list[Image], Many]) -> Image:
    """A list of pictures as one batch, in the first one's size."""
    first = images[0].pixels
    height, width = first.shape[1:3]
    same = [
        each.pixels
        if each.pixels.shape[1:3] == first.shape[1:3]
        else resize(each.pixels.movedim(-1, 1), width, height, "lanczos").movedim(1, -1)
        for each in images
    ]
    return Image(joined(same))


@node(id="ImpactImageBatchToImageList", title="Image Batch to Image List", category=_UTILITIES)
def batch_to_list(*, image: Image) -> Annotated[list[Image], Many]:
    """Each picture of a batch by itself."""
    return [Image(each) for each in image.pixels.split(1)]


@node(id="ImpactMakeImageBatch", title="Make Image Batch", category=_UTILITIES)
def make_batch(
    *,
    image1: Image,
    image2: Image | None = None,
    image3: Image | None = None,
    image4: Image | None = None,
    image5: Image | None = None,
    image6: Image | None = None,
) -> Image:
    """Up to six batches of pictures as one, in the first one's size."""
    return list_to_batch(images=[each for each in (image1, image2, image3, image4, image5, image6) if each is not None])


@node(id="ImpactMakeImageList", title="Make Image List", category=_UTILITIES)
def make_list(
    *,
    image1: Image,
    image2: Image | None = None,
    image3: Image | None = None,
    image4: Image | None = None,
    image5: Image | None = None,
    image6: Image | None = None,
) -> Annotated[list[Image], Many]:
    """Up to six pictures one after another, each with what follows."""
    return [each for each in (image1, image2, image3, image4, image5, image6) if each is not None]


@node(id="ImpactMakeAnyList", title="Make List (Any)", category=_UTILITIES)
def make_any_list(
    *,
    value1: AnyValue | None = None,
    value2: AnyValue | None = None,
    value3: AnyValue | None = None,
    value4: AnyValue | None = None,
    value5: AnyValue | None = None,
    value6: AnyValue | None = None,
) -> Annotated[list[AnyValue], Many]:
    """Up to six values one after another, each with what follows."""
    return [each for each in (value1, value2, value3, value4, value5, value6) if each is not None]


@node(id="ImpactSelectNthItemOfAnyList", title="Select Nth Item (Any list)", category=_UTILITIES)
def select_nth(
    *, any_list: Annotated[list[AnyValue], Many], index: Annotated[int, Range(0, 2**31 - 1, step=1)] = 0
) -> AnyValue:
    """One of a list of values, counted from 0; beyond its end the last."""
    return any_list[min(index, len(any_list) - 1)]


@node(id="StringListToString", title="String List to String", category=_UTILITIES)
def join_texts(*, join_with: Annotated[str, Text()] = "\\n", string_list: Annotated[list[str], Many, Wire]) -> str:
    r"""A list of texts as one, with something between; \n is a new line."""
    return join_with.replace("\\n", "\n").join(string_list)


@node(id="ImpactImageInfo", title="Image Info", category="ImpactPack/Logic/_for_test")
def image_info(*, value: Image) -> Facts:
    """How many pictures, how large, and of how many channels."""
    return Facts(*value.pixels.shape)


@node(id="ImpactCombineConditionings", title="Combine Conditionings", category=_UTILITIES)
def combine_conditionings(
    *,
    conditioning1: Conditioning,
    conditioning2: Conditioning | None = None,
    conditioning3: Conditioning | None = None,
    conditioning4: Conditioning | None = None,
    conditioning5: Conditioning | None = None,
) -> Conditioning:
    """Up to five conditionings at once: the predictions under each are mixed."""
    every = (conditioning1, conditioning2, conditioning3, conditioning4, conditioning5)
    return Conditioning(tuple(part for each in every if each is not None for part in each))


@node(id="ToBinaryMask", category=_OPERATIONS)
def to_binary(*, mask: Mask, threshold: Annotated[int, Range(1, 255)] = 20) -> Mask:
    """A mask with nothing between: selected is what has at least this of 255 levels."""
    return Mask((mask.values * 255 >= threshold).float())


@node(id="SubtractMask", title="Pixelwise(MASK - MASK)", category=_OPERATIONS)
def subtract(*, mask1: Mask, mask2: Mask) -> Mask:
    """The first mask without the second."""
    return Mask((mask1.values - _like(mask2, mask1)).clamp(0, 1))


@node(id="AddMask", title="Pixelwise(MASK + MASK)", category=_OPERATIONS)
def add(*, mask1: Mask, mask2: Mask) -> Mask:
    """Both masks."""
    return Mask((mask1.values + _like(mask2, mask1)).clamp(0, 1))


@node(id="BitwiseAndMask", title="Pixelwise(MASK & MASK)", category=_OPERATIONS)
def intersect(*, mask1: Mask, mask2: Mask) -> Mask:
    """Where both masks are."""
    return Mask(torch.minimum(mask1.values, _like(mask2, mask1)))


def _like(mask: Mask, other: Mask) -> torch.Tensor:
    """A mask's values in another's size and number."""
    values, (height, width) = mask.values, other.values.shape[1:]
    if values.shape[1:] != other.values.shape[1:]:
        values = resize(values.unsqueeze(1), width, height, "bilinear").squeeze(1)
    return to_batch(values, len(other.values))


@node(id="ImpactGaussianBlurMask", title="Gaussian Blur Mask", category=_UTILITIES)
def blur_mask(
    *,
    mask: Mask,
    kernel_size: Annotated[int, Range(0, 100, step=1)] = 10,
    sigma: Annotated[float, Range(0.1, 100.0, step=0.1)] = 10.0,
) -> Mask:
    """Blur masks by a bell curve of this spread, cut off at so many pixels to each side."""
    if kernel_size == 0:
        return mask
    return Mask(blur(mask.values.unsqueeze(1), kernel_size, sigma / kernel_size).squeeze(1))


@node(id="ImpactDilateMask", title="Dilate Mask", category=_UTILITIES)
def dilate(*, mask: Mask, dilation: Annotated[int, Range(-512, 512, step=1)] = 10) -> Mask:
    """Masks grown by a square of so many pixels, or shrunk if that is below 0."""
    if dilation == 0:
        return mask
    kernel, work = np.ones((abs(dilation), abs(dilation)), np.uint8), cv2.dilate if dilation > 0 else cv2.erode
    grown = [np.asarray(work(levels, kernel)) for levels in mask.values.numpy()]
    return Mask(torch.from_numpy(np.stack(grown)))
