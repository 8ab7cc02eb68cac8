"""A workflow as a Python script that a person can read and run, and such a script read back. Nothing is executed.

A node is a call of a function that is called as the node type, in lower case with underscores; what it returns are its
outputs. Variables are called as titles are. Types that are no node of ours, or whose function would be called as
another's, are calls of `node("Type", ...)`.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, cast

from server.engine.graph import Graph, Link, Placed
from server.formats.errors import FormatError
from server.formats.prompt import Prompt
from server.formats.shapes import Shapes

_MARK = "from sfumato.nodes import "
_WIDTH = 110
_LIMIT = 2_000_000


def is_script(text: str) -> bool:
    """Whether a text is a script that builds a workflow."""
    return len(text) <= _LIMIT and (_MARK in text or "from sfumato import" in text or "import sfumato" in text)


def function_name(node_type: str) -> str:
    """What a node type's function is called: `CLIPTextEncode` is clip_text_encode, `KSampler` is ksampler."""
    words = re.sub(r"[^0-9A-Za-z]+", "_", node_type.replace("+", " plus "))
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[A-Z]{2})(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", words)
    name = re.sub(r"_+", "_", words).strip("_").lower()
    return f"{name}_" if keyword.iskeyword(name) else f"n_{name}" if not name[:1].isalpha() else name


def functions_of(shapes: Shapes) -> dict[str, str]:
    """Node types by the names of their functions; a name that two would have is ours, or else neither's."""
    found: dict[str, str] = {}
    twice: set[str] = {"node", "run", "workflow"}
    for node_type in shapes:
        name = function_name(node_type)
        if name not in found:
            found[name] = node_type
        elif found[name] not in shapes.ours or node_type in shapes.ours:
            twice.add(name)
    return {name: node_type for name, node_type in found.items() if name not in twice}


def to_script(graph: Graph, shapes: Shapes, title: str = "") -> str:
    """The script that builds this graph, and runs it when it is run. Raises FormatError for a cycle, or no nodes."""
    return _Writer(graph, shapes).script(title)


def from_script(text: str, shapes: Shapes) -> Prompt:
    """The prompt that a script builds. Raises FormatError naming the line that is more than such a script says."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
        raise FormatError(f"The script is no Python{line}.") from error
    return _Reader(functions_of(shapes), shapes).prompt(tree)


class _Writer:
    def __init__(self, graph: Graph, shapes: Shapes) -> None:
        self._graph = graph
        self._shapes = shapes
        self._functions = {node_type: name for name, node_type in functions_of(shapes).items()}
        self._taken = {*self._functions.values(), "node", "sfumato", "workflow"}
        self._names: dict[str, list[str]] = {}
        self._slots: dict[str, int] = {}
        for _, link in (each for placed in graph for each in placed.links):
            self._slots[link.node] = max(self._slots.get(link.node, 0), link.slot)
        self._used: set[str] = set()

    def script(self, title: str) -> str:
        body = [self._call(placed) for placed in in_order(self._graph)]
        if not body:
            raise FormatError("No node of this workflow runs: there is nothing to write a script of.")
        names = ", ".join(sorted(self._used))
        imports = f"{_MARK}{names}" if len(_MARK + names) <= _WIDTH else f"{_MARK}(\n{_listed(sorted(self._used))})"
        ends = [self._names[placed.id][0] for placed in self._ends()]
        heading = title.replace("\\", " ").replace('"', "'").strip() or "A workflow"
        return "\n".join(
            [
                f'"""{heading}. Running this script runs the workflow."""',
                "",
                "import sfumato",
                imports,
                "",
                *body,
                "",
                f"workflow = sfumato.workflow({', '.join(ends)})",
                "",
                'if __name__ == "__main__":',
                "    sfumato.run(workflow)",
                "",
            ]
        )

    def _ends(self) -> Iterator[Placed]:
        """The nodes that feed no other."""
        fed = {link.node for placed in self._graph for _, link in placed.links}
        return (placed for placed in self._graph if placed.id not in fed)

    def _call(self, placed: Placed) -> str:
        name = self._functions.get(placed.type)
        first = [] if name else [repr(placed.type)]
        self._used.add(name or "node")
        plain = {k: v for k, v in placed.inputs.items() if k.isidentifier() and not keyword.iskeyword(k)}
        arguments = [*first, *(f"{k}={self._value(v)}" for k, v in plain.items())]
        rest = {k: v for k, v in placed.inputs.items() if k not in plain}
        if rest:
            arguments.append("**{" + ", ".join(f"{k!r}: {self._value(v)}" for k, v in rest.items()) + "}")
        if placed.title and placed.title != self._usual_title(placed.type):
            arguments.append(f"_title={placed.title!r}")
        self._names[placed.id] = self._outputs(placed)
        start = f"{self._target(placed)} = {name or 'node'}("
        line = start + ", ".join(arguments) + ")"
        if len(line) <= _WIDTH:
            return line
        return start + "\n" + "".join(f"    {argument},\n" for argument in arguments) + ")"

    def _usual_title(self, node_type: str) -> str:
        shape = self._shapes.get(node_type)
        return shape.title if shape else node_type

    def _target(self, placed: Placed) -> str:
        return ", ".join(self._names[placed.id])

    def _outputs(self, placed: Placed) -> list[str]:
        """The variables of a node's outputs: one for each that is known, called as it or as the node's own title."""
        shape = self._shapes.get(placed.type)
        known = [name for name, _ in shape.outputs] if shape else []
        own = placed.title if placed.title != self._usual_title(placed.type) else ""
        if len(known) < 2 or self._slots.get(placed.id, 0) >= len(known):
            return [self._fresh(own or (known[0] if len(known) == 1 else "result" if shape else placed.type))]
        return [self._fresh(name) for name in known]

    def _fresh(self, wanted: str) -> str:
        stem = re.sub(r"\W+", "_", wanted.lower(), flags=re.ASCII).strip("_") or "value"
        stem = stem if stem[0].isalpha() and not keyword.iskeyword(stem) else f"v_{stem}"
        name, number = stem, 1
        while name in self._taken:
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(name)
        return name

    def _value(self, value: Any) -> str:
        if not isinstance(value, Link):
            return repr(value)
        names = self._names.get(value.node)
        if names is None:
            return repr(None)
        if len(names) > 1:
            return names[value.slot]
        return names[0] if value.slot == 0 else f"{names[0]}[{value.slot}]"


def in_order(graph: Graph) -> list[Placed]:
    """The nodes, each after what feeds it, otherwise as they were. Raises FormatError when that cannot be."""
    waits = {placed.id: len({link.node for _, link in placed.links if link.node in graph}) for placed in graph}
    feeds: dict[str, list[str]] = {placed.id: [] for placed in graph}
    for placed in graph:
        for origin in {link.node for _, link in placed.links if link.node in graph}:
            feeds[origin].append(placed.id)
    place = {placed.id: number for number, placed in enumerate(graph)}
    ready = [(place[name], name) for name, count in waits.items() if count == 0]
    found: list[Placed] = []
    while ready:
        _, name = heappop(ready)
        found.append(graph[name])
        for fed in feeds[name]:
            waits[fed] -= 1
            if waits[fed] == 0:
                heappush(ready, (place[fed], fed))
    if len(found) < len(graph):
        rest = next(name for name, count in waits.items() if count)
        raise FormatError(f"Node {rest} is part of a cycle; a script cannot say that.")
    return found


def _listed(names: Iterable[str]) -> str:
    return "".join(f"    {name},\n" for name in names)


@dataclass
class _Reader:
    """Takes a script's statements one by one. Variables hold links; nothing else is known to it."""

    functions: Mapping[str, str]
    shapes: Shapes
    nodes: Prompt = field(default_factory=dict[str, Any])
    names: dict[str, Link] = field(default_factory=dict[str, Link])

    def prompt(self, tree: ast.Module) -> Prompt:
        for statement in tree.body:
            self._statement(statement)
        if not self.nodes:
            raise FormatError("The script builds no workflow.")
        return self.nodes

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Import() | ast.ImportFrom() | ast.If() | ast.Expr(value=ast.Constant()):
                pass
            case ast.Assign(targets=[_], value=ast.Call(func=ast.Attribute(value=ast.Name(id="sfumato")))):
                pass  # workflow = sfumato.workflow(...)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call):
                self.names[name] = Link(self._node(call), 0)
            case ast.Assign(targets=[ast.Tuple(elts=elements)], value=ast.Call() as call):
                node = self._node(call)
                for slot, element in enumerate(elements):
                    if not isinstance(element, ast.Name):
                        raise _unreadable(element)
                    self.names[element.id] = Link(node, slot)
            case ast.Expr(value=ast.Call() as call):
                if not isinstance(call.func, ast.Attribute):
                    self._node(call)
            case _:
                raise _unreadable(statement)

    def _node(self, call: ast.Call) -> str:
        kind, rest = self._kind(call)
        if rest:
            raise _unreadable(call)
        inputs: dict[str, Any] = {}
        for argument in call.keywords:
            if argument.arg is not None:
                inputs[argument.arg] = self._value(argument.value)
            elif isinstance(argument.value, ast.Dict):
                inputs.update(self._items(argument.value))
            else:
                raise _unreadable(call)
        shape = self.shapes.get(kind)
        title = inputs.pop("_title", shape.title if shape else kind)
        name = str(len(self.nodes) + 1)
        self.nodes[name] = {
            "class_type": kind,
            "inputs": {key: _plain(value) for key, value in inputs.items() if value is not None},
            **({"_meta": {"title": title}} if isinstance(title, str) else {}),
        }
        return name

    def _kind(self, call: ast.Call) -> tuple[str, list[ast.expr]]:
        match call:
            case ast.Call(func=ast.Name(id="node"), args=[ast.Constant(value=str(kind)), *rest]):
                return kind, rest
            case ast.Call(func=ast.Name(id=name), args=rest) if name in self.functions:
                return self.functions[name], rest
            case ast.Call(func=ast.Name(id=name)):
                raise FormatError(f"Line {call.lineno} of the script calls {name}, which is no node.")
            case _:
                raise _unreadable(call)

    def _items(self, given: ast.Dict) -> Iterator[tuple[str, Any]]:
        for key, value in zip(given.keys, given.values, strict=True):
            if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                raise _unreadable(given)
            yield key.value, self._value(value)

    def _value(self, value: ast.expr) -> Any:
        match value:
            case ast.Name(id=name) if name in self.names:
                return self.names[name]
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=int(slot))) if name in self.names:
                return Link(self.names[name].node, slot)
            case _:
                try:
                    return ast.literal_eval(value)
                except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
                    raise _unreadable(value) from error


def _plain(value: Any) -> Any:
    return [value.node, value.slot] if isinstance(value, Link) else value


def _unreadable(part: ast.AST) -> FormatError:
    line = cast("int", getattr(part, "lineno", 0))
    return FormatError(
        f"Line {line} of the script is more than a workflow: only calls of nodes, with values and variables, are read. "
        "Run the script instead."
    )
