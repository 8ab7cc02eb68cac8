"""A node's fields by name, from the list of values that an editor's file holds by position."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nodes.brought import brought_by, is_brought
from server.formats.document import Item
from server.formats.legacy import current_input, current_value, is_word, rows_of
from server.formats.rows import places_of, take_rows
from server.formats.shapes import InputShape, NodeShape

CONTROLS = frozenset({"fixed", "increment", "decrement", "randomize"})
_NOT_SENT = frozenset({"control_after_generate", "control_before_generate", "control_filter_list", "upload"})


def fields_of(item: Item, shape: NodeShape | None) -> dict[str, Any]:
    """The values of a node's fields by name; a field without a value is left out.

    The node type's own order says which value is whose. Where nothing is known of the type, or the file lists other
    fields than the type has today, the file's own list of them does.
    """
    rows: Mapping[str, Any] = {}
    if isinstance(item.values, Mapping):
        wanted = {i.name for i in shape.inputs if i.widget or i.rows} if shape else None
        named = {name: v for name, v in item.values.items() if wanted is None or name in wanted}
    elif shape is not None and places_of(shape):
        rows, values = take_rows(item.values, shape)
        named = _zipped(values, _fields_in_order(item, values, shape))
    elif (known := rows_of(item.type, item.values)) is not None:
        return known
    else:
        named = _zipped(item.values, _fields_in_order(item, item.values, shape))
    return {
        **{
            current_input(item.type, name): current_value(name, value)
            for name, value in named.items()
            if value is not None and name not in _NOT_SENT
        },
        **rows,
    }


def own_fields(item: Item) -> tuple[InputShape, ...]:
    """The fields that a node's inputs list in the file, in order."""
    return tuple(
        InputShape(socket.widget, socket.type, widget=True, control=False)
        for socket in item.inputs
        if socket.widget is not None
    )


def known_fields(item: Item, shape: NodeShape | None) -> tuple[InputShape, ...] | None:
    """The fields that a node's values are of, in order: what the file leaves to be known. None where nothing is."""
    if shape is None or isinstance(item.values, Mapping) or not item.values or places_of(shape):
        return None
    fields = _fields_in_order(item, item.values, shape)
    return fields if fields and all(each.widget for each in fields) else None


def zip_fields(values: Sequence[Any], fields: Iterable[InputShape]) -> dict[str, Any]:
    """Values by name, stepping over what follows a seed or an upload."""
    return _zipped(values, tuple(fields))


def _fields_in_order(item: Item, values: Sequence[Any], shape: NodeShape | None) -> tuple[InputShape, ...]:
    listed = own_fields(item)
    if shape is None:
        return listed
    widgets = shape.widgets
    names = {w.name for w in widgets}
    if any(is_brought(item.type, name) for name in names):
        return _with_brought(item.type, values, listed, widgets)
    # Files since 2025 list every field of a node: more of them, or others, than the type has means another version.
    others = tuple(each for each in listed if current_input(item.type, each.name) not in names)
    if others and len(listed) >= len(widgets):
        if len(listed) < _counted(values) == len(widgets) + len(others):
            return (*widgets, *others)  # a list that leaves out fields that stayed as they were
        known = {w.name: w for w in widgets}
        return tuple(known.get(each.name, each) for each in listed)
    if len(values) > 1 and is_word(item.type, values[1]):
        return widgets[:1]
    if shape.versions and not _fits(values, widgets):
        version = next((each for each in shape.versions if _fits(values, each)), None)
        if version is not None:
            return version
    forced = tuple(i for i in shape.inputs if i.plain)
    if len(forced) > len(widgets) and _slots(forced) == len(values) != _slots(widgets):
        return forced  # files of before 2025 kept a place for fields that are always sockets
    if shape.pack is not None and len(values) not in (len(widgets), _slots(widgets)):
        return listed  # packs add fields in the middle: what another version meant by a place is not known
    return widgets


def _with_brought(
    node_type: str, values: Sequence[Any], listed: tuple[InputShape, ...], widgets: tuple[InputShape, ...]
) -> tuple[InputShape, ...]:
    """The fields of a node whose choice brings fields of its own, `choice.field`: a file has those of what was chosen.

    They follow the choice. A file that lists every field that it has a value for says it itself.
    """
    known = {w.name: w for w in widgets}
    if len(listed) >= len(values):
        return tuple(known.get(each.name, each) for each in listed)
    found: list[InputShape] = []
    for each in widgets:
        if not is_brought(node_type, each.name):
            chosen = values[len(found)] if len(found) < len(values) else None
            brought = brought_by(node_type, each.name, chosen)
            found += [each, *(known[name] for name in brought if name in known)]
    return tuple(found)


def _fits(values: Sequence[Any], fields: Sequence[InputShape]) -> bool:
    """Whether there are as many values as these fields have, each of a kind that its field could hold."""
    if len(values) not in (len(fields), _slots(fields)):
        return False
    named = _zipped(values, tuple(fields))
    return len(named) == len(fields) and all(_may_be(named[each.name], each.type) for each in fields)


def _may_be(value: Any, kind: str) -> bool:
    match kind:
        case "INT" | "FLOAT":
            return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
        case "BOOLEAN":
            return value is None or isinstance(value, bool)
        case "STRING":
            return value is None or isinstance(value, str)
        case _:
            return True


def _counted(values: Sequence[Any]) -> int:
    """How many values there are but for those that say what becomes of a number after each run."""
    return sum(not (isinstance(value, str) and value in CONTROLS) for value in values)


def _slots(fields: Sequence[InputShape]) -> int:
    return sum(1 + each.control for each in fields)


def _zipped(values: Sequence[Any], fields: tuple[InputShape, ...]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    place = 0
    for number, each in enumerate(fields):
        if place >= len(values):
            break
        if each.widget:
            named[each.name] = values[place]
        place += 1
        spare = len(values) - place > len(fields) - number - 1
        if place < len(values) and _is_control(values[place], each, spare=spare):
            place += 1
    return named


def _is_control(value: Any, before: InputShape, *, spare: bool) -> bool:
    """Whether a value says what becomes of the number before it after each run (old files: true or false)."""
    if before.control:
        return value in CONTROLS if isinstance(value, str) else isinstance(value, bool) and spare
    numeric = before.type in ("INT", "FLOAT", "*", "COMBO")
    return numeric and spare and isinstance(value, str) and value in CONTROLS
