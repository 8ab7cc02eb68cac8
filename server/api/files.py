"""Pictures in and out: ComfyUI's /view, /upload/image and /upload/mask."""

from __future__ import annotations

import asyncio
import hashlib
import json
import mimetypes
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from aiohttp import BodyPartReader, web
from aiohttp.helpers import content_disposition_header

from nodes.folders import Folders, MissingFile, Place, UnsafePath, inside, path_place, segments_of
from server.api import pictures, shapes
from server.api.answers import Refused, answer, refuse, truthy
from server.api.keys import parts
from server.api.routes import Route

SHOWN_INLINE = frozenset(
    {"image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/avif", "video/mp4", "video/webm"}
    | {"audio/mpeg", "audio/ogg", "audio/flac", "audio/wav", "audio/x-wav"}
)
"""What a browser may show; everything else is a download, whatever it is called."""

_MAX_SIDE = 8192
_PIECE_BYTES = 1 << 18
_MAX_FIELD_BYTES = 1 << 16


async def view(request: web.Request) -> web.StreamResponse:
    """A file of the output, input or temp folder: as it is, as a preview, or one of its channels."""
    query = request.query
    if "filename" not in query:
        refuse(404, "Which file? filename is missing.", type="not_found")
    path = _named(parts(request).folders, query["filename"], query.get("type", "output"), query.get("subfolder", ""))
    wanted, channel = query.get("preview"), query.get("channel", "rgba")
    if not wanted and channel not in ("rgb", "a"):
        return served(path)
    version = version_of(path)
    if any(known.value == version for known in request.if_none_match or ()):
        return web.Response(status=304)
    if wanted:
        side = _side(query.get("size"))
        data, mime = await asyncio.to_thread(pictures.preview, path, wanted, rgb=channel == "rgb", side=side)
    else:
        data, mime = await asyncio.to_thread(pictures.channel, path, channel), "image/png"
    response = _inline(data, mime, path.name)
    response.etag = version
    return response


def version_of(path: Path) -> str | None:
    """What tells the file from its other versions: the ETag that aiohttp serves it with. None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return f"{stat.st_mtime_ns:x}-{stat.st_size:x}"


def _side(wanted: str | None) -> int | None:
    if wanted is None:
        return None
    if not (wanted.isascii() and wanted.isdecimal()) or not 1 <= int(wanted[:6]) <= _MAX_SIDE:
        refuse(400, f"size must be a number of pixels from 1 to {_MAX_SIDE}, not {wanted[:40]!r}.")
    return int(wanted)


async def upload_image(request: web.Request) -> web.Response:
    """Take a picture. A file of the same name and content is used again; of another content, the name is changed."""
    form = await _received(request)
    try:
        await asyncio.to_thread(pictures.check_upload, form.path, form.filename)
        return answer(await asyncio.to_thread(_keep, parts(request).folders, form, form.path))
    finally:
        form.clean()


async def upload_mask(request: web.Request) -> web.Response:
    """Take a picture's alpha and put it into another picture, which is kept under the uploaded name."""
    form = await _received(request)
    try:
        original = _original(parts(request).folders, form)
        await asyncio.to_thread(pictures.check_upload, form.path, form.filename)
        mixed = form.path.with_suffix(".mixed")
        form.more.append(mixed)
        await asyncio.to_thread(lambda: mixed.write_bytes(pictures.masked(original, form.path)))
        return answer(await asyncio.to_thread(_keep, parts(request).folders, form, mixed))
    finally:
        form.clean()


def served(path: Path, *, cache: str = "no-cache") -> web.StreamResponse:
    """A user's file: shown if it is a picture, sound or film, and a download otherwise."""
    mime = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    shown = mime in SHOWN_INLINE
    response = web.FileResponse(path)
    response.content_type = mime if shown else "application/octet-stream"
    response.headers["Content-Disposition"] = _disposition("inline" if shown else "attachment", path.name)
    response.headers["Cache-Control"] = cache
    return response


@dataclass
class _Form:
    """A multipart form: its fields, and its file in a temporary place."""

    path: Path
    filename: str = ""
    fields: dict[str, str] = field(default_factory=dict[str, str])
    digest: str = ""
    more: list[Path] = field(default_factory=list[Path])

    def clean(self) -> None:
        for path in (self.path, *self.more):
            path.unlink(missing_ok=True)


async def _received(request: web.Request) -> _Form:
    """The form, its file streamed to disk and never whole in memory."""
    if not request.content_type.startswith("multipart/"):
        refuse(400, "The body must be a multipart form with a file named image.")
    folder = parts(request).folders.state / "incoming"
    folder.mkdir(parents=True, exist_ok=True)
    form = _Form(folder / secrets.token_hex(12))
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                refuse(400, "Forms within forms are not taken.")
            if part.name == "image" and part.filename is not None:
                form.filename = part.filename
                await _stream(part, form, parts(request).max_upload_bytes)
            elif part.name:
                form.fields[part.name] = await _field(part)
    except BaseException as error:
        form.clean()
        if isinstance(error, ValueError | AssertionError):
            raise Refused(400, "The form is damaged.") from error
        raise
    if not form.filename or not form.digest:
        form.clean()
        refuse(400, "There is no file named image in the form.")
    return form


async def _field(part: BodyPartReader) -> str:
    data = bytearray()
    while piece := await part.read_chunk(_PIECE_BYTES):
        data += piece
        if len(data) > _MAX_FIELD_BYTES:
            refuse(400, f"{part.name!r} is too long.")
    return data.decode("utf-8", "replace")


async def _stream(part: BodyPartReader, form: _Form, limit: int) -> None:
    hashed, size = hashlib.sha256(), 0
    with form.path.open("wb") as file:
        while piece := await part.read_chunk(_PIECE_BYTES):
            size += len(piece)
            if size > limit:
                refuse(413, f"The file is larger than {limit >> 20} MB.", type="too_large")
            hashed.update(piece)
            await asyncio.to_thread(file.write, piece)
        await asyncio.to_thread(_sync, file.fileno(), file.flush)
    form.digest = hashed.hexdigest()


def _sync(handle: int, flush: Callable[[], None]) -> None:
    flush()
    os.fsync(handle)


def _keep(folders: Folders, form: _Form, source: Path) -> dict[str, str]:
    """Give the file its name, and say which it got."""
    place, subfolder = form.fields.get("type") or "input", form.fields.get("subfolder", "").strip("/")
    root = folders.root(place)
    folder = inside(root, subfolder) if subfolder else root
    *more, name = segments_of(form.filename)
    if more:
        raise UnsafePath(f"{form.filename[:80]!r} is no name of a file; say the folder in subfolder.")
    inside(folder, name)
    if not folder.resolve().is_relative_to(root.resolve()):
        raise UnsafePath(f"{subfolder[:80]!r} is a link that leaves its folder.")
    folder.mkdir(parents=True, exist_ok=True)
    if truthy(form.fields.get("overwrite")):
        inside(root, f"{subfolder}/{name}" if subfolder else name)
        os.replace(source, folder / name)
    else:
        name = _new_name(folder, name, source)
    return {"name": name, "subfolder": subfolder, "type": place}


def _new_name(folder: Path, name: str, source: Path) -> str:
    digest = _digest(source)
    stem, suffix = os.path.splitext(name)
    for count in range(100_000):
        tried = name if count == 0 else f"{stem} ({count}){suffix}"
        target = folder / tried
        if target.is_file() and not target.is_symlink() and _digest(target) == digest:
            return tried
        try:
            os.link(source, target)
        except FileExistsError:
            continue
        except OSError:
            if target.exists():
                continue
            os.replace(source, target)
        return tried
    raise Refused(400, f"There are too many files named {name[:80]!r}.")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _original(folders: Folders, form: _Form) -> Path:
    try:
        reference: Any = json.loads(form.fields.get("original_ref", ""))
    except (ValueError, RecursionError):
        refuse(400, "original_ref must be a JSON object that names a file.")
    if not isinstance(reference, dict):
        refuse(400, "original_ref must be a JSON object that names a file.")
    known = cast("dict[str, object]", reference)
    return _named(
        folders, str(known.get("filename", "")), str(known.get("type") or "output"), str(known.get("subfolder") or "")
    )


def _named(folders: Folders, filename: str, place: str, subfolder: str) -> Path:
    """The file that a request names. Raises UnsafePath or MissingFile."""
    if not filename or filename.startswith("/") or ".." in filename:
        raise UnsafePath(f"{filename[:80]!r} is no name of a file inside its folder.")
    folders.root(place)
    place = path_place(filename, cast(Place, place))
    bare = filename.removesuffix(f"[{place}]").rstrip(" ") if filename.endswith(f"[{place}]") else filename
    path = inside(folders.root(place), f"{subfolder.strip('/')}/{bare}" if subfolder.strip("/") else bare)
    if not path.is_file():
        raise MissingFile(f"{bare[:80]!r} is not in the {place} folder.")
    return path


def _inline(data: bytes, mime: str, name: str) -> web.Response:
    headers = {"Content-Disposition": _disposition("inline", name), "Cache-Control": "no-cache"}
    return web.Response(body=data, content_type=mime, headers=headers)


def _disposition(how: str, name: str) -> str:
    safe = "".join(c if c.isprintable() and c not in '"\\' else "_" for c in name)
    if how == "inline" and safe.isascii():
        return f'filename="{safe}"'
    return content_disposition_header(how, filename=safe)


ROUTES = (
    Route("GET", "/view", view, query=shapes.ViewQuery, gives="application/octet-stream"),
    Route("POST", "/upload/image", upload_image, takes="multipart/form-data", gives=shapes.FileRef),
    Route("POST", "/upload/mask", upload_mask, takes="multipart/form-data", gives=shapes.FileRef),
)
