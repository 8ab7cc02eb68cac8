"""The application: its parts put together, and what happens from start to end."""

from __future__ import annotations

import logging

from aiohttp import web

from nodes.define import Saved
from nodes.folders import Folders
from server.api import (
    accounts,
    conversion,
    fetching,
    files,
    internal,
    jobs,
    models,
    nodes,
    openapi,
    prompt,
    sockets,
    subgraphs,
    system,
    users,
    vocabulary,
    workflows,
)
from server.api.errors import errors
from server.api.keys import PARTS, Parts
from server.api.routes import Route, add_routes
from server.api.security import guard
from server.jobs.model import Json

log = logging.getLogger(__name__)

OPEN_ROUTES: tuple[Route, ...] = (
    *prompt.ROUTES,
    *conversion.ROUTES,
    *jobs.ROUTES,
    *nodes.ROUTES,
    *files.ROUTES,
    *models.ROUTES,
    *vocabulary.ROUTES,
    *accounts.ROUTES,
    *users.ROUTES,
    *fetching.ROUTES,
    *internal.ROUTES,
    *system.ROUTES,
    *sockets.ROUTES,
    *subgraphs.ROUTES,
)


def make_app(parts: Parts) -> web.Application:
    """The application over these parts. Starting it starts the queue; cleaning it up ends the workers."""
    app = web.Application(middlewares=[guard(parts.door), errors], client_max_size=parts.max_upload_bytes)
    app[PARTS] = parts
    add_routes(app, OPEN_ROUTES)
    openapi.add_description(app, (*OPEN_ROUTES, *workflows.ROUTES))
    add_routes(app, workflows.ROUTES)
    app.on_startup.append(_start)
    app.on_shutdown.append(_say_goodbye)
    app.on_cleanup.append(_stop)
    return app


def exists_in(folders: Folders, item: Json) -> bool:
    """Whether a file that a job showed is there."""
    try:
        return folders.exists(Saved(item["filename"], item.get("subfolder", ""), item.get("type", "output")))
    except (TypeError, AttributeError):
        return False


async def _start(app: web.Application) -> None:
    await app[PARTS].queue.start(app[PARTS].hub)


async def _say_goodbye(app: web.Application) -> None:
    await app[PARTS].hub.close()


async def _stop(app: web.Application) -> None:
    await app[PARTS].downloads.close()
    await app[PARTS].queue.close()
