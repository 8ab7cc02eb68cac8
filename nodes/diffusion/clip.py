"""Prompts to conditioning: weighted tokens through one or two text encoders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nodes.diffusion import families, files
from nodes.diffusion.files import WeightsError
from nodes.diffusion.prompt import Token, chunks, tokens_of
from nodes.diffusion.tokenizer import Tokenizer, tokenizer_for

if TYPE_CHECKING:
    from torch import Tensor

    from nodes.diffusion.text_model import TextEncoder
    from nodes.diffusion.weights import Weights
    from nodes.types import Clip, Source

_LARGE = "text_encoder_2"
_EMBEDDING_NAMES: Mapping[str, tuple[str, ...]] = {
    "text_encoder": ("clip_l", "text_encoders_clip_l", "emb_params"),
    _LARGE: ("clip_g", "text_encoders_clip_g", "emb_params"),
}

Locate = Callable[[str], Path | None]
"""Where an embedding's file is, by its name."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """What text encoders say of a prompt: tokens [1,T,D] and the whole [1,P], float32 on the CPU."""

    tokens: Tensor
    pooled: Tensor


def encode(
    weights: Weights, clip: Clip, text: str, *, large_text: str | None = None, locate: Locate | None = None
) -> Encoded:
    """A prompt's conditioning. SDXL's second, large encoder reads `large_text` where given, else the same text.

    Raises WeightsError when an embedding is made for another family.
    """
    texts = [large_text if s.part == _LARGE and large_text is not None else text for s in clip.sources]
    with weights.text(clip) as encoders:
        work = list(zip(clip.sources, encoders, strict=True))
        every = [
            tokenize(source, mine, length=encoder.length, width=encoder.width, locate=locate)
            for (source, encoder), mine in zip(work, texts, strict=True)
        ]
        if large_text is not None:
            every = _as_long(work, every)
        encoded = [
            _encode(source, encoder, sections, clip.stop_at_layer, weights.device)
            for (source, encoder), sections in zip(work, every, strict=True)
        ]
    shortest = min(e.tokens.shape[1] for e in encoded)
    joined = torch.cat([e.tokens[:, :shortest] for e in encoded], dim=-1)
    return Encoded(joined, encoded[-1].pooled)


def _as_long(work: Sequence[tuple[Source, TextEncoder]], every: Sequence[list[list[Token]]]) -> list[list[list[Token]]]:
    """Chunks for each encoder, filled up with empty ones to the same number."""
    most = max(len(sections) for sections in every)
    return [
        sections + tokenize(source, "", length=encoder.length) * (most - len(sections))
        for (source, encoder), sections in zip(work, every, strict=True)
    ]


def tokenize(
    source: Source, text: str, *, length: int = 77, width: int | None = None, locate: Locate | None = None
) -> list[list[Token]]:
    """The chunks of weighted tokens that an encoder gets for a prompt.

    `width` is the encoder's: embeddings must have it.
    """
    tokenizer = _tokenizer(source)

    def find(name: str) -> Tensor | None:
        path = locate(name) if locate else None
        return None if path is None else read_embedding(path, source, width)

    groups = tokens_of(text, tokenizer.ids, find if locate else None)
    return chunks(groups, length, tokenizer.start, tokenizer.end, _pad(source, tokenizer))


def read_embedding(path: Path, source: Source, width: int | None) -> Tensor:
    """The vectors [N,D] that a textual inversion file holds for this encoder.

    Raises WeightsError when it holds none of the encoder's width.
    """
    held = {name: tensor.float() for name, tensor in files.read_tensors(path) if tensor.ndim in (1, 2)}
    names = _EMBEDDING_NAMES[_LARGE if source.part == _LARGE else "text_encoder"]
    named = [held[name] for name in names if name in held]
    for tensor in (*named, *held.values()):
        if width is None or tensor.shape[-1] == width:
            return tensor.reshape(-1, tensor.shape[-1]).clone()
    widths = ", ".join(sorted({str(t.shape[-1]) for t in held.values()})) or "no"
    raise WeightsError(
        f"{path} is an embedding for another model family: it has vectors of {widths} numbers, "
        f"{families.family_named(source.family).title} takes {width}."
    )


def _tokenizer(source: Source) -> Tokenizer:
    own = dict(source.options).get("tokenizer")
    return tokenizer_for(source.path, own) if own else tokenizer_for()


def _pad(source: Source, tokenizer: Tokenizer) -> int:
    """SD 1.x and SDXL's small encoder fill up with the end token, OpenCLIP's with 0."""
    return 0 if source.part == _LARGE or source.family == "sd2" else tokenizer.end


def _encode(
    source: Source,
    encoder: TextEncoder,
    sections: list[list[Token]],
    stop_at_layer: int | None,
    device: torch.device,
) -> Encoded:
    tokenizer = _tokenizer(source)
    pad = _pad(source, tokenizer)
    weighted = any(token.weight != 1.0 for section in sections for token in section)
    rows = [*sections, *(chunks([], encoder.length, tokenizer.start, tokenizer.end, pad) if weighted else [])]
    layer = stop_at_layer or families.default_layer(source.family, encoder.layers)
    normed = not source.family.startswith("sdxl")
    ids = torch.tensor([[t.value if isinstance(t.value, int) else 0 for t in row] for row in rows], device=device)
    with torch.no_grad():
        states = encoder(ids, tokenizer.end, layer, normed=normed, vectors=list(_vectors(rows)))
    hidden, pooled = (state.float().cpu() for state in states)
    if weighted:
        hidden = _reweighted(hidden[:-1], hidden[-1], sections)
    return Encoded(hidden.reshape(1, -1, hidden.shape[-1]), pooled[:1])


def _vectors(rows: Sequence[Sequence[Token]]) -> Iterator[tuple[int, int, Tensor]]:
    """(row, place, vector) of every token that is none."""
    for r, row in enumerate(rows):
        for place, token in enumerate(row):
            if isinstance(token.value, torch.Tensor):
                yield r, place, token.value


def _reweighted(hidden: Tensor, empty: Tensor, sections: Sequence[Sequence[Token]]) -> Tensor:
    """Each token moved away from what an empty prompt says in its place, or towards it, by its weight."""
    weights = torch.tensor([[token.weight for token in section] for section in sections])[:, :, None]
    return torch.where(weights == 1.0, hidden, (hidden - empty) * weights + empty)
