"""Settings and saved workflows of a user."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from nodes.folders import inside, write_whole
from server.api import shapes
from server.api.answers import answer, json_body, json_object, problem, refuse, truthy
from server.api.files import served, version_of
from server.api.keys import parts
from server.api.routes import Route

_SETTINGS = "comfy.settings.json"


async def get_settings(request: web.Request) -> web.Response:
    """Every setting."""
    return answer(await asyncio.to_thread(_read_settings, _root(request)))


async def get_setting(request: web.Request) -> web.Response:
    """One setting, or null."""
    settings = await asyncio.to_thread(_read_settings, _root(request))
    return answer(settings.get(request.match_info["id"]))


async def post_settings(request: web.Request) -> web.Response:
    """Set some settings; the others stay."""
    return await _changed(request, await json_object(request))


async def post_setting(request: web.Request) -> web.Response:
    """Set one setting."""
    return await _changed(request, {request.match_info["id"]: await json_body(request)})


async def list_files(request: web.Request) -> web.Response:
    """The files of one of the user's folders: their names, their details, or their names in parts."""
    if not request.query.get("dir"):
        refuse(400, "Which folder? dir is missing.")
    folder = _path(request, request.query["dir"].strip("/"))
    if not folder.is_dir():
        refuse(404, "There is no such folder.", type="not_found")
    found = await asyncio.to_thread(_files, folder, recurse=truthy(request.query.get("recurse")))
    if truthy(request.query.get("full_info")):
        return answer([_info(path, folder) for path in found])
    names = [path.relative_to(folder).as_posix() for path in found]
    return answer([[name, *name.split("/")] for name in names] if truthy(request.query.get("split")) else names)


async def list_tree(request: web.Request) -> web.Response:
    """Everything in one of the user's folders, folders first."""
    name = request.query.get("path", "").strip("/")
    folder = _path(request, name) if name else _root(request)
    if not folder.is_dir():
        if name:
            refuse(404, "There is no such folder.", type="not_found")
        return answer([])
    return answer(await asyncio.to_thread(_tree, folder, _root(request)))


async def get_file(request: web.Request) -> web.StreamResponse:
    """One of the user's files."""
    return served(_existing(request, "file"))


async def post_file(request: web.Request) -> web.Response:
    """Write one of the user's files, whole or not at all; with If-Match, only if it is still as it was read."""
    path = _target(request, "file")
    body = await request.read()
    async with parts(request).writing:
        if path.exists() and request.query.get("overwrite") == "false":
            return problem(409, "There is a file of this name.", type="exists")
        known = request.if_match
        if known is not None and version_of(path) not in {tag.value for tag in known}:
            return problem(412, "The file was changed since it was read.", type="changed")
        await asyncio.to_thread(write_whole, path, body)
        return _written(request, path)


async def delete_file(request: web.Request) -> web.Response:
    """Remove one of the user's files."""
    await asyncio.to_thread(_existing(request, "file").unlink)
    return web.Response(status=204)


async def move_file(request: web.Request) -> web.Response:
    """Give one of the user's files another name."""
    source, target = _existing(request, "file"), _target(request, "dest")
    if target.exists() and request.query.get("overwrite") == "false":
        return problem(409, "There is a file of this name.", type="exists")
    target.parent.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(shutil.move, source, target)
    return _written(request, target)


async def _changed(request: web.Request, changes: dict[str, Any]) -> web.Response:
    async with parts(request).writing:
        await asyncio.to_thread(_change_settings, _root(request), changes)
    return web.Response()


def _root(request: web.Request) -> Path:
    return parts(request).accounts.root(request)


def _path(request: web.Request, name: str) -> Path:
    """One of the user's paths, never outside the folder."""
    return inside(_root(request), name)


def _target(request: web.Request, part: str) -> Path:
    """Where a file is to be, which may be there already."""
    path = _path(request, request.match_info[part])
    if path.is_dir():
        refuse(400, "There is a folder of this name.")
    above = next(folder for folder in path.parents if folder.exists())
    if not above.is_dir():
        refuse(400, f"{above.relative_to(_root(request)).as_posix()[:80]!r} is a file, not a folder.")
    return path


def _existing(request: web.Request, part: str) -> Path:
    path = _path(request, request.match_info[part])
    if not path.is_file():
        refuse(404, "There is no such file.", type="not_found")
    return path


def _written(request: web.Request, path: Path) -> web.Response:
    root = _root(request)
    full = truthy(request.query.get("full_info"))
    response = answer(_info(path, root) if full else path.relative_to(root).as_posix())
    response.etag = version_of(path)
    return response


def _read_settings(root: Path) -> dict[str, Any]:
    try:
        found: object = json.loads((root / _SETTINGS).read_bytes())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        damaged = root / _SETTINGS
        os.replace(damaged, damaged.with_suffix(".damaged.json"))
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _change_settings(root: Path, changes: dict[str, Any]) -> None:
    write_whole(root / _SETTINGS, json.dumps({**_read_settings(root), **changes}, indent=4).encode())


def _files(folder: Path, *, recurse: bool) -> list[Path]:
    """Plain files, links left out: a link could lead anywhere."""
    found: list[Path] = []
    for here, folders, names in os.walk(folder):
        found += [path for name in names if not (path := Path(here, name)).is_symlink() and _visible(name)]
        folders[:] = [name for name in folders if _visible(name)] if recurse else []
    return sorted(found)


def _visible(name: str) -> bool:
    return not name.startswith(".sfumato")


def _info(path: Path, root: Path) -> dict[str, Any]:
    stat = path.stat()
    times = {"modified": int(stat.st_mtime * 1000), "created": int(stat.st_ctime * 1000)}
    return {"path": path.relative_to(root).as_posix(), "size": stat.st_size, **times}


def _tree(folder: Path, root: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not _visible(path.name):
            continue
        entry: dict[str, Any] = {"name": path.name, "path": path.relative_to(root).as_posix()}
        if path.is_dir():
            entries.append({**entry, "type": "directory"})
        else:
            stat = path.stat()
            entries.append({**entry, "type": "file", "size": stat.st_size, "modified": int(stat.st_mtime * 1000)})
    return sorted(entries, key=lambda e: (e["type"] != "directory", e["path"].lower()))


ROUTES = (
    Route("GET", "/settings", get_settings, gives=dict[str, Any]),
    Route("GET", "/settings/{id}", get_setting, gives=Any),
    Route("POST", "/settings", post_settings, takes=dict[str, Any]),
    Route("POST", "/settings/{id}", post_setting, takes=Any),
    Route("GET", "/userdata", list_files, query=shapes.UserDataQuery, gives=list[Any]),
    Route("GET", "/v2/userdata", list_tree, query=shapes.UserPathQuery, gives=list[shapes.UserEntry]),
    Route("POST", "/userdata/{file}/move/{dest}", move_file, query=shapes.UserWriteQuery, gives=Any),
    Route("GET", "/userdata/{file}", get_file, gives="application/octet-stream"),
    Route(
        *("POST", "/userdata/{file}", post_file),
        takes="application/octet-stream",
        query=shapes.UserWriteQuery,
        gives=Any,
    ),
    Route("DELETE", "/userdata/{file}", delete_file),
)
