"""A loader that old workflows use."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import yaml

from nodes.define import NodeError, node
from nodes.diffusion import checkpoint, options
from nodes.folders import Folders
from nodes.loaders import Parts, parts
from nodes.widgets import Files

_V1, _V2 = "v1-inference", "v2-inference"
_KNOWN = (
    "anything_v3.yaml",
    f"{_V1}.yaml",
    f"{_V1}_clip_skip_2.yaml",
    f"{_V1}_clip_skip_2_fp16.yaml",
    f"{_V1}_fp16.yaml",
    "v1-inpainting-inference.yaml",
    f"{_V2}-v.yaml",
    f"{_V2}-v_fp32.yaml",
    f"{_V2}.yaml",
    f"{_V2}_fp32.yaml",
    "v2-inpainting-inference.yaml",
)
"""Configurations that workflows name without having them: their names say what is in them."""


@node(
    id="CheckpointLoader",
    title="Load Checkpoint With Config (DEPRECATED)",
    category="advanced/loaders",
    deprecated=True,
)
def load_with_config(
    *,
    folders: Folders,
    config_name: Annotated[str, Files("configs", extra=_KNOWN)],
    ckpt_name: Annotated[str, Files("checkpoints")],
) -> Parts:
    """Load a checkpoint. The configuration only says whether it predicts v, and from which layer its text comes."""
    found = parts(ckpt_name, checkpoint.open_checkpoint(folders.path("checkpoints", ckpt_name)))
    predicts_v, layer = _said(config_name, folders)
    model = options.with_parametrization(found.model, kind="v") if predicts_v else found.model
    clip = found.clip if layer is None else replace(found.clip, stop_at_layer=layer)
    return Parts(model, clip, found.vae)


def _said(name: str, folders: Folders) -> tuple[bool, int | None]:
    """(whether the model predicts v, the text encoder's layer counted from the end) by a configuration."""
    if name in _KNOWN:
        return name.startswith(f"{_V2}-v"), -2 if "clip_skip_2" in name or name.startswith("anything") else None
    path = folders.path("configs", name)
    try:
        params: Any = yaml.safe_load(path.read_text("utf-8"))["model"]["params"]
        text: Any = params["cond_stage_config"].get("params") or {}
        predicts_v, layer = params.get("parameterization") == "v", text.get("layer_idx")
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        raise NodeError(f"{path} is no configuration of a Stable Diffusion checkpoint.") from None
    if layer is not None and not (isinstance(layer, int) and -24 <= layer <= -1):
        raise NodeError(f"{path}: layer_idx is {layer!r}; it must be a whole number from -24 to -1.")
    return predicts_v, layer
