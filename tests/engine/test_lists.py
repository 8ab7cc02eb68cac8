"""Lists: nodes are mapped over them, shorter ones repeat their last, and `Many` takes them whole."""

from __future__ import annotations

from typing import Any

import pytest

from server.engine.cache import Cache
from tests.engine.toys import Bench, graph_of

Spec = dict[str, tuple[str, dict[str, Any]]]


@pytest.mark.parametrize(
    ("left", "right", "sums"),
    [(3, 3, [10, 12, 14]), (3, 1, [10, 11, 12]), (2, 4, [10, 12, 13, 14]), (0, 3, []), (3, 0, []), (0, 0, [])],
)
def test_shorter_lists_repeat_their_last(left: int, right: int, sums: list[int]) -> None:
    spec: Spec = {
        "1": ("Numbers", {"count": left, "start": 0}),
        "2": ("Numbers", {"count": right, "start": 10}),
        "3": ("Add", {"a": "@1", "b": "@2"}),
        "4": ("Total", {"values": "@3"}),
        "5": ("Show", {"value": "@3"}),
        "6": ("Show", {"value": "@4"}),
    }
    bench = Bench(Cache())
    shown = bench.shown(graph_of(spec))
    assert shown.get("5", []) == sums
    assert shown["6"] == [sum(sums)]
    assert bench.calls.made.count("Add") == len(sums)
    bench.run(graph_of(spec))
    assert bench.calls.made == []


def test_a_single_value_is_a_list_of_one() -> None:
    spec: Spec = {"1": ("Constant", {"value": 4}), "2": ("Total", {"values": "@1"}), "3": ("Show", {"value": "@2"})}
    assert Bench().shown(graph_of(spec)) == {"3": [4]}


def test_a_list_written_in_the_file_is_wrapped() -> None:
    spec: Spec = {"1": ("Total", {"values": {"__value__": [1, "2", 3]}}), "2": ("Show", {"value": "@1"})}
    assert Bench().shown(graph_of(spec)) == {"2": [6]}
    one: Spec = {"1": ("Total", {"values": 5}), "2": ("Show", {"value": "@1"})}
    assert Bench().shown(graph_of(one)) == {"2": [5]}


def test_two_outputs_are_mapped_alike() -> None:
    spec: Spec = {
        "1": ("Numbers", {"count": 3, "start": 19}),
        "2": ("Split", {"a": "@1", "by": 10}),
        "3": ("Show", {"value": "@2"}),
        "4": ("Show", {"value": "@2/1"}),
    }
    assert Bench().shown(graph_of(spec)) == {"3": [1, 2, 2], "4": [9, 0, 1]}


def test_growing_inputs_are_mapped_place_by_place() -> None:
    spec: Spec = {
        "1": ("Numbers", {"count": 3, "start": 0}),
        "2": ("Constant", {"value": 100}),
        "3": ("Join", {"parts.0": "@1", "parts.1": "@2", "parts.3": "@2"}),
        "4": ("Show", {"value": "@3"}),
    }
    assert Bench().shown(graph_of(spec)) == {"4": [200, 201, 202]}


def test_places_beyond_nine_keep_their_order() -> None:
    from nodes.define import NodeFunction
    from server.engine.kinds import grown

    assert isinstance(NodeFunction, type)
    names = {f"parts.{i}": i for i in (10, 2, 0, 11, 1)}
    assert [value for _, value in grown(names, "parts")] == [0, 1, 2, 10, 11]


def test_a_lazy_input_is_asked_for_if_any_place_wants_it() -> None:
    spec: Spec = {
        "1": ("Numbers", {"count": 2, "start": 0}),
        "2": ("Anything", {"value": "@1"}),
        "3": ("Constant", {"value": 5}),
        "4": ("AddTo", {"a": "@3", "by": 1}),
        "5": ("Pick", {"first": "@2", "a": "@3", "b": "@4"}),
        "6": ("Show", {"value": "@5"}),
    }
    assert Bench().shown(graph_of(spec)) == {"6": [6, 5]}


def test_a_blocker_in_a_list_holds_only_its_place_back() -> None:
    spec: Spec = {
        "1": ("Numbers", {"count": 3, "start": 0}),
        "2": ("Anything", {"value": "@1"}),
        "3": ("Gate", {"a": "@1", "open": "@2"}),
        "4": ("AddTo", {"a": "@3", "by": 10}),
        "5": ("Show", {"value": "@4"}),
    }
    bench = Bench()
    assert bench.shown(graph_of(spec)) == {"5": [11, 12]}
    assert bench.calls.made.count("AddTo") == 2


def test_steps_are_told_for_each_call() -> None:
    spec: Spec = {
        "1": ("Numbers", {"count": 2}),
        "2": ("Steps", {"a": "@1", "count": 3}),
        "3": ("Show", {"value": "@2"}),
    }
    bench = Bench()
    bench.run(graph_of(spec))
    assert bench.types().count("progress") == 6
