"""Which jobs each worker was given last, in a file that is written before the worker hears of it.

The database learns of it a moment later, with the job's end or with whatever else is written then: a job need not wait
for the disk to be started. What a server that is killed in that moment leaves behind is here.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO


@dataclass(slots=True)
class _Place:
    """A worker's file, and the starts that the database does not know of yet."""

    file: BinaryIO
    open: dict[str, int] = field(default_factory=dict[str, int])


class Starts:
    """The last starts of each worker, in a file of its own, written over again and again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[str, _Place] = {}

    def mark(self, worker: str, job: str, attempt: int) -> None:
        """Record that a worker is about to be given a job. Raises OSError."""
        place = self._places.get(worker)
        if place is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = (self._folder / worker.replace(":", "-")).open("wb", buffering=0)
            self._places[worker] = place = _Place(file)
        place.file.seek(0)
        place.file.write(json.dumps([*place.open.items(), (job, attempt)]).encode() + b"\n")
        place.open[job] = attempt

    def recorded(self, worker: str, job: str, attempt: int) -> None:
        """The database knows of a start: the next that is marked takes its place."""
        place = self._places.get(worker)
        if place is not None and place.open.get(job) == attempt:
            del place.open[job]

    def read(self) -> dict[str, int]:
        """The jobs that were started last, with the number of the attempt."""
        found: dict[str, int] = {}
        for path in sorted(self._folder.glob("*")):
            # Only the first line counts: a longer one that was there before shows behind it.
            with contextlib.suppress(OSError, ValueError, TypeError):
                for job, attempt in json.loads(path.read_bytes().partition(b"\n")[0]):
                    found[str(job)] = int(attempt)
        return found

    def clear(self) -> None:
        """Forget what is recorded elsewhere by now."""
        self.close()
        for path in self._folder.glob("*"):
            with contextlib.suppress(OSError):
                path.unlink()

    def close(self) -> None:
        """Let go of the files."""
        for place in self._places.values():
            place.file.close()
        self._places.clear()
