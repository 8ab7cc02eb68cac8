"""IP-Adapters: pictures as prompts beside the text, for a model as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, NamedTuple, cast

import torch

from nodes.define import NodeError, node
from nodes.diffusion import ip_adapter, vision
from nodes.diffusion.companions import with_companion
from nodes.diffusion.files import WeightsError
from nodes.diffusion.ip_adapter import SCALINGS, Embeds, ImagePrompt, IpAdapter
from nodes.diffusion.ip_adapter_weights import WEIGHT_TYPES
from nodes.diffusion.options import parametrization
from nodes.diffusion.prediction import prediction
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.pictures.resize import resize_mask
from nodes.types import ClipVision, Image, Mask, Model
from nodes.widgets import Choice, Files, Range

PACK = "IPAdapter plus"

_CATEGORY = "ipadapter"
_SIMPLE_TYPES = {"standard": "linear", "prompt is more important": "ease in", "style transfer": "style transfer"}
_OLD_TYPES = {"original": "V only", "linear": "K+V", "channel penalty": "K+mean(V) w/ C penalty"}
_COMBINING = ("concat", "add", "subtract", "average", "norm average")
_EXTREMES = ("max", "min")
_KINDS = {"plain": "plain", "plus": "plus", "full": "full face"}
_WAYS = {
    "LIGHT - SD1.5 only (low strength)": ("plain", ("light",), 1024),
    "STANDARD (medium strength)": ("plain", (), 1024),
    "VIT-G (medium strength)": ("plain", (), 1280),
    "PLUS (high strength)": ("plus", (), 1280),
    "PLUS FACE (portraits)": ("plus", ("face",), 1280),
    "FULL FACE - SD1.5 only (portraits stronger)": ("full", ("face",), 1280),
}
"""For each preset: the kind of adapter, what its file's name says of it, and how wide what it reads is."""
_TOLD = ("light", "face", "composition")

_Weight = Annotated[float, Range(-1.0, 3.0, step=0.05)]
_WideWeight = Annotated[float, Range(-1.0, 5.0, step=0.05)]
_Share = Annotated[float, Range(0.0, 1.0, step=0.001)]
_WeightType = Annotated[str, Choice(WEIGHT_TYPES)]
_Combining = Annotated[str, Choice(_COMBINING)]
_Scaling = Annotated[str, Choice(SCALINGS)]


class Unified(NamedTuple):
    """A model, and the adapter that was found for it."""

    model: Model
    ipadapter: IpAdapter


@node(id="IPAdapterModelLoader", title="IPAdapter Model Loader", category=f"{_CATEGORY}/loaders")
def load_ip_adapter(*, folders: Folders, ipadapter_file: Annotated[str, Files("ipadapter")]) -> IpAdapter:
    """Load an IP-Adapter: plain, plus, plus-face or full-face. FaceID adapters need insightface and do not load."""
    return ip_adapter.open_ip_adapter(folders.path("ipadapter", ipadapter_file))


@node(id="IPAdapterUnifiedLoader", title="IPAdapter Unified Loader", category=_CATEGORY)
def load_unified(
    *,
    folders: Folders,
    model: Model,
    preset: Annotated[str, Choice(tuple(_WAYS))] = "LIGHT - SD1.5 only (low strength)",
    ipadapter: IpAdapter | None = None,
) -> Unified:
    """Find the IP-Adapter of a kind that fits the model, and its image encoder, in models/ipadapter and clip_vision."""
    kind, told, reads = _WAYS[preset]
    known = [ipadapter] if ipadapter else []
    found = next((a for a in known if _is(a, model, kind, told, reads)), None)
    found = found or next(_adapters(folders, model, kind, told, reads), None)
    if found is None:
        beside = f" and {told[0]!r} in its name" if told else ""
        raise NodeError(
            f"No IP-Adapter in models/ipadapter fits {preset!r} and this model; it needs a {_KINDS[kind]} one that "
            f"reads {reads} numbers{beside}, as safetensors."
        )
    encoder = found.vision or (ipadapter.vision if ipadapter and ipadapter.reads == found.reads else None)
    return Unified(model, replace(found, vision=encoder or _encoder(folders, found)))


@load_unified.fingerprint
def _unified_changed(folders: Folders) -> str:
    return " ".join(
        folders.digest(kind, name) for kind in ("ipadapter", "clip_vision") for name in _loadable(folders, kind)
    )


def _loadable(folders: Folders, kind: str) -> list[str]:
    return [name for name in folders.names(kind) if name.endswith((".safetensors", ".sft"))]


def _adapters(folders: Folders, model: Model, kind: str, told: tuple[str, ...], reads: int) -> Iterator[IpAdapter]:
    """The adapters of a kind that fit a model."""
    for name in _loadable(folders, "ipadapter"):
        try:
            found = ip_adapter.open_ip_adapter(folders.path("ipadapter", name))
        except WeightsError:
            continue
        if _is(found, model, kind, told, reads):
            yield found


def _is(adapter: IpAdapter, model: Model, kind: str, told: tuple[str, ...], reads: int) -> bool:
    try:
        ip_adapter.check_fits(adapter, model)
    except WeightsError:
        return False
    name = adapter.source.path.name.lower()
    said = tuple(word for word in _TOLD if word in name)
    return (adapter.kind, adapter.reads, said) == (kind, reads, told)


def _encoder(folders: Folders, adapter: IpAdapter) -> ClipVision:
    """The image encoder in clip_vision that gives what the adapter reads."""
    for name in _loadable(folders, "clip_vision"):
        try:
            found = vision.open_vision(folders.path("clip_vision", name))
        except WeightsError:
            continue
        config = vision.config(found)
        if config["hidden_size" if adapter.kind != "plain" else "projection_dim"] == adapter.reads:
            return found
    raise NodeError(
        f"models/clip_vision holds no image encoder for {adapter.source.path.name}; it reads "
        f"{ip_adapter.encoder_named(adapter)}."
    )


@node(id="IPAdapter", category=_CATEGORY)
def apply(
    *,
    weights: Weights,
    model: Model,
    ipadapter: IpAdapter,
    image: Image,
    weight: _Weight = 1.0,
    start_at: _Share = 0.0,
    end_at: _Share = 1.0,
    weight_type: Annotated[str, Choice(tuple(_SIMPLE_TYPES))] = "standard",
    attn_mask: Mask | None = None,
) -> Model:
    """Show a model pictures, as a part of its prompt. Several are seen together."""
    layers = _SIMPLE_TYPES[weight_type]
    prompt = _seen(weights, ipadapter, None, image)
    return _prompted(model, replace(prompt, weight=weight, layers=layers, mask=_values(attn_mask)), start_at, end_at)


@node(id="IPAdapterAdvanced", title="IPAdapter Advanced", category=_CATEGORY)
def apply_advanced(
    *,
    weights: Weights,
    model: Model,
    ipadapter: IpAdapter,
    image: Image,
    weight: _WideWeight = 1.0,
    weight_type: _WeightType = "linear",
    combine_embeds: _Combining = "concat",
    start_at: _Share = 0.0,
    end_at: _Share = 1.0,
    embeds_scaling: _Scaling = "V only",
    image_negative: Image | None = None,
    attn_mask: Mask | None = None,
    clip_vision: ClipVision | None = None,
) -> Model:
    """Show a model pictures: how strongly in which layers, from when to when, where, and away from which others."""
    prompt = _seen(weights, ipadapter, clip_vision, image, away=image_negative, combining=combine_embeds)
    prompt = replace(
        prompt, weight=weight, layers=weight_type, scaling=_scaling(embeds_scaling), mask=_values(attn_mask)
    )
    return _prompted(model, prompt, start_at, end_at)


@node(id="IPAdapterBatch", title="IPAdapter Batch (Adv.)", category=_CATEGORY)
def apply_batch(
    *,
    weights: Weights,
    model: Model,
    ipadapter: IpAdapter,
    image: Image,
    weight: _WideWeight = 1.0,
    weight_type: _WeightType = "linear",
    start_at: _Share = 0.0,
    end_at: _Share = 1.0,
    embeds_scaling: _Scaling = "V only",
    encode_batch_size: Annotated[int, Range(0, 4096)] = 0,  # noqa: ARG001 -- written into workflows
    image_negative: Image | None = None,
    attn_mask: Mask | None = None,
    clip_vision: ClipVision | None = None,
) -> Model:
    """Show each sample of a batch the picture of its number; the last one goes for those that have none."""
    prompt = _seen(weights, ipadapter, clip_vision, image, away=image_negative)
    prompt = replace(
        prompt, weight=weight, layers=weight_type, scaling=_scaling(embeds_scaling), mask=_values(attn_mask),
        per_sample=True,
    )  # fmt: skip
    return _prompted(model, prompt, start_at, end_at)


@node(id="IPAdapterStyleComposition", title="IPAdapter Style & Composition SDXL", category=_CATEGORY)
def apply_style_composition(
    *,
    weights: Weights,
    model: Model,
    ipadapter: IpAdapter,
    image_style: Image,
    image_composition: Image,
    weight_style: _WideWeight = 1.0,
    weight_composition: _WideWeight = 1.0,
    expand_style: bool = False,
    combine_embeds: _Combining = "average",
    start_at: _Share = 0.0,
    end_at: _Share = 1.0,
    embeds_scaling: _Scaling = "V only",
    image_negative: Image | None = None,
    attn_mask: Mask | None = None,
    clip_vision: ClipVision | None = None,
) -> Model:
    """The style of one picture and the composition of another; the expanded style is in all other layers."""
    for image, weight, layers in (
        (image_style, weight_style, "strong style transfer" if expand_style else "style transfer"),
        (image_composition, weight_composition, "composition"),
    ):
        prompt = _seen(weights, ipadapter, clip_vision, image, away=image_negative, combining=combine_embeds)
        prompt = replace(
            prompt, weight=weight, layers=layers, scaling=_scaling(embeds_scaling), mask=_values(attn_mask)
        )
        model = _prompted(model, prompt, start_at, end_at)
    return model


@node(id="IPAdapterPreciseStyleTransfer", title="IPAdapter Precise Style Transfer", category=_CATEGORY)
def apply_precise_style(
    *,
    weights: Weights,
    model: Model,
    ipadapter: IpAdapter,
    image: Image,
    weight: _WideWeight = 1.0,
    style_boost: Annotated[float, Range(-5.0, 5.0, step=0.05)] = 1.0,
    combine_embeds: _Combining = "concat",
    start_at: _Share = 0.0,
    end_at: _Share = 1.0,
    embeds_scaling: _Scaling = "V only",
    image_negative: Image | None = None,
    attn_mask: Mask | None = None,
    clip_vision: ClipVision | None = None,
) -> Model:
    """The style of a picture, and away from its composition as far as the boost says."""
    prompt = _seen(weights, ipadapter, clip_vision, image, away=image_negative, combining=combine_embeds)
    prompt = replace(
        prompt, weight=weight, second_weight=style_boost, layers="style transfer precise",
        scaling=_scaling(embeds_scaling), mask=_values(attn_mask),
    )  # fmt: skip
    return _prompted(model, prompt, start_at, end_at)


@node(id="IPAdapterPreciseComposition", title="IPAdapter Precise Composition", category=_CATEGORY)
def apply_precise_composition(
    *,
    weights: Weights,
    model: Model,
    ipadapter: IpAdapter,
    image: Image,
    weight: _WideWeight = 1.0,
    composition_boost: Annotated[float, Range(-5.0, 5.0, step=0.05)] = 0.0,
    combine_embeds: _Combining = "concat",
    start_at: _Share = 0.0,
    end_at: _Share = 1.0,
    embeds_scaling: _Scaling = "V only",
    image_negative: Image | None = None,
    attn_mask: Mask | None = None,
    clip_vision: ClipVision | None = None,
) -> Model:
    """The composition of a picture, and away from its style as far as the boost says."""
    prompt = _seen(weights, ipadapter, clip_vision, image, away=image_negative, combining=combine_embeds)
    prompt = replace(
        prompt, weight=weight, second_weight=composition_boost, layers="composition precise",
        scaling=_scaling(embeds_scaling), mask=_values(attn_mask),
    )  # fmt: skip
    return _prompted(model, prompt, start_at, end_at)


@node(id="IPAdapterApply", title="Apply IPAdapter", category=_CATEGORY, deprecated=True)
def apply_old(
    *,
    weights: Weights,
    ipadapter: IpAdapter,
    clip_vision: ClipVision,
    image: Image,
    model: Model,
    weight: _Weight = 1.0,
    noise: Annotated[float, Range(0.0, 1.0, step=0.01)] = 0.0,
    weight_type: Annotated[str, Choice(tuple(_OLD_TYPES))] = "original",
    start_at: _Share = 0.0,
    end_at: _Share = 1.0,
    unfold_batch: bool = False,
    attn_mask: Mask | None = None,
) -> Model:
    """Show a model pictures, as workflows of 2023 did. With noise, guidance goes away from noise over them."""
    away = Image(_shuffled(image.pixels, noise)) if noise > 0 else None
    prompt = _seen(weights, ipadapter, clip_vision, image, away=away)
    prompt = replace(
        prompt, weight=weight, scaling=_scaling(_OLD_TYPES[weight_type]), mask=_values(attn_mask),
        per_sample=unfold_batch,
    )  # fmt: skip
    return _prompted(model, prompt, start_at, end_at)


class Encoded(NamedTuple):
    """What an adapter reads of pictures, and of what is to be gone away from."""

    pos_embed: Embeds
    neg_embed: Embeds


@node(id="IPAdapterEncoder", title="IPAdapter Encoder", category=f"{_CATEGORY}/embeds")
def encode(
    *,
    weights: Weights,
    ipadapter: IpAdapter,
    image: Image,
    weight: Annotated[float, Range(-1.0, 3.0, step=0.01)] = 1.0,
    mask: Mask | None = None,
    clip_vision: ClipVision | None = None,
) -> Encoded:
    """What an adapter reads of pictures, to be combined with others before it is applied; a mask says of which part."""
    encoder = _chosen(ipadapter, clip_vision)
    found = ip_adapter.encode(weights, ipadapter, encoder, image.pixels, _mask_over(mask, image))
    return Encoded(Embeds(found.values * weight), ip_adapter.nothing(weights, ipadapter, encoder, found))


@node(id="IPAdapterCombineEmbeds", title="IPAdapter Combine Embeds", category=f"{_CATEGORY}/embeds")
def combine(
    *,
    embed1: Embeds,
    method: Annotated[str, Choice((*_COMBINING, *_EXTREMES))] = "concat",
    embed2: Embeds | None = None,
    embed3: Embeds | None = None,
    embed4: Embeds | None = None,
    embed5: Embeds | None = None,
) -> Embeds:
    """What an adapter read of several pictures, in one: all of them, their sum, difference, mean or extremes."""
    every = [each.values for each in (embed1, embed2, embed3, embed4, embed5) if each is not None]
    if len({each.shape[1:] for each in every}) > 1:
        raise NodeError(
            "These embeds were read by different kinds of adapter; encode all pictures for the same IP-Adapter."
        )
    return Embeds(_combined(torch.cat(every), method))


@node(id="IPAdapterEmbeds", title="IPAdapter Embeds", category=f"{_CATEGORY}/embeds")
def apply_embeds(
    *,
    weights: Weights,
    model: Model,
    ipadapter: IpAdapter,
    pos_embed: Embeds,
    weight: _Weight = 1.0,
    weight_type: _WeightType = "linear",
    start_at: _Share = 0.0,
    end_at: _Share = 1.0,
    embeds_scaling: _Scaling = "V only",
    neg_embed: Embeds | None = None,
    attn_mask: Mask | None = None,
    clip_vision: ClipVision | None = None,
) -> Model:
    """Show a model what an adapter has read of pictures."""
    if pos_embed.values.shape[-1] != ipadapter.reads:
        raise NodeError(
            f"These embeds have {pos_embed.values.shape[-1]} numbers where {ipadapter.source.path.name} reads "
            f"{ipadapter.reads}; encode the pictures for this IP-Adapter."
        )
    if neg_embed is None:
        encoder = clip_vision or ipadapter.vision
        if encoder is None and ipadapter.kind != "plain":
            raise NodeError(f"{ipadapter.source.path.name} reads a picture's parts; connect neg_embed or clip_vision.")
        neg_embed = ip_adapter.nothing(weights, ipadapter, encoder, pos_embed)
    prompt = ImagePrompt(
        ipadapter, pos_embed.values, neg_embed.values, weight, weight_type,
        scaling=_scaling(embeds_scaling), mask=_values(attn_mask),
    )  # fmt: skip
    return _prompted(model, prompt, start_at, end_at)


def _seen(
    weights: Weights,
    adapter: IpAdapter,
    given: ClipVision | None,
    image: Image,
    *,
    away: Image | None = None,
    combining: str = "concat",
) -> ImagePrompt:
    """Pictures as an adapter reads them, with what guidance goes away from."""
    encoder = _chosen(adapter, given)
    found = ip_adapter.encode(weights, adapter, encoder, image.pixels)
    other = (
        ip_adapter.encode(weights, adapter, encoder, away.pixels)
        if away is not None
        else ip_adapter.nothing(weights, adapter, encoder, found)
    )
    return ImagePrompt(adapter, _combined(found.values, combining), other.values)


def _chosen(adapter: IpAdapter, given: ClipVision | None) -> ClipVision:
    encoder = given or adapter.vision
    if encoder is None:
        raise NodeError(
            f"{adapter.source.path.name} needs an image encoder, {ip_adapter.encoder_named(adapter)}: connect "
            "clip_vision, or load both with IPAdapterUnifiedLoader."
        )
    return encoder


def _combined(embeds: torch.Tensor, method: str) -> torch.Tensor:
    """Embeds of several pictures made one, or left side by side."""
    match method:
        case _ if len(embeds) == 1 or method == "concat":
            return embeds
        case "add":
            return embeds.sum(0, keepdim=True)
        case "subtract":
            return embeds[:1] - embeds[1:].mean(0, keepdim=True)
        case "average":
            return embeds.mean(0, keepdim=True)
        case "norm average":
            return (embeds / embeds.norm(dim=0, keepdim=True)).mean(0, keepdim=True)
        case "max":
            return embeds.amax(0, keepdim=True)
        case _:
            return embeds.amin(0, keepdim=True)


def _prompted(model: Model, prompt: ImagePrompt, start: float, end: float) -> Model:
    """The model shown a prompt between two shares of sampling. Raises WeightsError when it is for another family."""
    ip_adapter.check_fits(prompt.adapter, model)
    if prompt.weight == 0:
        return model
    of = prediction(parametrization(model))
    levels = {"start_sigma": of.percent_to_sigma(start), "end_sigma": of.percent_to_sigma(end)}
    return with_companion(model, replace(prompt, **levels))


def _scaling(name: str) -> ip_adapter.Scaling:
    return cast("ip_adapter.Scaling", name)


def _values(mask: Mask | None) -> torch.Tensor | None:
    return None if mask is None else mask.values


def _mask_over(mask: Mask | None, image: Image) -> torch.Tensor | None:
    """A mask at the size of pictures."""
    if mask is None:
        return None
    height, width = image.pixels.shape[1:3]
    return resize_mask(mask.values, width, height)


def _shuffled(pixels: torch.Tensor, strength: float) -> torch.Tensor:
    """Pictures mixed with their own pixels in another order."""
    order = torch.randperm(pixels.shape[1] * pixels.shape[2], generator=torch.Generator().manual_seed(0))
    other = pixels.flatten(1, 2)[:, order].reshape(pixels.shape)
    return other * strength + pixels.mean((1, 2), keepdim=True) * (1 - strength)
