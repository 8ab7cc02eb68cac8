"""Latents of nothing, in the shapes that model families draw in."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch

from nodes.define import node
from nodes.types import Latent
from nodes.widgets import Range

_Batch = Annotated[int, Range(1, 4096)]
_Side8 = Annotated[int, Range(16, 16384, step=8)]
_Side16 = Annotated[int, Range(16, 16384, step=16)]


class CascadeLatents(NamedTuple):
    """Latents for the two stages of Stable Cascade."""

    stage_c: Latent
    stage_b: Latent


@node(id="EmptyLatentImage", title="Empty Latent Image", category="latent")
def empty_latent_image(*, width: _Side8 = 512, height: _Side8 = 512, batch_size: _Batch = 1) -> Latent:
    """A latent of nothing, to draw new pictures in."""
    return Latent(torch.zeros((batch_size, 4, height // 8, width // 8)))


@node(id="EmptySD3LatentImage", category="latent/sd3")
def empty_sd3_latent_image(*, width: _Side16 = 1024, height: _Side16 = 1024, batch_size: _Batch = 1) -> Latent:
    """A latent of nothing with 16 channels: SD3, Flux, Qwen Image and others."""
    return Latent(torch.zeros((batch_size, 16, height // 8, width // 8)))


@node(id="EmptyFlux2LatentImage", title="Empty Flux 2 Latent", category="latent")
def empty_flux2_latent_image(*, width: _Side16 = 1024, height: _Side16 = 1024, batch_size: _Batch = 1) -> Latent:
    """A latent of nothing for Flux 2."""
    return Latent(torch.zeros((batch_size, 128, height // 16, width // 16)))


@node(id="EmptyHunyuanImageLatent", category="latent")
def empty_hunyuan_image_latent(
    *,
    width: Annotated[int, Range(64, 16384, step=32)] = 2048,
    height: Annotated[int, Range(64, 16384, step=32)] = 2048,
    batch_size: _Batch = 1,
) -> Latent:
    """A latent of nothing for Hunyuan Image."""
    return Latent(torch.zeros((batch_size, 64, height // 32, width // 32)))


@node(id="EmptyChromaRadianceLatentImage", category="latent/chroma_radiance")
def empty_chroma_radiance_latent_image(
    *, width: _Side16 = 1024, height: _Side16 = 1024, batch_size: _Batch = 1
) -> Latent:
    """A latent of nothing for Chroma Radiance, which draws pixels."""
    return Latent(torch.zeros((batch_size, 3, height, width)))


@node(id="EmptyQwenImageLayeredLatentImage", title="Empty Qwen Image Layered Latent", category="latent/qwen")
def empty_qwen_image_layered_latent_image(
    *,
    width: _Side16 = 640,
    height: _Side16 = 640,
    layers: Annotated[int, Range(0, 16384, step=1)] = 3,
    batch_size: _Batch = 1,
) -> Latent:
    """A latent of nothing for a picture and its layers."""
    return Latent(torch.zeros((batch_size, 16, layers + 1, height // 8, width // 8)))


@node(id="StableCascade_EmptyLatentImage", category="latent/stable_cascade")
def stable_cascade_empty_latent_image(
    *,
    width: Annotated[int, Range(256, 16384, step=8)] = 1024,
    height: Annotated[int, Range(256, 16384, step=8)] = 1024,
    compression: Annotated[int, Range(4, 128, step=1)] = 42,
    batch_size: _Batch = 1,
) -> CascadeLatents:
    """Latents of nothing for both stages of Stable Cascade."""
    return CascadeLatents(
        Latent(torch.zeros((batch_size, 16, height // compression, width // compression))),
        Latent(torch.zeros((batch_size, 4, height // 4, width // 4))),
    )
