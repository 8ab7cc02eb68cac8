"""The Impact pack's wildcard prompts."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

from nodes import wildcards
from nodes.conditioning import encode_text
from nodes.define import node
from nodes.diffusion.lora import apply_lora
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.types import Clip, Conditioning, Model, NodeError
from nodes.widgets import Choice, Named, Seed, Spare, Text

PACK = "Impact Pack"

_CATEGORY = "ImpactPack/Prompt"
_POPULATE = "populate"
_MODES = (_POPULATE, "fixed", "reproduce")
_LORA = re.compile(r"<lora:([^:<>]+)(?::([^:<>]*))?(?::([^<>]*))?>")
_ENDINGS = ("", ".safetensors")

_Lines = Annotated[str, Text(multiline=True)]
_Mode = Annotated[str, Choice(_MODES)]
_Adding = Annotated[str, Spare]


class Encoded(NamedTuple):
    """A model and text encoder under the prompt's LoRAs, the prompt encoded, and as text."""

    model: Model
    clip: Clip
    conditioning: Conditioning
    populated_text: str


@node(id="ImpactWildcardProcessor", category=_CATEGORY, outputs=("processed text",))
def process(
    *,
    wildcard_text: _Lines = "",
    populated_text: _Lines = "",
    mode: _Mode = _POPULATE,
    seed: Annotated[int, Seed()] = 0,
    adding: Annotated[_Adding, Named("Select to add Wildcard")] = "Select the Wildcard to add to the text",  # noqa: ARG001
    folders: Folders,
) -> str:
    """A prompt with its choices made by the seed: {a|b}, {2::a|b}, {2$$, $$a|b|c}, and lines of files by __name__.

    The files are in the base folder's `wildcards`. In another mode than populate, the populated text goes on as it is.
    """
    if mode != _POPULATE:
        return populated_text
    return wildcards.filled_in(wildcard_text, seed, wildcards.reader(folders))


@process.fingerprint
def _process_changed(wildcard_text: str | None, folders: Folders) -> str:
    return wildcards.changed(folders, wildcard_text)


@node(id="ImpactWildcardEncode", category=_CATEGORY)
def encode(
    *,
    model: Model,
    clip: Clip,
    wildcard_text: _Lines = "",
    populated_text: _Lines = "",
    mode: _Mode = _POPULATE,
    adding_lora: Annotated[_Adding, Named("Select to add LoRA")] = "Select the LoRA to add to the text",  # noqa: ARG001
    adding: Annotated[_Adding, Named("Select to add Wildcard")] = "Select the Wildcard to add to the text",  # noqa: ARG001
    seed: Annotated[int, Seed()] = 0,
    folders: Folders,
    weights: Weights,
) -> Encoded:
    """A wildcard prompt, encoded, with the LoRAs that it names: <lora:name:strength:strength of the text encoder>."""
    text = process(wildcard_text=wildcard_text, populated_text=populated_text, mode=mode, seed=seed, folders=folders)
    for name, strength, second in _LORA.findall(text):
        of_model = _strength(strength, name)
        of_clip = _strength(second, name) if second else of_model
        changed = apply_lora(
            model, clip, folders.path("loras", _file(folders, name)), strength_model=of_model, strength_clip=of_clip
        )
        model, clip = changed[0] or model, changed[1] or clip
    plain = _LORA.sub("", text)
    return Encoded(model, clip, encode_text(weights=weights, folders=folders, text=plain, clip=clip), text)


@encode.fingerprint
def _encode_changed(wildcard_text: str | None, populated_text: str | None, folders: Folders) -> str:
    """Which LoRAs a wildcard will name is not known before, so all count."""
    named = [text for text in (wildcard_text, populated_text) if text and ("<lora:" in text or "__" in text)]
    loras = folders.names("loras") if named else ()
    digests = " ".join(folders.digest("loras", name) for name in loras)
    return f"{wildcards.changed(folders, wildcard_text)} {digests}"


def _file(folders: Folders, name: str) -> str:
    """The LoRA's file name; a prompt may leave out its ending."""
    return next((name + ending for ending in _ENDINGS if folders.has("loras", name + ending)), name)


def _strength(text: str, name: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        raise NodeError(f"<lora:{name}:{text}>: {text!r} is no strength; write a number.") from None
