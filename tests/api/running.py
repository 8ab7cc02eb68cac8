"""A real server in a process of its own, and ways to speak with it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

ROOT = Path(__file__).parents[2]
TOYS = Path(__file__).with_name("toys.py")
_LAUNCH = """
import json, sys
from pathlib import Path
from server.api.app import CannotServe, Serving, run
from server.jobs.queue import Deadlines
from server.workers.lines import log_to_stderr
from server.workers.local import Patience
options = json.loads(sys.argv[1])
log_to_stderr(times=True)
for key in ("base", "web", "workflows", "tls_cert", "tls_key"):
    if key in options:
        options[key] = Path(options[key])
for key, kind in (("deadlines", Deadlines), ("patience", Patience)):
    if key in options:
        options[key] = kind(**options[key])
options["devices"] = tuple(options.get("devices", ("cpu",)))
try:
    sys.exit(run(Serving(**options)))
except CannotServe as error:
    sys.exit(str(error))
"""


_WITHOUT_PRIVILEGE = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
"""Drops CAP_DAC_OVERRIDE: a server that root starts for a test is bound by the permissions of files as well."""


@dataclass
class Reply:
    """An HTTP answer, whole."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Running:
    """A server's process. `bound`: by the permissions of files, whoever runs the test."""

    base: Path
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    url: str = ""
    log: list[str] = field(default_factory=list[str])
    process: subprocess.Popen[str] | None = None
    bound: bool = False
    _more: threading.Condition = field(default_factory=threading.Condition)

    def start(self) -> Running:
        """Start it, and wait until it listens."""
        options = {
            "base": str(self.base),
            "web": str(self.base / "web"),
            "workflows": str(ROOT / "workflows"),
            "port": 0,
            **self.options,
        }
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, *(("-c", _WITHOUT_PRIVILEGE) if self.bound else ()), "-c", _LAUNCH, json.dumps(options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=self.base,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            self._gone()
            raise RuntimeError(f"the server did not start: {self.log[-5:]}")
        return self

    def _read(self, lines: Any) -> None:
        for line in lines:
            with self._more:
                self.log.append(line.rstrip())
                self._more.notify_all()

    @property
    def origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """As if the machine's power was cut, for this process."""
        assert self.process is not None
        self.process.kill()
        self._gone()

    def stop(self, within_s: float = 90) -> int:
        """Ctrl-C, and the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._gone()

    def _gone(self) -> None:
        assert self.process is not None
        self.process.wait()
        self._reader.join(5)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        self.process = None

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **rest: Any
    ) -> Reply:
        """A request as it is given: nothing of the path is put right."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=90)
        sent = dict(headers or {})
        data = body
        if body is not None and not isinstance(body, bytes):
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.putrequest(method, path, skip_host="Host" in sent, skip_accept_encoding=True)
            for name, value in sent.items():
                connection.putheader(name, value.encode("utf-8", "surrogateescape"))
            if data is not None:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            reply = connection.getresponse()
            return Reply(reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def get(self, path: str, **rest: Any) -> Any:
        """The JSON that a GET gives."""
        reply = self.ask("GET", path, **rest)
        assert reply.status == 200, (path, reply.status, reply.body)
        return reply.json

    def post(self, path: str, body: Any = None, **rest: Any) -> Any:
        """The JSON that a POST gives, None if it gives nothing."""
        reply = self.ask("POST", path, body, **rest)
        assert reply.status == 200, (path, reply.status, reply.body)
        return reply.json if reply.body else None

    def submit(self, prompt: Mapping[str, Any], **rest: Any) -> str:
        """The id of a new job."""
        return str(self.post("/prompt", {"prompt": prompt, **rest})["prompt_id"])

    def ended(self, job: str, within_s: int = 60) -> dict[str, Any]:
        """The job, once it has ended."""
        found = self.get(f"/api/jobs/{job}?wait={within_s}")
        assert found["status"] not in ("pending", "in_progress"), (found, self.log[-10:])
        return found

    def happened(self, job: str, type: str, node: str | None = None, since: int = 0) -> list[dict[str, Any]]:
        """The job's events after `since`, up to the first of this type, and of this node if one is named."""
        heard: list[dict[str, Any]] = []
        while True:
            new = self.get(f"/api/jobs/{job}/events?since={since}&wait=50")["events"]
            assert new, (heard, self.log[-10:])
            for event in new:
                heard.append(event)
                since = event["seq"]
                if event["type"] == type and node in (None, event["data"].get("node")):
                    return heard

    def logged(self, text: str, within_s: float = 60) -> None:
        """Return once a line of the log has this text in it."""
        self.logging_until(lambda: any(text in line for line in self.log), within_s)

    def logging_until(self, holds: Callable[[], bool], within_s: float = 60) -> None:
        """Return once something holds, which is looked at again with each new line of the log."""
        with self._more:
            assert self._more.wait_for(holds, within_s), self.log[-10:]

    def outputs(self) -> list[str]:
        """The files in the output folder."""
        return sorted(path.name for path in (self.base / "output").rglob("*") if path.is_file())


def report(text: str) -> None:
    """Say something to who runs the tests with -s."""
    sys.stdout.write(text + "\n")


def prepare(base: Path) -> Path:
    """A base folder with the toys in it."""
    (base / "custom_nodes").mkdir(parents=True, exist_ok=True)
    shutil.copy(TOYS, base / "custom_nodes" / "toys.py")
    (base / "web").mkdir(exist_ok=True)
    (base / "web" / "index.html").write_text("<!doctype html><title>Sfumato</title>", "utf-8")
    return base


@contextlib.contextmanager
def running(base: Path, *, bound: bool = False, **options: Any) -> Generator[Running]:
    """A server over a folder, with the toys."""
    server = Running(prepare(base), {"custom_nodes": True, **options}, bound=bound).start()
    try:
        yield server
    finally:
        if server.process is not None:
            server.stop()


@contextlib.asynccontextmanager
async def socket(server: Running, client: str, **query: Any) -> AsyncGenerator[aiohttp.ClientWebSocketResponse]:
    """A websocket to the server."""
    asked = "&".join(f"{key}={value}" for key, value in {"clientId": client, **query}.items())
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{server.origin}/ws?{asked}") as found:
        yield found


async def messages_until_end(found: aiohttp.ClientWebSocketResponse, job: str | None = None) -> list[Any]:
    """Text messages as JSON and binary ones as bytes, up to the end of a job."""
    heard: list[Any] = []
    while True:
        message = await found.receive(timeout=60)
        if message.type is aiohttp.WSMsgType.BINARY:
            heard.append(message.data)
            continue
        assert message.type is aiohttp.WSMsgType.TEXT, message
        said = json.loads(message.data)
        heard.append(said)
        data = said["data"]
        if said["type"] == "executing" and data["node"] is None and job in (None, data["prompt_id"]):
            return heard


def chain(length: int, **last: Any) -> dict[str, Any]:
    """A prompt of numbers added up, shown at the end."""
    prompt: dict[str, Any] = {"1": {"class_type": "ToyNumber", "inputs": {"value": 1}}}
    for place in range(2, length + 1):
        prompt[str(place)] = {"class_type": "ToyAdd", "inputs": {"a": [str(place - 1), 0], "b": 1}}
    prompt["show"] = {"class_type": "ToyShow", "inputs": {"value": [str(length), 0], **last}}
    return prompt
