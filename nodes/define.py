"""The contract of a node: one typed function, whose signature is its schema.

    @node(id="ImageScaleBy", title="Upscale Image By", category="image/upscaling")
    def image_scale_by(
        *, image: Image, upscale_method: Annotated[str, Choice(METHODS)] = "nearest-exact",
        scale_by: Annotated[float, Range(0.01, 8, step=0.01)] = 1.0,
    ) -> Image:
        '''Resize pictures by a factor.'''

A decorated function stays what it was, callable with plain Python values. `f.definition` is its schema. A node does
not change its inputs, gives the same result for the same inputs, and has no side effect unless it is terminal.
"""

from __future__ import annotations

import inspect
import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import (
    Annotated,
    Any,
    Generic,
    NewType,
    ParamSpec,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from nodes.types import NodeError as NodeError  # noqa: PLC0414 -- node modules take it from here
from nodes.types import Preview, Provided
from nodes.widgets import (
    Advanced,
    Choice,
    Each,
    Files,
    Hidden,
    Lazy,
    Many,
    Mark,
    Named,
    Range,
    Rows,
    Seed,
    Socket,
    Spare,
    Text,
    Tip,
    Toggle,
    Widget,
    Wire,
)

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

ANY = "*"
_PLAIN: Mapping[type, str] = {int: "INT", float: "FLOAT", str: "STRING", bool: "BOOLEAN"}
_WIDGETS = (Range, Seed, Choice, Files, Text, Toggle, Rows)


class Missing:
    """The default of an input that has none."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = Missing()


class Cancelled(Exception):  # noqa: N818 -- an outcome that is asked for, not an error
    """The job was cancelled; raised inside a node by its context, caught by the engine."""


class Never:
    """A fingerprint that equals no other: the node runs every time."""


NEVER = Never()


class Context(Provided, ABC):
    """What a running node may ask of the engine."""

    @property
    @abstractmethod
    def node_id(self) -> str:
        """The id of the node that runs, as the workflow names it."""

    @abstractmethod
    def progress(self, step: int, steps: int, preview: Preview | None = None) -> None:
        """Say that `step` of `steps` is done, perhaps with a picture of it. Raises Cancelled when asked to stop."""

    @abstractmethod
    def check(self) -> None:
        """Raise Cancelled when asked to stop."""

    @property
    @abstractmethod
    def wants_previews(self) -> bool:
        """Whether anybody looks at previews; making them may be left out otherwise."""

    def claimed(self, index: int) -> str | None:  # noqa: ARG002
        """The file name that an earlier attempt at this job claimed for this node's file number `index`, if any."""
        return None

    def claim(self, index: int, name: str) -> None:
        """Record, before it is written, under which name file number `index` will be."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A file that a terminal node wrote: its name, the folder under `type`'s root, and "output", "temp" or "input"."""

    filename: str
    subfolder: str = ""
    type: str = "output"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a terminal node shows: files by kind ("images"), and other data by name.

    A terminal node that has outputs too returns a NamedTuple with a field of this type beside them.
    """

    files: Mapping[str, Sequence[Saved]] = field(default_factory=dict[str, Sequence[Saved]])
    data: Mapping[str, Sequence[Any]] = field(default_factory=dict[str, Sequence[Any]])

    @staticmethod
    def images(saved: Sequence[Saved], *, animated: bool = False) -> Shown:
        """Pictures that were written."""
        return Shown({"images": saved}, {"animated": (True,)} if animated else {})


@dataclass(frozen=True, slots=True)
class Blocked:
    """In an output's place: whatever consumes it does not run. With a message, its first consumer fails with it."""

    message: str | None = None


@dataclass(frozen=True, slots=True)
class Out:
    """An output of a node inside an expansion."""

    node: str
    slot: int = 0


@dataclass(frozen=True, slots=True)
class Expand:
    """In place of a result: a graph to run. Outputs are values, or outputs of its nodes."""

    nodes: Mapping[str, tuple[str, Mapping[str, Any]]]
    outputs: tuple[Any, ...]


class Subgraph:
    """Builds the graph of an expansion: `scaled = graph.add("ImageScaleBy", image=image, scale_by=2.0)`."""

    def __init__(self) -> None:
        self._nodes: dict[str, tuple[str, Mapping[str, Any]]] = {}

    def add(self, node_type: str, **inputs: Any) -> Out:
        """The first output of a new node; inputs are values or outputs of nodes added before."""
        name = str(len(self._nodes) + 1)
        self._nodes[name] = (node_type, inputs)
        return Out(name)

    def expand(self, *outputs: Any) -> Expand:
        """What the node returns so that this graph runs in its place."""
        return Expand(dict(self._nodes), outputs)


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a node, as its signature says it."""

    name: str
    type: str
    parameter: str
    widget: Widget | None = None
    default: Any = MISSING
    optional: bool = False
    wire: bool = False
    many: bool = False
    lazy: bool = False
    advanced: bool = False
    each: Each | None = None
    tooltip: str = ""

    @property
    def is_widget(self) -> bool:
        """Whether the editor shows a field for it: a plain value that is not forced to be a socket."""
        return not self.wire and self.each is None and self.type in {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a node. `many`: a list, whose elements the nodes downstream are mapped over."""

    name: str
    type: str
    many: bool = False
    tooltip: str = ""


def _nothing_needed(**_: Any) -> Iterable[str]:
    return ()


def _no_problem(**_: Any) -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True)
class NodeDef:
    """A node as data: its schema, and the functions that the engine calls.

    `run` takes every input by its parameter's name, beside what `provided` and `hidden` name. `needs(**known)` names
    the lazy inputs it wants now (not yet known ones are None). `fingerprint(**constants)` says what the result depends
    on beside the inputs. `check(**constants)` yields what is wrong with constants taken together. All three are called
    with what their signatures name: inputs (None where linked), and provided things by type. `migrations[n]` turns the
    inputs of version n into those of n + 1. `pack` names whose node this stands in for: where that pack is installed,
    its own is taken.
    """

    id: str
    title: str
    category: str
    description: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    run: Callable[..., Any]
    provided: Mapping[str, type] = field(default_factory=dict[str, type])
    hidden: Mapping[str, str] = field(default_factory=dict[str, str])
    terminal: bool = False
    version: int = 1
    deprecated: bool = False
    experimental: bool = False
    module: str = "nodes"
    aliases: tuple[str, ...] = ()
    pack: str = ""
    needs: Callable[..., Iterable[str]] = _nothing_needed
    fingerprint: Callable[..., str | Never] | None = None
    check: Callable[..., Iterable[str]] = _no_problem
    migrations: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = field(
        default_factory=dict[int, Callable[[dict[str, Any]], dict[str, Any]]]
    )

    def input(self, name: str) -> Input | None:
        """The input of this name; `images.3` finds the growing input `images`."""
        stem = name.split(".", 1)[0]
        return next((i for i in self.inputs if i.name == name or (i.each is not None and i.name == stem)), None)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a node's function gave back, taken apart: a value for each output, what to show, or a graph to run."""

    outputs: tuple[Any, ...]
    shown: Shown | None = None
    expand: Expand | None = None


def unpack(definition: NodeDef, result: Any) -> Returned:
    """Take a node function's return value apart. Raises TypeError when it does not fit the declared outputs."""
    match result:
        case Returned():
            returned = result
        case Expand():
            return Returned((), expand=result)
        case Shown():
            returned = Returned((), shown=result)
        case None:
            returned = Returned(())
        case tuple() if len(definition.outputs) != 1 or hasattr(cast(object, result), "_fields"):
            parts = cast("tuple[Any, ...]", result)
            shown = next((part for part in parts if isinstance(part, Shown)), None)
            returned = Returned(tuple(part for part in parts if not isinstance(part, Shown)), shown=shown)
        case Blocked():
            returned = Returned((result,) * len(definition.outputs))
        case _:
            returned = Returned((result,))
    if len(returned.outputs) != len(definition.outputs):
        raise TypeError(
            f"{definition.id} returned {len(returned.outputs)} outputs; it declares {len(definition.outputs)}."
        )
    return returned


class NodeFunction(Generic[P, R]):
    """A node's function with its schema. Calling it calls the function."""

    def __init__(self, node_id: str, fn: Callable[P, R], define: Callable[[], NodeDef]) -> None:
        self.id = node_id
        self._fn = fn
        self._define = define
        self._changes: dict[str, Any] = {}
        self._definition: NodeDef | None = None
        self.__doc__ = fn.__doc__
        self.__name__ = getattr(fn, "__name__", node_id)
        self.__module__ = fn.__module__
        self.__wrapped__ = fn

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._fn(*args, **kwargs)

    @property
    def definition(self) -> NodeDef:
        """The node as the engine and the schema see it. Raises TypeError when an annotation says no socket type."""
        # Reading a signature takes longer than importing its module, and few of all nodes are in a workflow.
        if self._definition is None:
            self._definition = replace(self._define(), **self._changes)
        return self._definition

    def needs(self, fn: F) -> F:
        """Declare which lazy inputs are wanted, given those that are known: `@f.needs`."""
        self._change("needs", fn)
        return fn

    def fingerprint(self, fn: F) -> F:
        """Declare what the result depends on beside its inputs and the files that they name: `@f.fingerprint`."""
        self._change("fingerprint", fn)
        return fn

    def check(self, fn: F) -> F:
        """Declare what must hold across inputs; the function yields messages: `@f.check`."""
        self._change("check", fn)
        return fn

    def migrate(self, version: int) -> Callable[[F], F]:
        """Declare how inputs of `version` become those of the next: `@f.migrate(1)`."""

        def register(fn: F) -> F:
            self._change("migrations", {**self._changes.get("migrations", {}), version: fn})
            return fn

        return register

    def _change(self, name: str, value: object) -> None:
        self._changes[name] = value
        self._definition = None


Prompt = Annotated[Mapping[str, Any] | None, Hidden("PROMPT")]
"""The API-format prompt that runs, for metadata."""

ExtraPnginfo = Annotated[Mapping[str, Any] | None, Hidden("EXTRA_PNGINFO")]
"""What else is to be written beside the prompt: usually {"workflow": editor JSON}."""

UniqueId = Annotated[str, Hidden("UNIQUE_ID")]
"""The node's id; a node that takes it does not share results with another of the same inputs."""

AnyValue = NewType("AnyValue", object)
"""A socket that takes or gives anything."""


def node(
    *,
    id: str,
    title: str | None = None,
    category: str = "",
    terminal: bool = False,
    version: int = 1,
    deprecated: bool = False,
    experimental: bool = False,
    outputs: Sequence[str] = (),
    aliases: Sequence[str] = (),
) -> Callable[[Callable[P, R]], NodeFunction[P, R]]:
    """Make a node of a typed function.

    `outputs` names the outputs where the return type is a single value whose name is not its type's; several outputs
    are a NamedTuple, whose fields name them. The docstring's first paragraph is the description.
    """

    def define(fn: Callable[..., Any]) -> NodeDef:
        hints = get_type_hints(fn, include_extras=True)
        inputs: list[Input] = []
        provided: dict[str, type] = {}
        hidden: dict[str, str] = {}
        for parameter in inspect.signature(fn).parameters.values():
            hint = _Hint.of(f"{id}.{parameter.name}", hints.get(parameter.name, Any))
            if hint.hidden:
                hidden[parameter.name] = hint.hidden.name
            elif isinstance(hint.bare, type) and issubclass(hint.bare, Provided):
                provided[parameter.name] = hint.bare
            else:
                inputs.append(_input(parameter, hint))
        return NodeDef(
            id=id,
            title=title or id,
            category=category,
            description=_first_paragraph(fn.__doc__),
            inputs=tuple(inputs),
            outputs=_outputs(id, hints.get("return"), tuple(outputs)),
            run=fn,
            provided=provided,
            hidden=hidden,
            terminal=terminal,
            version=version,
            deprecated=deprecated,
            experimental=experimental,
            module=fn.__module__,
            aliases=tuple(aliases),
        )

    def decorate(fn: Callable[P, R]) -> NodeFunction[P, R]:
        return NodeFunction(id, fn, lambda: define(fn))

    return decorate


@dataclass(frozen=True, slots=True)
class _Hint:
    """An annotation taken apart: the bare type, whether None is allowed, and what Annotated adds."""

    where: str
    bare: Any
    optional: bool
    extras: tuple[Any, ...]

    @staticmethod
    def of(where: str, hint: Any) -> _Hint:
        extras: list[Any] = []
        optional = False
        while True:
            origin = get_origin(hint)
            if origin is Annotated:
                hint, *more = get_args(hint)
                extras.extend(more)
            elif origin in (Union, types.UnionType) and type(None) in get_args(hint):
                rest = [a for a in get_args(hint) if a is not type(None)]
                optional, hint = True, rest[0] if len(rest) == 1 else Any
            else:
                return _Hint(where, hint, optional, tuple(extras))

    def first(self, kind: type[R] | tuple[type[R], ...]) -> R | None:
        return next((e for e in self.extras if isinstance(e, kind)), None)

    def marked(self, mark: Mark) -> bool:
        return mark in self.extras

    @property
    def hidden(self) -> Hidden | None:
        return self.first(Hidden)

    def element(self) -> _Hint:
        """The hint of a list's elements."""
        inner = get_args(self.bare)
        if get_origin(self.bare) is not list or not inner:
            raise TypeError(f"{self.where}: Many and Each are for list[...], not {self.bare!r}.")
        hint = _Hint.of(self.where, inner[0])
        return _Hint(self.where, hint.bare, self.optional, (*self.extras, *hint.extras))

    def socket(self) -> str:
        """The socket type's name."""
        if (named := self.first(Socket)) is not None:
            return named.name
        if self.bare is str and self.first((Choice, Files)) is not None:
            return "COMBO"
        if self.bare in _PLAIN:
            return _PLAIN[self.bare]
        if self.bare in (Any, object, AnyValue):
            return ANY
        if isinstance(name := getattr(self.bare, "socket", None), str):
            return name
        raise TypeError(f"{self.where}: {self.bare!r} is no socket type; annotate it with Socket(name).")


def _input(parameter: inspect.Parameter, hint: _Hint) -> Input:
    many, each = hint.marked(Many), hint.first(Each)
    inner = hint.element() if many or each else hint
    named = hint.first(Named)
    tip = hint.first(Tip)
    default = MISSING if parameter.default is inspect.Parameter.empty else parameter.default
    return Input(
        name=named.name if named else parameter.name,
        parameter=parameter.name,
        type=inner.socket(),
        widget=hint.first(_WIDGETS),
        default=default,
        optional=(hint.optional and default is None) or hint.marked(Spare) or (each is not None and each.min == 0),
        wire=hint.marked(Wire),
        many=many,
        lazy=hint.marked(Lazy),
        advanced=hint.marked(Advanced),
        each=each,
        tooltip=tip.text if tip else "",
    )


def _outputs(node_id: str, hint: Any, names: tuple[str, ...]) -> tuple[Output, ...]:
    if hint is None or hint is type(None):
        return ()
    where = f"{node_id} -> "
    bare = _Hint.of(where, hint).bare
    if bare is Shown:
        return ()
    if isinstance(bare, type) and hasattr(bare, "_fields"):
        fields = get_type_hints(bare, include_extras=True)
        return tuple(_output(where + name, name, each) for name, each in fields.items() if each is not Shown)
    return (_output(where, names[0] if names else "", hint),)


def _output(where: str, name: str, annotation: Any) -> Output:
    hint = _Hint.of(where, annotation)
    many = hint.marked(Many)
    socket = (hint.element() if many else hint).socket()
    tip = hint.first(Tip)
    named = hint.first(Named)
    # ComfyUI names an output by its type unless told otherwise: a field `model: Model` is "MODEL".
    shown = named.name if named else socket if name.lower() in ("", socket.lower()) else name
    return Output(shown, socket, many, tip.text if tip else "")


def _first_paragraph(doc: str | None) -> str:
    return " ".join(inspect.cleandoc(doc or "").split("\n\n")[0].split())
