"""What goes wrong outside the page: the process that draws dies, the server goes and comes back."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.complaints import Complaints
from tests.e2e.framed import BLANK, LINKS
from tests.e2e.hands import (
    RUN_MS,
    becomes,
    expect_picture,
    node,
    open_editor,
    open_template,
    open_workflow,
    run,
    set_number,
)
from tests.e2e.serving import Served

LONG = 60
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
        open_editor(page, restarted.url)
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


KEEPS_NOTHING = """() => {
    const refuse = () => { throw new DOMException("Access is denied.", "SecurityError"); };
    for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, { get: refuse });
    IDBFactory.prototype.open = refuse;
}"""
"""A browser that was told to let no page keep anything."""


def test_a_browser_that_keeps_nothing_draws_and_says_so(page: Page, web_url: str) -> None:
    complaints = Complaints(page, web_url)
    page.add_init_script(f"({KEEPS_NOTHING})()")
    page.goto(web_url)
    expect(page.get_by_role("application")).to_be_visible(timeout=RUN_MS)
    open_workflow(page, BLANK, LINKS)
    expect(page.get_by_role("alert").filter(has_text="keeps nothing of what is open here")).to_be_visible()
    run(page)
    expect_picture(page, "SaveImage")
    page.get_by_role("button", name="Gallery", exact=True).click()
    page.get_by_role("button", name="Star", exact=False).first.click()
    page.get_by_role("button", name="Settings", exact=True).click()
    page.get_by_role("radio", name="Light").click()
    expect(page.locator("html[data-theme=light]")).to_be_visible()
    assert complaints == []


LATE_SOCKET = """() => {
    const Socket = window.WebSocket;
    window.WebSocket = function (address) {
        const stand = { send: text => stand.real?.send(text), close: () => stand.real?.close() };
        window.connect = () => {
            stand.real = new Socket(address);
            stand.real.binaryType = "arraybuffer";
            for (const name of ["onopen", "onmessage", "onclose"]) stand.real[name] = event => stand[name]?.(event);
        };
        return stand;
    };
}"""
"""Connects only when the test says so."""

HAS_ENDED = """async workflow => Object.values(await (await fetch("/history")).json())
    .some(job => job.prompt[3].extra_pnginfo?.workflow?.id === workflow)"""


@pytest.fixture
def unheard(page: Page, web_url: str) -> Iterator[Page]:
    """The editor, which hears of its jobs only when a test says so."""
    complaints = Complaints(page, web_url)
    page.add_init_script(f"({LATE_SOCKET})()")
    open_editor(page, web_url)
    yield page
    assert complaints == []


def test_a_picture_made_before_the_page_hears_of_it_is_shown(unheard: Page) -> None:
    blank = {"id": 1, "type": "EmptyImage", "pos": [0, 0], "widgets_values": [64, 64, 1, 0]}
    keep = {"id": 2, "type": "SaveImage", "pos": [400, 0], "inputs": [{"name": "images", "type": "IMAGE", "link": 1}]}
    open_workflow(unheard, [blank, keep], [[1, 1, 0, 2, 0, "IMAGE"]], id="not heard of")
    run(unheard)
    becomes(unheard, HAS_ENDED, "not heard of")
    expect(node(unheard, "SaveImage").locator(".media img")).to_have_count(0)
    unheard.evaluate("connect()")
    expect_picture(unheard, "SaveImage")
    expect(unheard.get_by_role("button", name="Cancel the run")).to_be_hidden()


def test_a_failure_before_the_page_hears_of_it_is_told_in_its_node(unheard: Page) -> None:
    solid = {"id": 1, "type": "SolidMask", "pos": [0, 0], "widgets_values": [1, 64, 64]}
    crop = {"id": 2, "type": "CropMask", "pos": [300, 0], "widgets_values": [5000, 0, 8, 8]}
    crop["inputs"] = [{"name": "mask", "type": "MASK", "link": 1}]
    show = {"id": 3, "type": "MaskPreview", "pos": [600, 0], "inputs": [{"name": "mask", "type": "MASK", "link": 2}]}
    links = [[1, 1, 0, 2, 0, "MASK"], [2, 2, 0, 3, 0, "MASK"]]
    open_workflow(unheard, [solid, crop, show], links, id="failed unheard")
    run(unheard)
    becomes(unheard, HAS_ENDED, "failed unheard")
    unheard.evaluate("connect()")
    expect(node(unheard, "CropMask").locator(".card.error")).to_contain_text("outside of the mask (64 x 64)")
    expect(unheard.get_by_role("button", name="Cancel the run")).to_be_hidden()


@pytest.fixture
def lacking(page: Page) -> None:
    """A part of the page cannot be had. Said before the page is loaded: one that stands may not notice at once."""
    page.route("**/assets/Shortcuts.js", lambda route: route.abort())


def test_a_screen_that_cannot_be_loaded_leaves_the_rest(lacking: None, editor: Page, complaints: Complaints) -> None:
    open_template(editor)
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
