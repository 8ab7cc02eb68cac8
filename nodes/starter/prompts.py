"""Prompts of what training never saw, each with what its picture must show. Always the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nodes.starter.captions import full_caption
from nodes.starter.checker import describe, matches
from nodes.starter.landscape_captions import full_landscape_caption
from nodes.starter.landscapes import Landscape, LandscapeFacts, random_landscape
from nodes.starter.reader import describe_landscapes, shows
from nodes.starter.scenes import Facts, Pixels, Scene, random_scene, random_three

COUNTED = {1: "one thing", 2: "two things", 3: "three things"}


@dataclass(frozen=True)
class Prompted:
    """A prompt and what it asks for."""

    prompt: str
    facts: Facts | LandscapeFacts

    @property
    def kind(self) -> str:
        """Which row of the table it counts in."""
        return "landscape" if isinstance(self.facts, LandscapeFacts) else COUNTED[len(self.facts.things)]


def held_out_prompts(count: int, seed: int = 2026) -> list[Prompted]:
    """Prompts of combinations kept from training: half with one shape, half with two."""
    rng = np.random.default_rng(seed)
    wanted = {1: count - count // 2, 2: count // 2}
    chosen: list[Prompted] = []
    while any(wanted.values()):
        scene = random_scene(rng, held=True)
        if wanted[len(scene.things)]:
            wanted[len(scene.things)] -= 1
            chosen.append(prompted(scene))
    return chosen


def three_prompts(count: int, seed: int = 2027) -> list[Prompted]:
    """Prompts with three shapes, each of a combination kept from training."""
    rng = np.random.default_rng(seed)
    return [prompted(random_three(rng, held=True)) for _ in range(count)]


def landscape_prompts(count: int, seed: int = 2028) -> list[Prompted]:
    """Prompts for landscapes, each with something that training never saw in that land at that time."""
    rng = np.random.default_rng(seed)
    return [prompted(random_landscape(rng, held=True)) for _ in range(count)]


def prompted(view: Scene | Landscape) -> Prompted:
    """The plain sentence for what is drawn, with its facts."""
    if isinstance(view, Landscape):
        return Prompted(full_landscape_caption(view.facts, view.items), view.facts)
    return Prompted(full_caption(view), view.facts)


def judged(asked: Sequence[Facts | LandscapeFacts], pictures: Sequence[Pixels]) -> list[dict[str, float]]:
    """For each picture of one size, which facts (0 or 1, or a share) it shows, with "everything" among them."""
    return [_judged(facts, picture) for facts, picture in zip(asked, pictures, strict=True)]


def _judged(facts: Facts | LandscapeFacts, picture: Pixels) -> dict[str, float]:
    if isinstance(facts, LandscapeFacts):
        seen = shows(describe_landscapes([picture])[0], facts)
        names: tuple[str, ...] = ("time", "land", "objects", "everything")
    else:
        seen = matches(describe(picture), facts)
        names = ("background", "count", "color", "shape", "place", "everything")
    return {name: float(getattr(seen, name)) for name in names}
