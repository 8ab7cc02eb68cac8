"""Wildcard prompts: `{a|b}`, `{2::a|b}`, `{2$$, $$a|b|c}` and `__name__`, drawn by a seed.

A name is a text file in the base folder's `wildcards`, one option a line; lines that begin with # are left out.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from nodes.folders import Folders, inside
from nodes.types import NodeError

_FOLDER = "wildcards"
_GROUP = re.compile(r"(?<!\\)\{([^{}]*)\}")
_NAME = re.compile(r"__([\w.\-+/* ]+?)__")
_WEIGHT = re.compile(r"\s*(\d+(?:\.\d+)?)::(.*)", re.DOTALL)
_COUNT = re.compile(r"(\d+)(?:-(\d+))?\$\$(?:([^$]*)\$\$)?(.*)", re.DOTALL)
_MOST_ROUNDS = 200
_LONGEST = 1 << 20


def filled_in(text: str, seed: int, options_of: Callable[[str], Sequence[str]]) -> str:
    """The text with every choice made. Raises NodeError where wildcards name each other without end."""
    chance = random.Random(seed)
    for _ in range(_MOST_ROUNDS):
        before = text
        text = _GROUP.sub(lambda found: _picked(found[1], chance), text)
        text = _NAME.sub(lambda found: _line(found, options_of, chance), text)
        if len(text) > _LONGEST:
            break
        if text == before:
            return text
    raise NodeError("These wildcards name each other without end; take one out of its own file.")


def _picked(group: str, chance: random.Random) -> str:
    """One of a group's options, or as many as it says."""
    counted = _COUNT.fullmatch(group)
    if counted is None:
        return "".join(_some(group.split("|"), 1, chance))
    low, high, between, rest = counted.groups()
    options = rest.split("|")
    count = chance.randint(int(low), max(int(low), int(high))) if high else int(low)
    return (between if between is not None else " ").join(_some(options, min(count, len(options)), chance))


def _some(options: Sequence[str], count: int, chance: random.Random) -> list[str]:
    """Some of the options, none twice, the heavier the likelier."""
    weighed = [_WEIGHT.fullmatch(each) for each in options]
    left = [(m[2], float(m[1])) if m else (each, 1.0) for each, m in zip(options, weighed, strict=True)]
    found: list[str] = []
    for _ in range(count):
        weights = [weight for _, weight in left]
        place = chance.choices(range(len(left)), weights)[0] if sum(weights) > 0 else 0
        found.append(left.pop(place)[0].strip())
    return found


def _line(found: re.Match[str], options_of: Callable[[str], Sequence[str]], chance: random.Random) -> str:
    return "".join(_some(options_of(found[1].strip()), 1, chance))


def reader(folders: Folders) -> Callable[[str], Sequence[str]]:
    """What gives the options of a wildcard by its name. It raises NodeError where there is none."""

    def read(name: str) -> Sequence[str]:
        path = _path(folders, name)
        if not path.is_file():
            raise NodeError(f"The wildcard __{name}__ has no file; put {name}.txt into {folders.base / _FOLDER}.")
        lines = [line.strip() for line in path.read_text("utf-8-sig", "replace").splitlines()]
        return [line for line in lines if line and not line.startswith("#")] or [""]

    return read


def changed(folders: Folders, text: str | None) -> str:
    """What a text's result depends on beside itself: the files in the wildcards folder, if it names any."""
    if text is None or _NAME.search(text) is None:
        return ""
    root = folders.base / _FOLDER
    files = sorted(root.rglob("*.txt")) if root.is_dir() else []
    return " ".join(f"{path.relative_to(root)}:{path.stat().st_mtime_ns}:{path.stat().st_size}" for path in files)


def _path(folders: Folders, name: str) -> Path:
    return inside(folders.base / _FOLDER, f"{name}.txt")
