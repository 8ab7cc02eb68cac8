"""CLIP's tokenizer: from the vocabulary that ships here, or from a model's own folder."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodes.diffusion.files import WeightsError, read_header

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

VOCABULARY = Path(__file__).parent / "vocab" / "bpe_simple_vocab_16e6.txt.gz"
_MERGES = 49152 - 256 - 2
_FILES = "vocab.json", "merges.txt"
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


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """What a tokenizer is made of: ids by word, and the merges that make words, each "first second"."""

    words: Mapping[str, int]
    merges: Sequence[str]

    def as_json(self) -> str:
        """As `read_vocabulary` finds it in a single file."""
        return json.dumps({"vocab": self.words, "merges": self.merges}, separators=(",", ":"))


def tokenizer_for(path: Path | None = None, name: str = "") -> Tokenizer:
    """CLIP's own tokenizer, or that of a model, which is where `read_vocabulary` finds it."""
    if path is None:
        return _clip()
    return _own(path, name, *_stamps(path, name))


def read_vocabulary(path: Path, name: str) -> Vocabulary:
    """A model's own vocabulary: in the folder `name` of a folder, or under this name in a single file's metadata."""
    if path.is_dir():
        return _in_folder(path / name)
    content = _json_of(read_header(path).metadata.get(name, ""), path)
    return _checked(content.get("vocab"), content.get("merges"), path)


@lru_cache(maxsize=1)
def clips_own() -> Vocabulary:
    """The vocabulary that CLIP was released with."""
    merges = gzip.decompress(VOCABULARY.read_bytes()).decode("utf-8").split("\n")[1 : _MERGES + 1]
    letters = [chr(c) for c in _byte_letters()]
    words = [*letters, *(letter + "</w>" for letter in letters), *(m.replace(" ", "") for m in merges), _START, _END]
    return Vocabulary({word: i for i, word in enumerate(words)}, merges)


@lru_cache(maxsize=1)
def _clip() -> Tokenizer:
    return _built(clips_own())


@lru_cache(maxsize=8)
def _own(path: Path, name: str, *_changed: int) -> Tokenizer:
    return _built(read_vocabulary(path, name))


def _stamps(path: Path, name: str) -> list[int]:
    """When the files that hold a tokenizer changed."""
    files = [path / name / file for file in _FILES] if path.is_dir() else [path]
    try:
        return [file.stat().st_mtime_ns for file in files]
    except OSError:
        raise WeightsError(f"{path / name} holds no tokenizer: {' and '.join(_FILES)} are needed.") from None


def _in_folder(folder: Path) -> Vocabulary:
    vocabulary, merges = (folder / file for file in _FILES)
    try:
        words = _json_of(vocabulary.read_text("utf-8"), folder)
        lines = merges.read_text("utf-8").split("\n")
    except ValueError:
        raise WeightsError(f"{folder} holds a damaged tokenizer.") from None
    return _checked(words, [line for line in lines if line and not line.startswith("#version")], vocabulary)


def _json_of(text: str, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise WeightsError(f"{path} holds a damaged tokenizer.") from None
    if not isinstance(content, dict):
        raise WeightsError(f"{path} holds a damaged tokenizer.")
    return content


def _checked(words: object, merges: object, path: Path) -> Vocabulary:
    if not isinstance(words, dict) or not {_START, _END} <= words.keys() or not isinstance(merges, list):
        raise WeightsError(f"{path} is no CLIP vocabulary: {_START} and {_END} must be in it.")
    return Vocabulary(words, merges)


def _built(vocabulary: Vocabulary) -> Tokenizer:
    from transformers import CLIPTokenizer  # noqa: PLC0415 -- slow to import

    words = dict(vocabulary.words)
    pairs: list[Any] = [(first, second) for first, _, second in (m.partition(" ") for m in vocabulary.merges)]
    return Tokenizer(CLIPTokenizer(vocab=words, merges=pairs), words[_START], words[_END])


def _byte_letters() -> list[int]:
    """The character that stands for each byte: itself where printable, else one from 256 on; printable ones first."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = 256 - len(printable)
    return printable + [256 + i for i in range(rest)]
