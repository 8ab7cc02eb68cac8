"""Pictures and masks in another size, said in one of many ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, cast

import numpy as np
import torch

from nodes.define import AnyValue, NodeError, node
from nodes.pictures.resize import CROPS, resize
from nodes.types import Image, Mask
from nodes.widgets import Choice, Named, Range, Seed, Socket, Spare

if TYPE_CHECKING:
    from torch import Tensor

_SETS = "dataset/image"
_DIMENSIONS = "scale dimensions"
_MATCH = "match size"
_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")

_Either = Annotated[AnyValue, Socket("IMAGE,MASK")]
_Length = Annotated[int, Range(0, 16384, step=1), Spare]
_Side = Annotated[int, Range(1, 8192)]
_Size = tuple[int, int]

_WAYS: Mapping[str, Callable[[int, int, float], tuple[float, float]]] = {
    "scale by multiplier": lambda w, h, by: (w * by, h * by),
    "scale longer dimension": lambda w, h, to: (w * to / max(w, h), h * to / max(w, h)),
    "scale shorter dimension": lambda w, h, to: (w * to / min(w, h), h * to / min(w, h)),
    "scale width": lambda w, h, to: (to, h * to / w),
    "scale height": lambda w, h, to: (w * to / h, to),
    "scale total pixels": lambda w, h, to: (w * _root(w, h, to), h * _root(w, h, to)),
}
"""How wide and high what is w x h becomes, by one number."""


def _root(w: int, h: int, megapixels: float) -> float:
    return (megapixels * 1024 * 1024 / (w * h)) ** 0.5


@node(id="ResizeImageMaskNode", title="Resize Image/Mask", category="transform", outputs=("resized",))
def resize_image_or_mask(
    *,
    input: _Either,
    resize_type: Annotated[str, Choice((_DIMENSIONS, *_WAYS, _MATCH))] = _DIMENSIONS,
    width: Annotated[_Length, Named("resize_type.width")] = 512,
    height: Annotated[_Length, Named("resize_type.height")] = 512,
    crop: Annotated[str, Choice(CROPS), Spare, Named("resize_type.crop")] = "center",
    multiplier: Annotated[float, Range(0.01, 8.0, step=0.01), Spare, Named("resize_type.multiplier")] = 1.0,
    longer_size: Annotated[_Length, Named("resize_type.longer_size")] = 512,
    shorter_size: Annotated[_Length, Named("resize_type.shorter_size")] = 512,
    megapixels: Annotated[float, Range(0.01, 16.0, step=0.01), Spare, Named("resize_type.megapixels")] = 1.0,
    match: Annotated[AnyValue | None, Socket("IMAGE,MASK"), Named("resize_type.match")] = None,
    scale_method: Annotated[str, Choice(_METHODS)] = "area",
) -> AnyValue:
    """Resize pictures or masks: to given sides, by a factor, by one side, to a number of pixels, or to another's size.

    The way chosen says which of the numbers count. A side of 0 follows from the other.
    """
    planes = _planes(input)
    h, w = planes.shape[-2:]
    if resize_type == _MATCH:
        if match is None:
            raise NodeError("ResizeImageMaskNode is set to match a size; connect the picture or mask to match.")
        size = cast("_Size", tuple(reversed(_planes(match).shape[-2:])))
    elif resize_type == _DIMENSIONS:
        size = _both(w, h, width, height)
    else:
        numbers = {
            "scale by multiplier": multiplier,
            "scale longer dimension": longer_size,
            "scale shorter dimension": shorter_size,
            "scale width": width,
            "scale height": height,
            "scale total pixels": megapixels,
        }
        size = _by_one(w, h, resize_type, numbers[resize_type])
    cropped = crop if resize_type in (_DIMENSIONS, _MATCH) else "disabled"
    resized = planes if size == (w, h) else resize(planes, *size, scale_method, cropped)
    return cast("AnyValue", Mask(resized[:, 0]) if isinstance(input, Mask) else Image(resized.movedim(1, -1)))


def _planes(value: object) -> Tensor:
    """A picture or a mask as [B,C,H,W]."""
    match value:
        case Image(pixels=pixels):
            return pixels.movedim(-1, 1)
        case Mask(values=values):
            return values.unsqueeze(1)
        case _:
            raise NodeError(f"A picture or a mask can be resized here; this is a {type(value).__name__}.")


def _both(w: int, h: int, width: int, height: int) -> _Size:
    if width == 0 and height == 0:
        return w, h
    return width or max(1, round(w * height / h)), height or max(1, round(h * width / w))


def _by_one(w: int, h: int, way: str, number: float) -> _Size:
    if number == 0:
        return w, h
    across, down = _WAYS[way](w, h, number)
    return max(1, round(across)), max(1, round(down))


@node(id="ResizeImagesByShorterEdge", title="Resize Images by Shorter Edge", category=_SETS, experimental=True)
def resize_by_shorter_edge(*, images: Image, shorter_edge: _Side = 512) -> Image:
    """Resize pictures so that their shorter side has this length."""
    h, w = images.pixels.shape[1:3]
    size = (shorter_edge, int(h * (shorter_edge / w))) if w < h else (int(w * (shorter_edge / h)), shorter_edge)
    return _smooth(images, size)


@node(id="ResizeImagesByLongerEdge", title="Resize Images by Longer Edge", category=_SETS, experimental=True)
def resize_by_longer_edge(*, images: Image, longer_edge: _Side = 1024) -> Image:
    """Resize pictures so that their longer side has this length."""
    h, w = images.pixels.shape[1:3]
    size = (longer_edge, int(h * (longer_edge / w))) if w > h else (int(w * (longer_edge / h)), longer_edge)
    return _smooth(images, size)


def _smooth(images: Image, size: _Size) -> Image:
    width, height = (max(1, side) for side in size)
    return Image(resize(images.pixels.movedim(-1, 1), width, height, "lanczos").movedim(1, -1))


@node(id="CenterCropImages", title="Center Crop Images", category=_SETS, experimental=True)
def center_crop(*, images: Image, width: _Side = 512, height: _Side = 512) -> Image:
    """The middle of pictures in this size, or as much of it as there is."""
    h, w = images.pixels.shape[1:3]
    return _cut(images, max(0, (w - width) // 2), max(0, (h - height) // 2), width, height)


@node(id="RandomCropImages", title="Random Crop Images", category=_SETS, experimental=True)
def random_crop(*, images: Image, width: _Side = 512, height: _Side = 512, seed: Annotated[int, Seed()] = 0) -> Image:
    """A part of pictures in this size, at a place that the seed chooses."""
    h, w = images.pixels.shape[1:3]
    chance = np.random.default_rng(seed)
    x, y = (int(chance.integers(0, max(0, whole - part) + 1)) for whole, part in ((w, width), (h, height)))
    return _cut(images, x, y, width, height)


def _cut(images: Image, x: int, y: int, width: int, height: int) -> Image:
    return Image(images.pixels[:, y : y + height, x : x + width].clone())


@node(id="AdjustBrightness", title="Adjust Brightness", category=_SETS, experimental=True)
def adjust_brightness(*, images: Image, factor: Annotated[float, Range(0.0, 2.0, step=0.01)] = 1.0) -> Image:
    """Pictures so many times as bright."""
    return Image((images.pixels * factor).clamp(0.0, 1.0))


@node(id="AdjustContrast", title="Adjust Contrast", category=_SETS, experimental=True)
def adjust_contrast(*, images: Image, factor: Annotated[float, Range(0.0, 2.0, step=0.01)] = 1.0) -> Image:
    """Pictures whose levels lie so many times as far from middle grey."""
    return Image(((images.pixels - 0.5) * factor + 0.5).clamp(0.0, 1.0))


@node(id="NormalizeImages", title="Normalize Images", category=_SETS, experimental=True)
def normalize(
    *,
    images: Image,
    mean: Annotated[float, Range(0.0, 1.0, step=0.01)] = 0.5,
    std: Annotated[float, Range(0.001, 1.0, step=0.001)] = 0.5,
) -> Image:
    """Pictures less a mean, divided by a deviation: what some networks are trained on, not to be looked at."""
    return Image((images.pixels - mean) / std)


@node(id="ImageGrid", title="Image Grid", category=_SETS, experimental=True)
def image_grid(
    *,
    images: Image,
    columns: Annotated[int, Range(1, 20)] = 4,
    cell_width: Annotated[int, Range(32, 2048)] = 256,
    cell_height: Annotated[int, Range(32, 2048)] = 256,
    padding: Annotated[int, Range(0, 50)] = 4,
) -> Image:
    """All pictures of a batch in one, row by row, with black between them."""
    cells = resize(images.pixels[..., :3].movedim(-1, 1), cell_width, cell_height, "lanczos").movedim(1, -1)
    rows = -(-len(cells) // columns)
    whole = torch.zeros(1, rows * (cell_height + padding) - padding, columns * (cell_width + padding) - padding, 3)
    for place, cell in enumerate(cells):
        y, x = (place // columns) * (cell_height + padding), (place % columns) * (cell_width + padding)
        whole[0, y : y + cell_height, x : x + cell_width] = cell
    return Image(whole)
