"""Serving: from options to a process that listens, and back to nothing within seconds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import ssl
import sys
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from nodes.define import NodeError
from nodes.folders import Folders
from nodes.hub import endpoint
from server.api import system
from server.api.accounts import Accounts
from server.api.application import exists_in, make_app
from server.api.book import Book
from server.api.downloads import HOSTS, Downloads
from server.api.hub import Hub
from server.api.keys import Parts
from server.api.leftovers import sweep
from server.api.logs import LogTail
from server.api.security import Door, is_loopback, this_machine
from server.assets import web_folder, workflows_folder
from server.config import GIB, Settings
from server.jobs.queue import Deadlines, Queue
from server.jobs.schema import UnusableStore
from server.jobs.starts import Starts
from server.jobs.store import Store
from server.workers.alone import Alone, Held
from server.workers.catalogue import digest
from server.workers.claims import forget_claims
from server.workers.local import LocalPool, Patience
from server.workers.messages import Start

log = logging.getLogger("server")

MIB = 1 << 20


class CannotServe(RuntimeError):  # noqa: N818
    """The server cannot start; one sentence says why and what to do."""


@dataclass(frozen=True)
class Serving:
    """What to serve, and to whom. An empty `token` beyond loopback is replaced by a new one."""

    base: Path
    web: Path
    workflows: Path
    host: str = "127.0.0.1"
    port: int = 8188
    output: Path | None = None
    devices: tuple[str, ...] = ("auto",)
    token: str = ""
    hosts: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    custom_nodes: bool = False
    multi_user: bool = False
    allow_downloads: bool = False
    download_hosts: tuple[str, ...] = HOSTS
    max_download_bytes: int = 64 << 30
    max_upload_bytes: int = 100 << 20
    worker_memory_bytes: int = 0
    worker_options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    deadlines: Deadlines = field(default_factory=Deadlines)
    patience: Patience = field(default_factory=Patience)


def serve(settings: Settings) -> int:
    """Serve as the settings say until told to stop; the exit status. Raises CannotServe."""
    return run(
        Serving(
            base=settings.base,
            output=settings.output,
            web=web_folder(),
            workflows=workflows_folder(),
            host=settings.host,
            port=settings.port,
            devices=settings.devices,
            token=settings.token,
            hosts=settings.hosts,
            tls_cert=settings.tls_cert,
            tls_key=settings.tls_key,
            custom_nodes=settings.custom_nodes,
            multi_user=settings.multi_user,
            allow_downloads=settings.allow_downloads,
            download_hosts=settings.download_hosts or HOSTS,
            max_download_bytes=int(settings.max_download_gib * GIB),
            max_upload_bytes=int(settings.max_upload_mib * MIB),
            worker_memory_bytes=int(settings.worker_memory_gib * GIB),
            worker_options={
                "precision": settings.precision,
                "allow_downloads": settings.allow_downloads and _hub_is_among(settings.download_hosts or HOSTS),
                "metadata": settings.metadata,
                "cache_memory_bytes": int(settings.cache_memory_gib * GIB),
                "cache_disk_bytes": int(settings.cache_disk_gib * GIB),
            },
        )
    )


def _hub_is_among(hosts: Collection[str]) -> bool:
    """Whether nodes may fetch models from where they do."""
    return urlsplit(endpoint()).netloc in hosts


def run(serving: Serving) -> int:
    """Serve until told to stop; the exit status. Raises CannotServe."""
    # A large graph is checked in a thread of its own; the loop, which wants moments, is not to wait for its turn.
    sys.setswitchinterval(0.0005)
    try:
        return asyncio.run(_run(serving))
    except KeyboardInterrupt:
        return 130


def make_parts(serving: Serving, folders: Folders) -> Parts:
    """The server's parts, nothing started."""
    custom = digest(folders.roots("custom_nodes")) if serving.custom_nodes else ""
    book = Book(folders, custom)
    start = Start(
        base=str(folders.base),
        output=str(serving.output) if serving.output else None,
        custom_nodes=serving.custom_nodes,
        digest=custom,
        memory_limit_bytes=serving.worker_memory_bytes,
        options=serving.worker_options,
    )
    queue = Queue(
        Store(folders.state / "jobs.sqlite"),
        LocalPool(start, serving.devices, serving.patience),
        Starts(folders.state / "starts"),
        exists=lambda item: exists_in(folders, item),
        models_of=book.models_of,
        ended=lambda job: forget_claims(folders.state / "claims", job),
        deadlines=serving.deadlines,
    )
    hub = Hub(lambda: queue.remaining, system.features(serving.max_upload_bytes), book.told)
    return Parts(
        queue=queue,
        folders=folders,
        book=book,
        hub=hub,
        door=_door(serving),
        web=serving.web,
        workflows=serving.workflows,
        max_upload_bytes=serving.max_upload_bytes,
        downloads=Downloads(
            folders,
            serving.allow_downloads,
            hosts=serving.download_hosts,
            max_bytes=serving.max_download_bytes,
            tell=hub.downloaded,
        ),
        accounts=Accounts(folders.user, several=serving.multi_user),
        logs=LogTail(hub.logged),
    )


async def _run(serving: Serving) -> int:
    stopping = asyncio.Event()
    _on_signals(stopping)
    async with _served(serving) as url:
        print(url, flush=True)  # noqa: T201 -- the link to open; the token is in it once and never in the log
        await stopping.wait()
        log.info("stopping; a second Ctrl-C ends at once")
    return 0


@contextlib.asynccontextmanager
async def _served(serving: Serving) -> AsyncGenerator[str]:
    folders = _folders(serving)
    alone = _alone(folders)
    began = time.time()
    swept: asyncio.Future[int] | None = None
    runner: web.AppRunner | None = None
    root, tail = logging.getLogger(), None
    try:
        parts = make_parts(serving, folders)
        root.addHandler(tail := parts.logs)
        runner = web.AppRunner(make_app(parts), access_log=None, shutdown_timeout=1.0, handle_signals=False)
        await _begin(runner)
        port = await _listen(runner, serving)
        parts.book.begin()
        swept = asyncio.get_running_loop().run_in_executor(None, sweep, folders, began)
        log.info("serving %s on port %d, %s", folders.base, port, system.about_this_machine())
        yield _link(serving, parts.door, port)
    finally:
        if runner is not None:
            await runner.cleanup()
        if tail is not None:
            root.removeHandler(tail)
        if swept is not None:
            await swept
        alone.release()


async def _begin(runner: web.AppRunner) -> None:
    try:
        await runner.setup()
    except UnusableStore as error:
        raise CannotServe(str(error)) from error


async def _listen(runner: web.AppRunner, serving: Serving) -> int:
    site = web.TCPSite(runner, serving.host, serving.port, ssl_context=_tls(serving), backlog=512)
    try:
        await site.start()
    except OSError as error:
        raise CannotServe(
            f"Port {serving.port} on {serving.host} cannot be used: {error.strerror or error}. "
            "Choose another with --port."
        ) from error
    address = runner.addresses[0]
    return int(address[1])


def _folders(serving: Serving) -> Folders:
    try:
        folders = Folders.at(serving.base, output=serving.output)
        for place in ("input", "output", "temp"):
            folders.root(place).mkdir(parents=True, exist_ok=True)
        folders.state.mkdir(parents=True, exist_ok=True)
    except NodeError as error:
        raise CannotServe(str(error)) from error
    except OSError as error:
        raise CannotServe(
            f"{serving.base} cannot be used as base folder: {error.strerror}. Choose another with --base."
        ) from error
    return folders


def _alone(folders: Folders) -> Alone:
    try:
        return Alone(folders.state / "server.lock")
    except Held as error:
        raise CannotServe(
            f"Another Sfumato serves {folders.base} already. Stop it, or choose another --base."
        ) from error


def _door(serving: Serving) -> Door:
    loopback = is_loopback(serving.host)
    token = serving.token or ("" if loopback else secrets.token_urlsafe(24))
    hosts = frozenset(name.lower() for name in serving.hosts)
    hosts = hosts if loopback else hosts | this_machine()
    return Door(loopback=loopback, token=token, hosts=hosts, secure=serving.tls_cert is not None)


def _tls(serving: Serving) -> ssl.SSLContext | None:
    if serving.tls_cert is None:
        if serving.tls_key is not None:
            raise CannotServe("--tls-key needs --tls-cert beside it.")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(serving.tls_cert, serving.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise CannotServe(f"The TLS certificate cannot be used: {error.strerror or error}.") from error
    return context


def _link(serving: Serving, door: Door, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(serving.host, serving.host)  # noqa: S104 -- compared, not bound
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    scheme = "https" if door.secure else "http"
    return f"{scheme}://{host}:{port}/{'?token=' + door.token if door.token else ''}"


def _on_signals(stopping: asyncio.Event) -> None:
    """The first Ctrl-C or SIGTERM stops in order; the second ends the process now."""

    def stop() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()

    loop = asyncio.get_running_loop()
    if sys.platform != "win32":
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, stop)
        return
    _on_windows(loop, stop)


def _on_windows(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    def later(*_: object) -> None:
        loop.call_soon_threadsafe(stop)

    signal.signal(signal.SIGINT, later)
    if (name := getattr(signal, "SIGBREAK", None)) is not None:
        signal.signal(name, later)
