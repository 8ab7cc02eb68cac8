"""What becomes of jobs, written down: again and again until the disk takes it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from server.jobs.model import Job, now_ms
from server.jobs.running import Running
from server.jobs.starts import Starts
from server.jobs.store import Store

log = logging.getLogger(__name__)

_RECORD_START_AFTER_S = 0.02


class Recorder:
    """Writes starts and ends of jobs into the store. A start that lasts moments is written with the job's end."""

    def __init__(self, store: Store, starts: Starts, again_s: float) -> None:
        self._store = store
        self._starts = starts
        self._again_s = again_s
        self._open = 0
        self._settled = asyncio.Event()
        self._settled.set()

    def begins(self, running: Running) -> None:
        """A job is on its worker."""
        asyncio.get_running_loop().call_later(_RECORD_START_AFTER_S, self._lasts, running)

    def ends(self, job: Job, running: Running, *, patient: bool, then: Callable[[], None]) -> None:
        """A job has ended; `then` is called when that is on disk. `patient`: others will end in a moment."""

        def written() -> None:
            self._known(running)
            then()

        end = f"the end of job {job.id}"
        self._write(end, lambda: self._store.end(job, running.turn, patient=patient), then=written)

    def waits_again(self, job: Job, running: Running, reason: str) -> None:
        """A job's turn has ended, and the job has not."""
        at_ms = now_ms()
        self._write(f"the return of job {job.id}", lambda: self._store.give_back(job, running.turn, reason, at_ms))

    def remember(self, key: str, value: str) -> None:
        """Keep a fact about the server itself."""
        self._write(key, lambda: self._store.remember(key, value))

    async def settled(self) -> None:
        """Return when all that was asked for is on disk."""
        await self._settled.wait()

    def _lasts(self, running: Running) -> None:
        start = f"the start of job {running.job.id}"
        lease = self._store.lease
        self._write(
            start,
            lambda: lease(running.job.id, running.turn),
            then=lambda: self._known(running),
            wanted=lambda: not running.over,
        )

    def _known(self, running: Running) -> None:
        self._starts.recorded(running.worker, running.job.id, running.turn.n)

    def _write(
        self,
        what: str,
        write: Callable[[], asyncio.Future[None]],
        *,
        then: Callable[[], None] = lambda: None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        def begin() -> None:
            if wanted():
                write().add_done_callback(done)
            else:
                self._close_one()

        def done(written: asyncio.Future[None]) -> None:
            error = None if written.cancelled() else written.exception()
            if error is not None:
                log.error("%s cannot be recorded yet: %s", what, error)
                asyncio.get_running_loop().call_later(self._again_s, begin)
                return
            self._close_one()
            if not written.cancelled():
                then()

        self._open += 1
        self._settled.clear()
        begin()

    def _close_one(self) -> None:
        self._open -= 1
        if not self._open:
            self._settled.set()
