"""Nodes as data: what the server keeps of custom packs, which only workers import."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from nodes import widgets
from nodes.define import MISSING, Input, NodeDef, Output

Json = Mapping[str, Any]

_WIDGETS: Mapping[str, type] = {
    cls.__name__: cls
    for cls in (widgets.Range, widgets.Seed, widgets.Choice, widgets.Files, widgets.Text, widgets.Toggle, widgets.Rows)
}
_LARGEST = 2**63 - 1
_PLAIN = (str, int, float, bool, type(None))


def digest(roots: Iterable[Path]) -> str:
    """What identifies the code of custom packs: names, sizes and times of every Python file."""
    found = hashlib.sha256()
    for root in roots:
        for path in sorted(root.rglob("*.py")) if root.is_dir() else []:
            try:
                stat = path.stat()
            except OSError:
                continue
            found.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def to_data(definition: NodeDef) -> Json:
    """A node's schema as JSON. What its functions do stays behind, and what a pack wrote that is no JSON as well."""
    return _plain(
        {
            "id": definition.id,
            "title": definition.title,
            "category": definition.category,
            "description": definition.description,
            "inputs": [_input_data(each) for each in definition.inputs],
            "outputs": [dataclasses.asdict(each) for each in definition.outputs],
            "hidden": dict(definition.hidden),
            "terminal": definition.terminal,
            "version": definition.version,
            "deprecated": definition.deprecated,
            "experimental": definition.experimental,
            "module": definition.module,
            "aliases": list(definition.aliases),
            "asks": _asks(definition),
        }
    )


def asks(data: Json) -> bool:
    """Whether only a worker can say all that is wrong with this node: it has a check, older versions, or live lists."""
    return bool(data.get("asks", True))


def from_data(data: Json) -> NodeDef:
    """The node that `to_data` was given, which cannot be run here. Raises ValueError."""
    try:
        rest = {key: data[key] for key in ("id", "title", "category", "description", "hidden", "terminal", "version")}
        return NodeDef(
            **rest,
            inputs=tuple(_input(each) for each in data["inputs"]),
            outputs=tuple(Output(**each) for each in data["outputs"]),
            run=_elsewhere,
            deprecated=data["deprecated"],
            experimental=data["experimental"],
            module=data["module"],
            aliases=tuple(data["aliases"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"This is no node: {error}.") from error


def _plain(value: Any) -> Any:
    """A value with only what JSON holds in it: other objects as text, numbers that are none as nothing."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case str() | int() | None:
            return value
        case dict():
            return {str(key): _plain(part) for key, part in cast("dict[Any, Any]", value).items()}
        case list() | tuple():
            return [_plain(part) for part in cast("list[Any]", value)]
        case _:
            return str(value)


def _asks(definition: NodeDef) -> bool:
    live = any(isinstance(each.widget, widgets.Choice) and callable(each.widget.options) for each in definition.inputs)
    return live or bool(definition.migrations) or definition.check is not NodeDef.__dataclass_fields__["check"].default


def _elsewhere(**_: Any) -> Any:
    raise RuntimeError("This node runs in a worker.")


def _input_data(each: Input) -> Json:
    data = {f.name: getattr(each, f.name) for f in dataclasses.fields(each)}
    data["has_default"] = isinstance(each.default, _PLAIN) and _plain(each.default) == each.default
    data["default"] = each.default if data["has_default"] else None
    data["each"] = dataclasses.asdict(each.each) if each.each is not None else None
    data["widget"] = _widget_data(each.widget) if each.widget is not None else None
    return data


def _widget_data(widget: widgets.Widget) -> Json:
    if isinstance(widget, widgets.Choice):
        return {"kind": "Choice", "options": list(widget.names())}
    if isinstance(widget, widgets.Rows):
        cells = [{**_fields(c), "widget": _widget_data(c.widget) if c.widget else None} for c in widget.cells]
        return {"kind": "Rows", **_fields(widget), "cells": cells}
    data = {"kind": type(widget).__name__, **dataclasses.asdict(widget)}
    if isinstance(widget, widgets.Range):
        data["min"] = widget.min if _is_number(widget.min) else -_LARGEST
        data["max"] = widget.max if _is_number(widget.max) else _LARGEST
        data["step"] = widget.step if _is_number(widget.step) else None
        data["round"] = widget.round if _is_number(widget.round) else None
    return data


def _fields(value: widgets.Rows | widgets.Cell) -> Json:
    return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _input(data: Json) -> Input:
    values = dict(data)
    has_default = values.pop("has_default")
    values["default"] = values["default"] if has_default else MISSING
    values["each"] = widgets.Each(**values["each"]) if values["each"] is not None else None
    values["widget"] = _widget(values["widget"]) if values["widget"] is not None else None
    return Input(**values)


def _widget(data: Json) -> Any:
    if data["kind"] == "Rows":
        cells = [widgets.Cell(**{**c, "widget": c["widget"] and _widget(c["widget"])}) for c in data["cells"]]
        data = {**data, "cells": cells}
    values = {
        key: tuple(cast("list[Any]", v)) if isinstance(v, list) else v for key, v in data.items() if key != "kind"
    }
    return _WIDGETS[data["kind"]](**values)
