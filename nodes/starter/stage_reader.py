"""The reader of landscapes, trained on drawings: sharp, blurred, noisy, and with colors that are somewhat off.

python -m nodes.starter.stage_reader [--work DIR] [--steps N]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from nodes.starter.anchor import pixels
from nodes.starter.landscapes import LANDS, OBJECTS, Landscape, random_landscape
from nodes.starter.painting import paint
from nodes.starter.reader import Reader
from nodes.starter.scenes import Pixels
from nodes.starter.training import Setup, run
from nodes.starter.world import random_size

_RATE = 2e-3


class ReaderStage:
    """Trains the reader."""

    name = "reader"

    def __init__(self, setup: Setup) -> None:
        torch.manual_seed(setup.seed + 3)
        self.setup = setup
        self.reader = Reader().to(setup.device)
        self.adam = torch.optim.AdamW(self.reader.parameters(), _RATE, weight_decay=1e-2)

    def step(self, rng: np.random.Generator, rate: float) -> Mapping[str, float]:
        for group in self.adam.param_groups:
            group["lr"] = _RATE * rate
        views = [random_landscape(rng, held=rng.random() < 0.2) for _ in range(self.setup.batch)]
        size = random_size(rng)
        pictures = np.stack([_spoilt(rng, paint(view, *size)) for view in views])
        land = torch.tensor([LANDS.index(view.land) for view in views])
        there = torch.tensor([[float(view.has(name)) for name in OBJECTS] for view in views])
        with self.setup.autocast():
            logits = self.reader(pixels(pictures).to(self.setup.device)).float()
        lands = F.cross_entropy(logits[:, : len(LANDS)], land.to(logits.device))
        objects = F.binary_cross_entropy_with_logits(logits[:, len(LANDS) :], there.to(logits.device))
        (lands + 4 * objects).backward()
        self.adam.step()
        self.adam.zero_grad()
        return {"lands": lands.item(), "objects": objects.item()}

    def state(self) -> dict[str, Any]:
        return {"reader": self.reader.state_dict(), "adam": self.adam.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.reader.load_state_dict(state["reader"])
        self.adam.load_state_dict(state["adam"])


def wrong(reader: Reader, views: Sequence[Landscape]) -> float:
    """The share of landscapes of which the reader gets the land or any thing wrong."""
    x = pixels(np.stack([paint(view) for view in views]))
    with torch.inference_mode():
        logits = torch.cat([reader.eval()(part) for part in x.split(32)])
    lands = logits[:, : len(LANDS)].argmax(1)
    there = logits[:, len(LANDS) :] > 0
    right = [
        LANDS[int(land)] == view.land and all(bool(t) == view.has(name) for t, name in zip(row, OBJECTS, strict=True))
        for view, land, row in zip(views, lands, there, strict=True)
    ]
    return 1 - sum(right) / len(right)


def _spoilt(rng: np.random.Generator, picture: Pixels) -> Pixels:
    """A picture as a denoiser might draw it: softer, with noise, and colors a little off."""
    kind = rng.random()
    if kind < 0.3:
        return picture
    soft = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.6)).astype(np.float32)
    soft += rng.normal(0, rng.uniform(0, 5), picture.shape)
    soft = soft * rng.uniform(0.92, 1.08, 3) + rng.uniform(-8, 8, 3)
    return np.asarray(soft.clip(0, 255), np.uint8)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure on other drawings, save."""
    parser = argparse.ArgumentParser(prog="python -m nodes.starter.stage_reader", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache" / "sfumato-train")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=32)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    setup = Setup(asked.work, torch.device("cpu"), batch=asked.batch)
    stage = ReaderStage(setup)
    run(stage, setup, asked.steps)
    rng = np.random.default_rng(77)
    share = wrong(stage.reader, [random_landscape(rng, held=bool(i % 2)) for i in range(500)])
    print(f"of 500 other drawings {100 * share:.1f} % are misread")
    stage.reader.save()


if __name__ == "__main__":
    main()
