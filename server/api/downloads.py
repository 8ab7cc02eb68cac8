"""Model files fetched for a client, where the server was started with --allow-downloads.

What is fetched is a safetensors file from a host that is named in the settings, into a model folder, whole or not at
all: it goes to a part beside its place, is taken up again where it stopped, and is checked before it gets its name.
Addresses inside the own network are refused, whatever a name resolves to, unless the settings name them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import json
import logging
import os
import secrets
import shutil
import socket
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from nodes.folders import Folders, inside
from server.api.answers import Refused
from server.api.safetensors import whole_safetensors

log = logging.getLogger(__name__)

HOSTS = ("huggingface.co", "civitai.com", "github.com")
"""Where models are fetched from unless the settings name other hosts. They may send on to others."""

_SUFFIXES = (".safetensors", ".sft")
_PIECE_BYTES = 1 << 20
_MAX_HOPS = 8
_KEPT = 100
_TELL_EVERY_S = 0.25
_SPARE_BYTES = 1 << 30


class _Failed(Exception):  # noqa: N818 -- reads as what it is
    """The download ended; one sentence says why."""


@dataclass(slots=True)
class Download:
    """One file on its way. `state`: running, done, failed or cancelled."""

    id: str
    url: str
    directory: str
    name: str
    target: Path
    sha256: str = ""
    state: str = "running"
    bytes: int = 0
    total: int | None = None
    error: str = ""
    task: asyncio.Task[None] | None = None

    def as_json(self) -> dict[str, Any]:
        """As the API tells of it."""
        names = ("id", "url", "directory", "name", "state", "bytes", "total", "error")
        return {name: getattr(self, name) for name in names}

    @property
    def part(self) -> Path:
        """Where it grows. Another address for the same name has another part."""
        which = hashlib.sha256(self.url.encode()).hexdigest()[:12]
        return self.target.with_name(f".{self.target.name}.{which}.part")


@dataclass
class Downloads:
    """The downloads since the start. Nothing is fetched unless `allowed`."""

    folders: Folders
    allowed: bool = False
    hosts: Sequence[str] = HOSTS
    max_bytes: int = 64 << 30
    tell: Callable[[Mapping[str, Any]], None] = lambda _: None
    _all: dict[str, Download] = field(default_factory=dict[str, Download])

    def begin(self, url: str, directory: str, name: str, sha256: str = "") -> Download:
        """Start fetching a file. Refuses what is not allowed, not safe, or there already."""
        if not self.allowed:
            raise Refused(403, "This server fetches nothing; start it with --allow-downloads.", "not_allowed")
        self._check_url(urlsplit(url), named=True)
        if not name.lower().endswith(_SUFFIXES):
            raise Refused(400, f"{name[:80]!r} is no safetensors file, and no other kind is fetched.", "unsafe_file")
        root = self.folders.roots(directory)[0]
        target = inside(root, name)
        if target.exists() or any(inside(each, name).exists() for each in self.folders.roots(directory)):
            raise Refused(409, f"{name[:80]!r} is in {directory} already.", "exists")
        if any(each.target == target and each.state == "running" for each in self._all.values()):
            raise Refused(409, f"{name[:80]!r} is being fetched already.", "exists")
        found = Download(secrets.token_hex(8), url, directory, name, target, sha256)
        self._all[found.id] = found
        for old in [each.id for each in self._all.values() if each.state != "running"][:-_KEPT]:
            del self._all[old]
        found.task = asyncio.get_running_loop().create_task(self._run(found))
        return found

    @property
    def all(self) -> Sequence[Download]:
        """Those that run and those that ended lately, in order."""
        return list(self._all.values())

    def cancel(self, id: str) -> bool:
        """Stop one; what is there of it is kept, and taken up again. False when there is none of this id."""
        found = self._all.get(id)
        if found is not None and found.task is not None:
            found.task.cancel()
        return found is not None

    async def close(self) -> None:
        """Stop all."""
        tasks = [each.task for each in self._all.values() if each.task is not None and not each.task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)

    async def _run(self, download: Download) -> None:
        try:
            await self._fetch(download)
            await asyncio.to_thread(_finish, download)
            download.state = "done"
            log.info("download %s done: %d bytes", download.id, download.bytes)
        except asyncio.CancelledError:
            download.state = "cancelled"
        except (_Failed, Refused) as error:
            download.state, download.error = "failed", str(error)
        except (aiohttp.ClientError, TimeoutError) as error:
            download.state, download.error = "failed", f"The connection failed: {error or type(error).__name__}."
        except OSError as error:
            download.state, download.error = "failed", f"It cannot be written: {error.strerror or error}."
        if download.error:
            log.warning("download %s failed: %s", download.id, download.error)
        self.tell(download.as_json())

    async def _fetch(self, download: Download) -> None:
        """Get what is missing of the part."""
        await asyncio.to_thread(download.part.parent.mkdir, parents=True, exist_ok=True)
        known = _known_part(download.part)
        headers = {"Accept-Encoding": "identity"}
        if known is not None:
            headers |= {"Range": f"bytes={download.part.stat().st_size}-", "If-Range": known}
        async with self._opened(download.url, headers) as reply:
            goes_on = reply.status == 206 and known is not None
            download.bytes = download.part.stat().st_size if goes_on else 0
            if reply.content_length is not None:
                download.total = download.bytes + reply.content_length
            self._check_size(download, download.total or 0)
            _remember_part(download.part, reply.headers.get("ETag", ""))
            told = 0.0
            with download.part.open("ab" if goes_on else "wb") as file:
                async for piece in reply.content.iter_chunked(_PIECE_BYTES):
                    await asyncio.to_thread(file.write, piece)
                    download.bytes += len(piece)
                    self._check_size(download, download.bytes)
                    if (now := asyncio.get_running_loop().time()) > told + _TELL_EVERY_S:
                        told = now
                        self.tell(download.as_json())
        if download.total is not None and download.bytes != download.total:
            raise _Failed(f"It ended after {download.bytes} of {download.total} bytes; ask again to go on from there.")

    @contextlib.asynccontextmanager
    async def _opened(self, url: str, headers: Mapping[str, str]) -> AsyncGenerator[aiohttp.ClientResponse]:
        """The answer to a GET. Each address on the way is checked before it is asked."""
        connector = aiohttp.TCPConnector(resolver=_PublicResolver(self.hosts))
        timeout = aiohttp.ClientTimeout(total=None, connect=30, sock_read=60)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
            for hop in range(_MAX_HOPS):
                self._check_url(urlsplit(url), named=hop == 0)
                async with session.get(url, headers=headers, allow_redirects=False) as reply:
                    if reply.status in (301, 302, 303, 307, 308) and "Location" in reply.headers:
                        url = urljoin(url, reply.headers["Location"])
                        continue
                    if reply.status not in (200, 206):
                        raise _Failed(f"The host answered with status {reply.status}.")
                    yield reply
                    return
        raise _Failed(f"The host sent on more than {_MAX_HOPS} times.")

    def _check_url(self, url: SplitResult, *, named: bool) -> None:
        """Refuse an address that is not to be asked. The first must be of a host that the settings name."""
        try:
            host, port = (url.hostname or "").lower(), url.port
        except ValueError:
            host, port = "", None
        known = _is_named(host, port, self.hosts)
        if not host or url.username is not None or url.scheme not in ("http", "https"):
            raise Refused(400, "url must be a plain https address.", "unsafe_url")
        if named and not known:
            raise Refused(403, f"{host[:80]!r} is none of the hosts that models are fetched from.", "not_allowed")
        if url.scheme != "https" and not known:
            raise Refused(403, f"{host[:80]!r} would have to be asked without encryption.", "unsafe_url")
        if _is_private(host) and not known:
            raise Refused(403, f"{host[:80]!r} is an address inside this network.", "unsafe_url")

    def _check_size(self, download: Download, size: int) -> None:
        if size > self.max_bytes:
            raise _Failed(f"It is larger than {self.max_bytes} bytes, which is the limit.")
        free = shutil.disk_usage(download.part.parent).free
        if free - max(0, size - download.bytes) < min(_SPARE_BYTES, self.max_bytes):
            raise _Failed(f"The disk has {free >> 20} MB left, which is too little for it.")


class _PublicResolver(AbstractResolver):
    """Names to addresses, without those inside the own network: checked where the connection is made."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = hosts
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        public = [each for each in found if not _is_private(each["host"]) or _is_named(host.lower(), port, self._hosts)]
        if not public:
            raise _Failed(f"{host[:80]!r} leads to an address inside this network.")
        return public

    async def close(self) -> None:
        await self._resolver.close()


def _is_named(host: str, port: int | None, hosts: Sequence[str]) -> bool:
    """Whether the settings name this host, itself, with its port, or as a part of a domain."""
    return any(each in (host, f"{host}:{port}") or host.endswith(f".{each}") for each in hosts)


def _is_private(host: str) -> bool:
    """Whether this is an address inside the own network. Names are none: they are asked for theirs."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return not address.is_global or address.is_multicast or (inner is not None and not inner.is_global)


def _known_part(part: Path) -> str | None:
    """What tells the file from its other versions, if a part of it is there and can be gone on with."""
    try:
        mark = str(json.loads(part.with_suffix(".json").read_bytes())["etag"])
        return mark if part.stat().st_size and mark and not mark.startswith("W/") else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember_part(part: Path, etag: str) -> None:
    part.with_suffix(".json").write_text(json.dumps({"etag": etag}), "utf-8")


def _finish(download: Download) -> None:
    """Check the part, and give it its name."""
    part = download.part
    reason = whole_safetensors(part)
    if not reason and download.sha256 and _digest(part) != download.sha256.lower():
        reason = "it has another SHA-256 than was said"
    if reason:
        _forget(part)
        raise _Failed(f"What the host sent was thrown away: {reason}.")
    with part.open("rb") as file:
        os.fsync(file.fileno())
    try:
        os.link(part, download.target)  # fails where there is a file of this name by now
    except FileExistsError:
        _forget(part)
        raise _Failed("There is a file of this name by now.") from None
    except OSError:
        part.replace(download.target)  # a file system without links
    _forget(part)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _forget(part: Path) -> None:
    for path in (part, part.with_suffix(".json")):
        path.unlink(missing_ok=True)
