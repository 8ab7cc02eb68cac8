"""What a running node may ask of the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from nodes.define import Cancelled, Context
from nodes.types import Preview


class Claims(Protocol):
    """Remembers under which names a job writes its files, so that a job that runs again writes none of them twice.

    `file` names the file within the job (node, call and number); it is the same in every attempt.
    """

    def claimed(self, file: str, /) -> str | None:
        """The name that an earlier attempt claimed for this file."""
        ...

    def claim(self, file: str, name: str, /) -> None:
        """Record the name, durably, before the file is written."""
        ...


Report = Callable[[int, int, Preview | None], None]
"""Called as (step, steps, preview)."""


class RunContext(Context):
    """The context of one call of one node."""

    def __init__(
        self,
        node_id: str,
        call: int,
        *,
        report: Report,
        cancelled: Callable[[], bool],
        previews: bool,
        claims: Claims | None,
    ) -> None:
        self._node_id = node_id
        self._call = call
        self._report = report
        self._cancelled = cancelled
        self._previews = previews
        self._claims = claims

    @property
    def node_id(self) -> str:
        return self._node_id

    @property
    def wants_previews(self) -> bool:
        return self._previews

    def progress(self, step: int, steps: int, preview: Preview | None = None) -> None:
        self.check()
        self._report(step, steps, preview)

    def check(self) -> None:
        if self._cancelled():
            raise Cancelled

    def claimed(self, index: int) -> str | None:
        return self._claims.claimed(self._file(index)) if self._claims is not None else None

    def claim(self, index: int, name: str) -> None:
        if self._claims is not None:
            self._claims.claim(self._file(index), name)

    def _file(self, index: int) -> str:
        return f"{self._node_id}/{self._call}/{index}"
