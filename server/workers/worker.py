"""The process that owns a device: it imports the nodes, runs one job at a time, and says what happens.

The main thread runs jobs. A second one listens, so that a cancel is heard while a job runs; a third gives signs of
life. When the pipe ends, so does the process: a worker never outlives its server.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import logging
import os
import queue
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nodes import codec
from nodes.define import NodeDef, NodeError
from nodes.folders import Folders
from nodes.lazily import lazily
from nodes.packs import load_packs
from nodes.registry import Registry, builtin
from server.engine.cache import Cache, Disk
from server.engine.engine import Engine
from server.engine.errors import Problem, Validation
from server.engine.events import Event, Executing, Progress, to_json
from server.engine.execute import Hidden, nothing_hidden
from server.engine.graph import Graph
from server.formats.prompt import read_prompt
from server.workers.alone import Alone
from server.workers.catalogue import to_data
from server.workers.claims import FileClaims
from server.workers.lines import log_to_stderr
from server.workers.machine import be_the_victim, device_entry, die_with, limit_memory, load_for, rss_bytes
from server.workers.messages import (
    Beat,
    Cancel,
    Catalogue,
    Check,
    Checked,
    Decoder,
    Finished,
    Free,
    FromWorker,
    Happened,
    Previewed,
    Ready,
    Run,
    Start,
    Stop,
    Take,
    Written,
    framed,
    written,
)
from server.workers.metadata import Metadata
from server.workers.trial import Trial

if TYPE_CHECKING:
    from nodes.diffusion.weights import Weights

Json = Mapping[str, Any]

log = logging.getLogger("worker")

_BEAT_S = 2.0
_SEND_AFTER_S = 0.005
_READ_BYTES = 1 << 16
_CHECKED_KEPT = 8
_LAST_EVENTS = frozenset({"execution_success", "execution_error", "execution_interrupted"})


class Wire:
    """The two pipes to the server. What nodes print goes to the log instead."""

    def __init__(self, inwards: BinaryIO, outwards: int) -> None:
        self._in = inwards
        self._out = outwards
        self._decoder = Decoder()
        self._lock = threading.Lock()
        self._waiting: list[Written] = []
        self._some = threading.Event()
        self._sent_at = 0.0
        threading.Thread(target=self._send_soon, name="send", daemon=True).start()

    @staticmethod
    def take() -> Wire:
        """The process's standard input and output, taken out of everybody else's reach."""
        inwards, outwards = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(2, 1)
        os.close(nothing)
        return Wire(os.fdopen(inwards, "rb", buffering=0), outwards)

    def say(self, message: FromWorker) -> None:
        """Send a message, and what waits before it."""
        self._send(written(message))

    def add(self, message: FromWorker) -> None:
        """Send a message with the next, or within milliseconds: nodes that do little have much to say."""
        data = written(message)
        with self._lock:
            self._waiting.append(data)
        if not self._some.is_set():
            self._some.set()

    @property
    def silent_s(self) -> float:
        """How long ago something was sent."""
        return time.monotonic() - self._sent_at

    def _send(self, *more: Written) -> None:
        with self._lock:
            self._sent_at = time.monotonic()
            data = memoryview(framed((*self._waiting, *more)))
            self._waiting.clear()
            while data:
                data = data[os.write(self._out, data) :]

    def _send_soon(self) -> None:
        while self._some.wait():
            time.sleep(_SEND_AFTER_S)
            self._some.clear()
            self._send()

    def hear(self) -> Iterator[Any]:
        """Messages as they come, until the server goes."""
        while data := self._in.read(_READ_BYTES):
            yield from self._decoder.feed(data)


class Things(Mapping[type, object]):
    """What nodes may be given, made when the first of them asks: plain nodes cost no torch."""

    def __init__(self, makers: Mapping[type, Callable[[], object]]) -> None:
        self._makers = makers
        self.made: dict[type, object] = {}

    def __getitem__(self, kind: type) -> object:
        if kind not in self.made:
            self.made[kind] = self._makers[kind]()
        return self.made[kind]

    def __iter__(self) -> Iterator[type]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __contains__(self, kind: object) -> bool:
        return kind in self._makers


class Worker:
    """A device's worker: what it has loaded, and the job that it runs."""

    def __init__(self, wire: Wire, start: Start, folders: Folders, registry: Registry) -> None:
        self._wire = wire
        self._start = start
        self._folders = folders
        self._registry = registry
        self._claims = self._folders.state / "claims"
        self._todo: queue.SimpleQueue[Run | Free | Stop] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._job = ""
        self._stopping = False
        self._things = self._provide()
        self._cache = self._open_cache()
        self._engine = Engine(self._registry, cache=self._cache, provided=self._things, salt=self._salt)
        self._checked: OrderedDict[str, tuple[Validation, Json]] = OrderedDict()

    def run(self) -> None:
        """Do what is asked until told to stop."""
        while not isinstance(task := self._todo.get(), Stop):
            if isinstance(task, Free):
                self._free(task)
            else:
                self._run(task)

    def listen(self, messages: Iterator[Any]) -> None:
        """Hear messages, from a thread of its own; ends the process when the server is gone."""
        try:
            for message in messages:
                self._heard(message)
        finally:
            os._exit(0)

    def beat(self) -> None:
        """Give signs of life, from a thread of its own."""
        while True:
            time.sleep(_BEAT_S)
            self._wire.say(Beat(rss_bytes(), self._device(), {"memory_entries": len(self._cache)}))

    def introduce(self, since: float) -> None:
        """Say what there is, and that jobs may come."""
        if self._start.custom_nodes:
            self._wire.say(self._catalogue())
        self._wire.say(Ready(os.getpid(), self._device(), time.monotonic() - since))

    def _catalogue(self) -> Catalogue:
        """The custom nodes as data; what cannot be told of a node is told of its pack."""
        told: list[Json] = []
        errors = [(error.pack, error.reason) for error in self._registry.errors]
        for each in self._registry:
            if not each.module.startswith(("custom_nodes", "sfumato_custom_nodes")):
                continue
            try:
                told.append(to_data(each))
            except Exception as error:  # noqa: BLE001 -- whatever a pack's author put there
                errors.append((each.module.rpartition(".")[2], f"{each.id} cannot be described: {error}"))
        return Catalogue(self._start.digest, tuple(told), tuple(errors))

    def _heard(self, message: Any) -> None:
        match message:
            case Cancel(job=job):
                self._cancelled.add(job)
            case Check():
                self._wire.say(Checked(message.ask, self._check(message)))
            case Stop():
                self._stopping = True
                self._todo.put(message)
            case Run() | Free():
                self._todo.put(message)
            case _:
                pass

    def _run(self, task: Run) -> None:
        self._job = task.job
        try:
            finished = self._outcome(task)
        except Exception as error:
            # The engine's own fault, not a node's. The job ends with what is known, the worker goes on.
            log.exception("job %s failed outside its nodes", task.job)
            finished = _failed(task.job, type(error).__name__, str(error))
        self._job = ""
        self._cancelled.discard(task.job)
        self._wire.say(finished)

    def _outcome(self, task: Run) -> Finished:
        checked, prompt = self._validated(task)
        if not checked.runs:
            return _failed(task.job, "InvalidPrompt", " ".join(checked.sentences()))
        outcome = self._engine.run(
            task.job,
            checked.graph,
            checked.good_outputs,
            lambda event: self._tell(task, event),
            lambda: self._stopping or task.job in self._cancelled,
            hidden=self._metadata(task, checked, prompt),
            claims=FileClaims(self._claims, task.job),
            previews=task.previews,
        )
        error = to_json(outcome.error) if outcome.error is not None else None
        return Finished(task.job, outcome.state, dict(outcome.outputs), error)

    def _metadata(self, task: Run, checked: Validation, prompt: Json) -> Hidden:
        if not self._start.options.get("metadata", True):
            return nothing_hidden
        return Metadata(
            checked.graph,
            checked.good_outputs,
            prompt=prompt,
            extra=task.extra.get("extra_pnginfo"),
            registry=self._registry,
            folders=self._folders,
            things=self._things,
        )

    def _validated(self, task: Run) -> tuple[Validation, Json]:
        """The prompt as it can run, and as it came. One that has just run is not read again: the server has done so."""
        known = self._checked.pop(task.digest, None)
        if known is None:
            prompt = json.loads(task.prompt)
            known = self._engine.validate(read_prompt(prompt), targets=list(task.targets)), prompt
        if known[0].sound:
            self._checked[task.digest] = known
        while len(self._checked) > _CHECKED_KEPT:
            self._checked.popitem(last=False)
        return known

    def _tell(self, task: Run, event: Event) -> None:
        if event.type in _LAST_EVENTS:  # told once the end is on disk
            return
        if isinstance(event, Progress) and event.preview is not None:
            self._wire.add(Previewed(task.job, event.node, event.display_node, event.preview.mime, event.preview.data))
        data = to_json(event, preview=False)
        for key in ("type", "job", "seq"):
            data.pop(key, None)
        say = self._wire.say if event.type == Executing.type and self._is_news(task) else self._wire.add
        say(Happened(task.job, event.type, data))

    def _is_news(self, task: Run) -> bool:
        """Whether to say at once which node starts, since it may be the last thing that this process says.

        Nodes that follow one another in no time are told of together, unless a worker died at this job before.
        """
        return task.attempt > 1 or self._wire.silent_s > _SEND_AFTER_S

    def _check(self, message: Check) -> Mapping[str, Any]:
        targets = list(message.targets) if message.targets is not None else None
        try:
            checked = self._engine.validate(read_prompt(json.loads(message.prompt)), targets=targets)
        except Exception as error:
            log.exception("a prompt could not be checked")
            problem = Problem(None, "exception_during_validation", "Exception when validating node", str(error))
            checked = Validation(Graph({}), error=problem)
        return {**checked.as_json(), "outputs": list(checked.good_outputs), "sentences": list(checked.sentences())}

    def _free(self, task: Free) -> None:
        if task.results:
            self._cache.clear()
        for thing in self._things.made.values():
            if callable(free := getattr(thing, "free", None)):
                free(forget=True)
        gc.collect()
        torch: Any = sys.modules.get("torch")
        with contextlib.suppress(Exception):
            if torch is not None and torch.cuda.is_initialized():
                torch.cuda.empty_cache()

    def _device(self) -> Mapping[str, Any]:
        try:
            return device_entry(self._start.device)
        except (RuntimeError, ValueError) as error:
            log.warning("the device cannot be asked: %s", error)
            return {}

    def _provide(self) -> Things:
        with lazily():
            from nodes.diffusion.weights import Weights  # noqa: PLC0415 -- its torch is not loaded before it is used

        return Things({Folders: lambda: self._folders, Weights: lambda: self._weights(Weights)})

    def _weights(self, weights: type[Weights]) -> Weights:
        try:
            precision = self._start.options.get("precision", "auto")
            return weights(self._start.device, precision, vae_approx=self._folders.roots("vae_approx"))
        except ValueError as error:
            raise NodeError(str(error)) from error

    def _salt(self, definition: NodeDef) -> str:
        """Results of a custom pack's nodes hold for the pack's code as it is."""
        return "" if definition.module.startswith("nodes.") else self._start.digest

    def _open_cache(self) -> Cache:
        options = self._start.options
        disk = Disk(self._folders.state / "results", codec, options.get("cache_disk_bytes", 10 << 30))
        return Cache(codec, memory_bytes=options.get("cache_memory_bytes", 1 << 30), disk=disk)


def main() -> None:
    """Be a worker: the first message says which."""
    since = time.monotonic()
    parent = int(sys.argv[1])
    die_with(parent)
    wire = Wire.take()
    be_the_victim()
    faulthandler.enable()
    log_to_stderr(times=False)
    messages = wire.hear()
    start = next(messages, None)
    if not isinstance(start, Start):
        return
    limit_memory(start.memory_limit_bytes)
    folders = Folders.at(
        Path(start.base),
        output=Path(start.output) if start.output else None,
        allow_downloads=start.options.get("allow_downloads", False),
    )
    registry = _load(start, folders)
    load_for(start.device)
    loaded_s = time.monotonic() - since
    if start.spare and not isinstance(next(messages, None), Take):
        return
    # A worker of a server that was killed may be in its last moments; two at once would share a device and a job.
    alone = Alone(folders.state / f"worker-{start.device.replace(':', '-')}.lock", wait=True)
    die_with(parent)  # it may have ended while this waited
    since = time.monotonic() - loaded_s
    worker = Worker(wire, start, folders, registry)
    gc.freeze()  # what was imported stays; there is no use in looking through it again and again
    worker.introduce(since)
    threading.Thread(target=worker.listen, args=(messages,), name="listen", daemon=True).start()
    threading.Thread(target=worker.beat, name="beat", daemon=True).start()
    worker.run()
    alone.release()


def _load(start: Start, folders: Folders) -> Registry:
    registry = builtin()
    if not start.custom_nodes:
        return registry
    trial = Trial(folders.state / f"packs-{start.device.replace(':', '-')}.json", counts=not start.spare)
    registry = load_packs(registry, folders.roots("custom_nodes"), trial.begins)
    trial.over()
    return registry


def _failed(job: str, kind: str, message: str) -> Finished:
    return Finished(job, "failed", {}, {"exception_type": kind, "exception_message": message})


if __name__ == "__main__":
    main()
