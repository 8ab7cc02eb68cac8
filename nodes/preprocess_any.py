"""Preprocessors chosen by name, and the sizes that pictures for ControlNets want."""

from __future__ import annotations

from typing import Annotated, cast

from nodes.define import Subgraph, node
from nodes.types import Image
from nodes.widgets import Choice, Range, Spare

PACK = "ControlNet Auxiliary Preprocessors"

_CATEGORY = "ControlNet Preprocessors"
_MODES = ("Just Resize", "Crop and Resize", "Resize and Fill")
_NONE = "none"
PREPROCESSORS = (
    "AnimeLineArtPreprocessor", "AnyLineArtPreprocessor_aux", "BAE-NormalMapPreprocessor", "BinaryPreprocessor",
    "CannyEdgePreprocessor", "ColorPreprocessor", "DSINE-NormalMapPreprocessor", "DWPreprocessor",
    "DepthAnythingPreprocessor", "DepthAnythingV2Preprocessor", "FakeScribblePreprocessor", "HEDPreprocessor",
    "ImageIntensityDetector", "ImageLuminanceDetector", "LeReS-DepthMapPreprocessor", "LineArtPreprocessor",
    "LineartStandardPreprocessor", "M-LSDPreprocessor", "Metric3D-DepthMapPreprocessor",
    "Metric3D-NormalMapPreprocessor", "MiDaS-DepthMapPreprocessor", "MiDaS-NormalMapPreprocessor",
    "OneFormer-ADE20K-SemSegPreprocessor", "OneFormer-COCO-SemSegPreprocessor", "OpenposePreprocessor",
    "PiDiNetPreprocessor", "PyraCannyPreprocessor", "SAMPreprocessor", "ScribblePreprocessor",
    "Scribble_PiDiNet_Preprocessor", "Scribble_XDoG_Preprocessor", "ShufflePreprocessor", "TilePreprocessor",
    "UniFormer-SemSegPreprocessor", "Zoe-DepthMapPreprocessor", "Zoe_DepthAnythingPreprocessor",
)  # fmt: skip
"""The preprocessors that need nothing but a picture and a resolution."""

_Side = Annotated[int, Range(64, 16384, step=8)]


@node(id="AIO_Preprocessor", title="AIO Aux Preprocessor", category=_CATEGORY)
def any_preprocessor(
    *,
    image: Image,
    preprocessor: Annotated[str, Choice((_NONE, *PREPROCESSORS)), Spare] = _NONE,
    resolution: Annotated[int, Range(64, 16384, step=64), Spare] = 512,
) -> Image:
    """Any of the preprocessors, with its usual settings; none leaves pictures as they are."""
    if preprocessor == _NONE:
        return image
    graph = Subgraph()
    # The engine runs the graph and gives what it makes.
    return cast("Image", graph.expand(graph.add(preprocessor, image=image, resolution=resolution)))


@node(id="ControlNetPreprocessorSelector", title="Preprocessor Selector", category=_CATEGORY, outputs=("STRING",))
def choose(*, preprocessor: Annotated[str, Choice((_NONE, *PREPROCESSORS))] = _NONE) -> str:
    """A preprocessor's name, for AIO Aux Preprocessor."""
    return preprocessor


@node(id="PixelPerfectResolution", title="Pixel Perfect Resolution", category=_CATEGORY, outputs=("RESOLUTION (INT)",))
def pixel_perfect(
    *,
    original_image: Image,
    image_gen_width: _Side = 512,
    image_gen_height: _Side = 512,
    resize_mode: Annotated[str, Choice(_MODES)] = "Just Resize",
) -> int:
    """The resolution at which a picture's preprocessor sees as many pixels as the picture that is drawn will have."""
    height, width = original_image.pixels.shape[1:3]
    scales = image_gen_height / height, image_gen_width / width
    scale = min(scales) if resize_mode == "Resize and Fill" else max(scales)
    return round(scale * min(height, width))
