"""A ControlNet: the picture's edges say where, the words say what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.controlnets.controlnet import ControlNetModel
from safetensors.torch import load_file, save_file
from torch import nn

from nodes.starter.anchor import Anchor
from nodes.starter.drawing import Steering, predict_controlled
from nodes.starter.extras import edges
from nodes.starter.networks import Bundle, alphas_cumprod, token_ids
from nodes.starter.scenes import Pixels
from nodes.starter.training import Muon, Setup, noise, noise_levels
from nodes.starter.world import drawings, random_size

_RATE = 1.2e-3
_HINT_WIDTHS = (16, 32, 64, 96)
_MOST_SNR = 5.0
_NOISY = 0.35
_UNCAPTIONED = 0.3
"""Share of drawings without words: there the edges say everything."""


def new_control(bundle: Bundle) -> ControlNetModel:
    """A ControlNet that starts as the bundle's denoiser, and adds nothing yet."""
    control = ControlNetModel.from_unet(bundle.unet, conditioning_embedding_out_channels=_HINT_WIDTHS)
    # Left at zero, like the layers behind it, the hint would wait for them to move first.
    nn.init.normal_(control.controlnet_cond_embedding.conv_out.weight, std=0.03)
    return control


def load_control(bundle: Bundle, path: Path) -> ControlNetModel:
    """The ControlNet that `save_control` wrote."""
    control = new_control(bundle)
    control.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    return control.eval()


def save_control(control: ControlNetModel, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a ControlNet in float16 under diffusers' names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = {name: tensor.detach().half().cpu().contiguous() for name, tensor in control.state_dict().items()}
    save_file(half, path, metadata={"format": "pt", **metadata})


def hint_of(pictures: Pixels) -> torch.Tensor:
    """The edges of pictures [B, H, W, 3] as a ControlNet takes them: [B, 3, H, W] in 0..1."""
    found = np.stack([edges(picture) for picture in pictures])
    return torch.from_numpy(found).float().div(255)[:, None].expand(-1, 3, -1, -1)


class ControlStage:
    """Trains the ControlNet on a bundle, whose own weights stay as they are."""

    name = "control"

    def __init__(self, setup: Setup, anchor: Anchor, bundle: Bundle) -> None:
        torch.manual_seed(setup.seed + 5)
        self.setup, self.anchor, self.bundle = setup, anchor, bundle
        self.control = new_control(bundle)
        for part in (bundle.unet, bundle.text):
            part.requires_grad_(False)
        bundle.unet.set_attn_processor(AttnProcessor())
        self.control.set_attn_processor(AttnProcessor())
        self.alpha = alphas_cumprod().float()
        matrices = [weight for weight in self.control.parameters() if weight.ndim >= 2]
        self.muon = Muon(matrices, _RATE)
        others = [weight for weight in self.control.parameters() if weight.ndim < 2]
        self.adam = torch.optim.AdamW(others, _RATE, betas=(0.9, 0.98), weight_decay=0.0)

    def step(self, rng: np.random.Generator, rate: float) -> Mapping[str, float]:
        for group in self.adam.param_groups:
            group["lr"] = _RATE * rate
        batch = drawings(rng, self.setup.batch, random_size(rng))
        prompts = ["" if rng.random() < _UNCAPTIONED else caption for caption in batch.captions]
        z, hint = self.anchor.latents(batch.pictures), hint_of(batch.pictures)
        t = noise_levels(rng, len(z), _NOISY)
        a = self.alpha[t].view(-1, 1, 1, 1)
        eps = noise(rng, z.shape)
        x = a.sqrt() * z + (1 - a).sqrt() * eps
        v = a.sqrt() * eps - (1 - a).sqrt() * z
        with self.setup.autocast():
            with torch.no_grad():
                hidden = self.bundle.text(input_ids=token_ids(self.bundle.tokenizer, prompts)).last_hidden_state.float()
            predicted = predict_controlled(self.bundle, Steering(self.control, hint), x, t, hidden).float()
        error = (predicted - v).square().mean((1, 2, 3))
        weight = (_MOST_SNR / ((a / (1 - a)).flatten() + 1)).clamp(max=1)
        (error * weight).mean().backward()
        nn.utils.clip_grad_norm_(self.control.parameters(), 1.0)
        self.adam.step()
        self.muon.step(rate)
        self.control.zero_grad()
        clean = error.detach() * (1 - a.flatten())
        noisy = t >= 800
        return {"error": clean.mean().item()} | ({"x0_high": clean[noisy].mean().item()} if noisy.any() else {})

    def state(self) -> dict[str, Any]:
        return {"control": self.control.state_dict(), "adam": self.adam.state_dict(), "muon": self.muon.means}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.control.load_state_dict(state["control"])
        self.adam.load_state_dict(state["adam"])
        self.muon.means = list(state["muon"])
