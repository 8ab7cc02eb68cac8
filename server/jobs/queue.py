"""The queue: which job runs where, what is done when a worker dies, and who is told.

All of it happens in one event loop; what has to survive is in the store before anybody hears of it.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left, insort
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

from server.jobs.affinity import Choice, Offer, choose
from server.jobs.model import Attempt, Job, Json, Logged, Request, Result, State, now_ms
from server.jobs.narrate import Narrator
from server.jobs.starts import Starts
from server.jobs.store import Store, StoreFull, Taken
from server.workers.messages import (
    Cancel,
    Catalogue,
    Check,
    Checked,
    Finished,
    Free,
    FromWorker,
    Happened,
    Previewed,
    Ready,
    Run,
)
from server.workers.pool import Died, Pool

log = logging.getLogger(__name__)

MAX_DEATHS = 2
CRASHES_BEFORE_PAUSE = 3
_RECORD_START_AFTER_S = 0.02


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long the queue waits before it acts itself."""

    cancel_s: float = 4.0
    shutdown_s: float = 3.0
    disk_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture of what a job's node is making; `display` is the workflow's node that it belongs to."""

    job: str
    client: str | None
    node: str
    display: str
    mime: str
    picture: bytes


class Observer(Protocol):
    """Who is told what happens."""

    def happened(self, event: Logged) -> None:
        """Something happened to a job; its type and data are a message of ComfyUI's socket."""
        ...

    def previewed(self, preview: Preview) -> None:
        """There is a picture of what is being made."""
        ...

    def changed(self) -> None:
        """The number of jobs that wait or run may have changed."""
        ...

    def catalogued(self, catalogue: Catalogue) -> None:
        """A worker has said which nodes it has."""
        ...


@dataclass(slots=True)
class _Attempt:
    """A job on a worker. `cancelled` says why, once somebody asked; `record` writes down that it runs."""

    job: Job
    turn: Attempt
    narrator: Narrator
    cancelled: str = ""
    kill: asyncio.TimerHandle | None = None
    record: asyncio.TimerHandle | None = None

    @property
    def worker(self) -> str:
        return self.turn.worker


@dataclass(slots=True)
class Totals:
    """What has been counted since the server started."""

    ended: dict[str, int] = field(default_factory=dict[str, int])
    seconds: float = 0.0
    nodes_cached: int = 0
    nodes_run: int = 0
    deaths: int = 0


class Queue:
    """Jobs in order, each on one worker at a time, and what became of them."""

    def __init__(
        self,
        store: Store,
        pool: Pool,
        starts: Starts,
        *,
        exists: Callable[[Json], bool],
        models_of: Callable[[Request], frozenset[str]],
        ended: Callable[[str], None],
        deadlines: Deadlines | None = None,
    ) -> None:
        self.store = store
        self.pool = pool
        self._starts = starts
        self.totals = Totals()
        self.paused = ""
        self._exists = exists
        self._models_of = models_of
        self._ended = ended
        self._deadlines = deadlines or Deadlines()
        self._observer: Observer | None = None
        self._pending: list[Job] = []
        self._entering: dict[str, asyncio.Future[Job | Taken]] = {}
        self._running: dict[str, _Attempt] = {}
        self._holds: dict[str, frozenset[str]] = {}
        self._waiting_since: dict[str, int] = {}
        self._number = 0
        self._closing = False
        self._streak = 0
        self._ending: dict[str, Job] = {}
        self._checks: dict[int, tuple[str, asyncio.Future[Json]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    # -- life ---------------------------------------------------------------------------------------------------

    async def start(self, observer: Observer) -> None:
        """Open the store, take up what was left, start the workers. Raises UnusableStore."""
        self._observer = observer
        await self.store.open()
        await self._take_up()
        self.pool.listen(self._heard)
        await self.pool.start()

    async def close(self) -> None:
        """Let what runs finish if that takes moments, or put it back; then end the workers and close the store."""
        self._closing = True
        try:
            await asyncio.wait_for(self._idle.wait(), self._deadlines.shutdown_s)
        except TimeoutError:
            log.info("a job still runs; it continues from its last finished node at the next start")
        await self.pool.close(self._deadlines.shutdown_s)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._deadlines.shutdown_s)
        await self._quietly(self.store.remember("crashes", "0"))
        self._starts.close()
        await self.store.close()

    async def _take_up(self) -> None:
        """Put back what ran when the server ended, and come up paused when it keeps ending."""
        self.paused = await self.store.remembered("paused") or ""
        started = await asyncio.to_thread(self._starts.read)
        unfinished = [
            replace(job, state=State.RUNNING, attempts=started[job.id])
            if started.get(job.id, 0) > job.attempts
            else job
            for job in await self.store.unfinished()
        ]
        crashed = [job for job in unfinished if job.state is State.RUNNING]
        self._streak = int(await self.store.remembered("crashes") or 0)
        if crashed:
            self._streak += 1
            await self._quietly(self.store.remember("crashes", str(self._streak)))
        for job in crashed:
            turn = Attempt(job.attempts, job.worker, "", now_ms())
            await self._quietly(self.store.give_back(job, turn, "the server ended while it ran", now_ms()))
        await asyncio.to_thread(self._starts.clear)
        for job in unfinished:
            self._enqueue(replace(job, state=State.QUEUED))
        self._number = int(max((job.number for job in unfinished), default=-1.0)) + 1
        if self._streak >= CRASHES_BEFORE_PAUSE and unfinished:
            self.paused = (
                f"The server ended {self._streak} times in a row while a job ran, and finished none in between. "
                "Remove the job that does it, or resume the queue."
            )
        if self.store.repaired:
            self.paused = f"{self.store.repaired} Look through the queue, then resume it."
        if self.paused:
            log.warning("the queue is paused: %s", self.paused)

    # -- what is asked of it ------------------------------------------------------------------------------------

    @property
    def pending(self) -> Sequence[Job]:
        """The jobs that wait, the next first."""
        return self._pending

    @property
    def running(self) -> Sequence[Job]:
        """The jobs that run."""
        return [attempt.job for attempt in self._running.values()]

    @property
    def remaining(self) -> int:
        """How many jobs wait or run."""
        return len(self._pending) + len(self._running) + len(self._ending)

    def find(self, id: str) -> Job | None:
        """The waiting or running job of this id. It runs until its end is on disk."""
        for job in (*self.running, *self._ending.values()):
            if job.id == id:
                return job
        return next((job for job in self._pending if job.id == id), None)

    def progress_of(self, id: str) -> Json | None:
        """The state of the nodes of a job that runs, as `progress_state` says it."""
        attempt = next((a for a in self._running.values() if a.job.id == id), None)
        return attempt.narrator.snapshot() if attempt else None

    async def submit(
        self, id: str, request: Request, *, number: float | None = None, front: bool = False
    ) -> Job | Taken:
        """Accept a job: it is durable when this returns. The same id again gives Taken. Raises StoreFull."""
        if id in self._entering:
            first = await asyncio.shield(self._entering[id])
            return first if isinstance(first, Taken) else Taken(first)
        if number is None:
            number = float(-self._number if front else self._number)
            self._number += 1
        entering = self.store.accept(Job(id=id, number=number, request=request, created_ms=now_ms()))
        self._entering[id] = entering
        entering.add_done_callback(lambda done: self._entered(id, done))
        return await asyncio.shield(entering)

    def _entered(self, id: str, done: asyncio.Future[Job | Taken]) -> None:
        self._entering.pop(id, None)
        if done.cancelled() or done.exception() is not None or isinstance(job := done.result(), Taken):
            return
        self._enqueue(job)
        self._changed()
        self._dispatch()

    async def cancel(self, id: str) -> bool:
        """Stop a job, waiting or running. False when there is none of this id."""
        for attempt in self._running.values():
            if attempt.job.id == id:
                self._stop(attempt, "cancelled")
                return True
        return await self.withdraw([id]) > 0

    async def withdraw(self, ids: Sequence[str] | None) -> int:
        """Take waiting jobs out of the queue, or all; how many. Those that run go on."""
        chosen = [job for job in self._pending if ids is None or job.id in set(ids)]
        gone = {job.id for job in chosen}
        self._pending = [job for job in self._pending if job.id not in gone]
        if not chosen:
            return 0
        ended = [self.store.end(replace(j, state=State.CANCELLED, ended_ms=now_ms())) for j in chosen]
        try:
            await asyncio.gather(*ended)
        except StoreFull:
            for job in chosen:
                self._enqueue(job)
            raise
        for job in chosen:
            self._count(State.CANCELLED, 0)
            self._waiting_since.pop(job.id, None)
        self._changed()
        return len(chosen)

    def interrupt(self, id: str | None = None) -> None:
        """Stop what runs, or only the job of this id if it runs."""
        for attempt in self._running.values():
            if id is None or attempt.job.id == id:
                self._stop(attempt, "interrupted")

    async def move(self, id: str, before: str | None) -> bool:
        """Put a waiting job before another one, or at the end. False when either does not wait."""
        job = next((j for j in self._pending if j.id == id), None)
        rest = [j for j in self._pending if j.id != id]
        at = next((i for i, j in enumerate(rest) if j.id == before), None) if before is not None else len(rest)
        if job is None or at is None:
            return False
        low = rest[at - 1].number if at > 0 else None
        high = rest[at].number if at < len(rest) else None
        number = _between(low, high)
        if number is None:  # no number fits between the neighbours: give all new ones
            order = [*rest[:at], job, *rest[at:]]
            self._pending = []
            for place, each in enumerate(order):
                self._enqueue(replace(each, number=float(place)))
            self._number = max(self._number, len(order))
            await asyncio.gather(*(self.store.move(each.id, each.number) for each in self._pending))
        else:
            self._pending = rest
            self._enqueue(replace(job, number=number))
            await self.store.move(id, number)
        self._changed()
        return True

    async def pause(self, reason: str = "Paused.") -> None:
        """Start no more jobs; what runs goes on. Holds across a restart."""
        self.paused = reason
        await self.store.remember("paused", reason)
        self._changed()

    async def resume(self) -> None:
        """Start jobs again."""
        self.paused = ""
        self._streak = 0
        await self.store.remember("paused", "")
        await self.store.remember("crashes", "0")
        self._changed()
        self._dispatch()

    def free(self, *, weights: bool, results: bool) -> None:
        """Have every worker give memory back."""
        for worker in self.pool.workers:
            self._holds.pop(worker, None)
            self.pool.send(worker, Free(weights or results, results))

    async def check(self, request: Request, targets: tuple[str, ...] | None) -> Json | None:
        """What a worker's own nodes say of a prompt, or None when no worker answers in time."""
        worker = next((name for name, state in self.pool.workers.items() if state.ready), None)
        if worker is None:
            return None
        ask = self.store.log("", None, "", {}, keep=False).seq
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._checks[ask] = (worker, answer)
        self.pool.send(worker, Check(ask, request.text.encode(), targets))
        try:
            return await asyncio.wait_for(answer, 10)
        except TimeoutError:
            return None
        finally:
            self._checks.pop(ask, None)

    # -- dispatching --------------------------------------------------------------------------------------------

    def _enqueue(self, job: Job) -> None:
        insort(self._pending, job, key=lambda j: j.order)
        self._waiting_since.setdefault(job.id, now_ms())

    def _waited(self, job: Job) -> int:
        now = now_ms()
        return now - self._waiting_since.get(job.id, now)

    def _dispatch(self) -> None:
        if self.paused or self._closing:
            return
        while self._pending:
            offers = [
                Offer(name, self._holds.get(name, frozenset()))
                for name, state in self.pool.workers.items()
                if state.ready and name not in self._running
            ]
            if not offers:
                return
            busy = [Offer(name, self._holds.get(name, frozenset())) for name in self._running]
            choice = choose(self._pending[:16], offers, busy, self._models_of, self._waited(self._pending[0]))
            try:
                self._starts.mark(choice.worker, choice.job.id, choice.job.attempts + 1)
            except OSError as error:
                log.error("no job can be started: %s", error.strerror)
                asyncio.get_running_loop().call_later(self._deadlines.disk_s, self._dispatch)
                return
            self._start(choice)

    def _start(self, choice: Choice) -> None:
        """Give a job to a worker. That it begins is in a file already, and on disk soon if it goes on for a while."""
        job, worker, at_ms = choice.job, choice.worker, now_ms()
        del self._pending[bisect_left(self._pending, job.order, key=lambda j: j.order)]
        self._waiting_since.pop(job.id, None)
        job = replace(
            job, state=State.RUNNING, attempts=job.attempts + 1, worker=worker, started_ms=job.started_ms or at_ms
        )
        attempt = _Attempt(job, Attempt(job.attempts, worker, choice.why, at_ms), Narrator(job))
        self._running[worker] = attempt
        self._idle.clear()
        if choice.models:
            self._holds[worker] = choice.models
        run = Run(
            job.id,
            job.attempts,
            job.request.digest,
            job.request.text.encode(),
            job.request.targets,
            job.request.extra,
            _previews(job),
        )
        self.pool.send(worker, run)
        attempt.record = asyncio.get_running_loop().call_later(_RECORD_START_AFTER_S, self._record_start, attempt)
        self._changed()

    def _record_start(self, attempt: _Attempt) -> None:
        if self._running.get(attempt.worker) is attempt:
            leased = self.store.lease(attempt.job.id, attempt.turn)
            leased.add_done_callback(lambda done: self._start_recorded(attempt, done))

    def _start_recorded(self, attempt: _Attempt, done: asyncio.Future[None]) -> None:
        if done.cancelled():
            return
        if done.exception() is None:
            self._starts.recorded(attempt.worker, attempt.job.id, attempt.turn.n)
            return
        log.error("the start of job %s cannot be recorded yet: %s", attempt.job.id, done.exception())
        loop = asyncio.get_running_loop()
        attempt.record = loop.call_later(self._deadlines.disk_s, self._record_start, attempt)

    def _stop(self, attempt: _Attempt, why: str) -> None:
        if attempt.cancelled:
            return
        attempt.cancelled = why
        self.pool.send(attempt.worker, Cancel(attempt.job.id))
        loop = asyncio.get_running_loop()
        attempt.kill = loop.call_later(self._deadlines.cancel_s / 4, self._hesitant, attempt)

    def _hesitant(self, attempt: _Attempt) -> None:
        """The worker does not stop at once: it may have to be ended."""
        if self._running.get(attempt.worker) is attempt:
            self.pool.prepare(attempt.worker)
            loop = asyncio.get_running_loop()
            attempt.kill = loop.call_later(self._deadlines.cancel_s * 3 / 4, self._overdue, attempt)

    def _overdue(self, attempt: _Attempt) -> None:
        if self._running.get(attempt.worker) is attempt:
            self.pool.kill(attempt.worker, f"job {attempt.job.id} did not stop within {self._deadlines.cancel_s:g} s")

    # -- what workers say ---------------------------------------------------------------------------------------

    def _heard(self, worker: str, message: FromWorker | Died) -> None:
        match message:
            case Happened() | Previewed() | Finished():
                attempt = self._running.get(worker)
                if attempt is not None and attempt.job.id == message.job:
                    self._heard_of(attempt, message)
            case Died():
                self._died(worker, message)
            case Ready():
                self._dispatch()
            case Catalogue():
                if self._observer is not None:
                    self._observer.catalogued(message)
            case Checked():
                _, answer = self._checks.get(message.ask, ("", None))
                if answer is not None and not answer.done():
                    answer.set_result(message.answer)
            case _:
                pass

    def _heard_of(self, attempt: _Attempt, message: Happened | Previewed | Finished) -> None:
        match message:
            case Happened():
                self._narrate(attempt, message.type, message.data)
            case Finished():
                self._finished(attempt, message)
            case Previewed(node=node, display=display, mime=mime, picture=picture):
                if self._observer is not None:
                    job = attempt.job
                    self._observer.previewed(Preview(job.id, job.request.client, node, display, mime, picture))

    def _narrate(self, attempt: _Attempt, type: str, data: Json) -> None:
        for told in attempt.narrator.tell(type, data):
            self._tell(attempt.job, told.type, told.data, keep=told.keep)

    def _tell(self, job: Job, type: str, data: Json, *, keep: bool = True) -> None:
        event = self.store.log(job.id, job.request.client, type, data, keep=keep)
        if self._observer is not None:
            self._observer.happened(event)

    def _finished(self, attempt: _Attempt, message: Finished) -> None:
        if message.outcome == "cancelled" and self._closing and not attempt.cancelled:
            self._put_back(attempt, attempt.job.deaths, "the server stopped")
            return
        state = {"done": State.DONE, "cancelled": State.CANCELLED}.get(message.outcome, State.FAILED)
        error = message.error
        if state is State.DONE and (missing := _missing(message.outputs, self._exists)):
            state = State.FAILED
            error = {
                "exception_type": "MissingOutput",
                "exception_message": f"{missing} was written by the job and is gone.",
            }
        self._end(attempt, state, message.outputs, error)

    def _died(self, worker: str, death: Died) -> None:
        self._holds.pop(worker, None)
        for asked, answer in list(self._checks.values()):
            if asked == worker and not answer.done():
                answer.cancel()
        attempt = self._running.get(worker)
        if not death.expected:
            self.totals.deaths += 1
        if attempt is None:
            return
        if attempt.cancelled:
            self._end(attempt, State.CANCELLED, {}, None)
        elif death.expected:
            self._put_back(attempt, attempt.job.deaths, "the server stopped")
        elif attempt.job.deaths + 1 < MAX_DEATHS:
            self._put_back(attempt, attempt.job.deaths + 1, f"Worker {worker} died running it: {death.reason}.")
            self.pool.prepare(worker)  # it will run the job again, and perhaps die of it again
        else:
            attempt.job = replace(attempt.job, deaths=attempt.job.deaths + 1)
            words = next((line for line in death.said if line.startswith("Fatal")), "".join(death.said[-1:]))
            last = f" It last said: {words}" if words else ""
            error = {
                "exception_type": "WorkerDied",
                "exception_message": f"{attempt.job.deaths} workers died running this job; the last: {death.reason}."
                f"{last}",
                "traceback": list(death.said),
            }
            self._end(attempt, State.QUARANTINED, {}, error)

    def _put_back(self, attempt: _Attempt, deaths: int, reason: str) -> None:
        """The job waits again, in its old place."""
        self._free_worker(attempt)
        self._settle()
        log.info("job %s waits again: %s", attempt.job.id, reason)
        job = replace(attempt.job, state=State.QUEUED, deaths=deaths, reason=reason, worker="")
        at_ms = now_ms()
        self._task(self._persist(lambda: self.store.give_back(job, attempt.turn, reason, at_ms)))
        self._enqueue(job)
        self._changed()
        self._dispatch()

    def _end(self, attempt: _Attempt, state: State, outputs: Json, error: Json | None) -> None:
        """Record the end, and tell of it once it is recorded. The worker is free at once."""
        ended = now_ms()
        job = attempt.job
        told = attempt.narrator.end(state, error, ended)
        reason = str(error.get("exception_message", "")).strip() if error else attempt.cancelled
        job = replace(
            job,
            state=state,
            ended_ms=ended,
            reason=reason,
            result=Result(outputs, tuple(attempt.narrator.messages), told.data if error else None),
        )
        self._ending[job.id] = attempt.job
        self._free_worker(attempt)
        self._dispatch()
        self._record(job, attempt, told.type, told.data)

    def _record(self, job: Job, attempt: _Attempt, type: str, data: Json) -> None:
        recorded = self.store.end(job, attempt.turn, patient=bool(self._running))
        recorded.add_done_callback(lambda done: self._recorded(job, attempt, type, data, done))

    def _recorded(self, job: Job, attempt: _Attempt, type: str, data: Json, done: asyncio.Future[None]) -> None:
        if done.cancelled():
            return
        if done.exception() is not None:
            log.error("the end of job %s cannot be recorded yet: %s", job.id, done.exception())
            loop = asyncio.get_running_loop()
            loop.call_later(self._deadlines.disk_s, self._record, job, attempt, type, data)
            return
        self._ending.pop(job.id, None)
        self._starts.recorded(attempt.worker, job.id, attempt.turn.n)
        self._ended(job.id)
        self._count(job.state, job.ended_ms - job.started_ms)
        self.totals.nodes_cached += attempt.narrator.cached
        self.totals.nodes_run += attempt.narrator.ran
        log.info("job %s %s after %d ms", job.id, job.state, job.ended_ms - job.started_ms)
        self._tell(job, type, data)
        self._changed()
        self._tell(job, "executing", {"node": None, "prompt_id": job.id})
        if self._streak:
            self._streak = 0
            self._task(self._quietly(self.store.remember("crashes", "0")))
        self._settle()

    def _free_worker(self, attempt: _Attempt) -> None:
        self._running.pop(attempt.worker, None)
        for timer in (attempt.kill, attempt.record):
            if timer is not None:
                timer.cancel()

    def _settle(self) -> None:
        if not self._running and not self._ending:
            self._idle.set()

    # -- small things -------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        if self._observer is not None:
            self._observer.changed()

    def _count(self, state: State, duration_ms: int) -> None:
        self.totals.ended[state] = self.totals.ended.get(state, 0) + 1
        self.totals.seconds += duration_ms / 1000

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _persist(self, write: Callable[[], asyncio.Future[None]]) -> None:
        """Write until the disk takes it."""
        while True:
            try:
                return await write()
            except StoreFull as error:
                log.error("%s", error)
                await asyncio.sleep(self._deadlines.disk_s)

    async def _quietly(self, written: asyncio.Future[None]) -> None:
        try:
            await written
        except StoreFull as error:
            log.error("%s", error)


def _between(low: float | None, high: float | None) -> float | None:
    """A number between two, either of which may be open; None when there is none."""
    if low is None and high is None:
        return 0.0
    if low is None:
        return cast(float, high) - 1
    if high is None:
        return low + 1
    middle = (low + high) / 2
    return middle if low < middle < high else None


def _missing(outputs: Json, exists: Callable[[Json], bool]) -> str:
    """The first file that a job says it wrote and that is not there."""
    for shown in cast("Mapping[str, Mapping[str, Any]]", outputs).values():
        for items in shown.values():
            for item in cast("list[Any]", items) if isinstance(items, list) else []:
                if isinstance(item, dict) and "filename" in item and not exists(cast(Json, item)):
                    return str(cast(Json, item)["filename"])
    return ""


def _previews(job: Job) -> bool:
    # As in ComfyUI, previews come to who asks: some clients take every binary message for a result.
    return job.request.extra.get("preview_method") in ("auto", "latent2rgb", "taesd")
