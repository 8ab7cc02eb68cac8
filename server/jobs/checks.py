"""Questions about prompts that only a worker can answer: it has the nodes themselves."""

from __future__ import annotations

import asyncio
from itertools import count

from server.jobs.model import Json, Request
from server.workers.messages import Check, Checked
from server.workers.pool import Pool

_ANSWERS_WITHIN_S = 10


class Checks:
    """What was asked of workers, and who waits for the answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._numbers = count(1)
        self._open: dict[int, tuple[str, asyncio.Future[Json | None]]] = {}

    async def ask(self, request: Request, targets: tuple[str, ...] | None) -> Json | None:
        """What a worker's own nodes say of a prompt, or None when no worker answers in time."""
        worker = next((name for name, state in self._pool.workers.items() if state.ready), None)
        if worker is None:
            return None
        number = next(self._numbers)
        answer: asyncio.Future[Json | None] = asyncio.get_running_loop().create_future()
        self._open[number] = (worker, answer)
        self._pool.send(worker, Check(number, request.text.encode(), targets))
        try:
            return await asyncio.wait_for(answer, _ANSWERS_WITHIN_S)
        except TimeoutError:
            return None
        finally:
            self._open.pop(number, None)

    def answered(self, message: Checked) -> None:
        """A worker has answered."""
        _, answer = self._open.get(message.ask, ("", None))
        if answer is not None and not answer.done():
            answer.set_result(message.answer)

    def died(self, worker: str) -> None:
        """What this worker was asked, nobody answers any more."""
        for asked, answer in list(self._open.values()):
            if asked == worker and not answer.done():
                answer.set_result(None)
