"""Having the server fetch a model file, where it may."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from server.api import shapes
from server.api.answers import answer, json_object, refuse
from server.api.keys import parts
from server.api.models import known_kind
from server.api.routes import Route


async def post_download(request: web.Request) -> web.Response:
    """Fetch a safetensors file into a model folder; 403 unless the server was started with --allow-downloads.

    The body is what workflows say of a model that they need: url, directory and name, and perhaps hash.
    """
    body = await json_object(request)
    kind = str(body.get("hash_type") or "SHA256")
    if body.get("hash") and kind.upper().replace("-", "") != "SHA256":
        refuse(400, f"hash_type is {kind[:40]!r}; it must be SHA256.")
    found = parts(request).downloads.begin(
        _text(body, "url"), known_kind(_text(body, "directory")), _text(body, "name"), str(body.get("hash") or "")
    )
    return answer(found.as_json(), 202)


async def get_downloads(request: web.Request) -> web.Response:
    """The downloads that run, and those that ended lately."""
    return answer([each.as_json() for each in parts(request).downloads.all])


async def delete_download(request: web.Request) -> web.Response:
    """Stop a download. What is there of it is gone on with when it is asked for again."""
    if not parts(request).downloads.cancel(request.match_info["id"]):
        refuse(404, "There is no such download.", type="not_found")
    return web.Response(status=204)


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        refuse(400, f"{key} must be a text.")
    return value


ROUTES = (
    Route("POST", "/api/downloads", post_download, takes=shapes.DownloadBody, gives=shapes.DownloadState, twin=False),
    Route("GET", "/api/downloads", get_downloads, gives=list[shapes.DownloadState], twin=False),
    Route("DELETE", "/api/downloads/{id}", delete_download, twin=False),
)
