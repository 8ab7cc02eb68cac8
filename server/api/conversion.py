"""Workflows of other programs, made into files for the editor: what A1111 writes beside its pictures, and scripts."""

from __future__ import annotations

import asyncio

from aiohttp import web

from nodes.folders import Folders
from nodes.registry import Registry
from server.api import shapes
from server.api.answers import answer, refuse
from server.api.keys import parts
from server.api.routes import Route
from server.formats import FormatError, Shapes, open_workflow, to_document

_MOST_BYTES = 1 << 20


async def post_convert(request: web.Request) -> web.Response:
    """The editor's file of a text: A1111's parameters, or a script that `sfumato convert` wrote."""
    data = await request.read()
    if len(data) > _MOST_BYTES:
        refuse(413, f"The text has {len(data)} bytes; a workflow's has no more than {_MOST_BYTES}.")
    await parts(request).book.complete()
    registry, folders = parts(request).book.engine.registry, parts(request).folders
    try:
        return answer(await asyncio.to_thread(_converted, data, registry, folders))
    except FormatError as error:
        refuse(400, str(error), type="no_workflow")


def _converted(data: bytes, registry: Registry, folders: Folders) -> shapes.Converted:
    opened = open_workflow(data, registry, folders=folders)
    document = opened.document or to_document(opened.prompt, Shapes(registry))
    return {"document": document, "notes": list(opened.report.notes)}


ROUTES = (Route("POST", "/api/convert", post_convert, takes="text/plain", gives=shapes.Converted, twin=False),)
