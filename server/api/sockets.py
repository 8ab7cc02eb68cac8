"""The websocket."""

from __future__ import annotations

import uuid

from aiohttp import web

from server.api import shapes
from server.api.answers import refuse
from server.api.hub import Client
from server.api.keys import parts
from server.api.routes import Route
from server.jobs.model import Json

_MAX_MESSAGE_BYTES = 1 << 20


async def get_ws(request: web.Request) -> web.WebSocketResponse:
    """Messages about a client's jobs as they happen. With `since`, what was missed after that event comes first."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        refuse(400, "This is a websocket; connect with one.")
    found = parts(request)
    client = request.query.get("clientId", "")[:200] or uuid.uuid4().hex
    since = request.query.get("since", "")
    if since and not since.isdecimal():
        refuse(400, "since must be the number of an event.")
    socket = web.WebSocketResponse(heartbeat=30, compress=False, max_msg_size=_MAX_MESSAGE_BYTES)
    await socket.prepare(request)
    store = found.queue.store
    missed = (lambda: store.events(since=min(int(since), 2**62), client=client)) if since else None
    await found.hub.serve(Client(client, socket, request), missed=missed, current=lambda: _current(request, client))
    return socket


def _current(request: web.Request, client: str) -> list[tuple[str, Json]]:
    """Where the client's running job stands, for one that comes back."""
    queue = parts(request).queue
    told: list[tuple[str, Json]] = []
    for job in queue.running:
        if job.request.client != client or (progress := queue.progress_of(job.id)) is None:
            continue
        node = next((node for node, state in progress["nodes"].items() if state["state"] == "running"), None)
        if node is not None:
            told += [("progress_state", progress), ("executing", {"node": node})]
    return told


ROUTES = (Route("GET", "/ws", get_ws, query=shapes.SocketQuery),)
