"""Plain values as nodes, switches between values, and a look at them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Annotated, Any

from nodes.define import AnyValue, Shown, node
from nodes.widgets import Lazy, Range, Text

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


@node(id="CustomCombo", title="Custom Combo", category="utils", experimental=True)
def custom_combo(*, choice: str = "") -> str:
    """One of the words that were written into the node."""
    return choice


@node(id="ComfySwitchNode", title="Switch", category="logic", experimental=True, outputs=("output",))
def switch_node(*, switch: bool, on_false: Annotated[AnyValue, Lazy], on_true: Annotated[AnyValue, Lazy]) -> AnyValue:
    """One of two values; the other is not computed."""
    return on_true if switch else on_false


@switch_node.needs
def _switched(switch: bool | None) -> Iterable[str]:
    return ["on_true" if switch else "on_false"]


@node(id="PreviewAny", title="Preview as Text", category="utils", terminal=True)
def preview_any(*, source: AnyValue) -> Shown:
    """Show any value as text."""
    return Shown(data={"text": [describe(source)]})


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
