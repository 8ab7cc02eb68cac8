"""A job on a worker, and how one is brought to stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from server.jobs.model import Attempt, Job
from server.jobs.narrate import Narrator
from server.workers.messages import Cancel
from server.workers.pool import Pool


@dataclass(slots=True)
class Running:
    """A job on a worker, until it is `over`. `cancelled` says why it is to stop, once somebody asked."""

    job: Job
    turn: Attempt
    narrator: Narrator
    cancelled: str = ""
    over: bool = False

    @property
    def worker(self) -> str:
        """The worker that it runs on."""
        return self.turn.worker


class Stopper:
    """Brings jobs to stop: asks the worker, has another one made ready when it hesitates, ends it when it does not."""

    def __init__(self, pool: Pool, within_s: float) -> None:
        self._pool = pool
        self._within_s = within_s

    def stop(self, running: Running, why: str) -> None:
        """Begin with it, if nobody has."""
        if running.cancelled:
            return
        running.cancelled = why
        self._pool.send(running.worker, Cancel(running.job.id))
        asyncio.get_running_loop().call_later(self._within_s / 4, self._hesitant, running)

    def _hesitant(self, running: Running) -> None:
        if not running.over:
            self._pool.prepare(running.worker)
            asyncio.get_running_loop().call_later(self._within_s * 3 / 4, self._overdue, running)

    def _overdue(self, running: Running) -> None:
        if not running.over:
            self._pool.kill(running.worker, f"job {running.job.id} did not stop within {self._within_s:g} s")
