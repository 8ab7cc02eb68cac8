"""Bad graphs: every problem at once, addressed to node and input, in ComfyUI's shapes and in plain words."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from nodes.folders import Folders
from server.engine.engine import Engine
from server.engine.graph import Graph, Link, Placed
from server.formats.errors import FormatError
from server.formats.prompt import read_prompt
from tests.engine.toys import TOYS, Bench, Calls, graph_of

NODE_ERROR_KEYS = {"errors", "dependent_outputs", "class_type"}
ERROR_KEYS = {"type", "message", "details", "extra_info", "sentence"}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "a.txt").write_text("a")
    return Engine(TOYS, provided={Calls: Calls(), Folders: Folders.at(tmp_path)})


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def deep_list(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def constant(value: Any) -> dict[str, Any]:
    return {"1": {"class_type": "Constant", "inputs": {"value": value}}, "9": show("1")}


def words(**inputs: Any) -> dict[str, Any]:
    return {"1": {"class_type": "Words", "inputs": {"text": "hello", **inputs}}, "9": show("1")}


def use(thing: Any) -> dict[str, Any]:
    return {
        "1": {"class_type": "UseThing", "inputs": {"thing": thing}},
        "2": {"class_type": "MakeThing", "inputs": {}},
        "3": {"class_type": "Constant", "inputs": {}},
        "9": show("1"),
    }


def join(**parts: Any) -> dict[str, Any]:
    return {
        "1": {"class_type": "Join", "inputs": {name.replace("_", "."): value for name, value in parts.items()}},
        "2": {"class_type": "Constant", "inputs": {}},
        "3": {"class_type": "MakeThing", "inputs": {}},
        "9": show("1"),
    }


def opened(name: Any) -> dict[str, Any]:
    return {"1": {"class_type": "Open", "inputs": {"name": name}}, "9": show("1")}


def typed(kind: Any) -> dict[str, Any]:
    return {"1": {"class_type": kind, "inputs": {}}, "9": show("1")}


def show(source: str) -> dict[str, Any]:
    return {"class_type": "Show", "inputs": {"value": [source, 0]}}


def ring(size: int) -> dict[str, Any]:
    """Nodes 1 to `size` in a circle, and one that shows the last."""
    nodes = {
        str(i): {"class_type": "AddTo", "inputs": {"a": [str(i - 1 if i > 1 else size), 0]}} for i in range(1, size + 1)
    }
    return {**nodes, "9999": show(str(size))}


WRONG_TYPE, BAD_LINK = "invalid_input_type", "bad_linked_input"
HUGE = 10**400

BAD_VALUES: list[tuple[str, dict[str, Any], str, str]] = [
    *(
        (f"int {name}", constant(value), "value", WRONG_TYPE)
        for name, value in {
            "word": "abc",
            "empty": "",
            "fraction as text": "1.5",
            "null": None,
            "object": {"a": 1},
            "no object": {},
            "nan": math.nan,
            "inf": math.inf,
            "-inf": -math.inf,
            "digits": "9" * 5000,
            "deep": deep(5000),
            "wrapped null": {"__value__": None},
            "wrapped list": {"__value__": [1, 2]},
            "twice wrapped": {"__value__": {"__value__": 1}},
        }.items()
    ),
    *(
        (f"int {name}", constant(value), "value", "value_bigger_than_max")
        for name, value in {
            "1001": 1001,
            "2^64": 2**64,
            "10^400": HUGE,
            "1e300": 1e300,
            "text 5000": "5000",
        }.items()
    ),
    *(
        (f"int {name}", constant(value), "value", "value_smaller_than_min")
        for name, value in {
            "-1001": -1001,
            "-2^64": -(2**64),
            "-10^400": -HUGE,
        }.items()
    ),
    *(
        (f"link {name}", constant(value), "value", BAD_LINK)
        for name, value in {
            "empty": [],
            "one": ["1"],
            "three": ["1", 0, 0],
            "number as id": [1, 0],
            "text as slot": ["1", "0"],
            "half a slot": ["1", 0.5],
            "null slot": ["1", None],
            "true slot": ["1", True],
            "nested": deep_list(5000),
            "object in it": [{}, 0],
            "list in it": [["1"], 0],
        }.items()
    ),
    *(
        (f"seed {name}", words(seed=value), "seed", kind)
        for name, value, kind in [
            ("-1", -1, "value_smaller_than_min"),
            ("2^64", 2**64, "value_bigger_than_max"),
            ("list", [1], BAD_LINK),
            ("word", "dice", WRONG_TYPE),
        ]
    ),
    *(
        (f"float {name}", words(weight=value), "weight", kind)
        for name, value, kind in [
            ("word", "heavy", WRONG_TYPE),
            ("null", None, WRONG_TYPE),
            ("object", {}, WRONG_TYPE),
            ("nan", math.nan, WRONG_TYPE),
            ("inf", math.inf, WRONG_TYPE),
            ("nan as text", "nan", WRONG_TYPE),
            ("inf as text", "-inf", WRONG_TYPE),
            ("10^400", HUGE, WRONG_TYPE),
            ("2.1", 2.1, "value_bigger_than_max"),
            ("-0.1", -0.1, "value_smaller_than_min"),
            ("list", [1.0], BAD_LINK),
            ("deep", deep(5000), WRONG_TYPE),
        ]
    ),
    *(
        (f"bool {name}", words(quiet=value), "quiet", kind)
        for name, value, kind in [
            ("null", None, WRONG_TYPE),
            ("object", {}, WRONG_TYPE),
            ("list", [True], BAD_LINK),
        ]
    ),
    *(
        (f"combo {name}", words(style=value), "style", kind)
        for name, value, kind in [
            ("unknown", "shout", "value_not_in_list"),
            ("empty", "", "value_not_in_list"),
            ("number", 5, "value_not_in_list"),
            ("case", "Plain", "value_not_in_list"),
            ("null", None, WRONG_TYPE),
            ("object", {}, WRONG_TYPE),
            ("list", ["plain"], BAD_LINK),
            ("long", "x" * 100_000, "value_not_in_list"),
            ("half a letter", "\ud800", "value_not_in_list"),
        ]
    ),
    *(
        (f"text {name}", words(text=value), "text", kind)
        for name, value, kind in [
            ("null", None, WRONG_TYPE),
            ("object", {"a": "b"}, WRONG_TYPE),
            ("list", ["a", "b"], BAD_LINK),
            ("deep", deep(5000), WRONG_TYPE),
        ]
    ),
    *(
        (f"socket {name}", use(value), "thing", kind)
        for name, value, kind in [
            ("text", "x", WRONG_TYPE),
            ("number", 5, WRONG_TYPE),
            ("null", None, WRONG_TYPE),
            ("object", {}, WRONG_TYPE),
            ("other type", ["3", 0], "return_type_mismatch"),
            ("no such node", ["77", 0], "exception_during_inner_validation"),
            ("no such slot", ["2", 1], BAD_LINK),
            ("slot -1", ["2", -1], BAD_LINK),
            ("slot 10^20", ["2", 10**20], BAD_LINK),
            ("slot 10^400", ["2", HUGE], BAD_LINK),
            ("endless id", ["7" * 100_000, 0], "exception_during_inner_validation"),
        ]
    ),
    *(
        (f"growing {name}", join(**value), place, kind)
        for name, value, place, kind in [
            ("none", {}, "parts.0", "required_input_missing"),
            ("gap", {"parts_1": ["2", 0]}, "parts.0", "required_input_missing"),
            ("too many", {"parts_0": ["2", 0], "parts_5": ["2", 0]}, "parts.5", "custom_validation_failed"),
            ("other type", {"parts_0": ["3", 0]}, "parts.0", "return_type_mismatch"),
            (
                "no such node",
                {"parts_0": ["2", 0], "parts_1": ["8", 0]},
                "parts.1",
                "exception_during_inner_validation",
            ),
            ("no link", {"parts_0": ["2", 0], "parts_1": []}, "parts.1", BAD_LINK),
        ]
    ),
    *(
        (f"file {name}", opened(value), "name", "value_not_in_list")
        for name, value in {
            "missing": "b.txt",
            "up": "../a.txt",
            "up and down": "x/../../a.txt",
            "absolute": "/etc/passwd",
            "drive": "C:\\a.txt",
            "device": "con",
            "nul": "a\0.txt",
            "empty": "",
            "long": "x" * 5000,
            "backslash": "..\\a.txt",
            "half a letter": "\udc80.txt",
            "other place": "a.txt [output]",
        }.items()
    ),
]


@pytest.mark.parametrize(("prompt", "name", "kind"), [case[1:] for case in BAD_VALUES], ids=[c[0] for c in BAD_VALUES])
def test_bad_input_is_named(engine: Engine, prompt: dict[str, Any], name: str, kind: str) -> None:
    checked = engine.validate(read_prompt(prompt))
    answer = json.loads(json.dumps(checked.as_json(), allow_nan=False))
    assert not checked.runs
    assert answer["error"]["type"] == "prompt_outputs_failed_validation"
    assert answer["node_errors"].keys() == {"1"}
    errors = answer["node_errors"]["1"]["errors"]
    assert [(error["type"], error["extra_info"]["input_name"]) for error in errors] == [(kind, name)]
    assert answer["node_errors"]["1"]["dependent_outputs"] == ["9"]
    assert all(error.keys() == ERROR_KEYS for error in errors)
    (sentence,) = checked.sentences()
    assert name in sentence
    assert "node 1" in sentence
    assert len(sentence) < 1500


BAD_PROMPTS: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("empty", {}, "prompt_no_outputs", None),
    ("no output node", {"1": {"class_type": "Constant", "inputs": {}}}, "prompt_no_outputs", None),
    ("no class", {"1": {"inputs": {}}, "9": show("1")}, "invalid_prompt", "1"),
    ("null class", typed(None), "invalid_prompt", "1"),
    ("number class", typed(5), "invalid_prompt", "1"),
    ("list class", typed(["Constant"]), "invalid_prompt", "1"),
    ("empty class", typed(""), "invalid_prompt", "1"),
    ("unknown class", typed("Nope"), "invalid_prompt", "1"),
    ("endless class", typed("N" * 100_000), "invalid_prompt", "1"),
    ("other case", typed("constant"), "invalid_prompt", "1"),
    ("unicode class", typed("KSampler\u202e\ud800"), "invalid_prompt", "1"),
    ("unknown output class", {"1": {"class_type": "SaveNothing", "inputs": {}}}, "invalid_prompt", "1"),
    ("unknown beside a good one", {**constant(1), "5": {"class_type": "Nope", "inputs": {}}}, "invalid_prompt", "5"),
]


@pytest.mark.parametrize(("prompt", "kind", "node"), [c[1:] for c in BAD_PROMPTS], ids=[c[0] for c in BAD_PROMPTS])
def test_bad_prompt_is_refused_as_a_whole(engine: Engine, prompt: dict[str, Any], kind: str, node: str | None) -> None:
    checked = engine.validate(read_prompt(prompt))
    assert checked.good_outputs == ()
    assert checked.error is not None
    assert (checked.error.type, checked.error.node_id) == (kind, node)
    json.dumps(checked.as_json(), allow_nan=False)
    assert checked.sentences()


def test_comfyui_says_these_words(engine: Engine) -> None:
    checked = engine.validate(read_prompt(typed("Nope")))
    assert checked.error is not None
    assert checked.error.as_json() == {
        "type": "invalid_prompt",
        "message": "Cannot execute because node Nope does not exist.",
        "details": "Node ID '#1'",
        "extra_info": {},
        "sentence": "Node 1 is of type 'Nope', which is not installed.",
    }
    missing = engine.validate(read_prompt({"1": {"class_type": "Show", "inputs": {}}}))
    assert missing.as_json() == {
        "error": {
            "type": "prompt_outputs_failed_validation",
            "message": "Prompt outputs failed validation",
            "details": "Required input is missing: value",
            "extra_info": {},
            "sentence": "Nothing can run: every output node needs something that is wrong.",
        },
        "node_errors": {
            "1": {
                "errors": [
                    {
                        "type": "required_input_missing",
                        "message": "Required input is missing",
                        "details": "value",
                        "extra_info": {"input_name": "value"},
                        "sentence": "Show (node 1): input value (*) is missing; link something to it.",
                    }
                ],
                "dependent_outputs": ["1"],
                "class_type": "Show",
            }
        },
    }


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        (
            constant(1001),
            {
                "type": "value_bigger_than_max",
                "message": "Value 1001 bigger than max of 1000",
                "details": "value",
                "extra_info": {
                    "input_name": "value",
                    "input_config": ["INT", {"default": 0, "min": -1000, "max": 1000}],
                    "received_value": 1001,
                },
            },
        ),
        (
            words(style="shout"),
            {
                "type": "value_not_in_list",
                "message": "Value not in list",
                "details": "style: 'shout' not in ['plain', 'loud']",
                "extra_info": {
                    "input_name": "style",
                    "input_config": [["plain", "loud"], {"default": "plain"}],
                    "received_value": "shout",
                },
            },
        ),
        (
            use(["3", 0]),
            {
                "type": "return_type_mismatch",
                "message": "Return type mismatch between linked nodes",
                "details": "thing, received_type(INT) mismatch input_type(THING)",
                "extra_info": {
                    "input_name": "thing",
                    "input_config": ["THING"],
                    "received_type": "INT",
                    "linked_node": ["3", 0],
                },
            },
        ),
        (
            constant(["1"]),
            {
                "type": "bad_linked_input",
                "message": "Bad linked input, must be a length-2 list of [node_id, slot_index]",
                "details": "value",
                "extra_info": {
                    "input_name": "value",
                    "input_config": ["INT", {"default": 0, "min": -1000, "max": 1000}],
                    "received_value": ["1"],
                },
            },
        ),
    ],
    ids=["max", "combo", "mismatch", "link"],
)
def test_errors_have_comfyuis_fields(engine: Engine, prompt: dict[str, Any], error: Mapping[str, Any]) -> None:
    checked = engine.validate(read_prompt(prompt))
    (said,) = checked.node_errors()["1"]["errors"]
    assert (said.pop("sentence"),) == checked.sentences()
    assert said == error


@pytest.mark.parametrize("value", [None, [], "x", 5, True, 1.5, {"1": None}, {"1": []}, {"1": "x"}, {"1": 5}])
def test_json_that_is_no_prompt_is_said_to_be_none(value: Any) -> None:
    with pytest.raises(FormatError):
        read_prompt(value)


@pytest.mark.parametrize("inputs", [None, [], "x", 5])
def test_inputs_must_be_an_object(inputs: Any) -> None:
    with pytest.raises(FormatError, match="1"):
        read_prompt({"1": {"class_type": "Constant", "inputs": inputs}})


@pytest.mark.parametrize("size", [1, 2, 3, 5000])
def test_cycle_is_named_with_its_nodes(engine: Engine, size: int) -> None:
    checked = engine.validate(read_prompt(ring(size)))
    assert not checked.runs
    (problem,) = checked.problems
    assert problem.type == "dependency_cycle"
    assert problem.sentence.startswith("Cycle: ")
    assert problem.sentence.endswith("Remove one of these links.")
    assert checked.node_errors()[problem.node_id or ""]["dependent_outputs"] == ["9999"]
    assert len(problem.sentence) < 300


def ladder(size: int) -> dict[str, Any]:
    """Each node takes from both its neighbours."""
    return {str(n): ("Add", {"a": f"@{max(n - 1, 0)}", "b": f"@{min(n + 1, size - 1)}"}) for n in range(size)} | {
        "end": ("Show", {"value": "@0"})
    }


def pairs(size: int) -> dict[str, Any]:
    """Many small cycles, each shown."""
    return {str(n): ("AddTo", {"a": f"@{n ^ 1}"}) for n in range(size)} | {
        f"end{n}": ("Show", {"value": f"@{n}"}) for n in range(size)
    }


def faults(size: int) -> dict[str, Any]:
    """A chain of nodes each of which is wrong and each of which is shown."""
    return {
        "0": ("Constant", {}),
        **{str(n): ("AddTo", {"a": f"@{n - 1}", "by": "much"}) for n in range(1, size)},
        **{f"end{n}": ("Show", {"value": f"@{n}"}) for n in range(size)},
    }


@pytest.mark.parametrize("shape", [ladder, pairs, faults])
def test_a_large_graph_that_is_wrong_all_over_is_judged_in_seconds(
    engine: Engine, shape: Callable[[int], dict[str, Any]]
) -> None:
    graph = graph_of(shape(5000))
    began = time.process_time()
    checked = engine.validate(graph)
    assert checked.problems
    assert checked.node_errors()
    assert time.process_time() - began < 5  # where it took the square of the nodes it was more


def test_two_cycles_are_both_named(engine: Engine) -> None:
    graph = graph_of(
        {
            "1": ("AddTo", {"a": "@2"}),
            "2": ("AddTo", {"a": "@1"}),
            "3": ("AddTo", {"a": "@3"}),
            "4": ("Add", {"a": "@1", "b": "@3"}),
            "5": ("Show", {"value": "@4"}),
        }
    )
    checked = engine.validate(graph)
    assert [problem.node_id for problem in checked.problems] == ["1", "3"]
    assert checked.problems[0].sentence == "Cycle: 1 AddTo -> 2 AddTo -> 1 AddTo. Remove one of these links."


def test_an_output_node_gives_nothing(engine: Engine) -> None:
    graph = graph_of({"1": ("Constant", {}), "2": ("Show", {"value": "@1"}), "3": ("Show", {"value": "@2"})})
    (problem,) = engine.validate(graph).problems
    assert problem.type == "bad_linked_input"
    assert problem.sentence.endswith("Show (node 2) has 0 outputs, and none of number 0.")


def test_cycle_through_a_lazy_input_is_one_too(engine: Engine) -> None:
    graph = graph_of({"1": ("Pick", {"first": True, "a": "@1"}), "2": ("Show", {"value": "@1"})})
    assert [problem.type for problem in engine.validate(graph).problems] == ["dependency_cycle"]


def test_every_problem_is_reported_at_once(engine: Engine) -> None:
    graph = graph_of(
        {
            "1": ("Words", {"text": "a", "style": "shout", "weight": 5, "seed": -1}),
            "2": ("Constant", {"value": "x"}),
            "3": ("Add", {"a": "@2", "b": "@8"}),
            "4": ("Show", {"value": "@1"}),
            "5": ("Show", {"value": "@3"}),
            "6": ("Show", {}),
        }
    )
    found = {(problem.node_id, problem.input_name) for problem in engine.validate(graph).problems}
    assert found == {("1", "style"), ("1", "weight"), ("1", "seed"), ("2", "value"), ("3", "b"), ("6", "value")}


def test_good_outputs_run_beside_bad_ones() -> None:
    graph = graph_of(
        {
            "1": ("Constant", {"value": 5}),
            "2": ("Constant", {"value": 5000}),
            "3": ("Show", {"value": "@1"}),
            "4": ("Show", {"value": "@2"}),
            "5": ("Add", {"a": "@1", "b": "@2"}),
            "6": ("Show", {"value": "@5"}),
        }
    )
    bench = Bench()
    checked = bench.engine.validate(graph)
    assert checked.runs
    assert not checked.sound
    assert checked.good_outputs == ("3",)
    assert checked.node_errors()["2"]["dependent_outputs"] == ["4", "6"]
    outcome = bench.engine.run("job", checked.graph, checked.good_outputs, bench.events.append)
    assert outcome.outputs == {"3": {"text": [5]}}


def test_targets_narrow_what_is_checked_and_run() -> None:
    graph = graph_of(
        {
            "1": ("Constant", {"value": 5000}),
            "2": ("Show", {"value": "@1"}),
            "3": ("Constant", {"value": 1}),
            "4": ("Show", {"value": "@3"}),
        }
    )
    checked = Bench().engine.validate(graph, ["4"])
    assert checked.sound
    assert checked.good_outputs == ("4",)
    assert Bench().engine.validate(graph, ["3"]).error is not None
    assert Bench().engine.validate(graph, []).error is not None


def test_nodes_that_feed_no_output_are_not_complained_of(engine: Engine) -> None:
    graph = graph_of({"1": ("Constant", {"value": 5000}), "2": ("Constant", {}), "3": ("Show", {"value": "@2"})})
    assert engine.validate(graph).sound


def test_the_graph_that_was_given_stays_as_it_was(engine: Engine) -> None:
    prompt = {"1": {"class_type": "Constant", "inputs": {"value": "7"}}, "9": show("1")}
    graph = read_prompt(prompt)
    before = repr(graph)
    checked = engine.validate(graph)
    assert repr(graph) == before
    assert checked.graph["1"].inputs == {"value": 7}


@pytest.mark.parametrize(
    ("given", "corrected"),
    [
        ({"text": "a"}, {"text": "a", "style": "plain", "weight": 1.0, "quiet": False, "seed": 0}),
        ({"text": 5}, {"text": "5"}),
        ({"text": "a", "weight": "0.5"}, {"weight": 0.5}),
        ({"text": "a", "weight": 1}, {"weight": 1.0}),
        ({"text": "a", "weight": True}, {"weight": 1.0}),
        ({"text": "a", "seed": "12"}, {"seed": 12}),
        ({"text": "a", "seed": 12.9}, {"seed": 12}),
        ({"text": "a", "seed": 2**64 - 1}, {"seed": 2**64 - 1}),
        ({"text": "a", "quiet": "false"}, {"quiet": False}),
        ({"text": "a", "quiet": "true"}, {"quiet": True}),
        ({"text": "a", "quiet": 1}, {"quiet": True}),
        ({"text": {"__value__": "a"}}, {"text": "a"}),
        ({"text": "a", "unknown": 5, "other": ["77", 0]}, {"text": "a"}),
    ],
)
def test_values_become_what_is_declared(engine: Engine, given: dict[str, Any], corrected: dict[str, Any]) -> None:
    checked = engine.validate(read_prompt({"1": {"class_type": "Words", "inputs": given}, "9": show("1")}))
    assert checked.sound, checked.sentences()
    inputs = checked.graph["1"].inputs
    assert {name: inputs[name] for name in corrected} == corrected
    assert all(type(inputs[name]) is type(value) for name, value in corrected.items())
    assert "unknown" not in inputs
    assert engine.validate(checked.graph).graph == checked.graph


def test_blanks_behind_a_type_are_forgiven(engine: Engine) -> None:
    checked = engine.validate(Graph.of([Placed("1", "Constant "), Placed("9", "Show", {"value": Link("1", 0)})]))
    assert checked.sound
    assert checked.graph["1"].type == "Constant"


def test_wildcards_and_sets_of_types_match(engine: Engine) -> None:
    graph = graph_of(
        {
            "1": ("Constant", {}),
            "2": ("Mixed", {"value": "@1"}),
            "3": ("AddTo", {"a": "@2"}),
            "4": ("Anything", {"value": "@3"}),
            "5": ("AddTo", {"a": "@4"}),
            "6": ("Show", {"value": "@5"}),
        }
    )
    assert engine.validate(graph).sound
    thing = graph_of({"1": ("MakeThing", {}), "2": ("Mixed", {"value": "@1"}), "3": ("Show", {"value": "@2"})})
    assert [p.type for p in engine.validate(thing).problems] == ["return_type_mismatch"]


@pytest.mark.parametrize(
    ("inputs", "version", "amount"),
    [
        ({"number": 5}, None, 5),
        ({"number": 5}, 1, 5),
        ({"amount": 5}, None, 5),
        ({"amount": 5}, 2, 5),
        ({}, None, 1),
        ({"amount": 5}, 7, 5),
    ],
)
def test_older_inputs_are_brought_up_to_date(
    engine: Engine, inputs: dict[str, Any], version: int | None, amount: int
) -> None:
    graph = Graph.of([Placed("1", "Renamed", inputs, version=version), Placed("2", "Show", {"value": Link("1", 0)})])
    checked = engine.validate(graph)
    assert checked.sound
    assert checked.graph["1"].inputs == {"amount": amount}


def test_an_input_that_did_not_grow_once_is_its_first_place(engine: Engine) -> None:
    graph = graph_of({"1": ("Constant", {}), "2": ("Join", {"parts": "@1"}), "3": ("Show", {"value": "@2"})})
    checked = engine.validate(graph)
    assert checked.sound
    assert checked.graph["2"].inputs == {"parts.0": Link("1", 0)}


def test_checks_across_inputs_see_constants(engine: Engine) -> None:
    checked = engine.validate(read_prompt(words(text="hey!", quiet=True)))
    (problem,) = checked.problems
    assert (problem.type, problem.details) == (
        "custom_validation_failed",
        "text has an exclamation mark, and quiet is on.",
    )
    linked = read_prompt(words(text=["2", 0], quiet=True) | {"2": {"class_type": "Words", "inputs": {"text": "hey!"}}})
    assert engine.validate(linked).sound


def test_wide_broken_graph_is_judged_in_one_pass(engine: Engine) -> None:
    nodes: dict[str, Any] = {"0": ("Constant", {"value": "x"})}
    for i in range(1, 3000):
        nodes[str(i)] = ("AddTo", {"a": f"@{i - 1}", "by": "y"})
    nodes |= {f"s{i}": ("Show", {"value": f"@{i}"}) for i in range(0, 3000, 300)}
    checked = engine.validate(graph_of(nodes))
    assert len(checked.problems) == 2701
    assert checked.good_outputs == ()
    assert checked.node_errors()["0"]["dependent_outputs"] == [f"s{i}" for i in range(0, 3000, 300)]


def test_validation_loads_no_torch() -> None:
    code = (
        "import sys; from server.engine.engine import Engine; from server.engine.graph import Graph;"
        "from nodes.registry import Registry; Engine(Registry({})).validate(Graph({}));"
        "sys.exit('torch' in sys.modules or 'networkx' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
