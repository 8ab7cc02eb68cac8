"""A real server in a process of its own, and the flags of the browser that looks at it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
ENDS_WITHIN_S = 120
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """The path of a Chromium, where there is one."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


class Served:
    """`sfumato serve` over a base folder, with the models that come with the program. It keeps its port."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.url = ""
        self._port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def log(self) -> Path:
        """What the server wrote to its error stream."""
        return self.base / "server.log"

    @property
    def pid(self) -> int:
        """The process of the server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> Served:
        """Returns when the server says where it listens; the second time on the port of the first."""
        command = [sys.executable, "-m", "server.cli", "serve", "--port", str(self._port), "--base", str(self.base)]
        with self.log.open("a") as errors:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if match := re.search(r"https?://[^\s/]+", line):
                self.url = match.group(0)
                self._port = urlsplit(self.url).port or 0
                return self
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")

    def stop(self) -> None:
        """Ends the server as a user would, and waits for it."""
        if self._process is None:
            return
        self._process.terminate()
        self._process.wait(timeout=ENDS_WITHIN_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def __enter__(self) -> Served:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
