"""Fetching model files: only where asked for, from where it may, safetensors only, whole or not at all, resumed."""

from __future__ import annotations

import asyncio
import hashlib
import http.server
import json
import shutil
import struct
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.api.running import Running, running, socket


def safetensors(size: int = 200_000) -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(n % 251 for n in range(size))


WHOLE = safetensors()
OTHER = safetensors(1000)


@dataclass
class Host:
    """A host of models. `cut` bytes are sent of each answer, then the connection is closed; None sends all."""

    port: int = 0
    cut: int | None = None
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range", "")
        self.asked.append((handler.path, asked))
        if handler.path.startswith("/to/"):
            handler.send_response(302)
            handler.send_header("Location", handler.path.removeprefix("/to/"))
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        bodies = {
            "/whole": WHOLE,
            "/page": b"<html>",
            "/pickle": b"\x80\x04pickle",
            "/short": WHOLE[:-5],
            "/other": OTHER,
        }
        body = bodies.get(handler.path, b"")
        tag = '"' + hashlib.md5(body).hexdigest() + '"'
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        going_on = bool(asked) and handler.headers.get("If-Range") == tag
        sent = body[start:] if going_on else body
        handler.send_response(404 if not body else 206 if going_on else 200)
        handler.send_header("ETag", tag)
        handler.send_header("Content-Length", str(len(sent)))
        handler.end_headers()
        handler.wfile.write(sent[: self.cut])
        handler.wfile.flush()
        handler.close_connection = True


@pytest.fixture(scope="module")
def hosting() -> Generator[Host]:
    found = Host()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def fetching(tmp_path_factory: pytest.TempPathFactory, hosting: Host) -> Generator[Running]:
    hosts = [f"127.0.0.1:{hosting.port}", "models.test"]
    base = tmp_path_factory.mktemp("fetching")
    with running(base, allow_downloads=True, download_hosts=hosts, max_download_bytes=300_000) as found:
        yield found


@pytest.fixture
def host(hosting: Host) -> Host:
    hosting.cut = None
    hosting.asked.clear()
    return hosting


@pytest.fixture
def server(fetching: Running) -> Running:
    shutil.rmtree(fetching.base / "models", ignore_errors=True)
    return fetching


def fetch(server: Running, url: str, name: str = "a.safetensors", **more: Any) -> dict[str, Any]:
    """The download, once it has ended, as the socket tells of it."""

    async def ended() -> dict[str, Any]:
        async with socket(server, "fetch") as ws:
            reply = server.ask("POST", "/api/downloads", {"url": url, "directory": "loras", "name": name, **more})
            assert reply.status == 202, reply.body
            while True:
                message = await ws.receive_json(timeout=60)
                if message["type"] == "download" and message["data"]["state"] != "running":
                    assert message["data"] in server.get("/api/downloads")
                    return message["data"]

    return asyncio.run(ended())


def left(server: Running) -> list[str]:
    return sorted(path.name for path in (server.base / "models").rglob("*") if path.is_file())


def test_a_file_comes_whole_into_its_folder(server: Running, host: Host) -> None:
    digest = hashlib.sha256(WHOLE).hexdigest()
    found = fetch(server, host.url("/to//whole"), "sub/a.safetensors", hash=digest, hash_type="SHA256")
    assert (found["state"], found["bytes"], found["total"]) == ("done", len(WHOLE), len(WHOLE))
    assert (server.base / "models/loras/sub/a.safetensors").read_bytes() == WHOLE
    assert left(server) == ["a.safetensors"]
    assert "sub/a.safetensors" in server.get("/models/loras")
    again = server.ask(
        "POST", "/api/downloads", {"url": host.url("/whole"), "directory": "loras", "name": "sub/a.safetensors"}
    )
    assert again.status == 409


def test_what_was_cut_off_is_gone_on_with(server: Running, host: Host) -> None:
    host.cut = 70_000
    assert fetch(server, host.url("/whole"))["state"] == "failed"
    assert "a.safetensors" not in server.get("/models/loras")
    host.cut = None
    found = fetch(server, host.url("/whole"))
    assert found["state"] == "done", found
    assert (server.base / "models/loras/a.safetensors").read_bytes() == WHOLE
    assert host.asked[0] == ("/whole", "")
    assert host.asked[-1][1].startswith("bytes=")
    assert host.asked[-1][1] != "bytes=0-"
    assert left(server) == ["a.safetensors"]


@pytest.mark.parametrize("path", ["/page", "/pickle", "/short", "/nothing"])
def test_what_is_no_whole_safetensors_file_is_thrown_away(server: Running, host: Host, path: str) -> None:
    found = fetch(server, host.url(path))
    assert found["state"] == "failed"
    assert found["error"].endswith(".")
    assert left(server) == []


def test_what_is_another_file_than_was_said_is_thrown_away(server: Running, host: Host) -> None:
    found = fetch(server, host.url("/whole"), hash="0" * 64)
    assert "another SHA-256" in found["error"]
    assert left(server) == []


def test_what_is_larger_than_allowed_is_not_fetched(tmp_path: Path, host: Host) -> None:
    with running(
        tmp_path, allow_downloads=True, download_hosts=[f"127.0.0.1:{host.port}"], max_download_bytes=1000
    ) as server:
        assert "larger than 1000 bytes" in fetch(server, host.url("/whole"))["error"]
        assert left(server) == []


REFUSED = {
    "another host": "https://example.com/a.safetensors",
    "loopback": "http://127.0.0.1:1/a",
    "loopback by name": "http://localhost/a",
    "decimal address": "http://2130706433/a",
    "short address": "http://127.1/a",
    "hex address": "http://0x7f000001/a",
    "IPv6 loopback": "http://[::1]/a",
    "mapped address": "http://[::ffff:127.0.0.1]/a",
    "link-local": "http://169.254.169.254/latest/meta-data",
    "private": "https://10.0.0.1/a",
    "file": "file:///etc/passwd",
    "ftp": "ftp://models.test/a",
    "data": "data:,a",
    "password": "https://user:secret@models.test/a",
    "host behind a name": "https://models.test@example.com/a",
    "suffix of a name": "https://evilmodels.test/a",
    "no host": "https:///a",
    "bad port": "https://models.test:99999/a",
    "text": "models.test/a",
    "empty": "",
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED.keys())
def test_nothing_is_asked_of_other_hosts(server: Running, url: str) -> None:
    before = server.get("/api/downloads")
    body = {"url": url, "directory": "loras", "name": "a.safetensors"}
    reply = server.ask("POST", "/api/downloads", body)
    assert reply.status in (400, 403), reply.body
    assert server.get("/api/downloads") == before


@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.1:1/a",
        "http://localhost:1/a",
        "https://localhost:1/a",
        "https://2130706433/a",
        "https://169.254.169.254/a",
        "https://[::1]/a",
        "file:///etc/passwd",
    ],
)
def test_no_host_sends_it_into_the_own_network(server: Running, host: Host, to: str) -> None:
    found = fetch(server, host.url(f"/to/{to}"))
    assert found["state"] == "failed"
    assert left(server) == []


NAMES = (
    "../a.safetensors",
    "/tmp/a.safetensors",
    "a.ckpt",
    "a.safetensors/..",
    "a.py",
    "..\\a.safetensors",
    "C:a.sft",
    "",
)


@pytest.mark.parametrize("name", NAMES)
def test_no_other_file_is_written(server: Running, host: Host, name: str) -> None:
    body = {"url": host.url("/whole"), "directory": "loras", "name": name}
    assert server.ask("POST", "/api/downloads", body).status in (400, 403)
    for directory in ("custom_nodes/..", "../loras", "input", "nothing"):
        body = {"url": host.url("/whole"), "directory": directory, "name": "a.safetensors"}
        assert server.ask("POST", "/api/downloads", body).status in (400, 403, 404)
    assert host.asked == []


def test_a_server_that_was_not_told_to_fetches_nothing(shared: Running, host: Host) -> None:
    body = {"url": host.url("/whole"), "directory": "loras", "name": "a.safetensors"}
    reply = shared.ask("POST", "/api/downloads", body)
    assert reply.status == 403
    assert "--allow-downloads" in reply.json["error"]["message"]
    assert host.asked == []


def test_a_download_can_be_stopped(server: Running, host: Host) -> None:
    assert server.ask("DELETE", "/api/downloads/nothing").status == 404
    found = fetch(server, host.url("/whole"))
    assert server.ask("DELETE", f"/api/downloads/{found['id']}").status == 204
