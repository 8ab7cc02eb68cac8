"""Changes to a UNet's attention: hooks on its layers, and what guidance asks of them for one call."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from nodes.diffusion.network import Inputs
from nodes.diffusion.regions import fit_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from torch import Tensor

    from nodes.diffusion.network import Watched
    from nodes.types import Conditioning


@dataclass(slots=True)
class Call:
    """What hooks know: the inputs of the call that is on, the run's conditionings, and what to enter for each call."""

    sides: Mapping[str, Conditioning] = field(default_factory=dict)
    inputs: Inputs = field(default_factory=lambda: Inputs(None))
    around: list[Callable[[], AbstractContextManager[object]]] = field(default_factory=list)


def transformers(module: Any) -> Iterator[tuple[int, Any]]:
    """The UNet's groups of transformer blocks in the order of computing, each with how often x was halved for it."""
    deepest = len(module.down_blocks) - 1
    for depth, block in enumerate(module.down_blocks):
        yield from ((depth, one) for one in getattr(block, "attentions", ()))
    yield from ((deepest, one) for one in module.mid_block.attentions)
    for i, block in enumerate(module.up_blocks):
        yield from ((deepest - i, one) for one in getattr(block, "attentions", ()))


def blocks(module: Any) -> list[Any]:
    """The UNet's transformer blocks in the order of computing."""
    return [block for _, group in transformers(module) for block in group.transformer_blocks]


def _middle(module: Any) -> Any:
    return module.mid_block.attentions


# What guidance asks for one call.


@contextmanager
def values_only(module: Any) -> Iterator[None]:
    """While inside, every place in the middle block attends to itself alone. PAG, arXiv:2403.17377."""
    layers = [block.attn1 for group in _middle(module) for block in group.transformer_blocks]
    kept = [layer.processor for layer in layers]
    try:
        for layer in layers:
            layer.processor = _Values()
        yield
    finally:
        for layer, processor in zip(layers, kept, strict=True):
            layer.processor = processor


class _Values:
    """An attention processor whose attention map is the identity."""

    def __call__(self, attn: Any, hidden_states: Tensor, *_: object, **__: object) -> Tensor:
        out = attn.to_v(hidden_states)
        for layer in attn.to_out:
            out = layer(out)
        return out


@contextmanager
def skipping(module: Any, numbers: Collection[int]) -> Iterator[None]:
    """While inside, these transformer blocks give back what they are given. Numbers beyond the last name none."""
    skipped = [block for i, block in enumerate(blocks(module)) if i in numbers]
    try:
        for block in skipped:
            block.forward = _unchanged
        yield
    finally:
        for block in skipped:
            del block.forward


def _unchanged(hidden_states: Tensor, *_: object, **__: object) -> Tensor:
    return hidden_states


@contextmanager
def watching(module: Any, watched: Watched, sides: Sequence[str]) -> Iterator[None]:
    """While inside, how much attention each place of the middle gets is noted for the first part of each side."""
    group = _middle(module)[0]
    size: list[int] = []

    def see_size(_: Any, args: tuple[Any, ...]) -> None:
        size[:] = args[0].shape[-2:]

    def see(layer: Any, args: tuple[Any, ...]) -> None:
        received = _attention(layer, args[0]).mean(1).sum(1).unflatten(1, size)
        for side, part in reversed(list(zip(sides, received.chunk(len(sides)), strict=True))):
            watched.attention[side] = part

    handles = [
        group.register_forward_pre_hook(see_size),
        group.transformer_blocks[0].attn1.register_forward_pre_hook(see),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _heads(layer: Any, x: Tensor) -> Tensor:
    """[B,T,C] as [B,heads,T,C/heads]."""
    return x.unflatten(-1, (layer.heads, -1)).transpose(1, 2)


def _attention(layer: Any, x: Tensor) -> Tensor:
    """The attention map of a layer over x itself, float32 [B,heads,T,T]."""
    q, k = _heads(layer, layer.to_q(x)).float(), _heads(layer, layer.to_k(x)).float()
    return (q @ k.transpose(-1, -2) * layer.scale).softmax(-1)


def _attended(layer: Any, x: Tensor, context: Tensor) -> Tensor:
    """What a layer gathers from the context, before its last projection."""
    q, k, v = (_heads(layer, t) for t in (layer.to_q(x), layer.to_k(context), layer.to_v(context)))
    found = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=layer.scale)
    return found.transpose(1, 2).flatten(2)


# What a model handle names for a whole run.


def normalized_guidance(module: Any, call: Call, *, scale: float, alpha: float, tau: float) -> Iterator[Any]:
    """Guidance inside cross-attention, no longer than `tau` times what it guides. NAG, arXiv:2505.21179.

    The negative is the first piece of the run's negative conditioning; without one nothing changes.
    """
    tokens = next((cond.tokens for cond in call.sides.get("negative", ()) if cond.tokens is not None), None)
    if tokens is None:
        return
    for block in blocks(module):
        yield from _guide_layer(block.attn2, call, tokens, scale=scale, alpha=alpha, tau=tau)


def _guide_layer(layer: Any, call: Call, tokens: Tensor, *, scale: float, alpha: float, tau: float) -> Iterator[Any]:
    asked: list[Tensor] = []

    def remember(_: Any, args: tuple[Any, ...]) -> None:
        asked[:] = [args[0]]

    def guide(_: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        gathered, sides = args[0], call.inputs.sides or ("positive",)
        parts = zip(sides, gathered.chunk(len(sides)), asked.pop().chunk(len(sides)), strict=True)
        return (torch.cat([guided(*part) for part in parts]),)

    def guided(side: str, toward: Tensor, x: Tensor) -> Tensor:
        if side == "negative":
            return toward
        away = _attended(layer, x, fit_batch(tokens.to(x), len(x)))
        found = away + (toward - away) * scale
        length, longest = (t.abs().sum(-1, keepdim=True) for t in (found, toward))
        found = found * (longest * tau / length.clamp(min=1e-7)).clamp(max=1.0)
        return found * alpha + toward * (1 - alpha)

    yield layer.register_forward_pre_hook(remember)
    yield layer.to_out[0].register_forward_pre_hook(guide)


def tiled(module: Any, _: Call, *, tile_size: int, swap_size: int, max_depth: int, scale_depth: bool) -> Iterator[Any]:
    """Self-attention within tiles whose size changes from call to call. HyperTile (Sokolov 2023)."""
    draw = torch.Generator().manual_seed(0)
    side = max(32, tile_size) // 8
    for depth, group in transformers(module):
        if depth <= max_depth:
            smallest = side * 2**depth if scale_depth else side
            cut = partial(_tiles, side=smallest, options=swap_size, draw=draw)
            yield from _Rearranged(cut).hooks(group)


def merged_tokens(module: Any, _: Call, *, ratio: float) -> Iterator[Any]:
    """Self-attention at full size asked by fewer tokens: the most alike share one answer. ToMe, arXiv:2303.17604."""
    draw = torch.Generator().manual_seed(0)
    for depth, group in transformers(module):
        if depth == 0:
            yield from _Rearranged(partial(_merge, ratio=ratio, draw=draw)).hooks(group)


class _Rearranged:
    """Hooks that give self-attention other tokens, and put its answers back in their places.

    `plan(x, h, w)` gives what to ask with, what to ask about (None: the same), and how to put answers back.
    """

    def __init__(self, plan: Callable[[Tensor, int, int], tuple[Tensor, Tensor | None, Callable[[Tensor], Tensor]]]):
        self._plan = plan
        self._size: tuple[int, int] = (0, 0)
        self._back: Callable[[Tensor], Tensor] | None = None

    def hooks(self, group: Any) -> Iterator[Any]:
        """The handles of the hooks on a group of transformer blocks."""
        yield group.register_forward_pre_hook(self._see)
        for block in group.transformer_blocks:
            yield block.attn1.register_forward_pre_hook(self._before, with_kwargs=True)
            yield block.attn1.register_forward_hook(self._after)

    def _see(self, _: Any, args: tuple[Any, ...]) -> None:
        self._size = (args[0].shape[-2], args[0].shape[-1])

    def _before(self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        x, *rest = args
        height, width = self._size
        if x.shape[1] != height * width:  # something else has rearranged it already
            return args, kwargs
        asking, asked, self._back = self._plan(x, height, width)
        return (asking, *rest), kwargs if asked is None else {**kwargs, "encoder_hidden_states": asked}

    def _after(self, _: Any, __: Any, out: Tensor) -> Tensor:
        back, self._back = self._back, None
        return out if back is None else back(out)


def _tiles(
    x: Tensor, height: int, width: int, *, side: int, options: int, draw: torch.Generator
) -> tuple[Tensor, Tensor | None, Callable[[Tensor], Tensor]]:
    """Tokens [B,h*w,C] as [B*tiles,tokens of one,C]."""
    rows, columns = (_parts(length, side, options, draw) for length in (height, width))
    inside = (height // rows, width // columns)
    grid = x.unflatten(1, (rows, inside[0], columns, inside[1])).transpose(2, 3)

    def back(out: Tensor) -> Tensor:
        return out.reshape(*grid.shape[:-1], -1).transpose(2, 3).flatten(1, 4)

    return grid.flatten(3, 4).flatten(0, 2), None, back


def _parts(length: int, smallest: int, options: int, draw: torch.Generator) -> int:
    """Into how many equal parts to cut: one of the `options` finest cuts whose parts are long enough."""
    sizes = [size for size in range(min(smallest, length), length + 1) if length % size == 0][:options]
    return length // sizes[int(torch.randint(len(sizes), (1,), generator=draw))]


def _merge(
    x: Tensor, height: int, width: int, *, ratio: float, draw: torch.Generator
) -> tuple[Tensor, Tensor | None, Callable[[Tensor], Tensor]]:
    """The share `ratio` of tokens merged, each into the most alike of the tokens drawn one from every 2 x 2."""
    targets, others = _drawn(height, width, draw)
    targets, others = targets.to(x.device), others.to(x.device)
    unit = torch.nn.functional.normalize(x.float(), dim=-1)
    likeness, onto = (unit[:, others] @ unit[:, targets].transpose(1, 2)).max(-1)
    order = likeness.argsort(-1, descending=True)
    count = min(len(others), int(x.shape[1] * ratio))
    moved, kept = order[:, :count], order[:, count:]
    onto = onto.gather(1, moved)

    def wide(index: Tensor, channels: int) -> Tensor:
        return index.unsqueeze(-1).expand(-1, -1, channels)

    channels = x.shape[-1]
    joined = x[:, targets].scatter_reduce(1, wide(onto, channels), x.gather(1, wide(others[moved], channels)), "mean")
    fewer = torch.cat([x.gather(1, wide(others[kept], channels)), joined], dim=1)

    def back(out: Tensor) -> Tensor:
        width = out.shape[-1]
        alone, shared = out[:, : kept.shape[1]], out[:, kept.shape[1] :]
        whole = out.new_empty((len(out), x.shape[1], width))
        whole[:, targets] = shared
        whole.scatter_(1, wide(others[kept], width), alone)
        return whole.scatter_(1, wide(others[moved], width), shared.gather(1, wide(onto, width)))

    return fewer, x, back


def _drawn(height: int, width: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """(one place of every 2 x 2, all other places) of a picture, as indices."""
    rows, columns = height // 2, width // 2
    places = torch.arange(height * width).view(height, width)
    cells = places[: rows * 2, : columns * 2].unflatten(0, (rows, 2)).unflatten(2, (columns, 2)).transpose(1, 2)
    pick = torch.randint(4, (rows, columns, 1), generator=draw)
    targets = cells.flatten(2).gather(2, pick).flatten()
    left = torch.ones(height * width, dtype=torch.bool)
    left[targets] = False
    return targets, left.nonzero().flatten()
