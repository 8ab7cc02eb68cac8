"""Names that changed since some files were written: node types, inputs, values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TYPES: Mapping[str, str] = {"T2IAdapterLoader": "ControlNetLoader"}
_INPUTS: Mapping[tuple[str, str], str] = {("ControlNetLoader", "t2i_adapter_name"): "control_net_name"}
_GROWING: Mapping[str, str] = {"BatchImagesNode": "image", "BatchLatentsNode": "latent", "BatchMasksNode": "mask"}
"""Nodes with an input that grows: ComfyUI numbers its sockets behind this word, `images.image0`."""

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


def current_value(name: str, value: Any) -> Any:
    """A value as it is written today: the first samplers were called `sample_euler`."""
    if name == "sampler_name" and isinstance(value, str):
        return value.removeprefix(_SAMPLER_PREFIX)
    return value
