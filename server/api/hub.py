"""The sockets: who is connected, what each is told, and in what order.

Nothing a client does can hold up a job: messages wait in the client's own line, progress is kept only in its newest
form, and a client that falls far behind is disconnected. It names the last `seq` it saw and gets what it missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import struct
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from aiohttp import WSCloseCode, WSMsgType, web

from server.jobs.model import Json, Logged
from server.jobs.narrate import parent_of
from server.jobs.observer import Preview
from server.workers.messages import Catalogue

log = logging.getLogger(__name__)

PROGRESS_EVERY_S = 0.05
MAX_WAITING_BYTES = 32 << 20
_AT_ONCE_BYTES = 256 << 10
_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4
_to_json = json.JSONEncoder(separators=(",", ":")).encode
_IMAGE_TYPES: Mapping[str, int] = {"image/jpeg": 1, "image/png": 2}


@dataclass(eq=False)
class Client:
    """One socket, its line of messages, and the newest progress that was not sent yet.

    `request` is the one that became the socket: what it writes to.
    """

    id: str
    socket: web.WebSocketResponse
    request: web.Request
    features: Json = field(default_factory=dict[str, Any])
    line: deque[str | bytes] = field(default_factory=deque[str | bytes])
    waiting_bytes: int = 0
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    states: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    progress: dict[str, str] = field(default_factory=dict[str, str])
    preview: bytes | None = None
    timer: asyncio.TimerHandle | None = None
    sent_at: float = 0.0
    replaying: list[tuple[int, str]] | None = None
    logs: bool = False
    gone: bool = False

    def say(self, message: str | bytes) -> None:
        """Put a message at the end of the line, what progress there is before it."""
        self.flush()
        self._put(message)

    def hint(self, *, states: Json | None = None, progress: tuple[str, str] | None = None) -> None:
        """Note the newest progress; it is sent before the next message, or soon."""
        if states is not None:
            self.states.setdefault(states["prompt_id"], {}).update(states["nodes"])
        if progress is not None:
            self.progress[progress[0]] = progress[1]
        self._soon()

    def show(self, picture: bytes) -> None:
        """Note the newest preview."""
        self.preview = picture
        self._soon()

    def flush(self) -> None:
        """Send what progress there is."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if not (self.states or self.progress or self.preview):
            return
        self.sent_at = asyncio.get_running_loop().time()
        if self.waiting_bytes < MAX_WAITING_BYTES // 4:  # a client that is behind loses progress, nothing else
            for prompt_id, nodes in self.states.items():
                self._put(_message("progress_state", {"prompt_id": prompt_id, "nodes": nodes}))
            for message in self.progress.values():
                self._put(message)
            if self.preview is not None:
                self._put(self.preview)
        self.states, self.progress, self.preview = {}, {}, None

    def _soon(self) -> None:
        if self.timer is None and not self.gone:
            loop = asyncio.get_running_loop()
            due = max(self.sent_at + PROGRESS_EVERY_S, loop.time())
            self.timer = loop.call_at(due, self.flush)

    def _put(self, message: str | bytes) -> None:
        if self.gone:
            return
        self.waiting_bytes += len(message)
        self.line.append(message)
        self.wake.set()
        if self.waiting_bytes > MAX_WAITING_BYTES:
            log.warning("a client fell %d MB behind and is disconnected", self.waiting_bytes >> 20)
            self.drop()

    def drop(self) -> None:
        """Let go of the client."""
        self.gone = True
        self.line.clear()
        self.waiting_bytes = 0
        if self.timer is not None:
            self.timer.cancel()
        self.wake.set()


class Hub:
    """Tells clients what happens: those who asked for a job hear of it, all hear how long the queue is."""

    def __init__(self, remaining: Callable[[], int], features: Json, catalogued: Callable[[Catalogue], None]) -> None:
        self._remaining = remaining
        self._features = features
        self._clients: set[Client] = set()
        self._newest: dict[str, Client] = {}
        self._catalogued = catalogued
        self._awaited: dict[str, asyncio.Event] = {}

    def __len__(self) -> int:
        return len(self._clients)

    # -- as the queue's observer --------------------------------------------------------------------------------

    def happened(self, event: Logged) -> None:
        """Tell the client whose job it is; progress of nobody's job goes to all."""
        if (awaited := self._awaited.pop(event.job, None)) is not None:
            awaited.set()
        match event.type:
            case "progress_state":
                for client in self._listeners(event.client):
                    client.hint(states=event.data)
            case "progress":
                for client in self._listeners(event.client):
                    client.hint(progress=(event.data["node"], _said(event)))
            case _:
                client = self._newest.get(event.client) if event.client is not None else None
                if client is None:
                    return
                message = _said(event, event.seq)
                if client.replaying is not None:
                    client.replaying.append((event.seq, message))
                else:
                    client.say(message)

    def previewed(self, preview: Preview) -> None:
        """Show the newest picture, in the form that the client knows."""
        for client in self._listeners(preview.client):
            rich = client.features.get("supports_preview_metadata") is True
            client.show(preview_frame(preview, with_metadata=rich))

    def changed(self) -> None:
        """Tell all how many jobs remain."""
        for awaited in self._awaited.values():
            awaited.set()
        self._awaited.clear()
        message = self._status()
        for client in list(self._clients):
            client.say(message)

    def catalogued(self, catalogue: Catalogue) -> None:
        """Hand on what a worker says of its nodes."""
        self._catalogued(catalogue)

    def follow_logs(self, client_id: str, *, follow: bool) -> bool:
        """Tell a client of new lines of the log, or no more. False when no such client is connected."""
        client = self._newest.get(client_id)
        if client is not None:
            client.logs = follow
        return client is not None

    def logged(self, said: Json) -> None:
        """Tell the clients that follow the log of new lines."""
        for client in [each for each in self._clients if each.logs]:
            client.say(_message("logs", said))

    def news_of(self, job: str) -> asyncio.Event:
        """Is set when something happens to a job, or the queue changes."""
        return self._awaited.setdefault(job, asyncio.Event())

    def downloaded(self, state: Json) -> None:
        """Tell all how far a download has come."""
        for client in list(self._clients):
            client.say(_message("download", state))

    def _listeners(self, owner: str | None) -> list[Client]:
        if owner is None:
            return list(self._clients)
        client = self._newest.get(owner)
        return [client] if client is not None else []

    # -- a client's life ----------------------------------------------------------------------------------------

    async def serve(
        self,
        client: Client,
        *,
        missed: Callable[[], Any] | None = None,
        current: Callable[[], list[tuple[str, Json]]] = list,
    ) -> None:
        """Speak with a client until it goes. `missed` gives what it has not seen, `current` where its job stands."""
        self._clients.add(client)
        self._newest[client.id] = client
        sender = asyncio.get_running_loop().create_task(self._send(client))
        try:
            client.say(self._status(client.id))
            if missed is not None:
                await self._replay(client, missed)
            for name, data in current():
                client.say(_message(name, data))
            await self._listen(client)
        finally:
            self._clients.discard(client)
            if self._newest.get(client.id) is client:
                del self._newest[client.id]
            client.drop()
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender

    async def close(self) -> None:
        """Say goodbye to all."""
        for client in list(self._clients):
            client.drop()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.socket.close(code=WSCloseCode.GOING_AWAY, message=b"stopping"), 0.5)

    async def _replay(self, client: Client, missed: Callable[[], Any]) -> None:
        client.replaying = []
        last = 0
        for event in cast("list[Logged]", await missed()):
            client.say(_said(event, event.seq))
            last = event.seq
        live, client.replaying = client.replaying, None
        for seq, message in live:
            if seq > last:
                client.say(message)

    async def _listen(self, client: Client) -> None:
        first = True
        async for message in client.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            with contextlib.suppress(ValueError, RecursionError, AttributeError, TypeError):
                said: Any = json.loads(message.data)
                if first and said.get("type") == "feature_flags":
                    client.features = dict(said.get("data") or {})
                    client.say(_message("feature_flags", self._features))
            first = False

    async def _send(self, client: Client) -> None:
        try:
            while not client.gone:
                await client.wake.wait()
                client.wake.clear()
                while client.line:
                    await _write(client)
        except (ConnectionError, RuntimeError):
            pass  # it has gone; the listening side sees it
        if client.gone and client.request.transport is not None:
            client.request.transport.abort()

    def _status(self, sid: str | None = None) -> str:
        status: dict[str, Any] = {"status": {"exec_info": {"queue_remaining": self._remaining()}}}
        return _message("status", {**status, "sid": sid} if sid else status)


async def _write(client: Client) -> None:
    """Send what waits, up to a limit, at once: each write costs as much as making ten messages."""
    frames: list[bytes] = []
    size = 0
    while client.line and size < _AT_ONCE_BYTES:
        message = client.line.popleft()
        client.waiting_bytes -= len(message)
        frames += _framed(message)
        size += len(message)
    transport = client.request.transport
    if transport is None or transport.is_closing() or client.socket.closed:
        raise ConnectionResetError
    transport.write(b"".join(frames))
    await client.request.writer.drain()


def _framed(message: str | bytes) -> tuple[bytes, bytes]:
    """A whole message as the one frame of RFC 6455 that a server sends it in."""
    data = message.encode() if isinstance(message, str) else message
    kind = 0x81 if isinstance(message, str) else 0x82
    if len(data) < 126:
        return struct.pack(">BB", kind, len(data)), data
    if len(data) < 1 << 16:
        return struct.pack(">BBH", kind, 126, len(data)), data
    return struct.pack(">BBQ", kind, 127, len(data)), data


def preview_frame(preview: Preview, *, with_metadata: bool) -> bytes:
    """A preview as ComfyUI's binary frame: event 4 with its node, or event 1 without."""
    if not with_metadata:
        return struct.pack(">II", _PREVIEW, _IMAGE_TYPES.get(preview.mime, 1)) + preview.picture
    node = preview.node
    about = {
        "node_id": node,
        "prompt_id": preview.job,
        "display_node_id": preview.display,
        "parent_node_id": parent_of(node, preview.display),
        "real_node_id": preview.display,
        "image_type": preview.mime,
    }
    text = json.dumps(about).encode()
    return struct.pack(">II", _PREVIEW_WITH_METADATA, len(text)) + text + preview.picture


def _message(type: str, data: Json) -> str:
    return _to_json({"type": type, "data": data})


def _said(event: Logged, seq: int | None = None) -> str:
    """An event as a message. Its data is written once, for the log and for all who hear of it."""
    numbered = f',"seq":{seq}' if seq is not None else ""
    return f'{{"type":"{event.type}","data":{event.text}{numbered}}}'
