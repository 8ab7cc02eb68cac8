"""The engine as its users hold it: what nodes there are, what they are given, what is known already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from nodes.define import Saved
from nodes.folders import Folders
from nodes.registry import Registry
from server.engine.cache import Cache
from server.engine.context import Claims
from server.engine.errors import Validation
from server.engine.events import Emit
from server.engine.execute import Hidden, Outcome, Surroundings, execute, nothing_hidden
from server.engine.graph import Graph
from server.engine.kinds import Kinds, Things, thing
from server.engine.plan import Salt, make_plan, no_salt
from server.engine.validate import validate


def never() -> bool:
    """Not cancelled."""
    return False


class Engine:
    """Validates and runs graphs of a registry's nodes.

    `provided` is handed to nodes by type. `salt` names what results of a node depend on beside its version. `surround`
    is entered around each run. Without a cache, nothing outlives a run.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        cache: Cache | None = None,
        provided: Things | None = None,
        salt: Salt = no_salt,
        surround: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.cache = cache if cache is not None else Cache(memory_bytes=0)
        self._kinds = Kinds(registry)
        self._provided: Things = provided or {}
        self._salt = salt
        self._surround = surround

    @property
    def registry(self) -> Registry:
        """The nodes that can run."""
        return self._kinds.registry

    @property
    def provided(self) -> Things:
        """What nodes are given, by type."""
        return self._provided

    def validate(self, graph: Graph, targets: Sequence[str] | None = None) -> Validation:
        """Everything that is wrong, and the corrected graph; `targets` narrows the output nodes. Runs nothing."""
        return validate(graph, self._kinds, targets=targets, provided=self._provided)

    def run(
        self,
        job: str,
        graph: Graph,
        targets: Sequence[str],
        emit: Emit,
        cancelled: Callable[[], bool] = never,
        *,
        hidden: Hidden = nothing_hidden,
        claims: Claims | None = None,
        previews: bool = False,
    ) -> Outcome:
        """Run these outputs of a validated graph (`Validation.graph`, `Validation.good_outputs`)."""
        plan = make_plan(graph, targets, self._kinds, self._provided, self._salt)
        around = Surroundings(
            kinds=self._kinds,
            cache=self.cache,
            provided=self._provided,
            exists=self._exists,
            salt=self._salt,
            hidden=hidden,
            claims=claims,
            previews=previews,
        )
        with self._surround():
            return execute(job, plan, around, emit, cancelled)

    def _exists(self, saved: Saved) -> bool:
        folders = thing(self._provided, Folders)
        return not isinstance(folders, Folders) or folders.exists(saved)
