"""Pictures made ready for IP-Adapters, and several shown to one model in its regions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import torch
from PIL import Image as Pil

from nodes import ip_adapter
from nodes.define import node
from nodes.diffusion.ip_adapter import SCALINGS, IpAdapter
from nodes.diffusion.ip_adapter_weights import WEIGHT_TYPES
from nodes.diffusion.weights import Weights
from nodes.pictures.resize import to_bytes
from nodes.pictures.sharpen import contrast_adaptive
from nodes.types import ClipVision, Conditioning, Image, Mask, Model
from nodes.widgets import Choice, Range

PACK = "IPAdapter plus"

_CATEGORY = "ipadapter"
_SIDE = 224
_FILTERS = ("LANCZOS", "BICUBIC", "HAMMING", "BILINEAR", "BOX", "NEAREST")
_PLACES = ("top", "bottom", "left", "right", "center", "pad")

_Share = Annotated[float, Range(0.0, 1.0, step=0.001)]
_Amount = Annotated[float, Range(0.0, 1.0, step=0.05)]


@node(id="PrepImageForClipVision", title="Prep Image For ClipVision", category=f"{_CATEGORY}/utils")
def prepare(
    *,
    image: Image,
    interpolation: Annotated[str, Choice(_FILTERS)] = "LANCZOS",
    crop_position: Annotated[str, Choice(_PLACES)] = "top",
    sharpening: _Amount = 0.0,
) -> Image:
    """A square part of pictures, or the whole on black, at the size that CLIP sees."""
    square = _padded(image.pixels) if crop_position == "pad" else _cut(image.pixels, crop_position)
    method = Pil.Resampling[interpolation]
    small = [np.asarray(Pil.fromarray(levels).resize((_SIDE, _SIDE), method)) for levels in to_bytes(square[..., :3])]
    pixels = torch.from_numpy(np.stack(small).astype(np.float32) / 255.0)
    return Image(contrast_adaptive(pixels, sharpening) if sharpening > 0 else pixels)


def _padded(pixels: torch.Tensor) -> torch.Tensor:
    height, width = pixels.shape[1:3]
    across, down = max(height - width, 0), max(width - height, 0)
    return torch.nn.functional.pad(pixels, (0, 0, across // 2, across - across // 2, down // 2, down - down // 2))


def _cut(pixels: torch.Tensor, position: str) -> torch.Tensor:
    """The square at a place of pictures; where only the other axis is to be cut, in its middle."""
    height, width = pixels.shape[1:3]
    side = min(height, width)
    y = {"top": 0, "bottom": height - side}.get(position, (height - side) // 2)
    x = {"left": 0, "right": width - side}.get(position, (width - side) // 2)
    return pixels[:, y : y + side, x : x + side]


@node(id="IPAdapterNoise", title="IPAdapter Noise", category=f"{_CATEGORY}/utils")
def noise(
    *,
    type: Annotated[str, Choice(("fade", "dissolve", "gaussian", "shuffle"))] = "fade",
    strength: _Amount = 1.0,
    blur: Annotated[int, Range(0, 32)] = 0,
    image_optional: Image | None = None,
) -> Image:
    """Noise to go away from, the same every time: dim, sparse, bell-shaped, or a picture's own pixels shuffled."""
    draw = torch.Generator().manual_seed(0)
    base = torch.zeros(1, _SIDE, _SIDE, 3) if image_optional is None else image_optional.pixels[..., :3]
    found = _NOISES[type](base, strength, draw).clamp(0, 1)
    return Image(_blurred(found, blur) if blur else found)


def _fade(base: torch.Tensor, strength: float, draw: torch.Generator) -> torch.Tensor:
    return base * (1 - strength) + torch.rand(base.shape, generator=draw) * strength


def _dissolve(base: torch.Tensor, strength: float, draw: torch.Generator) -> torch.Tensor:
    taken = torch.rand(base.shape[:3], generator=draw) < strength
    return torch.where(taken[..., None], torch.rand(base.shape, generator=draw), base)


def _gaussian(base: torch.Tensor, strength: float, draw: torch.Generator) -> torch.Tensor:
    return base + torch.randn(base.shape, generator=draw) * strength


def _shuffle(base: torch.Tensor, strength: float, draw: torch.Generator) -> torch.Tensor:
    order = torch.randperm(base.shape[1] * base.shape[2], generator=draw)
    other = base.flatten(1, 2)[:, order].reshape(base.shape)
    return base * (1 - strength) + other * strength


_NOISES: dict[str, Callable[[torch.Tensor, float, torch.Generator], torch.Tensor]] = {
    "fade": _fade,
    "dissolve": _dissolve,
    "gaussian": _gaussian,
    "shuffle": _shuffle,
}


def _blurred(pixels: torch.Tensor, radius: int) -> torch.Tensor:
    """Each pixel the mean of those within a radius."""
    planes = torch.nn.functional.pad(pixels.movedim(-1, 1), (radius,) * 4, mode="replicate")
    return torch.nn.functional.avg_pool2d(planes, 2 * radius + 1, stride=1).movedim(1, -1)


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A picture for a part of what is drawn."""

    image: Image
    weight: float
    weight_type: str
    start_at: float
    end_at: float
    mask: Mask | None


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Pictures for the parts of what is drawn."""

    socket: ClassVar[str] = "IPADAPTER_PARAMS"
    parts: tuple[Region, ...]


class Placed(NamedTuple):
    """A region's picture, and its prompts bound to it."""

    IPADAPTER_PARAMS: Regions
    POSITIVE: Conditioning
    NEGATIVE: Conditioning


@node(id="IPAdapterRegionalConditioning", title="IPAdapter Regional Conditioning", category=f"{_CATEGORY}/params")
def region(
    *,
    image: Image,
    image_weight: Annotated[float, Range(-1.0, 3.0, step=0.05)] = 1.0,
    prompt_weight: Annotated[float, Range(0.0, 10.0, step=0.05)] = 1.0,
    weight_type: Annotated[str, Choice(WEIGHT_TYPES)] = "linear",
    start_at: _Share = 0.0,
    end_at: _Share = 1.0,
    mask: Mask | None = None,
    positive: Conditioning | None = None,
    negative: Conditioning | None = None,
) -> Placed:
    """A picture and prompts for a masked part of what is drawn."""
    values = None if mask is None else mask.values
    sides = [
        Conditioning(())
        if side is None
        else side.each(mask=values, mask_strength=prompt_weight, set_area_to_bounds=False)
        for side in (positive, negative)
    ]
    return Placed(Regions((Region(image, image_weight, weight_type, start_at, end_at, mask),)), *sides)


@node(id="IPAdapterCombineParams", title="IPAdapter Combine Params", category=f"{_CATEGORY}/params")
def combine_regions(
    *,
    params_1: Regions,
    params_2: Regions,
    params_3: Regions | None = None,
    params_4: Regions | None = None,
    params_5: Regions | None = None,
) -> Regions:
    """The pictures of several regions."""
    every = (params_1, params_2, params_3, params_4, params_5)
    return Regions(tuple(part for each in every if each is not None for part in each.parts))


@node(id="IPAdapterFromParams", title="IPAdapter from Params", category=f"{_CATEGORY}/params")
def apply_regions(
    *,
    weights: Weights,
    model: Model,
    ipadapter: IpAdapter,
    ipadapter_params: Regions,
    combine_embeds: Annotated[str, Choice(("concat", "add", "subtract", "average", "norm average"))] = "concat",
    embeds_scaling: Annotated[str, Choice(SCALINGS)] = "V only",
    image_negative: Image | None = None,
    clip_vision: ClipVision | None = None,
) -> Model:
    """Show a model each region's picture in its region."""
    for part in ipadapter_params.parts:
        model = ip_adapter.apply_advanced(
            weights=weights,
            model=model,
            ipadapter=ipadapter,
            image=part.image,
            weight=part.weight,
            weight_type=part.weight_type,
            combine_embeds=combine_embeds,
            start_at=part.start_at,
            end_at=part.end_at,
            embeds_scaling=embeds_scaling,
            image_negative=image_negative,
            attn_mask=part.mask,
            clip_vision=clip_vision,
        )
    return model
