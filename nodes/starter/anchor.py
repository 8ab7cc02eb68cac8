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
from safetensors.numpy import load_file, save_file

from nodes.starter.scenes import Pixels
from nodes.starter.world import drawings

PATCH = 8
_FILE = "anchor.safetensors"


@dataclass(frozen=True)
class Anchor:
    """The mean patch [192] and the map from a patch to its latent [192, 4]."""

    mean: NDArray[np.float32]
    weights: NDArray[np.float32]

    def latents(self, pictures: Pixels) -> torch.Tensor:
        """Latents [B, 4, H / 8, W / 8] of pictures [B, H, W, 3]."""
        found = (_patches(pictures) - self.mean) @ self.weights
        return torch.from_numpy(np.ascontiguousarray(found.transpose(0, 3, 1, 2)))

    def colors(self) -> list[list[float]]:
        """What each latent channel adds to red, green and blue (in -1..1); last, what there is without any."""
        shown = np.linalg.pinv(self.weights).reshape(-1, PATCH * PATCH, 3).mean(1)
        plain = self.mean.reshape(1, -1, 3).mean(1)
        return [[round(float(value), 4) for value in row] for row in np.concatenate([shown, plain])]

    def save(self, folder: Path) -> None:
        """Write it beside the weights that were trained on it, for training to go on."""
        # The file takes bytes as they lie in memory, which for a transposed view is another matrix.
        arrays = {"mean": np.ascontiguousarray(self.mean), "weights": np.ascontiguousarray(self.weights)}
        save_file(arrays, folder / _FILE)

    @staticmethod
    def load(folder: Path) -> Anchor:
        """What `save` wrote there."""
        stored = load_file(folder / _FILE)
        return Anchor(stored["mean"], stored["weights"])


def fit(seed: int = 11, count: int = 1000) -> Anchor:
    """The anchor of this picture world, from `count` drawings."""
    rng = np.random.default_rng(seed)
    patches = _patches(drawings(rng, count).pictures).reshape(-1, PATCH * PATCH * 3)
    mean = patches.mean(0)
    variance, vectors = np.linalg.eigh(np.cov((patches - mean).T))
    main = np.argsort(variance)[::-1][:4]
    directions = vectors[:, main]
    directions = directions * np.sign(directions.sum(0))
    return Anchor(mean.astype(np.float32), (directions / np.sqrt(variance[main])).astype(np.float32))


def load_or_fit(folder: Path) -> Anchor:
    """The anchor in a folder; fitted and written there if it is absent."""
    if not (folder / _FILE).exists():
        fit().save(folder)
    return Anchor.load(folder)


def pixels(pictures: Pixels) -> torch.Tensor:
    """Pictures [B, H, W, 3] as [B, 3, H, W] in -1..1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def _patches(pictures: Pixels) -> NDArray[np.float32]:
    rows, columns = pictures.shape[1] // PATCH, pictures.shape[2] // PATCH
    cut = (pictures.astype(np.float32) / 127.5 - 1).reshape(-1, rows, PATCH, columns, PATCH, 3)
    return cut.transpose(0, 1, 3, 2, 4, 5).reshape(-1, rows, columns, PATCH * PATCH * 3)
