"""Plain values as the easy-use pack, the quality-of-life suite and their like name them."""

from __future__ import annotations

from typing import Annotated

from nodes.define import node
from nodes.widgets import Named, Range, Text

PACK = "Easy Use"

_LOGIC = "EasyUse/Logic/Type"
_LARGEST = 2**31 - 1


@node(id="easy int", title="Int", category=_LOGIC, outputs=("int",))
def easy_int(*, value: Annotated[int, Range(-_LARGEST, _LARGEST, step=1)] = 0) -> int:
    """A whole number."""
    return value


@node(id="easy float", title="Float", category=_LOGIC, outputs=("float",))
def easy_float(*, value: Annotated[float, Range(-_LARGEST, _LARGEST, step=0.01)] = 0.0) -> float:
    """A number."""
    return value


@node(id="easy string", title="String", category=_LOGIC, outputs=("string",))
def easy_string(*, value: Annotated[str, Text()] = "") -> str:
    """A line of text."""
    return value


@node(id="easy boolean", title="Boolean", category=_LOGIC, outputs=("boolean",))
def easy_boolean(*, value: bool = False) -> bool:
    """Yes or no."""
    return value


@node(id="Text _O", category="O/text")
def text_o(*, text: Annotated[str, Text(multiline=True)] = "") -> str:
    """Text of many lines."""
    return text


@node(id="Text box", category="utils/primitive")
def text_box(*, text: Annotated[str, Text(multiline=True), Named("Text")] = "") -> str:
    """Text of many lines."""
    return text
