"""Changes to weights, applied to a resident module when it is used and taken back bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch

if TYPE_CHECKING:
    from torch import Tensor

    Edit = Callable[[Tensor], Tensor]
    """A weight in float32 to what it becomes; computes on the weight's device."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a patch is asked to change: a part ("unet", "text_encoder", ...) of a family, its tensors by name.

    `originals` are the tensors as they are without any patch, where somebody is about to change them.
    """

    part: str
    family: str
    shapes: Mapping[str, tuple[int, ...]]
    originals: Mapping[str, Tensor] = field(default_factory=dict[str, "Tensor"])


@runtime_checkable
class WeightPatch(Protocol):
    """A patch that changes weights. It may be asked about parts it does not touch, and says nothing then."""

    @property
    def key(self) -> str:
        """Identifies content and strength: equal keys make equal weights."""
        ...

    def edits(self, target: Target) -> Mapping[str, Edit]:
        """How each tensor it touches changes, by the tensor's name."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """The edit that adds scale * (up @ down): up is [out, rank], down [rank, in], a weight's further axes one with in.

    Several that follow each other are one product, see `stepped`.
    """

    up: Tensor
    down: Tensor
    scale: float

    def __call__(self, weight: Tensor) -> Tensor:
        """The weight with it added."""
        return weight + self.scale * (self.up.to(weight) @ self.down.to(weight)).reshape(weight.shape)


def steps_of(patches: Sequence[WeightPatch], target: Target) -> dict[str, list[Edit]]:
    """What the patches do, in their order, to each tensor they touch."""
    steps: dict[str, list[Edit]] = {}
    for patch in patches:
        for name, edit in patch.edits(target).items():
            steps.setdefault(name, []).append(edit)
    return steps


def stepped(weight: Tensor, steps: Sequence[Edit]) -> Tensor:
    """The weight after all steps, computed in float32 and rounded once to its own dtype.

    Where all steps are of low rank, they are one product whose ranks lie side by side. It reads the weight and writes
    the result once, which is what changing a weight costs at least. The factors are rounded to bfloat16 for a weight
    that is; sums stay in float32. That is less than what rounding the result costs.
    """
    with torch.inference_mode(False), torch.no_grad():
        ranked = [step for step in steps if isinstance(step, LowRank)]
        if len(ranked) == len(steps) and _can_sum(weight):
            return _summed(weight, ranked)
        changed = weight.to(torch.float32)
        for step in steps:
            changed = step(changed)
        return _laid_out_like(weight, changed.to(weight.dtype))


def _can_sum(weight: Tensor) -> bool:
    """Not in float16: the factors of a LoRA may be too small for it."""
    return weight.dtype in (torch.float32, torch.bfloat16) and weight.ndim > 1


def _summed(weight: Tensor, steps: Sequence[LowRank]) -> Tensor:
    up = torch.cat([step.up.to(weight.device, torch.float32) * step.scale for step in steps], dim=1)
    down = torch.cat([step.down.to(weight.device, torch.float32) for step in steps])
    changed = torch.addmm(weight.flatten(1), up.to(weight.dtype), down.to(weight.dtype))
    return _laid_out_like(weight, changed.reshape(weight.shape))


def _laid_out_like(weight: Tensor, changed: Tensor) -> Tensor:
    """The changed tensor in the order in which the weight lies in memory."""
    last = weight.ndim == 4 and not weight.is_contiguous()
    return changed.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def patched(
    originals: Mapping[str, Tensor],
    patches: Sequence[WeightPatch],
    target: Target,
    device: torch.device,
) -> dict[str, Tensor]:
    """The tensors that the patches change, on `device`."""
    steps = steps_of(patches, target)
    return {name: stepped(originals[name].to(device), mine) for name, mine in steps.items()}
