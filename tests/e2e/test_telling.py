"""How the page says what happens to one who does not look, and how it goes on where the server was away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.complaints import Complaints
from tests.e2e.framed import BLANK, LINKS
from tests.e2e.hands import RUN_MS, ask, becomes, expect_picture, node, open_workflow, run

NOTES = """() => {
    const Real = Notification;
    window.told = [];
    window.Notification = class extends Real {
        constructor(title, options) {
            super(title, options);
            told.push(options.body);
            window.latest = this;
        }
    };
    Object.defineProperty(document, "hidden", { get: () => window.away === true });
}"""
"""Keeps what the page tells the system, and lets a test say whether anybody looks at the page."""

CUT_OFF = """() => {
    const Socket = window.WebSocket;
    const open = new Set();
    window.WebSocket = function (address) {
        const socket = new Socket(window.cut ? address.replace("/ws", "/nowhere") : address);
        open.add(socket);
        return socket;
    };
    window.cutOff = () => {
        window.cut = true;
        for (const socket of open) socket.close();
    };
    document.addEventListener("click", ({ target }) => {
        if (target.textContent === "Try now") window.cut = false;
    }, true);
}"""
"""Lets a test cut the page's connection; none is made again before somebody presses Try now."""


@pytest.fixture
def away(browser: Browser, web_url: str) -> Iterator[Page]:
    """The editor in a window that may tell the system of runs."""
    context = browser.new_context(permissions=["notifications"], reduced_motion="reduce")
    page = context.new_page()
    complaints = Complaints(page, web_url)
    page.add_init_script(f"({NOTES})()")
    page.goto(web_url)
    expect(page.get_by_role("application")).to_be_visible(timeout=RUN_MS)
    yield page
    assert complaints == []
    context.close()


def test_one_who_looks_elsewhere_is_told_when_all_is_done(away: Page, paused: str) -> None:
    away.get_by_role("button", name="Settings", exact=True).click()
    away.get_by_role("switch", name="Notifications").click()
    away.keyboard.press("Escape")
    open_workflow(away, BLANK, LINKS)
    away.get_by_role("button", name="How to run").click()
    away.get_by_role("menuitem", name="2 times").click()
    away.get_by_role("button", name="Run × 2").click()
    expect(away.get_by_role("button", name="2 in queue")).to_be_visible()
    away.get_by_role("button", name="New workflow").click()
    expect(node(away, "SaveImage")).to_be_hidden()
    away.evaluate("away = true")
    ask(paused, "/api/queue/resume", {})
    becomes(away, "async () => told.length > 0")
    assert away.evaluate("told") == ["made is done."]
    away.evaluate("latest.onclick()")
    expect(node(away, "SaveImage")).to_be_visible()


def test_who_does_not_want_to_wait_for_the_server_tries_at_once(page: Page, web_url: str) -> None:
    page.add_init_script(f"({CUT_OFF})()")
    page.goto(web_url)
    expect(page.get_by_role("application")).to_be_visible(timeout=RUN_MS)
    page.evaluate("cutOff()")
    banner = page.get_by_role("alert").filter(has_text="Reconnecting")
    expect(banner).to_be_visible()
    open_workflow(page, BLANK, LINKS)
    run(page)
    page.get_by_role("button", name="Try now").click()
    expect(banner).to_be_hidden()
    expect_picture(page, "SaveImage")
