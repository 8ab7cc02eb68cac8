"""Pictures turned into what ControlNets are steered by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from nodes.define import node
from nodes.pictures import edges
from nodes.types import Image
from nodes.widgets import Range

_Threshold = Annotated[float, Range(0.01, 0.99, step=0.01)]


@node(id="Canny", category="image/preprocessors")
def canny(*, image: Image, low_threshold: _Threshold = 0.4, high_threshold: _Threshold = 0.8) -> Image:
    """White edges on black: those stronger than the high threshold, and what joins them above the low one."""
    found = edges.canny(edges.luma(image.pixels), low_threshold, high_threshold)
    return Image(found.unsqueeze(-1).expand(-1, -1, -1, 3).contiguous())


@canny.check
def _ordered(low_threshold: float | None, high_threshold: float | None) -> Iterable[str]:
    if low_threshold is not None and high_threshold is not None and low_threshold > high_threshold:
        yield f"low_threshold is {low_threshold}, above high_threshold ({high_threshold}); swap them."
