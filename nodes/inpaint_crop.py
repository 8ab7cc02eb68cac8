"""The masked part of a picture, with what is around it, taken out to be drawn again, and put back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

import cv2
import numpy as np
import torch

from nodes.define import node
from nodes.pictures.batches import to_batch, with_channels
from nodes.pictures.resize import resize_mask, resize_picture
from nodes.types import Image, Mask, NodeError
from nodes.widgets import Range, Tip

if TYPE_CHECKING:
    from torch import Tensor


class Box(NamedTuple):
    """A part of a picture, in pixels; it may reach beyond the picture."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class Stitch:
    """Where a part was taken out: the whole pictures, the part's place, and how much of it to put back where."""

    socket: ClassVar[str] = "STITCH"
    pixels: Tensor
    opacity: Tensor
    box: Box


class TakenOut(NamedTuple):
    """A part to draw in, and how to put it back."""

    stitch: Stitch
    image: Image
    mask: Mask


_Side = Annotated[int, Range(0, 16384, step=8), Tip("0 leaves the part in its own size.")]


@node(id="CropForInpaint", title="Crop for Inpainting", category="image/inpaint")
def crop_for_inpaint(
    *,
    image: Image,
    mask: Mask,
    context: Annotated[float, Range(1, 8, step=0.05), Tip("How much larger than the masked place the part is.")] = 1.5,
    width: _Side = 512,
    height: _Side = 512,
    blend: Annotated[int, Range(0, 512), Tip("Over how many pixels the part fades in when it is put back.")] = 16,
) -> TakenOut:
    """Take out the masked place with what is around it, resized, so that it can be drawn again in detail."""
    count, h, w = image.pixels.shape[:3]
    selected = to_batch(resize_mask(mask.values, w, h), count)
    box = _fitted(_grown(_bounds(selected), context, width, height), w, h)
    opacity = torch.stack([_faded(each, blend) for each in selected])
    part, part_mask = _taken(image.pixels, box), _taken(selected.unsqueeze(-1), box)
    size = (width or box.width, height or box.height)
    return TakenOut(
        Stitch(image.pixels, _taken(opacity.unsqueeze(-1), box).squeeze(-1), box),
        Image(_resized(part, *size).clamp(0, 1)),
        Mask(_resized(part_mask, *size).squeeze(-1).clamp(0, 1)),
    )


@node(id="StitchInpaint", title="Stitch Inpainted Part", category="image/inpaint")
def stitch_inpaint(*, stitch: Stitch, image: Image) -> Image:
    """Put a part back where it was taken out. What was not masked stays as it was."""
    left, top, width, height = stitch.box
    count = max(len(image.pixels), len(stitch.pixels))
    result = to_batch(stitch.pixels, count).clone()
    h, w = result.shape[1:3]
    new = _resized(to_batch(with_channels(image.pixels, result.shape[-1]), count), width, height).clamp(0, 1)
    opacity = to_batch(stitch.opacity, count).unsqueeze(-1)
    y0, x0, y1, x1 = max(0, top), max(0, left), min(h, top + height), min(w, left + width)
    inside = (slice(None), slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    place = (slice(None), slice(y0, y1), slice(x0, x1))
    result[place] = result[place] * (1 - opacity[inside]) + new[inside] * opacity[inside]
    return Image(result)


def _bounds(selected: Tensor) -> Box:
    """The smallest box around all that is selected."""
    anywhere = selected.amax(0) > 0
    rows, columns = anywhere.any(1).nonzero().flatten(), anywhere.any(0).nonzero().flatten()
    if not len(rows):
        raise NodeError("The mask selects nothing; draw one, or leave out cropping.")
    left, top = int(columns[0]), int(rows[0])
    return Box(left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1)


def _grown(box: Box, context: float, width: int, height: int) -> Box:
    """The box made larger about its middle, with the aspect of width to height where both are given."""
    w, h = box.width * context, box.height * context
    if width and height:
        w, h = max(w, h * width / height), max(h, w * height / width)
    w, h = math.ceil(w), math.ceil(h)
    return Box(round(box.left + (box.width - w) / 2), round(box.top + (box.height - h) / 2), w, h)


def _fitted(box: Box, width: int, height: int) -> Box:
    """The box moved inside a picture where it fits; centred over it where it does not."""

    def moved(start: int, size: int, limit: int) -> int:
        return (limit - size) // 2 if size > limit else min(max(start, 0), limit - size)

    return Box(moved(box.left, box.width, width), moved(box.top, box.height, height), box.width, box.height)


def _taken(pixels: Tensor, box: Box) -> Tensor:
    """A part of pictures [B,H,W,C]; beyond their border it repeats."""
    h, w = pixels.shape[1:3]
    rows = torch.arange(box.top, box.top + box.height).clamp(0, h - 1)
    columns = torch.arange(box.left, box.left + box.width).clamp(0, w - 1)
    return pixels[:, rows][:, :, columns]


def _resized(pixels: Tensor, width: int, height: int) -> Tensor:
    h, w = pixels.shape[1:3]
    if (w, h) == (width, height):
        return pixels
    return resize_picture(pixels, width, height, "area" if width * height < w * h else "bicubic")


def _faded(mask: Tensor, over: int) -> Tensor:
    """A mask that falls to 0 over so many pixels outside of itself, and is whole within."""
    values = np.ascontiguousarray(mask.numpy())
    if not over:
        return mask
    # Distances are to the nearest selected pixel, so the fade begins right beside it.
    outside = (values < 0.5).astype(np.uint8)
    if outside.all():
        return mask
    distance = np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
    fade = np.clip(1.0 - distance / (over + 1), 0, 1).astype(np.float32)
    return torch.maximum(mask, torch.from_numpy(fade))
