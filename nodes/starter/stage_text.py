"""The text encoder learns the meaning of captions before any denoising: which colors belong where.

The tokens after the caption are always the same end token. The last 36 of them are asked for a coarse picture, six by
six, so that the denoiser finds what to draw at a place by looking one token up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from nodes.starter.anchor import Anchor
from nodes.starter.networks import TOKENS, new_text, token_ids
from nodes.starter.training import Average, Muon, Setup
from nodes.starter.world import drawings, random_size

_GRID = 6
_FIRST = TOKENS - _GRID * _GRID
_RATE = 2e-3
DROPPED = 0.1
"""Share of empty captions: what the model knows as the unconditional."""


def captioned(
    rng: np.random.Generator,
    count: int,
    anchor: Anchor,
    tokenizer: CLIPTokenizer,
    *,
    dropped: float,
    lone: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents [B, 4, h, w] of fresh drawings of one size, and the token ids [B, 77] of their captions."""
    batch = drawings(rng, count, random_size(rng), lone=lone)
    prompts = ["" if rng.random() < dropped else caption for caption in batch.captions]
    return anchor.latents(batch.pictures), token_ids(tokenizer, prompts)


class Layout(nn.Module):
    """Reads the coarse picture off the last tokens' outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(128, 16)

    def loss(self, hidden: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """How far the tokens' coarse picture is from the latents'."""
        coarse = F.interpolate(latents, (2 * _GRID, 2 * _GRID), mode="area")
        cells = coarse.reshape(-1, 4, _GRID, 2, _GRID, 2).permute(0, 2, 4, 1, 3, 5).reshape(-1, _GRID * _GRID, 16)
        return F.mse_loss(self.read(hidden[:, _FIRST:]), cells)


class TextStage:
    """Trains the text encoder and the layout reader together."""

    name = "text"

    def __init__(self, setup: Setup, anchor: Anchor, tokenizer: CLIPTokenizer) -> None:
        torch.manual_seed(setup.seed + 1)
        self.setup, self.anchor, self.tokenizer = setup, anchor, tokenizer
        self.text: CLIPTextModel = new_text(tokenizer)
        # On a CPU torch's fused attention is slower than plain matrix products when trained in bfloat16.
        self.text.set_attn_implementation("eager")
        self.layout = Layout()
        self.both = nn.ModuleList([self.text, self.layout]).to(setup.device)
        self.average = Average(self.both, slowest=0.99)
        matrices = {
            name: weight
            for name, weight in self.text.named_parameters()
            if weight.ndim == 2 and "embedding" not in name
        }
        others = [weight for name, weight in self.text.named_parameters() if name not in matrices]
        self.muon = Muon(matrices.values(), _RATE)
        self.adam = torch.optim.AdamW(
            [*others, *self.layout.parameters()], _RATE / 2, betas=(0.9, 0.98), weight_decay=0.0
        )

    def step(self, rng: np.random.Generator, rate: float) -> Mapping[str, float]:
        for group in self.adam.param_groups:
            group["lr"] = _RATE / 2 * rate
        # Some batches show lone things: places are learnt from those first, and relations then from the others.
        lone = rng.random() < 0.25
        z, ids = captioned(rng, self.setup.batch, self.anchor, self.tokenizer, dropped=0.03, lone=lone)
        with self.setup.autocast():
            hidden = self.text(input_ids=ids.to(self.setup.device)).last_hidden_state
        loss = self.layout.loss(hidden.float(), z.to(self.setup.device))
        loss.backward()
        nn.utils.clip_grad_norm_(self.both.parameters(), 1.0)
        self.adam.step()
        self.muon.step(rate)
        for parameter in self.both.parameters():
            parameter.grad = None
        self.average.update(self.both)
        return {"layout_lone" if lone else "layout": loss.item()}

    def state(self) -> dict[str, Any]:
        return {
            "both": self.both.state_dict(), "adam": self.adam.state_dict(), "muon": self.muon.means,
            "average": self.average.values, "averaged": self.average.count,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        self.both.load_state_dict(state["both"])
        self.adam.load_state_dict(state["adam"])
        self.muon.means = list(state["muon"])
        self.average.values, self.average.count = list(state["average"]), state["averaged"]
