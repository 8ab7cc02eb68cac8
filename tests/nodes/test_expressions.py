"""Arithmetic in nodes: what it comes to, and what it refuses."""

from __future__ import annotations

import pytest

from nodes.define import NodeError
from nodes.expressions import evaluated

NAMES = {"a": 7, "b": 2.5, "c.width": 640}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        (" (a + 1) // 3 ", 2),
        ("a / 2", 3.5),
        ("a % 4 ** 1", 3),
        ("-b + +a", 4.5),
        ("round(a * 0.333, 2)", 2.33),
        ("min(a, b, 1)", 1),
        ("max(a, ceil(b))", 7),
        ("sqrt(16) + floor(2.9)", 6),
        ("pow(2, 10)", 1024),
        ("c.width / 2", 320),
        ("a > 5 and b < 3", 1),
        ("1 < a < 5", 0),
        ("10 if a == 7 else 20", 10),
        ("not a", 0),
        ("6 & 3 | 8", 10),
        ("1 << 4", 16),
    ],
)
def test_arithmetic(text: str, value: float) -> None:
    assert evaluated(text, NAMES) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no arithmetic expression"),
        ("1 +", "is no arithmetic expression"),
        ("x + 1", "'x' stands for nothing in this expression; there are a, b, c.width"),
        ("a.width", "none of the arithmetic"),
        ("__import__('os')", "none of the arithmetic"),
        ("a.__class__", "none of the arithmetic"),
        ("[1, 2]", "none of the arithmetic"),
        ("'text'", "none of the arithmetic"),
        ("(lambda: 1)()", "none of the arithmetic"),
        ("1 / 0", "cannot be computed: division by zero"),
        ("9 ** 9 ** 9", "the result is too large"),
        ("1 << 999999999", "the result is too large"),
        ("(-8) ** 0.5", "the result is no real number"),
        ("sqrt(-1)", "cannot be computed"),
        ("min()", "cannot be computed"),
        ("1 < 'a'", "none of the arithmetic"),
        ("(" * 300 + "1" + ")" * 300, "is no arithmetic expression"),
        ("1+" * 1500 + "1", "too long"),
    ],
)
def test_everything_else_is_refused(text: str, told: str) -> None:
    with pytest.raises(NodeError, match=told.replace("(", r"\(")):
        evaluated(text, NAMES)
