"""Scaling what attention asks, matches, carries and gives: a patch of its projections' weights."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nodes.diffusion.patches import Edit, Target

Kind = Literal["self", "cross", "text"]

_LAYERS = {"self": r"\.attn1\.to_", "cross": r"\.attn2\.to_", "text": r"\.self_attn\."}
_PROJECTIONS = {"q": "q", "k": "k", "v": "v", "out": r"out(?:\.0)?"}


@dataclass(frozen=True, slots=True)
class AttentionScale:
    """Factors of the query, key, value and output projections in one kind of attention."""

    kind: Kind
    q: float
    k: float
    v: float
    out: float

    @property
    def key(self) -> str:
        """Identifies kind and factors."""
        return f"attention:{self.kind}:{self.q!r}:{self.k!r}:{self.v!r}:{self.out!r}"

    def edits(self, target: Target) -> Mapping[str, Edit]:
        """How each projection changes, weight and bias."""
        if (self.kind == "text") == (target.part == "unet"):
            return {}
        found: dict[str, Edit] = {}
        for part, spelled in _PROJECTIONS.items():
            factor: float = getattr(self, part)
            pattern = re.compile(rf"{_LAYERS[self.kind]}{spelled}(?:_proj)?\.(?:weight|bias)$")
            found |= {name: lambda weight, by=factor: weight * by for name in target.shapes if pattern.search(name)}
        return found
