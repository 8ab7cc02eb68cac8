"""Toy nodes and the means to run graphs of them: no torch, no pictures, and a count of every call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from nodes.define import (
    NEVER,
    AnyValue,
    Blocked,
    Context,
    Expand,
    Never,
    NodeError,
    Prompt,
    Saved,
    Shown,
    Subgraph,
    UniqueId,
    node,
)
from nodes.registry import Registry, registry_of
from nodes.types import Provided
from nodes.widgets import Choice, Each, Files, Lazy, Many, Range, Seed, Socket, Text, Wire
from server.engine.cache import Cache, Disk
from server.engine.engine import Engine, never
from server.engine.events import Event
from server.engine.execute import Outcome
from server.engine.graph import Graph, Link, Placed

Whole = Annotated[Any, Socket("INT")]
"""A number, or what stands for one: a block, an expansion."""


@dataclass
class Calls(Provided):
    """Counts what ran, and can be told to fail, block or wait."""

    made: list[str] = field(default_factory=list[str])
    failing: bool = False
    shelf: Path | None = None

    def note(self, what: str) -> None:
        self.made.append(what)


@dataclass(frozen=True)
class Thing:
    """A value of a type that only sockets carry."""

    socket = "THING"
    name: str


class Pair(NamedTuple):
    whole: int
    rest: int


@node(id="Constant")
def constant(*, value: Annotated[int, Range(-1000, 1000)] = 0, calls: Calls) -> int:
    """A number."""
    calls.note("Constant")
    return value


@node(id="Add")
def add(*, a: Annotated[int, Wire], b: Annotated[int, Wire], calls: Calls) -> int:
    """a + b."""
    calls.note("Add")
    return a + b


@node(id="AddTo")
def add_to(*, a: Annotated[int, Wire], by: Annotated[int, Range(-(10**6), 10**6)] = 1, calls: Calls) -> int:
    """a + by."""
    calls.note("AddTo")
    return a + by


@node(id="Split")
def split(*, a: Annotated[int, Wire], by: Annotated[int, Range(1, 100)] = 10, calls: Calls) -> Pair:
    """a in parts."""
    calls.note("Split")
    return Pair(a // by, a % by)


@node(id="Join")
def join(*, parts: Annotated[list[int], Wire, Each(max=5, min=1)], calls: Calls) -> int:
    """The sum of some numbers."""
    calls.note("Join")
    return sum(parts)


@node(id="Numbers")
def numbers(*, count: Annotated[int, Range(0, 100)] = 3, start: int = 0, calls: Calls) -> Annotated[list[int], Many]:
    """A list of numbers."""
    calls.note("Numbers")
    return list(range(start, start + count))


@node(id="Total")
def total(*, values: Annotated[list[int], Many, Wire], calls: Calls) -> int:
    """The sum of a list."""
    calls.note("Total")
    return sum(values)


@node(id="Pick")
def pick(
    *,
    first: bool,
    a: Annotated[int | None, Wire, Lazy] = None,
    b: Annotated[int | None, Wire, Lazy] = None,
    calls: Calls,
) -> int:
    """a or b."""
    calls.note("Pick")
    chosen = a if first else b
    assert chosen is not None
    return chosen


@pick.needs
def _pick_needs(first: bool) -> tuple[str, ...]:
    return ("a",) if first else ("b",)


@node(id="Fail")
def fail(*, a: Annotated[int, Wire], text: str = "no", calls: Calls) -> int:
    """Fails when told to."""
    calls.note("Fail")
    if calls.failing:
        raise NodeError(f"{text}: {a} is wrong.")
    return a


@node(id="Crash")
def crash(*, a: Annotated[int, Wire]) -> int:
    """Divides by zero."""
    return a // 0


@node(id="Gate")
def gate(*, a: Annotated[int, Wire], open: bool = True, message: str = "", calls: Calls) -> Whole:
    """a, or nothing for those that come after."""
    calls.note("Gate")
    return a if open else Blocked(message or None)


@node(id="Steps")
def steps(*, a: Annotated[int, Wire], count: Annotated[int, Range(0, 1000)] = 4, ctx: Context, calls: Calls) -> int:
    """a, slowly."""
    calls.note("Steps")
    for step in range(count):
        ctx.progress(step + 1, count)
    return a


@node(id="Random")
def random_number(*, seed: Annotated[int, Seed()] = 0, calls: Calls) -> int:
    """Not the same twice."""
    calls.note("Random")
    return len(calls.made)


@random_number.fingerprint
def _random_print() -> Never:
    return NEVER


@node(id="Shelf")
def shelf(*, name: str = "a", calls: Calls) -> str:
    """A file's text."""
    calls.note("Shelf")
    assert calls.shelf is not None
    return (calls.shelf / name).read_text()


@shelf.fingerprint
def _shelf_print(name: str, calls: Calls) -> str:
    assert calls.shelf is not None
    return (calls.shelf / name).read_text()


@node(id="Name")
def own_name(*, a: Annotated[int, Wire], unique_id: UniqueId = "", calls: Calls) -> str:
    """Who it is."""
    calls.note("Name")
    return f"{unique_id}:{a}"


@node(id="Words")
def words(
    *,
    text: Annotated[str, Text(multiline=True)],
    style: Annotated[str, Choice(("plain", "loud"))] = "plain",
    weight: Annotated[float, Range(0, 2, step=0.1)] = 1.0,
    quiet: bool = False,
    seed: Annotated[int, Seed()] = 0,
    calls: Calls,
) -> str:
    """Some words."""
    calls.note("Words")
    return f"{text}|{style}|{weight}|{quiet}|{seed}"


@words.check
def _check_words(text: str | None, quiet: bool | None) -> Any:
    if text and quiet and "!" in text:
        yield "text has an exclamation mark, and quiet is on."


@node(id="MakeThing")
def make_thing(*, name: str = "x", calls: Calls) -> Thing:
    """A thing."""
    calls.note("MakeThing")
    return Thing(name)


@node(id="UseThing")
def use_thing(*, thing: Thing, also: Thing | None = None, calls: Calls) -> str:
    """A thing's name."""
    calls.note("UseThing")
    return thing.name + (also.name if also else "")


@node(id="Open")
def open_file(*, name: Annotated[str, Files("input")] = "a.txt", calls: Calls) -> str:
    """A file's name."""
    calls.note("Open")
    return name


@node(id="Anything")
def anything(*, value: AnyValue, calls: Calls) -> AnyValue:
    """What it gets."""
    calls.note("Anything")
    return value


@node(id="Power")
def power(*, a: Annotated[int, Wire], times: Annotated[int, Range(0, 5000)] = 3, calls: Calls) -> Whole:
    """a + 1 + 1 ..., by adding nodes."""
    calls.note("Power")
    graph = Subgraph()
    last: Any = a
    for _ in range(times):
        last = graph.add("AddTo", a=last, by=1)
    return graph.expand(last)


@node(id="Nested")
def nested(*, a: Annotated[int, Wire], deep: Annotated[int, Range(0, 5000)] = 2, calls: Calls) -> Whole:
    """a + deep, by expanding into itself."""
    calls.note("Nested")
    if deep == 0:
        return a
    graph = Subgraph()
    plus = graph.add("AddTo", a=a, by=1)
    return graph.expand(graph.add("Nested", a=plus, deep=deep - 1))


@node(id="ShowInside")
def show_inside(*, a: Annotated[int, Wire], calls: Calls) -> Whole:
    """a, shown by a node inside."""
    calls.note("ShowInside")
    graph = Subgraph()
    graph.add("Show", value=a)
    return graph.expand(graph.add("AddTo", a=a, by=0))


@node(id="BadExpansion")
def bad_expansion(*, a: Annotated[int, Wire], how: str = "unknown") -> Whole:
    """Expands to nonsense."""
    graph = Subgraph()
    match how:
        case "unknown":
            return graph.expand(graph.add("Nowhere", a=a))
        case "missing":
            return graph.expand(graph.add("Add", a=a))
        case "outputs":
            return graph.expand(a, a)
        case "range":
            return graph.expand(graph.add("Constant", value=5000))
        case _:
            return Expand({"1": ("AddTo", {"a": _out("2")}), "2": ("AddTo", {"a": _out("1")})}, (_out("1"),))


def _out(name: str) -> Any:
    from nodes.define import Out

    return Out(name)


@node(id="Show", terminal=True)
def show(*, value: AnyValue, calls: Calls) -> Shown:
    """Shows a value."""
    calls.note("Show")
    return Shown(data={"text": [value]})


@node(id="Save", terminal=True)
def save(*, value: AnyValue, prefix: str = "out", prompt: Prompt = None, ctx: Context, calls: Calls) -> Shown:
    """Writes a value to a file."""
    calls.note("Save")
    assert calls.shelf is not None
    name = ctx.claimed(0)
    if name is None:
        name = f"{prefix}_{len(list(calls.shelf.glob(prefix + '*')))}.txt"
        ctx.claim(0, name)
    (calls.shelf / name).write_text(str(value))
    return Shown.images([Saved(name)])


@node(id="Renamed", version=2)
def renamed(*, amount: Annotated[int, Range(0, 100)] = 1, calls: Calls) -> int:
    """A node whose input had another name."""
    return amount


@renamed.migrate(1)
def _renamed_from_1(inputs: dict[str, Any]) -> dict[str, Any]:
    return {("amount" if name == "number" else name): value for name, value in inputs.items()}


@node(id="Mixed")
def mixed(*, value: Annotated[Any, Socket("INT,STRING")], calls: Calls) -> Annotated[Any, Socket("INT,STRING")]:
    """A number or a text."""
    return value


TOYS: Registry = registry_of(
    *(constant, add, add_to, split, join, numbers, total, pick, fail, crash, gate, steps, random_number, shelf),
    *(own_name, words, make_thing, use_thing, open_file, anything, power, nested, show_inside, bad_expansion),
    *(show, save, renamed, mixed),
)


class JsonCodec:
    """Values as JSON; things cannot be stored."""

    def encode(self, value: Any, /) -> bytes | None:
        try:
            return json.dumps(_tree(value)).encode()
        except TypeError:
            return None

    def decode(self, data: bytes, /) -> Any:
        return _value(json.loads(data))

    def size(self, value: Any, /) -> int:
        return len(repr(value))


def _tree(value: Any) -> Any:
    match value:
        case Shown():
            return {"shown": [_tree(dict(value.files)), _tree(dict(value.data))]}
        case Saved():
            return {"saved": [value.filename, value.subfolder, value.type]}
        case Blocked():
            return {"blocked": value.message}
        case tuple():
            return {"tuple": [_tree(part) for part in value]}
        case list():
            return [_tree(part) for part in value]
        case dict():
            return {"dict": {key: _tree(part) for key, part in value.items()}}
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise TypeError(type(value).__name__)


def _value(tree: Any) -> Any:
    if isinstance(tree, list):
        return [_value(part) for part in tree]
    if not isinstance(tree, dict):
        return tree
    ((tag, held),) = tree.items()
    match tag:
        case "shown":
            return Shown(_value(held[0]), _value(held[1]))
        case "saved":
            return Saved(*held)
        case "blocked":
            return Blocked(held)
        case "tuple":
            return tuple(_value(part) for part in held)
        case _:
            return {key: _value(part) for key, part in held.items()}


class EagerDisk(Disk):
    """A disk that finds every result worth keeping."""

    def put(self, key: str, entry: Any, seconds: float) -> None:
        super().put(key, entry, seconds + 1000)


def graph_of(spec: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Graph:
    """A graph from `{id: (type, inputs)}`; `"@3"` is the first output of node 3, `"@3/1"` its second."""
    return Graph.of(
        Placed(node_id, kind, {name: _input(value) for name, value in inputs.items()})
        for node_id, (kind, inputs) in spec.items()
    )


def _input(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("@"):
        source, _, slot = value[1:].partition("/")
        return Link(source, int(slot or 0))
    return value


@dataclass
class Bench:
    """An engine over toy nodes, with what it said and what ran."""

    cache: Cache | None = None
    calls: Calls = field(default_factory=Calls)
    events: list[Event] = field(default_factory=list[Event])

    def __post_init__(self) -> None:
        self.engine = Engine(TOYS, cache=self.cache, provided={Calls: self.calls})
        if self.calls.shelf is not None:
            self.engine._exists = lambda saved: (self.calls.shelf / saved.filename).exists()  # type: ignore

    def run(
        self,
        graph: Graph,
        targets: Sequence[str] | None = None,
        cancelled: Callable[[], bool] = never,
        **more: Any,
    ) -> Outcome:
        """Validate and run; the graph must be sound."""
        self.calls.made.clear()
        self.events.clear()
        checked = self.engine.validate(graph, targets)
        assert checked.sound, checked.sentences()
        return self.engine.run("job", checked.graph, checked.good_outputs, self.events.append, cancelled, **more)

    def shown(self, graph: Graph, **more: Any) -> dict[str, Any]:
        """What the terminal nodes show, by node."""
        outcome = self.run(graph, **more)
        assert outcome.state == "done", outcome.error
        return {node_id: output.get("text", output) for node_id, output in outcome.outputs.items()}

    def types(self) -> list[str]:
        """The types of what was said, in order."""
        return [event.type for event in self.events]
