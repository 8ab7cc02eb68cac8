"""Pictures turned into patches, tones and shuffles that ControlNets are steered by."""

from __future__ import annotations

from typing import Annotated

import cv2
import numpy as np
import torch

from nodes.define import node
from nodes.pictures.annotate import Levels, annotate
from nodes.pictures.batches import to_batch
from nodes.pictures.resize import resize_mask
from nodes.types import Image, Mask
from nodes.widgets import Range, Seed, Spare

PACK = "ControlNet Auxiliary Preprocessors"

_TILE = "ControlNet Preprocessors/tile"
_RECOLOUR = "ControlNet Preprocessors/Recolor"
_OTHER = "ControlNet Preprocessors/others"
_Resolution = Annotated[int, Range(64, 16384, step=64), Spare]
_Gamma = Annotated[float, Range(0.1, 2, step=0.01), Spare]
_PATCH = 64
_SHUFFLE_GRID = 256


@node(id="TilePreprocessor", title="Tile", category=_TILE)
def tile(*, image: Image, pyrUp_iters: Annotated[int, Range(1, 10), Spare] = 3, resolution: _Resolution = 512) -> Image:
    """Pictures without their details: made smaller by half so many times, and smoothly large again."""

    def work(rgb: Levels) -> Levels:
        height, width = rgb.shape[:2]
        small = max(1, width >> pyrUp_iters), max(1, height >> pyrUp_iters)
        result = cv2.resize(rgb, small, interpolation=cv2.INTER_AREA)
        for _ in range(pyrUp_iters):
            result = cv2.pyrUp(result)
        return np.asarray(cv2.resize(result, (width, height), interpolation=cv2.INTER_LINEAR))

    return annotate(image, resolution, work)


@node(id="TTPlanet_TileSimple_Preprocessor", title="TTPlanet Tile Simple", category=_TILE)
def tile_simple(
    *,
    image: Image,
    scale_factor: Annotated[float, Range(1, 8, step=0.01), Spare] = 1.0,
    blur_strength: Annotated[float, Range(1, 10, step=0.01), Spare] = 2.0,
) -> Image:
    """Pictures made smaller, blurred, and large again."""
    return annotate(image, _shorter_side(image), lambda rgb: _blurred(rgb, scale_factor, blur_strength))


@node(id="TTPlanet_TileGF_Preprocessor", title="TTPlanet Tile GuidedFilter", category=_TILE)
def tile_guided(
    *,
    image: Image,
    scale_factor: Annotated[float, Range(1, 8, step=0.01), Spare] = 1.0,
    blur_strength: Annotated[float, Range(1, 10, step=0.01), Spare] = 2.0,
    radius: Annotated[int, Range(1, 20), Spare] = 7,
    eps: Annotated[float, Range(0.001, 0.1, step=0.001), Spare] = 0.01,
) -> Image:
    """Pictures made smaller, blurred, smoothed inside their edges, and large again."""

    def work(rgb: Levels) -> Levels:
        smooth = _guided(_blurred(rgb, scale_factor, blur_strength).astype(np.float32) / 255.0, radius, eps)
        return np.clip(smooth * 255.0, 0, 255).astype(np.uint8)

    return annotate(image, _shorter_side(image), work)


def _shorter_side(image: Image) -> int:
    return min(image.pixels.shape[1:3])


def _blurred(rgb: Levels, scale: float, sigma: float) -> Levels:
    height, width = rgb.shape[:2]
    small = max(1, int(width / scale)), max(1, int(height / scale))
    blurred = cv2.GaussianBlur(cv2.resize(rgb, small, interpolation=cv2.INTER_AREA), (9, 9), sigma)
    return np.asarray(cv2.resize(blurred, (width, height), interpolation=cv2.INTER_CUBIC))


def _guided(x: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """The guided filter with the picture as its own guide (He et al. 2010): flat places smooth, edges kept."""
    window = (2 * radius + 1, 2 * radius + 1)
    mean = np.asarray(cv2.blur(x, window))
    variance = np.asarray(cv2.blur(x * x, window)) - mean * mean
    share = variance / (variance + eps)
    offset = mean * (1 - share)
    return np.asarray(cv2.blur(share, window)) * x + np.asarray(cv2.blur(offset, window))


@node(id="ColorPreprocessor", title="Color Pallete", category="ControlNet Preprocessors/T2IAdapter-only")
def colour(*, image: Image, resolution: _Resolution = 512) -> Image:
    """Pictures as squares of one colour, 64 pixels a side."""

    def work(rgb: Levels) -> Levels:
        height, width = rgb.shape[:2]
        patches = cv2.resize(rgb, (max(1, width // _PATCH), max(1, height // _PATCH)), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(patches, (width, height), interpolation=cv2.INTER_NEAREST))

    return annotate(image, resolution, work)


@node(id="ShufflePreprocessor", title="Content Shuffle", category="ControlNet Preprocessors/T2IAdapter-only")
def shuffle(*, image: Image, resolution: _Resolution = 512, seed: Annotated[int, Seed(), Spare] = 0) -> Image:
    """Pictures whose places flow into each other, so that only their colours and textures stay."""

    def work(rgb: Levels) -> Levels:
        generator = np.random.default_rng(seed)
        height, width = rgb.shape[:2]
        x, y = (_flow(height, width, generator) * (side - 1) for side in (width, height))
        return np.asarray(cv2.remap(rgb, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR))

    return annotate(image, resolution, work)


def _flow(height: int, width: int, generator: np.random.Generator) -> np.ndarray:
    """Smooth noise from 0 to 1."""
    grid = _SHUFFLE_GRID
    coarse = generator.uniform(0, 1, (height // grid + 2, width // grid + 2)).astype(np.float32)
    fine = np.asarray(cv2.resize(coarse, (width + 2 * grid, height + 2 * grid), interpolation=cv2.INTER_CUBIC))
    noise = fine[grid : grid + height, grid : grid + width]
    noise = noise - noise.min()
    return noise / max(float(noise.max()), 1e-6)


@node(id="ImageLuminanceDetector", title="Image Luminance", category=_RECOLOUR)
def luminance(*, image: Image, gamma_correction: _Gamma = 1.0, resolution: _Resolution = 512) -> Image:
    """How bright pictures look, as grey: the L of Lab."""
    return annotate(image, resolution, lambda rgb: _bent(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB), 0, gamma_correction))


@node(id="ImageIntensityDetector", title="Image Intensity", category=_RECOLOUR)
def intensity(*, image: Image, gamma_correction: _Gamma = 1.0, resolution: _Resolution = 512) -> Image:
    """How strong pictures' light is, as grey: the V of HSV."""
    return annotate(image, resolution, lambda rgb: _bent(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV), 2, gamma_correction))


def _bent(planes: Levels, channel: int, gamma: float) -> Levels:
    return np.clip((planes[..., channel] / 255.0) ** gamma * 255.0, 0, 255).astype(np.uint8)


@node(id="InpaintPreprocessor", title="Inpaint Preprocessor", category=_OTHER)
def inpaint(*, image: Image, mask: Mask, black_pixel_for_xinsir_cn: Annotated[bool, Spare] = False) -> Image:
    """Pictures with -1 in the masked place, as inpainting ControlNets want it; or with black."""
    height, width = image.pixels.shape[1:3]
    selected = to_batch(resize_mask(mask.values, width, height), len(image.pixels)) > 0.5
    blank = 0.0 if black_pixel_for_xinsir_cn else -1.0
    return Image(torch.where(selected.unsqueeze(-1), blank, image.pixels))
