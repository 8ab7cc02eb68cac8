"""What goes over the pipe between the server and a worker, both ways.

A frame is two lengths, a JSON body, which is a list of messages, and what goes along with the last of them as it is: a
preview's picture, a job's prompt, which is read only by who needs it. A worker runs code of others, so nothing it says
is unpickled.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast

_FRAME = struct.Struct(">II")
_to_json = json.JSONEncoder(separators=(",", ":")).encode
MAX_FRAME_BYTES = 1 << 30

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Start:
    """The first message to a worker: what it owns and where things are. A `spare` owns nothing until a Take comes."""

    base: str
    output: str | None = None
    device: str = "auto"
    custom_nodes: bool = False
    digest: str = ""
    memory_limit_bytes: int = 0
    spare: bool = False
    options: Json = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Take:
    """The worker before this one is gone: the device is the spare's."""


@dataclass(frozen=True, slots=True)
class Run:
    """Run these nodes of a prompt for a job. `attempt` counts from 1; `digest` is the same for the same prompt.

    `prompt` is JSON, as text.
    """

    job: str
    attempt: int
    digest: str
    prompt: bytes
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
    prompt: bytes
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
    """A picture of what a node is making; `display` is the workflow's node that it belongs to."""

    job: str
    node: str
    display: str
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


ToWorker = Start | Take | Run | Cancel | Free | Check | Stop
FromWorker = Ready | Catalogue | Beat | Happened | Previewed | Finished | Checked

_TYPES: Mapping[str, type] = {
    cls.__name__: cls
    for cls in (
        Start,
        Take,
        Run,
        Cancel,
        Free,
        Check,
        Stop,
        Ready,
        Catalogue,
        Beat,
        Happened,
        Previewed,
        Finished,
        Checked,
    )
}
_FIELDS: Mapping[type, tuple[str, ...]] = {cls: tuple(f.name for f in fields(cls)) for cls in _TYPES.values()}
_TUPLES = frozenset({"targets", "nodes", "errors"})
_ALONG: Mapping[type, str] = {Previewed: "picture", Run: "prompt", Check: "prompt"}
"""The fields that go behind the JSON."""


Written = tuple[str, bytes]
"""A message as JSON, and what goes along with it."""


class BrokenPipe(ValueError):  # noqa: N818 -- reads as what it is
    """Bytes that are no message."""


def encode(message: ToWorker | FromWorker) -> bytes:
    """A message as one frame."""
    return framed([written(message)])


def written(message: ToWorker | FromWorker) -> Written:
    """A message as JSON, and what goes along. Raises TypeError or ValueError when it holds what is no JSON."""
    kind = type(message)
    along_name = _ALONG.get(kind)
    along: bytes = getattr(message, along_name) if along_name is not None else b""
    values = [None if name == along_name else getattr(message, name) for name in _FIELDS[kind]]
    return _to_json([kind.__name__, *values]), along


def framed(messages: Iterable[Written]) -> bytes:
    """Written messages as frames: as few as can be, for a frame costs its reader as much as a message."""
    frames: list[bytes] = []
    texts: list[str] = []
    for text, along in messages:
        texts.append(text)
        if along:
            frames.append(_frame(texts, along))
            texts = []
    if texts:
        frames.append(_frame(texts, b""))
    return b"".join(frames)


def _frame(texts: list[str], along: bytes) -> bytes:
    body = f"[{','.join(texts)}]".encode()
    return _FRAME.pack(len(body), len(along)) + body + along


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
                body, along = _FRAME.unpack_from(self._bytes, start)
                if body + along > MAX_FRAME_BYTES:
                    raise BrokenPipe(f"a frame of {body + along} bytes")
                middle = start + _FRAME.size + body
                end = middle + along
                if len(self._bytes) < end:
                    break
                messages = _decode(self._bytes[start + _FRAME.size : middle], self._bytes[middle:end])
                start = end
                yield from messages
        finally:
            del self._bytes[:start]


def _decode(body: bytearray, along: bytearray) -> list[Any]:
    try:
        return [_message(name, values, along) for name, *values in json.loads(body.decode())]
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise BrokenPipe(f"no message: {error}") from error


def _message(name: str, values: list[Any], along: bytearray) -> Any:
    kind = _TYPES[name]
    names = _FIELDS[kind]
    if (along_name := _ALONG.get(kind)) is not None:
        values[names.index(along_name)] = bytes(along)
    if not _TUPLES.isdisjoint(names):
        values = [tuple(v) if n in _TUPLES and v is not None else v for n, v in zip(names, values, strict=True)]
    return cast("Callable[..., Any]", kind)(*values)
