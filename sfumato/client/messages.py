"""A server's messages as events: text frames with JSON, and binary ones with pictures."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from sfumato.client.events import Cached, Cancelled, Event, Executed, Executing, Failed, Preview, Progress, Started

_PICTURE, _PICTURE_WITH_METADATA = 1, 4
_MIMES: Mapping[int, str] = {1: "image/jpeg", 2: "image/png"}


def event_of(type: str, data: Mapping[str, Any]) -> Event | None:
    """The event that a message of this type tells; None when it tells nothing of a job."""
    job = data.get("prompt_id")
    if not isinstance(job, str):
        return None
    match type:
        case "execution_start":
            return Started(job)
        case "execution_cached":
            return Cached(job, tuple(str(each) for each in data.get("nodes") or ()))
        case "executing" if data.get("node") is not None:
            return Executing(job, str(data["node"]), str(data.get("display_node") or data["node"]))
        case "progress":
            return Progress(job, str(data.get("node") or ""), data["value"], data["max"])
        case "executed":
            return Executed(job, str(data["node"]), data.get("output") or {})
        case "execution_error":
            return failure(data)
        case "execution_interrupted":
            return Cancelled(job)
        case _:
            return None


def failure(data: Mapping[str, Any]) -> Failed:
    """What an execution_error says."""
    return Failed(
        str(data.get("prompt_id", "")),
        str(data.get("exception_message", "")),
        str(data.get("node_id") or ""),
        str(data.get("node_type") or ""),
        str(data.get("exception_type") or ""),
        tuple(str(line) for line in data.get("traceback") or ()),
    )


def preview_of(frame: bytes, running: str) -> Preview | None:
    """The picture in a binary frame. One that names no job belongs to the `running` one."""
    if len(frame) < 8:
        return None
    kind, number = struct.unpack_from(">II", frame)
    if kind == _PICTURE:
        return Preview(running, None, _MIMES.get(number, "image/jpeg"), frame[8:]) if running else None
    if kind != _PICTURE_WITH_METADATA or len(frame) < 8 + number:
        return None
    try:
        about = json.loads(frame[8 : 8 + number])
        job, node = about.get("prompt_id") or running, about.get("node_id")
    except (ValueError, AttributeError):
        return None
    mime = str(about.get("image_type") or "image/jpeg")
    return Preview(str(job), None if node is None else str(node), mime, frame[8 + number :]) if job else None
