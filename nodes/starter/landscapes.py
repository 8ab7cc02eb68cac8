"""The other picture world: flat landscapes with a time of day, a land, and a few things in them.

A `Landscape` says exactly what is drawn; its `facts` say what a prompt asks for and a checker can see. Small things
(stars, windows, flowers) lie on the grid of the latents, so that a latent says all of one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nodes.starter.scenes import pick

TIMES = ("day", "sunset", "night", "dawn")
LANDS = ("sea", "hills", "mountains", "city", "desert", "forest", "snow")
OBJECTS = (
    "house", "tree", "boat", "lighthouse", "balloon", "cactus", "flowers", "sun", "moon", "stars", "clouds", "rainbow",
)  # fmt: skip
STANDING: Mapping[str, tuple[str, ...]] = {
    "sea": ("boat", "lighthouse"),
    "hills": ("house", "tree", "flowers"),
    "mountains": ("house", "tree", "flowers"),
    "city": (),
    "desert": ("cactus", "house"),
    "forest": ("house",),
    "snow": ("house", "tree"),
}
"""What can stand (or swim) in a land."""
SKY: Mapping[str, tuple[str, ...]] = {
    "day": ("sun", "clouds", "rainbow", "balloon"),
    "sunset": ("sun", "clouds", "balloon"),
    "night": ("moon", "stars", "balloon"),
    "dawn": ("sun", "clouds", "balloon"),
}
"""What can be in the sky at a time of day."""
COLORED: Mapping[str, tuple[str, ...]] = {
    "house": ("white", "red", "yellow", "blue"),
    "balloon": ("red", "yellow", "blue", "purple"),
    "boat": ("white", "red", "yellow"),
    "flowers": ("red", "yellow", "pink", "white"),
}
"""The colors that a thing may be asked in: walls, envelope, sail, petals."""
SIDES: Mapping[str, float] = {"on the left": 0.22, "in the middle": 0.5, "on the right": 0.78}
USUAL: Mapping[str, float] = {
    "house": 0.3, "tree": 0.72, "cactus": 0.74, "boat": 0.62, "lighthouse": 0.24,
    "sun": 0.76, "moon": 0.76, "balloon": 0.3,
}  # fmt: skip
"""Where a thing is whose side is not said: always there, or a denoiser would put half of one in each place."""
_APART = 0.25
_UNSAID = 0.6
_SPREAD = ("clouds", "stars", "flowers", "rainbow")
"""What lies across the picture and has no side."""


@dataclass(frozen=True)
class Item:
    """One thing in a landscape: its color, if it may have one, its middle as a share of the width, its said side."""

    name: str
    x: float
    color: str = ""
    side: str = ""


@dataclass(frozen=True)
class LandscapeFacts:
    """What a prompt says of a landscape; None where it says nothing."""

    time: str | None
    land: str | None
    objects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Landscape:
    """Everything that is drawn; `variant` seeds the lie of the land."""

    time: str
    land: str
    items: tuple[Item, ...]
    variant: int

    @property
    def facts(self) -> LandscapeFacts:
        """What a full caption of this picture states."""
        return LandscapeFacts(self.time, self.land, tuple(item.name for item in self.items))

    def has(self, name: str) -> bool:
        """Whether a thing of this name is drawn."""
        return any(item.name == name for item in self.items)


def held_out_view(time: str, land: str, name: str) -> bool:
    """Whether this thing, in this land at this time, is kept from training: about one in ten, by a hash."""
    return hashlib.sha256(f"{time} {land} {name}".encode()).digest()[0] % 10 == 0


def random_landscape(rng: np.random.Generator, *, held: bool = False) -> Landscape:
    """A landscape of which nothing is held out of training, or (`held`) one with something that is."""
    while True:
        time, land = pick(rng, TIMES), pick(rng, LANDS)
        standing = _some(rng, STANDING[land], (0.3, 0.45, 0.25))
        above = _some(rng, SKY[time], (0.2, 0.4, 0.4))
        names = [name for name in standing + above if held or not held_out_view(time, land, name)]
        if held and not any(held_out_view(time, land, name) for name in names):
            continue
        return Landscape(time, land, _placed(rng, names), int(rng.integers(1 << 30)))


def _some(rng: np.random.Generator, names: Sequence[str], chances: tuple[float, ...]) -> list[str]:
    """None, one or two of the names."""
    count = min(int(rng.choice(len(chances), p=chances)), len(names))
    return [str(names[i]) for i in rng.permutation(len(names))[:count]]


def _placed(rng: np.random.Generator, names: Sequence[str]) -> tuple[Item, ...]:
    """The things where they usually are, or at a side that is said; never two at one place."""
    items: list[Item] = []
    for name in names:
        color = pick(rng, COLORED[name]) if name in COLORED else ""
        if name in _SPREAD:
            items.append(Item(name, 0.5, color))
            continue
        taken = [item.x for item in items if item.name in USUAL and (item.name in SKY_NAMES) == (name in SKY_NAMES)]
        places = {side: x for side, x in SIDES.items() if all(abs(x - other) > _APART for other in taken)}
        usual = all(abs(USUAL[name] - other) > _APART for other in taken)
        side = "" if usual and rng.random() < _UNSAID else pick(rng, tuple(places))
        items.append(Item(name, places.get(side, USUAL[name]) + rng.uniform(-0.015, 0.015), color, side))
    return tuple(items)


SKY_NAMES = frozenset(name for names in SKY.values() for name in names)
