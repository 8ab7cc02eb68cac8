"""What goes wrong outside the page: the process that draws dies, the server goes and comes back."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.complaints import Complaints
from tests.e2e.hands import RUN_MS, expect_picture, node, open_template, run, set_number
from tests.e2e.serving import Served

LONG = 40
LOST = re.compile("WebSocket connection to|Failed to load resource: net::ERR_|ERR_CONNECTION_REFUSED")
"""What Chromium itself says of a server that does not answer."""


def workers(server: Served) -> list[int]:
    """The processes that draw for the server."""
    found = subprocess.run(
        ["pgrep", "-P", str(server.pid), "-f", "server.workers.worker"], capture_output=True, text=True, check=False
    )
    return [int(line) for line in found.stdout.split()]


def begin_long_run(editor: Page, seed: int) -> None:
    open_template(editor)
    set_number(editor, "steps", LONG)
    set_number(editor, "seed", seed)
    run(editor)
    expect(node(editor, "KSampler").locator(".chip")).to_have_text(re.compile(r"^[1-9]\d? %"), timeout=RUN_MS)


def test_a_killed_worker_costs_no_job(editor: Page, served: Served) -> None:
    begin_long_run(editor, 4242)
    [victim] = workers(served)
    os.kill(victim, signal.SIGKILL)
    expect_picture(editor, "SaveImage")
    expect(node(editor, "SaveImage").locator(".chip")).to_have_text(re.compile(r"^\d.* m?s$"))
    expect(editor.locator(".card.error")).to_have_count(0)
    assert victim not in workers(served)
    editor.get_by_role("button", name="Queue", exact=True).click()
    queue = editor.get_by_role("complementary", name="Queue")
    expect(queue).to_be_visible()
    expect(queue.get_by_text("failed")).to_have_count(0)


@pytest.fixture(scope="module")
def restarted(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A server that the test itself starts and stops."""
    return Served(tmp_path_factory.mktemp("restarted"))


def test_a_server_that_comes_back_brings_the_run_to_its_end(page: Page, restarted: Served) -> None:
    with restarted:
        complaints = Complaints(page, restarted.url)
        page.goto(restarted.url)
        expect(page.get_by_role("application")).to_be_visible(timeout=30_000)
        begin_long_run(page, 77)
        restarted.stop()
        expect(page.get_by_role("alert").filter(has_text="Reconnecting")).to_be_visible(timeout=RUN_MS)
        restarted.start()
        expect(page.get_by_role("alert").filter(has_text="Reconnecting")).to_be_hidden(timeout=RUN_MS)
        expect_picture(page, "SaveImage")
        expect(page.get_by_role("button", name="Cancel the run")).to_be_hidden(timeout=RUN_MS)
        expect(page.locator(".card.error")).to_have_count(0)
        expect(node(page, "SaveImage")).to_be_visible()
        assert [one for one in complaints if not LOST.search(one)] == []


def test_a_screen_that_cannot_be_loaded_leaves_the_rest(editor: Page, complaints: Complaints) -> None:
    open_template(editor)
    editor.route("**/assets/Shortcuts.js", lambda route: route.abort())
    editor.keyboard.press("?")
    broken = editor.get_by_role("dialog", name="This could not be shown")
    expect(broken).to_contain_text("Shortcuts.js")
    broken.get_by_role("button", name="Close").click()
    expect(broken).to_be_hidden()
    expect(node(editor, "KSampler")).to_be_visible()
    assert complaints
    complaints.clear()


def test_a_workflow_that_cannot_be_drawn_leaves_the_others(editor: Page, complaints: Complaints) -> None:
    open_template(editor)
    editor.evaluate(
        """() => {
            const create = document.createElementNS.bind(document);
            document.createElementNS = (space, name) => {
                if (name === "g") throw new Error("no links today");
                return create(space, name);
            };
        }"""
    )
    editor.keyboard.press("Control+a")
    editor.keyboard.press("Control+d")
    stage = editor.get_by_role("alert").filter(has_text="This workflow cannot be drawn")
    expect(stage).to_contain_text("no links today")
    editor.get_by_role("button", name="New workflow").click()
    expect(stage).to_be_hidden()
    tabs = editor.get_by_role("navigation", name="Open workflows").locator(".tab-name")
    first = tabs.first
    first.click()
    with editor.expect_download() as download:
        stage.get_by_role("button", name="Download it").click()
    assert len(json.loads(download.value.path().read_text())["nodes"]) == 14
    editor.reload()
    expect(tabs).to_have_count(2)
    first.click()
    expect(node(editor, "KSampler")).to_have_count(2)
    complaints.clear()
