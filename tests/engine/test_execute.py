"""Running graphs: what runs and what does not, in which words it is told, and how it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.engine.cache import Cache, Disk
from server.engine.engine import Engine
from server.engine.events import Executed, ExecutionCached, ExecutionError, ExecutionInterrupted, Progress
from server.engine.graph import Graph, Link, Placed
from tests.engine.toys import TOYS, Bench, Calls, EagerDisk, JsonCodec, graph_of

Spec = dict[str, tuple[str, dict[str, Any]]]

CHAIN: Spec = {
    "source": ("Constant", {"value": 3}),
    "plus": ("AddTo", {"a": "@source", "by": 2}),
    "slow": ("Steps", {"a": "@plus", "count": 2}),
    "show": ("Show", {"value": "@slow"}),
}


def edited(spec: Spec, node: str, **inputs: Any) -> Graph:
    kind, before = spec[node]
    return graph_of({**spec, node: (kind, {**before, **inputs})})


def disk_cache(folder: Path) -> Cache:
    return Cache(JsonCodec(), memory_bytes=0, disk=EagerDisk(folder, JsonCodec()))


def test_what_a_run_says_in_which_order() -> None:
    bench = Bench(Cache())
    outcome = bench.run(graph_of(CHAIN))
    assert bench.types() == [
        *("execution_start", "execution_cached"),
        *("executing", "node_finished") * 2,
        *("executing", "progress", "progress", "node_finished"),
        *("executing", "executed", "node_finished"),
        "execution_success",
    ]
    assert [event.seq for event in bench.events] == list(range(1, len(bench.events) + 1))
    assert {event.job for event in bench.events} == {"job"}
    assert outcome.state == "done"
    assert outcome.executed == ("source", "plus", "slow", "show")
    assert outcome.outputs == {"show": {"text": [5]}}


def test_an_unchanged_graph_runs_nothing_and_shows_it_again() -> None:
    bench = Bench(Cache())
    first = bench.run(graph_of(CHAIN))
    second = bench.run(graph_of(CHAIN))
    assert bench.calls.made == []
    assert bench.types() == ["execution_start", "execution_cached", "executed", "node_finished", "execution_success"]
    assert second.outputs == first.outputs
    assert second.executed == ()
    assert second.cached == ("source", "plus", "slow", "show")


@pytest.mark.parametrize(
    ("node", "inputs", "reruns"),
    [
        ("source", {"value": 4}, ["Constant", "AddTo", "Steps", "Show"]),
        ("plus", {"by": 7}, ["AddTo", "Steps", "Show"]),
        ("slow", {"count": 1}, ["Steps", "Show"]),
        ("source", {"value": 3}, []),
        ("source", {"value": "3"}, []),
        ("source", {"unknown": 1}, []),
    ],
)
def test_only_what_changed_runs_again(node: str, inputs: dict[str, Any], reruns: list[str]) -> None:
    bench = Bench(Cache())
    bench.run(graph_of(CHAIN))
    bench.run(edited(CHAIN, node, **inputs))
    assert bench.calls.made == reruns


def test_what_was_there_before_is_there_again() -> None:
    bench = Bench(Cache())
    bench.run(graph_of(CHAIN))
    bench.run(edited(CHAIN, "plus", by=9))
    bench.run(graph_of(CHAIN))
    assert bench.calls.made == []


def test_new_ids_titles_and_defaults_change_nothing() -> None:
    bench = Bench(Cache())
    bench.run(graph_of({"1": ("Constant", {}), "2": ("AddTo", {"a": "@1", "by": 1}), "3": ("Show", {"value": "@2"})}))
    renamed = Graph.of(
        [
            Placed("c", "Show", {"value": Link("b", 0)}, title="Mine"),
            Placed("b", "AddTo", {"a": Link("a", 0)}),
            Placed("a", "Constant", {"value": 0}, title="Other"),
        ]
    )
    bench.run(renamed)
    assert bench.calls.made == []


def test_equal_nodes_run_once() -> None:
    spec: Spec = {str(i): ("Constant", {"value": 7}) for i in range(5)}
    spec |= {f"s{i}": ("Show", {"value": f"@{i}"}) for i in range(5)}
    bench = Bench(Cache())
    assert bench.shown(graph_of(spec)) == {f"s{i}": [7] for i in range(5)}
    assert bench.calls.made == ["Constant", "Show"]


def test_a_node_that_asks_for_its_id_shares_nothing() -> None:
    spec: Spec = {
        "1": ("Constant", {}),
        "2": ("Name", {"a": "@1"}),
        "3": ("Name", {"a": "@1"}),
        "4": ("Show", {"value": "@2"}),
        "5": ("Show", {"value": "@3"}),
    }
    assert Bench(Cache()).shown(graph_of(spec)) == {"4": ["2:0"], "5": ["3:0"]}


def test_a_node_that_is_never_the_same_runs_each_time_and_all_after_it() -> None:
    spec: Spec = {
        "1": ("Random", {}),
        "2": ("AddTo", {"a": "@1"}),
        "3": ("Show", {"value": "@2"}),
        "4": ("Constant", {}),
        "5": ("Show", {"value": "@4"}),
    }
    bench = Bench(Cache())
    bench.run(graph_of(spec))
    bench.run(graph_of(spec))
    assert bench.calls.made == ["Random", "AddTo", "Show"]
    assert len(bench.engine.cache) == 2


def test_a_replaced_file_is_noticed_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    bench = Bench(Cache(), Calls(shelf=tmp_path))
    graph = graph_of({"1": ("Shelf", {"name": "a"}), "2": ("Show", {"value": "@1"})})
    assert bench.shown(graph) == {"2": ["old"]}
    (tmp_path / "a").write_text("new")
    assert bench.shown(graph) == {"2": ["new"]}
    (tmp_path / "a").write_text("old")
    assert bench.shown(graph) == {"2": ["old"]}
    assert bench.calls.made == []


def test_a_fingerprint_that_cannot_be_taken_lets_the_node_say_why(tmp_path: Path) -> None:
    bench = Bench(Cache(), Calls(shelf=tmp_path))
    outcome = bench.run(graph_of({"1": ("Shelf", {"name": "gone"}), "2": ("Show", {"value": "@1"})}))
    assert outcome.state == "failed"
    assert outcome.error is not None
    assert outcome.error.exception_type == "FileNotFoundError"


def test_nothing_behind_a_known_result_is_run_or_read(tmp_path: Path) -> None:
    read: list[str] = []

    class Watched(EagerDisk):
        def get(self, key: str) -> Any:
            read.append(key)
            return super().get(key)

    first = Bench(disk_cache(tmp_path))
    first.run(graph_of(CHAIN))
    again = Bench(Cache(JsonCodec(), disk=Watched(tmp_path, JsonCodec())))
    assert again.run(graph_of(CHAIN)).state == "done"
    assert again.calls.made == []
    assert len(read) == 1


def test_results_survive_a_restart(tmp_path: Path) -> None:
    Bench(disk_cache(tmp_path)).run(graph_of(CHAIN))
    again = Bench(disk_cache(tmp_path))
    assert again.shown(edited(CHAIN, "slow", count=1)) == {"show": [5]}
    assert again.calls.made == ["Steps", "Show"]


def test_a_value_that_cannot_be_stored_is_made_again_when_needed(tmp_path: Path) -> None:
    spec: Spec = {"1": ("MakeThing", {}), "2": ("UseThing", {"thing": "@1"}), "3": ("Show", {"value": "@2"})}
    Bench(disk_cache(tmp_path)).run(graph_of(spec))
    again = Bench(disk_cache(tmp_path))
    again.run(graph_of(spec))
    assert again.calls.made == []
    spec["4"] = ("UseThing", {"thing": "@1", "also": "@1"})
    spec["5"] = ("Show", {"value": "@4"})
    assert again.shown(graph_of(spec)) == {"3": ["x"], "5": ["xx"]}
    assert again.calls.made == ["MakeThing", "UseThing", "Show"]


def test_a_damaged_result_is_made_again(tmp_path: Path) -> None:
    Bench(disk_cache(tmp_path)).run(graph_of(CHAIN))
    for path in tmp_path.glob("*/*"):
        path.write_bytes(path.read_bytes()[:-1] + b"#")
    again = Bench(disk_cache(tmp_path))
    assert again.shown(graph_of(CHAIN)) == {"show": [5]}
    assert again.calls.made == ["Constant", "AddTo", "Steps", "Show"]


def test_a_terminal_node_runs_again_once_its_file_is_gone(tmp_path: Path) -> None:
    bench = Bench(Cache(), Calls(shelf=tmp_path))
    graph = graph_of({"1": ("Constant", {}), "2": ("Save", {"value": "@1"})})
    first = bench.run(graph)
    assert first.outputs == {"2": {"images": [{"filename": "out_0.txt", "subfolder": "", "type": "output"}]}}
    assert bench.run(graph).outputs == first.outputs
    assert bench.calls.made == []
    (tmp_path / "out_0.txt").unlink()
    assert bench.run(graph).state == "done"
    assert bench.calls.made == ["Save"]
    assert (tmp_path / "out_0.txt").exists()


def test_a_failure_keeps_what_was_finished_and_names_the_node() -> None:
    calls = Calls(failing=True)
    bench = Bench(Cache(), calls)
    spec: Spec = {
        "1": ("Constant", {"value": 5}),
        "2": ("AddTo", {"a": "@1", "by": 1}),
        "3": ("Fail", {"a": "@2", "text": "Sorry"}),
        "4": ("Show", {"value": "@3"}),
    }
    outcome = bench.run(graph_of(spec))
    error = bench.events[-1]
    assert isinstance(error, ExecutionError)
    assert outcome.state == "failed"
    assert outcome.error == error
    assert (error.node_id, error.node_type) == ("3", "Fail")
    assert error.exception_message == "Sorry: 6 is wrong."
    assert error.sentence == "Fail (node 3): Sorry: 6 is wrong."
    assert error.executed == ("1", "2")
    assert error.current_inputs == {"a": ["6"], "text": ["'Sorry'"]}
    assert error.traceback[-1].endswith("Sorry: 6 is wrong.\n")
    assert bench.types()[-1] == "execution_error"
    calls.failing = False
    assert bench.shown(graph_of(spec)) == {"4": [6]}
    assert bench.calls.made == ["Fail", "Show"]


def test_a_crash_in_a_node_is_an_error_like_any_other() -> None:
    bench = Bench()
    outcome = bench.run(graph_of({"1": ("Constant", {}), "2": ("Crash", {"a": "@1"}), "3": ("Show", {"value": "@2"})}))
    assert outcome.error is not None
    assert outcome.error.exception_type == "ZeroDivisionError"
    assert "Crash (node 2): ZeroDivisionError: " in outcome.error.sentence


def test_something_that_is_not_provided_is_asked_for_in_vain() -> None:
    engine = Engine(TOYS)
    checked = engine.validate(graph_of({"1": ("Constant", {}), "2": ("Show", {"value": "@1"})}))
    outcome = engine.run("job", checked.graph, checked.good_outputs, lambda _: None)
    assert outcome.error is not None
    assert "Calls" in outcome.error.exception_message


def test_cancelling_stops_within_a_step_and_keeps_what_is_finished() -> None:
    bench = Bench(Cache())
    outcome = bench.run(edited(CHAIN, "slow", count=100), cancelled=lambda: bench.types().count("progress") >= 3)
    last = bench.events[-1]
    assert isinstance(last, ExecutionInterrupted)
    assert (last.node_id, last.executed) == ("slow", ("source", "plus"))
    assert outcome.state == "cancelled"
    assert [e.value for e in bench.events if isinstance(e, Progress)] == [1, 2, 3]
    bench.run(edited(CHAIN, "slow", count=100))
    assert bench.calls.made == ["Steps", "Show"]


def test_cancelling_before_the_start_runs_nothing() -> None:
    bench = Bench()
    assert bench.run(graph_of(CHAIN), cancelled=lambda: True).state == "cancelled"
    assert bench.calls.made == []


@pytest.mark.parametrize(("first", "ran"), [(True, "AddTo"), (False, "Steps")])
def test_a_lazy_input_runs_only_if_wanted(first: bool, ran: str) -> None:
    spec: Spec = {
        "1": ("Constant", {"value": 5}),
        "2": ("AddTo", {"a": "@1", "by": 1}),
        "3": ("Steps", {"a": "@1"}),
        "4": ("Pick", {"first": first, "a": "@2", "b": "@3"}),
        "5": ("Show", {"value": "@4"}),
    }
    bench = Bench(Cache())
    assert bench.shown(graph_of(spec)) == {"5": [6 if first else 5]}
    assert bench.calls.made == ["Constant", ran, "Pick", "Show"]
    bench.run(graph_of(spec))
    assert bench.calls.made == []


def test_a_lazy_choice_may_come_along_a_link() -> None:
    spec: Spec = {
        "1": ("Constant", {"value": 1}),
        "2": ("Anything", {"value": "@1"}),
        "3": ("AddTo", {"a": "@1", "by": 1}),
        "4": ("Pick", {"first": "@2", "a": "@3", "b": "@3"}),
        "5": ("Show", {"value": "@4"}),
    }
    assert Bench().shown(graph_of(spec)) == {"5": [2]}


def test_what_a_blocker_keeps_back_does_not_run() -> None:
    spec: Spec = {
        "1": ("Constant", {"value": 5}),
        "2": ("Gate", {"a": "@1", "open": False}),
        "3": ("AddTo", {"a": "@2"}),
        "4": ("Show", {"value": "@3"}),
        "5": ("Show", {"value": "@1"}),
    }
    bench = Bench(Cache())
    outcome = bench.run(graph_of(spec))
    assert outcome.state == "done"
    assert outcome.outputs == {"5": {"text": [5]}}
    assert bench.calls.made == ["Constant", "Gate", "Show"]


def test_a_blocker_with_a_message_fails_its_first_consumer_and_lets_the_rest_run() -> None:
    spec: Spec = {
        "1": ("Constant", {"value": 5}),
        "2": ("Gate", {"a": "@1", "open": False, "message": "Closed today."}),
        "3": ("AddTo", {"a": "@2"}),
        "4": ("Show", {"value": "@3"}),
        "5": ("Show", {"value": "@1"}),
    }
    bench = Bench(Cache())
    for _ in range(2):
        outcome = bench.run(graph_of(spec))
        assert outcome.state == "failed"
        assert outcome.error is not None
        assert (outcome.error.node_id, outcome.error.exception_type) == ("3", "ExecutionBlocked")
        assert outcome.error.exception_message == "Closed today."
        assert outcome.outputs == {"5": {"text": [5]}}
        assert bench.types()[-1] == "execution_error"


def test_nodes_of_one_graph_run_one_target_after_the_other() -> None:
    spec: Spec = {
        "1": ("Constant", {"value": 1}),
        "2": ("Constant", {"value": 2}),
        "3": ("AddTo", {"a": "@1"}),
        "4": ("AddTo", {"a": "@2"}),
        "5": ("Show", {"value": "@3"}),
        "6": ("Show", {"value": "@4"}),
    }
    assert Bench().run(graph_of(spec)).executed == ("1", "3", "5", "2", "4", "6")


def test_a_chain_of_ten_thousand_is_just_a_big_graph() -> None:
    spec: Spec = {"0": ("Constant", {"value": 0})}
    spec |= {str(i): ("AddTo", {"a": f"@{i - 1}"}) for i in range(1, 10_000)}
    spec["end"] = ("Show", {"value": "@9999"})
    bench = Bench(Cache())
    assert bench.shown(graph_of(spec)) == {"end": [9999]}
    bench.run(graph_of(spec))
    assert bench.calls.made == []


def test_hidden_inputs_and_claims_reach_the_node(tmp_path: Path) -> None:
    class Claimed:
        def __init__(self) -> None:
            self.names = {"2/0/0": "kept.txt"}

        def claimed(self, file: str, /) -> str | None:
            return self.names.get(file)

        def claim(self, file: str, name: str, /) -> None:
            self.names[file] = name

    bench = Bench(None, Calls(shelf=tmp_path))
    graph = graph_of(
        {"1": ("Constant", {}), "2": ("Save", {"value": "@1"}), "3": ("Save", {"value": "@1", "prefix": "x"})}
    )
    claims = Claimed()
    bench.run(graph, claims=claims, hidden=lambda what, node: what + node)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.txt", "x_0.txt"]
    assert claims.names == {"2/0/0": "kept.txt", "3/0/0": "x_0.txt"}


def test_a_run_without_a_cache_forgets_everything() -> None:
    bench = Bench()
    bench.run(graph_of(CHAIN))
    bench.run(graph_of(CHAIN))
    assert bench.calls.made == ["Constant", "AddTo", "Steps", "Show"]
    assert len(bench.engine.cache) == 0


def test_cached_nodes_are_listed_up_to_what_runs() -> None:
    bench = Bench(Cache())
    bench.run(graph_of(CHAIN))
    bench.run(edited(CHAIN, "slow", count=1))
    (cached,) = [event for event in bench.events if isinstance(event, ExecutionCached)]
    assert cached.nodes == ("source", "plus")
    assert [event.node for event in bench.events if isinstance(event, Executed)] == ["show"]


def test_a_read_only_folder_for_results_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("no folder")
    bench = Bench(Cache(JsonCodec(), disk=Disk(tmp_path / "results", JsonCodec())))
    assert bench.shown(graph_of(CHAIN)) == {"show": [5]}
