"""How an IP-Adapter's weight is spread over a UNet's attention layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WEIGHT_TYPES = (
    "linear", "ease in", "ease out", "ease in-out", "reverse in-out", "weak input", "weak output", "weak middle",
    "strong middle", "style transfer", "composition", "strong style transfer", "style and composition",
    "style transfer precise", "composition precise",
)  # fmt: skip

NAMED = "layers "
"""How a kind begins that names its layers with their weights: "layers 3:2.0, 6:0.5". All others have none."""

_LEAST = 0.05
_WEAK = 0.2
_SLIGHT = 0.1
_SDXL_COUNT, _SD1_COUNT = 11, 16
_STYLE: Mapping[bool, frozenset[int]] = {True: frozenset({6}), False: frozenset({*range(4), *range(9, 16)})}
"""The layers that style comes through, for SDXL (True) and SD 1.x, in the order of computing."""
_COMPOSITION: Mapping[bool, Mapping[int, float]] = {True: {3: 1.0}, False: {4: 0.25, 5: 1.0}}
"""The layers that composition comes through, with how strongly."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's weight; where `swapped`, the picture is what guidance goes away from."""

    weight: float
    swapped: bool = False


def layer_weights(kind: str, weight: float, second: float | None, places: Sequence[str], *, sdxl: bool) -> list[Layer]:
    """The weight of each group of attention layers, in the order of computing; `places` say where each group is.

    `kind` is one of WEIGHT_TYPES, or "strong style and composition". `second` is the composition's weight where style
    and composition have one each, and what the precise kinds give the other of the two. A UNet of another depth than
    SDXL's or SD 1.x's has its layers stand for theirs at the same share of the way.
    """
    count = len(places)
    full = _SDXL_COUNT if sdxl else _SD1_COUNT
    numbers = [round(i * (full - 1) / max(count - 1, 1)) for i in range(count)]
    if kind.startswith(NAMED):
        named = named_layers(kind.removeprefix(NAMED))
        return [Layer(weight * named.get(number, 0.0)) for number in numbers]
    if kind in _BY_SHARE:
        return [Layer(weight * _BY_SHARE[kind](i / count)) for i in range(count)]
    if kind in _WEAKENED:
        return [Layer(weight * (_WEAK if place in _WEAKENED[kind] else 1.0)) for place in places]
    other = weight if second is None else second
    return [_by_number(kind, weight, other, number, sdxl=sdxl) for number in numbers]


def named_layers(text: str) -> dict[int, float]:
    """The weights in "3:2.0, 6:0.5" by the layer's number. Raises ValueError for what is written otherwise."""
    pairs = (part.split(":") for part in text.replace("\n", ",").split(",") if part.strip())
    return {int(number): float(weight) for number, weight in pairs}


_BY_SHARE = {
    "linear": lambda _: 1.0,
    "ease in": lambda share: _LEAST + (1 - _LEAST) * (1 - share),
    "ease out": lambda share: _LEAST + (1 - _LEAST) * share,
    "ease in-out": lambda share: _LEAST + (1 - _LEAST) * (1 - abs(share * 2 - 1)),
    "reverse in-out": lambda share: _LEAST + (1 - _LEAST) * abs(share * 2 - 1),
}
_WEAKENED = {
    "weak input": ("input",),
    "weak middle": ("middle",),
    "weak output": ("output",),
    "strong middle": ("input", "output"),
}


def _by_number(kind: str, weight: float, other: float, number: int, *, sdxl: bool) -> Layer:
    """The weight of the layer of this number in a UNet of the usual depth."""
    style, share = number in _STYLE[sdxl], _COMPOSITION[sdxl].get(number)
    composes = share is not None
    match kind:
        case "style transfer":
            return Layer(weight if style else 0.0)
        case "composition":
            return Layer(weight * (share or 0.0))
        case "strong style transfer":
            return Layer(0.0 if composes else weight)
        case "style and composition":
            return Layer(weight if style else other * (share or 0.0))
        case "strong style and composition":
            return Layer(other if composes else weight)
        case "style transfer precise":
            return Layer(other, swapped=True) if composes else Layer(weight if style else 0.0)
        case "composition precise":
            if composes:
                return Layer(weight)
            return Layer(other if style else weight * _SLIGHT, swapped=True)
        case _:
            raise ValueError(f"{kind!r} is no way to spread a weight; there are {', '.join(WEIGHT_TYPES)}.")
