"""Models into files: checkpoints and their parts, merged and patched as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from nodes.define import Context, ExtraPnginfo, NodeError, Prompt, Saved, Shown, node
from nodes.diffusion import extract, saving
from nodes.folders import Folders
from nodes.pictures import encode
from nodes.types import Clip, Model, Vae
from nodes.widgets import Advanced, Choice, Range, Spare, Tip

_CATEGORY = "advanced/model_merging"

_Metadata = Annotated[bool, Spare, Advanced, Tip("Write the workflow into the file.")]


@node(id="CheckpointSave", title="Save Checkpoint", category=_CATEGORY, terminal=True)
def save_checkpoint(
    *,
    model: Model,
    clip: Clip,
    vae: Vae,
    filename_prefix: str = "checkpoints/ComfyUI",
    metadata: _Metadata = True,
    prompt: Prompt = None,
    extra_pnginfo: ExtraPnginfo = None,
    folders: Folders,
    ctx: Context,
) -> Shown:
    """Write a model with its text encoder and VAE into one file in the output folder, LoRAs and merges included."""
    document = saving.checkpoint_document(model, clip, vae, _texts(prompt, extra_pnginfo, metadata=metadata))
    return _shown(_save(document, filename_prefix, folders, ctx))


@node(id="ModelSave", category=_CATEGORY, terminal=True)
def save_model(
    *,
    model: Model,
    filename_prefix: str = "diffusion_models/ComfyUI",
    metadata: _Metadata = True,
    prompt: Prompt = None,
    extra_pnginfo: ExtraPnginfo = None,
    folders: Folders,
    ctx: Context,
) -> Shown:
    """Write a diffusion model alone into a file in the output folder, LoRAs and merges included."""
    document = saving.checkpoint_document(model, metadata=_texts(prompt, extra_pnginfo, metadata=metadata))
    return _shown(_save(document, filename_prefix, folders, ctx))


@node(id="CLIPSave", category=_CATEGORY, terminal=True)
def save_clip(
    *,
    clip: Clip,
    filename_prefix: str = "clip/ComfyUI",
    metadata: _Metadata = True,
    prompt: Prompt = None,
    extra_pnginfo: ExtraPnginfo = None,
    folders: Folders,
    ctx: Context,
) -> Shown:
    """Write each text encoder into a file of its own in the output folder."""
    documents = saving.clip_documents(clip, _texts(prompt, extra_pnginfo, metadata=metadata))
    return _shown(
        *(
            _save(document, f"{filename_prefix}_{name}", folders, ctx, index)
            for index, (name, document) in enumerate(documents.items())
        )
    )


@node(id="VAESave", category=_CATEGORY, terminal=True)
def save_vae(
    *,
    vae: Vae,
    filename_prefix: str = "vae/ComfyUI_vae",
    metadata: _Metadata = True,
    prompt: Prompt = None,
    extra_pnginfo: ExtraPnginfo = None,
    folders: Folders,
    ctx: Context,
) -> Shown:
    """Write a VAE into a file in the output folder."""
    document = saving.vae_document(vae, _texts(prompt, extra_pnginfo, metadata=metadata))
    return _shown(_save(document, filename_prefix, folders, ctx))


@node(id="LoraSave", title="Extract and Save Lora", category="_for_testing", terminal=True, experimental=True)
def save_lora(
    *,
    filename_prefix: str = "loras/ComfyUI_extracted_lora",
    rank: Annotated[int, Range(1, 4096, step=1)] = 8,
    lora_type: Annotated[str, Choice(("standard", "full_diff"))] = "standard",
    bias_diff: bool = True,
    model_diff: Annotated[Model | None, Tip("The output of ModelMergeSubtract.")] = None,
    text_encoder_diff: Annotated[Clip | None, Tip("The output of CLIPMergeSubtract.")] = None,
    prompt: Prompt = None,
    extra_pnginfo: ExtraPnginfo = None,
    folders: Folders,
    ctx: Context,
) -> Shown:
    """Write the difference of two models into a LoRA file in the output folder, with kohya's names.

    A LoRA of a higher rank is nearer to the difference, and larger; "full_diff" writes the difference itself.
    """
    if model_diff is None and text_encoder_diff is None:
        raise NodeError("LoraSave has nothing to save; connect a model's or a text encoder's difference.")
    document = extract.lora_document(
        model_diff,
        text_encoder_diff,
        rank,
        whole=lora_type == "full_diff",
        biases=bias_diff,
        report=ctx.progress,
    )
    if not document.tensors:
        raise NodeError("LoraSave has nothing to save: the difference is nothing but zeros.")
    texts = encode.metadata(prompt, extra_pnginfo)
    return _shown(_save(saving.Document(document.tensors, texts), filename_prefix, folders, ctx))


def _texts(prompt: Mapping[str, Any] | None, extra: Mapping[str, Any] | None, *, metadata: bool) -> encode.Metadata:
    return encode.metadata(prompt, extra) if metadata else {}


def _save(document: saving.Document, prefix: str, folders: Folders, ctx: Context, index: int = 0) -> Saved:
    return folders.save(prefix, ".safetensors", lambda file: document.write(file, ctx.progress), ctx=ctx, index=index)


def _shown(*saved: Saved) -> Shown:
    return Shown({"models": saved})
