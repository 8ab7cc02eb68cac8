"""Small pictures of what is being made, cheap enough to show at every step."""

from __future__ import annotations

import io
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from PIL import Image as Pillow

from nodes.types import Preview

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_LONGEST_SIDE = 512
_JPEG_QUALITY = 90

# Red, green and blue of each latent channel, and what is added: least-squares fits of decoded pictures.
_SD1 = ((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473))
_SDXL = (
    (0.3651, 0.4232, 0.4341),
    (-0.2533, -0.0042, 0.1068),
    (0.1076, 0.1111, -0.0362),
    (-0.3165, -0.2492, -0.2188),
)
_FACTORS = MappingProxyType({"sd15": _SD1, "sd2": _SD1, "sdxl": _SDXL, "sdxl_refiner": _SDXL})


def project(x0: Tensor, family: str, factors: Sequence[Sequence[float]] | None = None) -> Tensor | None:
    """The first sample's colours in 0..1, [h,w,3], by a linear map of its channels [B,C,h,w] in the network's space.

    None where no map is known for this family and number of channels.
    """
    factors = factors or _FACTORS.get(family)
    if factors is None or len(factors) != x0.shape[1] or x0.ndim != 4:
        return None
    colours = x0[0].movedim(0, -1).float() @ torch.tensor(factors, device=x0.device)
    return ((colours + 1) / 2).clamp(0, 1).cpu()


def encoded(pixels: Tensor) -> Preview:
    """A JPEG of pixels in 0..1, [h,w,3], enlarged eight times or to 512 on the longest side."""
    picture = Pillow.fromarray((pixels * 255).to(torch.uint8).numpy())
    scale = min(8.0, _LONGEST_SIDE / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    buffer = io.BytesIO()
    picture.resize(size, Pillow.Resampling.BILINEAR).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return Preview(buffer.getvalue(), "image/jpeg")
