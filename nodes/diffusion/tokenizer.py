"""CLIP's tokenizer: from the vocabulary that ships here, or from a model's own folder."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodes.diffusion.files import WeightsError

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

VOCABULARY = Path(__file__).parent / "vocab" / "bpe_simple_vocab_16e6.txt.gz"
_MERGES = 49152 - 256 - 2
_START, _END = "<|startoftext|>", "<|endoftext|>"


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """Text to CLIP's token ids. `start` and `end` frame each chunk."""

    inner: CLIPTokenizer
    start: int
    end: int

    def ids(self, text: str) -> list[int]:
        """The ids of a text, without start and end."""
        return list(self.inner(text, add_special_tokens=False, verbose=False)["input_ids"])


def tokenizer_for(folder: Path | None = None) -> Tokenizer:
    """The tokenizer of a model's folder (vocab.json and merges.txt), or CLIP's own."""
    if folder is None:
        return _clip()
    files = folder / "vocab.json", folder / "merges.txt"
    try:
        return _own(*files, *(f.stat().st_mtime_ns for f in files))
    except OSError:
        raise WeightsError(f"{folder} holds no tokenizer: vocab.json and merges.txt are needed.") from None


@lru_cache(maxsize=1)
def _clip() -> Tokenizer:
    merges = gzip.decompress(VOCABULARY.read_bytes()).decode("utf-8").split("\n")[1 : _MERGES + 1]
    letters = [chr(c) for c in _byte_letters()]
    words = [*letters, *(letter + "</w>" for letter in letters), *(m.replace(" ", "") for m in merges), _START, _END]
    return _built({word: i for i, word in enumerate(words)}, merges)


@lru_cache(maxsize=8)
def _own(vocabulary: Path, merges: Path, *_changed: int) -> Tokenizer:
    try:
        words: Any = json.loads(vocabulary.read_text("utf-8"))
        lines = merges.read_text("utf-8").split("\n")
    except ValueError:
        raise WeightsError(f"{vocabulary.parent} holds a damaged tokenizer.") from None
    if not isinstance(words, dict) or not {_START, _END} <= words.keys():
        raise WeightsError(f"{vocabulary} is no CLIP vocabulary: {_START} and {_END} must be in it.")
    return _built(words, [line for line in lines if line and not line.startswith("#version")])


def _built(words: dict[str, int], merges: list[str]) -> Tokenizer:
    from transformers import CLIPTokenizer  # noqa: PLC0415 -- slow to import

    pairs: list[Any] = [(first, second) for first, _, second in (m.partition(" ") for m in merges)]
    return Tokenizer(CLIPTokenizer(vocab=words, merges=pairs), words[_START], words[_END])


def _byte_letters() -> list[int]:
    """The character that stands for each byte: itself where printable, else one from 256 on; printable ones first."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = 256 - len(printable)
    return printable + [256 + i for i in range(rest)]
