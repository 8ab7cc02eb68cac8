"""How every stage trains: step by step from a checkpoint, so that it can stop and go on at any moment.

A step's randomness depends on the seed, the stage and the step's number alone; stopped and resumed or not, the weights
come out the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn


@dataclass(frozen=True)
class Setup:
    """What all stages share."""

    work: Path
    device: torch.device
    seed: int = 0
    batch: int = 48
    bfloat16: bool = True

    def autocast(self) -> torch.autocast:
        """bfloat16 where it pays: in convolutions and linear layers."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)


class Stage(Protocol):
    """Something that is trained in steps."""

    name: str

    def step(self, rng: np.random.Generator, rate: float) -> Mapping[str, float]:
        """Train one step at this share (0..1) of the full learning rate; give back figures to watch."""
        ...

    def state(self) -> dict[str, Any]:
        """All that `restore` needs."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Become what `state` was taken from."""
        ...


def run(stage: Stage, setup: Setup, steps: int, *, save_every: int = 200, stop_at: int | None = None) -> None:
    """Train a stage up to `steps`, from its checkpoint if there is one. `stop_at` ends early, as a kill would."""
    path = setup.work / f"{stage.name}.pt"
    done = 0
    if path.exists():
        stored = torch.load(path, map_location=setup.device, weights_only=True)
        stage.restore(stored["state"])
        done = stored["done"]
    watched: dict[str, float] = {}
    started, begun = time.monotonic(), done
    last = min(steps, stop_at) if stop_at is not None else steps
    while done < last:
        rng = np.random.default_rng([setup.seed, *stage.name.encode(), done])
        for key, value in stage.step(rng, learning_rate(done, steps)).items():
            watched[key] = 0.97 * watched.get(key, value) + 0.03 * value
        done += 1
        if done % 50 == 0:
            speed = (done - begun) / (time.monotonic() - started)
            figures = "  ".join(f"{key} {value:.4f}" for key, value in watched.items())
            print(f"{stage.name} {done}/{steps}  {figures}  {speed:.2f} steps/s", flush=True)
        if done % save_every == 0 or done == last:
            save({"state": stage.state(), "done": done}, path)


def noise(rng: np.random.Generator, shape: Sequence[int]) -> torch.Tensor:
    """Normal noise from the step's own generator: torch's is shared with whatever else runs in the process."""
    return torch.from_numpy(rng.standard_normal(tuple(shape), np.float32))


def noise_levels(rng: np.random.Generator, count: int, noisy: float) -> torch.Tensor:
    """Timesteps in 0..999; so large a share (0..1) of the noisy ones, from 600 on, where the picture is decided."""
    even, high = rng.integers(0, 1000, count), rng.integers(600, 1000, count)
    return torch.from_numpy(np.where(rng.random(count) < noisy, high, even))


def save(value: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint so that it is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".tmp")
    torch.save(dict(value), fresh)
    os.replace(fresh, path)


def learning_rate(step: int, steps: int, warm_up: int = 60, falling: float = 0.35) -> float:
    """The share of the full rate: up over the warm-up, level, and down over the last third."""
    return min(1.0, (step + 1) / warm_up, 0.02 + (steps - step) / (steps * falling))


class Average:
    """A running mean of parameters, which draws better than the parameters of any one step."""

    def __init__(self, module: nn.Module, slowest: float = 0.9985) -> None:
        self.values = [parameter.detach().clone() for parameter in module.parameters()]
        self.slowest = slowest
        self.count = 0

    def update(self, module: nn.Module) -> None:
        """Take one step's parameters in."""
        keep = min(self.slowest, (1 + self.count) / (20 + self.count))
        for value, parameter in zip(self.values, module.parameters(), strict=True):
            value.lerp_(parameter.detach(), 1 - keep)
        self.count += 1

    def put_into(self, module: nn.Module) -> None:
        """Give a module of the same build the mean parameters."""
        with torch.no_grad():
            for parameter, value in zip(module.parameters(), self.values, strict=True):
                parameter.copy_(value)


class Muon:
    """Momentum whose matrix is made orthogonal before it is applied, so that no direction lags behind.

    Jordan et al. 2024. For weights of two or more axes; a convolution counts as a matrix of outputs by inputs. The
    scale gives updates the root mean square that AdamW's have, after Liu et al. 2025 (arXiv:2502.16982).
    """

    def __init__(self, weights: Iterable[nn.Parameter], rate: float, momentum: float = 0.95) -> None:
        self.weights = list(weights)
        self.rate = rate
        self.momentum = momentum
        self.means = [torch.zeros_like(weight) for weight in self.weights]

    @torch.no_grad()
    def step(self, share: float) -> None:
        """Apply the gradients at this share of the full rate."""
        rate = self.rate * share
        for weight, mean in zip(self.weights, self.means, strict=True):
            if weight.grad is None:
                continue
            mean.lerp_(weight.grad, 1 - self.momentum)
            update = _orthogonal(weight.grad.lerp(mean, self.momentum).flatten(1))
            scale = 0.2 * max(update.shape) ** 0.5
            weight.mul_(1 - 0.01 * rate).add_(update.view_as(weight), alpha=-rate * scale)


def _orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The nearest matrix with singular values near 1, by five Newton-Schulz steps."""
    tall = matrix.size(0) > matrix.size(1)
    x = (matrix.T if tall else matrix).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return (x.T if tall else x).float()
