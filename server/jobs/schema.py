"""The job database: its tables, how older ones become newer ones, and what is done with a damaged one."""

# ruff: noqa: S608 -- the parts of statements are constants of this module; values are bound
from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE jobs (
  ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  number REAL NOT NULL,
  state TEXT NOT NULL,
  client TEXT,
  workflow TEXT,
  prompt TEXT NOT NULL,
  targets TEXT NOT NULL,
  extra TEXT NOT NULL,
  words TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  started_ms INTEGER NOT NULL DEFAULT 0,
  ended_ms INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  deaths INTEGER NOT NULL DEFAULT 0,
  worker TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  outputs TEXT NOT NULL DEFAULT '{}',
  messages TEXT NOT NULL DEFAULT '[]',
  error TEXT,
  finish INTEGER
);
CREATE INDEX jobs_by_state ON jobs (state, number, ordinal);
CREATE UNIQUE INDEX jobs_by_finish ON jobs (finish) WHERE finish IS NOT NULL;
CREATE TABLE attempts (
  job TEXT NOT NULL, n INTEGER NOT NULL, worker TEXT NOT NULL, why TEXT NOT NULL,
  started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL DEFAULT 0, outcome TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (job, n)
) WITHOUT ROWID;
CREATE TABLE events (seq INTEGER PRIMARY KEY, job TEXT NOT NULL, client TEXT, type TEXT NOT NULL, data TEXT NOT NULL);
CREATE INDEX events_by_job ON events (job, seq);
CREATE INDEX events_by_client ON events (client, seq);
"""

MIGRATIONS: Sequence[str] = (_FIRST,)
"""MIGRATIONS[n] turns version n into n + 1; an empty file is version 0."""

_TABLES = {"meta": "key", "jobs": "ordinal", "attempts": "job", "events": "seq"}
_MAX_FILLED_BYTES = 16 << 30


class UnusableStore(RuntimeError):  # noqa: N818
    """The database cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An open database, and what had to be done to open it: empty when nothing was wrong."""

    connection: sqlite3.Connection
    repaired: str = ""


def open_store(path: Path, migrations: Sequence[str] = MIGRATIONS) -> Opened:
    """The database at `path`, made, migrated or repaired as it needs. Raises UnusableStore."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        damage = _damage(path)
        repaired = _repair(path, damage, migrations) if damage else ""
        connection = connect(path)
        _migrate(connection, path, migrations)
    except OSError as error:
        raise UnusableStore(f"{path.parent} cannot be written: {error.strerror}.") from error
    except sqlite3.OperationalError as error:
        raise UnusableStore(
            f"{path} cannot be opened: {error}. Is its folder writable, and its disk not full?"
        ) from error
    return Opened(connection, repaired)


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit, on which BEGIN and COMMIT are said aloud."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_size_limit = 8000000")
    return connection


def back_up(path: Path) -> None:
    """Keep a copy of a sound database beside it, replacing the last one when it is whole."""
    temporary = path.with_name(path.name + ".backup-new")
    temporary.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(temporary)) as target:
        source.backup(target)
    temporary.replace(_backup(path))


def _backup(path: Path) -> Path:
    return path.with_name(path.name + ".backup")


def _damage(path: Path) -> str:
    """What is wrong with the file, or nothing."""
    if not path.exists():
        return ""
    wal = path.with_name(path.name + "-wal")
    if path.stat().st_size == 0 and (_backup(path).exists() or (wal.exists() and wal.stat().st_size)):
        return "it is empty"
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(1)")]
            if found != ["ok"]:
                return found[0] if found else "it holds no database"
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                return "it holds no jobs" if _backup(path).exists() else ""
            for _ in connection.execute("SELECT * FROM jobs"):
                pass  # the check above looks at the form of rows; this fails at text that is none
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise
        return str(error)
    except sqlite3.DatabaseError as error:
        return str(error)
    return ""


def _repair(path: Path, damage: str, migrations: Sequence[str]) -> str:
    """Set a damaged file aside and make a new one of what can still be read of it and of its backup."""
    aside = path.with_name(f"{path.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
    with contextlib.closing(connect(path)) as fresh:
        _migrate(fresh, path, migrations)
        saved = _copy(_backup(path), fresh) + _copy(aside, fresh)
    said = f"The job database was damaged ({damage}); {saved} rows were saved, and it was kept as {aside.name}."
    log.error("%s", said)
    return said


def _copy(source: Path, target: sqlite3.Connection) -> int:
    """How many rows of a perhaps damaged file could be copied; later files win."""
    if not source.exists():
        return 0
    _fill_up(source)
    copied = 0
    with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(source)) as old:
        for table, key in _TABLES.items():
            # Each way ends at the first damaged page that it meets.
            for direction, conflict in (("ASC", "REPLACE"), ("DESC", "IGNORE")):
                with contextlib.suppress(sqlite3.DatabaseError):
                    rows = old.execute(f"SELECT * FROM {table} ORDER BY {key} {direction}")
                    names = [column[0] for column in rows.description]
                    marks = ", ".join("?" * len(names))
                    statement = f"INSERT OR {conflict} INTO {table} ({', '.join(names)}) VALUES ({marks})"
                    for row in rows:
                        copied += target.execute(statement, row).rowcount
    return copied


def _fill_up(source: Path) -> None:
    """Give a file that was cut short its length again, or nothing at all of it can be read."""
    with contextlib.suppress(OSError), source.open("r+b") as file:
        header = file.read(100)
        if len(header) == 100:
            page = int.from_bytes(header[16:18], "big")
            whole = (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")
            if source.stat().st_size < whole <= _MAX_FILLED_BYTES:
                file.truncate(whole)


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(migrations):
        raise UnusableStore(
            f"{path} was written by a newer Sfumato (version {version}; this one knows {len(migrations)}). "
            "Update Sfumato, or move the file away to start without its jobs."
        )
    if 0 < version < len(migrations):
        back_up(path)
    for number in range(version, len(migrations)):
        connection.executescript(f"BEGIN; {migrations[number]}; PRAGMA user_version = {number + 1}; COMMIT;")
