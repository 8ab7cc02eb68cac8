"""Nodes as ComfyUI's `object_info` says them, so that the clients and editors people have can draw ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nodes.brought import brought_when
from nodes.define import MISSING, Input, NodeDef
from nodes.folders import Folders
from nodes.widgets import Cell, Choice, Files, Range, Rows, Seed, Text, Toggle

Info = dict[str, Any]
MAX_SEED = 2**64 - 1


def object_info(definitions: Iterable[NodeDef], folders: Folders) -> dict[str, Info]:
    """The `object_info` of nodes, by id; file choices as they are on disk now."""
    return {definition.id: node_info(definition, folders) for definition in definitions}


def node_info(definition: NodeDef, folders: Folders) -> Info:
    """One node's entry: its inputs by group and order, its outputs, how it is shown."""
    groups: dict[str, dict[str, Any]] = {"required": {}}
    lists: set[str] = set()
    for each in definition.inputs:
        for name, spec in _entries(each, folders):
            if isinstance(each.widget, Rows):
                if each.widget.name in lists:  # the first place says what a row is
                    spec[1] = {**spec[1], "rows": {"name": each.widget.name}}
                lists.add(each.widget.name)
            if when := brought_when(definition.id, name):
                spec[1:] = [{**(spec[1] if len(spec) > 1 else {}), "when": dict(when)}]
            groups.setdefault("optional" if each.optional else "required", {})[name] = spec
    if definition.hidden:
        groups["hidden"] = dict(definition.hidden)
    info: Info = {
        "input": groups,
        "input_order": {group: list(inputs) for group, inputs in groups.items()},
        "output": [output.type for output in definition.outputs],
        "output_is_list": [output.many for output in definition.outputs],
        "output_name": [output.name for output in definition.outputs],
        "name": definition.id,
        "display_name": definition.title,
        "description": definition.description,
        "python_module": definition.module,
        "category": definition.category,
        "output_node": definition.terminal,
    }
    if any(output.tooltip for output in definition.outputs):
        info["output_tooltips"] = [output.tooltip for output in definition.outputs]
    if definition.deprecated:
        info["deprecated"] = True
    if definition.experimental:
        info["experimental"] = True
    if definition.aliases:
        info["search_aliases"] = list(definition.aliases)
    return info


def choices_of(each: Input, folders: Folders) -> tuple[str, ...] | None:
    """The names that an input can take, or None when it is no choice."""
    match each.widget:
        case Choice():
            return each.widget.names()
        case Files(folder=folder, extra=extra):
            return (*folders.names(folder), *extra)
        case _:
            return None


def input_spec(each: Input, folders: Folders) -> list[Any]:
    """An input as `[type or choices, options]`; the options are left out when there are none."""
    choices = choices_of(each, folders)
    kind: Any = list(choices) if choices is not None and each.type == "COMBO" else each.type
    options = {**_default(each, choices), **_widget_options(each), **_marks(each)}
    if isinstance(each.widget, Rows):
        options["rows"] = _rows_info(each.widget, folders)
    return [kind, options] if options else [kind]


def _rows_info(rows: Rows, folders: Folders) -> Info:
    frame = {"before": list(rows.before), "after": list(rows.after)}
    fields = {cell.name: _cell_spec(cell, folders) for cell in rows.cells}
    return {
        "name": rows.name,
        "add": rows.add,
        "fields": fields,
        **{name: each for name, each in frame.items() if each},
    }


def _cell_spec(cell: Cell, folders: Folders) -> list[Any]:
    each = Input(name=cell.name, type=cell.type, parameter=cell.name, widget=cell.widget, default=cell.default)
    kind, *options = input_spec(each, folders)
    more = {**({"display_name": cell.label} if cell.label else {}), **({"optional": True} if cell.optional else {})}
    return [kind, {**(options[0] if options else {}), **more}]


def _entries(each: Input, folders: Folders) -> Iterator[tuple[str, list[Any]]]:
    """The sockets that an input stands for: itself, or one for each place of a growing input."""
    if each.each is None:
        yield each.name, input_spec(each, folders)
        return
    growing = {"each": {"name": each.name, "min": each.each.min, "max": each.each.max}}
    kind, *options = input_spec(each, folders)
    for place in range(each.each.max):
        yield f"{each.name}.{place}", [kind, {**(options[0] if options else {}), **growing}]


def _default(each: Input, choices: tuple[str, ...] | None) -> Mapping[str, Any]:
    if not each.is_widget or each.default is None:
        return {}
    if each.default is MISSING:
        return {"default": ""} if isinstance(each.widget, Text) and choices is None else {}
    return {"default": float(each.default) if each.type == "FLOAT" else each.default}


def _widget_options(each: Input) -> Mapping[str, Any]:
    number = float if each.type == "FLOAT" else int
    match each.widget:
        case Range(min=low, max=high, step=step, round=rounding, slider=slider):
            return {
                "min": number(low),
                "max": number(high),
                **({"step": number(step)} if step is not None else {}),
                **({"round": rounding} if rounding is not None else {}),
                **({"display": "slider"} if slider else {}),
            }
        case Seed(control=control):
            return {"min": 0, "max": MAX_SEED, **({"control_after_generate": True} if control else {})}
        case Text(multiline=multiline, dynamic=dynamic, placeholder=placeholder):
            return {
                "multiline": multiline,
                **({"dynamicPrompts": True} if dynamic else {}),
                **({"placeholder": placeholder} if placeholder else {}),
            }
        case Toggle(on=on, off=off) if on or off:
            return {"label_on": on, "label_off": off}
        case Files(folder=folder, upload=str(upload)):
            return {f"{upload}_upload": True, **({"image_folder": folder} if folder != "input" else {})}
        case _:
            return {}


def _marks(each: Input) -> Mapping[str, Any]:
    plain = each.type in {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
    return {
        **({"forceInput": True} if each.wire and plain else {}),
        **({"lazy": True} if each.lazy else {}),
        **({"advanced": True} if each.advanced else {}),
        **({"tooltip": each.tooltip} if each.tooltip else {}),
    }
