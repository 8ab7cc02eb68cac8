"""Pictures: making, resizing, padding, inverting."""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import torch

from nodes.define import node
from nodes.pictures.resize import CROPS, IMAGE_METHODS, resize_picture
from nodes.types import Image, Mask
from nodes.widgets import Choice, Range

_Method = Annotated[str, Choice(IMAGE_METHODS)]
_Side = Annotated[int, Range(0, 16384, step=1)]
_Margin = Annotated[int, Range(0, 16384, step=8)]


class Padded(NamedTuple):
    """A picture with margins, and 1 where they are."""

    image: Image
    mask: Mask


@node(id="EmptyImage", category="image")
def empty_image(
    *,
    width: Annotated[int, Range(1, 16384, step=1)] = 512,
    height: Annotated[int, Range(1, 16384, step=1)] = 512,
    batch_size: Annotated[int, Range(1, 4096)] = 1,
    color: Annotated[int, Range(0, 0xFFFFFF, step=1)] = 0,
) -> Image:
    """Pictures of one colour, given as 0xRRGGBB."""
    levels = torch.tensor([color >> 16 & 0xFF, color >> 8 & 0xFF, color & 0xFF], dtype=torch.float32)
    return Image((levels / 255).expand(batch_size, height, width, 3).contiguous())


@node(id="ImageScale", title="Upscale Image", category="image/upscaling")
def image_scale(
    *,
    image: Image,
    upscale_method: _Method = "nearest-exact",
    width: _Side = 512,
    height: _Side = 512,
    crop: Annotated[str, Choice(CROPS)] = "disabled",
) -> Image:
    """Resize pictures. A side of 0 follows from the other; two leave them as they are."""
    if width == 0 and height == 0:
        return image
    h, w = image.pixels.shape[1:3]
    width = width or max(1, round(w * height / h))
    height = height or max(1, round(h * width / w))
    return Image(resize_picture(image.pixels, width, height, upscale_method, crop))


@node(id="ImageScaleBy", title="Upscale Image By", category="image/upscaling")
def image_scale_by(
    *,
    image: Image,
    upscale_method: _Method = "nearest-exact",
    scale_by: Annotated[float, Range(0.01, 8, step=0.01)] = 1.0,
) -> Image:
    """Resize pictures by a factor."""
    h, w = image.pixels.shape[1:3]
    width, height = max(1, round(w * scale_by)), max(1, round(h * scale_by))
    return Image(resize_picture(image.pixels, width, height, upscale_method))


@node(id="ImageScaleToTotalPixels", category="image/upscaling")
def image_scale_to_total_pixels(
    *,
    image: Image,
    upscale_method: _Method = "nearest-exact",
    megapixels: Annotated[float, Range(0.01, 16, step=0.01)] = 1.0,
    resolution_steps: Annotated[int, Range(1, 256)] = 1,
) -> Image:
    """Resize pictures to so many times 1024 x 1024 pixels, keeping their aspect, in steps of so many pixels."""
    h, w = image.pixels.shape[1:3]
    scale = math.sqrt(megapixels * 1024 * 1024 / (w * h))
    width, height = (max(1, round(side * scale / resolution_steps)) * resolution_steps for side in (w, h))
    return Image(resize_picture(image.pixels, width, height, upscale_method))


@node(id="ImageScaleToMaxDimension", category="image/upscaling")
def image_scale_to_max_dimension(
    *,
    image: Image,
    upscale_method: Annotated[str, Choice(("area", "lanczos", "bilinear", "nearest-exact", "bicubic"))] = "area",
    largest_size: _Side = 512,
) -> Image:
    """Resize pictures so that their longer side has this size. 0 leaves them as they are."""
    h, w = image.pixels.shape[1:3]
    if largest_size == 0:
        return image
    shorter = max(1, round(min(w, h) / max(w, h) * largest_size))
    width, height = (shorter, largest_size) if h > w else (largest_size, shorter)
    return Image(resize_picture(image.pixels, width, height, upscale_method))


@node(id="ImageInvert", title="Invert Image", category="image")
def image_invert(*, image: Image) -> Image:
    """The negative of pictures."""
    return Image(1.0 - image.pixels)


@node(id="ImagePadForOutpaint", title="Pad Image for Outpainting", category="image")
def image_pad_for_outpaint(
    *,
    image: Image,
    left: _Margin = 0,
    top: _Margin = 0,
    right: _Margin = 0,
    bottom: _Margin = 0,
    feathering: Annotated[int, Range(0, 16384, step=1)] = 40,
) -> Padded:
    """Add grey margins to pictures, and a mask of them that fades into the picture."""
    batch, h, w, channels = image.pixels.shape
    pixels = torch.full((batch, top + h + bottom, left + w + right, channels), 0.5)
    pixels[:, top : top + h, left : left + w] = image.pixels
    mask = torch.ones((top + h + bottom, left + w + right))
    mask[top : top + h, left : left + w] = _fade_inside(h, w, (left, top, right, bottom), feathering)
    return Padded(Image(pixels), Mask(mask.unsqueeze(0)))


def _fade_inside(h: int, w: int, margins: tuple[int, int, int, int], feathering: int) -> torch.Tensor:
    """From 1 at the sides that have a margin to 0 at `feathering` pixels inside, as a square; 0 if it is too wide."""
    if feathering <= 0 or feathering * 2 >= min(h, w):
        return torch.zeros((h, w))
    left, top, right, bottom = margins
    y, x = torch.arange(h).unsqueeze(1).expand(h, w), torch.arange(w).expand(h, w)
    far = torch.full((h, w), max(h, w))
    distance = far
    for margin, to_side in ((left, x), (top, y), (right, w - x), (bottom, h - y)):
        distance = torch.minimum(distance, to_side if margin else far)
    return ((feathering - distance) / feathering).clamp(min=0).square()
