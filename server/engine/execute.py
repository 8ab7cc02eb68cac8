"""Running a plan: what is needed and not known is made, one node at a time, and every step of it is told.

Demand goes from the outputs up, so a node whose consumers are all known is neither run nor read from disk. It keeps a
stack of its own: nothing recurses over the graph.
"""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, cast

from nodes.define import Blocked, Cancelled, Context, Expand, NodeError, Returned, Saved, Shown, unpack
from nodes.types import Preview
from server.engine.cache import Cache, Entry, Items
from server.engine.calls import Values, as_items, blocks_in, calls_of, joined, merged, shown_json
from server.engine.context import Claims, RunContext
from server.engine.describe import describe
from server.engine.events import (
    Emit,
    Event,
    Executed,
    Executing,
    ExecutionCached,
    ExecutionError,
    ExecutionInterrupted,
    ExecutionStart,
    ExecutionSuccess,
    Log,
    NodeFinished,
    Progress,
)
from server.engine.expand import MAX_DEPTH, Expansion, expansion_of
from server.engine.graph import Link
from server.engine.kinds import Kinds, Things, thing, unwrapped
from server.engine.plan import Plan, Salt, Step, no_salt
from server.engine.validate import Live

P = ParamSpec("P")
E = TypeVar("E", bound=Event)
Json = dict[str, Any]
State = Literal["done", "failed", "cancelled"]
Hidden = Callable[[str, str], Any]
"""What a hidden input ("PROMPT", "EXTRA_PNGINFO") holds for a node, which is named by its id in the workflow."""


def nothing_hidden(_what: str, _node: str) -> None:
    """No hidden input holds anything."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `outputs` is what each terminal node shows; `cached` what needed not run; `executed` what did.

    `display` names the node of the workflow that a node inside an expansion belongs to.
    """

    state: State
    outputs: Mapping[str, Json]
    executed: tuple[str, ...]
    cached: tuple[str, ...]
    error: ExecutionError | None = None
    display: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run is given: the kinds of nodes, known results, and what nodes may ask for.

    `exists` says whether a file that a terminal node wrote is still there; `hidden` gives PROMPT and EXTRA_PNGINFO.
    """

    kinds: Kinds
    cache: Cache
    provided: Things = field(default_factory=dict[type, object])
    exists: Callable[[Saved], bool] = lambda _: True
    salt: Salt = no_salt
    hidden: Hidden = nothing_hidden
    claims: Claims | None = None
    previews: bool = False


def execute(job: str, plan: Plan, around: Surroundings, emit: Emit, cancelled: Callable[[], bool]) -> Outcome:
    """Run a plan and say how it ended. A node that fails ends the run; what was finished before stays known."""
    run = _Run(job, plan, around, emit, cancelled)
    with around.cache.pinned(step.key for step in plan.steps.values()):
        return run.to_end()


class _Failed(Exception):  # noqa: N818 -- carries a node's failure to where the run ends
    def __init__(self, task: _Task, error: BaseException) -> None:
        super().__init__(str(error))
        self.task, self.error = task, error


class _Stopped(Exception):  # noqa: N818
    def __init__(self, task: _Task) -> None:
        super().__init__()
        self.task = task


class _BlockedError(NodeError):
    """What a Blocked with a message makes of its first consumer."""


class _Told(Blocked):
    """A block whose message has been told."""


@dataclass(slots=True, eq=False)
class _Task:
    """A node on its way: what it is, and how far it has come."""

    step: Step
    display: str
    depth: int = 0
    opened: bool = False
    wanted: frozenset[str] = frozenset()
    started: float = 0.0
    stored: bool = True
    answers: list[Returned] | None = None
    expansions: dict[int, Expansion] | None = None
    failing: Values | None = None

    @property
    def id(self) -> str:
        return self.step.placed.id


class _Run:
    def __init__(self, job: str, plan: Plan, around: Surroundings, emit: Emit, cancelled: Callable[[], bool]) -> None:
        self._job = job
        self._plan = plan
        self._around = around
        self._emit = emit
        self._cancelled = cancelled
        self._seq = 0
        self._tasks: dict[str, _Task] = {}
        self._results: dict[str, Entry] = {}
        self._done: set[str] = set()
        self._uses = _uses(plan.steps.values())
        self._unknown: set[str] = set()
        self._executed: list[str] = []
        self._cached: tuple[str, ...] = ()
        self._outputs: dict[str, Json] = {}
        self._display: dict[str, str] = {}
        self._blocked: _Failed | None = None

    def to_end(self) -> Outcome:
        """Make every target, and say so."""
        self._say(ExecutionStart, _now_ms())
        self._cached = self._known()
        self._say(ExecutionCached, _now_ms(), self._cached)
        try:
            for target in self._plan.targets:
                self._make(target)
            self._show_again()
            if self._blocked is not None:
                raise self._blocked
        except _Failed as failed:
            return self._outcome("failed", self._failure(failed))
        except _Stopped as stopped:
            placed = stopped.task.step.placed
            self._say(ExecutionInterrupted, _now_ms(), stopped.task.display, placed.type, tuple(self._executed))
            return self._outcome("cancelled")
        self._say(ExecutionSuccess, _now_ms())
        return self._outcome("done")

    def _show_again(self) -> None:
        """Show what output nodes inside expansions showed that nothing had to ask for, as those outside are shown."""
        for node_id in self._cached:
            if node_id in self._done:
                continue
            entry = self._around.cache.at_hand(self._plan.steps[node_id].key)
            if entry is not None and entry.inner and self._still_there(entry):
                for suffix, shown in entry.inner.items():
                    self._show(node_id + suffix, node_id, shown)

    def _known(self) -> tuple[str, ...]:
        """The nodes that need not run: walking up from the targets ends at each result that is known."""
        runs = self._unknown
        waiting = list(self._plan.targets)
        while waiting:
            node_id = waiting.pop()
            step = self._plan.steps[node_id]
            if node_id in runs or self._is_known(step):
                continue
            runs.add(node_id)
            waiting.extend(link.node for _, link in step.links)
        return tuple(node_id for node_id in self._plan.steps if node_id not in runs)

    def _is_known(self, step: Step) -> bool:
        if step.kind.definition.terminal:
            entry = self._around.cache.get(step.key)
            return entry is not None and self._still_there(entry)
        return step.key in self._around.cache

    def _still_there(self, entry: Entry) -> bool:
        """Whether the files that a result names exist; without them it is worth nothing."""
        shown = [*([entry.shown] if entry.shown else []), *entry.inner.values()]
        return all(self._around.exists(saved) for each in shown for files in each.files.values() for saved in files)

    def _make(self, target: str) -> None:
        """Make one node and, before it, whatever it turns out to need."""
        stack = [target]
        while stack:
            node_id = stack[-1]
            if node_id in self._done:
                stack.pop()
                continue
            task = self._task(node_id)
            missing = self._advance(task)
            if not missing:
                stack.pop()
                continue
            if any(self._task(each).opened for each in missing):
                raise _Failed(task, NodeError("it needs its own result: there is a cycle."))
            stack.extend(reversed(missing))

    def _task(self, node_id: str) -> _Task:
        task = self._tasks.get(node_id)
        if task is None:
            self._tasks[node_id] = task = _Task(self._plan.steps[node_id], node_id)
        return task

    def _advance(self, task: _Task) -> list[str]:
        """Take a node as far as it gets. Returns the nodes that must be made first; none when it is done."""
        if task.answers is None:
            if not task.opened and self._recall(task):
                return []
            task.opened = True
            missing = self._missing(task)
            if missing:
                return missing
            self._call(task)
        missing = [each for part in (task.expansions or {}).values() for each in part.wanted if each not in self._done]
        if not missing:
            self._settle(task)
        return missing

    def _recall(self, task: _Task) -> bool:
        """Whether the result was known; then it is taken as it is, and shown again."""
        cache = self._around.cache
        # What was not known when the run began can only have come since from an equal node, and is in memory.
        entry = cache.at_hand(task.step.key) if task.id in self._unknown else cache.get(task.step.key)
        if entry is None or not self._still_there(entry):
            return False
        if entry.shown is not None:
            self._show(task.id, task.display, entry.shown)
        for suffix, shown in entry.inner.items():
            self._show(task.id + suffix, task.display, shown)
        if task.step.kind.definition.terminal:
            self._say(NodeFinished, task.id, task.display, 0.0, True)
        self._finish(task, entry)
        return True

    def _missing(self, task: _Task) -> list[str]:
        """What is not made yet of what the node needs; its lazy inputs are asked about once the rest is there."""
        kind = task.step.kind
        while True:
            missing = [
                link.node
                for name, link in task.step.links
                if link.node not in self._done and (name in task.wanted or not kind.is_lazy(name))
            ]
            if missing or kind.needs is None:
                return missing
            more = self._asked(task) - task.wanted
            if not more:
                return []
            task.wanted |= more

    def _asked(self, task: _Task) -> set[str]:
        """The lazy inputs that the node's own function wants now."""
        kind = task.step.kind
        assert kind.needs is not None
        names: set[str] = set()
        try:
            for values in calls_of(kind, self._items(task)):
                names.update(kind.needs(values, self._around.provided) or ())
        except Exception as error:
            raise _Failed(task, error) from error
        by_parameter = {each.parameter: each.name for each in kind.definition.inputs}
        wanted = {by_parameter.get(name, name) for name in names}
        return {name for name in task.step.placed.inputs if name in wanted or name.split(".", 1)[0] in wanted}

    def _items(self, task: _Task) -> dict[str, Items]:
        """The items of each input that has a value by now."""
        kind = task.step.kind
        found: dict[str, Items] = {}
        for name, value in task.step.placed.inputs.items():
            if isinstance(value, Link):
                if value.node in self._results:
                    found[name] = self._results[value.node].outputs[value.slot]
                continue
            plain = value.value if isinstance(value, Live) else unwrapped(value)
            each = kind.inputs.get(name)
            many = each is not None and each.many and isinstance(plain, list | tuple)
            found[name] = tuple(cast("Sequence[Any]", plain)) if many else (plain,)
        return found

    def _call(self, task: _Task) -> None:
        """Call the node's function, once for each place of its lists, and take its answers apart."""
        if self._cancelled():
            raise _Stopped(task)
        self._say(Executing, task.id, task.display)
        task.started = time.perf_counter()
        answers: list[Returned] = []
        try:
            for place, values in enumerate(calls_of(task.step.kind, self._items(task))):
                task.failing = values
                answers.append(self._answer(task, place, values))
                if answers[-1].expand is not None:
                    self._open(task, place, answers[-1].expand)
        except Cancelled as error:
            raise _Stopped(task) from error
        except (Exception, SystemExit) as error:
            raise _Failed(task, error) from error
        task.failing = None
        task.answers = answers

    def _answer(self, task: _Task, place: int, values: Values) -> Returned:
        definition = task.step.kind.definition
        blocks = blocks_in(values)
        if blocks:
            return Returned((self._passed_on(task, blocks),) * len(definition.outputs))
        given: Values = {}
        for name, kind in definition.provided.items():
            own = issubclass(kind, Context)
            given[name] = self._context(task, place) if own else self._provided(cast("type[object]", kind))
        for name, what in task.step.kind.hidden:
            given[name] = task.id if what == "UNIQUE_ID" else self._around.hidden(what, task.display)
        return unpack(definition, definition.run(**values, **given))

    def _context(self, task: _Task, place: int) -> RunContext:
        def report(step: int, steps: int, preview: Preview | None) -> None:
            self._say(Progress, task.id, task.display, step, steps, preview)

        return RunContext(
            task.id,
            place,
            report=report,
            cancelled=self._cancelled,
            previews=self._around.previews,
            claims=self._around.claims,
        )

    def _provided(self, kind: type) -> object:
        found = thing(self._around.provided, kind)
        if found is None:
            raise NodeError(f"it asks for {kind.__name__}, which is not to be had here.")
        return found

    def _passed_on(self, task: _Task, blocks: Sequence[Blocked]) -> Blocked:
        """What a node that was blocked gives to those after it.

        A blocker's message is told once, and the run fails with the first in the end. What comes of it is not kept:
        a run that knew it would end well.
        """
        message = next((block.message for block in blocks if block.message is not None), None)
        if message is None and not any(isinstance(block, _Told) for block in blocks):
            return Blocked()
        task.stored = False
        if message is not None:
            self._say(Log, task.id, "warning", f"{task.step.placed.name}: {message}")
            self._blocked = self._blocked or _Failed(task, _BlockedError(message))
        return _Told()

    def _open(self, task: _Task, place: int, expand: Expand) -> None:
        """Take the nodes of an expansion in, to be made before this node is done."""
        if task.depth >= MAX_DEPTH:
            raise NodeError(
                f"it expands more than {MAX_DEPTH} deep; a node that expands to itself has to end somewhere."
            )
        around = self._around
        opened = expansion_of(task.step, place, expand, kinds=around.kinds, provided=around.provided, salt=around.salt)
        task.expansions = task.expansions or {}
        task.expansions[place] = opened
        for node_id, step in opened.steps.items():
            self._tasks[node_id] = _Task(step, task.display, task.depth + 1)
        self._uses.update(_uses(opened.steps.values()))
        # What it gives is used once more, by the node itself.
        self._uses.update(opened.wanted)

    def _settle(self, task: _Task) -> None:
        """The node and all that it expanded to is made: put its result together, keep it and tell."""
        answers = task.answers or []
        parts = [self._parts(task, place, answer) for place, answer in enumerate(answers)]
        entry = Entry(
            joined(task.step.kind, parts), merged([answer.shown for answer in answers]), self._inner_shown(task)
        )
        for opened in (task.expansions or {}).values():
            for node_id in opened.steps:
                self._tasks.pop(node_id, None)
                self._results.pop(node_id, None)
        seconds = time.perf_counter() - task.started
        if task.stored and not task.step.volatile:
            self._around.cache.put(task.step.key, entry, seconds)
        if entry.shown is not None:
            self._show(task.id, task.display, entry.shown)
        self._executed.append(task.id)
        self._say(NodeFinished, task.id, task.display, seconds)
        self._finish(task, entry)

    def _parts(self, task: _Task, place: int, answer: Returned) -> tuple[Items, ...]:
        """The items of each output that one call gave, by itself or by what it expanded to."""
        opened = (task.expansions or {}).get(place)
        if opened is None:
            return as_items(task.step.kind, answer.outputs)
        made = as_items(task.step.kind, opened.outputs)
        return tuple(
            self._results[value.node].outputs[value.slot] if isinstance(value, Link) else items
            for value, items in zip(opened.outputs, made, strict=True)
        )

    def _inner_shown(self, task: _Task) -> dict[str, Shown]:
        """What the output nodes inside showed, by what follows this node's id in theirs."""
        found: dict[str, Shown] = {}
        for opened in (task.expansions or {}).values():
            for node_id in opened.steps:
                entry = self._results.get(node_id)
                if entry is None:
                    continue
                suffix = node_id[len(task.id) :]
                if entry.shown is not None:
                    found[suffix] = entry.shown
                found.update({suffix + deeper: shown for deeper, shown in entry.inner.items()})
        return found

    def _finish(self, task: _Task, entry: Entry) -> None:
        """Hold the result for those that use it, and let go of what nobody uses any more."""
        self._done.add(task.id)
        self._tasks.pop(task.id, None)
        if self._uses[task.id] or task.depth:
            self._results[task.id] = entry
        for _, link in task.step.links:
            self._uses[link.node] -= 1
            if self._uses[link.node] <= 0:
                self._results.pop(link.node, None)
                if not task.depth:
                    self._around.cache.unpin(self._plan.steps[link.node].key)

    def _show(self, node_id: str, display: str, shown: Shown) -> None:
        output = shown_json(shown)
        self._outputs[node_id] = output
        self._display[node_id] = display
        self._say(Executed, node_id, display, output)

    def _failure(self, failed: _Failed) -> ExecutionError:
        """Say that the run failed, and give what was said."""
        task, error = failed.task, failed.error
        return self._say(
            ExecutionError,
            _now_ms(),
            task.display,
            task.step.placed.type,
            tuple(self._executed),
            _message(error),
            _type_name(error),
            tuple(traceback.format_exception(error)),
            {name: [describe(value)] for name, value in (task.failing or {}).items()},
            tuple(self._results),
            task.step.placed.title,
        )

    def _outcome(self, state: State, error: ExecutionError | None = None) -> Outcome:
        return Outcome(state, self._outputs, tuple(self._executed), self._cached, error, self._display)

    def _say(self, kind: Callable[Concatenate[str, int, P], E], *fields: P.args, **more: P.kwargs) -> E:
        self._seq += 1
        event = kind(self._job, self._seq, *fields, **more)
        self._emit(event)
        return event


def _uses(steps: Iterable[Step]) -> Counter[str]:
    """How many links lead from each node."""
    return Counter(link.node for step in steps for _, link in step.links)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _message(error: BaseException) -> str:
    text = str(error).strip()
    if isinstance(error, NodeError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _type_name(error: BaseException) -> str:
    if isinstance(error, _BlockedError):
        return "ExecutionBlocked"
    kind = type(error)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
