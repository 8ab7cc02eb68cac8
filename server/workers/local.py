"""A pool of processes on this machine: one for each device, spawned, supervised, replaced when they die."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import server
from server.workers.lines import level_of
from server.workers.messages import (
    Beat,
    BrokenPipe,
    Decoder,
    Finished,
    FromWorker,
    Ready,
    Start,
    Stop,
    Take,
    ToWorker,
    encode,
)
from server.workers.pool import Died, Listener, WorkerState

log = logging.getLogger(__name__)

_LINES_KEPT = 40
_MAX_BACKOFF_S = 30.0
_NOT_NEEDED = "it is not needed"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long silence lasts before a worker counts as hung."""

    start_s: float = 300.0
    beat_s: float = 120.0


class LocalPool:
    """Processes on this machine. `devices` name them: "cpu", "cuda:0", "auto"."""

    def __init__(self, start: Start, devices: Sequence[str], patience: Patience | None = None) -> None:
        self._members = {
            device: _Member(device, replace(start, device=device), patience or Patience()) for device in devices
        }

    @property
    def workers(self) -> Mapping[str, WorkerState]:
        return {name: member.state for name, member in self._members.items()}

    def listen(self, listener: Listener) -> None:
        for member in self._members.values():
            member.listener = listener

    async def start(self) -> None:
        for member in self._members.values():
            await member.start()

    def send(self, worker: str, message: ToWorker) -> None:
        self._members[worker].send(message)

    def prepare(self, worker: str) -> None:
        self._members[worker].prepare()

    def kill(self, worker: str, reason: str) -> None:
        self._members[worker].kill(reason)

    async def close(self, grace_s: float) -> None:
        await asyncio.gather(*(member.close(grace_s) for member in self._members.values()))


class _Member:
    """One worker's place: the process that fills it now, and when to fill it again.

    A spare has done all that takes a worker long to start, and waits to be told that the place is free.
    """

    def __init__(self, device: str, start: Start, patience: Patience) -> None:
        self.state = WorkerState(device)
        self.listener: Listener = _nobody
        self._start = start
        self._patience = patience
        self._process: _Process | None = None
        self._spare: _Process | None = None
        self._failures = 0
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, *, spare: bool = False) -> None:
        process = _Process(self, self._patience)
        if spare:
            self._spare = process
        else:
            self._put_in_place(process)
        loop = asyncio.get_running_loop()
        await loop.subprocess_exec(
            lambda: process,
            *(sys.executable, "-P", "-m", "server.workers.worker", str(os.getpid())),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            **_own_group(),
        )
        process.send(replace(self._start, spare=process is self._spare))
        if process not in (self._process, self._spare):
            process.kill(_NOT_NEEDED)

    def prepare(self) -> None:
        if self._spare is None and not self._closing:
            self._soon(self.start(spare=True))

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def send(self, message: ToWorker) -> None:
        if self._process is not None:
            self._process.send(message)

    def kill(self, reason: str) -> None:
        if self._process is not None:
            self._process.kill(reason)

    async def close(self, grace_s: float) -> None:
        self._closing = True
        for task in self._tasks:
            task.cancel()
        if (spare := self._spare) is not None:
            self._dismiss_spare()
            await asyncio.wait((spare.gone,), timeout=grace_s)
        if self._process is None:
            return
        self._process.send(Stop())
        try:
            await asyncio.wait_for(asyncio.shield(self._process.gone), grace_s)
        except TimeoutError:
            self._process.kill("the server is stopping")
            await self._process.gone

    def _dismiss_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.kill(_NOT_NEEDED)

    def heard(self, process: _Process, message: FromWorker) -> None:
        if process is not self._process:
            return
        match message:
            case Ready():
                self._failures = 0
                self.state.ready, self.state.pid, self.state.device = True, message.pid, message.device
                log.info("worker %s is ready: process %d, after %.1f s", self.state.id, message.pid, message.loaded_s)
            case Beat():
                self.state.rss_bytes, self.state.cache = message.rss_bytes, message.cache
                self.state.device = message.device or self.state.device
            case Finished():
                self._dismiss_spare()
            case _:
                pass
        self.listener(self.state.id, message)

    def died(self, process: _Process, death: Died) -> None:
        if process is not self._process:
            self._spare = None if process is self._spare else self._spare
            return
        was_ready = self.state.ready
        self.state.ready, self.state.pid, self.state.rss_bytes = False, 0, 0
        self._process = None
        death = replace(death, expected=self._closing)
        if not self._closing:
            log.warning("worker %s died: %s", self.state.id, death.reason)
            self._failures += 0 if was_ready else 1
            if self._spare is not None:
                self._take_over(self._spare)
            else:
                self._soon(self._start_again())
        self.listener(self.state.id, death)

    def _take_over(self, spare: _Process) -> None:
        log.info("worker %s: a spare takes its place", self.state.id)
        self._spare = None
        self._put_in_place(spare)
        spare.send(Take())

    async def _start_again(self) -> None:
        await asyncio.sleep(min(2.0 ** (self._failures - 1), _MAX_BACKOFF_S) if self._failures else 0)
        await self.start()

    def _put_in_place(self, process: _Process) -> None:
        self.state.starts += 1
        self._process = process
        process.watch()


def _nobody(worker: str, message: FromWorker | Died) -> None:
    pass


class _Process(asyncio.SubprocessProtocol):
    """A process and its three pipes: messages in, messages out, and what it prints."""

    def __init__(self, member: _Member, patience: Patience) -> None:
        self._member = member
        self._patience = patience
        self._decoder = Decoder()
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._partial = b""
        self._killed_for = ""
        self._transport: asyncio.SubprocessTransport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def watch(self) -> None:
        """Expect signs of life from now on."""
        self._expect_sign_of_life(self._patience.start_s)

    def send(self, message: ToWorker) -> None:
        pipe = self._transport.get_pipe_transport(0) if self._transport else None
        if pipe is not None and not pipe.is_closing():
            cast("asyncio.WriteTransport", pipe).write(encode(message))

    def kill(self, reason: str) -> None:
        self._killed_for = self._killed_for or reason
        transport = self._transport
        if transport is None or transport.get_returncode() is not None:
            return
        pid = transport.get_pid()
        if os.name == "posix":
            try:
                os.killpg(pid, signal.SIGKILL)  # with whatever it started
                return
            except (ProcessLookupError, PermissionError):
                pass
        transport.kill()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd != 1:
            self._printed(data)
            return
        self._expect_sign_of_life(self._patience.beat_s)
        try:
            for message in self._decoder.feed(data):
                self._member.heard(self, cast(FromWorker, message))
        except BrokenPipe as error:
            self.kill(f"it said what is no message ({error})")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Every pipe is closed and the process has ended: nothing more can come."""
        if self._watch is not None:
            self._watch.cancel()
        code = self._transport.get_returncode() if self._transport else None
        if not self.gone.done():
            self.gone.set_result(None)
        self._member.died(self, Died(self._killed_for or _why(code), tuple(self._lines)))

    def process_exited(self) -> None:
        # A child that inherited the pipes would keep them open for ever; what the worker had said is read already.
        loop = asyncio.get_running_loop()
        loop.call_later(0.5, self._close_pipes)

    def _close_pipes(self) -> None:
        if self._transport is not None and not self.gone.done():
            for fd in (0, 1, 2):
                pipe = self._transport.get_pipe_transport(fd)
                if pipe is not None:
                    pipe.close()

    def _expect_sign_of_life(self, within_s: float) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = asyncio.get_running_loop().call_later(within_s, self._silent, within_s)

    def _silent(self, for_s: float) -> None:
        self.kill(f"it gave no sign of life for {for_s:.0f} s")

    def _printed(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        for raw in lines:
            line = raw.decode("utf-8", "replace").rstrip()
            self._lines.append(line)
            log.log(level_of(line), "worker %s: %s", self._member.state.id, line)


def _environment() -> dict[str, str]:
    """This process's environment, in which the worker finds the packages that this process found."""
    here = str(Path(server.__path__[0]).parent)
    known = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in (here, known) if p), "PYTHONUNBUFFERED": "1"}


def _own_group() -> dict[str, Any]:
    """Ctrl-C in a terminal is for the server, which tells its workers what to do."""
    if os.name == "posix":
        return {"start_new_session": True}
    return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}


def _why(code: int | None) -> str:
    if code is None:
        return "its pipes closed"
    if code >= 0:
        return f"it exited with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    known = {"SIGSEGV": "a crash in native code", "SIGKILL": "it was killed, perhaps for want of memory"}
    return f"{name} ({known[name]})" if name in known else name
