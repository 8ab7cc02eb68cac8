"""How a node is called over lists, and how its answers become one result.

Every value travels as a tuple of items: one, or as many as a list has. A node is called once for each place of its
longest input, shorter ones repeating their last; inputs marked `Many` take the whole list each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from nodes.define import Blocked, Saved, Shown
from server.engine.cache import Items
from server.engine.kinds import Kind

Values = dict[str, Any]
"""What a function is called with, by parameter."""


def calls_of(kind: Kind, items: Mapping[str, Items]) -> list[Values]:
    """The arguments of each call, given the items of each input that has any. No call if a mapped list is empty."""
    whole: Values = dict(kind.defaults)
    single: dict[str, tuple[str, Items]] = {}
    stems: dict[str, list[str]] = {}
    for name, values in items.items():
        each = kind.inputs.get(name)
        if each is None:
            stems.setdefault(name.split(".", 1)[0], []).append(name)
            single[name] = (name, values)
        elif each.many:
            whole[each.parameter] = list(values)
        else:
            single[name] = (each.parameter, values)
    lengths = [len(values) for _, values in single.values()]
    count = 0 if 0 in lengths else max(lengths, default=1)
    return [_call(kind, whole, single, stems, place) for place in range(count)]


def _call(
    kind: Kind, whole: Values, single: Mapping[str, tuple[str, Items]], stems: Mapping[str, Sequence[str]], place: int
) -> Values:
    values = dict(whole)
    for parameter, items in single.values():
        values[parameter] = items[place] if place < len(items) else items[-1]
    for stem, each in kind.growing.items():
        names = sorted(stems.get(stem, ()), key=lambda name: int(name.rsplit(".", 1)[1]))
        values[each.parameter] = [values.pop(name) for name in names]
    return values


def blocks_in(values: Values) -> list[Blocked]:
    """What keeps this call from being made."""
    return [item for item in _flat(values) if isinstance(item, Blocked)]


def as_items(kind: Kind, outputs: Sequence[Any]) -> tuple[Items, ...]:
    """The items of each output that one call gave; an output that is a list gives all its elements."""
    return tuple(
        tuple(cast("Sequence[Any]", value)) if output.many and isinstance(value, list | tuple) else (value,)
        for output, value in zip(kind.definition.outputs, outputs, strict=True)
    )


def joined(kind: Kind, calls: Sequence[tuple[Items, ...]]) -> tuple[Items, ...]:
    """The items of each output over all calls."""
    if len(calls) == 1:
        return calls[0]
    return tuple(tuple(item for call in calls for item in call[slot]) for slot in range(len(kind.definition.outputs)))


def merged(shown: Sequence[Shown | None]) -> Shown | None:
    """What several calls show, as one; None when none shows anything."""
    some = [each for each in shown if each is not None]
    if len(some) < 2:
        return some[0] if some else None
    files: dict[str, list[Saved]] = {}
    data: dict[str, list[Any]] = {}
    for each in some:
        for name, saved in each.files.items():
            files.setdefault(name, []).extend(saved)
        for name, values in each.data.items():
            data.setdefault(name, []).extend(values)
    return Shown(files, data)


def shown_json(shown: Shown) -> dict[str, Any]:
    """What a node shows, in ComfyUI's form."""
    return {
        **{
            name: [{"filename": s.filename, "subfolder": s.subfolder, "type": s.type} for s in saved]
            for name, saved in shown.files.items()
        },
        **{name: list(values) for name, values in shown.data.items()},
    }


def _flat(values: Values) -> Iterator[Any]:
    for value in values.values():
        if isinstance(value, list):
            yield from value
        else:
            yield value
