"""Which job each worker was given last, in a file that is written before the worker hears of it.

The database learns of it a moment later, with whatever else is written then: a job need not wait for the disk to be
started. What a server that is killed in that moment leaves behind is here.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import BinaryIO


class Starts:
    """The last start of each worker, in a file of its own, written over again and again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}

    def mark(self, worker: str, job: str, attempt: int) -> None:
        """Record that a worker is about to be given a job. Raises OSError."""
        file = self._files.get(worker)
        if file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._files[worker] = file = (self._folder / worker.replace(":", "-")).open("wb", buffering=0)
        file.seek(0)
        file.write(json.dumps([job, attempt]).encode() + b"\n")

    def read(self) -> dict[str, int]:
        """The jobs that were started last, with the number of the attempt."""
        found: dict[str, int] = {}
        for path in sorted(self._folder.glob("*")):
            # Only the first line counts: a longer one that was there before shows behind it.
            with contextlib.suppress(OSError, ValueError, TypeError):
                job, attempt = json.loads(path.read_bytes().partition(b"\n")[0])
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
        for file in self._files.values():
            file.close()
        self._files.clear()
