r"""A1111's grammar of prompts, which says more than ComfyUI's: `AND`, `BREAK`, `[a:b:0.5]`, `[a|b]`, nested weights.

A text is taken in this order: parts joined by AND; for each step of sampling, what brackets make of it; weights, which
multiply when they are nested; and BREAK, where a new chunk of tokens starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_MOST_BRACKETS = 2000
"""A text with more stays as it is: no person wrote it."""

_MOST_RANGES = 150
_AND = re.compile(r"\bAND\b")
_WEIGHT = re.compile(r":\s*([-+]?(?:\d+\.?\d*|\.\d+))\s*$")
_TOKEN = re.compile(r"\\.|[\[\]():|]|[^\\\[\]():|]+|\\", re.DOTALL)
_ATTENTION = re.compile(
    r"\\[()\[\]\\]|\\|[(\[]|:\s*([+-]?[.\d]{1,20})\s*\)|[)\]]|[^\\()\[\]:]+|:",
)
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+))\s*")
_BREAK = re.compile(r"\s*\bBREAK\b\s*")


@dataclass(frozen=True, slots=True)
class Clock:
    """How many steps there are, and where the pass stands: the hires pass goes on where the first one ended."""

    steps: int
    first_steps: int | None = None

    def when(self, said: str) -> int:
        """The last step that still has the text before, by the number that a text says."""
        value = float(said)
        if self.first_steps is not None:
            value = value - 1 if "." in said else value - self.first_steps
        value = value * self.steps if "." in said else value
        return int(max(min(value, self.steps), -1))


def joined_by_and(text: str) -> list[tuple[str, float]]:
    """The parts of a prompt with their weights; one part of weight 1 where nothing is joined."""
    parts = _AND.split(text)
    if len(parts) == 1:
        return [(text, 1.0)]
    found: list[tuple[str, float]] = []
    for part in parts:
        weight = _WEIGHT.search(part)
        bare = part[: weight.start()] if weight else part
        found.append((bare.strip(), float(weight[1]) if weight else 1.0))
    return found


def over_time(text: str, clock: Clock) -> list[tuple[int, str]]:
    """What the text says as sampling goes on: the step, counted from 0, from which each wording holds.

    Raises ValueError when it changes more often than can be followed.
    """
    if "[" not in text or text.count("(") + text.count("[") > _MOST_BRACKETS:
        return [(0, text)]
    root = _parse(text)
    turns = {0, *_turns(root, clock)}
    if len(turns) > _MOST_RANGES:
        raise ValueError("the prompt changes at too many steps")
    found: list[tuple[int, str]] = []
    for step in sorted(turn for turn in turns if turn < clock.steps):
        wording = _worded(root, max(step, 1), clock)
        if not found or found[-1][1] != wording:
            found.append((step, wording))
    return found


def in_chunks(text: str) -> list[str]:
    """The text as ComfyUI's encoder takes it, cut at each BREAK; weights are multiplied out where they are nested."""
    if not _BREAK.search(text) and _is_plain(text):
        return [text]
    if text.count("(") + text.count("[") > _MOST_BRACKETS:
        return [text]
    chunks: list[list[str]] = [[]]
    for piece, weight in _weighted(text):
        first, *more = _BREAK.split(piece)
        chunks[-1].append(_said(first, weight))
        chunks.extend([_said(each, weight)] for each in more)
    texts = ["".join(each) for each in chunks]
    return texts if len(texts) == 1 or texts[-1].strip() else texts[:-1]


def has_weights(text: str) -> bool:
    """Whether any word of it counts more or less than others, as ComfyUI writes it."""
    return bool(re.search(r"(?<!\\)\(", text))


@dataclass(slots=True)
class _Node:
    """A piece of a text. `kind`: "text" (children in their order), "scheduled" (before, after) or "alternate"."""

    kind: str
    parts: list[list[str | _Node]] = field(default_factory=lambda: [[]])
    when: str = ""


@dataclass(slots=True)
class _Frame:
    """An open bracket, and what stands in it so far, cut at its own colons and bars."""

    bracket: str
    parts: list[list[str | _Node]] = field(default_factory=lambda: [[]])
    separators: list[str] = field(default_factory=list[str])

    def flat(self) -> list[str | _Node]:
        """What stands in it as it was written."""
        out: list[str | _Node] = [self.bracket]
        for place, part in enumerate(self.parts):
            if place:
                out.append(self.separators[place - 1])
            out.extend(part)
        return out

    def closed(self) -> list[str | _Node]:
        """What the square bracket means, now that it is closed."""
        kinds = set(self.separators)
        if kinds == {"|"}:
            return [_Node("alternate", self.parts)]
        if kinds == {":"} and len(self.separators) <= 2:
            number = "".join(each for each in self.parts[-1] if isinstance(each, str))
            found = _NUMBER.fullmatch(number)
            if found and all(isinstance(each, str) for each in self.parts[-1]):
                before = self.parts[0] if len(self.parts) == 3 else []
                return [_Node("scheduled", [before, self.parts[-2]], found[1])]
        return [*self.flat(), "]"]


def _parse(text: str) -> _Node:
    stack = [_Frame("")]
    for piece in _TOKEN.findall(text):
        top = stack[-1]
        if piece in ("[", "("):
            stack.append(_Frame(piece))
        elif piece == "]" and any(frame.bracket == "[" for frame in stack):
            while stack[-1].bracket == "(":
                _fold(stack)
            frame = stack.pop()
            stack[-1].parts[-1].extend(frame.closed())
        elif piece == ")" and top.bracket == "(":
            _fold(stack)
            stack[-1].parts[-1].append(")")
        elif piece in (":", "|") and top.bracket == "[":
            top.separators.append(piece)
            top.parts.append([])
        else:
            top.parts[-1].append(piece)
    while len(stack) > 1:
        _fold(stack)
    return _Node("text", stack[0].parts)


def _fold(stack: list[_Frame]) -> None:
    frame = stack.pop()
    stack[-1].parts[-1].extend(frame.flat())


def _turns(root: _Node, clock: Clock) -> Iterator[int]:
    """Steps at which the wording may change."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.kind == "scheduled":
            yield max(clock.when(node.when) + 1, 0)
        elif node.kind == "alternate":
            yield from range(clock.steps)
        waiting.extend(each for part in node.parts for each in part if isinstance(each, _Node))


def _worded(root: _Node, step: int, clock: Clock) -> str:
    """The wording at a step as A1111 counts them: from 1, the first two being one."""
    out: list[str] = []
    waiting: list[str | _Node] = [root]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            out.append(each)
            continue
        match each.kind:
            case "scheduled":
                chosen = each.parts[0] if step <= clock.when(each.when) else each.parts[1]
            case "alternate":
                chosen = each.parts[(step - 1) % len(each.parts)]
            case _:
                chosen = [piece for part in each.parts for piece in part]
        waiting.extend(reversed(chosen))
    return "".join(out)


def _is_plain(text: str) -> bool:
    """Whether weights mean the same in both grammars: no square brackets, and round ones closed and not nested."""
    depth = 0
    for piece in _TOKEN.findall(text):
        if piece in ("[", "]", "\\[", "\\]"):
            return False
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if depth not in (0, 1):
            return False
    return depth == 0


def _weighted(text: str) -> Sequence[tuple[str, float]]:
    """The words with their weights, all brackets taken away."""
    pieces: list[tuple[str, float]] = []
    open_brackets: list[tuple[str, int]] = []

    def multiply(start: int, factor: float) -> None:
        pieces[start:] = [(piece, weight * factor) for piece, weight in pieces[start:]]

    def last(bracket: str) -> int | None:
        return open_brackets.pop()[1] if open_brackets and open_brackets[-1][0] == bracket else None

    for found in _ATTENTION.finditer(text):
        piece = found[0]
        number = found[1]
        if piece[0] == "\\" and len(piece) == 2:
            pieces.append((piece[1], 1.0))
        elif piece in ("(", "["):
            open_brackets.append((piece, len(pieces)))
        elif number is not None and (start := last("(")) is not None:
            multiply(start, _float(number))
        elif piece == ")" and (start := last("(")) is not None:
            multiply(start, 1.1)
        elif piece == "]" and (start := last("[")) is not None:
            multiply(start, 1 / 1.1)
        else:
            pieces.append((piece, 1.0))
    for bracket, start in open_brackets:
        multiply(start, 1.1 if bracket == "(" else 1 / 1.1)
    return _merged(pieces)


def _merged(pieces: list[tuple[str, float]]) -> list[tuple[str, float]]:
    merged: list[tuple[str, float]] = []
    for piece, weight in pieces:
        if merged and merged[-1][1] == weight:
            merged[-1] = (merged[-1][0] + piece, weight)
        else:
            merged.append((piece, weight))
    return merged


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


def _said(piece: str, weight: float) -> str:
    """Words of one weight, as ComfyUI writes them."""
    escaped = re.sub(r"[()]", r"\\\g<0>", piece)
    rounded = round(weight, 3)
    if rounded == 1 or not piece.strip():
        return escaped
    bare = escaped.strip()
    start = escaped.index(bare)
    return f"{escaped[:start]}({bare}:{rounded:g}){escaped[start + len(bare) :]}"
