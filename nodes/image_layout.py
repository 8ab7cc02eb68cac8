"""Pictures cut, turned, batched, and put beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import torch

from nodes.define import node
from nodes.pictures.batches import joined, same_channels
from nodes.pictures.resize import resize_picture
from nodes.types import Image
from nodes.widgets import Choice, Each, Many, Range

if TYPE_CHECKING:
    from torch import Tensor

_Place = Annotated[int, Range(0, 16384, step=1)]
_Size = Annotated[int, Range(1, 16384, step=1)]
_TURNS = ("none", "90 degrees", "180 degrees", "270 degrees")
_FLIPS = ("x-axis: vertically", "y-axis: horizontally")
_COLOURS = {"white": (1, 1, 1), "black": (0, 0, 0), "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}
_KONTEXT_SIZES = (
    *((672, 1568), (688, 1504), (720, 1456), (752, 1392), (800, 1328), (832, 1248), (880, 1184), (944, 1104)),
    *((1024, 1024), (1104, 944), (1184, 880), (1248, 832), (1328, 800), (1392, 752), (1456, 720), (1504, 688)),
    (1568, 672),
)


class ImageSize(NamedTuple):
    """How large pictures are, and how many."""

    width: int
    height: int
    batch_size: int


@node(id="ImageCrop", title="Image Crop", category="image/transform")
def image_crop(*, image: Image, width: _Size = 512, height: _Size = 512, x: _Place = 0, y: _Place = 0) -> Image:
    """A part of pictures."""
    h, w = image.pixels.shape[1:3]
    left, top = min(x, w - 1), min(y, h - 1)
    return Image(image.pixels[:, top : top + height, left : left + width].clone())


@node(id="ImageRotate", category="image/transform")
def image_rotate(*, image: Image, rotation: Annotated[str, Choice(_TURNS)] = "none") -> Image:
    """Turn pictures clockwise."""
    return Image(torch.rot90(image.pixels, _TURNS.index(rotation), dims=(2, 1)))


@node(id="ImageFlip", category="image/transform")
def image_flip(*, image: Image, flip_method: Annotated[str, Choice(_FLIPS)] = _FLIPS[0]) -> Image:
    """Mirror pictures."""
    return Image(image.pixels.flip(1 if flip_method == _FLIPS[0] else 2))


@node(id="GetImageSize", title="Get Image Size", category="image")
def get_image_size(*, image: Image) -> ImageSize:
    """The width and height of pictures, and their number."""
    batch, height, width, _ = image.pixels.shape
    return ImageSize(width, height, batch)


@node(id="ImageBatch", title="Batch Images", category="image", deprecated=True)
def image_batch(*, image1: Image, image2: Image) -> Image:
    """Two batches of pictures as one, in the first one's size."""
    return Image(joined([image1.pixels, image2.pixels]))


@node(id="BatchImagesNode", title="Batch Images", category="image")
def batch_images(*, images: Annotated[list[Image], Each(max=50, min=1)]) -> Image:
    """Several batches of pictures as one, in the first one's size."""
    return Image(joined([image.pixels for image in images]))


@node(id="RepeatImageBatch", category="image/batch")
def repeat_image_batch(*, image: Image, amount: Annotated[int, Range(1, 4096)] = 1) -> Image:
    """A batch of pictures several times over."""
    return Image(image.pixels.repeat(amount, 1, 1, 1))


@node(id="ImageFromBatch", category="image/batch")
def image_from_batch(
    *, image: Image, batch_index: Annotated[int, Range(0, 4095)] = 0, length: Annotated[int, Range(1, 4096)] = 1
) -> Image:
    """Some pictures of a batch."""
    start = min(batch_index, len(image.pixels) - 1)
    return Image(image.pixels[start : start + length].clone())


@node(id="RebatchImages", title="Rebatch Images", category="image/batch")
def rebatch_images(
    *, images: Annotated[list[Image], Many], batch_size: Annotated[int, Range(1, 4096)] = 1
) -> Annotated[list[Image], Many]:
    """The same pictures in batches of this size; where their sizes differ, a new batch begins."""
    batches: list[list[Tensor]] = []
    for picture in (p for image in images for p in image.pixels.split(1)):
        if batches and len(batches[-1]) < batch_size and batches[-1][0].shape == picture.shape:
            batches[-1].append(picture)
        else:
            batches.append([picture])
    return [Image(torch.cat(batch)) for batch in batches]


@node(id="ResizeAndPadImage", category="image/transform")
def resize_and_pad_image(
    *,
    image: Image,
    target_width: _Size = 512,
    target_height: _Size = 512,
    padding_color: Annotated[str, Choice(("white", "black"))] = "white",
    interpolation: Annotated[str, Choice(("area", "bicubic", "nearest-exact", "bilinear", "lanczos"))] = "area",
) -> Image:
    """Fit pictures into a size, keeping their aspect, with bars where they do not fill it."""
    batch, h, w, channels = image.pixels.shape
    scale = min(target_width / w, target_height / h)
    width, height = max(1, int(w * scale)), max(1, int(h * scale))
    left, top = (target_width - width) // 2, (target_height - height) // 2
    padded = torch.full((batch, target_height, target_width, channels), float(padding_color == "white"))
    padded[:, top : top + height, left : left + width] = resize_picture(image.pixels, width, height, interpolation)
    return Image(padded)


@node(id="ImageStitch", title="Image Stitch", category="image/transform")
def image_stitch(
    *,
    image1: Image,
    direction: Annotated[str, Choice(("right", "down", "left", "up"))] = "right",
    match_image_size: bool = True,
    spacing_width: Annotated[int, Range(0, 1024, step=2)] = 0,
    spacing_color: Annotated[str, Choice(tuple(_COLOURS))] = "white",
    image2: Image | None = None,
) -> Image:
    """Put a picture beside another, resized to fit or centred on black."""
    if image2 is None:
        return image1
    axis = 2 if direction in ("right", "left") else 1
    first, second = _same_number(*same_channels(image1.pixels, image2.pixels))
    across = 3 - axis
    if match_image_size and first.shape[across] != second.shape[across]:
        second = _matching(second, first, axis)
    size = max(first.shape[across], second.shape[across])
    parts = [_centred(first, across, size), _centred(second, across, size)]
    if direction in ("left", "up"):
        parts.reverse()
    if spacing_width:
        parts.insert(1, _bar(parts[0], axis, spacing_width + spacing_width % 2, _COLOURS[spacing_color]))
    return Image(torch.cat(parts, dim=axis))


def _same_number(*batches: Tensor) -> list[Tensor]:
    """Batches as long as the longest, each repeating its last."""
    longest = max(len(b) for b in batches)
    return [torch.cat([b, b[-1:].expand(longest - len(b), -1, -1, -1)]) for b in batches]


def _matching(pixels: Tensor, target: Tensor, axis: int) -> Tensor:
    """`pixels` as high as `target` (axis 2) or as wide (axis 1), keeping their aspect."""
    h, w = pixels.shape[1:3]
    if axis == 2:
        height, width = target.shape[1], max(1, int(target.shape[1] * (w / h)))
    else:
        width, height = target.shape[2], max(1, int(target.shape[2] / (w / h)))
    return resize_picture(pixels, width, height, "lanczos")


def _centred(pixels: Tensor, axis: int, size: int) -> Tensor:
    """Pictures in the middle of black as long as `size` along `axis`."""
    missing = size - pixels.shape[axis]
    if not missing:
        return pixels
    shape = list(pixels.shape)
    shape[axis] = size
    result = pixels.new_zeros(shape)
    result.narrow(axis, missing // 2, pixels.shape[axis]).copy_(pixels)
    return result


def _bar(pixels: Tensor, axis: int, width: int, colour: tuple[int, int, int]) -> Tensor:
    shape = list(pixels.shape)
    shape[axis] = width
    bar = pixels.new_ones(shape)
    bar[..., :3] = torch.tensor(colour, dtype=pixels.dtype)
    return bar


@node(id="FluxKontextImageScale", category="advanced/conditioning/flux")
def flux_kontext_image_scale(*, image: Image) -> Image:
    """Resize pictures to whichever of the sizes that Flux Kontext was trained on has the nearest aspect."""
    h, w = image.pixels.shape[1:3]
    width, height = min(_KONTEXT_SIZES, key=lambda size: abs(w / h - size[0] / size[1]))
    return Image(resize_picture(image.pixels, width, height, "lanczos", "center"))
