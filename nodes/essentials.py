"""Nodes of the essentials pack: pictures and masks resized, cut, mirrored; sums."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, NamedTuple

import torch

from nodes.define import AnyValue, Context, ExtraPnginfo, NodeError, Prompt, Shown, node
from nodes.expressions import evaluated
from nodes.folders import Folders
from nodes.image_files import preview_mask
from nodes.pictures.filters import blur
from nodes.pictures.resize import resize
from nodes.pictures.sharpen import contrast_adaptive
from nodes.types import Conditioning, Image, Mask
from nodes.widgets import Choice, Named, Range, Socket, Spare, Text

PACK = "ComfyUI Essentials"

if TYPE_CHECKING:
    from torch import Tensor

_PICTURES = "essentials/image manipulation"
_MASKS = "essentials/mask"
_UTILITIES = "essentials/utilities"
_METHODS = ("nearest", "bilinear", "bicubic", "area", "nearest-exact", "lanczos")
_FITS = ("stretch", "keep proportion", "fill / crop", "pad")
_CONDITIONS = ("always", "downscale if bigger", "upscale if smaller", "if bigger area", "if smaller area")
_PLACES = (
    "top-left", "top-center", "top-right", "right-center", "bottom-right", "bottom-center", "bottom-left",
    "left-center", "center",
)  # fmt: skip
_GREYS = {
    "luminance (Rec.709)": (0.2126, 0.7152, 0.0722),
    "luminance (Rec.601)": (0.299, 0.587, 0.114),
    "average": (1 / 3, 1 / 3, 1 / 3),
}
_LIGHTNESS = "lightness"
_OPEN = 16384
_AXES = {"x": (2,), "y": (1,), "xy": (1, 2)}

_Side = Annotated[int, Range(0, 16384, step=1)]
_Axis = Annotated[str, Choice(tuple(_AXES))]
_Threshold = Annotated[float, Range(0.0, 1.0, step=0.01)]
_Number = Annotated[AnyValue | None, Socket("INT,FLOAT")]


class Sized(NamedTuple):
    """Pictures, and how wide and high they are."""

    IMAGE: Image
    width: int
    height: int


class Size(NamedTuple):
    """How wide and high pictures are, and how many."""

    width: int
    height: int
    number: Annotated[int, Named("count")]


class Cut(NamedTuple):
    """A part of pictures, and where it was."""

    IMAGE: Image
    x: int
    y: int


class Result(NamedTuple):
    """A number, without and with its fraction."""

    INT: int
    FLOAT: float


@node(id="ImageResize+", title="Image Resize", category=_PICTURES)
def image_resize(
    *,
    image: Image,
    width: _Side = 512,
    height: _Side = 512,
    interpolation: Annotated[str, Choice(_METHODS)] = "nearest",
    method: Annotated[str, Choice(_FITS)] = "stretch",
    condition: Annotated[str, Choice(_CONDITIONS)] = "always",
    multiple_of: Annotated[int, Range(0, 16384, step=1)] = 0,
) -> Sized:
    """Resize pictures: stretched, fitted into a size, filling it, or fitted with black around; always or only if.

    A side of 0 follows from the picture. With `multiple_of`, what is too much of a multiple is cut off around.
    """
    h, w = image.pixels.shape[1:3]
    width, height = ((side - side % multiple_of if multiple_of > 1 else side) for side in (width, height))
    if method == "keep proportion":
        # A side that is left open follows from the other, so it is as long as it likes.
        size = width or (_OPEN if h < height else w), height or (_OPEN if w < width else h)
    else:
        size = width or w, height or h
    planes = image.pixels.movedim(-1, 1)
    if _wanted(condition, (w, h), size):
        planes = _fitted(planes, size, interpolation, method)
    if multiple_of > 1:
        planes = _multiple(planes, multiple_of)
    pixels = planes.movedim(1, -1).clamp(0, 1)
    return Sized(Image(pixels), pixels.shape[2], pixels.shape[1])


def _wanted(condition: str, old: tuple[int, int], new: tuple[int, int]) -> bool:
    """Whether a picture is resized at all."""
    match condition:
        case "downscale if bigger":
            return old[0] > new[0] or old[1] > new[1]
        case "upscale if smaller":
            return old[0] < new[0] or old[1] < new[1]
        case "if bigger area":
            return math.prod(old) > math.prod(new)
        case "if smaller area":
            return math.prod(old) < math.prod(new)
        case _:
            return True


def _fitted(planes: Tensor, size: tuple[int, int], interpolation: str, method: str) -> Tensor:
    width, height = size
    h, w = planes.shape[-2:]
    if method == "stretch":
        return resize(planes, width, height, interpolation)
    scales = width / w, height / h
    scale = max(scales) if method == "fill / crop" else min(scales)
    fitted = resize(planes, max(1, round(w * scale)), max(1, round(h * scale)), interpolation)
    if method == "keep proportion":
        return fitted
    left, top = width - fitted.shape[-1], height - fitted.shape[-2]
    # Where it is too large this cuts, as padding may be negative.
    return torch.nn.functional.pad(fitted, (left // 2, left - left // 2, top // 2, top - top // 2))


def _multiple(planes: Tensor, of: int) -> Tensor:
    h, w = planes.shape[-2:]
    if h < of or w < of:
        raise NodeError(f"A picture of {w} x {h} cannot be cut to a multiple of {of}; make multiple_of smaller.")
    top, left = h % of // 2, w % of // 2
    return planes[..., top : top + h // of * of, left : left + w // of * of]


@node(id="GetImageSize+", title="Get Image Size", category="essentials/image utils")
def get_image_size(*, image: Image) -> Size:
    """How wide and high pictures are, and how many."""
    return Size(image.pixels.shape[2], image.pixels.shape[1], len(image.pixels))


@node(id="ImageCrop+", title="Image Crop", category=_PICTURES)
def image_crop(
    *,
    image: Image,
    width: _Side = 256,
    height: _Side = 256,
    position: Annotated[str, Choice(_PLACES)] = "top-left",
    x_offset: Annotated[int, Range(-99999, 99999, step=1)] = 0,
    y_offset: Annotated[int, Range(-99999, 99999, step=1)] = 0,
) -> Cut:
    """A part of pictures at one of nine places, moved by the offsets as far as the picture goes."""
    h, w = image.pixels.shape[1:3]
    width, height = min(width or w, w), min(height or h, h)
    x = 0 if "left" in position else w - width if "right" in position else round((w - width) / 2)
    y = 0 if "top" in position else h - height if "bottom" in position else round((h - height) / 2)
    x, y = max(0, min(x + x_offset, w - width)), max(0, min(y + y_offset, h - height))
    return Cut(Image(image.pixels[:, y : y + height, x : x + width].clone()), x, y)


@node(id="ImageFlip+", title="Image Flip", category=_PICTURES)
def image_flip(*, image: Image, axis: _Axis = "x") -> Image:
    """Mirror pictures: left and right (x), top and bottom (y), or both."""
    return Image(image.pixels.flip(_AXES[axis]))


@node(id="ImageDesaturate+", title="Image Desaturate", category="essentials/image processing")
def image_desaturate(
    *,
    image: Image,
    factor: _Threshold = 1.0,
    method: Annotated[str, Choice((*_GREYS, _LIGHTNESS))] = "luminance (Rec.709)",
) -> Image:
    """Take the colour out of pictures, all of it at a factor of 1."""
    rgb = image.pixels[..., :3]
    if method == _LIGHTNESS:
        grey = (rgb.amax(-1, keepdim=True) + rgb.amin(-1, keepdim=True)) / 2
    else:
        grey = (rgb * rgb.new_tensor(_GREYS[method])).sum(-1, keepdim=True)
    return Image(torch.lerp(rgb, grey.expand_as(rgb), factor))


@node(id="ImagePosterize+", title="Image Posterize", category="essentials/image processing")
def image_posterize(*, image: Image, threshold: _Threshold = 0.5) -> Image:
    """Pictures in black and white: white where they are brighter than the threshold."""
    return Image((image.pixels[..., :3].mean(-1, keepdim=True) > threshold).float().expand(-1, -1, -1, 3).contiguous())


@node(id="ImageCASharpening+", title="Image Contrast Adaptive Sharpening", category="essentials/image processing")
def image_sharpen(*, image: Image, amount: Annotated[float, Range(0.0, 1.0, step=0.05)] = 0.8) -> Image:
    """Sharpen pictures where that does not overdo their contrast."""
    return Image(contrast_adaptive(image.pixels[..., :3], amount))


@node(id="MaskBlur+", title="Mask Blur", category=_MASKS)
def mask_blur(
    *,
    mask: Mask,
    amount: Annotated[int, Range(0, 256, step=1)] = 6,
    device: Annotated[str, Choice(("auto", "cpu", "gpu")), Spare] = "auto",  # noqa: ARG001 -- written into workflows
) -> Mask:
    """Blur masks by a bell curve that is so many pixels wide."""
    radius = amount // 2
    if radius == 0:
        return mask
    spread = 0.3 * (radius - 1) + 0.8
    return Mask(blur(mask.values.unsqueeze(1), radius, spread / radius).squeeze(1))


@node(id="MaskFlip+", title="Mask Flip", category=_MASKS)
def mask_flip(*, mask: Mask, axis: _Axis = "x") -> Mask:
    """Mirror masks: left and right (x), top and bottom (y), or both."""
    return Mask(mask.values.flip(_AXES[axis]))


@node(id="MaskPreview+", title="Mask Preview", category=_MASKS, terminal=True)
def mask_preview(
    *, mask: Mask, prompt: Prompt = None, extra_pnginfo: ExtraPnginfo = None, folders: Folders, ctx: Context
) -> Shown:
    """Show masks as grey pictures."""
    return preview_mask(mask=mask, prompt=prompt, extra_pnginfo=extra_pnginfo, folders=folders, ctx=ctx)


class Colours(NamedTuple):
    """Where pictures have each of eight colours."""

    red: Mask
    green: Mask
    blue: Mask
    cyan: Mask
    magenta: Mask
    yellow: Mask
    black: Mask
    white: Mask


@node(id="MaskFromRGBCMYBW+", title="Mask From RGB/CMY/BW", category=_MASKS)
def mask_from_colours(
    *,
    image: Image,
    threshold_r: _Threshold = 0.15,
    threshold_g: _Threshold = 0.15,
    threshold_b: _Threshold = 0.15,
) -> Colours:
    """A mask for each pure colour: a channel counts as full or empty within its threshold."""
    within = image.pixels.new_tensor((threshold_r, threshold_g, threshold_b))
    full, empty = image.pixels[..., :3] >= 1 - within, image.pixels[..., :3] <= within

    def where(red: bool, green: bool, blue: bool) -> Mask:
        wanted = (red, green, blue)
        each = [full[..., i] if on else empty[..., i] for i, on in enumerate(wanted)]
        return Mask(torch.stack(each).all(0).float())

    bits = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (0, 0, 0), (1, 1, 1))
    return Colours(*(where(*map(bool, each)) for each in bits))


@node(id="SimpleMath+", title="Simple Math", category=_UTILITIES)
def simple_math(
    *, value: Annotated[str, Text()] = "", a: _Number = None, b: _Number = None, c: _Number = None
) -> Result:
    """What an expression of a, b and c comes to: + - * / // % **, comparisons, min, max, round, sqrt, ceil, floor."""
    names = {
        name: given if isinstance(given, int | float) else 0.0 for name, given in zip("abc", (a, b, c), strict=True)
    }
    found = evaluated(value, names)
    if not math.isfinite(found):
        raise NodeError(f"{value!r} comes to {found}, which is no number to go on with.")
    return Result(round(found), float(found))


@node(id="ConsoleDebug+", title="Console Debug", category=_UTILITIES, terminal=True)
def console_debug(*, value: AnyValue, prefix: Annotated[str, Text()] = "Value:") -> Shown:
    """Show any value as text, after a prefix."""
    from nodes.primitives import describe  # noqa: PLC0415

    return Shown(data={"text": [f"{prefix} {describe(value)}"]})


@node(id="ConditioningCombineMultiple+", title="Conditionings Combine Multiple", category="essentials/conditioning")
def combine_conditionings(
    *,
    conditioning_1: Conditioning,
    conditioning_2: Conditioning,
    conditioning_3: Conditioning | None = None,
    conditioning_4: Conditioning | None = None,
    conditioning_5: Conditioning | None = None,
) -> Conditioning:
    """Up to five conditionings at once: the predictions under each are mixed."""
    every = (conditioning_1, conditioning_2, conditioning_3, conditioning_4, conditioning_5)
    return Conditioning(tuple(part for each in every if each is not None for part in each))
