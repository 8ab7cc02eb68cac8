"""Model files: their folders, names, metadata and previews."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web

from nodes.define import NodeError
from nodes.folders import ALIASES, MODEL_FOLDERS, Folders, inside
from server.api import pictures, shapes
from server.api.answers import answer, refuse
from server.api.keys import parts
from server.api.routes import Route

_HIDDEN = frozenset({"configs", "custom_nodes"})
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".preview.png", ".preview.jpg", ".preview.jpeg", ".preview.webp")
_THUMBNAIL = 256


async def get_folders(request: web.Request) -> web.Response:  # noqa: ARG001
    """The names of the model folders."""
    return answer([name for name in MODEL_FOLDERS if name not in _HIDDEN])


async def get_files(request: web.Request) -> web.Response:
    """The model files of a folder."""
    kind = _kind(request)
    return answer(list(await asyncio.to_thread(parts(request).folders.names, kind)))


async def get_embeddings(request: web.Request) -> web.Response:
    """The names of the embeddings, without their endings."""
    names = await asyncio.to_thread(parts(request).folders.names, "embeddings")
    return answer([name.rpartition(".")[0] for name in names])


async def get_metadata(request: web.Request) -> web.Response:
    """The texts in a safetensors file's header."""
    path = parts(request).folders.path(_kind(request), request.query.get("filename", ""))
    found = await asyncio.to_thread(pictures.safetensors_metadata, path) if path.is_file() else None
    if found is None:
        refuse(404, "The file has no metadata.", type="not_found")
    return answer(found)


async def get_roots(request: web.Request) -> web.Response:
    """The model folders, and where they are inside the base folder."""
    folders = parts(request).folders
    return answer(
        [
            {"name": name, "folders": [shown_root(folders, root) for root in folders.roots(name)]}
            for name in MODEL_FOLDERS
            if name not in _HIDDEN
        ]
    )


async def get_details(request: web.Request) -> web.Response:
    """The model files of a folder: sizes, times, and whether a picture lies beside each."""
    return answer(await asyncio.to_thread(_details, parts(request).folders, _kind(request)))


async def get_preview(request: web.Request) -> web.Response:
    """A picture that lies beside a model file, as a WebP thumbnail."""
    folders, kind = parts(request).folders, _kind(request)
    roots = folders.roots(kind)
    index = request.match_info["index"]
    if not index.isdecimal() or len(index) > 4 or int(index) >= len(roots):
        refuse(404, "There is no such folder.", type="not_found")
    beside = await asyncio.to_thread(_picture_of, roots[int(index)], request.match_info["filename"])
    if beside is None:
        refuse(404, "The model has no picture.", type="not_found")
    data, mime = await asyncio.to_thread(pictures.preview, beside, "webp;85", rgb=True, side=_THUMBNAIL)
    return web.Response(body=data, content_type=mime)


def known_kind(kind: str) -> str:
    """The name of a model folder, as it is. Refuses another word."""
    if ALIASES.get(kind, kind) not in MODEL_FOLDERS:
        refuse(404, f"{kind[:80]!r} is no model folder.", type="not_found")
    return kind


def _kind(request: web.Request) -> str:
    return known_kind(request.match_info["folder"])


def shown_root(folders: Folders, root: Path) -> str:
    """A folder as clients need to tell it from others: nothing above the base folder is told."""
    return root.relative_to(folders.base).as_posix() if root.is_relative_to(folders.base) else root.name


def _details(folders: Folders, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    roots = folders.roots(kind)
    for name in folders.names(kind):
        try:
            path = folders.path(kind, name)
            stat = path.stat()
        except (OSError, NodeError):
            continue
        index = next((i for i, root in enumerate(roots) if path.is_relative_to(root)), 0)
        entry = {"name": name, "pathIndex": index, "modified": stat.st_mtime, "created": stat.st_ctime}
        found.append({**entry, "size": stat.st_size, "preview": _picture_of(roots[index], name) is not None})
    return found


def _picture_of(root: Path, name: str) -> Path | None:
    model = inside(root, name)
    for suffix in _PICTURES:
        beside = inside(root, name.rpartition(".")[0] + suffix) if "." in model.name else inside(root, name + suffix)
        if beside.is_file():
            return beside
    return None


ROUTES = (
    Route("GET", "/models", get_folders, gives=list[str]),
    Route("GET", "/models/{folder}", get_files, gives=list[str]),
    Route("GET", "/embeddings", get_embeddings, gives=list[str]),
    Route("GET", "/view_metadata/{folder}", get_metadata, query=shapes.MetadataQuery, gives=dict[str, str]),
    Route("GET", "/experiment/models", get_roots, gives=list[shapes.ModelFolder]),
    Route("GET", "/experiment/models/{folder}", get_details, gives=list[shapes.ModelFile]),
    Route("GET", "/experiment/models/preview/{folder}/{index}/{filename:.*}", get_preview, gives="image/webp"),
)
