"""Latents in batches: taking out, repeating, joining, splitting. Each sample keeps its mask and its noise's place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import torch

from nodes.define import node
from nodes.pictures.batches import like, to_batch
from nodes.types import Latent
from nodes.widgets import Choice, Each, Many, Range


@node(id="LatentFromBatch", title="Latent From Batch", category="latent/batch")
def latent_from_batch(
    *,
    samples: Latent,
    batch_index: Annotated[int, Range(0, 63)] = 0,
    length: Annotated[int, Range(1, 64)] = 1,
) -> Latent:
    """Some latents of a batch, which are drawn as they would be in it."""
    count = len(samples.samples)
    start = min(batch_index, count - 1)
    return _part(samples, start, min(start + length, count))


@node(id="RepeatLatentBatch", title="Repeat Latent Batch", category="latent/batch")
def repeat_latent_batch(*, samples: Latent, amount: Annotated[int, Range(1, 64)] = 1) -> Latent:
    """A batch of latents several times over, each time with new noise."""
    count = len(samples.samples)
    mask, places = samples.noise_mask, samples.batch_index
    if mask is not None and len(mask) > 1:
        mask = to_batch(to_batch(mask, count), count * amount)
    if places is not None:
        stride = max(places) - min(places) + 1
        places = tuple(place + stride * time for time in range(amount) for place in places)
    return Latent(to_batch(samples.samples, count * amount), mask, places)


@node(id="LatentBatch", category="latent/batch", deprecated=True)
def latent_batch(*, samples1: Latent, samples2: Latent) -> Latent:
    """Two batches of latents as one, in the first one's size."""
    return _joined([samples1, samples2])


@node(id="BatchLatentsNode", title="Batch Latents", category="latent")
def batch_latents(*, latents: Annotated[list[Latent], Each(max=50, min=1)]) -> Latent:
    """Several batches of latents as one, in the first one's size."""
    return _joined(latents)


@node(id="LatentBatchSeedBehavior", category="latent/advanced")
def latent_batch_seed_behavior(
    *, samples: Latent, seed_behavior: Annotated[str, Choice(("random", "fixed"))] = "fixed"
) -> Latent:
    """Whether the latents of a batch are drawn from different noise or all from the same."""
    if seed_behavior == "random":
        return replace(samples, batch_index=None)
    place = samples.batch_index[0] if samples.batch_index else 0
    return replace(samples, batch_index=(place,) * len(samples.samples))


@node(id="RebatchLatents", title="Rebatch Latents", category="latent/batch")
def rebatch_latents(
    *, latents: Annotated[list[Latent], Many], batch_size: Annotated[int, Range(1, 4096)] = 1
) -> Annotated[list[Latent], Many]:
    """The same latents in batches of this size; where their sizes differ, a new batch begins."""
    batches: list[list[Latent]] = []
    for single in _singles(latents):
        fits = batches and len(batches[-1]) < batch_size and batches[-1][0].samples.shape == single.samples.shape
        if fits:
            batches[-1].append(single)
        else:
            batches.append([single])
    return [_joined(batch) for batch in batches]


def _singles(latents: Sequence[Latent]) -> Iterator[Latent]:
    """The latents one by one, each with the place it has among all of them unless it has one already."""
    place = 0
    for latent in latents:
        for i in range(len(latent.samples)):
            single = _part(latent, i, i + 1)
            yield single if latent.batch_index else replace(single, batch_index=(place + i,))
        place += len(latent.samples)


def _part(latent: Latent, start: int, end: int) -> Latent:
    count = len(latent.samples)
    mask = latent.noise_mask
    if mask is not None and len(mask) > 1:
        mask = to_batch(mask, count)[start:end]
    return Latent(latent.samples[start:end], mask, _places(latent)[start:end])


def _places(latent: Latent) -> tuple[int, ...]:
    return latent.batch_index or tuple(range(len(latent.samples)))


def _joined(latents: Sequence[Latent]) -> Latent:
    first = latents[0].samples
    samples = torch.cat([like(latent.samples, first, batch=False) for latent in latents])
    places = tuple(place for latent in latents for place in _places(latent))
    masked = next((latent.noise_mask for latent in latents if latent.noise_mask is not None), None)
    if masked is None:
        return Latent(samples, None, places)
    masks = [
        masked.new_ones((len(latent.samples), *masked.shape[1:]))
        if latent.noise_mask is None
        else to_batch(like(latent.noise_mask, masked, batch=False), len(latent.samples))
        for latent in latents
    ]
    return Latent(samples, torch.cat(masks), places)
