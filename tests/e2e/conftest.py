"""A real server, a real browser, and an editor that must not complain."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, expect

ROOT = Path(__file__).parents[2]
STARTS_WITHIN_S = 120
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def base_url() -> str:
    """No address for the whole session: the plugin's own fixture is one that pytest 9 warns of."""
    return ""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.skip("there is no Chromium; `apt-get install chromium`, or set CHROMIUM to one")
    return {**browser_type_launch_args, "executable_path": found, "args": FLAGS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    # A machine without a screen card draws slowly: without motion nothing has to be waited for.
    return {**browser_context_args, "viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"}


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("base")


@pytest.fixture(scope="session")
def web_url(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of our own, with the models that come with the program."""
    log = tmp_path_factory.mktemp("log") / "server.log"
    command = [sys.executable, "-m", "server.cli", "serve", "--port", "0", "--base", str(base_folder)]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if match := re.search(r"https?://[^\s/]+", line):
                    yield match.group(0)
                    break
            else:
                pytest.fail(f"the server did not start:\n{log.read_text()}")
        finally:
            process.terminate()
            process.wait(timeout=STARTS_WITHIN_S)


@pytest.fixture
def editor(page: Page, web_url: str) -> Iterator[Page]:
    """The editor on an empty canvas. Fails the test at its end for any error or any request to elsewhere."""
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(f"console: {message.text}")

    def watch(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and f"{parts.scheme}://{parts.netloc}" != web_url:
            complaints.append(f"request to elsewhere: {request.url}")

    page.on(
        "response", lambda reply: complaints.append(f"{reply.status}: {reply.url}") if reply.status >= 400 else None
    )
    page.on("pageerror", lambda error: complaints.append(f"page: {error}"))
    page.on("console", hear)
    page.on("request", watch)
    page.goto(web_url)
    expect(page.get_by_role("application")).to_be_visible(timeout=30_000)
    yield page
    assert complaints == []
