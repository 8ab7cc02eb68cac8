"""What a picture shows, found by image analysis: the background, and each thing's color, shape and place.

It needs no network and no torch, so any test may ask what a picture means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from nodes.starter.scenes import (
    BACKGROUNDS,
    COLORS,
    PLACES,
    SHAPES,
    SIZE,
    Asked,
    Facts,
    Pixels,
    Rgb,
    Scene,
    Thing,
    draw,
)

SHAPES_AND_NEW = (*SHAPES, "heart")
_FRAME = 4
"""Width of the border in which only background is expected, in pixels of a 128-pixel picture."""
_APART = 48.0
"""RGB distance from the background that makes a pixel part of a thing."""
_SMALLEST = 90
"""Fewer pixels than this are noise, not a thing; the smallest thing that is drawn has about 280."""
_TEMPLATE = 48
_ROUNDINGS = (0.0, 3.0, 6.0)
"""Blurs, in pixels at a radius of 40, that round a template's corners."""
_NEAR = 15.0
"""How far, in pixels, a thing may be from the middle of a place and still be there."""


@dataclass(frozen=True)
class SeenThing:
    """A thing that was found: its middle and the share of its template it covers (0..1)."""

    color: str
    shape: str
    x: float
    y: float
    area: int
    fit: float


@dataclass(frozen=True)
class Seen:
    """What was found, the largest thing first."""

    background: str
    things: tuple[SeenThing, ...]


@dataclass(frozen=True)
class Scores:
    """Which of the asked facts a picture shows. A fact that was not asked for counts as shown."""

    background: bool
    count: bool
    color: bool
    shape: bool
    place: bool

    @property
    def everything(self) -> bool:
        """Whether all of it is shown."""
        return self.background and self.count and self.color and self.shape and self.place


def describe(image: Pixels, shapes: Sequence[str] = SHAPES) -> Seen:
    """What an RGB picture [H, W, 3] shows, whatever its size; a thing is called by one of the given shapes."""
    if image.shape[:2] != (SIZE, SIZE):
        image = np.asarray(cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)
    ground = _border_color(image)
    apart = np.linalg.norm(image.astype(np.float32) - ground, axis=2) > _APART
    return Seen(_nearest(ground, BACKGROUNDS), _things(image, apart, tuple(shapes)))


def matches(seen: Seen, facts: Facts) -> Scores:
    """Which of the facts hold in what was seen: things are paired in the way that shows most of them."""
    background = facts.background is None or seen.background == facts.background
    count = len(facts.things) == len(seen.things)
    pairings = _pairings(seen, len(facts.things))
    if not pairings:
        lacking = not facts.things
        return Scores(background, count, lacking, lacking, lacking)
    best = max((_facts_shown(pairing, facts) for pairing in pairings), key=lambda shown: (sum(shown), shown))
    return Scores(background, count, *best)


def facts_of(background: str | None, *things: Asked, relation: str | None = None) -> Facts:
    """Facts written by hand: facts_of("white", Asked("red", "circle", "on the left"))."""
    return Facts(background, things, relation)


def _border_color(image: Pixels) -> NDArray[np.float32]:
    frame = np.ones(image.shape[:2], bool)
    frame[_FRAME:-_FRAME, _FRAME:-_FRAME] = False
    return np.median(image[frame], axis=0).astype(np.float32)


def _nearest(color: NDArray[np.float32], palette: Mapping[str, Rgb]) -> str:
    return min(palette, key=lambda name: float(np.linalg.norm(color - np.array(palette[name], np.float32))))


def _things(image: Pixels, apart: NDArray[np.bool_], shapes: tuple[str, ...]) -> tuple[SeenThing, ...]:
    mask = cv2.morphologyEx(apart.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    found = [
        _thing(image, np.asarray(labels == label), stats[label], shapes)
        for label in range(1, count)
        if stats[label][cv2.CC_STAT_AREA] >= _SMALLEST
    ]
    return tuple(sorted(found, key=lambda thing: -thing.area))


def _thing(image: Pixels, mask: NDArray[np.bool_], stats: NDArray[np.int32], shapes: tuple[str, ...]) -> SeenThing:
    x, y, width, height, area = (int(value) for value in stats)
    inner = cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    color = np.median(image[inner if inner.sum() > 20 else mask], axis=0).astype(np.float32)
    cut = _normal(mask[y : y + height, x : x + width])
    fits = {shape: max(_overlap(cut, one) for one in templates) for shape, templates in _templates(shapes).items()}
    shape = max(fits, key=lambda name: fits[name])
    return SeenThing(_nearest(color, COLORS), shape, x + width / 2, y + height / 2, area, fits[shape])


def _normal(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask stretched to the size of a template."""
    grown = cv2.resize(mask.astype(np.float32), (_TEMPLATE, _TEMPLATE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown > 0.5)


@cache
def _templates(shapes: tuple[str, ...]) -> Mapping[str, tuple[NDArray[np.bool_], ...]]:
    """Masks of each shape: sharp, and with corners ever more rounded, as a person would still call it."""
    return {shape: tuple(_template(shape, blur) for blur in _ROUNDINGS) for shape in shapes}


def _template(shape: str, blur: float) -> NDArray[np.bool_]:
    picture = draw(Scene("white", (Thing(shape, "black", 64, 64, 40),)))[..., 0]
    mask = np.asarray((cv2.GaussianBlur(picture, (0, 0), blur) if blur else picture) < 140)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return _normal(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def _pairings(seen: Seen, wanted: int) -> list[tuple[SeenThing, ...]]:
    """Every way to take as many seen things as are wanted, in order; only the largest few are considered."""
    chosen: list[tuple[SeenThing, ...]] = [()]
    for _ in range(wanted):
        chosen = [(*taken, thing) for taken in chosen for thing in seen.things[: wanted + 1] if thing not in taken]
    return [pairing for pairing in chosen if pairing]


def _facts_shown(pairing: tuple[SeenThing, ...], facts: Facts) -> tuple[bool, bool, bool]:
    pairs = tuple(zip(pairing, facts.things, strict=True))
    color = all(asked.color in (None, thing.color) for thing, asked in pairs)
    shape = all(asked.shape in (None, thing.shape) for thing, asked in pairs)
    place = all(asked.place is None or _is_at(thing, asked.place) for thing, asked in pairs)
    if facts.relation is not None:
        place = place and _relation(pairing[0], pairing[1]) == facts.relation
    return color, shape, place


def _is_at(thing: SeenThing, place: str) -> bool:
    x, y = PLACES[place]
    return max(abs(thing.x - x), abs(thing.y - y)) <= _NEAR


def _relation(first: SeenThing, second: SeenThing) -> str:
    dx, dy = first.x - second.x, first.y - second.y
    if abs(dx) > abs(dy):
        return "left" if dx < 0 else "right"
    return "above" if dy < 0 else "below"
