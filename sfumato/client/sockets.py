"""Connections that can be waited for to the end of their goodbyes."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

_GOODBYE_S = 5.0


class Connector(aiohttp.TCPConnector):
    """aiohttp's, which waits for idle connections only: not for those that were closed before, as a websocket's is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._open: set[ResponseHandler] = set()

    async def connect(self, *args: Any, **options: Any) -> Connection:
        """A connection out of the pool, or a new one."""
        connection = await super().connect(*args, **options)
        handler = connection.protocol
        if handler is not None and handler not in self._open and (closed := handler.closed) is not None:
            self._open.add(handler)
            closed.add_done_callback(lambda done: self._over(handler, done))
        return connection

    async def shut(self) -> None:
        """Wait until every socket is closed, or for a while: an encrypted one first hears the server's goodbye."""
        waiting = [closed for handler in self._open if (closed := handler.closed) is not None]
        if waiting:
            await asyncio.wait(waiting, timeout=_GOODBYE_S)

    def _over(self, handler: ResponseHandler, closed: asyncio.Future[None]) -> None:
        self._open.discard(handler)
        if not closed.cancelled():
            closed.exception()  # a connection that broke is as shut as another
