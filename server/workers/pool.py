"""What the queue needs of a pool of workers; where they run is the pool's affair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from server.workers.messages import FromWorker, ToWorker


@dataclass(frozen=True, slots=True)
class Died:
    """A worker's process has ended. `reason` is one sentence, `said` the last lines it wrote."""

    reason: str
    said: tuple[str, ...] = ()
    expected: bool = False


@dataclass(slots=True)
class WorkerState:
    """A worker as its pool sees it. `device` is an entry of `/system_stats`; empty until the worker has started."""

    id: str
    ready: bool = False
    pid: int = 0
    starts: int = 0
    rss_bytes: int = 0
    device: Mapping[str, Any] = field(default_factory=dict[str, Any])
    cache: Mapping[str, Any] = field(default_factory=dict[str, Any])


Listener = Callable[[str, FromWorker | Died], None]
"""Called in the server's loop with a worker's id and what it said, in the order in which it said it."""


class Pool(Protocol):
    """Workers by id, one for each device. A worker that dies is replaced, and the listener told of both."""

    @property
    def workers(self) -> Mapping[str, WorkerState]:
        """The workers there are."""
        ...

    def listen(self, listener: Listener) -> None:
        """Call this with everything that workers say. One listener; before `start`."""
        ...

    async def start(self) -> None:
        """Start every worker; returns before they are ready."""
        ...

    def send(self, worker: str, message: ToWorker) -> None:
        """Send a message. One to a worker that is gone is dropped: its death is told to the listener."""
        ...

    def prepare(self, worker: str) -> None:
        """The worker may die soon: have another one at hand that takes its place at once, until it ends a job."""
        ...

    def kill(self, worker: str, reason: str) -> None:
        """End a worker's process now, whatever it does."""
        ...

    async def close(self, grace_s: float) -> None:
        """Ask every worker to stop, and end those that have not after the grace."""
        ...
