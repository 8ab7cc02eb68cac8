"""The queue: which job runs where, what is done when a worker dies, and who is told.

All of it happens in one event loop; what has to survive is in the store before anybody hears of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

from server.jobs.affinity import Choice, Offer, choose
from server.jobs.checks import Checks
from server.jobs.model import Attempt, Job, Json, Request, Result, State, now_ms
from server.jobs.narrate import Narrator, Told
from server.jobs.observer import Nobody, Observer, Preview
from server.jobs.recorder import Recorder
from server.jobs.running import Running, Stopper
from server.jobs.starts import Starts
from server.jobs.store import Store, StoreFull, Taken
from server.jobs.waiting import Waiting
from server.workers.messages import Catalogue, Checked, Finished, Free, FromWorker, Happened, Previewed, Ready, Run
from server.workers.pool import Died, Pool

log = logging.getLogger(__name__)

MAX_DEATHS = 2
CRASHES_BEFORE_PAUSE = 3


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long the queue waits before it acts itself."""

    cancel_s: float = 4.0
    shutdown_s: float = 3.0
    disk_s: float = 1.0


@dataclass(slots=True)
class Totals:
    """What has been counted since the server started."""

    ended: dict[str, int] = field(default_factory=dict[str, int])
    seconds: float = 0.0
    nodes_cached: int = 0
    nodes_run: int = 0
    deaths: int = 0

    def count(self, state: State, duration_ms: int = 0) -> None:
        """A job has ended."""
        self.ended[state] = self.ended.get(state, 0) + 1
        self.seconds += duration_ms / 1000


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
        self._observer: Observer = Nobody()
        self._waiting = Waiting()
        self._checks = Checks(pool)
        self._stopper = Stopper(pool, self._deadlines.cancel_s)
        self._recorder = Recorder(store, starts, self._deadlines.disk_s)
        self._entering: dict[str, asyncio.Future[Job | Taken]] = {}
        self._running: dict[str, Running] = {}
        self._ending: dict[str, Job] = {}
        self._holds: dict[str, frozenset[str]] = {}
        self._closing = False
        self._streak = 0
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
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._recorder.settled(), self._deadlines.shutdown_s)
        await _quietly(self.store.remember("crashes", "0"))
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
            await _quietly(self.store.remember("crashes", str(self._streak)))
        for job in crashed:
            turn = Attempt(job.attempts, job.worker, "", now_ms())
            await _quietly(self.store.give_back(job, turn, "the server ended while it ran", now_ms()))
        await asyncio.to_thread(self._starts.clear)
        self._waiting.take_up([replace(job, state=State.QUEUED) for job in unfinished])
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
        return self._waiting.jobs

    @property
    def running(self) -> Sequence[Job]:
        """The jobs that workers have."""
        return [running.job for running in self._running.values()]

    @property
    def remaining(self) -> int:
        """How many jobs wait or run."""
        return len(self.pending) + len(self._running) + len(self._ending)

    def find(self, id: str) -> Job | None:
        """The waiting or running job of this id. It runs until its end is on disk."""
        runs = (*self.running, *self._ending.values())
        return next((job for job in runs if job.id == id), None) or self._waiting.find(id)

    def progress_of(self, id: str) -> Json | None:
        """The state of the nodes of a job that runs, as `progress_state` says it."""
        running = next((each for each in self._running.values() if each.job.id == id), None)
        return running.narrator.snapshot() if running else None

    async def submit(
        self, id: str, request: Request, *, number: float | None = None, front: bool = False
    ) -> Job | Taken:
        """Accept a job: it is durable when this returns. The same id again gives Taken. Raises StoreFull."""
        if id in self._entering:
            first = await asyncio.shield(self._entering[id])
            return first if isinstance(first, Taken) else Taken(first)
        if number is None:
            number = self._waiting.number(front=front)
        entering = self.store.accept(Job(id=id, number=number, request=request, created_ms=now_ms()))
        self._entering[id] = entering
        entering.add_done_callback(lambda done: self._entered(id, done))
        return await asyncio.shield(entering)

    def _entered(self, id: str, done: asyncio.Future[Job | Taken]) -> None:
        self._entering.pop(id, None)
        if done.cancelled() or done.exception() is not None or isinstance(job := done.result(), Taken):
            return
        self._waiting.add(job)
        self._observer.changed()
        self._dispatch()

    async def cancel(self, id: str) -> bool:
        """Stop a job, waiting or running. False when there is none of this id."""
        for running in self._running.values():
            if running.job.id == id:
                self._stopper.stop(running, "cancelled")
                return True
        return await self.withdraw([id]) > 0

    async def withdraw(self, ids: Sequence[str] | None) -> int:
        """Take waiting jobs out of the queue, or all; how many. Those that run go on."""
        chosen = self._waiting.remove(ids if ids is None else set(ids))
        if not chosen:
            return 0
        ended = [self.store.end(replace(j, state=State.CANCELLED, ended_ms=now_ms())) for j in chosen]
        try:
            await asyncio.gather(*ended)
        except StoreFull:
            for job in chosen:
                self._waiting.add(job)
            raise
        for _ in chosen:
            self.totals.count(State.CANCELLED)
        self._observer.changed()
        return len(chosen)

    def interrupt(self, id: str | None = None) -> None:
        """Stop what runs, or only the job of this id if it runs."""
        for running in self._running.values():
            if id is None or running.job.id == id:
                self._stopper.stop(running, "interrupted")

    async def move(self, id: str, before: str | None) -> bool:
        """Put a waiting job before another one, or at the end. False when either does not wait."""
        renumbered = self._waiting.move(id, before)
        if renumbered is None:
            return False
        await asyncio.gather(*(self.store.move(job.id, job.number) for job in renumbered))
        self._observer.changed()
        return True

    async def pause(self, reason: str = "Paused.") -> None:
        """Start no more jobs; what runs goes on. Holds across a restart."""
        self.paused = reason
        await self.store.remember("paused", reason)
        self._observer.changed()

    async def resume(self) -> None:
        """Start jobs again."""
        self.paused = ""
        self._streak = 0
        await self.store.remember("paused", "")
        await self.store.remember("crashes", "0")
        self._observer.changed()
        self._dispatch()

    def free(self, *, weights: bool, results: bool) -> None:
        """Have every worker give memory back."""
        for worker in self.pool.workers:
            self._holds.pop(worker, None)
            self.pool.send(worker, Free(weights or results, results))

    async def check(self, request: Request, targets: tuple[str, ...] | None) -> Json | None:
        """What a worker's own nodes say of a prompt, or None when no worker answers in time."""
        return await self._checks.ask(request, targets)

    # -- dispatching --------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        if self.paused or self._closing:
            return
        while self.pending:
            offers = [
                Offer(name, self._holds.get(name, frozenset()))
                for name, state in self.pool.workers.items()
                if state.ready and name not in self._running
            ]
            if not offers:
                return
            busy = [Offer(name, self._holds.get(name, frozenset())) for name in self._running]
            choice = choose(self.pending[:16], offers, busy, self._models_of, self._waiting.waited(self.pending[0]))
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
        self._waiting.take(job)
        job = replace(
            job, state=State.RUNNING, attempts=job.attempts + 1, worker=worker, started_ms=job.started_ms or at_ms
        )
        running = Running(job, Attempt(job.attempts, worker, choice.why, at_ms), Narrator(job))
        self._running[worker] = running
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
        self._recorder.begins(running)
        self._observer.changed()

    # -- what workers say ---------------------------------------------------------------------------------------

    def _heard(self, worker: str, message: FromWorker | Died) -> None:
        match message:
            case Happened() | Previewed() | Finished():
                running = self._running.get(worker)
                if running is not None and running.job.id == message.job:
                    self._heard_of(running, message)
            case Died():
                self._died(worker, message)
            case Ready():
                self._dispatch()
            case Catalogue():
                self._observer.catalogued(message)
            case Checked():
                self._checks.answered(message)
            case _:
                pass

    def _heard_of(self, running: Running, message: Happened | Previewed | Finished) -> None:
        job = running.job
        match message:
            case Happened():
                for told in running.narrator.tell(message.type, message.data):
                    self._tell(job, told.type, told.data, keep=told.keep)
            case Finished():
                self._finished(running, message)
            case Previewed(node=node, display=display, mime=mime, picture=picture):
                self._observer.previewed(Preview(job.id, job.request.client, node, display, mime, picture))

    def _tell(self, job: Job, type: str, data: Json, *, keep: bool = True) -> None:
        self._observer.happened(self.store.log(job.id, job.request.client, type, data, keep=keep))

    def _finished(self, running: Running, message: Finished) -> None:
        if message.outcome == "cancelled" and self._closing and not running.cancelled:
            self._put_back(running, running.job.deaths, "the server stopped")
            return
        state = {"done": State.DONE, "cancelled": State.CANCELLED}.get(message.outcome, State.FAILED)
        error = message.error
        if state is State.DONE and (missing := _missing(message.outputs, self._exists)):
            state = State.FAILED
            error = {
                "exception_type": "MissingOutput",
                "exception_message": f"{missing} was written by the job and is gone.",
            }
        self._end(running, state, message.outputs, error)

    def _died(self, worker: str, death: Died) -> None:
        self._holds.pop(worker, None)
        self._checks.died(worker)
        if not death.expected:
            self.totals.deaths += 1
        running = self._running.get(worker)
        if running is None:
            return
        deaths = running.job.deaths + 1
        if running.cancelled:
            self._end(running, State.CANCELLED, {}, None)
        elif death.expected:
            self._put_back(running, running.job.deaths, "the server stopped")
        elif deaths < MAX_DEATHS:
            self._put_back(running, deaths, f"Worker {worker} died running it: {death.reason}.")
            self.pool.prepare(worker)  # it will run the job again, and perhaps die of it again
        else:
            running.job = replace(running.job, deaths=deaths)
            self._end(running, State.QUARANTINED, {}, _poison(deaths, death))

    def _put_back(self, running: Running, deaths: int, reason: str) -> None:
        """The job waits again, in its old place."""
        self._free_worker(running)
        self._settle()
        log.info("job %s waits again: %s", running.job.id, reason)
        job = replace(running.job, state=State.QUEUED, deaths=deaths, reason=reason, worker="")
        self._recorder.waits_again(job, running, reason)
        self._waiting.add(job)
        self._observer.changed()
        self._dispatch()

    def _end(self, running: Running, state: State, outputs: Json, error: Json | None) -> None:
        """Record the end, and tell of it once it is recorded. The worker is free at once."""
        ended = now_ms()
        told = running.narrator.end(state, error, ended)
        reason = str(error.get("exception_message", "")).strip() if error else running.cancelled
        result = Result(outputs, tuple(running.narrator.messages), told.data if error else None)
        job = replace(running.job, state=state, ended_ms=ended, reason=reason, result=result)
        self._ending[job.id] = running.job
        self._free_worker(running)
        self._dispatch()
        recorded = partial(self._recorded, job, running.narrator, told)
        self._recorder.ends(job, running, patient=bool(self._running), then=recorded)

    def _recorded(self, job: Job, narrator: Narrator, told: Told) -> None:
        self._ending.pop(job.id, None)
        self._ended(job.id)
        self.totals.count(job.state, job.ended_ms - job.started_ms)
        self.totals.nodes_cached += narrator.cached
        self.totals.nodes_run += narrator.ran
        log.info("job %s %s after %d ms", job.id, job.state, job.ended_ms - job.started_ms)
        self._tell(job, told.type, told.data)
        self._observer.changed()
        self._tell(job, "executing", {"node": None, "prompt_id": job.id})
        if self._streak:
            self._streak = 0
            self._recorder.remember("crashes", "0")
        self._settle()

    def _free_worker(self, running: Running) -> None:
        self._running.pop(running.worker, None)
        running.over = True

    def _settle(self) -> None:
        if not self._running and not self._ending:
            self._idle.set()


async def _quietly(written: asyncio.Future[None]) -> None:
    try:
        await written
    except StoreFull as error:
        log.error("%s", error)


def _poison(deaths: int, death: Died) -> Json:
    """The error of a job of which too many workers died."""
    words = next((line for line in death.said if line.startswith("Fatal")), "".join(death.said[-1:]))
    last = f" It last said: {words}" if words else ""
    return {
        "exception_type": "WorkerDied",
        "exception_message": f"{deaths} workers died running this job; the last: {death.reason}.{last}",
        "traceback": list(death.said),
    }


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
