"""GLIGEN's networks: what says boxes, and the attention that listens to them; diffusers' parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from diffusers.models.attention import GatedSelfAttentionDense
from diffusers.models.embeddings import GLIGENTextBoundingboxProjection
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class GligenNet(nn.Module):
    """Everything a GLIGEN file holds."""

    def __init__(self, words: int, out: int, fusers: Mapping[str, tuple[int, int, int]]) -> None:
        """`fusers` are (width, context, heads) by the name of the block each belongs to."""
        super().__init__()
        self._names = tuple(fusers)
        self.position_net = GLIGENTextBoundingboxProjection(words, out)
        self.fusers = nn.ModuleList(
            GatedSelfAttentionDense(width, context, heads, width // heads) for width, context, heads in fusers.values()
        )

    def forward(self, boxes: Tensor, there: Tensor, words: Tensor) -> Tensor:
        """What boxes [B,N,4] with words [B,N,E] say, where there are any [B,N]: [B,N,C]."""
        return self.position_net(boxes=boxes, masks=there, positive_embeddings=words)

    def fusers_by_name(self) -> dict[str, nn.Module]:
        """The gated attentions by the names of their blocks."""
        return dict(zip(self._names, self.fusers, strict=True))
