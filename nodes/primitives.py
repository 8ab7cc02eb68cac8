"""Plain values as nodes, switches between values, and a look at them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, NamedTuple

from nodes.define import AnyValue, Shown, node
from nodes.widgets import Advanced, Lazy, Named, Range, Spare, Text

_LIMIT = 2**63 - 1


@node(id="PrimitiveString", title="String", category="utils/primitive")
def primitive_string(*, value: Annotated[str, Text()]) -> str:
    """A line of text."""
    return value


@node(id="PrimitiveStringMultiline", title="String (Multiline)", category="utils/primitive")
def primitive_string_multiline(*, value: Annotated[str, Text(multiline=True)]) -> str:
    """Text of many lines."""
    return value


@node(id="PrimitiveInt", title="Int", category="utils/primitive")
def primitive_int(*, value: Annotated[int, Range(-_LIMIT, _LIMIT)] = 0) -> int:
    """A whole number."""
    return value


@node(id="PrimitiveFloat", title="Float", category="utils/primitive")
def primitive_float(*, value: Annotated[float, Range(-_LIMIT, _LIMIT, step=0.1)] = 0.0) -> float:
    """A number."""
    return value


@node(id="PrimitiveBoolean", title="Boolean", category="utils/primitive")
def primitive_boolean(*, value: bool = False) -> bool:
    """Yes or no."""
    return value


class Chosen(NamedTuple):
    """One of several words, and its place among them."""

    string: str
    place: Annotated[int, Named("INDEX")]


@node(id="CustomCombo", title="Custom Combo", category="utils", experimental=True, version=2)
def custom_combo(*, choice: str = "", index: Annotated[int, Range(0, _LIMIT), Spare, Advanced] = 0) -> Chosen:
    """One of the words that were written into the node, and its place among them."""
    return Chosen(choice, index)


@node(id="ComfySwitchNode", title="Switch", category="logic", experimental=True, outputs=("output",))
def switch_node(*, switch: bool, on_false: Annotated[AnyValue, Lazy], on_true: Annotated[AnyValue, Lazy]) -> AnyValue:
    """One of two values; the other is not computed."""
    return on_true if switch else on_false


@switch_node.needs
def _switched(switch: bool | None) -> Iterable[str]:
    return ["on_true" if switch else "on_false"]


class ShownText(NamedTuple):
    """A text, shown in the node."""

    string: str
    ui: Shown


@node(id="PreviewAny", title="Preview as Text", category="utils", terminal=True, version=2)
def preview_any(*, source: AnyValue) -> ShownText:
    """Show any value as text."""
    text = describe(source)
    return ShownText(text, Shown(data={"text": [text]}))


def describe(value: Any) -> str:
    """A value as text: plain ones as they are, others by their kind and the shapes of what they hold."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value)
    if is_dataclass(value):
        held = {f.name: getattr(value, f.name) for f in fields(value)}
        shapes = [f"{name} {_shape(v)}" for name, v in held.items() if hasattr(v, "shape")]
        return f"{type(value).__name__}: {', '.join(shapes)}" if shapes else str(value)
    try:
        return json.dumps(value, indent=2, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(value)


def _shape(tensor: Any) -> str:
    return " x ".join(str(n) for n in tensor.shape)
