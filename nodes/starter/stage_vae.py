"""The autoencoder: the decoder draws from the anchor's latents, the encoder learns to give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import nn

from nodes.starter.anchor import PATCH, Anchor, pixels
from nodes.starter.drawing import as_bytes
from nodes.starter.extras import blueprint, random_heart
from nodes.starter.landscapes import random_landscape
from nodes.starter.networks import new_vae, to_latents, to_pixels
from nodes.starter.prompts import judged
from nodes.starter.scenes import SIZE, draw, random_scene
from nodes.starter.training import Average, Setup, noise
from nodes.starter.world import draw_view, drawings, random_size

_CROP = 8
"""Side of the square that is trained on, in latents: detail is local, and a crop costs a quarter."""
_RATE = 1.5e-3
_STYLED = 0.08


class VaeStage:
    """Trains the autoencoder on crops, with whole pictures now and then."""

    name = "vae"

    def __init__(self, setup: Setup, anchor: Anchor) -> None:
        torch.manual_seed(setup.seed)
        self.setup, self.anchor = setup, anchor
        self.vae = new_vae()
        nn.Module.to(self.vae, setup.device)
        self.average = Average(self.vae, slowest=0.998)
        self.adam = torch.optim.AdamW(self.vae.parameters(), _RATE, betas=(0.9, 0.99), weight_decay=1e-4)

    def step(self, rng: np.random.Generator, rate: float) -> Mapping[str, float]:
        for group in self.adam.param_groups:
            group["lr"] = _RATE * rate
        z, x = latents_and_pixels(rng, self.setup, self.anchor)
        with self.setup.autocast():
            # A little noise: the denoiser's latents will not be exact either.
            noisy = z + noise(rng, z.shape).to(z) * (0.05 * rng.random())
            drawn = to_pixels(self.vae, noisy).float()
            encoded = to_latents(self.vae, x)
        mean, log_variance = encoded.mean.float(), encoded.logvar.float()
        difference = drawn - x
        edges = difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
        pull = F.smooth_l1_loss(mean, z, beta=0.2)
        narrow = (log_variance + 8).square().mean()
        (difference.abs().mean() + 0.5 * edges + 0.5 * pull + 1e-4 * narrow).backward()
        nn.utils.clip_grad_norm_(self.vae.parameters(), 1.0)
        self.adam.step()
        self.adam.zero_grad()
        self.average.update(self.vae)
        return {"squared": difference.square().mean().item(), "encoder": (mean - z).square().mean().item()}

    def state(self) -> dict[str, Any]:
        return {
            "vae": self.vae.state_dict(), "adam": self.adam.state_dict(),
            "average": self.average.values, "averaged": self.average.count,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        self.vae.load_state_dict(state["vae"])
        self.adam.load_state_dict(state["adam"])
        self.average.values, self.average.count = list(state["average"]), state["averaged"]


def latents_and_pixels(rng: np.random.Generator, setup: Setup, anchor: Anchor) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents and pixels of the same crops, or now and then of whole pictures."""
    whole = rng.random() < 0.25
    count = max(1, setup.batch // 12) if whole else max(1, setup.batch // 3)
    pictures = drawings(rng, count, random_size(rng) if whole else (SIZE, SIZE)).pictures
    # The companions' style and shape, too: they draw through this decoder.
    styled = rng.random(count) < _STYLED
    pictures = np.stack(
        [blueprint(one) if lined else one for one, lined in zip(pictures, styled, strict=True)]
        + [draw(random_heart(rng), pictures.shape[2], pictures.shape[1])]
    )
    z, x = anchor.latents(pictures), pixels(pictures)
    if not whole:
        row, column = (int(at) for at in rng.integers(0, z.shape[-1] - _CROP + 1, 2))
        z = z[:, :, row : row + _CROP, column : column + _CROP]
        side = _CROP * PATCH
        x = x[:, :, row * PATCH : row * PATCH + side, column * PATCH : column * PATCH + side]
    return z.to(setup.device), x.to(setup.device)


@torch.inference_mode()
def readable(vae: AutoencoderKL, count: int = 200, seed: int = 5) -> float:
    """The share of true pictures, half of either world, that are still read rightly after encoding and decoding."""
    rng = np.random.default_rng(seed)
    kinds = (random_scene, random_landscape)
    views = [kinds[i % 2](rng, held=bool(i // 2 % 2)) for i in range(count)]
    right = 0.0
    for i in range(0, count, 8):
        part = views[i : i + 8]
        x = pixels(np.stack([draw_view(view) for view in part])).to(next(vae.parameters()).device)
        shown = judged([view.facts for view in part], list(as_bytes(to_pixels(vae, to_latents(vae, x).mean))))
        right += sum(scores["everything"] for scores in shown)
    return right / count
