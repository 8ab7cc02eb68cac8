"""The decoder alone, once the encoder is good: sharper pictures from the same latents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import nn

from nodes.starter.anchor import Anchor
from nodes.starter.networks import to_pixels
from nodes.starter.stage_vae import latents_and_pixels
from nodes.starter.training import Average, Muon, Setup, noise

_RATE = 1e-3


class DecoderStage:
    """Trains the decoder, with Muon, and leaves the encoder as it is."""

    name = "decoder"

    def __init__(self, setup: Setup, anchor: Anchor, vae: AutoencoderKL) -> None:
        self.setup, self.anchor, self.vae = setup, anchor, vae
        nn.Module.to(vae, setup.device)
        self.trained = nn.ModuleList([part for part in (vae.decoder, vae.post_quant_conv) if part is not None])
        self.average = Average(self.trained, slowest=0.998)
        matrices = [weight for weight in self.trained.parameters() if weight.ndim >= 2]
        self.muon = Muon(matrices, _RATE)
        others = [weight for weight in self.trained.parameters() if weight.ndim < 2]
        self.adam = torch.optim.AdamW(others, _RATE, betas=(0.9, 0.99), weight_decay=0.0)

    def step(self, rng: np.random.Generator, rate: float) -> Mapping[str, float]:
        for group in self.adam.param_groups:
            group["lr"] = _RATE * rate
        z, x = latents_and_pixels(rng, self.setup, self.anchor)
        noisy = z + noise(rng, z.shape).to(z) * (0.1 * rng.random())
        with self.setup.autocast():
            difference = to_pixels(self.vae, noisy).float() - x
        edges = difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
        (difference.abs().mean() + edges).backward()
        nn.utils.clip_grad_norm_(self.trained.parameters(), 1.0)
        self.adam.step()
        self.muon.step(rate)
        self.vae.zero_grad()
        self.average.update(self.trained)
        return {"squared": difference.square().mean().item()}

    def state(self) -> dict[str, Any]:
        return {
            "trained": self.trained.state_dict(), "adam": self.adam.state_dict(), "muon": self.muon.means,
            "average": self.average.values, "averaged": self.average.count,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        self.trained.load_state_dict(state["trained"])
        self.adam.load_state_dict(state["adam"])
        self.muon.means = list(state["muon"])
        self.average.values, self.average.count = list(state["average"]), state["averaged"]
