"""Where and when each piece of conditioning acts: areas, masks and ranges, worked out once for a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from nodes.diffusion.prediction import Prediction
    from nodes.types import Area, Cond, Conditioning

HOOKS = "hooks"
"""The extra under which a conditioning brings changes to weights along, see `hooks`."""
LEFT_OVER = "default"
"""The extra that marks a conditioning as being for what no other covers."""
ENCODED = "clip_percent"
"""The extra that says for which part of sampling, (start, end), a text was encoded."""
NOT_FOR_NETWORKS = frozenset({"control_apply_to_uncond", LEFT_OVER, ENCODED})

_FEATHER = 8
_SMALLEST_BOUNDS = 8


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the latent, in its pixels."""

    height: int
    width: int
    y: int
    x: int

    def contains(self, other: Box) -> bool:
        """Whether no part of the other box is outside this one."""
        return (
            self.y <= other.y
            and self.x <= other.x
            and self.y + self.height >= other.y + other.height
            and self.x + self.width >= other.x + other.width
        )

    def crop(self, tensor: Tensor) -> Tensor:
        """The part of [..., h, w] that is in the box."""
        return tensor[..., self.y : self.y + self.height, self.x : self.x + self.width]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One conditioning at its place: from `start_sigma` down to `end_sigma`, in `box` (None: everywhere).

    `weight` is how much its prediction counts there: a number, or [B or 1, 1, h, w] over the box.
    """

    cond: Cond
    side: str
    box: Box | None
    weight: float | Tensor
    start_sigma: float
    end_sigma: float

    def acts_at(self, sigma: float) -> bool:
        """Whether its range covers this level."""
        return self.end_sigma <= sigma <= self.start_sigma


def place(
    conditionings: Mapping[str, Conditioning], shape: Sequence[int], prediction: Prediction, device: torch.device
) -> dict[str, list[Piece]]:
    """The pieces of every side for latents of this shape [B,C,h,w].

    Each area of one side gets a piece of the same extent on the others (guidance compares like with like), and a
    control that was applied to the positive side alone acts on both.
    """
    size = (int(shape[-2]), int(shape[-1]))
    sides = {
        side: [_piece(cond, side, size, prediction, device) for cond in conditioning]
        for side, conditioning in conditionings.items()
    }
    for side, pieces in sides.items():
        for other, theirs in sides.items():
            if other != side:
                for piece in list(pieces):
                    _mirror(piece, theirs)
    if "positive" in sides and "negative" in sides:
        _share_controls(sides["positive"], sides["negative"])
    return sides


def filled(pieces: Sequence[Piece], x: Tensor) -> list[Piece]:
    """The pieces of a side, of which those that are only for what is left over get what the others leave of x."""
    named = [piece for piece in pieces if not piece.cond.extras.get(LEFT_OVER)]
    rest = [piece for piece in pieces if piece.cond.extras.get(LEFT_OVER)]
    if not named or not rest:
        return list(pieces)
    left = torch.ones_like(x[:, :1])
    for piece in named:
        part = left if piece.box is None else piece.box.crop(left)
        part -= piece.weight if isinstance(piece.weight, float | int) else fit_batch(piece.weight, len(x))
    left.clamp_(min=0.0)
    if not left.any():
        return named
    return [*named, *(replace(p, weight=left if p.box is None else p.box.crop(left)) for p in rest)]


def fit_batch(tensor: Tensor, samples: int) -> Tensor:
    """`samples` rows of a tensor: those there are, over and over."""
    if len(tensor) == samples:
        return tensor
    times = -(-samples // len(tensor))
    return tensor.repeat(times, *(1,) * (tensor.ndim - 1))[:samples]


def _piece(cond: Cond, side: str, size: tuple[int, int], prediction: Prediction, device: torch.device) -> Piece:
    mask = None if cond.mask is None else _fitted(cond.mask.to(device, torch.float32), size)
    box = None if cond.area is None else _box(cond.area, size)
    if mask is not None and cond.set_area_to_bounds:
        box = _bounds(mask)
    since, until = cond.extras.get(ENCODED, (0.0, 1.0))
    start = prediction.percent_to_sigma(max(cond.start_percent, since))
    end = prediction.percent_to_sigma(min(cond.end_percent, until))
    return Piece(cond, side, box, _weight(cond, mask, box, size, device), start, end)


def _box(area: Area, size: tuple[int, int]) -> Box:
    """The area in latent pixels, kept inside the latent and at least one pixel large."""
    height, width = size
    scale_y, scale_x = (height, width) if area.relative else (1, 1)
    y = min(max(0, round(area.y * scale_y)), height - 1)
    x = min(max(0, round(area.x * scale_x)), width - 1)
    return Box(
        min(max(1, round(area.height * scale_y)), height - y), min(max(1, round(area.width * scale_x)), width - x), y, x
    )


def _fitted(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """[B,h,w] of a mask of any size, or of one without a batch."""
    mask = mask.unsqueeze(0) if mask.ndim == 2 else mask
    if mask.shape[-2:] != size:
        mask = torch.nn.functional.interpolate(mask.unsqueeze(1), size, mode="bilinear", align_corners=False).squeeze(1)
    return mask


def _bounds(mask: Tensor) -> Box:
    """The box around everything that any mask of the batch selects; a mask of nothing gives a small corner."""
    selected = mask.amax(0) > 0
    rows, columns = selected.any(1).nonzero().flatten(), selected.any(0).nonzero().flatten()
    height, width = selected.shape
    if not len(rows):
        return Box(min(_SMALLEST_BOUNDS, height), min(_SMALLEST_BOUNDS, width), 0, 0)
    top, left = int(rows[0]), int(columns[0])
    tall = max(_SMALLEST_BOUNDS, int(rows[-1]) - top + 1)
    wide = max(_SMALLEST_BOUNDS, int(columns[-1]) - left + 1)
    return Box(min(tall, height - top), min(wide, width - left), top, left)


def _weight(
    cond: Cond, mask: Tensor | None, box: Box | None, size: tuple[int, int], device: torch.device
) -> float | Tensor:
    if mask is not None:
        weight = mask.unsqueeze(1) * (cond.mask_strength * cond.strength)
        return weight if box is None else box.crop(weight)
    if box is None:
        return cond.strength
    rows = _ramp(box.height, starts_inside=box.y > 0, ends_inside=box.y + box.height < size[0])
    columns = _ramp(box.width, starts_inside=box.x > 0, ends_inside=box.x + box.width < size[1])
    return (rows[:, None] * columns[None, :] * cond.strength)[None, None].to(device)


def _ramp(length: int, *, starts_inside: bool, ends_inside: bool) -> Tensor:
    """Ones, fading linearly over a few pixels towards ends that are inside the picture."""
    fade = min(_FEATHER, length // 4)
    ramp = torch.ones(length)
    slope = torch.arange(1, fade + 1) / fade if fade else torch.ones(0)
    if starts_inside:
        ramp[:fade] *= slope
    if ends_inside:
        ramp[length - fade :] *= slope.flip(0)
    return ramp


def _mirror(piece: Piece, others: list[Piece]) -> None:
    """Give the other side a piece with this one's extent: what it already says there, in the smallest area around."""
    if piece.box is None:
        return
    around = [other for other in others if other.box is None or other.box.contains(piece.box)]
    if not around:
        return
    best = min(around, key=lambda other: float("inf") if other.box is None else other.box.height * other.box.width)
    if best.box == piece.box:
        return
    same = piece.cond.having(
        tokens=best.cond.tokens,
        pooled=best.cond.pooled,
        concat_latent=best.cond.concat_latent,
        concat_mask=best.cond.concat_mask,
        extras={**best.cond.extras, **{k: v for k, v in piece.cond.extras.items() if k in (HOOKS, LEFT_OVER)}},
    )
    others.append(replace(piece, cond=same, side=best.side))


def _share_controls(positive: list[Piece], negative: list[Piece]) -> None:
    """Let controls marked for both sides act on negative pieces too, unless those have controls of their own."""
    shared = [
        piece.cond
        for piece in positive
        if piece.box is None and piece.cond.controls and piece.cond.extras.get("control_apply_to_uncond")
    ]
    whole = [i for i, piece in enumerate(negative) if piece.box is None]
    if not whole or any(negative[i].cond.controls for i in whole):
        return
    for n, cond in enumerate(shared):
        i = whole[n % len(whole)]
        changed = replace(negative[i], cond=negative[i].cond.having(controls=cond.controls))
        if n < len(whole):
            negative[i] = changed
        else:
            negative.append(changed)
