"""Which pack of custom nodes is being imported, on disk: a pack that ends the process is known to the next one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

DEATHS = 2
REASON = f"importing it ended the worker {DEATHS} times; it is left out until the server starts again."


class Trial:
    """Counts the workers of one server that ended while they imported a pack."""

    def __init__(self, path: Path, *, counts: bool = True) -> None:
        """`counts`: no such process is ended by the server itself while it imports."""
        self._path = path
        self._counts = counts
        self._server = os.getppid()
        self._deaths = self._known()

    def begins(self, pack: str) -> str:
        """A pack is about to be imported. Gives a reason when it is not worth another worker."""
        deaths = self._deaths.get(pack, 0)
        if deaths >= DEATHS:
            return REASON
        self._write({**self._deaths, pack: deaths + 1})
        return ""

    def over(self) -> None:
        """Every pack is imported or given up."""
        self._write({pack: deaths for pack, deaths in self._deaths.items() if deaths >= DEATHS})

    def _write(self, deaths: dict[str, int]) -> None:
        # What is about to be imported counts as a death until the next is begun.
        if self._counts:
            self._path.write_text(json.dumps({"server": self._server, "deaths": deaths}), "utf-8")

    def _known(self) -> dict[str, int]:
        try:
            data: Any = json.loads(self._path.read_bytes())
            return dict(data["deaths"]) if data["server"] == self._server else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
