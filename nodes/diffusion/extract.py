"""Differences between models as LoRAs: the nearest matrices of low rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch

from nodes.diffusion import stored
from nodes.diffusion.saving import Document
from nodes.diffusion.stored import Stored

if TYPE_CHECKING:
    from torch import Tensor

    from nodes.types import Clip, Model, Patch, Source

    Report = Callable[[int, int], None]

_STEMS = {
    ("sdxl", "text_encoder"): "lora_te1_",
    ("sdxl", "text_encoder_2"): "lora_te2_",
}


def lora_document(
    model: Model | None,
    clip: Clip | None,
    rank: int,
    *,
    whole: bool = False,
    biases: bool = True,
    report: Report | None = None,
) -> Document:
    """A LoRA file under kohya's names of what these handles' weights are, which is usually a difference.

    With `whole`, the difference itself is written, unapproximated. `biases` says whether biases and norms are in it.
    """
    found: dict[str, Tensor] = {}
    parts = _parts(model, clip)
    weights = [(_stem(source), stored.tensors(source, patches, exact=True)) for source, patches in parts]
    total, done = sum(len(each) for _, each in weights), 0
    for stem, each in weights:
        for name, tensor in each.items():
            for leaf, value in _leaves(tensor.read(), name, rank, whole=whole, biases=biases):
                module = name.removesuffix(".weight").removesuffix(".bias").replace(".", "_")
                found[f"{stem}{module}.{leaf}"] = value.to(torch.float16).contiguous()
            done += 1
            if report:
                report(done, total)
    return Document({name: _kept(tensor) for name, tensor in found.items()}, {})


def low_rank(weight: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """(up [out,r], down [r,in]) whose product is the nearest to a matrix that any of the rank is (Eckart and Young)."""
    matrix = weight.double()
    tall = len(matrix) > matrix.shape[1]
    matrix = matrix.T if tall else matrix
    # The shorter side's eigenvectors are its singular vectors; a whole decomposition costs many times as much.
    _, vectors = torch.linalg.eigh(matrix @ matrix.T)
    left = vectors.flip(1)[:, :rank]
    right = left.T @ matrix
    # Singular values are shared between both, so that neither overflows float16.
    root = right.norm(dim=1).clamp(min=1e-12).sqrt()
    left, right = left * root, right / root[:, None]
    up, down = (right.T, left.T) if tall else (left, right)
    return up.float(), down.float()


def _parts(model: Model | None, clip: Clip | None) -> Iterator[tuple[Source, tuple[Patch, ...]]]:
    if model is not None:
        yield model.source, model.patches
    if clip is not None:
        yield from ((source, clip.patches) for source in clip.sources)


def _stem(source: Source) -> str:
    return "lora_unet_" if source.part == "unet" else _STEMS.get((source.family, source.part), "lora_te_")


def _leaves(difference: Tensor, name: str, rank: int, *, whole: bool, biases: bool) -> Iterator[tuple[str, Tensor]]:
    """What is written for a tensor; nothing where nothing differs."""
    if not difference.any():
        return
    if name.endswith(".bias"):
        if biases:
            yield "diff_b", difference
    elif whole or difference.ndim < 2:
        if whole or biases:
            yield "diff", difference
    else:
        up, down = low_rank(difference.flatten(1), rank)
        ones = [1] * (difference.ndim - 2)
        yield "lora_up.weight", up.reshape(*up.shape, *ones)
        yield "lora_down.weight", down.reshape(len(down), *difference.shape[1:])


def _kept(tensor: Tensor) -> Stored:
    return Stored("F16", tuple(tensor.shape), lambda: tensor)
