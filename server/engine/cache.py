"""Results by key: in memory, bounded in bytes, over a folder on disk, bounded too.

What is on disk outlives the process. An entry is written whole or not at all, carries a checksum, and is dropped when
it does not match: a result can always be made again. Several processes may share the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nodes.define import Shown

log = logging.getLogger(__name__)

Items = tuple[Any, ...]
"""What one output gave: one value, or, of a list, each of its elements."""

_MAGIC = b"sfumato1"
_DIGEST_BYTES = 32
_READ_BYTES_PER_S = 400e6
_READ_S = 0.004
_STALE_S = 3600.0
_ENTRY_BYTES = 64
_TEMPORARY = ".tmp-"


@dataclass(frozen=True, slots=True)
class Entry:
    """A node's result: the items of each output, what it showed, and what terminal nodes inside it showed, by id."""

    outputs: tuple[Items, ...]
    shown: Shown | None = None
    inner: Mapping[str, Shown] = field(default_factory=dict[str, Shown])


class Codec(Protocol):
    """Turns values into bytes and back; `nodes.codec` is one."""

    def encode(self, value: Any, /) -> bytes | None:
        """The value as bytes, or None when it holds something that cannot be stored."""
        ...

    def decode(self, data: bytes, /) -> Any:
        """The value that `encode` was given. Raises when the bytes are none."""
        ...

    def size(self, value: Any, /) -> int:
        """About how many bytes the value holds in memory."""
        ...


class Disk:
    """Entries as files in a folder, at most `limit_bytes` of them; the longest unused go first."""

    def __init__(self, folder: Path, codec: Codec, limit_bytes: int = 10 << 30) -> None:
        self._folder = folder
        self._start = os.path.join(folder, "")
        self._codec = codec
        self._limit = limit_bytes
        self._used = -1
        self._complained = False

    def __contains__(self, key: str) -> bool:
        return os.path.exists(self._path(key))

    def get(self, key: str) -> Entry | None:
        """The entry of this key; a damaged one is dropped."""
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            return None
        body = data[len(_MAGIC) + _DIGEST_BYTES :]
        if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) :][:_DIGEST_BYTES] != hashlib.sha256(body).digest():
            return self._dropped(path, "its checksum is wrong")
        try:
            outputs, shown, inner = self._codec.decode(body)
            entry = Entry(outputs, shown, inner)
        except Exception as error:  # noqa: BLE001 -- whatever an older version wrote, it can be made again
            return self._dropped(path, str(error))
        with contextlib.suppress(OSError):
            os.utime(path)
        return entry

    def put(self, key: str, entry: Entry, seconds: float) -> None:
        """Store what took `seconds` to make, if reading it back is quicker and its values can be stored."""
        # An entry that stands for files that were written lasts: making them twice is what must not happen.
        lasting = any(shown.files for shown in (entry.shown, *entry.inner.values()) if shown is not None)
        if not lasting and (not self._worth(entry, seconds) or key in self):
            return
        body = self._codec.encode((entry.outputs, entry.shown, dict(entry.inner)))
        if body is None or len(body) > self._limit:
            return
        try:
            self._write(self._path(key), _MAGIC + hashlib.sha256(body).digest() + body)
        except OSError as error:
            if not self._complained:
                log.warning("Results cannot be kept in %s: %s.", self._folder, error.strerror)
            self._complained = True

    def clear(self) -> None:
        """Drop everything."""
        for file in list(self._files()):
            _unlink(file.path)
        self._used = 0

    def _path(self, key: str) -> str:
        # Put together by hand: this is asked for every node of every run.
        return f"{self._start}{key[:2]}{os.sep}{key}"

    def _worth(self, entry: Entry, seconds: float) -> bool:
        return seconds > _READ_S and seconds > _READ_S + self._codec.size(entry.outputs) / _READ_BYTES_PER_S

    def _write(self, path: str, data: bytes) -> None:
        folder = os.path.dirname(path)
        os.makedirs(folder, exist_ok=True)
        temporary = os.path.join(folder, _TEMPORARY + secrets.token_hex(8))
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            _unlink(temporary)
            raise
        self._grow(len(data))

    def _grow(self, added: int) -> None:
        """Count what was written; over the limit, look at what is really there and drop the longest unused."""
        if self._used < 0:
            self._used = sum(file.stat().st_size for file in self._files())
        else:
            self._used += added
        if self._used <= self._limit:
            return
        files = sorted((f.stat().st_mtime, f.stat().st_size, f.path) for f in self._files())
        self._used = sum(size for _, size, _ in files)
        for _, size, path in files:
            if self._used <= self._limit * 0.9:
                return
            _unlink(path)
            self._used -= size

    def _files(self) -> Iterator[os.DirEntry[str]]:
        """The entries there are; leftovers of processes that died are removed on the way."""
        with contextlib.suppress(FileNotFoundError):
            for folder in [entry.path for entry in os.scandir(self._folder) if entry.is_dir()]:
                for file in list(os.scandir(folder)):
                    with contextlib.suppress(FileNotFoundError):
                        if not file.name.startswith(_TEMPORARY):
                            file.stat()
                            yield file
                        elif time.time() - file.stat().st_mtime > _STALE_S:
                            _unlink(file.path)

    def _dropped(self, path: str, why: str) -> None:
        log.warning("A stored result is damaged and was dropped: %s.", why)
        _unlink(path)


class Cache:
    """Results in memory, at most `memory_bytes` of them, over an optional disk.

    What a running plan will still ask for is pinned: it stays, though over the limit. Without a codec for sizes every
    result counts as small.
    """

    def __init__(self, codec: Codec | None = None, *, memory_bytes: int = 1 << 30, disk: Disk | None = None) -> None:
        self._codec = codec
        self._limit = memory_bytes
        self._disk = disk
        self._entries: OrderedDict[str, tuple[Entry, int]] = OrderedDict()
        self._pins: Counter[str] = Counter()
        self.used_bytes = 0

    def __contains__(self, key: str) -> bool:
        return key in self._entries or (self._disk is not None and key in self._disk)

    def __len__(self) -> int:
        return len(self._entries)

    def at_hand(self, key: str) -> Entry | None:
        """The result of this key, if it is in memory."""
        found = self._entries.get(key)
        if found is None:
            return None
        self._entries.move_to_end(key)
        return found[0]

    def get(self, key: str) -> Entry | None:
        """The result of this key, if it is known."""
        found = self.at_hand(key)
        if found is not None:
            return found
        entry = self._disk.get(key) if self._disk is not None else None
        if entry is not None:
            self._remember(key, entry)
        return entry

    def put(self, key: str, entry: Entry, seconds: float, *, lasting: bool = True) -> None:
        """Keep a result that took `seconds` to make; `lasting`: on disk too."""
        self._remember(key, entry)
        if lasting and self._disk is not None:
            self._disk.put(key, entry, seconds)

    def drop(self, key: str) -> None:
        """Forget a result in memory."""
        found = self._entries.pop(key, None)
        if found is not None:
            self.used_bytes -= found[1]

    @contextlib.contextmanager
    def pinned(self, keys: Iterable[str]) -> Generator[None]:
        """While inside, these results stay in memory once they are there, unless they are unpinned."""
        self._pins.update(keys)
        try:
            yield
        finally:
            self._pins.clear()
            self._shrink()

    def unpin(self, key: str) -> None:
        """A running plan needs this result no more."""
        self._pins[key] -= 1
        if self._pins[key] <= 0:
            del self._pins[key]

    def clear(self, *, disk: bool = False) -> None:
        """Forget everything, on disk too if asked."""
        self._entries.clear()
        self.used_bytes = 0
        if disk and self._disk is not None:
            self._disk.clear()

    def _remember(self, key: str, entry: Entry) -> None:
        self.drop(key)
        size = _ENTRY_BYTES + sum(self._size(item) for items in entry.outputs for item in items)
        self._entries[key] = (entry, size)
        self.used_bytes += size
        if self.used_bytes > self._limit:
            self._shrink()

    def _size(self, item: Any) -> int:
        if self._codec is None or item is None or isinstance(item, int | float):
            return _ENTRY_BYTES
        return self._codec.size(item)

    def _shrink(self) -> None:
        """Forget the longest unused results that nothing running needs, until the rest fits."""
        if self.used_bytes <= self._limit:
            return
        for key in [key for key in self._entries if key not in self._pins]:
            if self.used_bytes <= self._limit:
                return
            self.drop(key)


def _unlink(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
