"""Pictures as prompts: CLIP's image encoders, unCLIP, style models."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import torch

from nodes.define import NodeError, node
from nodes.diffusion import checkpoint, style, unclip, vision
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Clip, ClipVision, ClipVisionOutput, Cond, Conditioning, Image, Model, StyleModel, Vae
from nodes.widgets import Choice, Files, Range

_UNCLIP_PREFIX = "embedder.model."


@node(id="CLIPVisionLoader", title="Load CLIP Vision", category="loaders")
def load_clip_vision(*, folders: Folders, clip_name: Annotated[str, Files("clip_vision")]) -> ClipVision:
    """Load an image encoder: CLIP's ViT-L, ViT-H or ViT-bigG, or SigLIP, under Hugging Face's or OpenCLIP's names."""
    return vision.open_vision(folders.path("clip_vision", clip_name))


@node(id="CLIPVisionEncode", title="CLIP Vision Encode", category="conditioning")
def encode_picture(
    *,
    weights: Weights,
    clip_vision: ClipVision,
    image: Image,
    crop: Annotated[str, Choice(("center", "none"))] = "center",
) -> ClipVisionOutput:
    """What CLIP sees in pictures: in the square at their centre, or in the whole squeezed into one."""
    return vision.encode(weights, clip_vision, image.pixels, "none" if crop == "none" else "center")


class UnclipParts(NamedTuple):
    """What an unCLIP checkpoint holds."""

    model: Model
    clip: Clip
    vae: Vae
    clip_vision: ClipVision


@node(id="unCLIPCheckpointLoader", category="loaders")
def load_unclip_checkpoint(*, folders: Folders, ckpt_name: Annotated[str, Files("checkpoints")]) -> UnclipParts:
    """Load an unCLIP model with its text encoder, VAE and image encoder from one file."""
    path = folders.path("checkpoints", ckpt_name)
    found = checkpoint.open_checkpoint(path)
    if found.clip is None or found.vae is None:
        missing = "text encoder" if found.clip is None else "VAE"
        raise NodeError(f"{ckpt_name} holds no {missing}; an unCLIP checkpoint holds model, text encoder and VAE.")
    return UnclipParts(found.model, found.clip, found.vae, vision.open_vision(path, _UNCLIP_PREFIX))


@node(id="unCLIPConditioning", category="conditioning")
def unclip_conditioning(
    *,
    conditioning: Conditioning,
    clip_vision_output: ClipVisionOutput,
    strength: Annotated[float, Range(-10.0, 10.0, step=0.01)] = 1.0,
    noise_augmentation: Annotated[float, Range(0.0, 1.0, step=0.01)] = 0.0,
) -> Conditioning:
    """Show a picture to an unCLIP model, or to SDXL; the more noise, the freer the model is. Several can be shown."""
    if strength == 0:
        return conditioning
    shown = (clip_vision_output.image_embeds, strength, noise_augmentation)

    def with_picture(part: Cond) -> Cond:
        return part.having(extras={**part.extras, unclip.KEY: (*part.extras.get(unclip.KEY, ()), shown)})

    return Conditioning(tuple(with_picture(part) for part in conditioning))


@node(id="StyleModelLoader", title="Load Style Model", category="loaders")
def load_style_model(*, folders: Folders, style_model_name: Annotated[str, Files("style_models")]) -> StyleModel:
    """Load what turns a picture into words of a prompt: the T2I style adapter (SD 1.x), or Flux Redux."""
    return style.open_style(folders.path("style_models", style_model_name))


@node(id="StyleModelApply", title="Apply Style Model", category="conditioning/style_model")
def apply_style_model(
    *,
    weights: Weights,
    conditioning: Conditioning,
    style_model: StyleModel,
    clip_vision_output: ClipVisionOutput,
    strength: Annotated[float, Range(0.0, 10.0, step=0.001)] = 1.0,
    strength_type: Annotated[str, Choice(("multiply", "attn_bias"))] = "multiply",
) -> Conditioning:
    """Add a picture's style to a prompt: what the picture becomes, times the strength, follows the prompt's words."""
    if strength_type == "attn_bias" and strength != 1.0:
        raise NodeError(
            f"attn_bias at {strength} is for models that attend to prompt and picture in one; a UNet is none. "
            "Set strength_type to multiply."
        )
    found = style.tokens(weights, style_model, clip_vision_output)

    def with_style(part: Cond) -> Cond:
        if part.tokens is None:
            return part
        if part.tokens.shape[-1] != found.shape[-1]:
            raise NodeError(
                f"{style_model.source.path.name} makes words of {found.shape[-1]} numbers; this prompt's have "
                f"{part.tokens.shape[-1]}: it was made for another model family."
            )
        words = (found * strength).expand(len(part.tokens), -1, -1).to(part.tokens)
        return part.having(tokens=torch.cat([part.tokens, words], dim=1))

    return Conditioning(tuple(with_style(part) for part in conditioning))
