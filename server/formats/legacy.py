"""What differs in older and newer files, or is left out of them: names of types and inputs, values, outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

_TYPES: Mapping[str, str] = {"T2IAdapterLoader": "ControlNetLoader"}
_INPUTS: Mapping[tuple[str, str], str] = {("ControlNetLoader", "t2i_adapter_name"): "control_net_name"}
_GROWING: Mapping[str, str] = {"BatchImagesNode": "image", "BatchLatentsNode": "latent", "BatchMasksNode": "mask"}
"""Nodes with an input that grows: ComfyUI numbers its sockets behind this word, `images.image0`."""

_PASSED_ON: Mapping[str, str] = {"SaveImage": "images", "PreviewImage": "images"}
"""Nodes that only show what they are given, and that in newer files give it on as well: by which input it comes."""

_WORDS = frozenset({"CustomCombo"})
"""Nodes whose fields end in words that a person wrote; older files have these where newer ones have a number."""

_ROWS: Mapping[str, tuple[str, str]] = {"Power Lora Loader (rgthree)": ("lora", "lora_")}
"""Nodes whose files hold rows without names, where their own pack describes none: what each has, how they number."""

_SAMPLER_PREFIX = "sample_"


def current_type(node_type: str) -> str:
    """The name by which a node type goes today; old files have some with a blank at the end."""
    stripped = node_type.strip()
    return _TYPES.get(stripped, stripped)


def current_input(node_type: str, name: str) -> str:
    """The name by which an input of a (current) node type goes today."""
    if node_type in _GROWING:
        stem, _, place = name.partition(".")
        number = place.removeprefix(_GROWING[node_type])
        return f"{stem}.{number}" if number.isdecimal() else name
    return _INPUTS.get((node_type, name), name)


def passed_on(node_type: str, slot: int) -> str | None:
    """The input whose value an output is, where files link outputs that the node (of a current type) has not here."""
    return _PASSED_ON.get(node_type) if slot == 0 else None


def is_word(node_type: str, value: Any) -> bool:
    """Whether a value in a file is one of the words that end the node's fields."""
    return node_type in _WORDS and isinstance(value, str)


def rows_of(node_type: str, values: Sequence[Any]) -> dict[str, Any] | None:
    """The rows among a node's values by the names that prompts give them, or None where it has none."""
    if node_type not in _ROWS:
        return None
    sign, stem = _ROWS[node_type]
    rows = [cast("Mapping[str, Any]", value) for value in values if isinstance(value, Mapping) and sign in value]
    return {f"{stem}{number}": row for number, row in enumerate(rows, 1)}


def current_value(name: str, value: Any) -> Any:
    """A value as it is written today: the first samplers were called `sample_euler`."""
    if name == "sampler_name" and isinstance(value, str):
        return value.removeprefix(_SAMPLER_PREFIX)
    return value
