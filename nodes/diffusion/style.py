"""Style models: a picture as tokens that join a prompt's. The T2I style adapter, and Flux Redux."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from nodes.diffusion import files, modules
from nodes.diffusion.files import Shapes, WeightsError
from nodes.digests import digest
from nodes.types import ClipVisionOutput, Source, StyleModel

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from nodes.diffusion.weights import Weights

_ADAPTER, _REDUX = "style_embedding", "redux_up.weight"


def open_style(path: Path) -> StyleModel:
    """The style model in a file. Raises WeightsError when it holds none."""
    header = files.read_header(path)
    kind = "style_adapter" if _ADAPTER in header.shapes else "redux" if _REDUX in header.shapes else None
    if kind is None:
        raise WeightsError(f"{path} is no style model: it is neither a T2I style adapter nor Flux Redux.")
    return StyleModel(Source(path, digest(path), "style", kind))


def tokens(weights: Weights, style: StyleModel, seen: ClipVisionOutput) -> Tensor:
    """The tokens [1,T,D] of one or more pictures, float32 on the CPU.

    Raises WeightsError when the image encoder was another than the one that the model was made for.
    """
    import torch  # noqa: PLC0415

    shapes = files.read_header(style.source.path).shapes
    wanted = shapes[_ADAPTER][-1] if style.source.family == "style_adapter" else shapes[_REDUX][1]
    states = seen.last_hidden_state
    if states.shape[-1] != wanted:
        encoder = {1024: " (CLIP ViT-L)", 1152: " (SigLIP so400m)"}.get(wanted, "")
        raise WeightsError(
            f"{style.source.path.name} reads image encoders {wanted} wide{encoder}; "
            f"this one's states are {states.shape[-1]} wide. Load the CLIP vision model that belongs to it."
        )
    with weights.module(style.source, load) as module, torch.no_grad():
        found = module(states.to(weights.device))
    return found.flatten(0, 1).unsqueeze(0).float().cpu()


def load(source: Source, dtype: torch.dtype) -> nn.Module:
    """The style model on the CPU."""
    import torch  # noqa: PLC0415

    from nodes.diffusion.style_model import Redux, StyleAdapter  # noqa: PLC0415 -- defines networks

    shapes = files.read_header(source.path).shapes
    with torch.device("meta"):
        if source.family == "style_adapter":
            _, count, width = shapes[_ADAPTER]
            module: nn.Module = StyleAdapter(count, width, shapes["proj"][1], _layers(shapes))
        else:
            module = Redux(shapes[_REDUX][1], shapes["redux_down.weight"][0])
    return modules.filled(module, files.read_tensors(source.path), dtype, source.path)


def _layers(shapes: Shapes) -> int:
    # So the files spell it.
    return len({m[1] for name in shapes if (m := re.match(r"transformer_layes\.(\d+)\.", name))})
