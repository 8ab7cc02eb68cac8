"""Latents turned, cut, and put beside or over each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch

from nodes.define import node
from nodes.pictures import compose
from nodes.pictures.batches import like, to_batch
from nodes.pictures.resize import resize
from nodes.types import Latent, Mask, NodeError
from nodes.widgets import Choice, Range

_AXES = {"x": -1, "y": -2, "t": -3}
_Place = Annotated[int, Range(0, 16384, step=8)]
_TURNS = ("none", "90 degrees", "180 degrees", "270 degrees")
_FLIPS = ("x-axis: vertically", "y-axis: horizontally")


@node(id="LatentRotate", title="Rotate Latent", category="latent/transform")
def latent_rotate(*, samples: Latent, rotation: Annotated[str, Choice(_TURNS)] = "none") -> Latent:
    """Turn a latent clockwise."""
    return replace(samples, samples=torch.rot90(samples.samples, _TURNS.index(rotation), dims=(-1, -2)))


@node(id="LatentFlip", title="Flip Latent", category="latent/transform")
def latent_flip(*, samples: Latent, flip_method: Annotated[str, Choice(_FLIPS)] = _FLIPS[0]) -> Latent:
    """Mirror a latent."""
    return replace(samples, samples=samples.samples.flip(-2 if flip_method == _FLIPS[0] else -1))


@node(id="LatentCrop", title="Crop Latent", category="latent/transform")
def latent_crop(
    *,
    samples: Latent,
    width: Annotated[int, Range(64, 16384, step=8)] = 512,
    height: Annotated[int, Range(64, 16384, step=8)] = 512,
    x: _Place = 0,
    y: _Place = 0,
) -> Latent:
    """A part of a latent, in pixels of the picture: at least 64 of them where there are so many."""
    h, w = samples.samples.shape[-2:]
    left, top = max(0, min(x // 8, w - 8)), max(0, min(y // 8, h - 8))
    cut = samples.samples[..., top : top + height // 8, left : left + width // 8]
    return replace(samples, samples=cut)


@node(id="LatentComposite", title="Latent Composite", category="latent")
def latent_composite(
    *, samples_to: Latent, samples_from: Latent, x: _Place = 0, y: _Place = 0, feather: _Place = 0
) -> Latent:
    """One latent over another, fading in where its sides lie inside. Places are pixels of the picture."""
    below, above = samples_to.samples, samples_from.samples
    left, top, over = x // 8, y // 8, feather // 8
    height, width = below.shape[-2:]
    above = above[..., : max(0, height - top), : max(0, width - left)]
    h, w = above.shape[-2:]
    if over == 0 or not h or not w:
        return replace(samples_to, samples=compose.paste(below, above, left, top))
    sides = (left and over, top and over, left + w < width and over, top + h < height and over)
    mask = compose.feather(h, w, sides).unsqueeze(0)
    return replace(samples_to, samples=compose.paste(below, above, left, top, mask))


@node(id="LatentCompositeMasked", category="latent")
def latent_composite_masked(
    *,
    destination: Latent,
    source: Latent,
    x: _Place = 0,
    y: _Place = 0,
    resize_source: bool = False,
    mask: Mask | None = None,
) -> Latent:
    """One latent over another through a mask. Places are pixels of the picture."""
    below, above = destination.samples, source.samples
    if resize_source:
        above = resize(above, below.shape[-1], below.shape[-2], "bilinear")
    pasted = compose.paste(below, above, x // 8, y // 8, mask.values if mask else None)
    return replace(destination, samples=pasted)


@node(id="LatentConcat", category="latent/advanced")
def latent_concat(
    *, samples1: Latent, samples2: Latent, dim: Annotated[str, Choice(("x", "-x", "y", "-y", "t", "-t"))] = "x"
) -> Latent:
    """Put latents side by side; with a minus, the second comes first."""
    first, second = samples1.samples, to_batch(samples2.samples, len(samples1.samples))
    axis = _AXES[dim[-1]]
    if any(a != b for i, (a, b) in enumerate(zip(first.shape, second.shape, strict=True), -first.ndim) if i != axis):
        raise NodeError(
            f"Latents of {list(first.shape)} and {list(second.shape)} cannot be put together along {dim[-1]}; "
            "resize one of them."
        )
    return replace(samples1, samples=torch.cat((second, first) if dim.startswith("-") else (first, second), dim=axis))


@node(id="LatentCut", category="latent/advanced")
def latent_cut(
    *,
    samples: Latent,
    dim: Annotated[str, Choice(("x", "y", "t"))] = "x",
    index: Annotated[int, Range(-16384, 16384, step=1)] = 0,
    amount: Annotated[int, Range(1, 16384, step=1)] = 1,
) -> Latent:
    """Take out a stretch of a latent; a negative index counts from the end."""
    axis = _AXES[dim]
    size = samples.samples.shape[axis]
    start = min(index, size - 1) if index >= 0 else max(0, size + index)
    return replace(samples, samples=samples.samples.narrow(axis, start, min(amount, size - start)))


@node(id="LatentCutToBatch", category="latent/advanced")
def latent_cut_to_batch(
    *,
    samples: Latent,
    dim: Annotated[str, Choice(("t", "x", "y"))] = "t",
    slice_size: Annotated[int, Range(1, 16384, step=1)] = 1,
) -> Latent:
    """Cut a latent into slices, which become a batch. What does not fill a slice is dropped."""
    axis = _AXES[dim] % samples.samples.ndim
    size = min(slice_size, samples.samples.shape[axis])
    slices = samples.samples.movedim(axis, 1)
    slices = slices[:, : slices.shape[1] // size * size]
    return Latent(slices.reshape(-1, size, *slices.shape[2:]).movedim(1, axis))


@node(id="ReplaceVideoLatentFrames", category="latent/batch")
def replace_video_latent_frames(
    *,
    destination: Latent,
    index: Annotated[int, Range(-16384, 16384, step=1)] = 0,
    source: Latent | None = None,
) -> Latent:
    """Put frames in place of others; a negative index counts from the end."""
    if source is None:
        return destination
    frames, new = destination.samples.shape[2], source.samples.shape[2]
    start = index if index >= 0 else frames + index
    if start < 0 or start + new > frames:
        raise NodeError(f"{new} frames from {index} on do not fit into {frames}; change the index.")
    samples = destination.samples.clone()
    samples[:, :, start : start + new] = like(source.samples, samples)
    return replace(destination, samples=samples)
