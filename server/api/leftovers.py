"""What processes that were killed left half done."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from nodes.folders import PLACES, Folders

_PREFIX, _SUFFIX = ".sfumato-", ".tmp"


def sweep(folders: Folders, before: float) -> int:
    """Remove temporary files that are older than `before` (a time.time()); how many."""
    roots = [*(folders.root(place) for place in PLACES), folders.user]
    return sum(_remove(path, before) for root in roots for path in _temporary_files(root)) + sum(
        _remove(path, before) for path in (folders.state / "incoming").glob("*")
    )


def _temporary_files(root: Path) -> list[Path]:
    return [
        Path(here, name)
        for here, _, names in os.walk(root)
        for name in names
        if name.startswith(_PREFIX) and name.endswith(_SUFFIX)
    ]


def _remove(path: Path, before: float) -> bool:
    with contextlib.suppress(OSError):
        if path.stat().st_mtime < before:
            path.unlink()
            return True
    return False
