"""The denoiser, trained together with the text encoder.

It predicts v: at this size a network that predicts the noise gets colors and layout wrong, because they are decided at
the noisiest levels, where the noise says nothing of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from nodes.starter.anchor import Anchor
from nodes.starter.networks import alphas_cumprod, new_unet, predict
from nodes.starter.stage_text import DROPPED, Layout, captioned
from nodes.starter.training import Average, Muon, Setup, noise, noise_levels

_RATE = 1.2e-3
_TEXT_SHARE = 0.25
"""The text encoder goes on learning at this share of the rate: it was trained before."""
_LAYOUT_WEIGHT = 0.5
_NOISY = 0.25
_MOST_SNR = 5.0


class UnetStage:
    """Trains the denoiser from noise, or on from given weights."""

    name = "unet"

    def __init__(
        self, setup: Setup, anchor: Anchor, tokenizer: CLIPTokenizer, text: CLIPTextModel, layout: Layout
    ) -> None:
        torch.manual_seed(setup.seed + 2)
        self.setup, self.anchor, self.tokenizer = setup, anchor, tokenizer
        self.unet = new_unet()
        # On a CPU torch's fused attention is three times slower than plain matrix products when trained in bfloat16.
        self.unet.set_attn_processor(AttnProcessor())
        self.all = nn.ModuleDict({"unet": self.unet, "text": text, "layout": layout}).to(setup.device)
        self.text, self.layout = text, layout
        self.average = Average(self.all)
        self.alpha = alphas_cumprod().float().to(setup.device)
        matrices = {
            name: weight
            for name, weight in self.unet.named_parameters()
            if weight.ndim >= 2 and not name.startswith(("conv_in", "conv_out"))
        }
        others = [weight for name, weight in self.unet.named_parameters() if name not in matrices]
        taught = [*text.parameters(), *layout.parameters()]
        self.muon = Muon(matrices.values(), _RATE)
        self.adam = torch.optim.AdamW(
            [{"params": others, "share": 1.0}, {"params": taught, "share": _TEXT_SHARE}],
            _RATE, betas=(0.9, 0.98), weight_decay=1e-3,
        )  # fmt: skip

    def step(self, rng: np.random.Generator, rate: float) -> Mapping[str, float]:
        z, ids = captioned(rng, self.setup.batch, self.anchor, self.tokenizer, dropped=DROPPED)
        z, ids = z.to(self.setup.device), ids.to(self.setup.device)
        t = noise_levels(rng, len(z), _NOISY).to(self.setup.device)
        a = self.alpha[t].view(-1, 1, 1, 1)
        eps = noise(rng, z.shape).to(z)
        x = a.sqrt() * z + (1 - a).sqrt() * eps
        v = a.sqrt() * eps - (1 - a).sqrt() * z
        with self.setup.autocast():
            hidden = self.text(input_ids=ids).last_hidden_state
        hidden = hidden.float()
        with self.setup.autocast():
            predicted = predict(self.unet, x, t, hidden).float()
        error = (predicted - v).square().mean((1, 2, 3))
        snr = (a / (1 - a)).flatten()
        weight = (_MOST_SNR / (snr + 1)).clamp(max=1)
        layout = self.layout.loss(hidden, z)
        ((error * weight).mean() + _LAYOUT_WEIGHT * layout).backward()
        self._apply(rate)
        return self._figures(t, error.detach(), layout.item())

    def _apply(self, rate: float) -> None:
        nn.utils.clip_grad_norm_(self.all.parameters(), 1.0)
        for group in self.adam.param_groups:
            group["lr"] = _RATE * rate * group["share"]
        self.adam.step()
        self.muon.step(rate)
        for parameter in self.all.parameters():
            parameter.grad = None
        self.average.update(self.all)

    def _figures(self, t: torch.Tensor, error: torch.Tensor, layout: float) -> dict[str, float]:
        """The error of the predicted clean latents at low, middle and high noise."""
        clean = error * (1 - self.alpha[t])
        bands = {"x0_low": (0, 200), "x0_middle": (400, 600), "x0_high": (800, 1000)}
        inside = {name: (t >= low) & (t < high) for name, (low, high) in bands.items()}
        figures = {name: clean[where].mean().item() for name, where in inside.items() if where.any()}
        return figures | {"layout": layout}

    def state(self) -> dict[str, Any]:
        return {
            "all": self.all.state_dict(), "adam": self.adam.state_dict(), "muon": self.muon.means,
            "average": self.average.values, "averaged": self.average.count,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        self.all.load_state_dict(state["all"])
        self.adam.load_state_dict(state["adam"])
        self.muon.means = list(state["muon"])
        self.average.values, self.average.count = list(state["average"]), state["averaged"]
