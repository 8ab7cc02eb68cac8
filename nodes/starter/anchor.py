"""Latents without a network: each 8x8 patch by its four main components, every one with variance 1.

They exist before any training and carry all three color axes. The autoencoder is pulled to them, so that the denoiser
can be trained on exact latents, and no channel of the autoencoder goes unused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nodes.starter.scenes import SIZE, Pixels, draw, random_scene

PATCH = 8
_SIDE = SIZE // PATCH


@dataclass(frozen=True)
class Anchor:
    """The mean patch [192] and the map from a patch to its latent [192, 4]."""

    mean: NDArray[np.float32]
    weights: NDArray[np.float32]

    def latents(self, pictures: Pixels) -> torch.Tensor:
        """Latents [B, 4, 16, 16] of pictures [B, 128, 128, 3]."""
        found = (_patches(pictures) - self.mean) @ self.weights
        return torch.from_numpy(np.ascontiguousarray(found.transpose(0, 3, 1, 2)))


def fit(seed: int = 11, count: int = 1000) -> Anchor:
    """The anchor of this picture world, from `count` drawings."""
    rng = np.random.default_rng(seed)
    patches = _patches(np.stack([draw(random_scene(rng)) for _ in range(count)])).reshape(-1, PATCH * PATCH * 3)
    mean = patches.mean(0)
    variance, vectors = np.linalg.eigh(np.cov((patches - mean).T))
    main = np.argsort(variance)[::-1][:4]
    directions = vectors[:, main]
    directions = directions * np.sign(directions.sum(0))
    return Anchor(mean.astype(np.float32), (directions / np.sqrt(variance[main])).astype(np.float32))


def load_or_fit(path: Path) -> Anchor:
    """The anchor in a file; fitted and written there if the file is absent."""
    if not path.exists():
        anchor = fit()
        np.savez(path, mean=anchor.mean, weights=anchor.weights)
    with np.load(path) as stored:
        return Anchor(stored["mean"], stored["weights"])


def pixels(pictures: Pixels) -> torch.Tensor:
    """Pictures [B, H, W, 3] as [B, 3, H, W] in -1..1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def _patches(pictures: Pixels) -> NDArray[np.float32]:
    cut = (pictures.astype(np.float32) / 127.5 - 1).reshape(-1, _SIDE, PATCH, _SIDE, PATCH, 3)
    return cut.transpose(0, 1, 3, 2, 4, 5).reshape(-1, _SIDE, _SIDE, PATCH * PATCH * 3)
