"""Conditioning: prompts encoded, combined, and bound to places and times of the picture."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch

from nodes.define import NodeError, node
from nodes.diffusion import clip as text_encoding
from nodes.diffusion import controlnet
from nodes.diffusion.hooks import prompted
from nodes.diffusion.weights import Weights
from nodes.digests import digest
from nodes.folders import Folders
from nodes.types import Area, Clip, Cond, Conditioning, Mask
from nodes.widgets import Choice, Range, Text

MAX_RESOLUTION = 16384
_LATENT_PIXEL = 8
_EMBEDDING = re.compile(r"embedding:(\S+)")
_ENDINGS = ("", ".safetensors", ".pt", ".bin")

Prompt = Annotated[str, Text(multiline=True, dynamic=True)]
Side = Annotated[int, Range(0, MAX_RESOLUTION)]
Strength = Annotated[float, Range(0.0, 10.0, step=0.01)]


@node(id="CLIPTextEncode", title="CLIP Text Encode (Prompt)", category="conditioning")
def encode_text(*, weights: Weights, folders: Folders, text: Prompt, clip: Clip) -> Conditioning:
    """Encode a prompt: `(word)` weighs it 1.1 times, `(word:1.3)` exactly so, `embedding:name` inserts an embedding."""
    locate = _locator(folders)
    return prompted(clip, lambda each: text_encoding.encode(weights, each, text, locate=locate), {})


@encode_text.fingerprint
def _embeddings_changed(text: str | None, folders: Folders) -> str:
    return _digests(folders, text)


@node(id="CLIPTextEncodeSDXL", category="advanced/conditioning")
def encode_text_sdxl(
    *,
    weights: Weights,
    folders: Folders,
    clip: Clip,
    width: Side = 1024,
    height: Side = 1024,
    crop_w: Side = 0,
    crop_h: Side = 0,
    target_width: Side = 1024,
    target_height: Side = 1024,
    text_g: Prompt,
    text_l: Prompt,
) -> Conditioning:
    """Encode a prompt for each of SDXL's two text encoders, with the sizes that SDXL is told."""
    locate = _locator(folders)
    sizes = {
        "width": width,
        "height": height,
        "crop_w": crop_w,
        "crop_h": crop_h,
        "target_width": target_width,
        "target_height": target_height,
    }
    return prompted(
        clip,
        lambda each: text_encoding.encode(weights, each, text_l, large_text=text_g, locate=locate),
        sizes,
    )


@encode_text_sdxl.fingerprint
def _sdxl_embeddings_changed(text_g: str | None, text_l: str | None, folders: Folders) -> str:
    return _digests(folders, text_g, text_l)


@node(id="CLIPTextEncodeSDXLRefiner", category="advanced/conditioning")
def encode_text_refiner(
    *,
    weights: Weights,
    folders: Folders,
    ascore: Annotated[float, Range(0.0, 1000.0, step=0.01)] = 6.0,
    width: Side = 1024,
    height: Side = 1024,
    text: Prompt,
    clip: Clip,
) -> Conditioning:
    """Encode a prompt for the SDXL refiner, with the aesthetic score to aim at."""
    locate = _locator(folders)
    extras = {"aesthetic_score": ascore, "width": width, "height": height}
    return prompted(clip, lambda each: text_encoding.encode(weights, each, text, locate=locate), extras)


@encode_text_refiner.fingerprint
def _refiner_embeddings_changed(text: str | None, folders: Folders) -> str:
    return _digests(folders, text)


@node(id="CLIPTextEncodeControlnet", category="_for_testing/conditioning", experimental=True)
def encode_text_controlnet(
    *, weights: Weights, folders: Folders, clip: Clip, conditioning: Conditioning, text: Prompt
) -> Conditioning:
    """Let ControlNets read a prompt of their own, and the model the one that it has."""
    found = text_encoding.encode(weights, clip, text, locate=_locator(folders))
    own = {controlnet.OWN_TEXT: found.tokens, controlnet.OWN_POOLED: found.pooled}
    return Conditioning(tuple(part.having(extras={**part.extras, **own}) for part in conditioning))


@encode_text_controlnet.fingerprint
def _controlnet_embeddings_changed(text: str | None, folders: Folders) -> str:
    return _digests(folders, text)


@node(id="CLIPSetLastLayer", title="CLIP Set Last Layer", category="conditioning")
def set_last_layer(*, clip: Clip, stop_at_clip_layer: Annotated[int, Range(-24, -1, step=1)] = -1) -> Clip:
    """Take the text from an earlier layer: -2 skips the last one."""
    return replace(clip, stop_at_layer=stop_at_clip_layer)


@node(id="ConditioningCombine", title="Conditioning (Combine)", category="conditioning")
def combine(*, conditioning_1: Conditioning, conditioning_2: Conditioning) -> Conditioning:
    """Both at once: the predictions under each are mixed."""
    return Conditioning((*conditioning_1, *conditioning_2))


@node(id="ConditioningAverage", category="conditioning")
def average(
    *,
    conditioning_to: Conditioning,
    conditioning_from: Conditioning,
    conditioning_to_strength: Annotated[float, Range(0.0, 1.0, step=0.01)] = 1.0,
) -> Conditioning:
    """Tokens between two prompts': at strength 1 those of `conditioning_to`."""
    other = _first(conditioning_from, "ConditioningAverage")
    t = conditioning_to_strength

    def mixed(part: Cond) -> Cond:
        if part.tokens is None or other.tokens is None:
            return part
        tokens = part.tokens * t + _fitted(other.tokens, part.tokens) * (1.0 - t)
        if part.pooled is None or other.pooled is None:
            return part.having(tokens=tokens, pooled=part.pooled if other.pooled is None else other.pooled)
        return part.having(tokens=tokens, pooled=part.pooled * t + other.pooled * (1.0 - t))

    return Conditioning(tuple(mixed(part) for part in conditioning_to))


@node(id="ConditioningConcat", title="Conditioning (Concat)", category="conditioning")
def concat(*, conditioning_to: Conditioning, conditioning_from: Conditioning) -> Conditioning:
    """The tokens of both, one after the other."""
    other = _first(conditioning_from, "ConditioningConcat")

    def joined(part: Cond) -> Cond:
        if part.tokens is None or other.tokens is None:
            return part
        _same_width(part.tokens, other.tokens)
        return part.having(tokens=torch.cat([part.tokens, other.tokens], dim=1))

    return Conditioning(tuple(joined(part) for part in conditioning_to))


@node(id="ConditioningSetArea", title="Conditioning (Set Area)", category="conditioning")
def set_area(
    *,
    conditioning: Conditioning,
    width: Annotated[int, Range(64, MAX_RESOLUTION, step=8)] = 64,
    height: Annotated[int, Range(64, MAX_RESOLUTION, step=8)] = 64,
    x: Annotated[int, Range(0, MAX_RESOLUTION, step=8)] = 0,
    y: Annotated[int, Range(0, MAX_RESOLUTION, step=8)] = 0,
    strength: Strength = 1.0,
) -> Conditioning:
    """Let the prompt act in a rectangle only, in pixels."""
    scale = _LATENT_PIXEL
    area = Area(height // scale, width // scale, y // scale, x // scale)
    return conditioning.each(area=area, strength=strength, set_area_to_bounds=False)


@node(id="ConditioningSetAreaPercentage", title="Conditioning (Set Area with Percentage)", category="conditioning")
def set_area_percentage(
    *,
    conditioning: Conditioning,
    width: Annotated[float, Range(0, 1.0, step=0.01)] = 1.0,
    height: Annotated[float, Range(0, 1.0, step=0.01)] = 1.0,
    x: Annotated[float, Range(0, 1.0, step=0.01)] = 0.0,
    y: Annotated[float, Range(0, 1.0, step=0.01)] = 0.0,
    strength: Strength = 1.0,
) -> Conditioning:
    """Let the prompt act in a rectangle only, in fractions of the picture."""
    area = Area(height, width, y, x, relative=True)
    return conditioning.each(area=area, strength=strength, set_area_to_bounds=False)


@node(id="ConditioningSetAreaStrength", category="conditioning")
def set_area_strength(*, conditioning: Conditioning, strength: Strength = 1.0) -> Conditioning:
    """How much the prompt counts where it meets others."""
    return conditioning.each(strength=strength)


@node(id="ConditioningSetMask", title="Conditioning (Set Mask)", category="conditioning")
def set_mask(
    *,
    conditioning: Conditioning,
    mask: Mask,
    strength: Strength = 1.0,
    set_cond_area: Annotated[str, Choice(("default", "mask bounds"))] = "default",
) -> Conditioning:
    """Let the prompt act where the mask is; with "mask bounds" only the rectangle around it is computed."""
    return conditioning.each(
        mask=mask.values, mask_strength=strength, set_area_to_bounds=set_cond_area == "mask bounds"
    )


@node(id="ConditioningSetTimestepRange", category="advanced/conditioning")
def set_timestep_range(
    *,
    conditioning: Conditioning,
    start: Annotated[float, Range(0.0, 1.0, step=0.001)] = 0.0,
    end: Annotated[float, Range(0.0, 1.0, step=0.001)] = 1.0,
) -> Conditioning:
    """Let the prompt act during a part of sampling, from 0 to 1."""
    return conditioning.each(start_percent=start, end_percent=end)


@node(id="ConditioningZeroOut", category="advanced/conditioning")
def zero_out(*, conditioning: Conditioning) -> Conditioning:
    """The same conditioning with nothing but zeros in it."""

    def zeroed(part: Cond) -> Cond:
        return part.having(
            tokens=None if part.tokens is None else torch.zeros_like(part.tokens),
            pooled=None if part.pooled is None else torch.zeros_like(part.pooled),
        )

    return Conditioning(tuple(zeroed(part) for part in conditioning))


def _first(conditioning: Conditioning, who: str) -> Cond:
    if not conditioning.parts:
        raise NodeError(f"{who}: conditioning_from is empty; it must hold a prompt.")
    return conditioning.parts[0]


def _fitted(tokens: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Tokens cut or filled up with zeros to the length of others."""
    _same_width(tokens, like)
    missing = like.shape[1] - tokens.shape[1]
    cut = tokens[:, : like.shape[1]]
    return torch.nn.functional.pad(cut, (0, 0, 0, missing)) if missing > 0 else cut


def _same_width(a: torch.Tensor, b: torch.Tensor) -> None:
    if a.shape[-1] != b.shape[-1]:
        raise NodeError(
            f"These prompts were encoded for different models: their tokens have {a.shape[-1]} and {b.shape[-1]} "
            "channels."
        )


def _locator(folders: Folders) -> Callable[[str], Path | None]:
    """Finds an embedding's file by name, with or without its ending."""

    def locate(name: str) -> Path | None:
        known = next((name + end for end in _ENDINGS if folders.has("embeddings", name + end)), None)
        path = folders.path("embeddings", known) if known else None
        return path if path is not None and path.is_file() else None

    return locate


def _digests(folders: Folders, *texts: str | None) -> str:
    """The digests of the embeddings that prompts name."""
    locate = _locator(folders)
    names = [name for text in texts for name in _EMBEDDING.findall(text or "")]
    paths = [locate(name) or locate(name.strip(",")) for name in names]
    return "".join(digest(path) for path in paths if path is not None)
