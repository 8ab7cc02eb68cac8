"""Pictures to latents and back."""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import torch

from nodes.define import Context, node
from nodes.diffusion.weights import Weights
from nodes.types import Conditioning, Image, Latent, Mask, Vae
from nodes.widgets import Advanced, Range

_LATENT_PIXEL = 8
_GREY = 0.5

TemporalSize = Annotated[int, Range(8, 4096, step=4), Advanced]
TemporalOverlap = Annotated[int, Range(4, 4096, step=4), Advanced]


@node(id="VAEDecode", title="VAE Decode", category="latent")
def decode(*, weights: Weights, samples: Latent, vae: Vae) -> Image:
    """The picture of a latent. When memory runs out it is decoded in tiles."""
    with weights.vae(vae) as autoencoder:
        return Image(autoencoder.decode(samples.samples))


@node(id="VAEDecodeTiled", title="VAE Decode (Tiled)", category="_for_testing")
def decode_tiled(
    *,
    ctx: Context,
    weights: Weights,
    samples: Latent,
    vae: Vae,
    tile_size: Annotated[int, Range(64, 4096, step=32)] = 512,
    overlap: Annotated[int, Range(0, 4096, step=32)] = 64,
    temporal_size: TemporalSize = 64,  # noqa: ARG001 -- for video
    temporal_overlap: TemporalOverlap = 8,  # noqa: ARG001
) -> Image:
    """The picture of a latent, decoded in tiles: slower, with less memory."""
    with weights.vae(vae) as autoencoder:
        scale = autoencoder.downscale
        return Image(autoencoder.decode_tiled(samples.samples, tile_size // scale, overlap // scale, ctx.progress))


@node(id="VAEEncode", title="VAE Encode", category="latent")
def encode(*, weights: Weights, pixels: Image, vae: Vae) -> Latent:
    """The latent of a picture. What does not divide by 8 is cut off evenly."""
    with weights.vae(vae) as autoencoder:
        return Latent(autoencoder.encode(pixels.pixels))


@node(id="VAEEncodeTiled", title="VAE Encode (Tiled)", category="_for_testing")
def encode_tiled(
    *,
    ctx: Context,
    weights: Weights,
    pixels: Image,
    vae: Vae,
    tile_size: Annotated[int, Range(64, 4096, step=64)] = 512,
    overlap: Annotated[int, Range(0, 4096, step=32)] = 64,
    temporal_size: TemporalSize = 64,  # noqa: ARG001 -- for video
    temporal_overlap: TemporalOverlap = 8,  # noqa: ARG001
) -> Latent:
    """The latent of a picture, encoded in tiles: slower, with less memory."""
    with weights.vae(vae) as autoencoder:
        return Latent(autoencoder.encode_tiled(pixels.pixels, tile_size, overlap, ctx.progress))


@node(id="VAEEncodeForInpaint", title="VAE Encode (for Inpainting)", category="latent/inpaint")
def encode_for_inpaint(
    *,
    weights: Weights,
    pixels: Image,
    vae: Vae,
    mask: Mask,
    grow_mask_by: Annotated[int, Range(0, 64, step=1)] = 6,
) -> Latent:
    """The latent of a picture whose masked part is grey, to be drawn anew wherever the grown mask is."""
    image, covered = _cut(pixels, mask)
    grown = _grown(covered.round(), grow_mask_by) if grow_mask_by else covered
    with weights.vae(vae) as autoencoder:
        return Latent(autoencoder.encode(_greyed(image, covered)), noise_mask=grown.round())


class Inpainting(NamedTuple):
    """What a sampler needs for an inpainting model."""

    positive: Conditioning
    negative: Conditioning
    latent: Latent


@node(id="InpaintModelConditioning", category="conditioning/inpaint")
def inpaint_conditioning(
    *,
    weights: Weights,
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    pixels: Image,
    mask: Mask,
    noise_mask: bool = True,
) -> Inpainting:
    """Show an inpainting model the picture without its masked part."""
    image, covered = _cut(pixels, mask)
    with weights.vae(vae) as autoencoder:
        shown = autoencoder.encode(_greyed(image, covered))
        whole = autoencoder.encode(image)
    return Inpainting(
        positive.each(concat_latent=shown, concat_mask=covered),
        negative.each(concat_latent=shown, concat_mask=covered),
        Latent(whole, noise_mask=covered if noise_mask else None),
    )


@node(id="InstructPixToPixConditioning", category="conditioning/instructpix2pix")
def instruct_conditioning(
    *, weights: Weights, positive: Conditioning, negative: Conditioning, vae: Vae, pixels: Image
) -> Inpainting:
    """Show an InstructPix2Pix model the picture to be edited."""
    with weights.vae(vae) as autoencoder:
        shown = autoencoder.encode(pixels.pixels)
    return Inpainting(
        positive.each(concat_latent=shown),
        negative.each(concat_latent=shown),
        Latent(torch.zeros_like(shown)),
    )


def _cut(pixels: Image, mask: Mask) -> tuple[torch.Tensor, torch.Tensor]:
    """The picture [B,H,W,C] and its mask [B,1,H,W], both cut evenly to multiples of a latent pixel."""
    image = pixels.pixels
    height, width = image.shape[1:3]
    covered = torch.nn.functional.interpolate(mask.values[:, None], (height, width), mode="bilinear")
    top, left = height % _LATENT_PIXEL // 2, width % _LATENT_PIXEL // 2
    bottom, right = top + height // _LATENT_PIXEL * _LATENT_PIXEL, left + width // _LATENT_PIXEL * _LATENT_PIXEL
    return image[:, top:bottom, left:right, :3], covered[:, :, top:bottom, left:right]


def _greyed(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The picture with middle grey where the mask is at least one half."""
    kept = 1.0 - mask.round().movedim(1, -1)
    return (image - _GREY) * kept + _GREY


def _grown(mask: torch.Tensor, by: int) -> torch.Tensor:
    """The mask with every spot grown into a square of `by` pixels."""
    kernel = torch.ones(1, 1, by, by)
    around = torch.nn.functional.conv2d(mask, kernel, padding=math.ceil((by - 1) / 2))
    return around.clamp(0.0, 1.0)[..., : mask.shape[-2], : mask.shape[-1]]
