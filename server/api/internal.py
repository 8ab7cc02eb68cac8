"""What ComfyUI serves to its own front end under /internal: the log, the folders, the files in them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from aiohttp import web

from nodes.folders import MODEL_FOLDERS, inside
from server.api import shapes
from server.api.answers import answer, json_object, refuse
from server.api.keys import parts
from server.api.models import shown_root
from server.api.routes import Route


async def get_logs(request: web.Request) -> web.Response:
    """The last lines of the log, as one text."""
    return answer(parts(request).logs.text())


async def get_raw_logs(request: web.Request) -> web.Response:
    """The last lines of the log, each with its time."""
    return answer(parts(request).logs.said())


async def patch_logs(request: web.Request) -> web.Response:
    """Have the socket of this client told of new lines, or no more."""
    body = await json_object(request)
    parts(request).logs.tell_new()
    if not parts(request).hub.follow_logs(str(body.get("clientId", "")), follow=bool(body.get("enabled"))):
        refuse(404, "No socket of this clientId is connected.", type="not_found")
    return web.Response()


async def get_folder_paths(request: web.Request) -> web.Response:
    """Where each kind of model is looked for, inside the base folder."""
    folders = parts(request).folders
    return answer({name: [shown_root(folders, root) for root in folders.roots(name)] for name in MODEL_FOLDERS})


async def get_folder_files(request: web.Request) -> web.Response:
    """The names of the files in the output, input or temp folder or in a folder inside it, the newest first."""
    root = parts(request).folders.root(request.match_info["place"])
    subfolder = request.query.get("subfolder", "").strip("/")
    return answer(await asyncio.to_thread(_newest_first, inside(root, subfolder) if subfolder else root))


def _newest_first(root: Path) -> list[str]:
    try:
        entries = [entry for entry in os.scandir(root) if entry.is_file(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [entry.name for entry in sorted(entries, key=lambda e: -e.stat().st_mtime) if not entry.name.startswith(".")]


ROUTES = (
    Route("GET", "/internal/logs", get_logs, gives=str, twin=False),
    Route("GET", "/internal/logs/raw", get_raw_logs, gives=shapes.Logs, twin=False),
    Route("PATCH", "/internal/logs/subscribe", patch_logs, takes=shapes.FollowLogs, twin=False),
    Route("GET", "/internal/folder_paths", get_folder_paths, gives=dict[str, list[str]], twin=False),
    Route("GET", "/internal/files/{place}", get_folder_files, query=shapes.FolderQuery, gives=list[str], twin=False),
)
