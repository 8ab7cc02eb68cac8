"""Text put together, taken apart and compared."""

from __future__ import annotations

import re
from typing import Annotated

from nodes.define import NodeError, node
from nodes.widgets import Choice, Range, Spare, Text

_CATEGORY = "utils/string"
_Text = Annotated[str, Text(multiline=True)]


@node(id="StringConcatenate", title="Concatenate", category=_CATEGORY)
def concatenate(*, string_a: _Text, string_b: _Text, delimiter: Annotated[str, Text()] = "") -> str:
    """One text after another, with something between."""
    return delimiter.join((string_a, string_b))


@node(id="StringSubstring", title="Substring", category=_CATEGORY)
def substring(*, string: _Text, start: int = 0, end: int = 0) -> str:
    """The characters from one place to another; negative places count from the end."""
    return string[start:end]


@node(id="StringLength", title="Length", category=_CATEGORY, outputs=("length",))
def length(*, string: _Text) -> int:
    """How many characters a text has."""
    return len(string)


@node(id="CaseConverter", title="Case Converter", category=_CATEGORY)
def convert_case(
    *, string: _Text, mode: Annotated[str, Choice(("UPPERCASE", "lowercase", "Capitalize", "Title Case"))] = "UPPERCASE"
) -> str:
    """A text in capitals, in small letters, or with some of each."""
    how = {"UPPERCASE": str.upper, "lowercase": str.lower, "Capitalize": str.capitalize, "Title Case": str.title}
    return how[mode](string)


@node(id="StringTrim", title="Trim", category=_CATEGORY)
def trim(*, string: _Text, mode: Annotated[str, Choice(("Both", "Left", "Right"))] = "Both") -> str:
    """A text without white space around it."""
    return {"Both": str.strip, "Left": str.lstrip, "Right": str.rstrip}[mode](string)


@node(id="StringReplace", title="Replace", category=_CATEGORY)
def replace(*, string: _Text, find: _Text, replace: _Text) -> str:
    """A text with every occurrence of one text replaced by another."""
    return string.replace(find, replace)


@node(id="StringContains", title="Contains", category=_CATEGORY, outputs=("contains",))
def contains(*, string: _Text, substring: _Text, case_sensitive: bool = True) -> bool:
    """Whether a text occurs in another."""
    if not case_sensitive:
        string, substring = string.lower(), substring.lower()
    return substring in string


@node(id="StringCompare", title="Compare", category=_CATEGORY)
def compare(
    *,
    string_a: _Text,
    string_b: _Text,
    mode: Annotated[str, Choice(("Starts With", "Ends With", "Equal"))] = "Starts With",
    case_sensitive: bool = True,
) -> bool:
    """Whether a text starts or ends with another, or equals it."""
    if not case_sensitive:
        string_a, string_b = string_a.lower(), string_b.lower()
    if mode == "Equal":
        return string_a == string_b
    return string_a.startswith(string_b) if mode == "Starts With" else string_a.endswith(string_b)


@node(id="RegexMatch", title="Regex Match", category=_CATEGORY, outputs=("matches",))
def regex_match(
    *,
    string: _Text,
    regex_pattern: _Text,
    case_insensitive: bool = True,
    multiline: bool = False,
    dotall: bool = False,
) -> bool:
    """Whether a regular expression is found in a text."""
    return _compiled(regex_pattern, case_insensitive, multiline, dotall).search(string) is not None


@node(id="RegexExtract", title="Regex Extract", category=_CATEGORY)
def regex_extract(
    *,
    string: _Text,
    regex_pattern: _Text,
    mode: Annotated[str, Choice(("First Match", "All Matches", "First Group", "All Groups"))] = "First Match",
    case_insensitive: bool = True,
    multiline: bool = False,
    dotall: bool = False,
    group_index: Annotated[int, Range(0, 100)] = 1,
) -> str:
    """What a regular expression finds in a text, or what one of its groups does; all finds one to a line."""
    pattern = _compiled(regex_pattern, case_insensitive, multiline, dotall)
    matches = list(pattern.finditer(string))
    if mode.startswith("First"):
        matches = matches[:1]
    if mode.endswith("Group") or mode.endswith("Groups"):
        found = [m[group_index] or "" for m in matches] if group_index <= pattern.groups else []
    else:
        # All matches of an expression with groups are those of its first group, as re.findall() has it.
        group = 1 if mode == "All Matches" and pattern.groups else 0
        found = [m[group] or "" for m in matches]
    return "\n".join(found)


@node(id="RegexReplace", title="Regex Replace", category=_CATEGORY)
def regex_replace(
    *,
    string: _Text,
    regex_pattern: _Text,
    replace: _Text,
    case_insensitive: Annotated[bool, Spare] = True,
    multiline: Annotated[bool, Spare] = False,
    dotall: Annotated[bool, Spare] = False,
    count: Annotated[int, Range(0, 100), Spare] = 0,
) -> str:
    r"""A text with what a regular expression finds replaced; \1 stands for its first group. A count of 0 is all."""
    pattern = _compiled(regex_pattern, case_insensitive, multiline, dotall)
    try:
        return pattern.sub(replace, string, count=count)
    except (re.error, IndexError) as error:
        raise NodeError(f"The replacement {replace!r} does not fit the expression: {error}.") from None


def _compiled(pattern: str, case_insensitive: bool, multiline: bool, dotall: bool) -> re.Pattern[str]:
    flags = re.IGNORECASE * case_insensitive | re.MULTILINE * multiline | re.DOTALL * dotall
    try:
        return re.compile(pattern, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise NodeError(f"{pattern!r} is no regular expression: {error}.") from None
