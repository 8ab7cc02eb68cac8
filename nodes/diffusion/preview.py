"""Small pictures of what is being made, cheap enough to show at every step."""

from __future__ import annotations

import io
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from PIL import Image as Pillow

from nodes.types import Preview

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from nodes.diffusion.network import LatentFormat, Network

Factors = tuple[tuple[float, ...], ...]
"""Red, green and blue of each latent channel, perhaps with a last row to be added."""

_LONGEST_SIDE = 512
_JPEG_QUALITY = 90
_FIT_PICTURES, _FIT_CELLS, _FIT_RECTANGLES = 12, 16, 8

# Red, green and blue of each latent channel, and what is added: least-squares fits of decoded pictures.
_SD1 = ((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473))
_SDXL = (
    (0.3651, 0.4232, 0.4341),
    (-0.2533, -0.0042, 0.1068),
    (0.1076, 0.1111, -0.0362),
    (-0.3165, -0.2492, -0.2188),
)
_FACTORS = MappingProxyType({"sd15": _SD1, "sd2": _SD1, "sdxl": _SDXL, "sdxl_refiner": _SDXL})


def picture(x0: Tensor, network: Network, factors: Factors | None = None) -> Tensor | None:
    """The first sample's picture in 0..1, [h,w,3]: by the network's small decoder if it has one, else projected."""
    if (decode := getattr(network, "approximate", None)) is not None:
        return decode(x0)
    if factors is None and (colours := getattr(network, "colours", None)) is not None:
        factors = colours()
    return project(x0, network.family, factors)


def project(x0: Tensor, family: str, factors: Factors | None = None) -> Tensor | None:
    """The first sample's colours in 0..1, [h,w,3], by a linear map of its channels [B,C,h,w] in the network's space.

    None where no map is known for this family and number of channels. A row of `factors` beyond the channels is added.
    """
    factors = factors or _FACTORS.get(family)
    if factors is None or x0.ndim != 4 or len(factors) - x0.shape[1] not in (0, 1):
        return None
    table = torch.tensor(factors, device=x0.device)
    channels = x0.shape[1]
    colours = x0[0].movedim(0, -1).float() @ table[:channels] + table[channels:].sum(0)
    return ((colours + 1) / 2).clamp(0, 1).cpu()


def fit(encode: Callable[[Tensor], Tensor], format: LatentFormat) -> Factors:
    """The linear map from a VAE's latents to colours, fitted by least squares on pictures of random rectangles.

    `encode` takes pictures [B,H,W,3] in 0..1 to latents in the VAE's space. For VAEs whose space nobody has fitted yet.
    """
    pictures = _rectangles(_FIT_PICTURES, _FIT_CELLS, format.downscale)
    latents = format.process_in(encode(pictures)).movedim(1, -1)
    colours = torch.nn.functional.avg_pool2d(pictures.movedim(-1, 1), format.downscale).movedim(1, -1) * 2 - 1
    known = torch.cat([latents, torch.ones_like(latents[..., :1])], dim=-1)
    found = torch.linalg.lstsq(known.flatten(0, 2).double(), colours.flatten(0, 2).double(), driver="gelsd").solution
    return tuple(tuple(round(value, 4) for value in row) for row in found.tolist())


def _rectangles(count: int, cells: int, size: int) -> Tensor:
    """Pictures of `cells` x `cells` latent pixels: a background and rectangles of random colours."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand((count, 1, 1, 3), generator=generator).expand(-1, cells * size, cells * size, -1).clone()
    for one in pictures:
        for _ in range(_FIT_RECTANGLES):
            top, left = torch.randint(0, (cells - 2) * size, (2,), generator=generator).tolist()
            height, width = torch.randint(size, cells * size // 2, (2,), generator=generator).tolist()
            one[top : top + height, left : left + width] = torch.rand(3, generator=generator)
    return pictures


def encoded(pixels: Tensor) -> Preview:
    """A JPEG of pixels in 0..1, [h,w,3], enlarged eight times or to 512 on the longest side."""
    picture = Pillow.fromarray((pixels * 255).to(torch.uint8).numpy())
    scale = min(8.0, _LONGEST_SIDE / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    buffer = io.BytesIO()
    picture.resize(size, Pillow.Resampling.BILINEAR).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return Preview(buffer.getvalue(), "image/jpeg")
