"""The picture world: what is drawn, what is kept from training, and the English that asks for it."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

from nodes.starter.captions import caption, full_caption
from nodes.starter.scenes import (
    BACKGROUNDS,
    COLORS,
    PLACES,
    SHAPES,
    THREE,
    Scene,
    Thing,
    draw,
    held_out,
    random_scene,
    random_three,
)

COUNT = 300


def scenes(held: bool = False, seed: int = 3) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [random_scene(rng, held=held) for _ in range(COUNT)] + [random_three(rng, held=held) for _ in range(60)]


def test_a_seed_gives_one_world() -> None:
    assert scenes() == scenes()
    assert np.array_equal(draw(scenes()[0]), draw(scenes()[0]))
    assert scenes() != scenes(seed=4)


def test_a_picture_shows_its_background_and_its_thing() -> None:
    picture = draw(Scene("blue", (Thing("circle", "red", 40, 80, 20),)))
    assert picture.shape == (128, 128, 3)
    assert picture.dtype == np.uint8
    assert tuple(picture[4, 4]) == BACKGROUNDS["blue"]
    assert tuple(picture[80, 40]) == COLORS["red"]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_looks_different_and_stays_in_its_radius(shape: str) -> None:
    dark = {name: draw(Scene("white", (Thing(name, "black", 64, 64, 30),)))[..., 0] < 128 for name in SHAPES}
    rows, columns = np.nonzero(dark[shape])
    assert max(abs(rows - 63.5).max(), abs(columns - 63.5).max()) <= 30 * 1.09 + 1
    assert all((dark[shape] ^ dark[other]).sum() > 150 for other in SHAPES if other != shape)


def test_things_lie_inside_the_picture_and_apart() -> None:
    for scene in scenes():
        for thing in scene.things:
            assert thing.r * 1.08 <= min(thing.x, thing.y, 128 - thing.x, 128 - thing.y) + 1
        for one, other in combinations(scene.things, 2):
            apart = max(abs(one.x - other.x), abs(one.y - other.y))
            assert apart > 1.08 * (one.r + other.r)
            assert one.color != other.color


@pytest.mark.parametrize("held", [False, True])
def test_held_out_combinations_are_never_drawn_for_training(held: bool) -> None:
    found = {held_out(thing.color, thing.shape, scene.background) for scene in scenes(held) for thing in scene.things}
    assert found == {held}


def test_about_a_tenth_is_held_out() -> None:
    rule = [held_out(color, shape, ground) for color in COLORS for shape in SHAPES for ground in BACKGROUNDS]
    assert 0.06 < np.mean(rule) < 0.14


def test_captions_are_english_and_true() -> None:
    rng = np.random.default_rng(8)
    for scene in scenes():
        for words in (caption(rng, scene), full_caption(scene)):
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", words), words
            assert not re.search(r"\s{2}|\s,|^\s|\s$", words), words
            if len(words.split()) > 2:
                assert all(thing.color in words and thing.shape in words for thing in scene.things), words


def test_one_word_can_be_a_caption() -> None:
    rng = np.random.default_rng(9)
    lone = Scene("white", (Thing("star", "red", 64, 64, 26),), place="in the center")
    assert {"star", "red star", "a star", "a red star"} <= {caption(rng, lone) for _ in range(400)}


def test_three_things_are_named_with_their_places() -> None:
    rng = np.random.default_rng(9)
    for scene in (random_three(rng) for _ in range(50)):
        words, orders = caption(rng, scene), ("from left to right", "from top to bottom")
        places = (scene.relation, *THREE[scene.relation][::2])
        assert any(order in words for order in orders) or all(place in words for place in places[1:]), words
        assert [asked.place for asked in scene.facts.things] == list(THREE[scene.relation])


def test_a_caption_says_the_relation_it_shows() -> None:
    scene = Scene("white", (Thing("circle", "red", 64, 32, 20), Thing("star", "blue", 64, 96, 20)), relation="above")
    rng = np.random.default_rng(0)
    said = {caption(rng, scene).removesuffix(" on a white background") for _ in range(200)}
    assert "a red circle above a blue star" in said
    assert "a blue star below a red circle" in said
    assert "a red circle at the top and a blue star at the bottom" in said
    assert not any("a red circle below" in words or "a blue star above" in words for words in said)


def test_full_captions_state_place_and_background() -> None:
    for scene in scenes():
        words = full_caption(scene)
        assert f"{scene.background} background" in words
        assert scene.place in words
        assert scene.place == "" or scene.place in PLACES
