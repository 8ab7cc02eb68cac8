"""What ComfyUI's editor does to texts when a workflow is queued: choices, comments, and names with variables."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from random import Random

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_VARIABLE = re.compile(r"%([^%\n]{1,200})%")
_UNSAFE = re.compile(r'[/\\?%*:|"<>\x00-\x1f\x7f]')
_DATE = re.compile(r"yyyy|yy|MM|M|dd|d|hh|h|mm|m|ss|s")


def choose(text: str, choices: Random) -> str:
    r"""A dynamic prompt with one of each `{a|b|{c|d}}` picked, comments left out, and `\{ \} \|` unescaped."""
    return _Chooser(_COMMENT.sub("", text), choices).text()


def escaped(text: str) -> str:
    """A text that `choose` gives back as it is (but for comments, which cannot be escaped)."""
    return text.replace("{", "\\{").replace("}", "\\}")


class _Chooser:
    """Reads once from left to right. A stack holds, for each open brace, the branches that are finished."""

    def __init__(self, text: str, choices: Random) -> None:
        self._text = text
        self._choices = choices

    def text(self) -> str:
        closed = _matched(self._text)
        branches: list[list[list[str]]] = [[[]]]
        place = 0
        while place < len(self._text):
            c = self._text[place]
            if c == "\\" and self._text[place + 1 : place + 2] in ("{", "}", "|"):
                place += 1
                branches[-1][-1].append(self._text[place])
            elif c == "{" and place in closed:
                branches.append([[]])
            elif c == "}" and len(branches) > 1:
                options = branches.pop()
                branches[-1][-1].extend(self._choices.choice(options))
            elif c == "|" and len(branches) > 1:
                branches[-1].append([])
            else:
                branches[-1][-1].append(c)
            place += 1
        return "".join(branches[0][0])


def _matched(text: str) -> set[int]:
    """The places of opening braces that are closed."""
    found: set[int] = set()
    waiting: list[int] = []
    escaped = False
    for place, c in enumerate(text):
        if escaped:
            escaped = False
        elif c == "\\":
            escaped = text[place + 1 : place + 2] in ("{", "}", "|")
        elif c == "{":
            waiting.append(place)
        elif c == "}" and waiting:
            found.add(waiting.pop())
    return found


def fill_name(text: str, now: datetime, field: Callable[[str, str], object | None]) -> str:
    """A file name's prefix with `%date%`, `%date:yyyy-MM-dd%` and `%Node.field%` filled in.

    `field(node, name)` says a node's value, or None when there is none: such a variable stays as it was.
    """

    def filled(match: re.Match[str]) -> str:
        name = match[1]
        if name == "date":
            return now.strftime("%Y%m%d%H%M%S")
        if name.startswith("date:"):
            return formatted(name.removeprefix("date:"), now)
        node, dot, widget = name.rpartition(".")
        value = field(node, widget) if dot else None
        return match[0] if value is None else _UNSAFE.sub("_", str(value))

    return _VARIABLE.sub(filled, text)


def formatted(pattern: str, now: datetime) -> str:
    """A moment as a pattern says it: yyyy yy MM M dd d hh h mm m ss s, two digits where the letter is doubled."""
    parts = {"yyyy": now.year, "M": now.month, "d": now.day, "h": now.hour, "m": now.minute, "s": now.second}

    def part(match: re.Match[str]) -> str:
        letter = match[0]
        if letter == "yyyy":
            return f"{now.year:04}"
        if letter == "yy":
            return f"{now.year % 100:02}"
        return f"{parts[letter[0]]:02}" if len(letter) == 2 else str(parts[letter])

    return _DATE.sub(part, pattern)
