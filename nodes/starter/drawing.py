"""Pictures from prompts with the bundled model alone: a deterministic sampler of a dozen lines.

The product draws through its own samplers; this one exists so that the model can be scored by itself.
"""

from __future__ import annotations

import numpy as np
import torch

from nodes.starter.networks import Bundle, alphas_cumprod, predict, to_pixels, token_ids
from nodes.starter.scenes import Pixels


@torch.inference_mode()
def draw_prompts(
    bundle: Bundle, prompts: list[str], *, seed: int = 0, steps: int = 20, cfg: float = 4.0, negative: str = ""
) -> Pixels:
    """One picture per prompt: [N, 128, 128, 3] RGB. DDIM without noise over the v-prediction.

    Each prompt has its own noise, made on the CPU from seed + its index.
    """
    alpha = alphas_cumprod()
    times = np.linspace(999, 0, steps).round().astype(int)
    hidden = bundle.text(input_ids=token_ids(bundle.tokenizer, [*prompts, *[negative] * len(prompts)]))
    context = hidden.last_hidden_state
    noise = [torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(seed + i)) for i in range(len(prompts))]
    x = torch.cat(noise)
    for i, t in enumerate(times):
        a = float(alpha[t])
        asked, plain = predict(bundle.unet, torch.cat([x, x]), torch.tensor(int(t)), context).chunk(2)
        v = plain + cfg * (asked - plain)
        x0 = a**0.5 * x - (1 - a) ** 0.5 * v
        eps = (1 - a) ** 0.5 * x + a**0.5 * v
        b = float(alpha[times[i + 1]]) if i + 1 < steps else 1.0
        x = b**0.5 * x0 + (1 - b) ** 0.5 * eps
    return decode(bundle, x)


@torch.inference_mode()
def decode(bundle: Bundle, latents: torch.Tensor) -> Pixels:
    """Pictures of latents [N, 4, 16, 16]."""
    pixels = to_pixels(bundle.vae, latents / bundle.vae.config["scaling_factor"])
    return pixels.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def grid(pictures: Pixels, columns: int) -> Pixels:
    """The pictures side by side in rows, with thin lines between; the last row is filled with white."""
    framed = np.pad(pictures, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255)
    lacking = -len(framed) % columns
    framed = np.concatenate([framed, np.full((lacking, *framed.shape[1:]), 255, np.uint8)])
    rows = [np.concatenate(list(framed[i : i + columns]), axis=1) for i in range(0, len(framed), columns)]
    return np.concatenate(rows, axis=0)
