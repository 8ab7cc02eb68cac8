"""What files hold around a workflow: bodies of requests to a server, and keys beside the nodes of an API prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from server.formats.document import is_document
from server.formats.prompt import is_prompt

REQUEST_KEYS = frozenset({"client_id", "prompt_id", "number", "front", "extra_data", "partial_execution_targets"})
"""What the body of a request to run a workflow has beside it."""

_HOLDERS = ("prompt", "workflow", "output", "extra_pnginfo", "extra_data")
"""Keys under which a workflow, or another envelope, is found: what runs before how it is shown."""

_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Envelope:
    """The two halves of a workflow that a JSON value holds, and the keys that belong to neither."""

    prompt: dict[str, Any] | None = None
    document: dict[str, Any] | None = None
    beside: tuple[str, ...] = ()


def opened_envelope(value: object) -> Envelope:
    """What is in a JSON value: an editor's file, API nodes with anything beside them, or a body that holds these."""
    return _opened(value, _DEPTH)


def _opened(value: object, depth: int) -> Envelope:
    if is_document(value):
        return Envelope(document=cast("dict[str, Any]", value))
    if not isinstance(value, dict) or not depth:
        return Envelope()
    body = cast("dict[str, object]", value)
    if is_prompt(body):
        nodes = {name: each for name, each in body.items() if _is_node(each)}
        beside = {name: each for name, each in body.items() if name not in nodes}
        return Envelope(cast("dict[str, Any]", nodes), _enclosed(beside, depth).document, tuple(beside))
    return _enclosed(body, depth)


def _enclosed(body: Mapping[str, object], depth: int) -> Envelope:
    held = {name: _opened(body[name], depth - 1) for name in _HOLDERS if name in body}
    used = {name: each for name, each in held.items() if each.prompt is not None or each.document is not None}
    prompt = next((each.prompt for each in used.values() if each.prompt is not None), None)
    document = next((each.document for each in used.values() if each.document is not None), None)
    deeper = (name for each in used.values() for name in each.beside)
    return Envelope(prompt, document, (*(name for name in body if name not in used), *deeper))


def _is_node(value: object) -> bool:
    """Whether an entry beside nodes is one as well; one that lacks its type is a broken node, which is told of."""
    return isinstance(value, dict) and ("class_type" in value or "inputs" in value)
