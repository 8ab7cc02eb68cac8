"""The checker reads what was drawn, and is not fooled by what was not."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from nodes.starter.checker import describe, facts_of, matches
from nodes.starter.scenes import Asked, Scene, Thing, draw, random_scene, random_three

COUNT = 300
RED_ABOVE_BLUE = Scene(
    "white", (Thing("circle", "red", 64, 32, 20), Thing("star", "blue", 64, 96, 24)), relation="above"
)


def test_true_pictures_are_read_rightly() -> None:
    rng = np.random.default_rng(21)
    drawn = [random_scene(rng, held=bool(i % 2)) for i in range(COUNT)]
    drawn += [random_three(rng, held=bool(i % 2)) for i in range(60)]
    wrong = [scene for scene in drawn if not matches(describe(draw(scene)), scene.facts).everything]
    assert len(wrong) <= 0.02 * COUNT, wrong


def test_a_picture_of_something_else_does_not_match() -> None:
    rng = np.random.default_rng(22)
    drawn = [random_scene(rng) for _ in range(COUNT)]
    taken_for_another = [
        matches(describe(draw(scene)), other.facts).everything
        for scene, other in zip(drawn, [*drawn[1:], drawn[0]], strict=True)
        if scene.facts != other.facts
    ]
    assert not any(taken_for_another)


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        ({"background": "green"}, "background"),
        ({"relation": "below"}, "place"),
        ({"things": (Asked("red", "circle"),)}, "count"),
        ({"things": (Asked("red", "square"), Asked("blue", "star"))}, "shape"),
        ({"things": (Asked("red", "circle"), Asked("pink", "star"))}, "color"),
    ],
    ids=["background", "relation", "count", "shape", "color"],
)
def test_each_fact_is_judged_alone(change: dict[str, object], lost: str) -> None:
    asked = replace(RED_ABOVE_BLUE.facts, **change)
    if lost == "count":
        asked = replace(asked, relation=None)
    scores = matches(describe(draw(RED_ABOVE_BLUE)), asked)
    failed = {name for name in ("background", "count", "color", "shape", "place") if not getattr(scores, name)}
    assert failed == {lost}


def test_colors_swapped_between_places_are_noticed() -> None:
    swapped = facts_of("white", Asked("blue", "circle"), Asked("red", "star"), relation="above")
    assert not matches(describe(draw(RED_ABOVE_BLUE)), swapped).everything


def test_an_empty_picture_has_a_background_and_no_things() -> None:
    seen = describe(np.full((128, 128, 3), (50, 100, 220), np.uint8))
    assert (seen.background, seen.things) == ("blue", ())
    scores = matches(seen, facts_of("blue", Asked("red", "circle")))
    assert scores.background
    assert not any((scores.count, scores.color, scores.shape, scores.place))
    assert matches(seen, facts_of("blue")).everything


def test_facts_not_asked_for_count_as_shown() -> None:
    seen = describe(draw(Scene("white", (Thing("circle", "red", 64, 64, 26),))))
    assert matches(seen, facts_of(None, Asked("red"))).everything
    assert not matches(seen, facts_of(None, Asked("red", "circle", "on the left"))).place


def test_larger_pictures_are_read_too() -> None:
    large = cv2.resize(draw(RED_ABOVE_BLUE), (512, 512), interpolation=cv2.INTER_CUBIC)
    assert matches(describe(np.asarray(large, np.uint8)), RED_ABOVE_BLUE.facts).everything
