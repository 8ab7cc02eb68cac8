"""What a text means for an input."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.define import Input
from nodes.widgets import Choice, Files
from server.sweep import BadAssignment, values_of

INT, FLOAT = Input("x", "INT", "x"), Input("x", "FLOAT", "x")
TEXT, YES = Input("x", "STRING", "x"), Input("x", "BOOLEAN", "x")
CHOICE = Input("x", "COMBO", "x", Choice(("a", "b", "a,b")))
FILE = Input("x", "COMBO", "x", Files("checkpoints"))
ANY = Input("x", "*", "x")


@pytest.mark.parametrize(
    ("text", "each", "values"),
    [
        ("7", INT, [7]),
        ("-7", INT, [-7]),
        ("1..4", INT, [1, 2, 3, 4]),
        ("4..1", INT, [4, 3, 2, 1]),
        ("-1..1", INT, [-1, 0, 1]),
        ("0..10..5", INT, [0, 5, 10]),
        ("10..0..5", INT, [10, 5, 0]),
        ("1..3,9", INT, [1, 2, 3, 9]),
        ("4,7,10", FLOAT, [4, 7, 10]),
        ("1.5, 2", FLOAT, [1.5, 2]),
        ("0..1..0.25", FLOAT, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("0..0.3..0.1", FLOAT, [0.0, 0.1, 0.2, 0.3]),
        ("1..0..0.5", FLOAT, [1.0, 0.5, 0.0]),
        ("x", INT, ["x"]),
        ("", INT, [""]),
        ("a, b", TEXT, ["a, b"]),
        ('["a, b", "c"]', TEXT, ["a, b", "c"]),
        ("[not json", TEXT, ["[not json"]),
        ("a,b", CHOICE, ["a,b"]),
        ("b,a", CHOICE, ["b", "a"]),
        ("x.safetensors,y.safetensors", FILE, ["x.safetensors", "y.safetensors"]),
        ("true,false", YES, ["true", "false"]),
        ("5", ANY, [5]),
        ("words", ANY, ["words"]),
    ],
)
def test_values(text: str, each: Input, values: list[Any]) -> None:
    assert values_of(text, each) == values


@pytest.mark.parametrize(
    ("text", "each"), [("1..99999999999", INT), ("0..1..0", FLOAT), ("0..9..0", INT), ("0..1..0.00001", FLOAT)]
)
def test_ranges_end(text: str, each: Input) -> None:
    with pytest.raises(BadAssignment):
        values_of(text, each)
