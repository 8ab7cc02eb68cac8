"""A job: what was asked for, where it stands, and how it ended."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, cast

Json = Mapping[str, Any]


class State(StrEnum):
    """Where a job stands. The last four are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (State.QUEUED, State.RUNNING)


@dataclass(frozen=True)
class Request:
    """What to run: an API-format prompt, the output nodes of it, and ComfyUI's extra_data."""

    prompt: Json
    targets: tuple[str, ...]
    extra: Json = field(default_factory=dict[str, Any])

    @property
    def client(self) -> str | None:
        """The socket that is told."""
        client = self.extra.get("client_id")
        return client if isinstance(client, str) else None

    @cached_property
    def text(self) -> str:
        """The prompt as JSON: written once, then stored, hashed and sent."""
        return json.dumps(self.prompt, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """The same for the same prompt and outputs."""
        return hashlib.sha256(f"{self.text}{json.dumps(self.targets)}".encode()).hexdigest()

    @property
    def workflow_id(self) -> str | None:
        """The id of the editor's document, if it came along."""
        workflow = _mapping(_mapping(self.extra.get("extra_pnginfo")).get("workflow"))
        found = workflow.get("id")
        return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Result:
    """How a job ended: what its nodes showed, ComfyUI's messages, and the error if there was one."""

    outputs: Json = field(default_factory=dict[str, Any])
    messages: tuple[tuple[str, Json], ...] = ()
    error: Json | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the queue knows it. Times are milliseconds since 1970, 0 for not yet.

    `number` orders the queue, lower first; `ordinal` breaks ties by arrival. `deaths` counts the workers that died
    running it. `request` is left out where only the job's standing is wanted.
    """

    id: str
    number: float
    request: Request
    ordinal: int = 0
    state: State = State.QUEUED
    created_ms: int = 0
    started_ms: int = 0
    ended_ms: int = 0
    attempts: int = 0
    deaths: int = 0
    worker: str = ""
    reason: str = ""
    result: Result = field(default_factory=Result)

    @property
    def order(self) -> tuple[float, int]:
        """Its place in the queue."""
        return (self.number, self.ordinal)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A job's turn on a worker. `n` counts from 1; `why` says why this worker."""

    n: int
    worker: str
    why: str
    started_ms: int


@dataclass(frozen=True)
class Logged:
    """An event as the log keeps it and the socket sends it."""

    seq: int
    job: str
    client: str | None
    type: str
    data: Json

    @cached_property
    def text(self) -> str:
        """The data as JSON: written once, then stored and sent."""
        return json.dumps(self.data, separators=(",", ":"))


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def text_of(prompt: Json) -> str:
    """The words of a prompt, for searching: every text that a node was given, one a line."""
    return "\n".join(_texts(prompt))


def _texts(prompt: Json) -> Iterator[str]:
    for node in prompt.values():
        inputs: object = cast("dict[str, Any]", node).get("inputs") if isinstance(node, dict) else None
        if isinstance(inputs, dict):
            yield from (value for value in cast("dict[str, Any]", inputs).values() if isinstance(value, str))


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
