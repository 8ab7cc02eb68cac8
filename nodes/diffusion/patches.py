"""Changes to weights, applied to a resident module when it is used and taken back bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch

if TYPE_CHECKING:
    from torch import Tensor

    Edit = Callable[[Tensor], Tensor]
    """A weight in float32 to what it becomes; computes on the weight's device."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a patch is asked to change: a part ("unet", "text_encoder", ...) of a family, its tensors by name."""

    part: str
    family: str
    shapes: Mapping[str, tuple[int, ...]]


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


def patched(
    originals: Mapping[str, Tensor],
    patches: Sequence[WeightPatch],
    target: Target,
    device: torch.device,
) -> dict[str, Tensor]:
    """The tensors that the patches change, on `device`, computed in float32 in the patches' order and rounded once."""
    edits: dict[str, list[Edit]] = {}
    for patch in patches:
        for name, edit in patch.edits(target).items():
            edits.setdefault(name, []).append(edit)
    changed: dict[str, Tensor] = {}
    with torch.inference_mode(False), torch.no_grad():
        for name, steps in edits.items():
            weight = originals[name].to(device, torch.float32)
            for step in steps:
                weight = step(weight)
            changed[name] = weight.to(originals[name].dtype).contiguous()
    return changed
