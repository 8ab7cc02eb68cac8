"""What people might type to get a scene: correct English, varied, long and short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nodes.starter.scenes import CENTER, THREE, Scene, Thing, pick

BETWEEN: Mapping[str, str] = {
    "above": "above",
    "below": "below",
    "left": "to the left of",
    "right": "to the right of",
}
OPPOSITE: Mapping[str, str] = {"above": "below", "below": "above", "left": "right", "right": "left"}
_SIDES: Mapping[str, str] = {
    "above": "at the top",
    "below": "at the bottom",
    "left": "on the left",
    "right": "on the right",
}
_OPENINGS = ("a picture of ", "an illustration of ", "a drawing of ")


def caption(rng: np.random.Generator, scene: Scene) -> str:
    """One of many ways to ask for a scene; now and then it says less than all of it."""
    if len(scene.things) == 1 and rng.random() < 0.04:
        return _short(rng, scene.things[0])
    says_background = rng.random() >= 0.05
    body = _three(rng, scene) if scene.relation in THREE else _two(rng, scene) if scene.relation else _one(rng, scene)
    text = body
    if says_background:
        ground = with_article(scene.background)
        text = f"{body} on {ground} background"
        choice = rng.random()
        if choice < 0.12:
            text = f"{ground} background with {body}"
        elif choice < 0.29:
            text = f"{body} on {scene.background}"
        elif choice < 0.46:
            text = f"{body}, {scene.background} background"
    if rng.random() < 0.1:
        text = pick(rng, _OPENINGS) + text
    return text


def full_caption(scene: Scene) -> str:
    """The plain sentence that states every fact of a scene."""
    things = [f"{with_article(_named(thing))}" for thing in scene.things]
    if scene.relation in THREE:
        body = _listed([f"{thing} {place}" for thing, place in zip(things, THREE[scene.relation], strict=True)])
    else:
        body = f" {BETWEEN[scene.relation]} ".join(things) if scene.relation else f"{things[0]} {scene.place}"
    return f"{body} on {with_article(scene.background)} background"


def with_article(words: str) -> str:
    """The words with "a" or "an" before them, whichever their first letter asks for."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _one(rng: np.random.Generator, scene: Scene) -> str:
    (thing,) = scene.things
    words = _named(thing)
    if scene.size and rng.random() < 0.8:
        words = f"{scene.size} {words}"
    body = with_article(words)
    unsaid = scene.place == CENTER and rng.random() < 0.5
    return body if unsaid else f"{body} {scene.place}"


def _two(rng: np.random.Generator, scene: Scene) -> str:
    first, second = scene.things
    relation = scene.relation
    if rng.random() < 0.35:
        first, second, relation = second, first, OPPOSITE[relation]
    one, other = with_article(_named(first)), with_article(_named(second))
    if rng.random() < 0.3:
        return f"{one} {_SIDES[relation]} and {other} {_SIDES[OPPOSITE[relation]]}"
    between = BETWEEN[relation]
    if relation in ("left", "right") and rng.random() < 0.2:
        between = f"{relation} of"
    return f"{one} {between} {other}"


def _three(rng: np.random.Generator, scene: Scene) -> str:
    things = [with_article(_named(thing)) for thing in scene.things]
    if rng.random() < 0.2:
        order = "from left to right" if scene.relation == "row" else "from top to bottom"
        return f"{_listed(things)} {order}"
    middle = pick(rng, (CENTER, "in the middle"))
    places = [middle if place == CENTER else place for place in THREE[scene.relation]]
    return _listed([f"{things[i]} {places[i]}" for i in (rng.permutation(3) if rng.random() < 0.5 else range(3))])


def _short(rng: np.random.Generator, thing: Thing) -> str:
    return pick(rng, (thing.shape, _named(thing), with_article(thing.shape), with_article(_named(thing))))


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _named(thing: Thing) -> str:
    return f"{thing.color} {thing.shape}"
