"""Workflows run in this process, without a server: from a file to pictures on disk, with a bar for each node."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from nodes import codec
from nodes.define import NodeDef, NodeError
from nodes.folders import Folders
from nodes.lazily import lazily
from nodes.packs import load_packs
from nodes.registry import Registry, builtin
from server.config import GIB, Settings
from server.engine.cache import Cache, Disk
from server.engine.engine import Engine
from server.engine.events import Event, Executing, NodeFinished, Progress
from server.engine.execute import Outcome, nothing_hidden
from server.engine.graph import Graph
from server.formats.opening import open_workflow
from server.formats.prompt import read_prompt, to_prompt
from server.formats.reading import read_file
from server.workers.catalogue import digest
from server.workers.metadata import Metadata
from server.workers.worker import Things

if TYPE_CHECKING:
    from tqdm import tqdm


@dataclass(frozen=True, slots=True)
class Opened:
    """A workflow from a file: its graph, the editor's document where the file holds one, and hints on what it lacks."""

    graph: Graph
    document: Mapping[str, Any] | None = None
    hints: tuple[str, ...] = ()


def load_registry(folders: Folders, *, custom_nodes: bool) -> Registry:
    """The nodes there are; custom ones only if asked for, as they are code."""
    registry = builtin()
    return load_packs(registry, folders.roots("custom_nodes")) if custom_nodes else registry


def make_engine(settings: Settings, folders: Folders, registry: Registry, *, remember: bool = True) -> Engine:
    """An engine over the base folder's results, or over none. Nothing is loaded before a node asks for it."""
    disk = Disk(folders.state / "results", codec, int(settings.cache_disk_gib * GIB)) if remember else None
    cache = Cache(codec, memory_bytes=int(settings.cache_memory_gib * GIB), disk=disk)
    custom = digest(folders.roots("custom_nodes")) if settings.custom_nodes else ""

    def salt(definition: NodeDef) -> str:
        return "" if definition.module.startswith("nodes.") else custom

    return Engine(registry, cache=cache, provided=_things(settings, folders), salt=salt)


def open_file(path: Path, registry: Registry, folders: Folders) -> Opened:
    """The workflow in a file. Raises FormatError when there is none."""
    found = open_workflow(read_file(path), registry, str(path), folders=folders)
    unknown = (each.sentence for each in found.report.unknown if each.pack or each.nearest)
    missing = (each.sentence for each in found.report.missing if each.url)
    return Opened(read_prompt(found.prompt), found.document, (*unknown, *missing, *found.report.notes))


@dataclass
class Report:
    """Tells a person at a terminal what happens: a bar for each node that counts its steps."""

    titles: Mapping[str, str]
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    quiet: bool = False
    _bar: tqdm[Any] | None = None
    _node: str = ""

    def __call__(self, event: Event) -> None:
        """Take one event in."""
        match event:
            case Progress():
                self._step(event)
            case Executing() | NodeFinished():
                self.close()
            case _:
                pass

    def close(self) -> None:
        """End the bar that is drawn."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None

    def _step(self, event: Progress) -> None:
        if self.quiet:
            return
        if self._bar is None or self._node != event.node or event.value < self._bar.n:
            self.close()
            self._node, self._bar = event.node, self._new_bar(event)
        self._bar.total = event.max
        self._bar.update(event.value - self._bar.n)

    def _new_bar(self, event: Progress) -> tqdm[Any]:
        from tqdm import tqdm  # noqa: PLC0415 -- only a run draws bars

        title = self.titles.get(event.display_node, event.display_node)
        return tqdm(total=event.max, desc=title, unit="it", file=self.stream, dynamic_ncols=True, leave=True)


@dataclass(frozen=True, slots=True)
class Ran:
    """One run: the values that were set for it, how it ended, the files it wrote, how long it took."""

    values: Mapping[str, Any]
    outcome: Outcome
    files: tuple[Path, ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The run as `--json` prints it."""
        error = self.outcome.error
        return {
            "set": dict(self.values),
            "state": self.outcome.state,
            "files": [str(path) for path in self.files],
            "outputs": dict(self.outcome.outputs),
            "executed": list(self.outcome.executed),
            "cached": list(self.outcome.cached),
            "seconds": round(self.seconds, 3),
            "error": None
            if error is None
            else {"node": error.node_id, "type": error.exception_type, "message": error.sentence},
        }


def run_graph(
    engine: Engine,
    folders: Folders,
    graph: Graph,
    targets: tuple[str, ...],
    *,
    values: Mapping[str, Any],
    document: Mapping[str, Any] | None,
    report: Callable[[Event], None],
    cancelled: Callable[[], bool],
    metadata: bool = True,
) -> Ran:
    """Run a validated graph's outputs.

    What is written carries the prompt, and the document if it says the same; nothing at all without `metadata`.
    """
    written = Metadata(
        graph,
        targets,
        prompt=to_prompt(graph),
        extra={"workflow": document} if document else None,
        registry=engine.registry,
        folders=folders,
        things=engine.provided,
    )
    began = time.perf_counter()
    hidden = written if metadata else nothing_hidden
    outcome = engine.run("run", graph, targets, report, cancelled, hidden=hidden)
    return Ran(values, outcome, tuple(_files(outcome, folders)), time.perf_counter() - began)


def texts_of(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """What output nodes show that is text, by node."""
    for node_id, output in outcome.outputs.items():
        for name, items in output.items():
            if name == "text":
                yield from ((node_id, str(item)) for item in items)


def _files(outcome: Outcome, folders: Folders) -> Iterator[Path]:
    for output in outcome.outputs.values():
        for items in output.values():
            for item in items:
                if isinstance(item, Mapping) and "filename" in item:
                    saved = cast("Mapping[str, str]", item)
                    yield folders.root(saved["type"]) / saved["subfolder"] / saved["filename"]


def _things(settings: Settings, folders: Folders) -> Things:
    with lazily():
        from nodes.diffusion.weights import Weights  # noqa: PLC0415 -- loaded lazily, and only by who runs nodes

    def weights() -> object:
        try:
            approx = folders.roots("vae_approx")
            return Weights(settings.devices[0], settings.precision, vae_approx=approx)
        except ValueError as error:
            raise NodeError(str(error)) from error

    return Things({Folders: lambda: folders, Weights: weights})
