"""The jobs that wait: in which order they will run, and for how long they have waited."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Sequence
from dataclasses import replace

from server.jobs.model import Job, now_ms


class Waiting:
    """Jobs in order, the next first."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []
        self._since: dict[str, int] = {}
        self._next = 0

    @property
    def jobs(self) -> Sequence[Job]:
        """All of them, the next first."""
        return self._jobs

    def find(self, id: str) -> Job | None:
        """The job of this id, if it waits."""
        return next((job for job in self._jobs if job.id == id), None)

    def number(self, *, front: bool = False) -> float:
        """The place of a job that comes now: behind all that came before it, or in front of them."""
        place = float(-self._next if front else self._next)
        self._next += 1
        return place

    def take_up(self, jobs: Sequence[Job]) -> None:
        """Begin with the jobs of an earlier server; what comes now is behind them."""
        for job in jobs:
            self.add(job)
        self._next = int(max((job.number for job in jobs), default=-1.0)) + 1

    def add(self, job: Job) -> None:
        """Put a job into its place."""
        insort(self._jobs, job, key=lambda each: each.order)
        self._since.setdefault(job.id, now_ms())

    def take(self, job: Job) -> None:
        """Take out a job that waits: it runs now."""
        del self._jobs[bisect_left(self._jobs, job.order, key=lambda each: each.order)]
        self._since.pop(job.id, None)

    def remove(self, ids: Collection[str] | None) -> list[Job]:
        """Take out those of these ids, or all; gives them."""
        gone = [job for job in self._jobs if ids is None or job.id in ids]
        kept = [job for job in self._jobs if not (ids is None or job.id in ids)]
        self._jobs = kept
        for job in gone:
            self._since.pop(job.id, None)
        return gone

    def move(self, id: str, before: str | None) -> list[Job] | None:
        """Put a job before another one, or at the end. Gives those with a new number, or None if either is not here."""
        job = self.find(id)
        rest = [each for each in self._jobs if each.id != id]
        at = next((i for i, each in enumerate(rest) if each.id == before), None) if before is not None else len(rest)
        if job is None or at is None:
            return None
        number = _between(rest[at - 1].number if at > 0 else None, rest[at].number if at < len(rest) else None)
        if number is not None:
            moved = replace(job, number=number)
            self._jobs = rest
            self.add(moved)
            return [moved]
        # No number fits between the neighbours: all get new ones.
        order = [*rest[:at], job, *rest[at:]]
        self._jobs = [replace(each, number=float(place)) for place, each in enumerate(order)]
        self._next = max(self._next, len(order))
        return list(self._jobs)

    def waited(self, job: Job) -> int:
        """For how many milliseconds it has waited."""
        now = now_ms()
        return now - self._since.get(job.id, now)


def _between(low: float | None, high: float | None) -> float | None:
    """A number between two, either of which may be open; None when there is none."""
    if low is None:
        return 0.0 if high is None else high - 1
    if high is None:
        return low + 1
    middle = (low + high) / 2
    return middle if low < middle < high else None
