"""Nodes of the pysssss custom scripts: text that is shown, text put together, sums."""

from __future__ import annotations

import math
import re
from typing import Annotated, NamedTuple

from nodes.define import AnyValue, NodeError, Shown, node
from nodes.expressions import Number, evaluated
from nodes.types import Image, Latent
from nodes.widgets import Choice, Many, Socket, Spare, Text, Wire

PACK = "Custom Scripts"

_UTILITIES = "utils"
_YES, _NO = "yes", "no"
_APPEND, _REPLACE = "append", "replace"
_LATENT_PIXEL = 8

_Lines = Annotated[str, Text(multiline=True)]
_Measurable = Annotated[AnyValue | None, Socket("INT,FLOAT,IMAGE,LATENT")]


class ShownTexts(NamedTuple):
    """Texts, which are shown too."""

    STRING: Annotated[list[str], Many]
    ui: Shown


class ShownText(NamedTuple):
    """A text, which is shown too."""

    STRING: str
    ui: Shown


class Result(NamedTuple):
    """A number, without and with its fraction."""

    INT: int
    FLOAT: float


@node(id="ShowText|pysssss", title="Show Text", category=_UTILITIES, terminal=True)
def show_text(*, text: Annotated[list[str], Many, Wire]) -> ShownTexts:
    """Show texts, and hand them on."""
    return ShownTexts(text, Shown(data={"text": text}))


@node(id="StringFunction|pysssss", title="String Function", category=_UTILITIES, terminal=True)
def string_function(
    *,
    action: Annotated[str, Choice((_APPEND, _REPLACE))] = _APPEND,
    tidy_tags: Annotated[str, Choice((_YES, _NO))] = _YES,
    text_a: Annotated[_Lines, Spare] = "",
    text_b: Annotated[_Lines, Spare] = "",
    text_c: Annotated[_Lines, Spare] = "",
) -> ShownText:
    """Texts put together, or in the first the second replaced by the third; /.../ replaces a regular expression.

    Tidy tags are separated by one comma and a blank each.
    """
    tidy = tidy_tags == _YES
    if action == _APPEND:
        found = (", " if tidy else "").join(text for text in (text_a, text_b, text_c) if text)
    else:
        found = _replaced(text_a, text_b, text_c)
    if tidy:
        found = ", ".join(tag for tag in (re.sub(r"\s+", " ", part).strip() for part in found.split(",")) if tag)
    return ShownText(found, Shown(data={"text": [found]}))


def _replaced(text: str, find: str, by: str) -> str:
    pattern = re.fullmatch(r"/(.+)/", find, re.DOTALL)
    if pattern is None:
        return text.replace(find, by) if find else text
    try:
        return re.sub(pattern[1], by, text)
    except (re.error, IndexError) as error:
        raise NodeError(f"{find!r} cannot be replaced by {by!r}: {error}.") from None


@node(id="MathExpression|pysssss", title="Math Expression", category=_UTILITIES, terminal=True)
def math_expression(
    *, expression: _Lines, a: _Measurable = None, b: _Measurable = None, c: _Measurable = None
) -> Result:
    """What an expression of a, b and c comes to; of pictures and latents there are a.width and a.height, in pixels."""
    names: dict[str, Number] = {}
    for name, value in zip("abc", (a, b, c), strict=True):
        names |= _measures(name, value)
    found = evaluated(expression, names)
    if not math.isfinite(found):
        raise NodeError(f"{expression!r} comes to {found}, which is no number to go on with.")
    return Result(int(found), float(found))


def _measures(name: str, value: object) -> dict[str, Number]:
    match value:
        case int() | float():
            return {name: value}
        case Image(pixels=pixels):
            return {f"{name}.width": pixels.shape[2], f"{name}.height": pixels.shape[1]}
        case Latent(samples=samples):
            height, width = (side * _LATENT_PIXEL for side in samples.shape[-2:])
            return {f"{name}.width": width, f"{name}.height": height}
        case _:
            return {}
