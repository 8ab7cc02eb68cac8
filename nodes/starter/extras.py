"""What the small companion models know beyond the base model's worlds: a style, a shape, edges."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from nodes.starter.scenes import Pixels, Rgb, Scene, random_scene

STYLE_WORDS = "blueprint style"
NEW_SHAPE = "heart"
PAPER: Rgb = (30, 70, 155)
_RULED: Rgb = (52, 96, 180)
_INK: Rgb = (226, 240, 255)
_CELL = 8


def blueprint(picture: Pixels) -> Pixels:
    """A picture [H, W, 3] as a drawing in light lines on ruled blue paper."""
    paper = np.empty(picture.shape, np.float32)
    paper[:] = PAPER
    paper[::_CELL] = _RULED
    paper[:, ::_CELL] = _RULED
    lines = cv2.dilate(edges(picture), np.ones((2, 2), np.uint8))
    share = cv2.GaussianBlur(lines.astype(np.float32) / 255, (0, 0), 0.6)[..., None].clip(0, 0.75) / 0.75
    return np.asarray(paper * (1 - share) + np.array(_INK, np.float32) * share, np.uint8)


def edges(picture: Pixels, low: float = 60, high: float = 140) -> NDArray[np.uint8]:
    """Canny's edges of a picture's strongest color channel, 0 or 255: [H, W]."""
    found = [cv2.Canny(np.ascontiguousarray(picture[..., channel]), low, high) for channel in range(3)]
    return np.asarray(np.max(found, axis=0), np.uint8)


def random_heart(rng: np.random.Generator, *, held: bool = False) -> Scene:
    """A scene of which the first thing is the new shape."""
    scene = random_scene(rng, held=held)
    first, *others = scene.things
    return replace(scene, things=(replace(first, shape=NEW_SHAPE), *others))
