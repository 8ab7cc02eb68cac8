"""Jobs on disk. One thread writes, so that what comes at once is committed at once; another reads."""

# ruff: noqa: S608 -- the parts of statements are constants of this module; values are bound
from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from server.jobs.model import Attempt, Job, Json, Logged, Request, Result, State, text_of
from server.jobs.schema import back_up, connect, open_store

T = TypeVar("T")
Write = Callable[[sqlite3.Connection], T]

HISTORY_KEPT = 10_000
EVENTS_KEPT = 200_000
_SEQ_BLOCK = 1_000_000
_EVENTS_AFTER_S = 0.05
_PATIENCE_S = 0.008
_BACKED_UP_BYTES = 256 << 20
_WHOLE = (
    "ordinal, id, number, state, created_ms, started_ms, ended_ms, attempts, deaths, worker, reason, "
    "outputs, messages, error, prompt, targets, extra"
)
_ENDED = "state NOT IN ('queued', 'running')"


class StoreFull(RuntimeError):  # noqa: N818
    """Nothing can be written: the disk is full, or the folder read-only. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A job of this id is there already."""

    job: Job


@dataclass(slots=True)
class _Op(Generic[T]):
    write: Write[T]
    done: asyncio.Future[T]
    durable: bool


@dataclass(frozen=True, slots=True)
class Found:
    """One page of jobs, and how many there are in all."""

    jobs: tuple[Job, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Query:
    """Which jobs to list, and in which order."""

    states: tuple[State, ...] = ()
    workflow: str | None = None
    text: str | None = None
    by_duration: bool = False
    descending: bool = True
    limit: int = -1
    offset: int = 0


class Store:
    """The job database. Every method that returns a future or is awaited belongs to the loop that opened it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repaired = ""
        self._ops: queue.SimpleQueue[list[_Op[Any]] | None] = queue.SimpleQueue()
        self._events: list[Logged] = []
        self._events_timer: asyncio.TimerHandle | None = None
        self._held: list[_Op[Any]] = []
        self._held_timer: asyncio.TimerHandle | None = None
        self._handing = False
        self._seq = 0
        self._finish = 0
        self._readers = ThreadPoolExecutor(1, "jobs-read")
        self._read: sqlite3.Connection | None = None
        self._writer = threading.Thread(target=self._write_all, name="jobs-write", daemon=True)
        self._connection: sqlite3.Connection | None = None
        self._durable: bool | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Open, migrate or repair the database. Raises UnusableStore."""
        self._loop = asyncio.get_running_loop()
        opened = await asyncio.to_thread(open_store, self.path)
        self.repaired, self._connection = opened.repaired, opened.connection
        self._read = connect(self.path)
        self._writer.start()
        self._seq, self._finish = await self._soon(_reserve, durable=True)
        await self._soon(_prune, durable=False)

    async def close(self) -> None:
        """Write what is left, and let go of the file."""
        if self._connection is None:
            return
        self._hand_over()
        self._ops.put(None)
        await asyncio.to_thread(self._writer.join)
        self._readers.shutdown()
        if self._read is not None:
            self._read.close()
        await asyncio.to_thread(self._close_connection)

    def _close_connection(self) -> None:
        """Close the file, and keep a copy from which a damaged one is repaired."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            with contextlib.suppress(sqlite3.Error, OSError):
                if self.path.stat().st_size <= _BACKED_UP_BYTES:
                    back_up(self.path)

    # -- writing ------------------------------------------------------------------------------------------------

    def accept(self, job: Job) -> asyncio.Future[Job | Taken]:
        """Make a job durable. Gives it with its place, or the job that has its id already."""
        text = job.request.text
        words = text_of(job.request.prompt)

        def write(connection: sqlite3.Connection) -> Job | Taken:
            cursor = connection.execute(
                "INSERT INTO jobs (id, number, state, client, workflow, prompt, targets, extra, words, created_ms) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                (
                    *(job.id, job.number, job.state, job.request.client, job.request.workflow_id, text),
                    *(json.dumps(job.request.targets), json.dumps(job.request.extra), words, job.created_ms),
                ),
            )
            if not cursor.rowcount:
                return Taken(_job(connection.execute(f"SELECT {_WHOLE} FROM jobs WHERE id = ?", (job.id,)).fetchone()))
            return replace(job, ordinal=int(cursor.lastrowid or 0))

        return self._soon(write, durable=True)

    def lease(self, job: str, attempt: Attempt) -> asyncio.Future[None]:
        """Record that a worker runs a job. Changes nothing about an attempt or a job that has ended."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE jobs SET state = 'running', attempts = ?, worker = ?, reason = '', "
                f"started_ms = CASE started_ms WHEN 0 THEN ? ELSE started_ms END WHERE id = ? AND NOT ({_ENDED})",
                (attempt.n, attempt.worker, attempt.started_ms, job),
            )
            _put_attempt(connection, job, attempt)

        return self._soon(write, durable=True)

    def give_back(self, job: Job, attempt: Attempt, reason: str, at_ms: int) -> asyncio.Future[None]:
        """Record that an attempt ended without the job's end; it waits again."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE jobs SET state = 'queued', attempts = ?, deaths = ?, worker = '', reason = ?, started_ms = ? "
                f"WHERE id = ? AND NOT ({_ENDED})",
                (attempt.n, job.deaths, reason, job.started_ms, job.id),
            )
            _put_attempt(connection, job.id, attempt, at_ms, reason)

        return self._soon(write, durable=True)

    def end(self, job: Job, attempt: Attempt | None = None, *, patient: bool = False) -> asyncio.Future[None]:
        """Record how a job ended, and the attempt that it ended with. `patient`: others will end in a moment."""

        def write(connection: sqlite3.Connection) -> None:
            self._finish += 1
            connection.execute(
                "UPDATE jobs SET state = ?, attempts = ?, worker = ?, started_ms = ?, ended_ms = ?, deaths = ?, "
                "reason = ?, outputs = ?, messages = ?, error = ?, finish = ? WHERE id = ?",
                (
                    *(job.state, job.attempts, job.worker, job.started_ms, job.ended_ms, job.deaths, job.reason),
                    *(json.dumps(job.result.outputs), json.dumps(job.result.messages)),
                    *(json.dumps(job.result.error) if job.result.error is not None else None, self._finish, job.id),
                ),
            )
            if attempt is not None:
                _put_attempt(connection, job.id, attempt, job.ended_ms, job.state)

        return self._soon(write, durable=True, patient=patient)

    def move(self, job: str, number: float) -> asyncio.Future[None]:
        """Give a waiting job another place."""
        return self._soon(lambda c: _run(c, "UPDATE jobs SET number = ? WHERE id = ?", (number, job)), durable=True)

    def forget(self, jobs: Sequence[str] | None) -> asyncio.Future[None]:
        """Remove ended jobs, or all that have ended."""

        def write(connection: sqlite3.Connection) -> None:
            if jobs is None:
                _run(connection, f"DELETE FROM jobs WHERE {_ENDED}", ())
            else:
                connection.executemany(f"DELETE FROM jobs WHERE id = ? AND {_ENDED}", [(job,) for job in jobs])
            _run(connection, "DELETE FROM attempts WHERE job NOT IN (SELECT id FROM jobs)", ())

        return self._soon(write, durable=True)

    def remember(self, key: str, value: str) -> asyncio.Future[None]:
        """Keep a fact about the server itself."""
        statement = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"
        return self._soon(lambda c: _run(c, statement, (key, value)), durable=True)

    def log(self, job: str, client: str | None, type: str, data: Json, *, keep: bool = True) -> Logged:
        """A numbered event, on disk with the next commit or soon. Not `keep`: numbered, and nothing else."""
        self._seq += 1
        event = Logged(self._seq, job, client, type, data)
        if keep:
            self._events.append(event)
            if self._events_timer is None and self._loop is not None:
                self._events_timer = self._loop.call_later(_EVENTS_AFTER_S, self._hand_over)
        return event

    @property
    def seq(self) -> int:
        """The number of the last event."""
        return self._seq

    # -- reading ------------------------------------------------------------------------------------------------

    async def remembered(self, key: str) -> str | None:
        """A fact about the server that was kept."""
        rows = await self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    async def unfinished(self) -> list[Job]:
        """Jobs that wait or ran when the server ended, in order."""
        statement = f"SELECT {_WHOLE} FROM jobs WHERE state IN ('queued', 'running') ORDER BY number, ordinal"
        return [_job(row) for row in await self._rows(statement, ())]

    async def job(self, id: str) -> Job | None:
        """The job of this id."""
        rows = await self._rows(f"SELECT {_WHOLE} FROM jobs WHERE id = ?", (id,))
        return _job(rows[0]) if rows else None

    async def attempts(self, id: str) -> list[dict[str, Any]]:
        """Which workers tried a job, why they, and how each attempt ended."""
        names = ("attempt", "worker", "why", "started", "ended", "outcome")
        statement = "SELECT n, worker, why, started_ms, ended_ms, outcome FROM attempts WHERE job = ? ORDER BY n"
        return [dict(zip(names, row, strict=True)) for row in await self._rows(statement, (id,))]

    async def history(self, limit: int, offset: int, text: str | None = None) -> list[Job]:
        """Ended jobs, the first to end first; a negative offset gives the last `limit`."""
        where, values = (f"{_ENDED} AND words LIKE ? ESCAPE '\\'", [_like(text)]) if text else (_ENDED, [])
        statement = f"SELECT {_WHOLE} FROM jobs WHERE {where} ORDER BY finish"
        if offset < 0 and limit >= 0:
            rows = await self._rows(f"{statement} DESC LIMIT ?", (*values, limit))
            rows.reverse()
        else:
            rows = await self._rows(f"{statement} LIMIT ? OFFSET ?", (*values, limit, max(offset, 0)))
        return [_job(row) for row in rows]

    async def find(self, query: Query) -> Found:
        """One page of jobs, and how many there are."""
        wheres: list[str] = ["1"]
        values: list[Any] = []
        if query.states:
            wheres.append(f"state IN ({', '.join('?' * len(query.states))})")
            values += query.states
        if query.workflow is not None:
            wheres.append("workflow = ?")
            values.append(query.workflow)
        if query.text:
            wheres.append("words LIKE ? ESCAPE '\\'")
            values.append(_like(query.text))
        where = " AND ".join(wheres)
        duration = "CASE WHEN ended_ms > 0 AND started_ms > 0 THEN ended_ms - started_ms ELSE 0 END"
        direction = "DESC" if query.descending else "ASC"
        order = f"{duration if query.by_duration else 'created_ms'} {direction}, ordinal {direction}"
        statement = f"SELECT {_WHOLE} FROM jobs WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"
        rows = await self._rows(statement, (*values, query.limit, query.offset))
        ((total,),) = await self._rows(f"SELECT COUNT(*) FROM jobs WHERE {where}", values)
        return Found(tuple(_job(row) for row in rows), int(total))

    async def counts(self) -> dict[str, int]:
        """How many jobs there are in each state."""
        return {str(s): int(n) for s, n in await self._rows("SELECT state, COUNT(*) FROM jobs GROUP BY state", ())}

    async def events(self, *, since: int, job: str | None = None, client: str | None = None) -> list[Logged]:
        """What was logged after `since`: of a job, or of a client's jobs."""
        await self._soon(lambda _: None, durable=False)
        which, value = ("job = ?", job) if job is not None else ("client = ?", client)
        statement = f"SELECT seq, job, client, type, data FROM events WHERE {which} AND seq > ? ORDER BY seq"
        return [Logged(r[0], r[1], r[2], r[3], json.loads(r[4])) for r in await self._rows(statement, (value, since))]

    async def _rows(self, statement: str, values: Iterable[Any]) -> list[Any]:
        def read() -> list[Any]:
            if self._read is None:
                return []
            return self._read.execute(statement, tuple(values)).fetchall()

        return await asyncio.get_running_loop().run_in_executor(self._readers, read)

    # -- the writing thread -------------------------------------------------------------------------------------

    def _soon(self, write: Write[T], *, durable: bool, patient: bool = False) -> asyncio.Future[T]:
        """Write with whatever else is asked for in this turn of the loop; or, if patient, in the next few."""
        assert self._loop is not None, "the store is not open"
        done: asyncio.Future[T] = self._loop.create_future()
        self._held.append(_Op(write, done, durable))
        if patient:
            if self._held_timer is None:
                self._held_timer = self._loop.call_later(_PATIENCE_S, self._hand_over)
        elif not self._handing:
            self._handing = True
            self._loop.call_soon(self._hand_over)
        return done

    def _hand_over(self) -> None:
        """Give the writing thread everything that waits for it."""
        for timer in (self._events_timer, self._held_timer):
            if timer is not None:
                timer.cancel()
        self._events_timer = self._held_timer = None
        self._handing = False
        if self._events and self._loop is not None:
            rows = self._events
            self._events = []
            # A log that cannot be written loses what could have been replayed; jobs do not depend on it.
            done: asyncio.Future[None] = self._loop.create_future()
            done.add_done_callback(lambda d: d.cancelled() or d.exception())
            self._held.append(_Op(lambda c: _insert_events(c, rows), done, durable=False))
        if self._held:
            self._ops.put(self._held)
            self._held = []

    def _write_all(self) -> None:
        closing = False
        while not closing:
            batch: list[_Op[Any]] = []
            ops = self._ops.get()
            while True:
                if ops is None:
                    closing = True
                    break
                batch += ops
                try:
                    ops = self._ops.get_nowait()
                except queue.Empty:
                    break
            if batch:
                self._write(batch)

    def _write(self, batch: list[_Op[Any]]) -> None:
        assert self._connection is not None
        assert self._loop is not None
        results: list[Any] = []
        error: Exception | None = None
        try:
            durable = any(op.durable for op in batch)
            if durable is not self._durable:
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            self._connection.execute("BEGIN IMMEDIATE")
            results = [op.write(self._connection) for op in batch]
            self._connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as failure:
            error = StoreFull(f"{self.path.name} cannot be written: {failure}.")
            error.__cause__ = failure
            self._roll_back()
        except Exception as failure:  # noqa: BLE001 -- the writing thread outlives whatever it is given
            self._roll_back()
            if len(batch) > 1:  # only the write that cannot be done fails, not those that happened to stand beside it
                for op in batch:
                    self._write([op])
                return
            error = failure
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_resolve, batch, results, error)

    def _roll_back(self) -> None:
        try:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass


def _resolve(batch: list[_Op[Any]], results: list[Any], error: Exception | None) -> None:
    for index, op in enumerate(batch):
        if op.done.cancelled():
            continue
        if error is not None:
            op.done.set_exception(error)
        else:
            op.done.set_result(results[index])


def _run(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> None:
    connection.execute(statement, values)


def _reserve(connection: sqlite3.Connection) -> tuple[int, int]:
    """A number that no event had, even one that a crash lost, and that of the job which ended last.

    Each start has a block of events' numbers of its own.
    """
    row = connection.execute("SELECT value FROM meta WHERE key = 'seq'").fetchone()
    (last,) = connection.execute("SELECT COALESCE(MAX(seq), 0) FROM events").fetchone()
    first = max(int(row[0]) if row else 0, int(last))
    _run(connection, "INSERT OR REPLACE INTO meta VALUES ('seq', ?)", (str(first + _SEQ_BLOCK),))
    (finish,) = connection.execute("SELECT COALESCE(MAX(finish), 0) FROM jobs").fetchone()
    return first, int(finish)


def _prune(connection: sqlite3.Connection) -> None:
    (count,) = connection.execute("SELECT COUNT(*) FROM events").fetchone()
    if count > EVENTS_KEPT:
        _run(
            connection,
            "DELETE FROM events WHERE seq <= (SELECT seq FROM events ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (EVENTS_KEPT,),
        )
    (ended,) = connection.execute(f"SELECT COUNT(*) FROM jobs WHERE {_ENDED}").fetchone()
    if ended > HISTORY_KEPT:
        _run(
            connection,
            f"DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE {_ENDED} ORDER BY finish LIMIT ?)",
            (ended - HISTORY_KEPT,),
        )
        _run(connection, "DELETE FROM attempts WHERE job NOT IN (SELECT id FROM jobs)", ())


def _insert_events(connection: sqlite3.Connection, events: Sequence[Logged]) -> None:
    connection.executemany(
        "INSERT INTO events (seq, job, client, type, data) VALUES (?, ?, ?, ?, ?)",
        [(e.seq, e.job, e.client, e.type, e.text) for e in events],
    )


def _put_attempt(
    connection: sqlite3.Connection, job: str, attempt: Attempt, ended_ms: int = 0, outcome: str = ""
) -> None:
    """Write an attempt down, or how one ended that is written down already. What has ended stays as it is."""
    connection.execute(
        "INSERT INTO attempts (job, n, worker, why, started_ms, ended_ms, outcome) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET ended_ms = excluded.ended_ms, outcome = excluded.outcome WHERE ended_ms = 0",
        (job, attempt.n, attempt.worker, attempt.why, attempt.started_ms, ended_ms, outcome),
    )


def _like(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _job(row: Sequence[Any]) -> Job:
    messages: list[list[Any]] = json.loads(row[12])
    prompt: Mapping[str, Any] = json.loads(row[14])
    return Job(
        ordinal=row[0],
        id=row[1],
        number=row[2],
        state=State(row[3]),
        created_ms=row[4],
        started_ms=row[5],
        ended_ms=row[6],
        attempts=row[7],
        deaths=row[8],
        worker=row[9],
        reason=row[10],
        result=Result(
            json.loads(row[11]),
            tuple((str(m[0]), m[1]) for m in messages),
            json.loads(row[13]) if row[13] is not None else None,
        ),
        request=Request(prompt, tuple(json.loads(row[15])), json.loads(row[16])),
    )
