"""HTTPS and secure sockets, with a certificate made for the test."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from sfumato.client.sockets import Connector
from tests.api.running import ROOT, Running, prepare, running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and localhost, and its key."""
    openssl = shutil.which("openssl")
    assert openssl, "the command openssl, which makes the certificate, is not installed"
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    made = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run([*made, *name, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]) -> Generator[Running]:
    cert, key = certificate
    with running(tmp_path_factory.mktemp("secure"), tls_cert=str(cert), tls_key=str(key), token="sesame") as server:
        yield server


@pytest.fixture
def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate[0]))


@contextlib.asynccontextmanager
async def encrypted_session(trusting: ssl.SSLContext) -> AsyncGenerator[aiohttp.ClientSession]:
    """A session whose sockets are shut when it ends."""
    connector = Connector(ssl=trusting)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session
    await connector.shut()


async def test_requests_and_sockets_are_encrypted(secure: Running, trusting: ssl.SSLContext) -> None:
    assert secure.url.startswith("https://127.0.0.1:")
    headers = {"Authorization": "Bearer sesame"}
    async with encrypted_session(trusting) as session:
        async with session.get(f"{secure.origin}/system_stats", headers=headers) as reply:
            assert reply.status == 200
        async with session.get(f"{secure.origin}/system_stats") as reply:
            assert reply.status == 401
        async with session.ws_connect(f"{secure.origin}/ws?clientId=tls", headers=headers) as ws:
            assert json.loads((await ws.receive(timeout=30)).data)["type"] == "status"


async def test_the_cookie_is_for_encrypted_connections_only(secure: Running, trusting: ssl.SSLContext) -> None:
    async with encrypted_session(trusting) as session:
        link = session.get(secure.url, headers={"Accept": "text/html"}, allow_redirects=False)
        async with link as reply:
            assert reply.status == 303
            assert {"secure", "httponly", "samesite=strict"} <= {
                part.strip().lower() for part in reply.headers["Set-Cookie"].split(";")
            }


_ENDS_AT_ONCE = """
import asyncio, gc, sys
from sfumato.client import Client

async def drawn():
    async with Client(sys.argv[1]) as client:
        job = await client.submit({"1": {"class_type": "PreviewAny", "inputs": {"source": "hello"}}})
        return (await job.result()).outputs["1"]

print(asyncio.run(drawn()))
gc.collect()
"""


def test_the_python_client_ends_only_when_its_sockets_are_shut(secure: Running, certificate: tuple[Path, Path]) -> None:
    run = [sys.executable, "-W", "always::ResourceWarning", "-c", _ENDS_AT_ONCE, secure.url]
    environment = {**os.environ, "SSL_CERT_FILE": str(certificate[0])}

    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=120, env=environment, cwd=ROOT)

    assert (done.returncode, done.stderr) == (0, "")
    assert "hello" in done.stdout


def test_nothing_is_said_without_encryption(secure: Running) -> None:
    with socket.create_connection(address(secure), timeout=30) as plain:
        plain.sendall(b"GET /system_stats HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        try:
            said = plain.recv(1000)
        except ConnectionResetError:
            said = b""
    assert b"HTTP" not in said


def test_only_new_versions_are_spoken(secure: Running, trusting: ssl.SSLContext) -> None:
    with (
        socket.create_connection(address(secure), timeout=30) as plain,
        trusting.wrap_socket(plain, server_hostname="localhost") as encrypted,
    ):
        assert encrypted.version() in ("TLSv1.2", "TLSv1.3")
    # A greeting of TLS 1.0 that offers nothing newer: the server answers with an alert, or not at all.
    hello = bytes.fromhex("16030100310100002d0301" + "00" * 32 + "00000600 2f 0035 000a 0100".replace(" ", ""))
    with socket.create_connection(address(secure), timeout=30) as plain:
        plain.sendall(hello)
        try:
            said = plain.recv(1000)
        except ConnectionResetError:
            said = b""
    assert said[:1] in (b"", b"\x15")


def address(server: Running) -> tuple[str, int]:
    parts = urlsplit(server.url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tls_key": "key"}, "--tls-key needs --tls-cert"),
        ({"tls_cert": "missing.pem"}, "certificate cannot be used"),
        ({"tls_cert": "key", "tls_key": "key"}, "certificate cannot be used"),
    ],
)
def test_what_is_no_certificate_is_said_in_a_sentence(
    tmp_path: Path, certificate: tuple[Path, Path], options: dict[str, str], said: str
) -> None:
    files = {"key": str(certificate[1])}
    server = Running(prepare(tmp_path), {name: files.get(value, value) for name, value in options.items()})
    with pytest.raises(RuntimeError, match=said):
        server.start()
