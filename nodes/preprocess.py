"""Pictures turned into lines that ControlNets are steered by, by filters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import cv2
import numpy as np

from nodes.define import node
from nodes.pictures import edges, lines
from nodes.pictures.annotate import Levels, annotate
from nodes.types import Image
from nodes.widgets import Range, Spare

PACK = "ControlNet Auxiliary Preprocessors"

_LINES = "ControlNet Preprocessors/Line Extractors"
_Threshold = Annotated[float, Range(0.01, 0.99, step=0.01)]
_Level = Annotated[int, Range(0, 255), Spare]
_Resolution = Annotated[int, Range(64, 16384, step=64), Spare]


@node(id="Canny", category="image/preprocessors")
def canny(*, image: Image, low_threshold: _Threshold = 0.4, high_threshold: _Threshold = 0.8) -> Image:
    """White edges on black: those stronger than the high threshold, and what joins them above the low one."""
    found = edges.canny(edges.luma(image.pixels), low_threshold, high_threshold)
    return Image(found.unsqueeze(-1).expand(-1, -1, -1, 3).contiguous())


@canny.check
def _ordered(low_threshold: float | None, high_threshold: float | None) -> Iterable[str]:
    if low_threshold is not None and high_threshold is not None and low_threshold > high_threshold:
        yield f"low_threshold is {low_threshold}, above high_threshold ({high_threshold}); swap them."


@node(id="CannyEdgePreprocessor", title="Canny Edge", category=_LINES)
def canny_edge(
    *, image: Image, low_threshold: _Level = 100, high_threshold: _Level = 200, resolution: _Resolution = 512
) -> Image:
    """White edges on black, by OpenCV's Canny."""
    return annotate(image, resolution, lambda rgb: np.asarray(cv2.Canny(rgb, low_threshold, high_threshold)))


@node(id="PyraCannyPreprocessor", title="PyraCanny", category=_LINES)
def pyra_canny(
    *, image: Image, low_threshold: _Level = 64, high_threshold: _Level = 128, resolution: _Resolution = 512
) -> Image:
    """Edges that are the brighter, the more scales they are seen at."""
    return annotate(image, resolution, lambda rgb: lines.canny_pyramid(rgb, low_threshold, high_threshold))


@node(id="ScribblePreprocessor", title="Scribble Lines", category=_LINES)
def scribble(*, image: Image, resolution: _Resolution = 512) -> Image:
    """A drawing's dark strokes, white on black."""
    return annotate(image, resolution, lines.dark_strokes)


@node(id="Scribble_XDoG_Preprocessor", title="Scribble XDoG Lines", category=_LINES)
def scribble_xdog(
    *, image: Image, threshold: Annotated[int, Range(1, 64), Spare] = 32, resolution: _Resolution = 512
) -> Image:
    """Where a picture is darker than its surroundings, as strokes."""
    return annotate(image, resolution, lambda rgb: lines.xdog(rgb, threshold))


@node(id="LineartStandardPreprocessor", title="Standard Lineart", category=_LINES)
def lineart_standard(
    *,
    image: Image,
    guassian_sigma: Annotated[float, Range(0, 100, step=0.01), Spare] = 6.0,
    intensity_threshold: Annotated[int, Range(0, 16), Spare] = 8,
    resolution: _Resolution = 512,
) -> Image:
    """A line drawing of what is darker than its surroundings."""
    return annotate(image, resolution, lambda rgb: lines.line_drawing(rgb, guassian_sigma, intensity_threshold))


@node(id="BinaryPreprocessor", title="Binary Lines", category=_LINES)
def binary(*, image: Image, bin_threshold: _Level = 100, resolution: _Resolution = 512) -> Image:
    """White where a picture is brighter than a level; 0 and 255 choose the level by Otsu's method."""

    def work(rgb: Levels) -> Levels:
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        method = cv2.THRESH_BINARY + (cv2.THRESH_OTSU if bin_threshold in (0, 255) else 0)
        return np.asarray(cv2.threshold(grey, bin_threshold, 255, method)[1])

    return annotate(image, resolution, work)
