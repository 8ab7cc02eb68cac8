"""The world of landscapes: what is drawn, what is kept from training, the English for it, and who reads it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from nodes.starter.landscape_captions import full_landscape_caption, landscape_caption
from nodes.starter.landscapes import (
    LANDS,
    OBJECTS,
    SKY,
    STANDING,
    TIMES,
    Item,
    Landscape,
    LandscapeFacts,
    held_out_view,
    random_landscape,
)
from nodes.starter.painting import paint
from nodes.starter.reader import describe_landscapes, shows
from nodes.starter.world import TALL, WIDE

COUNT = 300


def landscapes(held: bool = False, seed: int = 31) -> list[Landscape]:
    rng = np.random.default_rng(seed)
    return [random_landscape(rng, held=held) for _ in range(COUNT)]


def test_a_seed_gives_one_world() -> None:
    assert landscapes() == landscapes()
    assert landscapes() != landscapes(seed=32)
    assert np.array_equal(paint(landscapes()[0]), paint(landscapes()[0]))


@pytest.mark.parametrize("size", [(128, 128), TALL, WIDE])
def test_pictures_have_the_size_asked_for(size: tuple[int, int]) -> None:
    picture = paint(landscapes()[0], *size)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8
    assert paint(landscapes()[0], *size, 4).shape == (4 * size[1], 4 * size[0], 3)


def test_the_same_drawn_larger_is_the_same_picture() -> None:
    for view in landscapes()[:20]:
        large = paint(view, enlarged=4).reshape(128, 4, 128, 4, 3).mean((1, 3))
        assert np.abs(large - paint(view)).mean() < 3


@pytest.mark.parametrize("held", [False, True])
def test_held_out_views_are_never_drawn_for_training(held: bool) -> None:
    found = {
        any(held_out_view(view.time, view.land, item.name) for item in view.items)
        for view in landscapes(held)
        if view.items
    }
    assert found == {held}


def test_about_a_tenth_is_held_out() -> None:
    rule = [
        held_out_view(time, land, name)
        for time in TIMES
        for land in LANDS
        for name in (*STANDING[land], *SKY[time])
    ]  # fmt: skip
    assert 0.05 < np.mean(rule) < 0.15


def test_everything_is_drawn_now_and_then_and_where_it_belongs() -> None:
    views = landscapes() + landscapes(held=True)
    assert {item.name for view in views for item in view.items} == set(OBJECTS)
    assert {(view.time, view.land) for view in views} == {(time, land) for time in TIMES for land in LANDS}
    assert all(item.name in (*STANDING[view.land], *SKY[view.time]) for view in views for item in view.items)


@pytest.mark.parametrize("name", OBJECTS)
def test_a_thing_changes_the_picture(name: str) -> None:
    land = next((land for land in LANDS if name in STANDING[land]), "hills")
    time = next((time for time in TIMES if name in SKY[time]), "day")
    empty = Landscape(time, land, (), 7)
    changed = np.abs(paint(replace(empty, items=(Item(name, 0.5),))).astype(int) - paint(empty)).max(axis=2) > 40
    assert changed.sum() > 100


def test_captions_are_english_and_short_enough() -> None:
    rng = np.random.default_rng(33)
    for view in landscapes():
        for words in (landscape_caption(rng, view), full_landscape_caption(view.facts, view.items)):
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", words), words
            assert not re.search(r"\s{2}|\s,|^\s|\s$|^, |, ,", words), words
            assert len(words.split()) <= 36, words


def test_full_captions_say_everything() -> None:
    for view in landscapes():
        words = full_landscape_caption(view.facts, view.items)
        assert all(item.name in words and item.color in words for item in view.items), words


def test_the_reader_misreads_two_in_a_hundred_at_most() -> None:
    views = landscapes() + landscapes(held=True, seed=34)
    seen = describe_landscapes([paint(view) for view in views])
    wrong = [
        view
        for view, found in zip(views, seen, strict=True)
        if (found.time, found.land, found.objects) != (view.time, view.land, {item.name for item in view.items})
    ]
    assert len(wrong) <= 0.02 * len(views), wrong


@pytest.mark.parametrize("size", [TALL, WIDE, (512, 512)])
def test_the_reader_reads_other_sizes(size: tuple[int, int]) -> None:
    views = landscapes(seed=35)[:60]
    enlarged = 4 if size == (512, 512) else 1
    seen = describe_landscapes([paint(view, size[0] // enlarged, size[1] // enlarged, enlarged) for view in views])
    assert np.mean([found.time == view.time for found, view in zip(seen, views, strict=True)]) >= 0.98
    right = [shows(found, view.facts).everything for found, view in zip(seen, views, strict=True)]
    assert np.mean(right) >= 0.95


def test_a_picture_of_something_else_does_not_match() -> None:
    views = landscapes(seed=36)[:100]
    seen = describe_landscapes([paint(view) for view in views])
    for found, other in zip(seen, [*views[1:], views[0]], strict=True):
        scores = shows(found, other.facts)
        truly = (found.time == other.time, found.land == other.land)
        assert (scores.time, scores.land) == truly
        assert scores.objects == 1 or not {item.name for item in other.items} <= found.objects


def test_facts_not_asked_for_count_as_shown() -> None:
    (seen,) = describe_landscapes([paint(Landscape("night", "sea", (Item("moon", 0.5),), 1))])
    assert shows(seen, LandscapeFacts(None, "sea")).everything
    assert not shows(seen, LandscapeFacts("day", "sea")).everything
    assert shows(seen, LandscapeFacts("night", "sea", ("moon", "boat"))).objects == 0.5
