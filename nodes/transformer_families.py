"""Nodes of the transformer families (Flux, SD3, Qwen-Image, Chroma, ...), whose networks are not read yet.

Workflows of these families open, are shown and checked as a whole; what they set on a conditioning is set. Where a node
needs the family's own network, it says in one sentence that this cannot be loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NoReturn

from nodes.controlnet import Steered
from nodes.define import NodeError, node
from nodes.types import Clip, ClipVisionOutput, Conditioning, ControlNet, Image, Latent, Mask, Model, Vae
from nodes.widgets import Advanced, Choice, Files, Range, Text

_EDITING = "advanced/conditioning/edit_models"
_FLUX = "advanced/conditioning/flux"
_PATCHES = "advanced/loaders"

_Prompt = Annotated[str, Text(multiline=True, dynamic=True)]
_Encoder = Annotated[str, Files("text_encoders")]
_Strength = Annotated[float, Range(-10.0, 10.0, step=0.01)]


@dataclass(frozen=True, slots=True)
class ModelPatch:
    """A file that changes one family's diffusion model, such as Qwen-Image's and Z-Image's ControlNets."""

    socket: ClassVar[str] = "MODEL_PATCH"
    name: str


def _refuse(what: str, family: str) -> NoReturn:
    raise NodeError(f"{what} needs {family}, which Sfumato cannot run yet: Stable Diffusion 1, 2 and SDXL run.")


def _with(conditioning: Conditioning, **extras: Any) -> Conditioning:
    return Conditioning(tuple(part.having(extras={**part.extras, **extras}) for part in conditioning))


@node(id="ReferenceLatent", category=_EDITING)
def reference_latent(*, conditioning: Conditioning, latent: Latent | None = None) -> Conditioning:
    """Show an editing model a picture to go by; several in a row show several."""
    if latent is None:
        return conditioning
    samples = latent.samples
    key = "reference_latents"
    return Conditioning(
        tuple(part.having(extras={**part.extras, key: (*part.extras.get(key, ()), samples)}) for part in conditioning)
    )


@node(id="FluxKontextMultiReferenceLatentMethod", title="Edit Model Reference Method", category=_FLUX)
def reference_method(
    *,
    conditioning: Conditioning,
    reference_latents_method: Annotated[str, Choice(("offset", "index", "uxo/uno", "index_timestep_zero"))] = "offset",
) -> Conditioning:
    """Choose how an editing model tells several reference pictures apart."""
    return _with(conditioning, reference_latents_method=reference_latents_method.split("/", maxsplit=1)[0])


@node(id="FluxDisableGuidance", category=_FLUX)
def disable_guidance(*, conditioning: Conditioning) -> Conditioning:
    """Run a Flux-like model without its embedded guidance."""
    return _with(conditioning, guidance=None)


@node(id="CLIPTextEncodeFlux", category=_FLUX)
def encode_text_flux(
    *,
    clip: Clip,
    clip_l: _Prompt,
    t5xxl: _Prompt,
    guidance: Annotated[float, Range(0.0, 100.0, step=0.1)] = 3.5,
) -> Conditioning:
    """Encode a prompt for each of Flux's two text encoders, with its guidance."""
    _refuse("CLIPTextEncodeFlux", "Flux's text encoders")


@node(id="TextEncodeQwenImageEdit", category="advanced/conditioning")
def encode_edit(
    *,
    clip: Clip,
    prompt: _Prompt,
    vae: Vae | None = None,
    image: Image | None = None,
) -> Conditioning:
    """Encode what to change in a picture, for Qwen-Image-Edit."""
    _refuse("TextEncodeQwenImageEdit", "Qwen-Image-Edit's text encoder")


@node(id="TextEncodeQwenImageEditPlus", category="advanced/conditioning")
def encode_edit_plus(
    *,
    clip: Clip,
    prompt: _Prompt,
    vae: Vae | None = None,
    image1: Image | None = None,
    image2: Image | None = None,
    image3: Image | None = None,
) -> Conditioning:
    """Encode what to make of up to three pictures, for Qwen-Image-Edit."""
    _refuse("TextEncodeQwenImageEditPlus", "Qwen-Image-Edit's text encoder")


@node(id="T5TokenizerOptions", category="_for_testing/conditioning")
def pad_t5(
    *,
    clip: Clip,
    min_padding: Annotated[int, Range(0, 10000), Advanced] = 0,
    min_length: Annotated[int, Range(0, 10000), Advanced] = 0,
) -> Clip:
    """Pad the prompts of a T5 text encoder to at least a length."""
    _refuse("T5TokenizerOptions", "a T5 text encoder")


@node(id="TripleCLIPLoader", category="advanced/loaders")
def load_three_clips(
    *,
    clip_name1: _Encoder,
    clip_name2: _Encoder,
    clip_name3: _Encoder,
) -> Clip:
    """Load SD3's three text encoders, in any order."""
    _refuse("TripleCLIPLoader", "Stable Diffusion 3")


@node(id="QuadrupleCLIPLoader", category="advanced/loaders")
def load_four_clips(
    *,
    clip_name1: _Encoder,
    clip_name2: _Encoder,
    clip_name3: _Encoder,
    clip_name4: _Encoder,
) -> Clip:
    """Load HiDream's four text encoders."""
    _refuse("QuadrupleCLIPLoader", "HiDream")


@node(id="ModelPatchLoader", category=_PATCHES)
def load_model_patch(*, name: Annotated[str, Files("model_patches")]) -> ModelPatch:
    """Load a file that changes a diffusion model of one family."""
    _refuse(f"The model patch {name!r}", "Qwen-Image, Z-Image or Flux")


@node(id="QwenImageDiffsynthControlnet", category="advanced/loaders/qwen")
def control_qwen(
    *,
    model: Model,
    model_patch: ModelPatch,
    vae: Vae,
    image: Image,
    strength: _Strength = 1.0,
    mask: Mask | None = None,
) -> Model:
    """Guide Qwen-Image by a picture of edges, depth or an inpainting mask."""
    _refuse("QwenImageDiffsynthControlnet", "Qwen-Image")


@node(id="ZImageFunControlnet", category="advanced/loaders/zimage")
def control_z_image(
    *,
    model: Model,
    model_patch: ModelPatch,
    vae: Vae,
    strength: _Strength = 1.0,
    image: Image | None = None,
    inpaint_image: Image | None = None,
    mask: Mask | None = None,
) -> Model:
    """Guide Z-Image by a picture of edges, depth, a pose or an inpainting mask."""
    _refuse("ZImageFunControlnet", "Z-Image")


@node(id="ControlNetInpaintingAliMamaApply", category="conditioning/controlnet")
def control_inpainting(
    *,
    positive: Conditioning,
    negative: Conditioning,
    control_net: ControlNet,
    vae: Vae,
    image: Image,
    mask: Mask,
    strength: Annotated[float, Range(0.0, 10.0, step=0.01)] = 1.0,
    start_percent: Annotated[float, Range(0.0, 1.0, step=0.001)] = 0.0,
    end_percent: Annotated[float, Range(0.0, 1.0, step=0.001)] = 1.0,
) -> Steered:
    """Guide the inpainting of Flux, SD3 or Qwen-Image by their own inpainting ControlNet."""
    _refuse("ControlNetInpaintingAliMamaApply", "Flux, Stable Diffusion 3 or Qwen-Image")


@node(id="USOStyleReference", category="advanced/model_patches/flux")
def style_of_uso(
    *,
    model: Model,
    model_patch: ModelPatch,
    clip_vision_output: ClipVisionOutput,
) -> Model:
    """Give Flux the style of a picture, by USO's projector."""
    _refuse("USOStyleReference", "Flux")


@node(id="ChromaRadianceOptions", category="model_patches/chroma_radiance")
def chroma_radiance_options(
    *,
    model: Model,
    preserve_wrapper: Annotated[bool, Advanced] = True,
    start_sigma: Annotated[float, Range(0.0, 1.0)] = 1.0,
    end_sigma: Annotated[float, Range(0.0, 1.0)] = 0.0,
    nerf_tile_size: Annotated[int, Range(-1, 10000)] = -1,
) -> Model:
    """Set in how large pieces Chroma Radiance paints its pixels."""
    _refuse("ChromaRadianceOptions", "Chroma Radiance")
