"""Both picture worlds as the training sees them: drawings of one size with a caption each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nodes.starter.captions import caption
from nodes.starter.landscape_captions import landscape_caption
from nodes.starter.landscapes import Landscape, random_landscape
from nodes.starter.painting import paint
from nodes.starter.scenes import SIZE, Pixels, Scene, draw, hard, random_scene, random_three

TALL, WIDE = (SIZE, SIZE * 3 // 2), (SIZE * 3 // 2, SIZE)
"""Width and height of the pictures that are not square."""
_OTHER_SIZES = 0.2
_LANDSCAPES = 0.5
_THREE = 0.2


@dataclass(frozen=True)
class Batch:
    """Drawings of one size [B, H, W, 3] and what one might type to get each."""

    pictures: Pixels
    captions: tuple[str, ...]


def random_size(rng: np.random.Generator) -> tuple[int, int]:
    """Width and height for a batch: most are square."""
    chance = rng.random()
    return TALL if chance < _OTHER_SIZES / 2 else WIDE if chance < _OTHER_SIZES else (SIZE, SIZE)


def drawings(
    rng: np.random.Generator, count: int, size: tuple[int, int] = (SIZE, SIZE), *, lone: bool = False
) -> Batch:
    """Fresh drawings for training, half shapes and half landscapes; `lone`: shapes one at a time and nothing else."""
    views = [random_scene(rng, most_things=1) if lone else random_view(rng) for _ in range(count)]
    pictures = np.stack([draw_view(view, *size) for view in views])
    return Batch(pictures, tuple(_caption(rng, view) for view in views))


def draw_view(view: Scene | Landscape, width: int = SIZE, height: int = SIZE, enlarged: int = 1) -> Pixels:
    """The picture of either world's description; `enlarged`: the same with so many times the pixels on each side."""
    if isinstance(view, Landscape):
        return paint(view, width, height, enlarged)
    return draw(view, width, height, enlarged)


def random_view(rng: np.random.Generator) -> Scene | Landscape:
    """Something of either world for training."""
    if rng.random() < _LANDSCAPES:
        return random_landscape(rng)
    if rng.random() < _THREE:
        return random_three(rng)
    scene = random_scene(rng)
    # Colors that are near their background are learnt last; they are drawn more often.
    return scene if hard(scene) or rng.random() < 0.6 else random_scene(rng)


def _caption(rng: np.random.Generator, view: Scene | Landscape) -> str:
    return landscape_caption(rng, view) if isinstance(view, Landscape) else caption(rng, view)
