"""Workflows of other programs, made into files for the editor: what A1111 writes beside its pictures, and scripts."""

from __future__ import annotations

import asyncio
from typing import cast

from aiohttp import web

from nodes.folders import Folders
from nodes.registry import Registry
from server.api import shapes
from server.api.answers import answer, json_object, refuse
from server.api.keys import parts
from server.api.routes import Route
from server.formats import FormatError, Shapes, open_workflow, to_document
from server.formats.document import read_item
from server.formats.fields import known_fields

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


async def post_fields(request: web.Request) -> web.Response:
    """What the values of nodes in an editor's file are called, where the file does not say it: by type and version."""
    body = await json_object(request)
    nodes: object = body.get("nodes")
    if not isinstance(nodes, list):
        refuse(400, "nodes must be a list of an editor's nodes.")
    await parts(request).book.complete()
    known = Shapes(parts(request).book.engine.registry)
    told = await asyncio.to_thread(lambda: [_fields(each, known) for each in cast("list[object]", nodes)])
    return answer(shapes.FieldsTold(fields=told))


def _fields(node: object, known: Shapes) -> list[shapes.FieldTold] | None:
    """What is known of a node's fields. Of a damaged node nothing is: its file opens all the same."""
    try:
        item = read_item(node, "The node")
    except FormatError:
        return None
    fields = known_fields(item, known.get(item.type))
    return None if fields is None else [{"name": each.name, "type": each.type} for each in fields]


def _converted(data: bytes, registry: Registry, folders: Folders) -> shapes.Converted:
    opened = open_workflow(data, registry, folders=folders)
    document = opened.document or to_document(opened.prompt, Shapes(registry))
    return {"document": document, "notes": list(opened.report.notes)}


ROUTES = (
    Route("POST", "/api/convert", post_convert, takes="text/plain", gives=shapes.Converted, twin=False),
    Route("POST", "/api/fields", post_fields, takes=shapes.FieldsAsked, gives=shapes.FieldsTold, twin=False),
)
