"""What people might type to get a landscape: correct English, from one word to two clauses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nodes.starter.captions import with_article
from nodes.starter.landscapes import COLORED, STANDING, Item, Landscape, LandscapeFacts
from nodes.starter.scenes import pick

_TIMES: Mapping[str, tuple[str, ...]] = {
    "day": ("by day", "on a bright day", "during the day", "at noon", "on a sunny day"),
    "sunset": ("at sunset", "at sunset", "in the evening", "at dusk"),
    "night": ("at night", "at night", "by night", "on a dark night"),
    "dawn": ("at dawn", "at dawn", "at sunrise", "in the early morning"),
}
_TIME_WORDS: Mapping[str, tuple[str, ...]] = {
    "day": ("a bright day", "a sunny day"),
    "sunset": ("sunset", "a sunset", "evening"),
    "night": ("night", "a dark night"),
    "dawn": ("dawn", "sunrise", "a sunrise"),
}
_LANDS: Mapping[str, tuple[str, ...]] = {
    "sea": ("the sea", "the sea", "the ocean", "a beach", "a calm sea"),
    "hills": ("hills", "green hills", "the hills", "rolling hills"),
    "mountains": ("mountains", "the mountains", "high mountains"),
    "city": ("a city", "the city", "a city skyline", "a big city"),
    "desert": ("a desert", "the desert", "a sandy desert"),
    "forest": ("a forest", "the forest", "a pine forest"),
    "snow": ("snow", "a snowy landscape", "snowy hills", "the snow"),
}
_LAND_WORDS: Mapping[str, tuple[str, ...]] = {
    "sea": ("sea", "beach", "ocean"), "hills": ("hills", "green hills"), "mountains": ("mountains",),
    "city": ("city", "skyline"), "desert": ("desert",), "forest": ("forest",), "snow": ("snow", "snowy landscape"),
}  # fmt: skip
_IN: Mapping[str, tuple[str, ...]] = {
    "sea": ("by the sea", "at the sea"),
    "hills": ("on the hills", "on green hills", "in the hills"),
    "mountains": ("in the mountains", "in front of mountains", "near the mountains"),
    "city": ("in the city", "in a city"),
    "desert": ("in the desert", "in a desert"),
    "forest": ("in the forest", "in a forest", "by the forest"),
    "snow": ("in the snow", "in a snowy landscape"),
}
_NAMES: Mapping[str, tuple[str, ...]] = {
    "house": ("house", "house", "small house"),
    "tree": ("tree",),
    "boat": ("boat", "sailing boat", "boat", "ship"),
    "lighthouse": ("lighthouse",),
    "balloon": ("balloon", "hot air balloon"),
    "cactus": ("cactus",),
    "flowers": ("flowers",),
    "sun": ("the sun",),
    "moon": ("the moon", "a crescent moon", "the moon"),
    "stars": ("stars", "stars", "many stars"),
    "clouds": ("clouds", "white clouds", "some clouds"),
    "rainbow": ("a rainbow",),
}
_OPENINGS = ("a picture of ", "an illustration of ", "a drawing of ", "a landscape with ")
_GROUND = frozenset(name for names in STANDING.values() for name in names)


def landscape_caption(rng: np.random.Generator, landscape: Landscape) -> str:
    """One of many ways to ask for a landscape; now and then it says less than all of it."""
    items = [item for item in landscape.items if rng.random() >= 0.08]
    chance = rng.random()
    if chance < 0.08 and not any(item.side for item in landscape.items):
        return _short(rng, landscape)
    if chance < 0.24:
        return _list(rng, landscape, items)
    ground = [item for item in items if item.name in _GROUND]
    above = [item for item in items if item.name not in _GROUND]
    time = _time(rng, landscape.time)
    if chance < 0.55 and ground:
        text = f"{_and(rng, ground)} {_where(rng, landscape, ground)}{time}{_tail(rng, above)}"
    elif chance < 0.65:
        text = f"{pick(rng, _TIME_WORDS[landscape.time])} over {pick(rng, _LANDS[landscape.land])}{_with(rng, items)}"
    elif chance < 0.8 and above and not ground:
        text = f"{_and(rng, above)} over {pick(rng, _LANDS[landscape.land])}{time}"
    elif rng.random() < 0.5:
        text = f"{pick(rng, _LANDS[landscape.land])}{time}{_with(rng, items)}"
    else:
        text = f"{pick(rng, _LANDS[landscape.land])}{_with(rng, items)}{time}"
    return pick(rng, _OPENINGS) + text if rng.random() < 0.12 else text


def full_landscape_caption(facts: LandscapeFacts, items: Sequence[Item]) -> str:
    """The plain sentence that states every fact of a landscape."""
    assert facts.time is not None
    assert facts.land is not None
    named = [f"{_plainly(item)} {item.side}".strip() for item in items]
    things = f" with {_joined(named)}" if named else ""
    return f"{_LANDS[facts.land][0]} {_TIMES[facts.time][0]}{things}"


_SINGLE = frozenset(name for name in _GROUND | {"balloon"} if name != "flowers")


def _plainly(item: Item) -> str:
    words = f"{item.color} {item.name}".strip()
    if item.name in _SINGLE:
        return with_article(words)
    return words if item.name == "flowers" else _NAMES[item.name][0]


def _short(rng: np.random.Generator, landscape: Landscape) -> str:
    things = [_named(rng, item, bare=True) for item in landscape.items]
    return pick(rng, [*things, pick(rng, _TIME_WORDS[landscape.time]), pick(rng, _LAND_WORDS[landscape.land])])


def _list(rng: np.random.Generator, landscape: Landscape, items: Sequence[Item]) -> str:
    words = [pick(rng, _LAND_WORDS[landscape.land]), *(_named(rng, item, bare=True) for item in items)]
    if landscape.time != "day" or rng.random() < 0.5:
        words.append(pick(rng, _TIME_WORDS[landscape.time]))
    return ", ".join(words[i] for i in rng.permutation(len(words)))


def _time(rng: np.random.Generator, time: str) -> str:
    unsaid = 0.35 if time == "day" else 0.03
    return "" if rng.random() < unsaid else f" {pick(rng, _TIMES[time])}"


def _where(rng: np.random.Generator, landscape: Landscape, ground: Sequence[Item]) -> str:
    if landscape.land == "sea" and ground[0].name == "boat":
        return pick(rng, ("on the sea", "at sea", "on the ocean"))
    return pick(rng, _IN[landscape.land])


def _with(rng: np.random.Generator, items: Sequence[Item]) -> str:
    return f" {pick(rng, ('with', 'with', 'and'))} {_and(rng, items)}" if items else ""


def _tail(rng: np.random.Generator, above: Sequence[Item]) -> str:
    if not above:
        return ""
    form = pick(rng, (", {} in the sky", " with {} in the sky", " under {}", " with {}", ", {}"))
    return form.format(_and(rng, above))


def _and(rng: np.random.Generator, items: Sequence[Item]) -> str:
    return _joined([_named(rng, items[i]) for i in rng.permutation(len(items))])


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _named(rng: np.random.Generator, item: Item, *, bare: bool = False) -> str:
    words = pick(rng, _NAMES[item.name])
    if item.name in COLORED and rng.random() < 0.7:
        words = f"{item.color} {words.removeprefix('small ')}"
    if bare:
        words = words.removeprefix("the ").removeprefix("a ")
    elif item.name in _SINGLE:
        words = with_article(words)
    return f"{words} {item.side}".strip()
