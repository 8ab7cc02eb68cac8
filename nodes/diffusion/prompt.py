"""The grammar of prompts: `(more)`, `(exactly:1.3)`, escapes, `embedding:name`; and how tokens fill chunks."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_log = logging.getLogger(__name__)

MORE = 1.1
"""What a pair of parentheses multiplies a weight by."""
_EMBEDDING = "embedding:"
_WHOLE_WORDS_BELOW = 8
"""Groups of fewer tokens are not torn apart at the end of a chunk."""
_ESCAPES = {"\\(": "\ue000", "\\)": "\ue001"}
_LITERALS = {"\ue000": "(", "\ue001": ")"}

Find = Callable[[str], "Tensor | None"]
"""The vectors [N,D] of an embedding by its name, or None where there is no such embedding."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text of one weight."""

    text: str
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """A token's id, or a learned vector [D] in a token's place, with its weight."""

    value: int | Tensor
    weight: float = 1.0


def segments(text: str) -> list[Segment]:
    """A prompt taken apart by weight.

    `(a)` multiplies the weight around it by 1.1; `(a:1.3)` sets it, the last colon counts; `\\(` and `\\)` are plain
    parentheses. A parenthesis without its other half is plain too.
    """
    for escape, mark in _ESCAPES.items():
        text = text.replace(escape, mark)
    found: list[Segment] = []
    waiting = [(Segment(text, 1.0), False)]  # a stack, so that nesting is not bounded by the interpreter's
    while waiting:
        outer, plain = waiting.pop()
        if plain:
            found.append(Segment(_literal(outer.text), outer.weight))
            continue
        inner = [
            (_weighted(item[1:-1], outer.weight), False) if _is_group(item) else (Segment(item, outer.weight), True)
            for item in _groups(outer.text)
        ]
        waiting.extend(reversed(inner))
    return found


def _is_group(item: str) -> bool:
    return len(item) >= 2 and item[0] == "(" and item[-1] == ")"


def _groups(text: str) -> Iterator[str]:
    """Text outside parentheses, and each outermost pair with what it holds."""
    depth = begin = 0
    for place, letter in enumerate(text):
        if letter == "(":
            if depth == 0 and place > begin:
                yield text[begin:place]
                begin = place
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth == 0:
                yield text[begin : place + 1]
                begin = place + 1
    if begin < len(text):
        yield text[begin:]


def _weighted(inside: str, around: float) -> Segment:
    """What a pair of parentheses holds, with the weight it gives."""
    text, colon, number = inside.rpartition(":")
    if colon and text:
        with suppress(ValueError):
            if math.isfinite(weight := float(number)):
                return Segment(text, weight)
    return Segment(inside, around * MORE)


def _literal(text: str) -> str:
    for mark, letter in _LITERALS.items():
        text = text.replace(mark, letter)
    return text


def tokens_of(text: str, ids: Callable[[str], Sequence[int]], find: Find | None = None) -> list[list[Token]]:
    """A prompt's tokens in groups: a group is a stretch of one weight, or an embedding.

    `embedding:name` stands at the start of a stretch, or after a space or line break, and goes on to the next white
    space; commas after the name are text again. An unknown one is left out, with a warning.
    """
    groups: list[list[Token]] = []
    for segment in segments(text):
        for piece in _pieces(segment.text):
            rest = piece
            if piece.startswith(_EMBEDDING) and find is not None:
                vectors, rest = _embedding(piece, find)
                if vectors is not None:
                    groups.append([Token(vector, segment.weight) for vector in vectors])
                if not rest:
                    continue
            groups.append([Token(number, segment.weight) for number in ids(rest)])
    return groups


def _pieces(text: str) -> Iterator[str]:
    """Text cut before each `embedding:` that follows a space or a line break."""
    first, *more = re.split(f"[ \n]{_EMBEDDING}", text)
    yield from (piece for piece in (first, *(_EMBEDDING + rest for rest in more)) if piece)


def _embedding(piece: str, find: Find) -> tuple[Tensor | None, str]:
    """The vectors that a piece starts with, and the text after them."""
    name, *words = piece.removeprefix(_EMBEDDING).split() or [""]
    rest = " ".join(words)
    if not name:
        return None, rest
    vectors = find(name)
    plain = name.strip(",")
    if vectors is None and len(plain) < len(name) and plain:
        vectors = find(plain)
        rest = f"{name[len(plain) :]} {rest}"
    if vectors is None:
        _log.warning("There is no embedding of this name in models/embeddings; it is left out: %s", plain)
    return vectors, rest


def chunks(groups: Sequence[Sequence[Token]], length: int, start: int, end: int, pad: int) -> list[list[Token]]:
    """Tokens in chunks of `length`, each framed by start and end and padded; at least one.

    A short group that does not fit moves to the next chunk as a whole; a long one is torn.
    """
    room = length - 1  # the end has a place in every chunk
    found: list[list[Token]] = []
    chunk = [Token(start)]

    def close() -> None:
        nonlocal chunk
        chunk.append(Token(end))
        chunk += [Token(pad)] * (length - len(chunk))
        found.append(chunk)
        chunk = [Token(start)]

    for group in groups:
        left = list(group)
        while len(left) > room - len(chunk):
            fits = room - len(chunk)
            if len(left) >= _WHOLE_WORDS_BELOW:
                chunk += left[:fits]
                left = left[fits:]
            close()
        chunk += left
    close()
    return found
