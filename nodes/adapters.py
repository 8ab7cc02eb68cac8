"""Small weights beside a model: GLIGEN's boxes and hypernetworks."""

from __future__ import annotations

from typing import Annotated

from nodes.define import NodeError, node
from nodes.diffusion import clip as text_encoding
from nodes.diffusion import gligen, hypernetwork
from nodes.diffusion.companions import with_companion
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Clip, Conditioning, Gligen, Model
from nodes.widgets import Files, Range, Text

MAX_RESOLUTION = 16384
_LATENT_PIXEL = 8


@node(id="GLIGENLoader", category="loaders")
def load_gligen(*, folders: Folders, gligen_name: Annotated[str, Files("gligen")]) -> Gligen:
    """Load GLIGEN's weights, which place what words say in boxes."""
    return gligen.open_gligen(folders.path("gligen", gligen_name))


@node(id="GLIGENTextBoxApply", category="conditioning/gligen")
def apply_gligen(
    *,
    weights: Weights,
    conditioning_to: Conditioning,
    clip: Clip,
    gligen_textbox_model: Gligen,
    text: Annotated[str, Text(multiline=True, dynamic=True)],
    width: Annotated[int, Range(8, MAX_RESOLUTION, step=8)] = 64,
    height: Annotated[int, Range(8, MAX_RESOLUTION, step=8)] = 64,
    x: Annotated[int, Range(0, MAX_RESOLUTION, step=8)] = 0,
    y: Annotated[int, Range(0, MAX_RESOLUTION, step=8)] = 0,
) -> Conditioning:
    """Say what is to be in a box, in pixels. Up to 30 boxes can follow each other."""
    words = text_encoding.encode(weights, clip, text).pooled
    wanted = gligen.words_width(gligen_textbox_model)
    if words.shape[-1] != wanted:
        raise NodeError(
            f"{gligen_textbox_model.source.path.name} is made for another model family: it takes words of {wanted} "
            f"numbers, this CLIP gives {words.shape[-1]}."
        )
    size = _LATENT_PIXEL
    box = gligen.Box(words, height // size, width // size, y // size, x // size)
    return Conditioning(tuple(gligen.with_box(part, gligen_textbox_model, box) for part in conditioning_to))


@node(id="HypernetworkLoader", category="loaders")
def load_hypernetwork(
    *,
    folders: Folders,
    model: Model,
    hypernetwork_name: Annotated[str, Files("hypernetworks")],
    strength: Annotated[float, Range(-10.0, 10.0, step=0.01)] = 1.0,
) -> Model:
    """Bend what a model's attention sees by a hypernetwork, as safetensors."""
    if strength == 0:
        return model
    found = hypernetwork.open_hypernetwork(folders.path("hypernetworks", hypernetwork_name), strength)
    hypernetwork.check_fits(found, model)
    return with_companion(model, found)
