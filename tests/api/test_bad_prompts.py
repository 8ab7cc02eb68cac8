"""Prompts that are wrong in every way: a 400 that names node and input, never a 500, and the same without running."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.running import Running

ONE = {"class_type": "ToyNumber", "inputs": {"value": 1}}


def show(source: Any, **more: Any) -> dict[str, Any]:
    return {"1": ONE, "s": {"class_type": "ToyShow", "inputs": {"value": source}}, **more}


def add(a: Any, b: Any = 1) -> dict[str, Any]:
    return show(["2", 0], **{"2": {"class_type": "ToyAdd", "inputs": {"a": a, "b": b}}})


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


ROOTS: dict[str, Any] = {
    f"root {kind}": value
    for kind, value in {
        "null": None,
        "number": 5,
        "text": "x",
        "list": [],
        "list of nodes": [ONE],
        "true": True,
        "empty": {},
        "empty text": "",
    }.items()
}
NODES = {
    f"node {kind}": {"1": value}
    for kind, value in {
        "null": None,
        "number": 3,
        "text": "KSampler",
        "list": ["ToyNumber"],
        "true": True,
        "empty": {},
        "no class": {"inputs": {}},
        "class null": {"class_type": None, "inputs": {}},
        "class number": {"class_type": 4, "inputs": {}},
        "class list": {"class_type": ["ToyShow"], "inputs": {}},
        "class object": {"class_type": {}, "inputs": {}},
        "class unknown": {"class_type": "NoSuchNode", "inputs": {}},
        "class blank": {"class_type": " ", "inputs": {}},
        "class long": {"class_type": "x" * 100_000, "inputs": {}},
        "class dunder": {"class_type": "__class__", "inputs": {}},
        "inputs null": {"class_type": "ToyShow", "inputs": None},
        "inputs list": {"class_type": "ToyShow", "inputs": [1]},
        "inputs text": {"class_type": "ToyShow", "inputs": "x"},
        "inputs missing": {"class_type": "ToyShow"},
        "no output": ONE,
    }.items()
}
LINKS = {
    f"link {kind}": show(value)
    for kind, value in {
        "to nowhere": ["77", 0],
        "to itself": ["s", 0],
        "slot too high": ["1", 1],
        "slot huge": ["1", 2**70],
        "slot negative": ["1", -1],
        "slot text": ["1", "0"],
        "slot float": ["1", 0.5],
        "slot null": ["1", None],
        "slot true": ["1", True],
        "id number": [1, 0],
        "id null": [None, 0],
        "id list": [["1"], 0],
        "empty": [],
        "one long": ["1"],
        "three long": ["1", 0, 0],
        "nested": nested(50),
        "of objects": [{}, {}],
        "to an output node": ["s2", 0],
    }.items()
}
VALUES = {
    f"value {kind}": show(["1", 0], **{"1": {"class_type": "ToyNumber", "inputs": {"value": value}}})
    for kind, value in {
        "too high": 1_000_001,
        "too low": -1_000_001,
        "huge": 10**400,
        "text": "x",
        "empty text": "",
        "null": None,
        "list": [1],
        "object": {"a": 1},
        "wrapped object": {"__value__": {}},
        "wrapped list": {"__value__": [1, 2]},
        "wrapped twice": {"__value__": {"__value__": 1}},
        "inf text": "inf",
        "nan text": "nan",
        "1e400": "1e400",
        "hex": "0x10",
        "long text": "9" * 5000,
    }.items()
}
INPUTS = {
    f"input {kind}": add(["1", 0], value)
    for kind, value in {
        "linked to text": ["s", 0],
        "cross": ["2", 0],
        "text": "two",
        "object": {},
    }.items()
}
CYCLES = {
    f"cycle of {length}": show(
        ["c0", 0],
        **{
            f"c{n}": {"class_type": "ToyAdd", "inputs": {"a": [f"c{(n + 1) % length}", 0], "b": 1}}
            for n in range(length)
        },
    )
    for length in (1, 2, 3, 10, 100, 500)
}
CHOICES = {
    f"choice {kind}": show(["2", 0], **{"2": {"class_type": "ToyDie", "inputs": {"value": ["1", 0], "how": value}}})
    for kind, value in {
        "unknown": "softly",
        "case": "ERROR",
        "number": 1,
        "list": ["error"],
        "null": None,
        "object": {"x": 1},
        "blank": "",
        "path": "../error",
    }.items()
}
FILES = {
    f"file {kind}": {"1": {"class_type": "ToyRead", "inputs": {"image": value}}}
    for kind, value in {"missing": "none.png", "number": 7, "null": None, "list": ["a.png"], "object": {}}.items()
}
MISSING = {
    "missing socket": {"s": {"class_type": "ToyShow", "inputs": {}}},
    "missing upstream": add(None) | {"2": {"class_type": "ToyAdd", "inputs": {"b": 2}}},
    "missing deep": show(
        ["9", 0],
        **{
            "9": {"class_type": "ToyAdd", "inputs": {"a": ["8", 0]}},
            "8": {"class_type": "ToyAdd", "inputs": {}},
        },
    ),
    "a plain value in a socket": show(["2", 0], **{"2": {"class_type": "ToyAdd", "inputs": {"a": {}, "b": 1}}}),
}


def picture(changes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A grey picture, made larger and saved, with some inputs set: `{"scale.width": 5}`."""
    nodes: dict[str, Any] = {
        "empty": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
        "scale": {
            "class_type": "ImageScale",
            "inputs": {
                "image": ["empty", 0],
                "upscale_method": "area",
                "width": 16,
                "height": 16,
                "crop": "disabled",
            },
        },
        "save": {"class_type": "SaveImage", "inputs": {"images": ["scale", 0], "filename_prefix": "bad"}},
        **more,
    }
    for place, value in changes.items():
        node, name = place.split(".")
        nodes[node]["inputs"][name] = value
    return nodes


REAL = {
    f"real {kind}": picture(changes)
    for kind, changes in {
        "width 0": {"empty.width": 0},
        "width too wide": {"empty.width": 16_385},
        "width negative": {"empty.width": -8},
        "width text": {"empty.width": "wide"},
        "width infinite": {"empty.width": "inf"},
        "height object": {"empty.height": {"a": [{}]}},
        "no pictures": {"empty.batch_size": 0},
        "millions of pictures": {"empty.batch_size": 10**7},
        "colour below": {"empty.color": -1},
        "colour above": {"empty.color": 2**24},
        "method unknown": {"scale.upscale_method": "nearest"},
        "method case": {"scale.upscale_method": "AREA"},
        "method number": {"scale.upscale_method": 0},
        "method list": {"scale.upscale_method": ["area"]},
        "method link to text": {"scale.upscale_method": ["empty", "0"]},
        "crop true": {"scale.crop": True},
        "size of a picture": {"scale.width": ["empty", 0]},
        "picture of a number": {"scale.image": 5},
        "picture of a text": {"scale.image": "empty"},
        "picture of itself": {"scale.image": ["scale", 0]},
        "picture of the output": {"scale.image": ["save", 0]},
        "picture missing": {"scale.image": None},
        "round about": {"empty.width": ["scale", 0]},
        "nothing to save": {"save.images": []},
        "saved from nowhere": {"save.images": ["nowhere", 0]},
        "saved from below": {"save.images": ["scale", -1]},
        "saved from far": {"save.images": ["scale", 10**30]},
    }.items()
}
MODELS = {
    f"model {kind}": picture({}, **{"save": {"class_type": "SaveImage", "inputs": {"images": ["x", 0]}}, "x": node})
    for kind, node in {
        "not there": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "none.safetensors"}},
        "is no picture": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64}},
        "is a number": ONE,
        "outside": {"class_type": "VAELoader", "inputs": {"vae_name": "../vae.safetensors"}},
        "sampler without anything": {"class_type": "KSampler", "inputs": {}},
        "sampler of nothing": {"class_type": "KSampler", "inputs": {"model": ["nowhere", 0], "steps": 0, "cfg": "x"}},
    }.items()
}
LARGE = {
    "large and wrong": show(["c499", 0])
    | {f"c{n}": {"class_type": "ToyAdd", "inputs": {"a": [f"c{n - 1}", 0], "b": "x"}} for n in range(500)},
    "large and linked to all": show(["1", 0])
    | {f"s{n}": {"class_type": "ToyShow", "inputs": {"value": ["none", n]}} for n in range(500)},
    "deep value": show(["1", 0], **{"1": {"class_type": "ToyNumber", "inputs": {"value": nested(500)}}}),
    "strange ids": {"\u202e\u0000 ../x": ONE, "": {"class_type": "ToyShow", "inputs": {"value": ["gone", 0]}}},
}
TABLE: dict[str, Any] = {
    **REAL,
    **MODELS,
    **LARGE,
    **ROOTS,
    **NODES,
    **LINKS,
    **VALUES,
    **INPUTS,
    **CYCLES,
    **CHOICES,
    **FILES,
    **MISSING,
}
HARMLESS = {
    "large and linked to all",
    "deep value",
    "choice null",
    "file null",
    "link empty",
    "link id list",
    "link id null",
    "link id number",
    "link nested",
    "link of objects",
    "link one long",
    "link slot float",
    "link slot null",
    "link slot text",
    "link slot true",
    "link three long",
    "value 1e400",
    "value empty text",
    "value hex",
    "value list",
    "value long text",
    "value null",
    "value object",
    "value wrapped list",
    "value wrapped object",
    "value wrapped twice",
}
"""Cases that a lenient reader may understand after all; for them it is only asked that nothing breaks."""

BODIES = {
    "no json": b"{",
    "empty": b"",
    "not utf-8": b"\xff\xfe{}",
    "nan": b'{"prompt": {"1": {"class_type": "ToyNumber", "inputs": {"value": NaN}}}}',
    "infinity": b'{"prompt": {"1": {"class_type": "ToyNumber", "inputs": {"value": Infinity}}}}',
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep object": b'{"prompt":' * 50_000 + b"1" + b"}" * 50_000,
    "long number": b'{"prompt": {"1": {"class_type": "ToyNumber", "inputs": {"value": ' + b"9" * 10_000 + b"}}}}",
    "list": b"[]",
    "null": b"null",
    "text": b'"prompt"',
    "number": b"1",
    "lone surrogate": b'{"prompt": "\\ud800"}',
    "nul": b'{"prompt": "\\u0000"}',
}
FIELDS = {
    "number text": {"number": "first"},
    "number list": {"number": [1]},
    "number huge": {"number": "1e999"},
    "extra list": {"extra_data": []},
    "extra text": {"extra_data": "x"},
    "targets text": {"partial_execution_targets": "s"},
    "targets object": {"partial_execution_targets": {}},
    "targets empty": {"partial_execution_targets": []},
    "targets unknown": {"partial_execution_targets": ["none"]},
    "targets nested": {"partial_execution_targets": [["s"]]},
    "id empty": {"prompt_id": ""},
    "id long": {"prompt_id": "x" * 1000},
    "id control": {"prompt_id": "a\nb"},
}


def explained(error: dict[str, Any]) -> bool:
    return bool(error["type"]) and bool(error["message"]) and "Traceback" not in json.dumps(error)


@pytest.mark.parametrize("case", TABLE)
def test_a_bad_prompt_is_explained(shared: Running, case: str) -> None:
    prompt = TABLE[case]
    found = shared.ask("POST", "/prompt", {"prompt": prompt})
    offline = shared.ask("POST", "/api/validate", {"prompt": prompt})
    assert found.status in ((200, 400) if case in HARMLESS else (400,)), found.body[:500]
    assert offline.status == 200
    if found.status == 400:
        verdict = offline.json
        assert explained(found.json["error"]), found.body[:500]
        assert not verdict["valid"]
        assert verdict["error"] == found.json["error"]
        assert verdict["node_errors"] == found.json["node_errors"]
        assert len(found.body) < 300_000
    else:
        shared.ended(found.json["prompt_id"])


@pytest.mark.parametrize("case", BODIES)
@pytest.mark.parametrize("path", ["/prompt", "/api/validate", "/queue", "/history", "/settings"])
def test_a_bad_body_is_explained(shared: Running, case: str, path: str) -> None:
    found = shared.ask("POST", path, BODIES[case], {"Content-Type": "application/json"})
    assert found.status in (200, 400), found.body[:300]
    if path in ("/prompt", "/queue", "/history", "/settings") and case not in ("lone surrogate", "nul"):
        assert found.status == 400
        assert explained(found.json["error"])


@pytest.mark.parametrize("case", FIELDS)
def test_a_bad_field_is_explained(shared: Running, case: str) -> None:
    found = shared.ask("POST", "/prompt", {"prompt": show(["1", 0]), **FIELDS[case]})
    assert found.status == 400, found.body
    assert explained(found.json["error"])


def test_there_are_as_many_as_were_asked_for() -> None:
    assert len(TABLE) >= 120
    assert len(TABLE) + len(BODIES) + len(FIELDS) >= 150


def test_numbers_of_the_query_are_checked(shared: Running) -> None:
    for path in (
        "/history?max_items=x",
        "/history?offset=1.5",
        "/api/jobs?limit=0",
        "/api/jobs?limit=x",
        "/api/jobs?offset=" + "9" * 30,
        "/api/jobs?status=lost",
        "/api/jobs?sort_by=x",
        "/api/jobs?sort_order=x",
        "/ws?since=x",
    ):
        assert shared.ask("GET", path).status == 400, path
    assert shared.ask("GET", "/api/jobs?offset=-5").status == 200


def test_half_a_character_is_refused_and_takes_nothing_down(shared: Running) -> None:
    reply = shared.ask("POST", "/prompt", {"prompt": show(1, x={"class_type": "ToyNumber", "inputs": {"a": "\ud800"}})})
    assert reply.status == 400
    assert reply.json["error"]["type"] == "invalid_text"
    whole = shared.ask("POST", "/prompt", {"prompt": show(1, x={**ONE, "_meta": {"title": "\U0001f600"}})})
    assert whole.status == 200, whole.body
    assert shared.ended(whole.json["prompt_id"])["state"] == "done"
