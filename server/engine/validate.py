"""Everything that is wrong with a graph, at once, and the graph put right where that is no guess.

Types, messages and details are ComfyUI's, so that its clients show ours as they show theirs; the sentences are for
people. Nothing recurses: a chain of ten thousand nodes is checked like any other graph.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from nodes.define import MISSING, Input, NodeError
from nodes.folders import Folders
from nodes.schema import MAX_SEED, choices_of, input_spec
from nodes.widgets import Choice, Files, Range, Seed
from server.engine.coerce import LARGEST, Refused, brief, coerced, plain
from server.engine.cycles import cycles_of, spoiled_outputs
from server.engine.errors import Problem, Validation
from server.engine.graph import Graph, Link, Placed
from server.engine.kinds import Kind, Kinds, Things, fits, grown, thing, unwrapped

_MANY_CHOICES = 20
_PLAIN = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})


@dataclass(frozen=True, slots=True)
class Live:
    """A value that an expanding node hands to its nodes: any object, known by the token of where it came from."""

    value: Any
    token: str


def validate(graph: Graph, kinds: Kinds, *, targets: Sequence[str] | None = None, provided: Things) -> Validation:
    """Check what the wanted output nodes need. `targets` narrows the outputs; None wants them all."""
    unknown = [p for placed in graph if (p := _type_problem(placed, kinds)) is not None]
    outputs = [placed.id for placed in graph if _is_output(placed, kinds)]
    chosen = None if targets is None else set(targets)
    wanted = [output for output in outputs if chosen is None or output in chosen]
    if not wanted:
        return Validation(graph, tuple(unknown), error=unknown[0] if unknown else _no_outputs(targets))
    checked, problems = check_nodes(graph, wanted, kinds, provided)
    cycles = [_cycle_problem(checked, cycle) for cycle in cycles_of(checked)]
    found = _judged(graph, checked, [*unknown, *problems, *cycles], wanted)
    return replace(found, good_outputs=(), error=unknown[0]) if unknown else found


def check_nodes(graph: Graph, wanted: Iterable[str], kinds: Kinds, provided: Things) -> tuple[Graph, list[Problem]]:
    """The wanted nodes and all that feeds them, corrected, and what is wrong with each. Unknown types are passed by."""
    checker = _Checker(graph, kinds, provided)
    checked: dict[str, tuple[Placed, list[Problem]]] = {}
    waiting = list(wanted)
    while waiting:
        node_id = waiting.pop()
        if node_id not in checked:
            checked[node_id] = placed, _ = checker.check(graph.nodes[node_id])
            waiting.extend(link.node for _, link in placed.links if link.node in graph.nodes)
    found = [checked[node_id] for node_id in graph.nodes if node_id in checked]
    return Graph.of(placed for placed, _ in found), [problem for _, problems in found for problem in problems]


def _judged(graph: Graph, checked: Graph, problems: list[Problem], wanted: list[str]) -> Validation:
    corrected = Graph({**graph.nodes, **checked.nodes})
    if not problems:
        return Validation(corrected, good_outputs=tuple(wanted))
    spoils = spoiled_outputs(checked, {p.node_id for p in problems if p.node_id is not None}, wanted)
    bad = {output for outputs in spoils.values() for output in outputs}
    good = tuple(output for output in wanted if output not in bad)
    error = None if good else _all_failed(problems, wanted)
    return Validation(corrected, tuple(problems), good, error, spoils)


def _is_output(placed: Placed, kinds: Kinds) -> bool:
    kind = kinds.get(placed.type)
    return kind is not None and kind.definition.terminal


def _type_problem(placed: Placed, kinds: Kinds) -> Problem | None:
    details = f"Node ID '#{placed.id}'"
    if not placed.type:
        message = "Cannot execute because a node is missing the class_type property."
        sentence = f"Node {placed.id} does not say what it is: it has no class_type."
        return Problem(placed.id, "invalid_prompt", message, details, {}, sentence)
    if kinds.get(placed.type) is None:
        message = f"Cannot execute because node {brief(placed.type)} does not exist."
        sentence = f"Node {placed.id} is of type {brief(placed.type)!r}, which is not installed."
        return Problem(placed.id, "invalid_prompt", message, details, {}, sentence)
    return None


def _no_outputs(targets: Sequence[str] | None) -> Problem:
    sentence = "The workflow has no output node: nothing in it saves or shows anything. Add one, such as Save Image."
    if targets is not None:
        sentence = (
            f"None of the wanted nodes is an output node of the workflow: {', '.join(map(brief, targets)) or 'none'}."
        )
    return Problem(None, "prompt_no_outputs", "Prompt has no outputs", "", {}, sentence)


def _all_failed(problems: list[Problem], wanted: list[str]) -> Problem:
    outputs = set(wanted)
    own = [f"{p.message}: {p.details}" for p in problems if p.node_id in outputs]
    sentence = "Nothing can run: every output node needs something that is wrong."
    return Problem(
        None, "prompt_outputs_failed_validation", "Prompt outputs failed validation", "\n".join(own), {}, sentence
    )


def _cycle_problem(graph: Graph, cycle: Sequence[str]) -> Problem:
    shown = [*cycle, cycle[0]] if len(cycle) <= 8 else [*cycle[:4], "...", *cycle[-3:], cycle[0]]
    path = " -> ".join(f"{n} {graph[n].title or graph[n].type}" if n in graph else n for n in shown)
    closing = next((name for name, link in graph[cycle[0]].links if link.node == cycle[-1]), "")
    return Problem(
        cycle[0],
        "dependency_cycle",
        "Dependency cycle detected",
        path,
        {"input_name": closing, "cycle": list(shown)},
        f"Cycle: {path}. Remove one of these links.",
    )


class _Checker:
    """Checks one node after another; remembers what input lists look like in messages."""

    def __init__(self, graph: Graph, kinds: Kinds, provided: Things) -> None:
        self._graph = graph
        self._kinds = kinds
        self._provided = provided
        folders = thing(provided, Folders)
        self._folders = folders if isinstance(folders, Folders) else None

    def check(self, placed: Placed) -> tuple[Placed, list[Problem]]:
        """The node with declared inputs only, values corrected, and its problems."""
        kind = self._kinds.get(placed.type)
        if kind is None:
            return placed, []
        try:
            placed = _migrated(placed, kind)
        except Exception as error:  # noqa: BLE001 -- a migration is a node author's code
            return placed, [_hook_problem(placed, error, "the inputs of an older version cannot be read")]
        inputs: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, each, value in _declared(placed, kind):
            if value is MISSING or (value is None and each.optional):
                problems.extend(_fill(placed, name, each, inputs))
            elif isinstance(value, Link):
                inputs[name] = value
                problems.extend(self._link_problems(placed, name, each, value))
            else:
                inputs[name], found = self._checked_value(placed, name, each, value)
                problems.extend(found)
        problems.extend(_too_many(placed, kind))
        corrected = _corrected(placed, kind, inputs)
        if kind.check is not None and not problems:
            problems.extend(self._hook_problems(corrected, kind))
        return corrected, problems

    def _link_problems(self, placed: Placed, name: str, each: Input, link: Link) -> Iterator[Problem]:
        source = self._graph.get(link.node)
        if source is None:
            sentence = f"{placed.name}: input {name} is linked to node {brief(link.node)}, which is not there."
            yield Problem(
                placed.id,
                "exception_during_inner_validation",
                "Exception when validating inner node",
                repr(brief(link.node)),
                self._extra(name, each, exception_type="KeyError", linked_node=[brief(link.node), plain(link.slot)]),
                sentence,
            )
            return
        kind = self._kinds.get(source.type)
        if kind is None:
            return
        outputs = kind.definition.outputs
        if not 0 <= link.slot < len(outputs):
            count = f"{len(outputs)} output{'' if len(outputs) == 1 else 's'}"
            yield self._bad_link(
                placed,
                name,
                each,
                [link.node, plain(link.slot)],
                f"{source.name} has {count}, and none of number {brief(link.slot)}",
            )
        elif not fits(given := outputs[link.slot].type, each.type):
            yield Problem(
                placed.id,
                "return_type_mismatch",
                "Return type mismatch between linked nodes",
                f"{name}, received_type({given}) mismatch input_type({each.type})",
                self._extra(name, each, received_type=given, linked_node=[link.node, link.slot]),
                f"{placed.name}: input {name} takes {each.type}; {source.name} gives {given} there.",
            )

    def _checked_value(self, placed: Placed, name: str, each: Input, raw: Any) -> tuple[Any, list[Problem]]:
        """The value as the input's type, and what is wrong with it."""
        if isinstance(raw, Live):
            return raw, []
        if isinstance(raw, list):
            why = "a link is [node id, output number]"
            return None, [self._bad_link(placed, name, each, cast("object", raw), why)]
        value = unwrapped(raw)
        whole = isinstance(value, list) and (each.many or each.type not in _PLAIN)
        values = cast("list[Any]", value if whole else [value])
        try:
            if self._kinds.is_wire(each.type):
                raise Refused("it must be a link")
            parts = [coerced(part, each.type) for part in values]
        except Refused as error:
            return None, [self._wrong_type(placed, name, each, value, error)]
        problems = [problem for part in parts for problem in self._value_problems(placed, name, each, part)]
        return {"__value__": parts} if whole else parts[0], problems

    def _value_problems(self, placed: Placed, name: str, each: Input, value: Any) -> Iterator[Problem]:
        if isinstance(value, int | float) and not isinstance(value, bool):
            low, high = _bounds(each)
            if low is not None and value < low:
                yield self._out_of_range(placed, name, each, value, low, above=False)
            if high is not None and value > high:
                yield self._out_of_range(placed, name, each, value, high, above=True)
        elif isinstance(value, str) and isinstance(each.widget, Choice | Files):
            yield from self._choice_problems(placed, name, each, value)

    def _choice_problems(self, placed: Placed, name: str, each: Input, value: str) -> Iterator[Problem]:
        if isinstance(each.widget, Files):
            if self._folders is None or value in each.widget.extra:
                return
            why = _file_problem(self._folders, each.widget.folder, value)
            if why is None:
                return
        else:
            why = ""
        choices = self._choices(each)
        if not why and value in choices:
            return
        shown = f"(list of length {len(choices)})" if len(choices) > _MANY_CHOICES else str(list(choices))
        extra = self._extra(name, each, received_value=plain(value))
        if len(choices) > _MANY_CHOICES:
            extra["input_config"] = None
        yield Problem(
            placed.id,
            "value_not_in_list",
            "Value not in list",
            f"{name}: '{brief(value)}' not in {shown}",
            extra,
            f"{placed.name}, input {name}: {why}" if why else _no_choice(placed, name, value, choices),
        )

    def _choices(self, each: Input) -> tuple[str, ...]:
        if isinstance(each.widget, Choice):
            return each.widget.names()
        return (choices_of(each, self._folders) or ()) if self._folders is not None else ()

    def _hook_problems(self, placed: Placed, kind: Kind) -> Iterator[Problem]:
        assert kind.check is not None
        try:
            messages = list(kind.check(kind.constants(placed.inputs, Link), self._provided))
        except NodeError as error:
            messages = [str(error)]
        except Exception as error:  # noqa: BLE001 -- a check is a node author's code
            yield _hook_problem(placed, error, "its check failed")
            return
        for message in messages:
            yield Problem(
                placed.id,
                "custom_validation_failed",
                "Custom validation failed for node",
                str(message),
                {},
                f"{placed.name}: {message}",
            )

    def _bad_link(self, placed: Placed, name: str, each: Input, received: object, why: str) -> Problem:
        return Problem(
            placed.id,
            "bad_linked_input",
            "Bad linked input, must be a length-2 list of [node_id, slot_index]",
            name,
            self._extra(name, each, received_value=plain(received)),
            f"{placed.name}: input {name} has the link {brief(received)}; {why}.",
        )

    def _wrong_type(self, placed: Placed, name: str, each: Input, value: Any, error: Refused) -> Problem:
        return Problem(
            placed.id,
            "invalid_input_type",
            f"Failed to convert an input value to a {each.type} value",
            f"{name}, {brief(value)}, {error}",
            self._extra(name, each, received_value=plain(value), exception_message=str(error)),
            f"{placed.name}: {name} is {brief(value)}; {error}.",
        )

    def _out_of_range(
        self, placed: Placed, name: str, each: Input, value: float, limit: float, *, above: bool
    ) -> Problem:
        shown = brief(value)
        return Problem(
            placed.id,
            "value_bigger_than_max" if above else "value_smaller_than_min",
            f"Value {shown} {'bigger than max' if above else 'smaller than min'} of {limit}",
            name,
            self._extra(name, each, received_value=plain(value)),
            f"{placed.name}: {name} is {shown}; it must be at {'most' if above else 'least'} {limit}.",
        )

    def _extra(self, name: str, each: Input, **more: Any) -> dict[str, Any]:
        config: list[Any] = input_spec(each, self._folders) if self._folders is not None else [each.type, {}]
        return {"input_name": name, "input_config": config, **more}


def _corrected(placed: Placed, kind: Kind, inputs: dict[str, Any]) -> Placed:
    """The node with these inputs; itself when nothing had to be put right."""
    definition = kind.definition
    if placed.type == definition.id and placed.version in (None, definition.version) and placed.inputs == inputs:
        return placed
    return replace(placed, type=definition.id, inputs=inputs, version=definition.version)


def _declared(placed: Placed, kind: Kind) -> Iterator[tuple[str, Input, Any]]:
    """Every input that the node declares, with what the file has for it."""
    for name, each in kind.inputs.items():
        yield name, each, placed.inputs.get(name, MISSING)
    for stem, each in kind.growing.items():
        assert each.each is not None
        places = dict(grown(placed.inputs, stem))
        if stem in placed.inputs:  # as it was before the input could grow
            places.setdefault(f"{stem}.0", placed.inputs[stem])
        required = {f"{stem}.{i}" for i in range(each.each.min)}
        for name in [*places, *sorted(required - places.keys())]:
            yield name, replace(each, optional=name not in required), places.get(name, MISSING)


def _fill(placed: Placed, name: str, each: Input, inputs: dict[str, Any]) -> Iterator[Problem]:
    """Fill in the declared default of what the file lacks, or say that it is missing."""
    if each.default is not MISSING or each.optional:
        default: Any = each.default
        if each.is_widget and default is not MISSING and default is not None:
            inputs[name] = {"__value__": default} if isinstance(default, list) else default
        return
    if each.each is not None and each.optional:
        return
    how = "link something to it" if each.type not in _PLAIN or each.wire else "give it a value or a link"
    yield Problem(
        placed.id,
        "required_input_missing",
        "Required input is missing",
        name,
        {"input_name": name},
        f"{placed.name}: input {name} ({each.type}) is missing; {how}.",
    )


def _too_many(placed: Placed, kind: Kind) -> Iterator[Problem]:
    for stem, each in kind.growing.items():
        assert each.each is not None
        beyond = [n for n, _ in grown(placed.inputs, stem) if int(n.rsplit(".", 1)[1]) >= each.each.max]
        if beyond:
            yield Problem(
                placed.id,
                "custom_validation_failed",
                "Custom validation failed for node",
                f"{beyond[0]} - at most {each.each.max} of {stem}",
                {"input_name": beyond[0]},
                f"{placed.name}: input {beyond[0]} is too many; {stem} takes at most {each.each.max}.",
            )


def _migrated(placed: Placed, kind: Kind) -> Placed:
    """The node as the newest version has it. A file that names no version is old if it has inputs that went away."""
    definition = kind.definition
    if not definition.migrations or definition.version == placed.version:
        return placed
    version = placed.version
    if version is None:
        known = all(kind.input(name) is not None for name in placed.inputs)
        version = definition.version if known else min(definition.migrations)
    inputs = dict(placed.inputs)
    while version < definition.version:
        migrate = definition.migrations.get(version)
        inputs = migrate(inputs) if migrate else inputs
        version += 1
    return replace(placed, inputs=inputs)


def _bounds(each: Input) -> tuple[float | None, float | None]:
    match each.widget:
        case Range(min=low, max=high):
            return (int(low), int(high)) if each.type == "INT" else (float(low), float(high))
        case Seed():
            return 0, MAX_SEED
        case _:
            return (-LARGEST, LARGEST) if each.type == "INT" else (None, None)


def _file_problem(folders: Folders, folder: str, name: str) -> str | None:
    try:
        folders.path(folder, name)
    except NodeError as error:
        return str(error)
    return None


def _no_choice(placed: Placed, name: str, value: str, choices: Sequence[str]) -> str:
    shown = ", ".join(choices[:_MANY_CHOICES]) + (", ..." if len(choices) > _MANY_CHOICES else "")
    return (
        f"{placed.name}: {name} is '{brief(value)}'; it must be one of {shown or 'none: there is nothing to choose'}."
    )


def _hook_problem(placed: Placed, error: Exception, what: str) -> Problem:
    text = brief(str(error) or type(error).__name__)
    extra: Mapping[str, Any] = {
        "exception_type": type(error).__name__,
        "traceback": traceback.format_tb(error.__traceback__),
    }
    return Problem(
        placed.id,
        "exception_during_validation",
        "Exception when validating node",
        text,
        extra,
        f"{placed.name}: {what}: {text}.",
    )
