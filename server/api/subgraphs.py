"""Subgraphs that custom packs bring: the files in their folders `subgraphs`, for any editor to offer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from aiohttp import web

from server.api import shapes
from server.api.answers import answer, refuse
from server.api.keys import parts
from server.api.routes import Route

_MOST_BYTES = 16 << 20
"""A larger file is no subgraph."""


async def get_subgraphs(request: web.Request) -> web.Response:
    """The subgraphs that custom packs bring, by id: what each is called, and whose it is."""
    found = await asyncio.to_thread(_found, parts(request).folders.roots("custom_nodes"))
    return answer({name: _about(path) for name, path in found.items()})


async def get_subgraph(request: web.Request) -> web.Response:
    """A subgraph of a custom pack, with the text of its file."""
    found = await asyncio.to_thread(_found, parts(request).folders.roots("custom_nodes"))
    path = found.get(request.match_info["id"])
    if path is None:
        refuse(404, "There is no such subgraph.", type="not_found")
    return answer({**_about(path), "data": await asyncio.to_thread(path.read_text, "utf-8", "replace")})


def _found(roots: Iterable[Path]) -> dict[str, Path]:
    return {hashlib.sha256(f"{_pack(path)}/{path.name}".encode()).hexdigest(): path for path in _files(roots)}


def _files(roots: Iterable[Path]) -> Iterator[Path]:
    for root in roots:
        for path in sorted(root.glob("*/subgraphs/*.json")):
            inside = path.resolve().is_relative_to(root.resolve())
            if inside and path.is_file() and path.stat().st_size <= _MOST_BYTES:
                yield path


def _pack(path: Path) -> str:
    return path.parent.parent.name


def _about(path: Path) -> shapes.Subgraph:
    return {"source": "custom_node", "name": path.stem, "info": {"node_pack": f"custom_nodes.{_pack(path)}"}}


ROUTES = (
    Route("GET", "/global_subgraphs", get_subgraphs, gives=dict[str, shapes.Subgraph]),
    Route("GET", "/global_subgraphs/{id}", get_subgraph, gives=shapes.SubgraphText),
)
