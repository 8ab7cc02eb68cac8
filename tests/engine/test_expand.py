"""Expansion: a node that returns a graph, run in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.engine.cache import Cache
from server.engine.events import Executed, Executing
from tests.engine.toys import Bench, Calls, EagerDisk, JsonCodec, graph_of

Spec = dict[str, tuple[str, dict[str, Any]]]


def power(times: int, start: int = 5) -> Spec:
    return {
        "1": ("Constant", {"value": start}),
        "2": ("Power", {"a": "@1", "times": times}),
        "3": ("Show", {"value": "@2"}),
    }


@pytest.mark.parametrize("times", [0, 1, 3, 2000])
def test_the_graph_runs_in_the_nodes_place(times: int) -> None:
    bench = Bench(Cache())
    assert bench.shown(graph_of(power(times))) == {"3": [5 + times]}
    assert bench.calls.made.count("AddTo") == times
    bench.run(graph_of(power(times)))
    assert bench.calls.made == []


def test_inner_ids_say_node_call_and_place() -> None:
    bench = Bench()
    bench.run(graph_of(power(2)))
    said = [(event.node, event.display_node) for event in bench.events if isinstance(event, Executing)]
    assert said == [("1", "1"), ("2", "2"), ("2.0.1", "2"), ("2.0.2", "2"), ("3", "3")]


def test_inner_results_are_known_again() -> None:
    bench = Bench(Cache())
    bench.run(graph_of(power(3)))
    assert bench.shown(graph_of(power(5))) == {"3": [10]}
    assert bench.calls.made == ["Power", "AddTo", "AddTo", "Show"]


@pytest.mark.parametrize("deep", [0, 1, 5, 300])
def test_expansions_nest(deep: int) -> None:
    spec: Spec = {
        "1": ("Constant", {"value": 5}),
        "2": ("Nested", {"a": "@1", "deep": deep}),
        "3": ("Show", {"value": "@2"}),
    }
    bench = Bench(Cache())
    assert bench.shown(graph_of(spec)) == {"3": [5 + deep]}
    bench.run(graph_of(spec))
    assert bench.calls.made == []


def test_an_expansion_without_end_is_ended() -> None:
    spec: Spec = {
        "1": ("Constant", {"value": 5}),
        "2": ("Nested", {"a": "@1", "deep": 2000}),
        "3": ("Show", {"value": "@2"}),
    }
    outcome = Bench().run(graph_of(spec))
    assert outcome.error is not None
    assert outcome.error.node_id == "2"
    assert "expands more than 1000 deep" in outcome.error.exception_message


def test_output_nodes_inside_show_now_and_when_known(tmp_path: Path) -> None:
    spec: Spec = {
        "1": ("Constant", {"value": 5}),
        "2": ("ShowInside", {"a": "@1"}),
        "3": ("Show", {"value": "@2"}),
        "4": ("Show", {"value": "@1"}),
    }
    cache = Cache(JsonCodec(), disk=EagerDisk(tmp_path, JsonCodec()))
    bench = Bench(cache)
    outcome = bench.run(graph_of(spec))
    assert outcome.outputs == {"2.0.1": {"text": [5]}, "3": {"text": [5]}, "4": {"text": [5]}}
    assert outcome.display == {"2.0.1": "2", "3": "3", "4": "4"}
    spec["5"] = ("AddTo", {"a": "@2"})
    spec["6"] = ("Show", {"value": "@5"})
    again = Bench(Cache(JsonCodec(), disk=EagerDisk(tmp_path, JsonCodec())), Calls())
    assert again.run(graph_of(spec)).outputs["2.0.1"] == {"text": [5]}
    assert again.calls.made == ["AddTo", "Show"]
    assert ("2.0.1", "2") in [(e.node, e.display_node) for e in again.events if isinstance(e, Executed)]


def test_output_nodes_inside_show_again_though_nothing_asks_for_their_node() -> None:
    spec: Spec = {
        "1": ("Constant", {"value": 5}),
        "2": ("ShowInside", {"a": "@1"}),
        "3": ("Show", {"value": "@2"}),
    }
    bench = Bench(Cache())
    first = bench.run(graph_of(spec))
    again = bench.run(graph_of(spec))
    assert bench.calls.made == []
    assert again.outputs == first.outputs == {"2.0.1": {"text": [5]}, "3": {"text": [5]}}
    assert [(e.node, e.display_node) for e in bench.events if isinstance(e, Executed)] == [("3", "3"), ("2.0.1", "2")]


def test_each_place_of_a_list_expands_by_itself() -> None:
    spec: Spec = {
        "1": ("Numbers", {"count": 3, "start": 10}),
        "2": ("Power", {"a": "@1", "times": 2}),
        "3": ("Show", {"value": "@2"}),
    }
    bench = Bench(Cache())
    assert bench.shown(graph_of(spec)) == {"3": [12, 13, 14]}
    inner = [event.node for event in bench.events if isinstance(event, Executing) and "." in event.node]
    assert inner == ["2.0.1", "2.0.2", "2.1.1", "2.1.2", "2.2.1", "2.2.2"]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("unknown", "'Nowhere', which is not installed"),
        ("missing", "input b (INT) is missing"),
        ("outputs", "2 outputs; it declares 1"),
        ("range", "value is 5000; it must be at most 1000"),
        ("ring", "cycle"),
    ],
)
def test_a_graph_that_is_wrong_is_the_nodes_failure(how: str, said: str) -> None:
    spec: Spec = {
        "1": ("Constant", {}),
        "2": ("BadExpansion", {"a": "@1", "how": how}),
        "3": ("Show", {"value": "@2"}),
    }
    outcome = Bench().run(graph_of(spec))
    assert outcome.state == "failed"
    assert outcome.error is not None
    assert outcome.error.node_id == "2"
    assert said in outcome.error.exception_message


def test_a_failure_inside_is_told_of_the_node_outside() -> None:
    calls = Calls()
    bench = Bench(Cache(), calls)
    stop = iter([False] * 3 + [True] * 100)
    outcome = bench.run(graph_of(power(3)), cancelled=lambda: next(stop))
    assert outcome.state == "cancelled"
    assert bench.types()[-1] == "execution_interrupted"
    assert bench.events[-1].node_id == "2"  # type: ignore[union-attr]
