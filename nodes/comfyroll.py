"""Nodes of Comfyroll Studio: switches, stacks of LoRAs, sizes by aspect, plain values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple, TypeVar, cast

import torch

from nodes.define import NodeError, node
from nodes.diffusion.lora import apply_lora
from nodes.folders import Folders
from nodes.types import Clip, Image, Latent, Model
from nodes.widgets import Choice, Files, Lazy, Named, Range, Seed, Text, Wire

PACK = "Comfyroll Studio"

_TEXT = "Comfyroll/Text"
_LOGIC = "Comfyroll/Logic"
_SIZES = "Comfyroll/Aspect Ratio"
_LORAS = "Comfyroll/LoRA"
_HELP = "Made to stand in for the node of this name in Comfyroll Studio."
_ON, _OFF = "On", "Off"
_NONE = "None"
_CUSTOM = "custom"
_SDXL = (
    "1:1 square 1024x1024", "3:4 portrait 896x1152", "5:8 portrait 832x1216", "9:16 portrait 768x1344",
    "9:21 portrait 640x1536", "4:3 landscape 1152x896", "3:2 landscape 1216x832", "16:9 landscape 1344x768",
    "21:9 landscape 1536x640",
)  # fmt: skip
_SD15 = (
    "1:1 square 512x512", "2:3 portrait 512x768", "3:4 portrait 512x682", "3:2 landscape 768x512",
    "4:3 landscape 682x512", "16:9 cinema 910x512", "1.85:1 cinema 952x512", "2:1 cinema 1024x512",
)  # fmt: skip
_BOTH = (*(f"SD1.5 - {size}" for size in _SD15), *(f"SDXL - {size}" for size in _SDXL))
_ROUNDINGS = {"round": round, "round down": math.floor, "round up": math.ceil}

_Lines = Annotated[str, Text(multiline=True)]
_Toggle = Annotated[str, Choice((_OFF, _ON))]
_Lora = Annotated[str, Files("loras", extra=(_NONE,))]
_Weight = Annotated[float, Range(-10.0, 10.0, step=0.01)]
_Side = Annotated[int, Range(64, 8192)]
_Factor = Annotated[float, Range(0.1, 100.0, step=0.1)]
_Batch = Annotated[int, Range(1, 64)]
_First = Annotated[int, Range(1, 2), Named("Input")]
_GivenText = Annotated[str | None, Wire, Lazy]


T = TypeVar("T")


class Told(NamedTuple):
    """A text."""

    STRING: str
    show_help: str


class Number(NamedTuple):
    """A number, without and with its fraction."""

    INT: int
    FLOAT: float
    show_help: str


class Value(NamedTuple):
    """A number, with and without its fraction."""

    FLOAT: float
    INT: int
    show_help: str


class Drawn(NamedTuple):
    """A seed."""

    seed: int
    show_help: str


class Words(NamedTuple):
    """A prompt."""

    prompt: str
    show_help: str


@dataclass(frozen=True, slots=True)
class LoraStack:
    """LoRAs by name, each with its strength for the model and for the text encoder."""

    socket: ClassVar[str] = "LORA_STACK"
    rows: tuple[tuple[str, float, float], ...] = ()


class Stacked(NamedTuple):
    """A stack of LoRAs."""

    LORA_STACK: LoraStack
    show_help: str


class Changed(NamedTuple):
    """The model and its text encoder under the LoRAs."""

    MODEL: Model
    CLIP: Clip
    show_help: str


class Size(NamedTuple):
    """A size, how much larger to make it later, and a latent of it."""

    width: int
    height: int
    upscale_factor: float
    batch_size: int
    empty_latent: Annotated[Latent, Named("empty_latent")]
    show_help: str


class ScaledSize(NamedTuple):
    """A size, how much larger to make it later, and a latent of it."""

    width: int
    height: int
    upscale_factor: float
    prescale_factor: float
    batch_size: int
    empty_latent: Annotated[Latent, Named("empty_latent")]
    show_help: str


@node(id="CR Text", category=_TEXT)
def cr_text(*, text: _Lines = "") -> Told:
    """Text of many lines."""
    return Told(text, _HELP)


@node(id="CR Prompt Text", category="Comfyroll/Essential/Core")
def cr_prompt_text(*, prompt: _Lines = "prompt") -> Words:
    """A prompt."""
    return Words(prompt, _HELP)


@node(id="CR Integer To String", category="Comfyroll/Utils/Conversion")
def cr_integer_to_string(*, number: Annotated[int, Wire, Named("int_")]) -> Told:
    """A whole number as text."""
    return Told(str(number), _HELP)


@node(id="CR Float To String", category="Comfyroll/Utils/Conversion")
def cr_float_to_string(*, number: Annotated[float, Wire, Named("float_")]) -> Told:
    """A number as text."""
    return Told(str(number), _HELP)


@node(id="CR String To Number", category="Comfyroll/Utils/Conversion")
def cr_string_to_number(
    *, text: _Lines = "text", round_integer: Annotated[str, Choice(tuple(_ROUNDINGS))] = "round"
) -> Number:
    """The number that a text says."""
    try:
        value = float(text)
        return Number(_ROUNDINGS[round_integer](value), value, _HELP)
    except (ValueError, OverflowError):
        raise NodeError(f"{text!r} is no number.") from None


@node(id="CR Value", category="Comfyroll/Utils/Other")
def cr_value(*, value: Annotated[float, Range(-(2**31), 2**31)] = 1.0) -> Value:
    """A number."""
    return Value(float(value), int(value), _HELP)


@node(id="CR Seed", category="Comfyroll/Essential/Core")
def cr_seed(*, seed: Annotated[int, Seed()] = 0) -> Drawn:
    """A seed."""
    return Drawn(seed, _HELP)


@node(id="CR Text Input Switch", category=_LOGIC)
def cr_text_switch(*, which: _First = 1, text1: _GivenText = None, text2: _GivenText = None) -> Told:
    """One of two texts; the other is not computed."""
    return Told(_chosen(which, (text1, text2)), _HELP)


@node(id="CR Text Input Switch (4 way)", category=_LOGIC)
def cr_text_switch_4(
    *,
    which: Annotated[int, Range(1, 4), Named("Input")] = 1,
    text1: _GivenText = None,
    text2: _GivenText = None,
    text3: _GivenText = None,
    text4: _GivenText = None,
) -> Told:
    """One of four texts; the others are not computed."""
    return Told(_chosen(which, (text1, text2, text3, text4)), _HELP)


@node(id="CR Image Input Switch", category=_LOGIC)
def cr_image_switch(
    *, which: _First = 1, image1: Annotated[Image | None, Lazy] = None, image2: Annotated[Image | None, Lazy] = None
) -> Image:
    """One of two pictures; the other is not computed."""
    return _chosen(which, (image1, image2))


@node(id="CR Latent Input Switch", category=_LOGIC)
def cr_latent_switch(
    *,
    which: _First = 1,
    latent1: Annotated[Latent | None, Lazy] = None,
    latent2: Annotated[Latent | None, Lazy] = None,
) -> Latent:
    """One of two latents; the other is not computed."""
    return _chosen(which, (latent1, latent2))


@node(id="CR Model Input Switch", category=_LOGIC)
def cr_model_switch(
    *, which: _First = 1, model1: Annotated[Model | None, Lazy] = None, model2: Annotated[Model | None, Lazy] = None
) -> Model:
    """One of two models; the other is not loaded."""
    return _chosen(which, (model1, model2))


@cr_text_switch.needs
@cr_text_switch_4.needs
def _text_wanted(which: int | None) -> Iterable[str]:
    return [f"text{which}"]


@cr_image_switch.needs
def _image_wanted(which: int | None) -> Iterable[str]:
    return [f"image{which}"]


@cr_latent_switch.needs
def _latent_wanted(which: int | None) -> Iterable[str]:
    return [f"latent{which}"]


@cr_model_switch.needs
def _model_wanted(which: int | None) -> Iterable[str]:
    return [f"model{which}"]


def _chosen(which: int, values: tuple[T | None, ...]) -> T:
    found = values[which - 1]
    if found is None:
        raise NodeError(f"The switch is set to input {which}, and nothing is connected there.")
    return found


@node(id="CR LoRA Stack", category=_LORAS)
def cr_lora_stack(
    *,
    switch_1: _Toggle = _OFF,
    lora_name_1: _Lora = _NONE,
    model_weight_1: _Weight = 1.0,
    clip_weight_1: _Weight = 1.0,
    switch_2: _Toggle = _OFF,
    lora_name_2: _Lora = _NONE,
    model_weight_2: _Weight = 1.0,
    clip_weight_2: _Weight = 1.0,
    switch_3: _Toggle = _OFF,
    lora_name_3: _Lora = _NONE,
    model_weight_3: _Weight = 1.0,
    clip_weight_3: _Weight = 1.0,
    lora_stack: LoraStack | None = None,
) -> Stacked:
    """Up to three LoRAs, those that are switched on, after those of another stack."""
    rows = (
        (switch_1, lora_name_1, model_weight_1, clip_weight_1),
        (switch_2, lora_name_2, model_weight_2, clip_weight_2),
        (switch_3, lora_name_3, model_weight_3, clip_weight_3),
    )
    mine = tuple((name, model, clip) for on, name, model, clip in rows if on == _ON and name != _NONE)
    return Stacked(LoraStack((*(lora_stack.rows if lora_stack else ()), *mine)), _HELP)


@node(id="CR Apply LoRA Stack", category=_LORAS)
def cr_apply_lora_stack(*, model: Model, clip: Clip, lora_stack: LoraStack | None = None, folders: Folders) -> Changed:
    """Change a model and its text encoder by all LoRAs of a stack."""
    for name, strength_model, strength_clip in lora_stack.rows if lora_stack else ():
        path = folders.path("loras", name)
        changed = apply_lora(model, clip, path, strength_model=strength_model, strength_clip=strength_clip)
        model, clip = cast("tuple[Model, Clip]", changed)
    return Changed(model, clip, _HELP)


@node(id="CR SDXL Aspect Ratio", category=_SIZES)
def cr_sdxl_aspect_ratio(
    *,
    width: _Side = 1024,
    height: _Side = 1024,
    aspect_ratio: Annotated[str, Choice((_CUSTOM, *_SDXL))] = _CUSTOM,
    swap_dimensions: _Toggle = _OFF,
    upscale_factor: _Factor = 1.0,
    batch_size: _Batch = 1,
) -> Size:
    """A size that SDXL knows, or one of your own, with a latent of it."""
    w, h = _size(aspect_ratio, (width, height), swap_dimensions)
    return Size(w, h, upscale_factor, batch_size, _empty(w, h, batch_size), _HELP)


@node(id="CR Aspect Ratio", category=_SIZES)
def cr_aspect_ratio(
    *,
    width: _Side = 1024,
    height: _Side = 1024,
    aspect_ratio: Annotated[str, Choice((_CUSTOM, *_BOTH))] = _CUSTOM,
    swap_dimensions: _Toggle = _OFF,
    upscale_factor: _Factor = 1.0,
    prescale_factor: _Factor = 1.0,
    batch_size: _Batch = 1,
) -> ScaledSize:
    """A size that SD 1.5 or SDXL knows, or one of your own, times the factor, with a latent of it."""
    w, h = (int(side * prescale_factor) for side in _size(aspect_ratio, (width, height), swap_dimensions))
    return ScaledSize(w, h, upscale_factor, prescale_factor, batch_size, _empty(w, h, batch_size), _HELP)


def _size(name: str, own: tuple[int, int], swap: str) -> tuple[int, int]:
    said = re.search(r"(\d+)x(\d+)$", name)
    width, height = (int(said[1]), int(said[2])) if said else own
    return (height, width) if swap == _ON else (width, height)


def _empty(width: int, height: int, batch: int) -> Latent:
    return Latent(torch.zeros(batch, 4, max(1, height // 8), max(1, width // 8)))
