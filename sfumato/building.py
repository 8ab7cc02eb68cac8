"""Workflows built of calls: what a node's function returns are its outputs, and other nodes take them as inputs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.formats.prompt import Prompt
from server.formats.shapes import NodeShape

_RESERVED = "_title"


@dataclass(frozen=True, eq=False)
class Call:
    """One node: its type, and its inputs, which are values or outputs of other nodes."""

    type: str
    inputs: Mapping[str, Any]
    title: str = ""


@dataclass(frozen=True, eq=False)
class Out:
    """An output of a node. `out[1]` is another output of the same node."""

    call: Call
    slot: int = 0

    def __getitem__(self, slot: int) -> Out:
        if slot < 0 or slot > 1000:  # and so unpacking what has one output ends with an error that says so
            raise IndexError(f"{self.call.type} has no output {slot}.")
        return Out(self.call, slot)

    def __iter__(self) -> Iterator[Out]:
        raise TypeError(f"{self.call.type} has one known output; take others by their number, as in out[1].")


@dataclass(frozen=True)
class Workflow:
    """A finished workflow, as the API format says it."""

    prompt: Prompt = field(default_factory=dict[str, Any])


def workflow(*ends: Out | tuple[Out, ...]) -> Workflow:
    """The workflow of these nodes and all that feed them. Give it what nothing else takes: usually what saves."""
    outs = [out for end in ends for out in (end if isinstance(end, tuple) else (end,))]
    names: dict[Call, str] = {}
    for call in _in_order([out.call for out in outs]):
        names[call] = str(len(names) + 1)
    return Workflow({name: _entry(call, names) for call, name in names.items()})


def _in_order(ends: list[Call]) -> list[Call]:
    """Every call, each after what feeds it."""
    found: dict[Call, None] = {}
    waiting: list[tuple[Call, bool]] = [(call, False) for call in reversed(ends)]
    while waiting:
        call, fed = waiting.pop()
        if call in found:
            continue
        if fed:
            found[call] = None
            continue
        waiting.append((call, True))
        feeding = [value.call for value in call.inputs.values() if isinstance(value, Out)]
        waiting.extend((each, False) for each in reversed(feeding) if each not in found)
    return list(found)


def _entry(call: Call, names: Mapping[Call, str]) -> dict[str, Any]:
    inputs = {name: _json(value, names) for name, value in call.inputs.items()}
    return {"class_type": call.type, "inputs": inputs, **({"_meta": {"title": call.title}} if call.title else {})}


def _json(value: Any, names: Mapping[Call, str]) -> Any:
    if isinstance(value, Out):
        return [names[value.call], value.slot]
    return {"__value__": value} if isinstance(value, list) else value


@dataclass(frozen=True)
class Function:
    """A node type as a function. Positional arguments are its inputs in order."""

    type: str
    shape: NodeShape | None

    def __call__(self, *values: Any, **inputs: Any) -> Any:
        """The node's output; a tuple of them when it has several. Raises TypeError naming an input it does not have."""
        title = inputs.pop(_RESERVED, "")
        order = [each.name for each in self.shape.inputs] if self.shape else []
        if len(values) > len(order):
            raise TypeError(f"{self.type} takes {len(order)} inputs by position; {len(values)} were given.")
        for name, value in zip(order, values, strict=False):
            if name in inputs:
                raise TypeError(f"{self.type}: {name} is given twice.")
            inputs[name] = value
        for name in inputs:
            self._check(name, order)
        call = Call(self.type, {k: v for k, v in inputs.items() if v is not None}, title)
        count = len(self.shape.outputs) if self.shape else 1
        return tuple(Out(call, slot) for slot in range(count)) if count > 1 else Out(call)

    def _check(self, name: str, order: list[str]) -> None:
        if self.shape is not None and self.shape.ours and self.shape.input(name) is None:
            near = difflib.get_close_matches(name, order, n=1)
            raise TypeError(f"{self.type} has no input {name!r}.{f' Is it {near[0]!r}?' if near else ''}")
