"""Properties of random graphs: every way of running one gives the same."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from server.engine.cache import Cache
from server.engine.graph import Graph, Link
from server.engine.kinds import Kinds
from server.engine.plan import make_plan, ordered
from server.formats.prompt import read_prompt, to_prompt
from tests.engine.toys import TOYS, Bench, Calls, EagerDisk, JsonCodec, graph_of

Spec = dict[str, tuple[str, dict[str, Any]]]

EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Graphs of whole numbers: sums, splits, lists, choices, expansions, and some of it shown."""
    size = draw(st.integers(1, 14))
    spec: Spec = {}
    sources: list[str] = []

    def source() -> str:
        return draw(st.sampled_from(sources))

    for i in range(size):
        kinds = (
            ["Constant", "Numbers"]
            if not sources
            else [
                *(
                    "Constant",
                    "Numbers",
                    "Add",
                    "AddTo",
                    "AddTo",
                    "Split",
                    "Join",
                    "Total",
                    "Pick",
                    "Power",
                    "Gate",
                    "Nested",
                ),
                *("ShowInside",),
            ]
        )
        kind = draw(st.sampled_from(kinds))
        spec[str(i)] = (kind, _inputs(kind, draw(st.integers(0, 3)), source))
        sources.append(f"@{i}")
        if kind == "Split":
            sources.append(f"@{i}/1")
    for i in range(draw(st.integers(1, 3))):
        spec[f"s{i}"] = ("Show", {"value": source()})
    return graph_of(spec)


def _inputs(kind: str, small: int, source: Callable[[], str]) -> dict[str, Any]:
    match kind:
        case "Constant":
            return {"value": small}
        case "Numbers":
            return {"count": small, "start": 1}
        case "Add":
            return {"a": source(), "b": source()}
        case "Join":
            return {f"parts.{j}": source() for j in range(small + 1)}
        case "Total":
            return {"values": source()}
        case "Pick":
            return {"first": small > 1, "a": source(), "b": source()}
        case "ShowInside":
            return {"a": source()}
        case _:
            values = {"AddTo": "by", "Split": "by", "Power": "times", "Gate": "open", "Nested": "deep"}
            return {"a": source(), values[kind]: small + 1 if kind == "Split" else small}


def shuffled(graph: Graph, seed: int) -> Graph:
    nodes = list(graph)
    random.Random(seed).shuffle(nodes)
    return Graph.of(nodes)


def shown(graph: Graph, cache: Cache | None) -> dict[str, Any]:
    return own(Bench(cache).shown(graph))


def own(shown: dict[str, Any]) -> dict[str, Any]:
    """What the graph's own nodes show; those inside a known result that nobody asks for stay silent."""
    return {node_id: value for node_id, value in shown.items() if "." not in node_id}


@settings(EXAMPLES, max_examples=25)
@given(graphs(), st.integers())
def test_every_way_of_running_gives_the_same(graph: Graph, seed: int) -> None:
    expected = shown(graph, None)
    memory = Cache()
    assert shown(graph, memory) == expected
    assert shown(graph, memory) == expected
    assert shown(graph, Cache(memory_bytes=100)) == expected
    assert shown(shuffled(graph, seed), Cache()) == expected
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            disk = EagerDisk(Path(folder), JsonCodec())
            assert shown(graph, Cache(JsonCodec(), memory_bytes=0, disk=disk)) == expected
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        for path in random.Random(seed).sample(files, len(files) // 2):
            path.write_bytes(os.urandom(20))
        disk = EagerDisk(Path(folder), JsonCodec())
        assert shown(graph, Cache(JsonCodec(), memory_bytes=0, disk=disk)) == expected


@EXAMPLES
@given(graphs())
def test_a_second_run_calls_nothing(graph: Graph) -> None:
    bench = Bench(Cache())
    bench.run(graph)
    bench.run(graph)
    assert bench.calls.made == []


@EXAMPLES
@given(graphs(), st.integers(0, 40))
def test_a_cancelled_run_goes_on_where_it_stopped(graph: Graph, stop_after: int) -> None:
    whole = Bench(Cache())
    expected = own(whole.shown(graph))
    bench = Bench(Cache())
    outcome = bench.run(graph, cancelled=lambda: len(bench.calls.made) >= stop_after)
    first = list(bench.calls.made)
    assert outcome.state in ("done", "cancelled")
    assert own(bench.shown(graph)) == expected
    # An expansion that was stopped is opened again; what ran inside it is known.
    assert sorted(plain(first + bench.calls.made)) == sorted(plain(whole.calls.made))


def plain(calls: list[str]) -> list[str]:
    return [name for name in calls if name not in ("Power", "Nested", "ShowInside")]


@EXAMPLES
@given(graphs())
def test_plans_put_sources_first_and_hash_each_node_once(graph: Graph) -> None:
    kinds = Kinds(TOYS)
    targets = [placed.id for placed in graph if placed.type == "Show"]
    plan = make_plan(graph, targets, kinds, {})
    place = {node_id: i for i, node_id in enumerate(plan.steps)}
    assert place.keys() == graph.upstream(targets)
    for step in plan.steps.values():
        assert all(place[link.node] < place[step.placed.id] for _, link in step.links)
    again = make_plan(shuffled(graph, 1), targets[::-1], kinds, {})
    assert {node: step.key for node, step in again.steps.items()} == {
        node: step.key for node, step in plan.steps.items()
    }


@EXAMPLES
@given(graphs(), st.data())
def test_a_key_changes_with_what_feeds_it_and_with_nothing_else(graph: Graph, data: st.DataObject) -> None:
    kinds = Kinds(TOYS)
    constants = [placed for placed in graph if placed.type in ("Constant", "AddTo")]
    targets = [placed.id for placed in graph]
    if not constants:
        return
    changed = data.draw(st.sampled_from(constants))
    name = "value" if changed.type == "Constant" else "by"
    edited = Graph({**graph.nodes, changed.id: changed.having(**{name: 77})})
    before, after = (make_plan(each, targets, kinds, {}).steps for each in (graph, edited))
    below = {node for node in graph.nodes if changed.id in graph.upstream([node])}
    assert {node for node in graph.nodes if before[node].key != after[node].key} == below


@EXAMPLES
@given(graphs())
def test_graphs_come_back_from_the_api_format(graph: Graph) -> None:
    assert read_prompt(to_prompt(graph)) == graph


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
LINKS = st.tuples(st.sampled_from(["1", "2", "3", "4", "nope"]), st.integers(-1, 3)).map(lambda link: Link(*link))
INPUT_NAMES = st.sampled_from(
    ["value", "a", "b", "by", "text", "style", "weight", "thing", "parts.0", "parts.7", "values"]
)
TYPES = st.sampled_from([definition.id for definition in TOYS] + ["Nope"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["1", "2", "3", "4"]), st.tuples(TYPES, st.dictionaries(INPUT_NAMES, VALUES | LINKS))
    )
)
@example({"1": ("Show", {"value": Link("1", 0)})})
def test_any_graph_is_judged_and_what_is_judged_good_runs_to_an_end(spec: Spec) -> None:
    bench = Bench(Cache(), Calls(shelf=Path(tempfile.gettempdir()) / "sfumato-tests-nowhere"))
    checked = bench.engine.validate(graph_of(spec))
    assert all(problem.sentence for problem in checked.problems)
    if checked.runs:
        outcome = bench.engine.run("job", checked.graph, checked.good_outputs, bench.events.append)
        assert bench.types()[-1] in ("execution_success", "execution_error")
        assert outcome.state in ("done", "failed")


@pytest.mark.parametrize("seed", range(5))
def test_a_large_random_graph_has_one_order_per_listing(seed: int) -> None:
    rng = random.Random(seed)
    spec: Spec = {"0": ("Constant", {"value": 1})}
    for i in range(1, 2000):
        spec[str(i)] = ("Add", {"a": f"@{rng.randrange(i)}", "b": f"@{rng.randrange(max(0, i - 5), i)}"})
    spec["end"] = ("Show", {"value": "@1999"})
    graph = graph_of(spec)
    order = ordered(graph, ["end"])
    assert len(order) == len(set(order)) == len(graph.upstream(["end"]))
    assert shown(graph, None) == shown(shuffled(graph, seed), Cache())
