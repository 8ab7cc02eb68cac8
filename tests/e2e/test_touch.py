"""The canvas under fingers, on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.complaints import Complaints
from tests.e2e.fingers import Fingers
from tests.e2e.hands import middle, node, open_editor, open_workflow, saved, settled, socket

Json = dict[str, Any]
LEGIBLE = 0.5
FINGER_PX = 44
BLANK: list[Json] = [
    {"id": 1, "type": "EmptyImage", "pos": [0, 0], "size": [256, 140], "widgets_values": [64, 64, 1, 16711680]},
    {"id": 2, "type": "SaveImage", "pos": [320, 0]},
]


@pytest.fixture
def phone(browser: Browser, web_url: str) -> Iterator[Page]:
    """The editor on an empty canvas of a phone. Fails the test at its end for any error."""
    context = browser.new_context(has_touch=True, viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    page = context.new_page()
    complaints = Complaints(page, web_url)
    open_editor(page, web_url)
    yield page
    assert complaints == []
    context.close()


@pytest.fixture
def fingers(phone: Page) -> Fingers:
    return Fingers(phone)


def view(page: Page) -> tuple[float, float, float]:
    """How the graph is moved and how large it is."""
    settled(page)
    x, y, zoom = page.locator(".react-flow__viewport").evaluate(
        "view => { const at = new DOMMatrix(getComputedStyle(view).transform); return [at.e, at.f, at.a]; }"
    )
    return x, y, zoom


def test_where_to_begin_fits_the_screen(phone: Page) -> None:
    begin = phone.get_by_role("region", name="Where to begin")
    expect(begin.locator(".template")).to_have_count(3)
    for each in (begin.get_by_role("heading"), *begin.get_by_role("button").all()):
        expect(each).to_be_in_viewport(ratio=1)
    box = begin.get_by_role("button").last.bounding_box()
    bar = phone.locator(".rail").bounding_box()
    assert box
    assert bar
    assert box["y"] + box["height"] <= bar["y"]
    begin.get_by_role("button", name="Text to image").click()
    form = phone.locator(".form-only")
    expect(form.get_by_role("button", name="Run", exact=True)).to_be_visible()
    assert form.evaluate("element => element.scrollWidth - element.clientWidth") == 0


def test_a_graph_opens_where_it_begins_and_can_be_read(phone: Page) -> None:
    phone.get_by_role("button", name="Text to image").first.click()
    expect(phone.locator(".form-only").get_by_role("spinbutton", name="Steps")).to_be_visible()
    phone.get_by_role("button", name="Show the graph").click()
    first = node(phone, "CheckpointLoaderSimple")
    expect(first).to_be_visible()
    assert view(phone)[2] >= LEGIBLE
    expect(phone.locator(".canvas.near")).to_be_visible()
    box = first.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


def test_fingers_move_the_view_and_nodes(phone: Page, fingers: Fingers) -> None:
    open_workflow(phone, BLANK)
    card = node(phone, "EmptyImage")
    expect(card).to_be_visible()
    x, y, zoom = view(phone)
    fingers.drag((200, 700), (160, 660))
    assert view(phone) == pytest.approx((x - 40, y - 40, zoom), abs=1)
    over = middle(card)
    fingers.drag(over, (over[0] + 40, over[1] + 40))
    assert view(phone) == pytest.approx((x, y, zoom), abs=1)
    fingers.pinch((200, 600), 40, 60)
    assert view(phone)[2] == pytest.approx(zoom * 1.5, rel=0.02)
    fingers.pinch((200, 600), 60, 40)
    assert view(phone) == pytest.approx((x, y, zoom), abs=2)
    assert saved(phone)["nodes"][0]["pos"] == [0, 0]
    head = middle(card.locator(".card-head"))
    fingers.drag(head, (head[0], head[1] + 64 * zoom))
    at = saved(phone)["nodes"][0]["pos"]
    assert at[0] == 0
    assert at[1] > 0
    assert view(phone) == pytest.approx((x, y, zoom), abs=2)


def test_a_tap_on_a_socket_and_on_another_links_them(phone: Page, fingers: Fingers) -> None:
    open_workflow(phone, BLANK)
    x, y = middle(socket(phone, "EmptyImage", "IMAGE", "Output"))
    settled(phone)
    fingers.tap((x + 8, y - 8))
    note = phone.get_by_role("status").filter(has_text="Choose what to link IMAGE to")
    expect(note).to_be_visible()
    expect(socket(phone, "SaveImage", "images", "Input")).to_have_css("opacity", "1")
    expect(socket(phone, "EmptyImage", "width", "Input")).to_have_css("opacity", "0.25")
    fingers.drag((300, 700), (240, 700))
    expect(note).to_be_visible()
    x, y = middle(socket(phone, "SaveImage", "images", "Input"))
    fingers.tap((x - 8, y + 8))
    expect(note).to_be_hidden()
    expect(phone.locator(".react-flow__edge")).to_have_count(1)
    phone.keyboard.press("Control+z")
    expect(phone.locator(".react-flow__edge")).to_have_count(0)


def test_a_finger_draws_a_link_to_a_socket_or_into_the_open(phone: Page, fingers: Fingers) -> None:
    open_workflow(phone, BLANK)
    settled(phone)
    before = view(phone)
    start = middle(socket(phone, "EmptyImage", "IMAGE", "Output"))
    fingers.drag(start, middle(socket(phone, "SaveImage", "images", "Input")))
    expect(phone.locator(".react-flow__edge")).to_have_count(1)
    assert view(phone) == before
    fingers.drag(start, (200, 700))
    search = phone.get_by_role("combobox", name="Search for a node")
    expect(search).to_be_visible()
    search.fill("ImageInvert")
    search.press("Enter")
    expect(node(phone, "ImageInvert")).to_be_visible()
    expect(phone.locator(".react-flow__edge")).to_have_count(2)


def test_a_link_that_was_begun_ends_at_a_node_or_not_at_all(phone: Page, fingers: Fingers) -> None:
    open_workflow(phone, BLANK)
    settled(phone)
    note = phone.locator(".linking-note")
    for end in ("cross", "open", "Escape"):
        fingers.tap(middle(socket(phone, "EmptyImage", "IMAGE", "Output")))
        expect(note).to_be_visible()
        if end == "cross":
            note.get_by_role("button", name="Do not link").tap()
        elif end == "open":
            fingers.tap((200, 700))
        else:
            phone.keyboard.press("Escape")
        expect(note).to_be_hidden()
        expect(phone.locator(".react-flow__edge")).to_have_count(0)
    fingers.tap(middle(socket(phone, "EmptyImage", "IMAGE", "Output")))
    fingers.tap(middle(node(phone, "SaveImage").locator(".card-head")))
    expect(phone.locator(".react-flow__edge")).to_have_count(1)


def test_a_tap_on_a_node_shows_its_widgets_at_the_bottom(phone: Page, fingers: Fingers) -> None:
    open_workflow(phone, BLANK)
    card = node(phone, "EmptyImage")
    settled(phone)
    fingers.tap(middle(card))
    sheet = phone.get_by_role("complementary", name="Inspector")
    expect(sheet).to_be_visible()
    settled(phone)
    box, over = card.bounding_box(), sheet.bounding_box()
    assert box
    assert over
    assert box["y"] + box["height"] <= over["y"]
    width = sheet.get_by_role("spinbutton", name="width")
    size = width.bounding_box()
    assert size
    assert size["height"] >= FINGER_PX
    width.focus()
    for key in ("Enter", *"96", "Enter"):
        phone.keyboard.press(key)
    expect(card.get_by_role("spinbutton", name="width")).to_have_text("width96")
    sheet.get_by_role("button", name="Close Inspector").tap()
    expect(sheet).to_be_hidden()


def test_what_fingers_hit_is_broad(phone: Page, fingers: Fingers) -> None:
    open_workflow(phone, BLANK)
    settled(phone)
    for name in ("Add a node", "Templates", "Gallery", "Queue"):
        box = phone.get_by_role("button", name=name, exact=True).bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= FINGER_PX - 1
        assert box["x"] + box["width"] <= 390
    area = socket(phone, "EmptyImage", "IMAGE", "Output").locator("i")
    assert area.evaluate("area => area.offsetWidth") == FINGER_PX
    fingers.tap(middle(socket(phone, "EmptyImage", "IMAGE", "Output")))
    box = phone.get_by_role("button", name="Do not link").bounding_box()
    assert box
    assert min(box["width"], box["height"]) >= FINGER_PX
