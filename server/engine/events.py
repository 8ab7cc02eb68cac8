"""What happens while a graph runs. The executor only says so; who listens is not its business.

Every event has a `type`, the job's id, and a `seq` that counts up from 1 within a run. Field names are ComfyUI's where
ComfyUI has the event. One of ExecutionSuccess, ExecutionError and ExecutionInterrupted is always the last, once.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, cast

from nodes.types import Preview

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ExecutionStart:
    """The run begins. Timestamps are milliseconds since 1970."""

    type: ClassVar[str] = "execution_start"
    job: str
    seq: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class ExecutionCached:
    """Which nodes need not run: their results are known, or everything they feed is. Sent once, perhaps empty."""

    type: ClassVar[str] = "execution_cached"
    job: str
    seq: int
    timestamp: int
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Executing:
    """A node starts. `display_node` is the node of the workflow that it belongs to; inside an expansion, another."""

    type: ClassVar[str] = "executing"
    job: str
    seq: int
    node: str
    display_node: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A running node has done `value` of `max` steps."""

    type: ClassVar[str] = "progress"
    job: str
    seq: int
    node: str
    display_node: str
    value: int
    max: int
    preview: Preview | None = None


@dataclass(frozen=True, slots=True)
class Executed:
    """What a terminal node shows, in ComfyUI's form: `{"images": [{filename, subfolder, type}]}`."""

    type: ClassVar[str] = "executed"
    job: str
    seq: int
    node: str
    display_node: str
    output: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """A node is done, after `duration` seconds; `cached`: a terminal node whose result was known."""

    type: ClassVar[str] = "node_finished"
    job: str
    seq: int
    node: str
    display_node: str
    duration: float
    cached: bool = False


@dataclass(frozen=True, slots=True)
class ExecutionSuccess:
    """The run is over and everything that was wanted is made."""

    type: ClassVar[str] = "execution_success"
    job: str
    seq: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class ExecutionError:
    """The run is over: a node failed. Inputs are described in short; the traceback is for logs and API clients."""

    type: ClassVar[str] = "execution_error"
    job: str
    seq: int
    timestamp: int
    node_id: str
    node_type: str
    executed: tuple[str, ...]
    exception_message: str
    exception_type: str
    traceback: tuple[str, ...] = ()
    current_inputs: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    current_outputs: tuple[str, ...] = ()
    title: str = ""

    @property
    def sentence(self) -> str:
        """The failure as a sentence for people."""
        return f"{self.title or self.node_type} (node {self.node_id}): {self.exception_message}"


@dataclass(frozen=True, slots=True)
class ExecutionInterrupted:
    """The run was cancelled while this node ran or was about to."""

    type: ClassVar[str] = "execution_interrupted"
    job: str
    seq: int
    timestamp: int
    node_id: str
    node_type: str
    executed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Log:
    """A line about the run that is no event of its own. `level`: "info" or "warning"."""

    type: ClassVar[str] = "log"
    job: str
    seq: int
    node: str
    level: str
    text: str


Event = (
    ExecutionStart
    | ExecutionCached
    | Executing
    | Progress
    | Executed
    | NodeFinished
    | ExecutionSuccess
    | ExecutionError
    | ExecutionInterrupted
    | Log
)
Emit = Callable[[Event], None]

_CLASSES: Mapping[str, type[Event]] = {
    cls.type: cls
    for cls in (
        ExecutionStart,
        ExecutionCached,
        Executing,
        Progress,
        Executed,
        NodeFinished,
        ExecutionSuccess,
        ExecutionError,
        ExecutionInterrupted,
        Log,
    )
}
_FIELDS: Mapping[str, tuple[str, ...]] = {
    name: tuple(f.name for f in fields(cls) if f.name != "preview") for name, cls in _CLASSES.items()
}


def to_json(event: Event, *, preview: bool = True) -> Json:
    """An event as JSON: its type beside its fields. A preview is base64 text; it can be left out."""
    data: Json = {"type": event.type}
    for name in _FIELDS[event.type]:
        value = getattr(event, name)
        data[name] = list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value
    if preview and isinstance(event, Progress) and event.preview is not None:
        data["preview"] = {"mime": event.preview.mime, "data": base64.b64encode(event.preview.data).decode("ascii")}
    return data


def from_json(data: Mapping[str, Any]) -> Event:
    """The event that `to_json` was given. Raises ValueError when there is none in it."""
    try:
        build = cast("Callable[..., Event]", _CLASSES[data["type"]])
        values = {name: _restored(data[name]) for name in _FIELDS[data["type"]] if name in data}
        if (preview := data.get("preview")) is not None:
            values["preview"] = Preview(base64.b64decode(preview["data"]), preview["mime"])
        return build(**values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"This is no event: {error}.") from error


def _restored(value: Any) -> Any:
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value
