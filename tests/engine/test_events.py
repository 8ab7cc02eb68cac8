"""Events cross pipes and logs as JSON, and come back the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nodes.types import Preview
from server.engine.describe import describe
from server.engine.events import (
    Event,
    Executed,
    Executing,
    ExecutionCached,
    ExecutionError,
    ExecutionInterrupted,
    ExecutionStart,
    ExecutionSuccess,
    Log,
    NodeFinished,
    Progress,
    from_json,
    to_json,
)
from tests.engine.toys import Thing

EVENTS: list[Event] = [
    ExecutionStart("j", 1, 1000),
    ExecutionCached("j", 2, 1000, ("1", "2")),
    Executing("j", 3, "5.0.1", "5"),
    Progress("j", 4, "5", "5", 1, 20),
    Progress("j", 5, "5", "5", 2, 20, Preview(b"\xff\xd8\x00", "image/jpeg")),
    Executed("j", 6, "9", "9", {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}]}),
    Executed("j", 7, "9", "9", None),
    NodeFinished("j", 8, "9", "9", 0.25, True),
    ExecutionSuccess("j", 9, 1001),
    ExecutionError("j", 10, 1001, "3", "KSampler", ("1",), "no", "ValueError", ("a", "b"), {"x": ["1"]}, ("1",), "T"),
    ExecutionInterrupted("j", 11, 1001, "3", "KSampler", ("1", "2")),
    Log("j", 12, "3", "warning", "text"),
]


@pytest.mark.parametrize("event", EVENTS, ids=[event.type for event in EVENTS])
def test_an_event_comes_back_the_same(event: Event) -> None:
    data = json.loads(json.dumps(to_json(event)))
    assert data["type"] == event.type
    assert (data["job"], data["seq"]) == (event.job, event.seq)
    back = from_json(data)
    assert type(back) is type(event)
    assert to_json(back) == to_json(event)


def test_a_preview_can_be_left_out() -> None:
    assert "preview" not in to_json(EVENTS[4], preview=False)
    assert from_json(to_json(EVENTS[4])) == EVENTS[4]


@pytest.mark.parametrize("data", [{}, {"type": "nope"}, {"type": "progress"}, {"type": ["x"]}])
def test_what_is_no_event_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no event"):
        from_json(data)


class Tensor:
    shape = (1, 64, 64, 3)
    dtype = "torch.float32"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        ("a", "'a'"),
        (None, "None"),
        (10**400, "a whole number of 1329 bits"),
        (Tensor(), "Tensor[1, 64, 64, 3] float32"),
        (Thing("x"), "Thing(name='x')"),
        ([1, 2], "list of 2: 1, 2"),
        ({"a": Tensor()}, "{a: Tensor[1, 64, 64, 3] float32}"),
        (object(), "object"),
        ([[[[1]]]], "list of 1: list of 1: list"),
    ],
)
def test_values_are_described_in_short(value: Any, text: str) -> None:
    assert describe(value) == text


def test_descriptions_are_never_long() -> None:
    assert len(describe("x" * 10_000)) <= 200
    assert len(describe([["y" * 100] * 100] * 100)) <= 200
