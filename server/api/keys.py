"""What handlers are given: one object with the parts of the server, found by its key."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from pathlib import Path

    from nodes.folders import Folders
    from server.api.accounts import Accounts
    from server.api.book import Book
    from server.api.downloads import Downloads
    from server.api.hub import Hub
    from server.api.logs import LogTail
    from server.api.security import Door
    from server.jobs.queue import Queue


@dataclass(frozen=True)
class Parts:
    """The parts that handlers work with. `started` is time.monotonic() at the server's start.

    `writing` is held while one of the user's files is compared with what its writer knew, and replaced.
    """

    queue: Queue
    folders: Folders
    book: Book
    hub: Hub
    door: Door
    web: Path
    workflows: Path
    max_upload_bytes: int
    downloads: Downloads
    accounts: Accounts
    logs: LogTail
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    started: float = field(default_factory=time.monotonic)


PARTS: web.AppKey[Parts] = web.AppKey("parts")


def parts(request: web.Request) -> Parts:
    """The server's parts."""
    return request.app[PARTS]
