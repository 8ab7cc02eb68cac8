"""Pictures blended, softened, sharpened, and with other colours."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image as Pil

from nodes.define import node
from nodes.pictures import filters
from nodes.pictures.batches import same_channels, to_batch
from nodes.pictures.edges import luma
from nodes.pictures.resize import resize_picture, to_bytes
from nodes.types import Image
from nodes.widgets import Choice, Range, Seed

if TYPE_CHECKING:
    from torch import Tensor

_Radius = Annotated[int, Range(1, 31, step=1)]


def _overlay(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(a <= 0.5, 2 * a * b, 1 - 2 * (1 - a) * (1 - b))


def _soft_light(a: Tensor, b: Tensor) -> Tensor:
    """As the W3C's recommendation on compositing has it."""
    lighter = torch.where(a <= 0.25, ((16 * a - 12) * a + 4) * a, a.clamp(min=0).sqrt())
    return torch.where(b <= 0.5, a - (1 - 2 * b) * a * (1 - a), a + (2 * b - 1) * (lighter - a))


_BLENDS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "normal": lambda _a, b: b,
    "multiply": lambda a, b: a * b,
    "screen": lambda a, b: 1 - (1 - a) * (1 - b),
    "overlay": _overlay,
    "soft_light": _soft_light,
    "difference": lambda a, b: a - b,
}


@node(id="ImageBlend", category="image/postprocessing")
def image_blend(
    *,
    image1: Image,
    image2: Image,
    blend_factor: Annotated[float, Range(0, 1, step=0.01)] = 0.5,
    blend_mode: Annotated[str, Choice(tuple(_BLENDS))] = "normal",
) -> Image:
    """One picture blended into another, resized to it."""
    first, second = same_channels(image1.pixels, image2.pixels)
    if first.shape[1:] != second.shape[1:]:
        second = resize_picture(second, first.shape[2], first.shape[1], "bicubic", "center")
    blended = _BLENDS[blend_mode](first, to_batch(second, len(first)))
    return Image((first * (1 - blend_factor) + blended * blend_factor).clamp(0, 1))


@node(id="ImageBlur", category="image/postprocessing")
def image_blur(
    *,
    image: Image,
    blur_radius: _Radius = 1,
    sigma: Annotated[float, Range(0.1, 10, step=0.1)] = 1.0,
) -> Image:
    """Pictures smoothed by a bell curve. Sigma is a part of the radius."""
    return Image(filters.blur(image.pixels.movedim(-1, 1), blur_radius, sigma).movedim(1, -1))


@node(id="ImageSharpen", category="image/postprocessing")
def image_sharpen(
    *,
    image: Image,
    sharpen_radius: _Radius = 1,
    sigma: Annotated[float, Range(0.1, 10, step=0.01)] = 1.0,
    alpha: Annotated[float, Range(0, 5, step=0.01)] = 1.0,
) -> Image:
    """Pictures with their details made stronger. Sigma is a part of the radius."""
    sharp = filters.sharpen(image.pixels.movedim(-1, 1), sharpen_radius, sigma, alpha)
    return Image(sharp.movedim(1, -1).clamp(0, 1))


@node(id="ImageAddNoise", category="image")
def image_add_noise(
    *,
    image: Image,
    seed: Annotated[int, Seed()] = 0,
    strength: Annotated[float, Range(0, 1, step=0.01)] = 0.5,
) -> Image:
    """Pictures with normal noise added."""
    noise = torch.randn(image.pixels.shape, generator=torch.Generator().manual_seed(seed))
    return Image((image.pixels + strength * noise).clamp(0, 1))


@node(id="ImageQuantize", category="image/postprocessing")
def image_quantize(
    *,
    image: Image,
    colors: Annotated[int, Range(1, 256, step=1)] = 256,
    dither: Annotated[str, Choice(("none", "floyd-steinberg", "bayer-2", "bayer-4", "bayer-8", "bayer-16"))] = "none",
) -> Image:
    """Pictures in so few colours, each in those that suit it best."""
    few = [_quantized(Pil.fromarray(levels), colors, dither) for levels in to_bytes(image.pixels[..., :3])]
    return Image(torch.from_numpy(np.stack(few).astype(np.float32) / 255.0))


def _quantized(picture: Pil.Image, colours: int, dither: str) -> np.ndarray:
    palette = picture.quantize(colors=colours)
    if dither.startswith("bayer"):
        picture = _threshold_dithered(picture, len(palette.getpalette() or ()) // 3, int(dither.split("-")[1]))
    method = Pil.Dither.FLOYDSTEINBERG if dither == "floyd-steinberg" else Pil.Dither.NONE
    return np.asarray(picture.quantize(colors=colours, palette=palette, dither=method).convert("RGB"))


def _threshold_dithered(picture: Pil.Image, colours: int, order: int) -> Pil.Image:
    """The picture plus Bayer's matrix, as strong as the colours are apart."""
    matrix = _bayer(int(math.log2(order))) * (2 * 256 / max(colours, 1)) + 0.5
    levels = np.asarray(picture, dtype=np.float32)
    h, w = levels.shape[:2]
    tiled = np.tile(matrix, (-(-h // order), -(-w // order)))[:h, :w, None]
    return Pil.fromarray(np.clip(levels + tiled, 0, 255).astype(np.uint8))


def _bayer(power: int) -> np.ndarray:
    """Bayer's matrix of side 2^power, its values spread evenly around 0."""
    if power == 0:
        return np.zeros((1, 1), dtype=np.float32)
    cells = 4.0**power
    inner = _bayer(power - 1) * cells
    return np.block([[inner - 1.5, inner + 0.5], [inner + 1.5, inner - 0.5]]).astype(np.float32) / cells


@node(id="Morphology", title="ImageMorphology", category="image/postprocessing")
def morphology(
    *,
    image: Image,
    operation: Annotated[
        str, Choice(("erode", "dilate", "open", "close", "gradient", "bottom_hat", "top_hat"))
    ] = "erode",
    kernel_size: Annotated[int, Range(3, 999, step=1)] = 3,
) -> Image:
    """The least or greatest of what is around each pixel, and what follows from these."""
    codes = {
        "erode": cv2.MORPH_ERODE,
        "dilate": cv2.MORPH_DILATE,
        "open": cv2.MORPH_OPEN,
        "close": cv2.MORPH_CLOSE,
        "gradient": cv2.MORPH_GRADIENT,
        "bottom_hat": cv2.MORPH_BLACKHAT,
        "top_hat": cv2.MORPH_TOPHAT,
    }
    kernel = np.ones((kernel_size, kernel_size), dtype=np.uint8)
    morphed = [cv2.morphologyEx(np.ascontiguousarray(p), codes[operation], kernel) for p in image.pixels.numpy()]
    return Image(torch.from_numpy(np.stack(morphed)).reshape(image.pixels.shape))


class Yuv(NamedTuple):
    """Brightness, blue against it and red against it, each as grey pictures."""

    Y: Image
    U: Image
    V: Image


@node(id="ImageRGBToYUV", category="image/batch")
def image_rgb_to_yuv(*, image: Image) -> Yuv:
    """Take pictures apart into brightness and two colour differences."""
    y = luma(image.pixels)
    blue, red = (image.pixels[..., 2] - y) * 0.564 + 0.5, (image.pixels[..., 0] - y) * 0.713 + 0.5
    return Yuv(*(Image(plane.unsqueeze(-1).repeat(1, 1, 1, 3)) for plane in (y, blue, red)))


@node(id="ImageYUVToRGB", category="image/batch")
def image_yuv_to_rgb(*, Y: Image, U: Image, V: Image) -> Image:
    """Put pictures together from brightness and two colour differences."""
    y = Y.pixels.mean(dim=-1)
    blue, red = U.pixels.mean(dim=-1) - 0.5, V.pixels.mean(dim=-1) - 0.5
    rgb = torch.stack([y + 1.403 * red, y - 0.714 * red - 0.344 * blue, y + 1.773 * blue], dim=-1)
    return Image(rgb.clamp(0, 1))
