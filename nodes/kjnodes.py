"""Nodes of KJNodes: pictures and masks resized together, masks grown, blurred and rescaled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, NamedTuple

import cv2
import numpy as np
import torch

from nodes.define import NodeError, node
from nodes.pictures.batches import to_batch
from nodes.pictures.filters import blur
from nodes.pictures.resize import resize
from nodes.types import Image, Mask
from nodes.widgets import Choice, Named, Range, Spare, Text

PACK = "KJNodes"

if TYPE_CHECKING:
    from torch import Tensor

_MASKING = "KJNodes/masking"
_PICTURES = "KJNodes/image"
_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
_FITS = ("stretch", "resize", "pad", "pad_edge", "pad_edge_pixel", "crop", "pillarbox_blur", "total_pixels")
_PADS = {"pad": "constant", "pad_edge": "edge", "pad_edge_pixel": "replicate", "pillarbox_blur": "blurred"}
_PLACES = ("center", "top", "bottom", "left", "right")
_DIRECTIONS = ("right", "down", "left", "up")
_SIDE_BLUR = 25

_Side = Annotated[int, Range(0, 16384, step=1)]


class Resized(NamedTuple):
    """Pictures in a new size, the size, and the mask resized with them (where nothing was added, without one)."""

    IMAGE: Image
    width: int
    height: int
    mask: Mask


class Counted(NamedTuple):
    """Pictures, their size and number."""

    image: Image
    width: int
    height: int
    number: Annotated[int, Named("count")]


class Grown(NamedTuple):
    """A mask and what it leaves."""

    mask: Mask
    mask_inverted: Mask


@node(id="ImageResizeKJv2", title="Resize Image v2", category=_PICTURES)
def image_resize(
    *,
    image: Image,
    width: _Side = 512,
    height: _Side = 512,
    upscale_method: Annotated[str, Choice(_METHODS)] = "nearest-exact",
    keep_proportion: Annotated[str, Choice(_FITS)] = "stretch",
    pad_color: Annotated[str, Text()] = "0, 0, 0",
    crop_position: Annotated[str, Choice(_PLACES)] = "center",
    divisible_by: Annotated[int, Range(0, 512, step=1)] = 2,
    mask: Mask | None = None,
    device: Annotated[str, Choice(("cpu", "gpu")), Spare] = "cpu",  # noqa: ARG001 -- written into workflows
) -> Resized:
    """Resize pictures with a mask: stretched, in proportion, padded by a colour or the edges, cut, or by area.

    A side of 0 follows from the other, and sides are cut to a multiple. Padding counts as masked.
    """
    h, w = image.pixels.shape[1:3]
    size = _size((w, h), (width, height), keep_proportion, divisible_by)
    planes = image.pixels.movedim(-1, 1)
    selected = None if mask is None else resize(mask.values.unsqueeze(1), w, h, "bilinear")
    if keep_proportion == "crop":
        planes, selected = (_cut(each, size, crop_position) for each in (planes, selected))
    inner = _inside((w, h), size) if keep_proportion in _PADS else size
    assert planes is not None
    planes = resize(planes, *inner, upscale_method)
    selected = None if selected is None else resize(selected, *inner, "bilinear")
    if keep_proportion in _PADS:
        planes, selected = _padded(planes, selected, size, _PADS[keep_proportion], crop_position, _colour(pad_color))
    pixels = planes.movedim(1, -1).clamp(0, 1)
    values = pixels.new_zeros(pixels.shape[:3]) if selected is None else selected[:, 0]
    return Resized(Image(pixels), size[0], size[1], Mask(values))


def _size(old: tuple[int, int], wanted: tuple[int, int], fit: str, multiple: int) -> tuple[int, int]:
    """How large the result is, padding included."""
    (w, h), (width, height) = old, wanted
    if fit == "total_pixels":
        scale = ((width or w) * (height or h) / (w * h)) ** 0.5
        width, height = round(w * scale), round(h * scale)
    elif fit == "resize" or 0 in (width, height):
        scales = [new / side for new, side in ((width, w), (height, h)) if new]
        scale = min(scales, default=1.0)
        width, height = (round(w * scale), round(h * scale)) if fit == "resize" or scales else (w, h)
        if fit != "resize":
            width, height = wanted[0] or width, wanted[1] or height
    if multiple > 1:
        width, height = width - width % multiple, height - height % multiple
    return max(1, width), max(1, height)


def _inside(old: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    scale = min(size[0] / old[0], size[1] / old[1])
    return max(1, round(old[0] * scale)), max(1, round(old[1] * scale))


def _cut(planes: Tensor | None, size: tuple[int, int], position: str) -> Tensor | None:
    """As much of planes as has the size's aspect, at a place."""
    if planes is None:
        return None
    h, w = planes.shape[-2:]
    aspect = size[0] / size[1]
    width, height = (round(h * aspect), h) if w / h > aspect else (w, round(w / aspect))
    x = {"left": 0, "right": w - width}.get(position, (w - width) // 2)
    y = {"top": 0, "bottom": h - height}.get(position, (h - height) // 2)
    return planes[..., y : y + height, x : x + width]


def _colour(text: str) -> tuple[float, ...]:
    """A colour as 0..1: three levels of 0 to 255, or #RRGGBB."""
    if found := re.fullmatch(r"#?([0-9a-fA-F]{6})", text.strip()):
        return tuple(level / 255 for level in bytes.fromhex(found[1]))
    levels = re.fullmatch(r"\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*", text)
    if levels is None or any(int(level) > 255 for level in levels.groups()):
        raise NodeError(f"{text!r} is no colour; write three levels of 0 to 255 (255, 128, 0) or #RRGGBB.")
    return tuple(int(level) / 255 for level in levels.groups())


def _padded(  # noqa: PLR0917 -- a picture, its mask, and how they are surrounded
    planes: Tensor, mask: Tensor | None, size: tuple[int, int], kind: str, position: str, colour: tuple[float, ...]
) -> tuple[Tensor, Tensor]:
    across, down = size[0] - planes.shape[-1], size[1] - planes.shape[-2]
    left = {"left": 0, "right": across}.get(position, across // 2)
    top = {"top": 0, "bottom": down}.get(position, down // 2)
    room = (left, across - left, top, down - top)
    outside = torch.nn.functional.pad(planes.new_zeros(1, 1, *planes.shape[-2:]), room, value=1.0)
    selected = outside.expand(len(planes), -1, -1, -1)
    if mask is not None:
        held = to_batch(torch.nn.functional.pad(mask, room), len(planes))
        selected = torch.maximum(selected, held)
    if kind == "replicate":
        return torch.nn.functional.pad(planes, room, mode="replicate"), selected
    inner = torch.nn.functional.pad(planes, room)
    return torch.where(outside > 0, _around(planes, size, room, kind, colour), inner), selected


def _around(
    planes: Tensor, size: tuple[int, int], room: tuple[int, ...], kind: str, colour: tuple[float, ...]
) -> Tensor:
    """What surrounds a picture: a colour, the mean of each edge, or the picture itself, large and blurred."""
    width, height = size
    if kind == "constant":
        levels = planes.new_tensor((*colour, 1.0)[: planes.shape[1]])
        return levels.view(1, -1, 1, 1).expand(len(planes), -1, height, width)
    if kind == "blurred":
        filled = resize(planes, width, height, "bilinear", "center")
        return blur(filled, _SIDE_BLUR, 0.5) * 0.5
    left, right, top, bottom = room
    found = planes.new_zeros(len(planes), planes.shape[1], height, width)
    found[..., :top, :] = planes[..., :1, :].mean((-2, -1), keepdim=True)
    found[..., height - bottom :, :] = planes[..., -1:, :].mean((-2, -1), keepdim=True)
    found[..., :, :left] = planes[..., :, :1].mean((-2, -1), keepdim=True)
    found[..., :, width - right :] = planes[..., :, -1:].mean((-2, -1), keepdim=True)
    return found


@node(id="GetImageSizeAndCount", title="Get Image Size & Count", category=_PICTURES)
def get_size_and_count(*, image: Image) -> Counted:
    """Pictures as they are, with their width, height and number."""
    batch, height, width, _ = image.pixels.shape
    return Counted(image, width, height, batch)


@node(id="ImageConcanate", title="Image Concatenate", category=_PICTURES)
def concatenate(
    *,
    image1: Image,
    image2: Image,
    direction: Annotated[str, Choice(_DIRECTIONS)] = "right",
    match_image_size: bool = True,
) -> Image:
    """Put pictures beside others, resized to fit in proportion."""
    first, second = image1.pixels, image2.pixels
    axis = 2 if direction in ("right", "left") else 1
    if match_image_size:
        h, w = second.shape[1:3]
        size = (
            (round(w * first.shape[1] / h), first.shape[1])
            if axis == 2
            else (first.shape[2], round(h * first.shape[2] / w))
        )
        second = resize(second.movedim(-1, 1), max(1, size[0]), max(1, size[1]), "lanczos").movedim(1, -1)
    elif first.shape[3 - axis] != second.shape[3 - axis]:
        raise NodeError(
            f"These pictures have {first.shape[3 - axis]} and {second.shape[3 - axis]} pixels where they meet; "
            "turn match_image_size on."
        )
    number, channels = max(len(first), len(second)), min(first.shape[-1], second.shape[-1])
    parts = [to_batch(each[..., :channels], number) for each in (first, second)]
    return Image(torch.cat(parts if direction in ("right", "down") else parts[::-1], dim=axis))


@node(id="ReverseImageBatch", title="Reverse Image Batch", category=_PICTURES)
def reverse_batch(*, images: Image) -> Image:
    """The pictures of a batch, the last one first."""
    return Image(images.pixels.flip(0))


@node(id="RemapMaskRange", title="Remap Mask Range", category=_MASKING)
def remap_range(
    *,
    mask: Mask,
    min: Annotated[float, Range(-10.0, 1.0, step=0.01)] = 0.0,
    max: Annotated[float, Range(0.0, 10.0, step=0.01)] = 1.0,
) -> Mask:
    """Masks stretched so that their most selected place has the one value, and what is not selected the other."""
    highest = mask.values.max()
    scaled = mask.values / highest if highest > 0 else mask.values
    return Mask((scaled * (max - min) + min).clamp(0, 1))


@node(id="GrowMaskWithBlur", title="Grow Mask With Blur", category=_MASKING)
def grow_with_blur(
    *,
    mask: Mask,
    expand: Annotated[int, Range(-16384, 16384, step=1)] = 0,
    incremental_expandrate: Annotated[float, Range(0.0, 100.0, step=0.1)] = 0.0,
    tapered_corners: bool = True,
    flip_input: bool = False,
    blur_radius: Annotated[float, Range(0.0, 100.0, step=0.1)] = 0.0,
    lerp_alpha: Annotated[float, Range(0.0, 1.0, step=0.01)] = 1.0,
    decay_factor: Annotated[float, Range(0.0, 1.0, step=0.01)] = 1.0,
    fill_holes: Annotated[bool, Spare] = False,
) -> Grown:
    """Masks grown or shrunk by pixels, more with each of a batch, mixed with those before, filled and blurred."""
    values = 1.0 - mask.values if flip_input else mask.values
    grown: list[np.ndarray] = []
    reach = float(expand)
    for levels in values.numpy():
        found = _grown(levels, round(reach), tapered_corners)
        if fill_holes:
            found = _without_holes(found)
        if grown and lerp_alpha < 1.0:
            found = found * lerp_alpha + grown[-1] * (1.0 - lerp_alpha)
        if grown and decay_factor < 1.0:
            found = found + grown[-1] * decay_factor
            found = found / max(found.max(), 1e-6)
        grown.append(found)
        reach += incremental_expandrate * (1 if expand >= 0 else -1)
    whole = torch.from_numpy(np.stack(grown).astype(np.float32)).clamp(0, 1)
    radius = round(blur_radius)
    if radius:
        whole = blur(whole.unsqueeze(1), radius, 0.5).squeeze(1)
    return Grown(Mask(whole), Mask(1.0 - whole))


def _grown(levels: np.ndarray, by: int, tapered: bool) -> np.ndarray:
    corner = 0 if tapered else 1
    kernel = np.array([[corner, 1, corner], [1, 1, 1], [corner, 1, corner]], np.uint8)
    work = cv2.dilate if by > 0 else cv2.erode
    return np.asarray(work(levels, kernel, iterations=abs(by))) if by else levels


def _without_holes(levels: np.ndarray) -> np.ndarray:
    """The mask with what it encloses."""
    contours, _ = cv2.findContours((levels > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(levels.shape, np.uint8)
    cv2.drawContours(filled, contours, -1, 1, thickness=cv2.FILLED)
    return np.maximum(levels, filled.astype(np.float32))


@node(id="ColorToMask", title="Color To Mask", category=_MASKING)
def colour_to_mask(
    *,
    images: Image,
    invert: bool = False,
    red: Annotated[int, Range(0, 255, step=1)] = 0,
    green: Annotated[int, Range(0, 255, step=1)] = 0,
    blue: Annotated[int, Range(0, 255, step=1)] = 0,
    threshold: Annotated[int, Range(0, 255, step=1)] = 10,
    per_batch: Annotated[int, Range(1, 4096, step=1)] = 16,  # noqa: ARG001 -- written into workflows
) -> Mask:
    """Where pictures have a colour, or come as near to it as the threshold."""
    wanted = images.pixels.new_tensor((red, green, blue))
    distance = torch.linalg.vector_norm(images.pixels[..., :3] * 255 - wanted, dim=-1)
    values = (distance <= threshold).float()
    return Mask(1.0 - values if invert else values)
