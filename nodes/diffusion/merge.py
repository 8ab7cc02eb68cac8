"""Models made of other models: sums, differences and mixtures of weights, named as patches on the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from nodes.diffusion import families, ldm, stored
from nodes.diffusion.files import Shapes, WeightsError

if TYPE_CHECKING:
    from torch import Tensor

    from nodes.diffusion.patches import Edit, Target
    from nodes.types import Clip, Model, Patch, Source

Kind = Literal["mix", "add", "subtract", "towards"]
Ratios = tuple[tuple[str, float], ...]
"""(start of LDM names, ratio): of those that fit a name the longest counts, and the first where none does."""

_MAY_DIFFER = frozenset({"conv_in.weight", "conv_out.weight", "conv_out.bias"})
"""What differs between a model and its inpainting version; the first model's stays."""


@dataclass(frozen=True, slots=True)
class MergePatch:
    """Another model's weights brought into this one.

    "mix" keeps the ratio of this model and takes the rest from the other; "add" and "subtract" are times the ratio
    for both in "subtract"; "towards" adds the ratio of what the other has beyond this one's weights without patches.
    """

    kind: Kind
    sources: tuple[Source, ...]
    patches: tuple[Patch, ...]
    ratios: Ratios

    @property
    def key(self) -> str:
        """Identifies what is mixed, and how."""
        others = ",".join(f"{s.digest}/{s.part}{s.options}" for s in self.sources)
        return f"merge:{self.kind}:{self.ratios}:{others}:({','.join(p.key for p in self.patches)})"

    def scaled(self, factor: float) -> MergePatch:
        """The same change, so many times as strong; makes sense for "towards"."""
        return replace(self, ratios=tuple((start, ratio * factor) for start, ratio in self.ratios))

    def check(self, target: Target) -> None:
        """Raise WeightsError unless the other model has such a part too."""
        for source in self.sources:
            if source.part == target.part:
                _check_shapes(target.family, target.shapes, source)

    def edits(self, target: Target) -> Mapping[str, Edit]:
        """How each tensor that both models have changes, by the tensor's name."""
        source = next((s for s in self.sources if s.part == target.part), None)
        if source is None:
            return {}
        others = stored.tensors(source, self.patches)
        names = [n for n, shape in target.shapes.items() if n in others and others[n].shape == shape]
        ratios = _ratios_of(names, self.ratios, unet=target.part == "unet")
        return {
            name: self._edit(others[name], ratios[name], target, name)
            for name in names
            if self.kind != "mix" or ratios[name] != 1.0
        }

    def _edit(self, other: stored.Stored, ratio: float, target: Target, name: str) -> Edit:
        def edit(weight: Tensor) -> Tensor:
            theirs = other.read().to(weight)
            match self.kind:
                case "mix":
                    return weight * ratio + theirs * (1.0 - ratio) if ratio else theirs
                case "add":
                    return weight + theirs
                case "subtract":
                    return weight * ratio - theirs * ratio
                case "towards":
                    return weight + (theirs - target.originals[name].to(weight)) * ratio

        return edit


def merged(model: Model, other: Model, kind: Kind, ratios: Ratios = (("", 1.0),)) -> Model:
    """The first model with the other's weights brought in. Raises WeightsError when they are of different families."""
    check_alike(model.source, other.source)
    return model.patched(MergePatch(kind, (other.source,), other.patches, ratios))


def merged_clip(clip: Clip, other: Clip, kind: Kind, ratio: float = 1.0) -> Clip:
    """The first text encoder with the other's weights brought in, part by part.

    Raises WeightsError when they are of different families.
    """
    if [s.part for s in clip.sources] != [s.part for s in other.sources]:
        raise WeightsError(_unlike(clip.sources[0], other.sources[0], "text encoders"))
    for mine, theirs in zip(clip.sources, other.sources, strict=True):
        check_alike(mine, theirs)
    return clip.patched(MergePatch(kind, other.sources, other.patches, (("", ratio),)))


def check_alike(source: Source, other: Source) -> None:
    """Raise WeightsError unless two parts have the same tensors, but for what inpainting versions have more."""
    if not _alike(stored.shapes(source), stored.shapes(other)):
        raise WeightsError(_unlike(source, other, "models" if source.part == "unet" else "text encoders"))


def _check_shapes(family: str, shapes: Shapes, other: Source) -> None:
    if not _alike(shapes, stored.shapes(other)):
        theirs, mine = (families.family_named(name).title for name in (other.family, family))
        raise WeightsError(
            f"{other.path.name} is {theirs} and cannot change a model of another kind; this one is {mine}."
        )


def _alike(mine: Shapes, theirs: Shapes) -> bool:
    return all(theirs.get(name) == shape or name in _MAY_DIFFER for name, shape in mine.items())


def _unlike(source: Source, other: Source, what: str) -> str:
    titles = [families.family_named(s.family).title for s in (source, other)]
    if titles[0] == titles[1]:
        return (
            f"{source.path.name} and {other.path.name} are both {titles[0]} but of different sizes; "
            f"only {what} of one architecture can be merged."
        )
    return (
        f"{source.path.name} is {titles[0]} and {other.path.name} is {titles[1]}; "
        f"only {what} of one family can be merged."
    )


def _ratios_of(names: Sequence[str], ratios: Ratios, *, unet: bool) -> dict[str, float]:
    """The ratio of each tensor, by the block that its LDM name begins with."""
    originals = ldm.unet_originals(names) if unet and len(ratios) > 1 else {}
    usual = ratios[0][1] if ratios else 1.0

    def ratio(name: str) -> float:
        fitting = [(len(start), value) for start, value in ratios if originals.get(name, "").startswith(start)]
        return max(fitting)[1] if fitting and name in originals else usual

    return {name: ratio(name) for name in names}
