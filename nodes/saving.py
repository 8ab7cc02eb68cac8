"""Models into files: checkpoints and their parts, merged and patched as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from nodes.define import Context, ExtraPnginfo, Prompt, Saved, Shown, node
from nodes.diffusion import saving
from nodes.folders import Folders
from nodes.pictures import encode
from nodes.types import Clip, Model, Vae
from nodes.widgets import Advanced, Spare, Tip

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


def _texts(prompt: Mapping[str, Any] | None, extra: Mapping[str, Any] | None, *, metadata: bool) -> encode.Metadata:
    return encode.metadata(prompt, extra) if metadata else {}


def _save(document: saving.Document, prefix: str, folders: Folders, ctx: Context, index: int = 0) -> Saved:
    return folders.save(prefix, ".safetensors", lambda file: document.write(file, ctx.progress), ctx=ctx, index=index)


def _shown(*saved: Saved) -> Shown:
    return Shown({"models": saved})
