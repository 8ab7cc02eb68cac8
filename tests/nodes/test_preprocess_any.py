"""Preprocessors by name, through the engine; and the resolution that fits a drawing."""

from __future__ import annotations

import pytest
import torch

from nodes import preprocess_any as nodes
from nodes.define import Expand
from nodes.registry import builtin
from nodes.types import Image

PICTURE = Image(torch.rand((1, 100, 200, 3), generator=torch.Generator().manual_seed(1)))


def test_every_name_is_a_preprocessor_that_needs_only_a_picture() -> None:
    registry = builtin()
    for name in nodes.PREPROCESSORS:
        definition = registry.get(name)
        assert definition is not None, name
        assert [i.name for i in definition.inputs if i.default is not None and not i.is_widget] == ["image"], name
        assert definition.input("resolution") is not None, name


def test_a_preprocessor_takes_the_nodes_place() -> None:
    found: object = nodes.any_preprocessor(image=PICTURE, preprocessor="TilePreprocessor", resolution=128)
    assert isinstance(found, Expand)
    ((kind, inputs),) = found.nodes.values()
    assert (kind, inputs["resolution"], inputs["image"]) == ("TilePreprocessor", 128, PICTURE)
    assert nodes.any_preprocessor(image=PICTURE) is PICTURE
    assert nodes.choose(preprocessor="TilePreprocessor") == "TilePreprocessor"


@pytest.mark.parametrize(
    ("mode", "size", "expected"),
    [
        ("Just Resize", (512, 512), 512),
        ("Crop and Resize", (512, 512), 512),
        ("Resize and Fill", (512, 512), 256),
        ("Resize and Fill", (1024, 256), 256),
    ],
)
def test_the_resolution_fits_what_is_drawn(mode: str, size: tuple[int, int], expected: int) -> None:
    width, height = size
    got = nodes.pixel_perfect(original_image=PICTURE, image_gen_width=width, image_gen_height=height, resize_mode=mode)
    assert got == expected
