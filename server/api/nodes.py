"""Which nodes there are."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from nodes.schema import node_info, object_info
from server.api import shapes
from server.api.answers import answer
from server.api.keys import parts
from server.api.routes import Route


async def get_object_info(request: web.Request) -> web.Response:
    """Every node's inputs and outputs, with the files there are to choose from now."""
    registry = await parts(request).book.complete()
    return answer(object_info(registry, parts(request).folders))


async def get_node_info(request: web.Request) -> web.Response:
    """One node's inputs and outputs; empty when there is none of this class."""
    definition = (await parts(request).book.complete()).get(request.match_info["node"])
    return answer({definition.id: node_info(definition, parts(request).folders)} if definition else {})


async def get_pack_errors(request: web.Request) -> web.Response:
    """The custom packs that could not be loaded, and why."""
    await parts(request).book.complete()
    return answer([{"pack": error.pack, "reason": error.reason} for error in parts(request).book.errors])


async def get_extensions(request: web.Request) -> web.Response:  # noqa: ARG001
    """Scripts that extend the editor. There are none: a pack's scripts are not run in the page."""
    return answer([])


ROUTES = (
    Route("GET", "/object_info", get_object_info, gives=dict[str, Any]),
    Route("GET", "/object_info/{node}", get_node_info, gives=dict[str, Any]),
    Route("GET", "/extensions", get_extensions, gives=list[str]),
    Route("GET", "/api/pack_errors", get_pack_errors, gives=list[shapes.PackFault], twin=False),
)
