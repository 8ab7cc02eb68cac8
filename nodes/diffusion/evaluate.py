"""Predictions under several conditionings at once: pieces that fit together go through the network in one batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from nodes.diffusion.network import Inputs, Residuals
from nodes.diffusion.regions import NOT_FOR_NETWORKS, filled, fit_batch
from nodes.diffusion.vae import is_out_of_memory

if TYPE_CHECKING:
    from torch import Tensor

    from nodes.diffusion.network import Controls, Network
    from nodes.diffusion.prediction import Prediction
    from nodes.diffusion.regions import Box, Piece
    from nodes.types import ControlHint

_LONGEST_REPEAT = 4
"""Contexts are repeated to a common length only if none grows beyond this many times."""

_NOTHING = 1e-37
"""Kept in every sum of weights, so that a place no piece covers divides by something."""

_BLANK_LATENT = (0.8223, -0.6876, 0.6364, 0.1380)
"""A grey picture in the latent space of SD 1.x, as its inpainting network was trained to see what is masked."""

_SIZES = ("width", "height", "crop_w", "crop_h", "target_width", "target_height", "aesthetic_score")
_OURS = frozenset({*_SIZES, *NOT_FOR_NETWORKS})
"""Extras that are used here or elsewhere, and not handed to the network as they are."""


class Evaluator:
    """A network asked under many conditionings; one object per run.

    `batch_limit` bounds how many samples go through the network at once (None: as many as fit the memory).
    """

    def __init__(
        self,
        network: Network,
        prediction: Prediction,
        *,
        controls: Controls | None = None,
        latent: Tensor | None = None,
        mask: Tensor | None = None,
        batch_limit: int | None = None,
    ) -> None:
        self._network = network
        self._prediction = prediction
        self._controls = controls
        self._latent = latent
        self._mask = mask
        self._limit = batch_limit
        self._inputs: dict[tuple[int, ...], Inputs] = {}
        self._left: dict[tuple[int, ...], list[Piece]] = {}
        self._kept: list[tuple[Piece, ...]] = []  # holds the pieces whose ids are keys above

    @property
    def prediction(self) -> Prediction:
        """What the network predicts."""
        return self._prediction

    def __call__(
        self,
        x: Tensor,
        sigma: float,
        sides: Sequence[Sequence[Piece]],
        changes: Mapping[str, object] | None = None,
    ) -> list[Tensor]:
        """x0 for each side, its pieces weighted where they overlap. `changes` join what the network gets as extras.

        A side without any piece that acts at this level gives zeros.
        """
        active = [self._filled([piece for piece in side if piece.acts_at(sigma)], x) for side in sides]
        every = [piece for side in active for piece in side]
        found: dict[int, Tensor] = {}
        for group in _groups(every, sigma, self._prediction, repeats=not self._prediction.is_flow):
            for piece, x0 in zip(group.pieces, self._ask(x, sigma, group, changes), strict=True):
                found[id(piece)] = x0
        return [_mixed(x, [(piece, found[id(piece)]) for piece in side]) for side in active]

    def _filled(self, pieces: list[Piece], x: Tensor) -> list[Piece]:
        """The pieces with those for what is left over where the others leave something."""
        key = tuple(id(piece) for piece in pieces)
        if key not in self._left:
            self._left[key] = filled(pieces, x)
        return self._left[key]

    def _ask(self, x: Tensor, sigma: float, group: _Group, changes: Mapping[str, object] | None) -> list[Tensor]:
        """x0 for each piece of a group, in as few calls as fit."""
        count = len(group.pieces)
        if self._limit is not None and count > 1 and count * len(x) > self._limit:
            return self._halves(x, sigma, group, changes)
        try:
            return self._ask_at_once(x, sigma, group, changes)
        except RuntimeError as error:
            if count == 1 or not is_out_of_memory(error):
                raise
            self._limit = (count * len(x)) // 2
        return self._halves(x, sigma, group, changes)

    def _halves(self, x: Tensor, sigma: float, group: _Group, changes: Mapping[str, object] | None) -> list[Tensor]:
        middle = len(group.pieces) // 2
        first, second = replace(group, pieces=group.pieces[:middle]), replace(group, pieces=group.pieces[middle:])
        return [*self._ask(x, sigma, first, changes), *self._ask(x, sigma, second, changes)]

    def _ask_at_once(
        self, x: Tensor, sigma: float, group: _Group, changes: Mapping[str, object] | None
    ) -> list[Tensor]:
        part = x if group.box is None else group.box.crop(x)
        count = len(group.pieces)
        batch = part if count == 1 else part.repeat(count, *(1,) * (part.ndim - 1))
        scaled = self._prediction.scale_input(batch, sigma)
        timestep = torch.full((len(batch),), self._prediction.levels.timestep(sigma), device=x.device)
        inputs = replace(self._inputs_of(group, x), sigma=sigma)
        if changes:
            inputs = replace(inputs, extras={**(inputs.extras or {}), **changes})
        if group.hints and self._controls is not None:
            inputs = _controlled(inputs, self._controls(group.hints, scaled, timestep, inputs))
        output = self._network(scaled, timestep, inputs)
        return list(self._prediction.denoised(output, batch, sigma).chunk(count))

    def _inputs_of(self, group: _Group, x: Tensor) -> Inputs:
        """What the network gets beside x and t: made once, because it is the same at every step."""
        key = tuple(id(piece) for piece in group.pieces)
        if key not in self._inputs:
            self._inputs[key] = self._make_inputs(group, x)
            self._kept.append(group.pieces)
        return self._inputs[key]

    def _make_inputs(self, group: _Group, x: Tensor) -> Inputs:
        pieces, samples = group.pieces, len(x)
        tokens = [piece.cond.tokens for piece in pieces if piece.cond.tokens is not None]
        pooled = [piece.cond.pooled for piece in pieces if piece.cond.pooled is not None]
        context = same_length([fit_batch(t, samples).to(x.device, torch.float32) for t in tokens]) if tokens else None
        extras = {k: v for k, v in pieces[0].cond.extras.items() if k not in _OURS}
        return Inputs(
            context=context,
            pooled=torch.cat([fit_batch(p, samples).to(x.device, torch.float32) for p in pooled]) if pooled else None,
            time_ids=self._time_ids(pieces, x, samples),
            concat=self._concat(group, x),
            extras=extras or None,
            sides=tuple(piece.side for piece in pieces),
        )

    def _time_ids(self, pieces: Sequence[Piece], x: Tensor, samples: int) -> Tensor | None:
        if not self._network.family.startswith("sdxl"):
            return None
        refiner = self._network.family.startswith("sdxl_refiner")
        rows = [_sizes_of(piece, x.shape, self._network.latent_format.downscale, refiner=refiner) for piece in pieces]
        return torch.tensor(rows, device=x.device).repeat_interleave(samples, 0)

    def _concat(self, group: _Group, x: Tensor) -> Tensor | None:
        """What joins x on the channel axis, for networks with more channels than the latent."""
        missing = self._network.in_channels - x.shape[1]
        if missing <= 0:
            return None
        parts = [self._concat_of(piece, x, missing) for piece in group.pieces]
        joined = torch.cat(parts)
        return joined if group.box is None else group.box.crop(joined)

    def _concat_of(self, piece: Piece, x: Tensor, channels: int) -> Tensor:
        """Mask and masked picture (inpainting), or a picture alone (to be edited, or enlarged), [B,C',h,w]."""
        mask = self._mask if piece.cond.concat_mask is None else piece.cond.concat_mask
        latent, shown = self._latent, piece.cond.concat_latent
        if shown is not None:
            # What has other channels than a latent are pixels, and stays as it is.
            latent = self._network.latent_format.process_in(shown) if shown.shape[1] == x.shape[1] else shown
        if channels % x.shape[1] != 1:
            blank = x.new_zeros((len(x), channels, *x.shape[-2:]))
            return blank if shown is None else _fit_to(latent, x)
        if mask is None:
            blank = x.new_tensor(_BLANK_LATENT)[None, :, None, None].expand(len(x), -1, *x.shape[-2:])
            return torch.cat([torch.ones_like(x[:, :1]), blank], dim=1)
        mask = mask.unsqueeze(1) if mask.ndim == 3 else mask
        return torch.cat([_fit_to(mask[:, :1], x).round(), _fit_to(latent, x)], dim=1)


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Pieces that can share a call: the same box, the same controls, contexts of fitting lengths."""

    pieces: tuple[Piece, ...]
    box: Box | None
    hints: tuple[ControlHint, ...]


def _groups(pieces: Sequence[Piece], sigma: float, prediction: Prediction, *, repeats: bool) -> list[_Group]:
    groups: list[_Group] = []
    for piece in pieces:
        hints = tuple(hint for hint in piece.cond.controls if _hint_acts(hint, sigma, prediction))
        for i, group in enumerate(groups):
            if group.box == piece.box and _same(group.hints, hints) and _fits(piece, group.pieces, repeats=repeats):
                groups[i] = replace(group, pieces=(*group.pieces, piece))
                break
        else:
            groups.append(_Group((piece,), piece.box, hints))
    return groups


def _hint_acts(hint: ControlHint, sigma: float, prediction: Prediction) -> bool:
    start, end = prediction.percent_to_sigma(hint.start_percent), prediction.percent_to_sigma(hint.end_percent)
    return end <= sigma <= start and hint.strength != 0


def _same(some: Sequence[object], others: Sequence[object]) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))


def _fits(piece: Piece, others: Sequence[Piece], *, repeats: bool) -> bool:
    lengths = [0 if p.cond.tokens is None else p.cond.tokens.shape[1] for p in (*others, piece)]
    widths = {None if p.cond.tokens is None else p.cond.tokens.shape[2] for p in (*others, piece)}
    first = others[0].cond
    if len(widths) > 1 or (piece.cond.pooled is None) != (first.pooled is None):
        return False
    if not _same_extras(first.extras, piece.cond.extras):
        return False
    if len(set(lengths)) == 1:
        return True
    return repeats and 0 not in lengths and math.lcm(*lengths) <= min(lengths) * _LONGEST_REPEAT


def _same_extras(some: Mapping[str, object], others: Mapping[str, object]) -> bool:
    def theirs(extras: Mapping[str, object]) -> dict[str, object]:
        return {name: value for name, value in extras.items() if name not in _OURS}

    a, b = theirs(some), theirs(others)
    return a.keys() == b.keys() and all(_equal(a[name], b[name]) for name in a)


def _equal(a: object, b: object) -> bool:
    plain = (int, float, str, bool, type(None))
    return a is b or (isinstance(a, plain) and isinstance(b, plain) and a == b)


def same_length(contexts: Sequence[Tensor]) -> Tensor:
    """Contexts [B,T,D] in one batch, each repeated along T to their least common multiple.

    Attention gives the same for a context said twice, so this changes nothing for the shorter ones.
    """
    length = math.lcm(*(context.shape[1] for context in contexts))
    return torch.cat([context.repeat(1, length // context.shape[1], 1) for context in contexts])


def _fit_to(tensor: Tensor | None, x: Tensor) -> Tensor:
    """The tensor at the size and batch of x, on its device."""
    if tensor is None:
        return torch.zeros_like(x)
    tensor = tensor.to(x.device, torch.float32)
    if tensor.shape[-2:] != x.shape[-2:]:
        tensor = torch.nn.functional.interpolate(tensor, x.shape[-2:], mode="bilinear", align_corners=False)
    return fit_batch(tensor, len(x))


def _sizes_of(piece: Piece, shape: Sequence[int], downscale: int, *, refiner: bool) -> list[float]:
    """What SDXL is told of the picture: its size, where it was cropped, and its target size (or how well it looks)."""
    extras = piece.cond.extras
    height, width = extras.get("height", shape[-2] * downscale), extras.get("width", shape[-1] * downscale)
    crop = [extras.get("crop_h", 0), extras.get("crop_w", 0)]
    if refiner:
        return [height, width, *crop, extras.get("aesthetic_score", 2.5 if piece.side == "negative" else 6.0)]
    return [height, width, *crop, extras.get("target_height", height), extras.get("target_width", width)]


def _controlled(inputs: Inputs, residuals: Residuals) -> Inputs:
    return replace(
        inputs,
        down_residuals=residuals.down,
        mid_residual=residuals.mid,
        adapter_residuals=residuals.adapter,
    )


def _mixed(x: Tensor, answers: Sequence[tuple[Piece, Tensor]]) -> Tensor:
    """The mean of the pieces' x0 by their weights, place by place."""
    first, alone = answers[0] if len(answers) == 1 else (None, x)
    if first is not None and first.box is None and not isinstance(first.weight, torch.Tensor) and first.weight == 1.0:
        return alone
    total, weights = torch.zeros_like(x), torch.full_like(x[:, :1], _NOTHING)
    for piece, x0 in answers:
        weight = piece.weight if isinstance(piece.weight, float | int) else fit_batch(piece.weight, len(x))
        if piece.box is None:
            total += x0 * weight
            weights += weight
        else:
            piece.box.crop(total).add_(x0 * weight)
            piece.box.crop(weights).add_(weight)
    return total / weights
