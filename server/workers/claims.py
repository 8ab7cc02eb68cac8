"""Under which names a job writes its files, kept across crashes so that no file is written twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from functools import cached_property
from pathlib import Path


class FileClaims:
    """The claims of one job, a line each in a file that is synced before the claimed file is written."""

    def __init__(self, folder: Path, job: str) -> None:
        self._path = _claims_path(folder, job)

    @cached_property
    def _names(self) -> dict[str, str]:
        """Read when the first node asks: most jobs of an earlier attempt, and most nodes, have none."""
        return _read(self._path)

    def claimed(self, file: str, /) -> str | None:
        """The name that an earlier attempt claimed for this file."""
        return self._names.get(file)

    def claim(self, file: str, name: str, /) -> None:
        """Record the name, durably, before the file is written."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as lines:
            # A line that a crash cut short ends here, and is passed over when it is read.
            lines.write(b"\n" + json.dumps([file, name]).encode() + b"\n")
            lines.flush()
            os.fsync(lines.fileno())
        self._names[file] = name


def forget_claims(folder: Path, job: str) -> None:
    """Remove a job's claims, once its end is on disk: until then it may have to run again."""
    with contextlib.suppress(OSError):
        _claims_path(folder, job).unlink()


def _claims_path(folder: Path, job: str) -> Path:
    """Where a job's claims are. Ids are chosen by clients, so the name is a digest."""
    return folder / hashlib.sha256(job.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _read(path: Path) -> dict[str, str]:
    names: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in path.read_bytes().splitlines():
            with contextlib.suppress(ValueError, TypeError):
                file, name = json.loads(line)
                names[str(file)] = str(name)
    return names
