"""Masks: from and to pictures, grown, softened, combined."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import cv2
import numpy as np
import torch

from nodes.define import node
from nodes.pictures import compose
from nodes.pictures.batches import like, to_batch
from nodes.types import Image, Mask, NodeError
from nodes.widgets import Choice, Each, Range

if TYPE_CHECKING:
    from torch import Tensor

_Place = Annotated[int, Range(0, 16384, step=1)]
_Size = Annotated[int, Range(1, 16384, step=1)]
_Share = Annotated[float, Range(0, 1, step=0.01)]
_CHANNELS = ("red", "green", "blue", "alpha")


@node(id="MaskToImage", title="Convert Mask to Image", category="mask")
def mask_to_image(*, mask: Mask) -> Image:
    """A mask as a grey picture."""
    return Image(mask.values.unsqueeze(-1).repeat(1, 1, 1, 3))


@node(id="ImageToMask", title="Convert Image to Mask", category="mask")
def image_to_mask(*, image: Image, channel: Annotated[str, Choice(_CHANNELS)] = "red") -> Mask:
    """One channel of pictures as a mask. Without alpha, everything is opaque."""
    place = _CHANNELS.index(channel)
    if place >= image.pixels.shape[-1]:
        return Mask(torch.ones(image.pixels.shape[:3]))
    return Mask(image.pixels[..., place].clone())


@node(id="ImageColorToMask", category="mask")
def image_color_to_mask(*, image: Image, color: Annotated[int, Range(0, 0xFFFFFF, step=1)] = 0) -> Mask:
    """Where pictures have exactly this colour (0xRRGGBB)."""
    levels = (image.pixels[..., :3].clamp(0, 1) * 255.0).round().to(torch.int64)
    packed = levels[..., 0] * 65536 + levels[..., 1] * 256 + levels[..., 2]
    return Mask((packed == color).float())


@node(id="SolidMask", category="mask")
def solid_mask(*, value: _Share = 1.0, width: _Size = 512, height: _Size = 512) -> Mask:
    """A mask of one value."""
    return Mask(torch.full((1, height, width), value))


@node(id="InvertMask", category="mask")
def invert_mask(*, mask: Mask) -> Mask:
    """What is not selected."""
    return Mask(1.0 - mask.values)


@node(id="CropMask", category="mask")
def crop_mask(*, mask: Mask, x: _Place = 0, y: _Place = 0, width: _Size = 512, height: _Size = 512) -> Mask:
    """A part of a mask."""
    h, w = mask.values.shape[1:]
    if x >= w or y >= h:
        raise NodeError(f"The part begins at ({x}, {y}), outside of the mask ({w} x {h}); choose a smaller x and y.")
    return Mask(mask.values[:, y : y + height, x : x + width].clone())


_OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "multiply": lambda a, b: a * b,
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "and": lambda a, b: (a.round().bool() & b.round().bool()).float(),
    "or": lambda a, b: (a.round().bool() | b.round().bool()).float(),
    "xor": lambda a, b: (a.round().bool() ^ b.round().bool()).float(),
}


@node(id="MaskComposite", category="mask")
def mask_composite(
    *,
    destination: Mask,
    source: Mask,
    x: _Place = 0,
    y: _Place = 0,
    operation: Annotated[str, Choice(tuple(_OPERATIONS))] = "multiply",
) -> Mask:
    """One mask combined with another whose corner is at (x, y); and, or, xor round first."""
    below = destination.values
    above = to_batch(source.values, len(below))[:, : max(0, below.shape[1] - y), : max(0, below.shape[2] - x)]
    h, w = above.shape[1:]
    result = below.clone()
    result[:, y : y + h, x : x + w] = _OPERATIONS[operation](result[:, y : y + h, x : x + w], above)
    return Mask(result.clamp(0, 1))


@node(id="FeatherMask", category="mask")
def feather_mask(*, mask: Mask, left: _Place = 0, top: _Place = 0, right: _Place = 0, bottom: _Place = 0) -> Mask:
    """A mask that rises over so many pixels from its sides."""
    h, w = mask.values.shape[1:]
    return Mask(mask.values * compose.feather(h, w, (left, top, right, bottom)))


@node(id="GrowMask", title="Grow Mask", category="mask")
def grow_mask(
    *,
    mask: Mask,
    expand: Annotated[int, Range(-16384, 16384, step=1)] = 0,
    tapered_corners: bool = True,
) -> Mask:
    """A mask grown by so many pixels, or shrunk by a negative number; tapered corners make squares octagonal."""
    if expand == 0:
        return mask
    shape = cv2.MORPH_CROSS if tapered_corners else cv2.MORPH_RECT
    kernel = np.asarray(cv2.getStructuringElement(shape, (3, 3)), dtype=np.uint8)
    morph = cv2.dilate if expand > 0 else cv2.erode
    # Beyond its longer side nothing changes any more.
    times = min(abs(expand), sum(mask.values.shape[1:]))
    grown = [morph(np.ascontiguousarray(each), kernel, iterations=times) for each in mask.values.numpy()]
    return Mask(torch.from_numpy(np.stack(grown)))


@node(id="ThresholdMask", category="mask")
def threshold_mask(*, mask: Mask, value: _Share = 0.5) -> Mask:
    """1 where a mask is above a value, 0 elsewhere."""
    return Mask((mask.values > value).float())


@node(id="BatchMasksNode", title="Batch Masks", category="mask")
def batch_masks(*, masks: Annotated[list[Mask], Each(max=50, min=1)]) -> Mask:
    """Several masks as one batch, in the first one's size."""
    first = masks[0].values.unsqueeze(1)
    return Mask(torch.cat([like(m.values.unsqueeze(1), first, batch=False) for m in masks]).squeeze(1))
