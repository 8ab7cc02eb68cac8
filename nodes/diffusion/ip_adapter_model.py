"""The networks of IP-Adapters, with their files' names for their parts. arXiv:2308.06721."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

_HEAD_WIDTH = 64


class PlainProjection(nn.Module):
    """A picture's embedding [B,E] as a few tokens [B,T,C]."""

    def __init__(self, embedding: int, tokens: int, context: int) -> None:
        super().__init__()
        self.proj = nn.Linear(embedding, tokens * context)
        self.norm = nn.LayerNorm(context)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x).unflatten(-1, (-1, self.norm.normalized_shape[0])))


class FullProjection(nn.Module):
    """A picture's states [B,T,W] as so many tokens [B,T,C]."""

    def __init__(self, width: int, inner: int, context: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, context), nn.LayerNorm(context))

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x)


class _Reading(nn.Module):
    """Attention of learned tokens over a picture's states and themselves."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, inner * 2, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)

    def forward(self, states: Tensor, asking: Tensor) -> Tensor:
        states, asking = self.norm1(states), self.norm2(asking)
        k, v = self.to_kv(torch.cat([states, asking], dim=1)).chunk(2, dim=-1)
        q, k, v = (t.unflatten(-1, (-1, _HEAD_WIDTH)).transpose(1, 2) for t in (self.to_q(asking), k, v))
        return self.to_out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class PlusShape(NamedTuple):
    """The sizes of a PlusProjection: of what it reads, its tokens' number and width, inside, and how it ends."""

    width: int
    tokens: int
    own: int
    inner: int
    hidden: int
    context: int
    layers: int


class PlusProjection(nn.Module):
    """A picture's states [B,T,W] read by a few learned tokens [B,N,C]: a perceiver (arXiv:2204.14198)."""

    def __init__(self, shape: PlusShape) -> None:
        width, tokens, own, inner, hidden, context, layers = shape
        super().__init__()
        self.latents = nn.Parameter(torch.zeros(1, tokens, own))
        self.proj_in = nn.Linear(width, own)
        self.proj_out = nn.Linear(own, context)
        self.norm_out = nn.LayerNorm(context)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    _Reading(own, inner),
                    nn.Sequential(
                        nn.LayerNorm(own), nn.Linear(own, hidden, bias=False), nn.GELU(),
                        nn.Linear(hidden, own, bias=False),
                    ),
                ]
            )
            for _ in range(layers)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        states = self.proj_in(x)
        asking = self.latents.expand(len(x), -1, -1)
        for reading, thinking in self.layers:  # pyright: ignore[reportGeneralTypeIssues] -- pairs, as made above
            asking = reading(states, asking) + asking
            asking = thinking(asking) + asking
        return self.norm_out(self.proj_out(asking))


class IpAdapterNet(nn.Module):
    """An IP-Adapter: what makes tokens of a picture, and each attention layer's keys and values for them."""

    def __init__(self, projection: nn.Module, widths: Mapping[str, tuple[int, int]]) -> None:
        """`widths` are (out, in) of the keys, by the layers' names in the file."""
        super().__init__()
        self.image_proj = projection
        self.ip_adapter = nn.ModuleDict(
            {
                name: nn.ModuleDict({part: nn.Linear(inside, out, bias=False) for part in ("to_k_ip", "to_v_ip")})
                for name, (out, inside) in widths.items()
            }
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """The tokens of pictures."""
        # The dtype alone: the weights may be on the host until each layer computes.
        return self.image_proj(pictures.to(next(self.image_proj.parameters()).dtype))

    def keys_and_values(self, tokens: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
        """What each attention layer makes of tokens, in the order of the file's numbers."""
        for name in sorted(self.ip_adapter, key=int):
            layer = self.ip_adapter[name]
            yield layer["to_k_ip"](tokens), layer["to_v_ip"](tokens)  # pyright: ignore[reportIndexIssue]
