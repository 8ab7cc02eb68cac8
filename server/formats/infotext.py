"""A1111's `parameters` text taken apart and written: prompt, negative prompt, and a line of settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_NEGATIVE = "Negative prompt:"
_KEY = re.compile(r"\w[\w \-/]{0,60}")
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})")
_LIMIT = 1_000_000
"""Characters; a longer text is no infotext."""


@dataclass(frozen=True, slots=True)
class Infotext:
    """What a `parameters` text says: the two prompts, and the settings by name as text."""

    prompt: str
    negative: str = ""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    def number(self, name: str, default: float) -> float:
        """A setting as a number; the default where it is missing or is none."""
        try:
            value = float(self.settings[name])
        except (KeyError, ValueError):
            return default
        return value if abs(value) < 1e18 else default

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height, if they are said."""
        found = _SIZE.fullmatch(self.settings.get("Size", ""))
        return (int(found[1]), int(found[2])) if found else None


def is_infotext(text: str) -> bool:
    """Whether a text is one of A1111's: its last line names at least three settings."""
    return len(text) <= _LIMIT and len(_settings(_last_line(text))) >= 3


def read_infotext(text: str) -> Infotext:
    """The text taken apart. One without a line of settings is all prompt."""
    lines = text.strip().split("\n")
    settings = _settings(lines[-1]) if len(lines[-1]) <= _LIMIT else {}
    if len(settings) < 3:
        settings = {}
    else:
        lines = lines[:-1]
    parts: tuple[list[str], list[str]] = ([], [])
    negative = False
    for line in lines:
        stripped = line.strip()
        if stripped.startswith(_NEGATIVE):
            negative = True
            stripped = stripped.removeprefix(_NEGATIVE).strip()
        parts[negative].append(stripped)
    return Infotext("\n".join(parts[0]).strip(), "\n".join(parts[1]).strip(), settings)


def write_infotext(info: Infotext) -> str:
    """The text that says this, settings in the order given."""
    lines = [info.prompt.strip()]
    if info.negative.strip():
        lines.append(f"{_NEGATIVE} {info.negative.strip()}")
    lines.append(
        ", ".join(name if name == value else f"{name}: {_quoted(value)}" for name, value in info.settings.items())
    )
    return "\n".join(lines)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if any(c in value for c in ',:\n"') else value


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


def _settings(line: str) -> dict[str, str]:
    return dict(_pairs(line))


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """Names and values. What is no `name: value` is stepped over, to the next comma."""
    place = 0
    while place < len(line):
        colon = line.find(":", place)
        if colon < 0:
            return
        name = line[place:colon].rpartition(",")[2].strip()
        value, place = _value(line, colon + 1)
        if _KEY.fullmatch(name):
            yield name, value


def _value(line: str, start: int) -> tuple[str, int]:
    """A value that starts here, and where what follows its comma starts."""
    while start < len(line) and line[start] == " ":
        start += 1
    if line[start : start + 1] == '"':
        end = start + 1
        while end < len(line) and line[end] != '"':
            end += 2 if line[end] == "\\" else 1
        try:
            value = json.loads(line[start : end + 1])
            return str(value), end + 2
        except ValueError:
            pass
    comma = line.find(",", start)
    end = len(line) if comma < 0 else comma
    return line[start:end].strip(), end + 1
