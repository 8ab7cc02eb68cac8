"""What goes over the pipe between the server and a worker, both ways.

A frame is a length, a kind and a body. Bodies are JSON: a worker runs code of others, so nothing it says is unpickled.
A preview's frame carries its picture behind the JSON.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast

_FRAME = struct.Struct(">II")
MAX_FRAME_BYTES = 1 << 30

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Start:
    """The first message to a worker: what it owns and where things are."""

    base: str
    output: str | None = None
    device: str = "auto"
    custom_nodes: bool = False
    digest: str = ""
    memory_limit_bytes: int = 0
    options: Json = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Run:
    """Run these nodes of a prompt for a job. `attempt` counts from 1; `digest` is the same for the same prompt."""

    job: str
    attempt: int
    digest: str
    prompt: Json
    targets: tuple[str, ...]
    extra: Json
    previews: bool = False


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the job at its next chance, if it is the one that runs."""

    job: str


@dataclass(frozen=True, slots=True)
class Free:
    """Give memory back: weights, and with `results` what is cached too. After the job that runs, if one does."""

    weights: bool
    results: bool


@dataclass(frozen=True, slots=True)
class Check:
    """Validate a prompt with the worker's own nodes (custom packs have checks that only it can call)."""

    ask: int
    prompt: Json
    targets: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Stop:
    """End once nothing runs; a job that runs is cancelled, its finished nodes stay in the cache."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker can run jobs. `device` is an entry of `/system_stats`."""

    pid: int
    device: Json
    loaded_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The nodes that the worker has beside the built-in ones, as data."""

    digest: str
    nodes: tuple[Json, ...]
    errors: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life, with what the worker uses."""

    rss_bytes: int
    device: Json
    cache: Json = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of the job that runs: the engine's event, by its type's name and fields."""

    job: str
    type: str
    data: Json


@dataclass(frozen=True, slots=True)
class Previewed:
    """A picture of what a node is making."""

    job: str
    node: str
    mime: str
    picture: bytes = b""


@dataclass(frozen=True, slots=True)
class Finished:
    """The job has ended, every event of it sent before. `outcome`: "done", "failed" or "cancelled"."""

    job: str
    outcome: str
    outputs: Json
    error: Json | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """The answer to a Check: ComfyUI's error and node_errors, and the outputs that may run."""

    ask: int
    answer: Json


ToWorker = Start | Run | Cancel | Free | Check | Stop
FromWorker = Ready | Catalogue | Beat | Happened | Previewed | Finished | Checked

_TYPES: Mapping[str, type] = {
    cls.__name__: cls
    for cls in (Start, Run, Cancel, Free, Check, Stop, Ready, Catalogue, Beat, Happened, Previewed, Finished, Checked)
}
_FIELDS: Mapping[type, tuple[str, ...]] = {cls: tuple(f.name for f in fields(cls)) for cls in _TYPES.values()}
_TUPLES = frozenset({"targets", "nodes", "errors"})


class BrokenPipe(ValueError):  # noqa: N818 -- reads as what it is
    """Bytes that are no message."""


def encode(message: ToWorker | FromWorker) -> bytes:
    """A message as one frame."""
    picture = message.picture if isinstance(message, Previewed) else b""
    values = [getattr(message, name) for name in _FIELDS[type(message)] if name != "picture"]
    body = json.dumps([type(message).__name__, *values], separators=(",", ":")).encode()
    return _FRAME.pack(len(body), len(picture)) + body + picture


class Decoder:
    """Turns bytes as they come into messages."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[ToWorker | FromWorker]:
        """The messages that are complete now. Raises BrokenPipe when the bytes are none."""
        self._bytes += data
        start = 0
        try:
            while len(self._bytes) - start >= _FRAME.size:
                body, picture = _FRAME.unpack_from(self._bytes, start)
                if body + picture > MAX_FRAME_BYTES:
                    raise BrokenPipe(f"a frame of {body + picture} bytes")
                middle = start + _FRAME.size + body
                if len(self._bytes) < middle + picture:
                    break
                message = _decode(bytes(self._bytes[start + _FRAME.size : middle]))
                if picture:
                    message = Previewed(
                        message.job, message.node, message.mime, bytes(self._bytes[middle : middle + picture])
                    )
                start = middle + picture
                yield message
        finally:
            del self._bytes[:start]


def _decode(body: bytes) -> Any:
    try:
        name, *values = json.loads(body)
        cls = cast("Callable[..., Any]", _TYPES[name])
        names = _FIELDS[_TYPES[name]]
        return cls(*(tuple(v) if n in _TUPLES and v is not None else v for n, v in zip(names, values, strict=False)))
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenPipe(f"no message: {error}") from error
