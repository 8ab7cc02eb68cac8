"""Pictures made larger by networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, NamedTuple

import torch

from nodes.define import Context, node
from nodes.diffusion import enlarging, tiles
from nodes.diffusion.files import read_header, read_tensors
from nodes.diffusion.vae import is_out_of_memory
from nodes.diffusion.weights import Weights
from nodes.digests import digest
from nodes.folders import Folders
from nodes.pictures import upscaler_files
from nodes.pictures.batches import with_channels
from nodes.pictures.resize import resize
from nodes.types import Conditioning, Image, Latent, Source, UpscaleModel
from nodes.widgets import Files, Range

if TYPE_CHECKING:
    from torch import Tensor, nn


class Enlarging(NamedTuple):
    """Both sides with a small picture, and an empty latent of the large one's size."""

    positive: Conditioning
    negative: Conditioning
    latent: Latent


_TILE, _SMALLEST_TILE, _OVERLAP = 512, 128, 32
_X4 = 4


@node(id="UpscaleModelLoader", title="Load Upscale Model", category="loaders")
def load_upscale_model(*, model_name: Annotated[str, Files("upscale_models")], folders: Folders) -> UpscaleModel:
    """Load a network that makes pictures larger: ESRGAN, Real-ESRGAN, or its compact kind, as safetensors."""
    path = folders.path("upscale_models", model_name)
    facts = upscaler_files.recognise(read_header(path)).facts
    return UpscaleModel(Source(path, digest(path), "upscaler", facts.family, tuple(asdict(facts).items())))


@node(id="ImageUpscaleWithModel", title="Upscale Image (using Model)", category="image/upscaling")
def image_upscale_with_model(*, upscale_model: UpscaleModel, image: Image, weights: Weights, ctx: Context) -> Image:
    """Enlarge pictures with a network, in tiles; smaller ones when memory runs out."""
    facts = upscaler_files.UpscalerFacts(**dict(upscale_model.source.options))
    planes = with_channels(image.pixels, facts.channels).movedim(-1, 1)
    with weights.module(upscale_model.source, _load) as network, torch.no_grad():
        enlarged = _with_memory(lambda piece: network(piece.to(weights.device)), planes, facts.scale, ctx)
    pixels = enlarged.clamp(0, 1).movedim(1, -1).contiguous()
    return Image(pixels if facts.out_channels > 1 else pixels.expand(-1, -1, -1, 3))


@node(id="SD_4XUpscale_Conditioning", category="conditioning/upscale_diffusion")
def enlarging_conditioning(
    *,
    images: Image,
    positive: Conditioning,
    negative: Conditioning,
    scale_ratio: Annotated[float, Range(0.0, 10.0, step=0.01)] = 4.0,
    noise_augmentation: Annotated[float, Range(0.0, 1.0, step=0.001)] = 0.0,
) -> Enlarging:
    """Show the SD x4 upscaler the picture that it is to make larger, with some noise for it to replace by detail."""
    batch, height, width, _ = images.pixels.shape
    across, down = (max(1, round(side * scale_ratio) // _X4) for side in (width, height))
    planes = images.pixels[..., :3].movedim(-1, 1) * 2.0 - 1.0
    shown = {
        enlarging.PICTURE: resize(planes, across, down, "bilinear", "center"),
        enlarging.AUGMENTATION: noise_augmentation,
    }
    latent = torch.zeros((batch, 4, down, across))
    return Enlarging(_showing(positive, shown), _showing(negative, shown), Latent(latent))


def _showing(conditioning: Conditioning, shown: Mapping[str, object]) -> Conditioning:
    return Conditioning(tuple(part.having(extras={**part.extras, **shown}) for part in conditioning))


def _load(source: Source, dtype: torch.dtype) -> nn.Module:
    from nodes.diffusion.modules import filled  # noqa: PLC0415
    from nodes.pictures.upscalers import build  # noqa: PLC0415 -- defines networks

    found = upscaler_files.recognise(read_header(source.path))
    with torch.device("meta"):
        network = build(found.facts)
    return filled(network, read_tensors(source.path, found.names), dtype, source.path)


def _with_memory(network: Callable[[Tensor], Tensor], planes: Tensor, scale: int, ctx: Context) -> Tensor:
    """Enlarged in tiles as large as memory allows."""
    tile = _TILE
    while True:
        try:
            return _enlarge(network, planes, tile, scale, ctx)
        except RuntimeError as error:
            if not is_out_of_memory(error) or tile <= _SMALLEST_TILE:
                raise
            tile //= 2


def _enlarge(network: Callable[[Tensor], Tensor], planes: Tensor, tile: int, scale: int, ctx: Context) -> Tensor:
    total = len(planes) * tiles.count((planes.shape[-2], planes.shape[-1]), (tile, tile), _OVERLAP)
    done = 0

    def work(piece: Tensor) -> Tensor:
        nonlocal done
        ctx.check()
        result = network(piece)
        done += 1
        ctx.progress(done, total)
        return result

    return torch.cat([tiles.blended(work, picture, (tile, tile), _OVERLAP, scale) for picture in planes.split(1)])
