"""Text, plain values and switches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from nodes import primitives, text
from nodes.define import AnyValue, NodeError
from nodes.types import Latent


@pytest.mark.parametrize(
    ("fn", "inputs", "expected"),
    [
        (text.concatenate, {"string_a": "a", "string_b": "b", "delimiter": ", "}, "a, b"),
        (text.substring, {"string": "abcdef", "start": 1, "end": -1}, "bcde"),
        (text.length, {"string": "größe"}, 5),
        (text.convert_case, {"string": "a Cat", "mode": "UPPERCASE"}, "A CAT"),
        (text.convert_case, {"string": "a Cat", "mode": "lowercase"}, "a cat"),
        (text.convert_case, {"string": "a Cat", "mode": "Capitalize"}, "A cat"),
        (text.convert_case, {"string": "a cat", "mode": "Title Case"}, "A Cat"),
        (text.trim, {"string": " a \n", "mode": "Both"}, "a"),
        (text.trim, {"string": " a ", "mode": "Left"}, "a "),
        (text.trim, {"string": " a ", "mode": "Right"}, " a"),
        (text.replace, {"string": "aXbX", "find": "X", "replace": "-"}, "a-b-"),
        (text.contains, {"string": "A Cat", "substring": "cat", "case_sensitive": True}, False),
        (text.contains, {"string": "A Cat", "substring": "cat", "case_sensitive": False}, True),
        (text.compare, {"string_a": "abc", "string_b": "AB", "mode": "Starts With", "case_sensitive": False}, True),
        (text.compare, {"string_a": "abc", "string_b": "bc", "mode": "Ends With"}, True),
        (text.compare, {"string_a": "abc", "string_b": "ABC", "mode": "Equal"}, False),
        (text.regex_match, {"string": "a\nCat", "regex_pattern": "^cat", "multiline": True}, True),
        (text.regex_match, {"string": "a\nCat", "regex_pattern": "^cat"}, False),
        (text.regex_match, {"string": "a\nb", "regex_pattern": "a.b", "dotall": True}, True),
        (text.regex_match, {"string": "Cat", "regex_pattern": "cat", "case_insensitive": False}, False),
        (text.regex_replace, {"string": "a1b2", "regex_pattern": r"(\d)", "replace": r"<\1>"}, "a<1>b<2>"),
        (text.regex_replace, {"string": "aaa", "regex_pattern": "a", "replace": "b", "count": 2}, "bba"),
    ],
)
def test_text_nodes(fn: Any, inputs: Mapping[str, Any], expected: object) -> None:
    assert fn(**inputs) == expected


@pytest.mark.parametrize(
    ("mode", "pattern", "group", "expected"),
    [
        ("First Match", r"\d+", 1, "12"),
        ("First Match", r"(\d)(\d)", 1, "12"),
        ("First Match", "z", 1, ""),
        ("All Matches", r"\d+", 1, "12\n34"),
        ("All Matches", r"(\d)(\d)", 1, "1\n3"),
        ("First Group", r"(\d)(\d)", 2, "2"),
        ("First Group", r"(\d)(\d)", 3, ""),
        ("All Groups", r"(\d)(\d)", 2, "2\n4"),
        ("All Groups", r"(z)?\d", 1, "\n\n\n"),
    ],
)
def test_regex_extract(mode: str, pattern: str, group: int, expected: str) -> None:
    found = text.regex_extract(string="a12 b34", regex_pattern=pattern, mode=mode, group_index=group)
    assert found == expected


def test_what_is_no_expression_is_said() -> None:
    with pytest.raises(NodeError, match="is no regular expression"):
        text.regex_match(string="a", regex_pattern="(")
    with pytest.raises(NodeError, match="does not fit"):
        text.regex_replace(string="a", regex_pattern="a", replace=r"\7")


def test_a_switch_gives_one_value_and_asks_for_it_alone() -> None:
    needs = primitives.switch_node.definition.needs
    yes, no = AnyValue("on_true"), AnyValue("on_false")
    for switch, name in ((True, yes), (False, no)):
        assert list(needs(switch=switch)) == [name]
        assert primitives.switch_node(switch=switch, on_true=yes, on_false=no) == name
    assert all(each.lazy for each in primitives.switch_node.definition.inputs[1:])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"),
        (1.5, "1.5"),
        (True, "True"),
        ([1, "é"], '[\n  1,\n  "é"\n]'),
        (Latent(torch.zeros((1, 4, 8, 8))), "Latent: samples 1 x 4 x 8 x 8"),
        ({1}, "{1}"),
    ],
)
def test_any_value_is_shown_as_text(value: Any, expected: str) -> None:
    assert list(primitives.preview_any(source=value).ui.data["text"]) == [expected]


def test_plain_values_come_through() -> None:
    assert primitives.primitive_int(value=-(2**63) + 1) == -(2**63) + 1
    assert primitives.primitive_float(value=0.1) == 0.1
    assert primitives.primitive_boolean(value=True) is True
    assert primitives.primitive_string(value="x") == primitives.primitive_string_multiline(value="x") == "x"
    assert primitives.custom_combo(choice="b").string == "b"
