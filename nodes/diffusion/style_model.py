"""The networks of style models, with their files' names for their parts."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

_HEADS = 8


class QuickGelu(nn.Module):
    """CLIP's GELU."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class _Block(nn.Module):
    """A transformer layer as CLIP's release names it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, _HEADS, batch_first=True)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            OrderedDict(
                c_fc=nn.Linear(width, width * 4),
                gelu=QuickGelu(),
                c_proj=nn.Linear(width * 4, width),
            )
        )
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class StyleAdapter(nn.Module):
    """T2I-Adapter's style adapter: a few learned tokens that have read a picture's. arXiv:2302.08453."""

    def __init__(self, count: int, width: int, context: int, layers: int) -> None:
        super().__init__()
        self.style_embedding = nn.Parameter(torch.zeros(1, count, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer_layes = nn.Sequential(*(_Block(width) for _ in range(layers)))
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.zeros(width, context))

    def forward(self, states: Tensor) -> Tensor:
        """Tokens [B,count,context] of a picture's states [B,T,width]."""
        asked = self.style_embedding.expand(len(states), -1, -1)
        x = self.ln_pre(torch.cat([states.to(asked), asked], dim=1))
        x = self.transformer_layes(x)
        return self.ln_post(x[:, -asked.shape[1] :]) @ self.proj


class Redux(nn.Module):
    """Flux Redux: every state of a picture as a token."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.redux_up = nn.Linear(width, context * 3)
        self.redux_down = nn.Linear(context * 3, context)

    def forward(self, states: Tensor) -> Tensor:
        """Tokens [B,T,context] of a picture's states [B,T,width]."""
        return self.redux_down(functional.silu(self.redux_up(states.to(self.redux_up.weight.dtype))))
