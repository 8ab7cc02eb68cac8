"""The nodes that this server knows: the built-in ones, loaded when first asked for, and those that workers told of."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nodes.define import NodeDef
from nodes.folders import Folders, write_whole
from nodes.registry import PackError, Registry
from nodes.widgets import Files
from server.engine.engine import Engine
from server.jobs.model import Request
from server.workers.catalogue import asks, from_data
from server.workers.messages import Catalogue

log = logging.getLogger(__name__)

_NO_MODELS = frozenset({"input", "output", "temp", "custom_nodes"})


class Book:
    """The catalogue of nodes. `digest` names the code of the custom packs; what is kept on disk holds for it alone."""

    def __init__(self, folders: Folders, digest: str = "") -> None:
        self._folders = folders
        self._digest = digest
        self._kept = folders.state / "catalogue.json"
        self._own: Registry | None = None
        self._engine: Engine | None = None
        self._custom: tuple[NodeDef, ...] = ()
        self._asking: frozenset[str] = frozenset()
        self._errors: tuple[PackError, ...] = ()
        self._loading: asyncio.Task[Registry] | None = None
        self._told = asyncio.Event()

    def begin(self) -> None:
        """Load the built-in nodes beside everything else."""
        if self._loading is None and self._engine is None:
            self._loading = asyncio.get_running_loop().create_task(self._load())

    async def registry(self) -> Registry:
        """Every node. Waits for the built-in ones only."""
        if self._engine is None:
            self.begin()
            assert self._loading is not None
            await asyncio.shield(self._loading)
        return self.engine.registry

    async def complete(self, within_s: float = 120) -> Registry:
        """Every node; waits, for a while, for workers to tell of the custom ones if none are known yet."""
        if self._digest and not self._told.is_set():
            try:
                await asyncio.wait_for(self._told.wait(), within_s)
            except TimeoutError:
                log.warning("no worker has told its nodes yet; going on without those of custom packs")
                self._told.set()
        return await self.registry()

    @property
    def engine(self) -> Engine:
        """Validates prompts of the nodes there are. After `complete`."""
        assert self._engine is not None, "the nodes are not loaded"
        return self._engine

    @property
    def errors(self) -> tuple[PackError, ...]:
        """The packs, and the modules of our own, that could not be loaded."""
        return self._engine.registry.errors if self._engine is not None else self._errors

    def needs_worker(self, node_type: str) -> bool:
        """Whether a node's pack has checks of its own, which only a worker can call."""
        return node_type in self._asking

    def told(self, catalogue: Catalogue) -> None:
        """A worker says which custom nodes it has."""
        if catalogue.digest != self._digest:
            return
        self._take(catalogue)
        data = {"digest": catalogue.digest, "nodes": list(catalogue.nodes), "errors": list(catalogue.errors)}
        try:
            write_whole(self._kept, json.dumps(data).encode())
        except OSError as error:
            log.warning("the catalogue cannot be kept: %s", error.strerror)

    def models_of(self, request: Request) -> frozenset[str]:
        """The model files that a prompt names."""
        if self._engine is None:
            return frozenset()
        registry = self._engine.registry
        found: set[str] = set()
        for node in request.prompt.values():
            definition = registry.get(node.get("class_type", ""))
            for each in definition.inputs if definition else ():
                value = node.get("inputs", {}).get(each.name)
                if isinstance(each.widget, Files) and each.widget.folder not in _NO_MODELS and isinstance(value, str):
                    found.add(f"{each.widget.folder}/{value}")
        return frozenset(found)

    def _join(self, own: Registry) -> None:
        errors = (error for error in self._errors if error not in own.errors)
        self._engine = Engine(own.joined(self._custom, errors), provided={Folders: self._folders})

    async def _load(self) -> Registry:
        if self._digest:
            self._recall()
        self._own = await asyncio.to_thread(_builtin)
        self._join(self._own)
        gc.freeze()  # there is no use in looking through all nodes again and again
        return self.engine.registry

    def _recall(self) -> None:
        """Take up what the last start was told, if the packs are as they were."""
        kept = _read(self._kept)
        if kept.get("digest") == self._digest:
            errors = tuple((str(pack), str(reason)) for pack, reason in kept.get("errors", ()))
            self._take(Catalogue(self._digest, tuple(kept.get("nodes", ())), errors))

    def _take(self, catalogue: Catalogue) -> None:
        try:
            self._custom = tuple(from_data(each) for each in catalogue.nodes)
            self._asking = frozenset(str(each["id"]) for each in catalogue.nodes if asks(each))
        except ValueError as error:
            log.warning("the catalogue cannot be used: %s", error)
            return
        self._errors = tuple(PackError(pack, reason) for pack, reason in catalogue.errors)
        for error in self._errors:
            log.error("pack %s was not loaded: %s", error.pack, error.reason)
        if self._own is not None:
            self._join(self._own)
        self._told.set()


def _builtin() -> Registry:
    from nodes.registry import builtin  # noqa: PLC0415 -- imports every node module; the server listens first

    registry = builtin()
    list(registry)  # a definition is made when it is first asked for: here nobody waits for it
    return registry


def _read(path: Path) -> Mapping[str, Any]:
    try:
        data: Any = json.loads(path.read_bytes())
        return data if isinstance(data, dict) else {}  # pyright: ignore[reportUnknownVariableType]
    except (OSError, ValueError):
        return {}
