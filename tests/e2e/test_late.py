"""Answers of the server that come late, when the person has gone on."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image
from playwright.sync_api import Page, Request, Response, Route, expect

from tests.e2e.framed import BLANK, LINKS
from tests.e2e.hands import Json, expect_picture, node, open_file, open_text, open_workflow, run

NOISE: list[Json] = [
    BLANK[0],
    {
        "id": 3,
        "type": "ImageAddNoise",
        "pos": [320, 300],
        "inputs": [{"name": "image", "type": "IMAGE", "link": 1}],
        "widgets_values": [5, "increment", 0.5],
    },
    {**BLANK[1], "inputs": [{"name": "images", "type": "IMAGE", "link": 2}]},
]
NOISE_LINKS = [[1, 1, 0, 3, 0, "IMAGE"], [2, 3, 0, 2, 0, "IMAGE"]]


class Line:
    """The way to the server. What is sent while it is held waits."""

    def __init__(self, page: Page) -> None:
        self.held = False
        self._waiting: list[Route] = []
        page.route("**/api/**", self._send)

    def _send(self, route: Route) -> None:
        if self.held and route.request.method == "POST":
            self._waiting.append(route)
        else:
            route.continue_()

    def let_go(self) -> None:
        self.held = False
        for route in self._waiting:
            route.continue_()
        self._waiting.clear()


@pytest.fixture
def line(page: Page) -> Line:
    return Line(page)


def sent(reply: Response) -> str:
    return reply.request.post_data or ""


def is_post(request: Request, path: str) -> bool:
    return request.method == "POST" and path in request.url


def test_a_picture_goes_into_the_workflow_that_it_was_dropped_on(line: Line, editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS)
    data = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(data, "PNG")
    line.held = True
    with editor.expect_request(lambda request: is_post(request, "/upload/image")):
        open_file(editor, {"name": "late.png", "mimeType": "image/png", "buffer": data.getvalue()}, at=(700, 760))
    open_text(editor, "other.json", json.dumps({"version": 0.4, "nodes": BLANK, "links": LINKS}))
    expect(editor.get_by_role("application", name="other")).to_be_visible()
    line.let_go()
    editor.get_by_role("button", name="made Not saved on the server").click()
    expect_picture(editor, "LoadImage")
    editor.get_by_role("button", name="other", exact=True).click()
    expect(editor.get_by_role("application", name="other")).to_be_visible()
    expect(node(editor, "LoadImage")).to_have_count(0)


def test_who_saves_twice_meets_nobody_elses_changes(line: Line, editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS)
    editor.keyboard.press("Control+s")
    editor.get_by_role("textbox", name="Name").fill("twice")
    editor.get_by_role("button", name="Save", exact=True).click()
    expect(editor.get_by_role("status").filter(has_text="Saved twice.json.")).to_be_visible()
    node(editor, "EmptyImage").locator(".card-head").click()
    line.held = True
    editor.keyboard.press("b")
    with editor.expect_request(lambda request: is_post(request, "/userdata/")):
        editor.keyboard.press("Control+s")
    editor.keyboard.press("b")
    editor.keyboard.press("Control+s")
    with editor.expect_response(
        lambda reply: is_post(reply.request, "/userdata/") and '"mode": 4' not in sent(reply)
    ) as second:
        line.let_go()
    assert second.value.ok, second.value.status
    expect(editor.locator(".tab .dirty")).to_have_count(0)
    expect(editor.get_by_role("dialog")).to_have_count(0)


def test_two_runs_in_a_row_have_a_seed_each(line: Line, editor: Page) -> None:
    open_workflow(editor, NOISE, NOISE_LINKS)
    seeds: list[int] = []

    def note(request: Request) -> None:
        if is_post(request, "/api/prompt"):
            seeds.append(json.loads(request.post_data or "")["prompt"]["3"]["inputs"]["seed"])

    editor.on("request", note)
    line.held = True
    with editor.expect_request(lambda request: is_post(request, "/api/prompt")):
        run(editor)
    run(editor)
    assert seeds == [5]
    with editor.expect_request(lambda request: is_post(request, "/api/prompt")):
        line.let_go()
    expect_picture(editor, "SaveImage")
    expect(node(editor, "ImageAddNoise").get_by_role("spinbutton", name="seed")).to_have_text("seed7")
    assert seeds == [5, 6]
