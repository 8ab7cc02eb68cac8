"""Pictures from prompts with the bundled model alone: a deterministic sampler of two dozen lines.

The product draws through its own samplers; this one exists so that the model can be scored by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray

from nodes.starter.anchor import PATCH, pixels
from nodes.starter.networks import Bundle, alphas_cumprod, predict, to_latents, to_pixels, token_ids
from nodes.starter.scenes import SIZE, Pixels

if TYPE_CHECKING:
    from diffusers.models.controlnets.controlnet import ControlNetModel


@dataclass(frozen=True)
class Start:
    """Pictures to begin from, and how far to go from them (0..1); where a mask [h, w] of latents is, only there."""

    pictures: Pixels
    strength: float = 1.0
    mask: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Steering:
    """A ControlNet and the hints [B, 3, H, W] that it is given."""

    control: ControlNetModel
    hints: torch.Tensor


@torch.inference_mode()
def draw_prompts(
    bundle: Bundle,
    prompts: list[str],
    *,
    seed: int = 0,
    steps: int = 20,
    cfg: float = 4.0,
    negative: str = "",
    size: tuple[int, int] = (SIZE, SIZE),
    start: Start | None = None,
    steering: Steering | None = None,
) -> Pixels:
    """One picture per prompt: [N, height, width, 3] RGB of size (width, height). DDIM without noise over v.

    Each prompt has its own noise, made on the CPU from seed + its index.
    """
    alpha = alphas_cumprod()
    times = np.linspace(999, 0, steps).round().astype(int)
    hidden = bundle.text(input_ids=token_ids(bundle.tokenizer, [*prompts, *[negative] * len(prompts)]))
    shape = 1, 4, size[1] // PATCH, size[0] // PATCH
    noise = torch.cat(
        [torch.randn(shape, generator=torch.Generator().manual_seed(seed + i)) for i in range(len(prompts))]
    )
    known = to_latents(bundle.vae, pixels(start.pictures)).mean if start else noise
    first = round((1 - start.strength) * steps) if start else 0
    x = _noised(known, noise, float(alpha[times[first]])) if start and start.strength < 1 else noise
    for i in range(first, steps):
        a, b = float(alpha[times[i]]), float(alpha[times[i + 1]]) if i + 1 < steps else 1.0
        asked, plain = _predicted(bundle, x, int(times[i]), hidden.last_hidden_state, steering).chunk(2)
        v = plain + cfg * (asked - plain)
        x0 = a**0.5 * x - (1 - a) ** 0.5 * v
        eps = (1 - a) ** 0.5 * x + a**0.5 * v
        x = _noised(x0, eps, b)
        if start and start.mask is not None:
            x = torch.where(torch.from_numpy(start.mask), x, _noised(known, noise, b))
    return decode(bundle, x)


def _noised(clean: torch.Tensor, noise: torch.Tensor, a: float) -> torch.Tensor:
    return a**0.5 * clean + (1 - a) ** 0.5 * noise


def _predicted(
    bundle: Bundle, x: torch.Tensor, t: int, context: torch.Tensor, steering: Steering | None
) -> torch.Tensor:
    """v with the prompts, then without."""
    twice, time = torch.cat([x, x]), torch.tensor(t)
    if steering is None:
        return predict(bundle.unet, twice, time, context)
    both = Steering(steering.control, torch.cat([steering.hints] * 2))
    return predict_controlled(bundle, both, twice, time, context)


def predict_controlled(
    bundle: Bundle, steering: Steering, x: torch.Tensor, t: torch.Tensor, context: torch.Tensor
) -> torch.Tensor:
    """The denoiser's v for noisy latents under a ControlNet."""
    down, middle = steering.control(x, t, context, steering.hints, return_dict=False)
    steered = bundle.unet(
        x, t, context, down_block_additional_residuals=down, mid_block_additional_residual=middle, return_dict=False
    )
    return cast("torch.Tensor", steered[0])


@torch.inference_mode()
def decode(bundle: Bundle, latents: torch.Tensor) -> Pixels:
    """Pictures of latents [N, 4, h, w]."""
    drawn = to_pixels(bundle.vae, latents / bundle.vae.config["scaling_factor"])
    return as_bytes(drawn)


@torch.inference_mode()
def through_vae(bundle: Bundle, pictures: Pixels) -> Pixels:
    """Pictures after encoding and decoding."""
    return decode(bundle, to_latents(bundle.vae, pixels(pictures)).mean * bundle.vae.config["scaling_factor"])


def as_bytes(drawn: torch.Tensor) -> Pixels:
    """[N, 3, H, W] in -1..1 as RGB [N, H, W, 3]."""
    return drawn.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def grid(pictures: Pixels, columns: int) -> Pixels:
    """The pictures side by side in rows, with thin lines between; the last row is filled with white."""
    framed = np.pad(pictures, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255)
    lacking = -len(framed) % columns
    framed = np.concatenate([framed, np.full((lacking, *framed.shape[1:]), 255, np.uint8)])
    rows = [np.concatenate(list(framed[i : i + columns]), axis=1) for i in range(0, len(framed), columns)]
    return np.concatenate(rows, axis=0)
