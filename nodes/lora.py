"""LoRAs: small files that change a model."""

from __future__ import annotations

from typing import Annotated, NamedTuple, cast

from nodes.define import node
from nodes.diffusion.lora import apply_lora
from nodes.folders import Folders
from nodes.types import Clip, Model
from nodes.widgets import Files, Range

Strength = Annotated[float, Range(-100.0, 100.0, step=0.01)]


class Changed(NamedTuple):
    """The model and its text encoder under a LoRA."""

    model: Model
    clip: Clip


@node(id="LoraLoader", title="Load LoRA", category="loaders")
def load_lora(
    *,
    folders: Folders,
    model: Model,
    clip: Clip,
    lora_name: Annotated[str, Files("loras")],
    strength_model: Strength = 1.0,
    strength_clip: Strength = 1.0,
) -> Changed:
    """Change a model and its text encoder by a LoRA. Any number can follow each other."""
    if strength_model == 0 and strength_clip == 0:
        return Changed(model, clip)
    path = folders.path("loras", lora_name)
    changed = apply_lora(model, clip, path, strength_model=strength_model, strength_clip=strength_clip)
    return Changed(*cast("tuple[Model, Clip]", changed))


@node(id="LoraLoaderModelOnly", category="loaders")
def load_lora_model_only(
    *,
    folders: Folders,
    model: Model,
    lora_name: Annotated[str, Files("loras")],
    strength_model: Strength = 1.0,
) -> Model:
    """Change a model by a LoRA, and leave its text encoder as it is."""
    if strength_model == 0:
        return model
    path = folders.path("loras", lora_name)
    changed, _ = apply_lora(model, None, path, strength_model=strength_model, strength_clip=0.0)
    return cast("Model", changed)
