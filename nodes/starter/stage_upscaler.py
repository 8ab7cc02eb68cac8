"""An upscaler of this world: four times the pixels, with the edges that a drawing has at that size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors.torch import save_file
from torch import nn

from nodes.pictures.upscaler_files import UpscalerFacts
from nodes.pictures.upscalers import build
from nodes.starter.anchor import PATCH, Anchor, pixels
from nodes.starter.networks import to_pixels
from nodes.starter.scenes import SIZE
from nodes.starter.training import Setup
from nodes.starter.world import draw_view, random_view

SCALE = 4
_CROP = 48
_RATE = 1e-3
FACTS = UpscalerFacts("compact", SCALE, 3, 3, width=32, blocks=8)


class UpscalerStage:
    """Trains the upscaler on crops: half of true drawings, half of what the autoencoder makes of them."""

    name = "upscaler"

    def __init__(self, setup: Setup, anchor: Anchor, vae: AutoencoderKL) -> None:
        torch.manual_seed(setup.seed + 6)
        self.setup, self.anchor, self.vae = setup, anchor, vae
        self.network = build(FACTS)
        for layer in self.network.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.25)  # a PReLU's first slope: signals keep their size
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.network.get_submodule("body.18").weight)  # pyright: ignore[reportArgumentType]
        self.adam = torch.optim.AdamW(self.network.parameters(), _RATE, betas=(0.9, 0.99), weight_decay=0.0)

    def step(self, rng: np.random.Generator, rate: float) -> Mapping[str, float]:
        for group in self.adam.param_groups:
            group["lr"] = _RATE * rate
        small, large = self._batch(rng)
        with self.setup.autocast():
            drawn = self.network(small).float()
        difference = drawn - large
        # Squares: most pixels need no change, so absolute errors pull the whole network to zero and keep it there.
        across, down = difference.diff(dim=-1).square().mean(), difference.diff(dim=-2).square().mean()
        (difference.square().mean() + 0.5 * (across + down)).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.adam.step()
        self.adam.zero_grad()
        return {"squared": difference.square().mean().item()}

    def _batch(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        views = [random_view(rng) for _ in range(max(2, self.setup.batch // 4))]
        pictures = np.stack([draw_view(view) for view in views])
        small = (pixels(pictures) + 1) / 2
        large = (pixels(np.stack([draw_view(view, enlarged=SCALE) for view in views])) + 1) / 2
        half = len(small) // 2
        with torch.no_grad(), self.setup.autocast():
            seen = to_pixels(self.vae, self.anchor.latents(pictures[:half])).float()
        small[:half] = ((seen + 1) / 2).clamp(0, 1)
        row, column = (int(at) for at in rng.integers(0, (SIZE - _CROP) // PATCH + 1, 2) * PATCH)
        cut = small[..., row : row + _CROP, column : column + _CROP]
        row, column, side = row * SCALE, column * SCALE, _CROP * SCALE
        return cut, large[..., row : row + side, column : column + side]

    def save(self, path: Path) -> None:
        """Write the upscaler in float16 under the names that such files have."""
        path.parent.mkdir(parents=True, exist_ok=True)
        half = {name: value.detach().half().contiguous() for name, value in self.network.state_dict().items()}
        save_file(half, path, metadata={"format": "pt"})

    def state(self) -> dict[str, Any]:
        return {"network": self.network.state_dict(), "adam": self.adam.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.adam.load_state_dict(state["adam"])
