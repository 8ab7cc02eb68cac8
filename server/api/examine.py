"""What a posted prompt comes to: read, converted if it is an editor's file, and validated."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from nodes.registry import Registry
from server.api.answers import Json, refuse
from server.api.keys import Parts
from server.engine.engine import Engine
from server.engine.errors import Problem, Validation
from server.formats.editor import to_prompt
from server.formats.errors import FormatError
from server.formats.prompt import read_prompt
from server.formats.shapes import Shapes
from server.jobs.model import Request

_MANY_NODES = 300
"""Larger graphs are checked beside the loop, so that other requests are not held up."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A prompt as it will run, or why it will not. `workflow` is the editor's file, if that was posted."""

    prompt: Json
    outputs: tuple[str, ...] = ()
    node_errors: Json = field(default_factory=dict[str, Any])
    refusal: Json | None = None
    sentences: tuple[str, ...] = ()
    workflow: Json | None = None


async def examine(parts: Parts, body: Mapping[str, Any]) -> Examined:
    """Read and check the prompt in a request's body. Refuses what cannot even be read."""
    prompt: object = body.get("prompt")
    if prompt is None:
        return _refused("no_prompt", "No prompt provided", "No prompt provided")
    if not isinstance(prompt, dict):
        return _refused("invalid_prompt", "The prompt must be an object of nodes by id.", type(prompt).__name__)
    targets = _targets(body)
    await parts.book.complete()
    engine = parts.book.engine
    given, workflow = cast("dict[str, Any]", prompt), None
    try:
        if _is_editor_file(given):
            given, workflow = await asyncio.to_thread(_converted, given, engine.registry), given
        if len(given) > _MANY_NODES:
            found = await asyncio.to_thread(_checked, given, targets, engine)
        else:
            found = _checked(given, targets, engine)
    except FormatError as error:
        return _refused("invalid_prompt", str(error), "")
    if found.refusal is None and any(parts.book.needs_worker(node["class_type"]) for node in given.values()):
        found = await _asked(parts, found, targets)
    return replace(found, workflow=workflow)


def _checked(prompt: Json, targets: Sequence[str] | None, engine: Engine) -> Examined:
    checked = engine.validate(read_prompt(prompt), targets)
    return _examined(prompt, checked)


def _examined(prompt: Json, checked: Validation) -> Examined:
    return Examined(
        prompt,
        checked.good_outputs,
        checked.node_errors(),
        None if checked.runs else checked.as_json(),
        checked.sentences(),
    )


async def _asked(parts: Parts, found: Examined, targets: Sequence[str] | None) -> Examined:
    """What a worker says of a prompt with nodes of custom packs, whose own checks only it can call."""
    said = await parts.queue.check(
        Request(found.prompt, found.outputs), tuple(targets) if targets is not None else None
    )
    if said is None:  # no worker is there: the job will be checked again when it runs
        return found
    refusal = {"error": said["error"], "node_errors": said["node_errors"]} if said["error"] is not None else None
    return Examined(found.prompt, tuple(said["outputs"]), said["node_errors"], refusal, tuple(said["sentences"]))


def _is_editor_file(prompt: Json) -> bool:
    return isinstance(prompt.get("nodes"), list)


def _converted(document: Json, registry: Registry) -> dict[str, Any]:
    """An editor's file as an API-format prompt. Raises FormatError."""
    return to_prompt(document, Shapes(registry))


def _targets(body: Mapping[str, Any]) -> list[str] | None:
    targets: object = body.get("partial_execution_targets")
    if targets is None:
        return None
    if not isinstance(targets, list):
        refuse(400, "partial_execution_targets must be a list of node ids.")
    return [str(each) for each in cast("list[Any]", targets)]


def _refused(type: str, message: str, details: str) -> Examined:
    problem = Problem(None, type, message, details)
    return Examined({}, refusal={"error": problem.as_json(), "node_errors": {}}, sentences=(message,))
