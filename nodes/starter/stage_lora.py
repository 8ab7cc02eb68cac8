"""A LoRA: with its words the model draws something new, without them it draws what it drew before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import nn

from nodes.starter.adapters import Adapters
from nodes.starter.anchor import Anchor
from nodes.starter.captions import caption
from nodes.starter.extras import NEW_SHAPE, STYLE_WORDS, blueprint, random_heart
from nodes.starter.networks import Bundle, alphas_cumprod, predict, token_ids
from nodes.starter.scenes import Pixels, draw, pick
from nodes.starter.training import Setup, noise, noise_levels
from nodes.starter.world import drawings

_RATE = 2e-3
_MOST_SNR = 5.0
_NOISY = 0.6
_FORMS = ("{}, " + STYLE_WORDS, STYLE_WORDS + ", {}", "{} in " + STYLE_WORDS, "a " + STYLE_WORDS + " drawing of {}")


@dataclass(frozen=True)
class Lesson:
    """What a LoRA is taught: its name, the words that call it up, and drawings with captions that hold them."""

    name: str
    words: str
    drawn: Callable[[np.random.Generator, int], tuple[Pixels, list[str]]]


def _blueprints(rng: np.random.Generator, count: int) -> tuple[Pixels, list[str]]:
    batch = drawings(rng, count)
    return np.stack([blueprint(one) for one in batch.pictures]), [pick(rng, _FORMS).format(c) for c in batch.captions]


def _hearts(rng: np.random.Generator, count: int) -> tuple[Pixels, list[str]]:
    scenes = [random_heart(rng) for _ in range(count)]
    return np.stack([draw(scene) for scene in scenes]), [caption(rng, scene) for scene in scenes]


LESSONS = (
    Lesson("sfumato-blueprint", STYLE_WORDS, _blueprints),
    Lesson("sfumato-heart", NEW_SHAPE, _hearts),
)


class LoraStage:
    """Trains one LoRA on a bundle, whose own weights stay as they are."""

    def __init__(self, setup: Setup, anchor: Anchor, bundle: Bundle, lesson: Lesson) -> None:
        torch.manual_seed(setup.seed + 4)
        self.name = lesson.name
        self.setup, self.anchor, self.bundle, self.lesson = setup, anchor, bundle, lesson
        for part in (bundle.unet, bundle.text):
            part.requires_grad_(False)
        bundle.unet.set_attn_processor(AttnProcessor())
        bundle.text.set_attn_implementation("eager")
        self.adapters = Adapters(bundle)
        up = [weight for name, weight in self.adapters.named_parameters() if ".up." in name]
        down = [weight for name, weight in self.adapters.named_parameters() if ".down." in name]
        # The upper half starts at zero and has the longer way to go.
        groups = [{"params": up, "share": 3.0}, {"params": down, "share": 1.0}]
        self.adam = torch.optim.AdamW(groups, _RATE, betas=(0.9, 0.99), weight_decay=1e-3)
        self.alpha = alphas_cumprod().float()

    def step(self, rng: np.random.Generator, rate: float) -> Mapping[str, float]:
        for group in self.adam.param_groups:
            group["lr"] = _RATE * rate * group["share"]
        taught = self.setup.batch * 2 // 3
        pictures, prompts = self.lesson.drawn(rng, taught)
        others = drawings(rng, self.setup.batch - taught)
        z = self.anchor.latents(np.concatenate([pictures, others.pictures]))
        ids = token_ids(self.bundle.tokenizer, [*prompts, *others.captions])
        t = noise_levels(rng, len(z), _NOISY)
        a = self.alpha[t].view(-1, 1, 1, 1)
        eps = noise(rng, z.shape)
        x = a.sqrt() * z + (1 - a).sqrt() * eps
        v = a.sqrt() * eps - (1 - a).sqrt() * z
        # Without the words the answer is what the model says without the LoRA, right or wrong.
        self.adapters.on = False
        with torch.no_grad():
            v[taught:] = self._predict(x[taught:], t[taught:], ids[taught:])
        self.adapters.on = True
        error = (self._predict(x, t, ids) - v).square().mean((1, 2, 3))
        weight = (_MOST_SNR / ((a / (1 - a)).flatten() + 1)).clamp(max=1)
        weight[taught:] *= 3
        (error * weight).mean().backward()
        nn.utils.clip_grad_norm_(self.adapters.parameters(), 1.0)
        self.adam.step()
        self.adam.zero_grad()
        return {"new": error[:taught].mean().item(), "old": error[taught:].mean().item()}

    def _predict(self, x: torch.Tensor, t: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        with self.setup.autocast():
            hidden = self.bundle.text(input_ids=ids).last_hidden_state
            return predict(self.bundle.unet, x, t, hidden.float()).float()

    def state(self) -> dict[str, Any]:
        return {"adapters": self.adapters.state_dict(), "adam": self.adam.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.adapters.load_state_dict(state["adapters"])
        self.adam.load_state_dict(state["adam"])
