"""Files that one process at a time holds."""

from __future__ import annotations

import os
import sys
from pathlib import Path


class Held(RuntimeError):  # noqa: N818
    """Another process holds the file."""


class Alone:
    """A lock on a file, held until the process ends or `release` is called; a crash lets go of it."""

    def __init__(self, path: Path, *, wait: bool = False) -> None:
        """Take the lock. Raises Held when another process has it, unless told to `wait`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(self._handle, wait=wait)
        except OSError as error:
            os.close(self._handle)
            raise Held(f"{path} is held by another process.") from error

    def release(self) -> None:
        """Let go."""
        os.close(self._handle)


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int, *, wait: bool) -> None:
        while True:
            try:
                return msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    raise

else:
    import fcntl

    def _lock(handle: int, *, wait: bool) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
