"""A real server, a real browser, and an editor that must not complain."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Page, expect

from tests.e2e.complaints import Complaints
from tests.e2e.hands import ask, open_editor
from tests.e2e.serving import FLAGS, Served, chromium

WAITS_FOR_SEVERAL_RUNS_S = 600


def pytest_configure() -> None:
    expect.set_options(timeout=60_000)  # a machine may do much else, and what is there costs no time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(WAITS_FOR_SEVERAL_RUNS_S))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failure comes what the screen said: where nobody can look at it, that is all there is."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        page, served = item.funcargs.get("page"), item.funcargs.get("served")
        if isinstance(page, Page) and "Aria snapshot" not in report.longreprtext:
            with contextlib.suppress(Error):
                report.sections.append(("the page", page.locator("body").aria_snapshot(timeout=5_000)))
        if isinstance(served, Served):
            report.sections.append(("the end of the server's log", served.log.read_text()[-4_000:]))
    return report


@pytest.fixture(scope="session")
def base_url() -> str:
    """No address for the whole session: the plugin's own fixture is one that pytest 9 warns of."""
    return ""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    found = chromium()
    if not found:
        pytest.skip("there is no Chromium; `apt-get install chromium`, or set CHROMIUM to one")
    return {**browser_type_launch_args, "executable_path": found, "args": list(FLAGS)}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    # A machine without a screen card draws slowly: without motion nothing has to be waited for.
    return {**browser_context_args, "viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"}


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("base")


@pytest.fixture(scope="session")
def served(base_folder: Path) -> Iterator[Served]:
    """A server of our own, with the models that come with the program."""
    with Served(base_folder) as server:
        yield server


@pytest.fixture(scope="session")
def web_url(served: Served) -> str:
    return served.url


@pytest.fixture
def complaints(page: Page, web_url: str) -> Complaints:
    """What the page has complained of so far; a test that provokes a complaint takes it out."""
    return Complaints(page, web_url)


@pytest.fixture
def editor(page: Page, web_url: str, complaints: Complaints) -> Iterator[Page]:
    """The editor on an empty canvas. Fails the test at its end for any error or any request to elsewhere."""
    open_editor(page, web_url)
    yield page
    assert complaints == []


@pytest.fixture
def paused(web_url: str) -> Iterator[str]:
    """A server that starts no jobs, to the end of the test."""
    ask(web_url, "/api/queue/pause", {})
    yield web_url
    ask(web_url, "/api/queue", {"clear": True})
    ask(web_url, "/api/queue/resume", {})
