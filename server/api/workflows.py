"""The workflows that ship, and the editor's own files."""

from __future__ import annotations

import contextlib
import mimetypes
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aiohttp import web

from nodes.folders import UnsafePath, inside
from server.api import shapes
from server.api.answers import answer, refuse
from server.api.keys import parts
from server.api.routes import Route
from server.api.security import PAGE_POLICY
from server.formats.errors import FormatError
from server.formats.reading import mapping, optional_mapping, parse_json
from server.formats.sketch import sketch
from server.jobs.model import Json

_LONG = "public, max-age=31536000, immutable"


async def get_index(request: web.Request) -> web.Response:
    """The workflows that ship: their names, titles, what they do, and a picture."""
    return answer(_templates(parts(request).workflows))


async def get_template(request: web.Request) -> web.StreamResponse:
    """A workflow that ships, or its picture."""
    return _static(parts(request).workflows, request.match_info["name"], {".json", ".webp", ".png", ".jpg"})


async def get_workflow_templates(request: web.Request) -> web.Response:  # noqa: ARG001
    """Workflows of custom packs. There are none: packs are code and run in workers only."""
    return answer({})


async def get_i18n(request: web.Request) -> web.Response:  # noqa: ARG001
    """Translations of nodes. There are none."""
    return answer({})


async def get_page(request: web.Request) -> web.StreamResponse:
    """The editor."""
    return _page(_static(parts(request).web, "index.html", {".html"}))


async def get_asset(request: web.Request) -> web.StreamResponse:
    """A file of the editor."""
    return _page(_static(parts(request).web, request.match_info["name"], None))


def _page(response: web.StreamResponse) -> web.StreamResponse:
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response


def _static(root: Path, name: str, endings: set[str] | None) -> web.StreamResponse:
    try:
        path = inside(root, name)
    except UnsafePath:
        refuse(404, "There is no such file.", type="not_found")
    if not path.is_file() or (endings is not None and path.suffix not in endings) or path.name.startswith("."):
        refuse(404, "There is no such file.", type="not_found")
    response = web.FileResponse(path)
    response.content_type = _mime(path)
    hashed = "assets" in path.parts and "-" in path.stem
    response.headers["Cache-Control"] = _LONG if hashed else "no-cache"
    return response


def _mime(path: Path) -> str:
    # A system's own table may say that scripts are plain text, and the browser then refuses them.
    known = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".woff2": "font/woff2"}
    return known.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _templates(root: Path) -> list[dict[str, Any]]:
    return [_template(path) for path in sorted(root.glob("*.json")) if path.name != "index.json"]


def _template(path: Path) -> dict[str, Any]:
    picture = path.with_suffix(".webp")
    document: Json = {}
    seen: Json | None = None
    with contextlib.suppress(OSError, FormatError):
        document = mapping(parse_json(path.read_bytes()), path.name)
        seen = None if picture.is_file() else asdict(sketch(document))
    about = optional_mapping(document.get("extra"))
    return {
        "name": path.stem,
        "title": str(about.get("title") or path.stem.replace("_", " ").capitalize()),
        "description": str(about.get("description") or ""),
        "thumbnail": picture.name if picture.is_file() else None,
        "sketch": seen,
    }


ROUTES = (
    Route("GET", "/templates/index.json", get_index, gives=list[shapes.Template]),
    Route("GET", "/templates/{name}", get_template, gives="application/json"),
    Route("GET", "/workflow_templates", get_workflow_templates, gives=dict[str, list[str]]),
    Route("GET", "/i18n", get_i18n, gives=dict[str, Any]),
    Route("GET", "/", get_page, gives="text/html", twin=False),
    Route("GET", "/{name:(?!api/).+}", get_asset, gives="application/octet-stream", twin=False),
)
"""The last one takes every path that nothing else took, so these come last."""
