"""IP-Adapters by parts: a picture in tiles, layers with weights of their own, embeds kept in files."""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import torch

from nodes import ip_adapter
from nodes.define import Context, NodeError, Shown, node
from nodes.diffusion import files
from nodes.diffusion.files import WeightsError
from nodes.diffusion.ip_adapter import SCALINGS, Embeds, IpAdapter
from nodes.diffusion.ip_adapter_weights import NAMED, WEIGHT_TYPES, named_layers
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.pictures.resize import resize_mask
from nodes.pictures.sharpen import contrast_adaptive
from nodes.types import ClipVision, Image, Mask, Model
from nodes.widgets import Choice, Files, Range, Text

PACK = "IPAdapter plus"

_CATEGORY = "ipadapter"
_KEY = "embeds"
_SQUARE_ENOUGH = 1.1

_Weight = Annotated[float, Range(-1.0, 3.0, step=0.05)]
_WideWeight = Annotated[float, Range(-1.0, 5.0, step=0.05)]
_Share = Annotated[float, Range(0.0, 1.0, step=0.001)]
_Combining = Annotated[str, Choice(("concat", "add", "subtract", "average", "norm average"))]
_Scaling = Annotated[str, Choice(SCALINGS)]


class Tiled(NamedTuple):
    """The model shown a picture's tiles, the tiles, and where each of them acts."""

    MODEL: Model
    tiles: Image
    masks: Mask


@node(id="IPAdapterTiled", title="IPAdapter Tiled", category=f"{_CATEGORY}/tiled")
def apply_tiled(
    *,
    weights: Weights,
    model: Model,
    ipadapter: IpAdapter,
    image: Image,
    weight: _Weight = 1.0,
    weight_type: Annotated[str, Choice(WEIGHT_TYPES)] = "linear",
    combine_embeds: _Combining = "concat",
    start_at: _Share = 0.0,
    end_at: _Share = 1.0,
    sharpening: Annotated[float, Range(0.0, 1.0, step=0.05)] = 0.0,
    embeds_scaling: _Scaling = "V only",
    image_negative: Image | None = None,
    attn_mask: Mask | None = None,
    clip_vision: ClipVision | None = None,
) -> Tiled:
    """Show a model a long picture in squares, each where it is, so that the encoder sees all of it and not its middle.

    A mask cuts what it leaves out off all tiles.
    """
    tiles, masks = _tiles(image.pixels[:1])
    if sharpening > 0:
        tiles = contrast_adaptive(tiles, sharpening)
    if attn_mask is not None:
        height, width = masks.shape[1:]
        masks = masks * resize_mask(attn_mask.values[:1], width, height)
    for tile, mask in zip(tiles, masks, strict=True):
        model = ip_adapter.apply_advanced(
            weights=weights,
            model=model,
            ipadapter=ipadapter,
            image=Image(tile[None]),
            weight=weight,
            weight_type=weight_type,
            combine_embeds=combine_embeds,
            start_at=start_at,
            end_at=end_at,
            embeds_scaling=embeds_scaling,
            image_negative=image_negative,
            attn_mask=Mask(mask[None]),
            clip_vision=clip_vision,
        )
    return Tiled(model, Image(tiles), Mask(masks))


def _tiles(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Squares of one picture [1,H,W,C], evenly spaced along its longer side, and masks that share it among them."""
    height, width = pixels.shape[1:3]
    side, longer = min(height, width), max(height, width)
    count = 1 if longer < side * _SQUARE_ENOUGH else math.ceil(longer / side)
    axis = 2 if width >= height else 1
    step = (longer - side) / max(count - 1, 1)
    starts = [round(place * step) if count > 1 else (longer - side) // 2 for place in range(count)]
    tiles = torch.cat([pixels.narrow(axis, start, side) for start in starts])
    masks = torch.zeros(count, height, width)
    for place in range(count):
        first, last = round(place * longer / count), round((place + 1) * longer / count)
        masks[place].narrow(axis - 1, first, last - first).fill_(1.0)
    return tiles[..., :3], masks


@node(id="IPAdapterMS", title="IPAdapter Mad Scientist", category=f"{_CATEGORY}/dev")
def apply_by_layer(
    *,
    weights: Weights,
    model: Model,
    ipadapter: IpAdapter,
    image: Image,
    weight: _WideWeight = 1.0,
    weight_faceidv2: _WideWeight = 1.0,  # noqa: ARG001 -- written into workflows
    weight_type: Annotated[str, Choice(WEIGHT_TYPES)] = "linear",
    combine_embeds: _Combining = "concat",
    start_at: _Share = 0.0,
    end_at: _Share = 1.0,
    embeds_scaling: _Scaling = "V only",
    layer_weights: Annotated[str, Text(multiline=True)] = "",
    image_negative: Image | None = None,
    attn_mask: Mask | None = None,
    clip_vision: ClipVision | None = None,
) -> Model:
    """Show a model pictures through the layers that are named, each at its weight: 3:2.0, 6:0.5. Without, through all.

    Layers are counted from 0 in the order of computing: 11 for SDXL, 16 for SD 1.x.
    """
    try:
        named = named_layers(layer_weights)
    except ValueError:
        raise NodeError(
            f"layer_weights is {layer_weights!r}; write numbers of layers with weights: 3:2.0, 6:0.5."
        ) from None
    kind = NAMED + ", ".join(f"{number}:{each}" for number, each in sorted(named.items())) if named else weight_type
    return ip_adapter.apply_advanced(
        weights=weights,
        model=model,
        ipadapter=ipadapter,
        image=image,
        weight=weight,
        weight_type=kind,
        combine_embeds=combine_embeds,
        start_at=start_at,
        end_at=end_at,
        embeds_scaling=embeds_scaling,
        image_negative=image_negative,
        attn_mask=attn_mask,
        clip_vision=clip_vision,
    )


@node(id="IPAdapterSaveEmbeds", title="IPAdapter Save Embeds", category=f"{_CATEGORY}/embeds", terminal=True)
def save_embeds(*, embeds: Embeds, filename_prefix: str = "IP_embeds", folders: Folders, ctx: Context) -> Shown:
    """Keep what an adapter read of pictures in a safetensors file in the output folder."""
    from safetensors.torch import save  # noqa: PLC0415 -- needs torch

    saved = folders.save(filename_prefix, ".safetensors", save({_KEY: embeds.values.contiguous()}), ctx=ctx)
    return Shown({"embeds": [saved]})


@node(id="IPAdapterLoadEmbeds", title="IPAdapter Load Embeds", category=f"{_CATEGORY}/embeds")
def load_embeds(*, embeds: Annotated[str, Files("input")], folders: Folders) -> Embeds:
    """What an adapter had read of pictures, from a safetensors file in the input folder."""
    path = folders.file(embeds)
    held = dict(files.read_tensors(path, {_KEY: _KEY} if _KEY in files.read_header(path).shapes else {}))
    if _KEY not in held or held[_KEY].ndim not in (2, 3):
        raise WeightsError(f"{embeds} holds no embeds of an IP-Adapter; save them with IPAdapterSaveEmbeds.")
    return Embeds(held[_KEY].float())
