"""What the editor needs to count a prompt's tokens as CLIP does."""

from __future__ import annotations

import asyncio
import gzip
from functools import lru_cache
from importlib.resources import files
from typing import Any, cast

from aiohttp import web

from server.api.answers import answer
from server.api.keys import parts
from server.api.routes import Route
from server.api.safetensors import read_header

_LONG = "public, max-age=31536000, immutable"
_MERGES = 49152 - 256 - 2  # CLIP's vocabulary less its letters, each with and without the end of a word, and two marks


async def get_merges(request: web.Request) -> web.Response:  # noqa: ARG001
    """The merges that make CLIP's words of letters, one a line, the most important first."""
    response = web.Response(body=await asyncio.to_thread(_merges), content_type="text/plain", charset="utf-8")
    response.enable_compression()
    response.headers["Cache-Control"] = _LONG
    return response


async def get_lengths(request: web.Request) -> web.Response:
    """How many tokens each embedding stands for, by its name; null where its file does not say."""
    folders = parts(request).folders

    def lengths() -> dict[str, int | None]:
        names = folders.names("embeddings")
        return {name.rpartition(".")[0]: _vectors(read_header(folders.path("embeddings", name))) for name in names}

    return answer(await asyncio.to_thread(lengths))


@lru_cache(maxsize=1)
def _merges() -> bytes:
    packed = files("nodes").joinpath("diffusion", "vocab", "bpe_simple_vocab_16e6.txt.gz").read_bytes()
    return b"\n".join(gzip.decompress(packed).split(b"\n")[1 : _MERGES + 1])


def _vectors(header: dict[str, Any] | None) -> int | None:
    """The rows of the first tensor that can be an embedding."""
    for name, entry in (header or {}).items():
        if name == "__metadata__" or not isinstance(entry, dict):
            continue
        match cast("dict[str, Any]", entry).get("shape"):
            case [int(rows), int(_)]:
                return rows
            case [int(_)]:
                return 1
            case _:
                continue
    return None


ROUTES = (
    Route("GET", "/vocabulary/clip", get_merges, gives="text/plain"),
    Route("GET", "/vocabulary/embeddings", get_lengths, gives=dict[str, int | None]),
)
