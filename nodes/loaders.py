"""Loading models. Loaders give handles: headers are read here, weights when something computes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar, cast

from nodes.define import Blocked, NodeError, node
from nodes.diffusion import checkpoint
from nodes.diffusion.control_lora import MARKS
from nodes.diffusion.vae import PIXEL_SPACE
from nodes.digests import digest
from nodes.folders import Folders
from nodes.types import Clip, ControlNet, Model, Source, Vae
from nodes.widgets import Advanced, Choice, Files, Spare

CLIP_TYPES = (
    "stable_diffusion", "stable_cascade", "sd3", "stable_audio", "mochi", "ltxv", "pixart", "cosmos", "lumina2", "wan",
    "hidream", "chroma", "ace", "omnigen2", "qwen_image", "hunyuan_image", "flux2", "ovis",
)  # fmt: skip
DUAL_CLIP_TYPES = (
    "sdxl", "sd3", "flux", "hunyuan_video", "hidream", "hunyuan_image", "hunyuan_video_15", "kandinsky5",
    "kandinsky5_image", "ltxv", "newbie",
)  # fmt: skip
WEIGHT_DTYPES = ("default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2")
TINY: Mapping[str, float] = {"taesd": 0.18215, "taesdxl": 0.13025}
"""Small VAEs by name, with how much larger networks see their latents."""
_PIXELS = "pixel_space"

T = TypeVar("T")


class Parts(NamedTuple):
    """What a checkpoint holds."""

    model: Model
    clip: Clip
    vae: Vae


@node(id="CheckpointLoaderSimple", title="Load Checkpoint", category="loaders")
def load_checkpoint(*, folders: Folders, ckpt_name: Annotated[str, Files("checkpoints")]) -> Parts:
    """Load a model with its text encoder and VAE from one file, or from a diffusers folder."""
    return parts(ckpt_name, checkpoint.open_checkpoint(folders.path("checkpoints", ckpt_name)))


@node(id="DiffusersLoader", category="advanced/loaders/deprecated", deprecated=True)
def load_diffusers(*, folders: Folders, model_path: Annotated[str, Files("diffusers")]) -> Parts:
    """Load a model with its text encoder and VAE from a diffusers folder."""
    return parts(model_path, checkpoint.open_checkpoint(folders.path("diffusers", model_path)))


@node(id="UNETLoader", title="Load Diffusion Model", category="advanced/loaders")
def load_unet(
    *,
    folders: Folders,
    unet_name: Annotated[str, Files("diffusion_models")],
    weight_dtype: Annotated[str, Choice(WEIGHT_DTYPES), Advanced] = "default",
) -> Model:
    """Load a diffusion model by itself. With an fp8 `weight_dtype` its weights are rounded to 8 bits."""
    model = checkpoint.open_unet(folders.path("diffusion_models", unet_name))
    if weight_dtype == "default":
        return model
    source = model.source
    options = (*source.options, ("stored", weight_dtype.removesuffix("_fast")))
    return Model(Source(source.path, source.digest, source.part, source.family, options))


@node(id="CLIPLoader", title="Load CLIP", category="advanced/loaders")
def load_clip(
    *,
    folders: Folders,
    clip_name: Annotated[str, Files("text_encoders")],
    type: Annotated[str, Choice(CLIP_TYPES)] = "stable_diffusion",
    device: Annotated[str, Choice(("default", "cpu")), Spare, Advanced] = "default",  # noqa: ARG001
) -> Clip:
    """Load a text encoder by itself. Its architecture is read from its weights."""
    if type not in ("stable_diffusion", "stable_cascade"):
        raise NodeError(f"Text encoders of type {type} are not supported; stable_diffusion is.")
    return checkpoint.open_clip([folders.path("text_encoders", clip_name)])


@node(id="DualCLIPLoader", category="advanced/loaders")
def load_two_clips(
    *,
    folders: Folders,
    clip_name1: Annotated[str, Files("text_encoders")],
    clip_name2: Annotated[str, Files("text_encoders")],
    type: Annotated[str, Choice(DUAL_CLIP_TYPES)] = "sdxl",
    device: Annotated[str, Choice(("default", "cpu")), Spare, Advanced] = "default",  # noqa: ARG001
) -> Clip:
    """Load SDXL's two text encoders, in either order."""
    if type != "sdxl":
        raise NodeError(f"Pairs of text encoders of type {type} are not supported; sdxl is.")
    return checkpoint.open_clip([folders.path("text_encoders", name) for name in (clip_name1, clip_name2)])


@node(id="VAELoader", title="Load VAE", category="loaders")
def load_vae(*, folders: Folders, vae_name: Annotated[str, Files("vae", extra=(*TINY, _PIXELS))]) -> Vae:
    """Load a VAE by itself. `taesd` and `taesdxl` are quick and rough; `pixel_space` takes pictures for latents."""
    if vae_name == _PIXELS:
        return PIXEL_SPACE
    if vae_name not in TINY:
        return checkpoint.open_vae(folders.path("vae", vae_name))
    return checkpoint.open_tiny_vae(*_tiny_files(folders, vae_name), TINY[vae_name])


@load_vae.fingerprint
def _vae_changed(vae_name: str, folders: Folders) -> str:
    return "".join(digest(path) for path in _tiny_files(folders, vae_name)) if vae_name in TINY else ""


def _tiny_files(folders: Folders, name: str) -> tuple[Path, Path]:
    """The decoder and the encoder of a small VAE."""
    decoder, encoder = (f"{name}_{part}.safetensors" for part in ("decoder", "encoder"))
    if not all(folders.has("vae_approx", file) for file in (decoder, encoder)):
        raise NodeError(f"{name} needs {encoder} and {decoder} in models/vae_approx.")
    return folders.path("vae_approx", decoder), folders.path("vae_approx", encoder)


@node(id="ControlNetLoader", title="Load ControlNet Model", category="loaders")
def load_controlnet(*, folders: Folders, control_net_name: Annotated[str, Files("controlnet")]) -> ControlNet:
    """Load a ControlNet."""
    return checkpoint.open_controlnet(folders.path("controlnet", control_net_name))


@node(id="DiffControlNetLoader", title="Load ControlNet Model (diff)", category="loaders")
def load_difference_controlnet(
    *, folders: Folders, model: Model, control_net_name: Annotated[str, Files("controlnet")]
) -> ControlNet:
    """Load a ControlNet that is written as a difference to a model, which it is added to here."""
    net = checkpoint.open_controlnet(folders.path("controlnet", control_net_name))
    if net.source.part not in MARKS.values():
        return net
    return ControlNet(replace(net.source, options=(*net.source.options, ("base", model.source))), net.options)


def parts(name: str, found: checkpoint.Checkpoint) -> Parts:
    return Parts(
        found.model,
        _or_blocked(found.clip, f"{name} holds no text encoder; use a CLIP loader."),
        _or_blocked(found.vae, f"{name} holds no VAE; use a VAE loader."),
    )


def _or_blocked(value: T | None, message: str) -> T:
    """The value, or in its place what tells whoever needs it that it is not there."""
    return cast("T", Blocked(message)) if value is None else value
