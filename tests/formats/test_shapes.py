"""What is known of nodes that are not ours: facts, checked where one fact must fit another."""

from __future__ import annotations

import pytest

from server.formats import Shapes, UnknownNode


def test_every_known_node_has_inputs_of_different_names(shapes: Shapes) -> None:
    for kind in shapes:
        shape = shapes.get(kind)
        assert shape is not None
        for fields in (shape.inputs, *shape.versions):
            names = [each.name for each in fields]
            assert len(set(names)) == len(names), kind


def test_other_versions_have_other_fields(shapes: Shapes) -> None:
    for kind in shapes:
        shape = shapes.get(kind)
        assert shape is not None
        names = [tuple(each.name for each in fields) for fields in (shape.widgets, *shape.versions)]
        assert len(set(names)) == len(names), kind
        assert all(each.widget for fields in shape.versions for each in fields), kind


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("KSamplr", "KSampler"), ("LoadImagee", "LoadImage"), ("VAE Decode", "VAEDecode"), ("xyzzy", None), ("", None)],
)
def test_nearest_name_is_one_of_ours(name: str, nearest: str | None, shapes: Shapes) -> None:
    assert shapes.nearest(name) == nearest


def test_unknown_node_is_told_in_one_line_however_long_its_name_and_often_used() -> None:
    told = UnknownNode("x" * 5000, tuple(str(number) for number in range(500))).sentence
    assert told == f"{'x' * 97}... (node 0, 1, 2, 3, 4, 5, 6, 7 and 492 more) is not known here."
