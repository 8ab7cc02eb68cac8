"""The editor counts tokens by itself; its tests compare with counts that are drawn here, by the tokenizer that runs."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import torch

from nodes.diffusion.prompt import Token, chunks, tokens_of
from nodes.diffusion.tokenizer import tokenizer_for

PROMPTS = Path(__file__).with_name("prompts.json")
EMBEDDINGS = {"ink": 3, "style/long": 12}
_WORDS = re.findall(
    r"\S+",
    """
    a cat masterpiece, best quality, 8k highly-detailed photo of the Eiffel Tower at night
    Ægir's naïve café don't they'll I'd we've I'M straße ΣΊΣΥΦΟΣ İstanbul 東京の夜 ночь 🐈\u200d⬛ e\u0301 ½ ² ٣
    1234 3.14 supercalifragilisticexpialidocious antidisestablishmentarianism xqzjkv <|endoftext|> <|StartOfText|>
    :-) ... !!! 's ''s & @artist #tag $5 50% C++ a_b \ufeff \u200b \\ / | [x] <lora:x:1> -- — “quoted” BREAK AND
    """,
)
_SPACES = ("\u00a0", "\u3000", "\t", "\u0085", "\u2028")
_GRAMMAR = (
    "(", ")", "((", "))", ":1.2)", ":0.5)", ":1_0)", ": 1e3 )", ":)", ":x)", ":1e999)", "\\(", "\\)", ",", "\n",
    "embedding:ink", "embedding:ink,", "embedding:style/long", "embedding:nobody", "embedding:", "embedding:,ink, red",
)  # fmt: skip

_EDITORS = re.compile(r"[{}]|//|/\*|\\[|\\]")
"""What the editor reads before it sends a prompt: choices and comments."""


def _drawn() -> list[str]:
    """Prompts as people write them, and as nobody does."""
    rng = random.Random(7)

    def words(most: int) -> str:
        return " ".join(rng.choice(_WORDS) for _ in range(rng.randint(0, most)))

    def broken(most: int) -> str:
        parts = [
            rng.choice((rng.choice(_WORDS), rng.choice(_GRAMMAR), rng.choice(_SPACES)))
            for _ in range(rng.randint(1, most))
        ]
        return rng.choice(("", " ")).join(parts)

    def letters() -> str:
        return "".join(chr(rng.choice((rng.randint(32, 126), rng.randint(160, 0x2FFF)))) for _ in range(40))

    plain = [words(rng.choice((5, 40, 200))) for _ in range(150)]
    weighted = [f"{words(30)}, ({words(12)}:{rng.uniform(0.2, 2):.2f}), (({words(9)})) {words(90)}" for _ in range(150)]
    found = [*_WORDS, *plain, *weighted, *(broken(60) for _ in range(150)), *(letters() for _ in range(60))]
    return [text for text in found if not _EDITORS.search(text)]


def _size(text: str) -> tuple[int, int]:
    def find(name: str) -> torch.Tensor | None:
        rows = EMBEDDINGS.get(name)
        return None if rows is None else torch.zeros(rows, 4)

    groups = tokens_of(text, tokenizer_for().ids, find)
    made = chunks([[Token(0) for _ in group] for group in groups], 77, 1, 2, 3)
    return sum(map(len, groups)), len(made)


def test_the_editor_is_tested_with_what_the_tokenizer_gives() -> None:
    """After a change: `python -m tests.web.test_tokens` writes the file anew."""
    assert json.loads(PROMPTS.read_text("utf-8")) == [[text, *_size(text)] for text in _drawn()]


if __name__ == "__main__":
    PROMPTS.write_text(json.dumps([[text, *_size(text)] for text in _drawn()], indent=0) + "\n", "utf-8")
