"""The first picture world: one to three flat shapes on a plain background, drawn in about a millisecond.

A `Scene` says exactly what is drawn; its `facts` say what a prompt asks for and a checker can see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 128
"""Width and height of a picture in pixels."""

Rgb = tuple[int, int, int]
Pixels = NDArray[np.uint8]

COLORS: Mapping[str, Rgb] = {
    "red": (214, 48, 49),
    "orange": (245, 139, 32),
    "yellow": (250, 214, 52),
    "green": (58, 165, 80),
    "blue": (50, 100, 220),
    "purple": (130, 70, 180),
    "pink": (246, 140, 190),
    "white": (250, 250, 250),
    "black": (28, 28, 32),
    "brown": (125, 78, 44),
}
BACKGROUNDS: Mapping[str, Rgb] = {
    **{name: rgb for name, rgb in COLORS.items() if name not in ("orange", "brown")},
    "gray": (150, 152, 158),
}
SHAPES = ("circle", "square", "triangle", "star", "ring", "cross")
CENTER = "in the center"
PLACES: Mapping[str, tuple[int, int]] = {
    CENTER: (64, 64),
    "on the left": (34, 64),
    "on the right": (94, 64),
    "at the top": (64, 34),
    "at the bottom": (64, 94),
    "in the top left corner": (34, 34),
    "in the top right corner": (94, 34),
    "in the bottom left corner": (34, 94),
    "in the bottom right corner": (94, 94),
}
RELATIONS = ("above", "below", "left", "right")
"""Where the first of two things is, seen from the second."""
THREE: Mapping[str, tuple[str, str, str]] = {
    "row": ("on the left", CENTER, "on the right"),
    "column": ("at the top", CENTER, "at the bottom"),
}
"""How three things stand, with the place of each."""

_TOO_ALIKE = tuple(
    frozenset(pair)
    for pair in (
        ("white", "yellow"), ("gray", "white"), ("purple", "black"), ("brown", "black"),
        ("pink", "purple"), ("red", "orange"), ("red", "brown"), ("orange", "brown"),
    )
)  # fmt: skip
_RADIUS: Mapping[str, float] = {"small": 16, "": 26, "large": 40}
_BIGGEST_OFF_CENTER = 32.0
_HARD_TO_TELL = 130.0
"""RGB distance from the background under which a color is hard to draw."""
_SUPERSAMPLING = 2
_FRACTION_BITS = 4
T = TypeVar("T")


@dataclass(frozen=True)
class Thing:
    """One drawn shape; x, y is its middle and r its radius, in pixels."""

    shape: str
    color: str
    x: float
    y: float
    r: float


@dataclass(frozen=True)
class Asked:
    """What a prompt says of one thing; None where it says nothing."""

    color: str | None = None
    shape: str | None = None
    place: str | None = None


@dataclass(frozen=True)
class Facts:
    """What a prompt says of a whole picture; `relation` is the first thing's place seen from the second."""

    background: str | None
    things: tuple[Asked, ...] = ()
    relation: str | None = None


@dataclass(frozen=True)
class Scene:
    """Everything that is drawn. `place` and `size` are the words for a lone thing, `relation` is for two or three."""

    background: str
    things: tuple[Thing, ...]
    relation: str = ""
    place: str = ""
    size: str = ""

    @property
    def facts(self) -> Facts:
        """What a full caption of this picture states."""
        places = THREE.get(self.relation, (self.place or None,) * len(self.things))
        asked = tuple(Asked(thing.color, thing.shape, place) for thing, place in zip(self.things, places, strict=True))
        return Facts(self.background, asked, self.relation if self.relation in RELATIONS else None)


def held_out(color: str, shape: str, background: str) -> bool:
    """Whether this combination is kept from training: about one in ten, by a hash."""
    return hashlib.sha256(f"{color} {shape} {background}".encode()).digest()[0] % 10 == 0


def contrasts(color: str, background: str) -> bool:
    """Whether a thing of this color can be told from this background."""
    return color != background and frozenset((color, background)) not in _TOO_ALIKE


def random_scene(rng: np.random.Generator, *, held: bool = False, most_things: int = 2) -> Scene:
    """A scene whose combinations are all for training, or (`held`) all held out of it."""
    while True:
        background = pick(rng, tuple(BACKGROUNDS))
        lone = most_things == 1 or rng.random() < 0.5
        scene = _lone(rng, background, held) if lone else _pair(rng, background, held)
        if scene is not None:
            return scene


def random_three(rng: np.random.Generator, *, held: bool = False) -> Scene:
    """A scene of three things in a row or a column, of combinations for training or (`held`) kept from it."""
    while True:
        background, relation = pick(rng, tuple(BACKGROUNDS)), pick(rng, tuple(THREE))
        scene = _three(rng, background, relation, held)
        if scene is not None:
            return scene


def hard(scene: Scene) -> bool:
    """Whether a thing's color is near its background's."""
    ground = np.array(BACKGROUNDS[scene.background], float)
    return any(np.linalg.norm(np.array(COLORS[thing.color]) - ground) < _HARD_TO_TELL for thing in scene.things)


def draw(scene: Scene, width: int = SIZE, height: int = SIZE, enlarged: int = 1) -> Pixels:
    """The picture of a scene: [height, width, 3] RGB. The same scene and size give the same bytes.

    In a picture that is not square things stand at the same share of the way across, as large as in a square one.
    `enlarged` gives the same picture with so many times the pixels on each side.
    """
    k = max(_SUPERSAMPLING, enlarged)
    canvas = np.empty((height * k, width * k, 3), np.uint8)
    canvas[:] = BACKGROUNDS[scene.background]
    for thing in scene.things:
        _draw_thing(canvas, replace(thing, x=thing.x * width / SIZE, y=thing.y * height / SIZE), k)
    size = width * enlarged, height * enlarged
    return np.asarray(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA), np.uint8)


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """One of the choices, each as likely as the next."""
    return choices[int(rng.integers(len(choices)))]


def outline(shape: str) -> NDArray[np.float64]:
    """Corners of a shape with straight sides, around 0, 0 with radius 1. Raises KeyError for a round one."""
    return _OUTLINES[shape]


def _lone(rng: np.random.Generator, background: str, held: bool) -> Scene | None:
    place = pick(rng, tuple(PLACES)) if rng.random() < 0.7 else CENTER
    size = pick(rng, ("", "small", "large", ""))
    r = _RADIUS[size] * rng.uniform(0.92, 1.08)
    if place != CENTER:
        r = min(r, _BIGGEST_OFF_CENTER)
    x, y = (float(np.clip(at + rng.uniform(-4, 4), r + 3, SIZE - 3 - r)) for at in PLACES[place])
    shape = pick(rng, SHAPES)
    color = _color(rng, shape, background, held)
    if color is None:
        return None
    return Scene(background, (Thing(shape, color, x, y, float(r)),), place=place, size=size)


def _pair(rng: np.random.Generator, background: str, held: bool) -> Scene | None:
    relation = pick(rng, RELATIONS)
    shapes = pick(rng, SHAPES), pick(rng, SHAPES)
    first = _color(rng, shapes[0], background, held)
    second = _color(rng, shapes[1], background, held, first)
    if first is None or second is None:
        return None
    r = rng.uniform(19, 25, 2)
    away = 31 + rng.uniform(-2, 3, 2)
    aside = 64 + rng.uniform(-5, 5, 2)
    before, after = (64 - away[0], aside[0]), (64 + away[1], aside[1])
    if relation in ("above", "below"):
        before, after = before[::-1], after[::-1]
    if relation in ("below", "right"):
        before, after = after, before
    things = (
        Thing(shapes[0], first, float(before[0]), float(before[1]), float(r[0])),
        Thing(shapes[1], second, float(after[0]), float(after[1]), float(r[1])),
    )
    return Scene(background, things, relation=relation)


def _three(rng: np.random.Generator, background: str, relation: str, held: bool) -> Scene | None:
    things: list[Thing] = []
    for i in range(3):
        shape = pick(rng, SHAPES)
        color = _color(rng, shape, background, held, *(thing.color for thing in things))
        if color is None:
            return None
        along, across = 25 + 39 * i + rng.uniform(-2, 2), 64 + rng.uniform(-4, 4)
        x, y = (along, across) if relation == "row" else (across, along)
        things.append(Thing(shape, color, float(x), float(y), float(rng.uniform(14, 16.5))))
    return Scene(background, tuple(things), relation=relation)


def _color(rng: np.random.Generator, shape: str, background: str, held: bool, *taken: str | None) -> str | None:
    fitting = tuple(
        color
        for color in COLORS
        if color not in taken and contrasts(color, background) and held_out(color, shape, background) == held
    )
    return pick(rng, fitting) if fitting else None


def _draw_thing(canvas: Pixels, thing: Thing, k: int) -> None:
    color, one = COLORS[thing.color], 1 << _FRACTION_BITS
    x, y, r = thing.x * k, thing.y * k, thing.r * k
    middle = round(x * one), round(y * one)
    if thing.shape == "circle":
        cv2.circle(canvas, middle, round(r * one), color, -1, cv2.LINE_AA, _FRACTION_BITS)
    elif thing.shape == "ring":
        cv2.circle(canvas, middle, round(0.78 * r * one), color, round(0.42 * r), cv2.LINE_AA, _FRACTION_BITS)
    else:
        corners = np.round((outline(thing.shape) * r + (x, y)) * one).astype(np.int32)
        cv2.fillPoly(canvas, [corners], color, cv2.LINE_AA, _FRACTION_BITS)


def _star() -> NDArray[np.float64]:
    angle = np.arange(10) * np.pi / 5
    radius = 1.08 * np.where(np.arange(10) % 2 == 0, 1.0, 0.42)
    return np.stack([radius * np.sin(angle), -radius * np.cos(angle)], axis=1)


def _cross(w: float = 0.34) -> NDArray[np.float64]:
    quarter = np.array([(w, -1), (w, -w), (1, -w)])
    turn = np.array([[0, 1], [-1, 0]])
    return np.concatenate([quarter @ np.linalg.matrix_power(turn, i) for i in range(4)])


def _heart() -> NDArray[np.float64]:
    """The curve with parameter t that most draw as a heart, fitted to radius 1."""
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x / 16.5, -(y + 2.5) / 15], axis=1)


_OUTLINES: Mapping[str, NDArray[np.float64]] = {
    "square": np.array([(-0.84, -0.84), (0.84, -0.84), (0.84, 0.84), (-0.84, 0.84)]),
    "triangle": np.array([(0, -1), (1, 0.8), (-1, 0.8)]),
    "star": _star(),
    "cross": _cross(),
    "heart": _heart(),
}
