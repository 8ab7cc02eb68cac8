"""Digests of files; those of large ones are remembered between runs by path, size and time of change.

Hashing a checkpoint of some gigabytes takes many seconds; a file in the user's cache folder saves them the second time.
Whatever is wrong with that file, it is only slower.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from nodes.types import NodeError

LARGE_BYTES = 64 << 20
_MOST_ENTRIES = 2000


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, or of the weights and configs in a diffusers folder, as 64 hex digits.

    Remembered by path, size and time of change; those of large files between runs too.
    Raises NodeError when there is no such file.
    """
    if path.is_dir():
        whole = hashlib.sha256()
        for file in sorted(p for p in path.rglob("*") if p.suffix in (".safetensors", ".json", ".txt") and p.is_file()):
            whole.update(f"{file.relative_to(path).as_posix()}\0{digest(file)}\n".encode())
        return whole.hexdigest()
    try:
        stat = path.stat()
    except OSError:
        raise NodeError(f"{path} does not exist.") from None
    return _kept(path, stat.st_size, stat.st_mtime_ns)


def digest_of(path: Path, size: int, mtime_ns: int) -> str:
    """The SHA-256 of a file of this size and time of change, from memory where it is known."""
    if size < LARGE_BYTES:
        return _hashed(path)
    key, stamp = str(path.absolute()), [size, mtime_ns]
    known = _read().get(key)
    if isinstance(known, list) and known[:2] == stamp and len(known) == 3 and isinstance(known[2], str):
        return known[2]
    found = _hashed(path)
    _write({**_read(), key: [*stamp, found]})
    return found


_kept = lru_cache(maxsize=4096)(digest_of)


def cache_file() -> Path:
    """Where digests are remembered: SFUMATO_CACHE, or the platform's folder for caches."""
    if own := os.environ.get("SFUMATO_CACHE"):
        return Path(own) / "digests.json"
    if sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "sfumato" / "digests.json"


def _hashed(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read() -> dict[str, Any]:
    try:
        content = json.loads(cache_file().read_text("utf-8"))
    except (OSError, ValueError, RuntimeError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(entries: dict[str, Any]) -> None:
    newest = dict(list(entries.items())[-_MOST_ENTRIES:])
    with suppress(OSError, RuntimeError):
        file = cache_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: two processes may write at once.
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as temporary:
            json.dump(newest, temporary)
        Path(temporary.name).replace(file)
