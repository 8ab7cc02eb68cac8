"""A byte-pair tokenizer of CLIP's form, learnt from our own captions. Any text can be written with it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
from transformers import CLIPTokenizer

from nodes.starter.networks import save_tokenizer
from nodes.starter.world import drawings

START, END = "<|startoftext|>", "<|endoftext|>"
_WORDS = (
    "a an the of in on at to and with above below left right top bottom center middle corner next beside under over "
    "small large big tiny huge medium circle square triangle star ring cross heart diamond hexagon oval moon crescent "
    "red orange yellow green blue purple pink white black brown gray grey background picture illustration drawing "
    "image landscape scene sea beach hill hills mountain mountains city desert forest snow snowy house tree trees pine "
    "palm boat ship lighthouse balloon cactus flower flowers sun stars cloud clouds rainbow sky day night sunset "
    "sunrise dawn evening morning noon bright dark light flat shape shapes two three one no style blueprint sticker "
    "outline sketch river lake bridge castle bird fish cat dog car"
)
"""Words that are one token each, whether or not today's captions use them, so that the world can grow."""
_MOST_MERGES = 600

Word = tuple[str, ...]


def learn(folder: Path, captions: int = 3000) -> CLIPTokenizer:
    """Learn the tokenizer, write vocab.json, merges.txt and the configs to the folder, and give it back."""
    merges = _merges(_words(captions))
    symbols = list(_byte_symbols().values())
    tokens = [*symbols, *(f"{symbol}</w>" for symbol in symbols), *("".join(pair) for pair in merges), START, END]
    vocab = {token: index for index, token in enumerate(tokens)}
    tokenizer = CLIPTokenizer(vocab=vocab, merges=cast("list[str]", merges), model_max_length=77)
    save_tokenizer(tokenizer, folder)
    return tokenizer


def _byte_symbols() -> Mapping[int, str]:
    """A printable character for each byte, as CLIP and GPT-2 write them."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + i) for i, byte in enumerate(others)}


def _words(captions: int) -> dict[Word, int]:
    rng = np.random.default_rng(1)
    counts: Counter[str] = Counter()
    for caption in drawings(rng, captions).captions:
        counts.update(re.findall(r"[a-z]+|[0-9]|[^\sa-z0-9]+", caption))
    counts.update(dict.fromkeys(_WORDS.split(), 30))
    return {(*word[:-1], f"{word[-1]}</w>"): count for word, count in counts.items()}


def _merges(words: dict[Word, int]) -> list[tuple[str, str]]:
    """The pairs to join, most frequent first; ties by alphabet."""
    merges: list[tuple[str, str]] = []
    while len(merges) < _MOST_MERGES:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        words = {_joined(word, best): count for word, count in words.items()}
    return merges


def _joined(word: Word, pair: tuple[str, str]) -> Word:
    joined: list[str] = []
    for symbol in word:
        if joined and (joined[-1], symbol) == pair:
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return tuple(joined)
