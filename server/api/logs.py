"""The last lines of the log, for clients that show them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from server.workers.lines import FORM, OneLine

LINES_KEPT = 300
_TELL_AFTER_S = 0.05
_SIZE = {"cols": 80, "rows": 24}


class LogTail(logging.Handler):
    """Keeps the last lines that were logged, and tells of new ones in the loop that it was made in."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(OneLine(FORM))
        self._loop = asyncio.get_running_loop()
        self._tell = tell
        self._kept: deque[dict[str, str]] = deque(maxlen=LINES_KEPT)
        self._new: list[dict[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line. Called from any thread."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"t": when, "m": self.format(record) + "\n"}
        self._kept.append(line)
        self._new.append(line)
        if len(self._new) == 1 and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.call_later, _TELL_AFTER_S, self.tell_new)

    def said(self, entries: list[dict[str, str]] | None = None) -> dict[str, Any]:
        """These lines, or all that are kept, in ComfyUI's form."""
        return {"entries": list(self._kept) if entries is None else entries, "size": _SIZE}

    def text(self) -> str:
        """The lines that are kept, with their times."""
        return "".join(f"{line['t']} - {line['m']}" for line in list(self._kept))

    def tell_new(self) -> None:
        """Tell of the lines that were not told of yet."""
        new, self._new = self._new, []
        if new:
            self._tell(self.said(new))
