"""The canvas under the hand: what is selected, copied, cut, linked and read on it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.framed import BLANK, LINKS, SOURCES
from tests.e2e.hands import (
    RUN_MS,
    drag,
    expect_picture,
    middle,
    node,
    open_template,
    open_text,
    open_workflow,
    run,
    saved,
    settled,
)


def open_blank(editor: Page, **more: Any) -> None:
    open_workflow(editor, BLANK, LINKS, **more)
    expect(node(editor, "EmptyImage")).to_be_visible()
    settled(editor)


def test_what_waits_says_at_which_place_and_what_runs_how_far_it_is(editor: Page) -> None:
    open_template(editor)
    sampler = node(editor, "KSampler")
    expect(sampler).to_have_attribute("aria-label", "KSampler, 4 inputs, 4 connected")
    sampler.get_by_role("spinbutton", name="steps").focus()
    for key in ("Enter", *"10000", "Enter"):
        editor.keyboard.press(key)
    run(editor)
    expect(sampler.locator(".chip.running")).to_contain_text("%", timeout=RUN_MS)
    heard = sampler.get_attribute("aria-label") or ""
    assert heard.startswith("KSampler, 4 inputs, 4 connected, running "), heard
    assert heard.endswith(" %"), heard
    expect(editor.locator(".minimap .pulse")).to_be_visible()
    open_another(editor, "waits")
    run(editor)
    chips = editor.locator(".chip.queued")
    expect(chips).to_have_text(["queued 1", "queued 1"])
    ahead = open_another(editor, "ahead")
    editor.keyboard.press("Control+Shift+Enter")
    expect(chips).to_have_text(["queued 1", "queued 1"])
    editor.get_by_role("button", name="waits", exact=True).click()
    expect(chips).to_have_text(["queued 2", "queued 2"])
    editor.evaluate(
        """async (id) => {
            const { queue_pending } = await (await fetch("/api/queue")).json();
            const mine = queue_pending.filter((item) => item[3].extra_pnginfo.workflow.id === id);
            const ids = mine.map((item) => item[1]);
            await fetch("/api/queue", { method: "POST", body: JSON.stringify({ delete: ids }) });
        }""",
        ahead,
    )
    expect(chips).to_have_text(["queued 1", "queued 1"])
    editor.evaluate("() => fetch('/api/interrupt', { method: 'POST' })")
    expect_picture(editor, "SaveImage")
    expect(chips).to_have_count(0)


def open_another(editor: Page, name: str) -> str:
    file = {"id": name, "version": 0.4, "nodes": BLANK, "links": LINKS}
    open_text(editor, f"{name}.json", json.dumps(file))
    expect(editor.get_by_role("application", name=name)).to_be_visible()
    return name


def test_a_copied_frame_takes_what_lies_in_it(editor: Page) -> None:
    open_blank(editor, groups=[SOURCES])
    editor.locator(".frame-title").click()
    editor.keyboard.press("Control+d")
    expect(editor.locator(".frame")).to_have_count(2)
    expect(node(editor, "EmptyImage")).to_have_count(2)
    written = saved(editor)
    assert sorted(one["id"] for one in written["nodes"]) == [1, 2, 3]
    first, second = written["groups"]
    assert first["id"] != second["id"]
    assert [second["bounding"][i] - first["bounding"][i] for i in range(4)] == [32, 32, 0, 0]
    copied = next(one for one in written["nodes"] if one["id"] == 3)
    assert copied["pos"] == [32, 132]


def test_a_frame_goes_by_the_clipboard_folded_or_not(editor: Page) -> None:
    editor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_workflow(editor, BLANK, LINKS, groups=[{**SOURCES, "folded": {"nodes": [1], "groups": []}}])
    editor.locator(".frame-title").click()
    editor.keyboard.press("Control+x")
    expect(editor.locator(".frame")).to_have_count(0)
    editor.mouse.move(700, 300)
    editor.keyboard.press("Control+v")
    expect(editor.locator(".frame.folded")).to_contain_text("1 node")
    editor.keyboard.press("Control+v")
    expect(editor.locator(".frame.folded")).to_have_count(2)
    written = saved(editor)
    hidden = [one["folded"]["nodes"] for one in written["groups"]]
    assert sorted(hidden) == [[3], [4]]
    assert written["groups"][0]["id"] != written["groups"][1]["id"]


def test_a_rectangle_takes_frames_only_whole(editor: Page) -> None:
    open_blank(editor, groups=[SOURCES])
    card = node(editor, "EmptyImage").bounding_box()
    frame = editor.locator(".frame").bounding_box()
    assert card
    assert frame
    corner = (card["x"] + 40, card["y"] + 40)
    drag(editor, (frame["x"] + 8, frame["y"] + frame["height"] - 8), corner)
    expect(editor.locator(".card.selected")).to_have_count(1)
    expect(editor.locator(".frame.selected")).to_have_count(0)
    drag(
        editor, (frame["x"] - 20, frame["y"] - 20), (frame["x"] + frame["width"] + 8, frame["y"] + frame["height"] + 8)
    )
    expect(editor.locator(".frame.selected")).to_have_count(1)
    expect(editor.locator(".card.selected")).to_have_count(1)
    editor.mouse.click(frame["x"] - 20, frame["y"] - 20)
    expect(editor.locator(".selected")).to_have_count(0)


def test_a_dragged_selection_takes_its_frame(editor: Page) -> None:
    open_blank(editor, groups=[SOURCES])
    editor.keyboard.press("Control+a")
    title = node(editor, "SaveImage").locator(".card-head").bounding_box()
    assert title
    start = (title["x"] + 60, title["y"] + 16)
    drag(editor, start, (start[0], start[1] + 160))
    written = saved(editor)
    below = written["groups"][0]["bounding"][1]
    assert below > 100
    assert [one["pos"][1] - 100 for one in written["nodes"]] == [below, below]
    editor.keyboard.press("Control+ArrowUp")
    assert saved(editor)["groups"][0]["bounding"][1] == below - 16
    editor.keyboard.press("Control+z")
    editor.keyboard.press("Control+z")
    assert saved(editor)["groups"][0]["bounding"] == SOURCES["bounding"]


def test_any_node_is_run_to_and_shows_what_it_gives(editor: Page) -> None:
    chain = [
        {**BLANK[0], "pos": [0, 0]},
        {"id": 3, "type": "ImageInvert", "pos": [320, 0], "inputs": [{"name": "image", "type": "IMAGE", "link": 1}]},
        {"id": 2, "type": "SaveImage", "pos": [640, 0], "inputs": [{"name": "images", "type": "IMAGE", "link": 2}]},
        {"id": 4, "type": "ImageInvert", "title": "Not ready", "pos": [320, 400]},
        {"id": 5, "type": "SaveImage", "pos": [640, 400], "inputs": [{"name": "images", "type": "IMAGE", "link": 3}]},
    ]
    links = [[1, 1, 0, 3, 0, "IMAGE"], [2, 3, 0, 2, 0, "IMAGE"], [3, 4, 0, 5, 0, "IMAGE"]]
    open_workflow(editor, chain, links)
    middle_node = editor.get_by_role("group", name="Invert Image, 1 input, 1 connected")
    middle_node.locator(".card-head").click(button="right")
    editor.get_by_role("menuitem", name="Run to here").click()
    picture = middle_node.locator(".media img")
    expect(picture).to_be_visible(timeout=RUN_MS)
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
    expect(editor.locator(".media")).to_have_count(1)
    expect(node(editor, "SaveImage").locator(".chip")).to_have_count(0)


def test_a_node_is_explained(editor: Page) -> None:
    open_template(editor)
    editor.keyboard.press("F1")
    expect(editor.get_by_role("status").filter(has_text="Select a node to read about it.")).to_be_visible()
    node(editor, "KSampler").locator(".card-head").click()
    editor.keyboard.press("F1")
    dialog = editor.get_by_role("dialog", name="KSampler")
    expect(dialog).to_contain_text("steps")
    expect(dialog).to_contain_text("INT · 1 to 10000, default 20")
    editor.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_the_canvas_is_one_stop_and_f6_leads_on(editor: Page) -> None:
    open_blank(editor)
    editor.get_by_role("button", name="Settings", exact=True).focus()
    editor.keyboard.press("Tab")
    expect(editor.get_by_role("application")).to_be_focused()
    editor.keyboard.press("ArrowRight")
    expect(node(editor, "EmptyImage")).to_be_focused()
    editor.keyboard.press("ArrowRight")
    expect(node(editor, "SaveImage")).to_be_focused()
    editor.keyboard.press("F6")
    expect(editor.get_by_role("button", name="Menu", exact=True)).to_be_focused()
    editor.keyboard.press("Shift+F6")
    expect(node(editor, "SaveImage")).to_be_focused()


def test_two_fingers_slide_the_view_and_a_wheel_zooms_it(editor: Page) -> None:
    open_blank(editor)
    zoom = editor.locator(".zoombar .zoom")
    editor.mouse.move(700, 700)
    editor.mouse.wheel(6, 20)  # by this one it is seen that two fingers slide
    settled(editor)
    said = zoom.text_content() or ""
    for over in ((700, 700), middle(node(editor, "SaveImage"))):
        before = node(editor, "SaveImage").bounding_box()
        assert before
        editor.mouse.move(*over)
        editor.mouse.wheel(6, 20)
        settled(editor)
        after = node(editor, "SaveImage").bounding_box()
        assert after
        assert after["y"] < before["y"]
        expect(zoom).to_have_text(said)
    editor.mouse.wheel(0, 120)
    editor.mouse.wheel(0, 120)
    expect(zoom).not_to_have_text(said)


def test_the_pinch_that_safari_tells_of_zooms(editor: Page) -> None:
    open_blank(editor)
    zoom = editor.locator(".zoombar .zoom")
    before = int((zoom.text_content() or "").rstrip(" %"))
    prevented = editor.locator(".react-flow__pane").evaluate(
        """pane => [["gesturestart", 1], ["gesturechange", 1.3], ["gesturechange", 2]].map(([name, scale]) => {
            const event = new UIEvent(name, { bubbles: true, cancelable: true });
            Object.assign(event, { scale, clientX: 700, clientY: 700 });
            return !pane.dispatchEvent(event);
        })"""
    )
    assert prevented == [True, True, True]
    expect(zoom).not_to_have_text(f"{before} %")
    assert int((zoom.text_content() or "").rstrip(" %")) > before


def test_the_middle_button_pans_and_pastes_nothing(editor: Page) -> None:
    """Firefox on Linux pastes what is selected where the middle button comes up, unless the page says no."""
    open_blank(editor)
    editor.evaluate("window.addEventListener('auxclick', event => { window.refused = event.defaultPrevented; })")
    before = node(editor, "EmptyImage").bounding_box()
    assert before
    editor.mouse.move(700, 700)
    editor.mouse.down(button="middle")
    editor.mouse.move(740, 730, steps=4)
    editor.mouse.up(button="middle")
    settled(editor)
    after = node(editor, "EmptyImage").bounding_box()
    assert after
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((40, 30), abs=1)
    assert editor.evaluate("window.refused") is True


def test_space_drags_the_view_wherever_it_is_taken_hold_of(editor: Page) -> None:
    open_blank(editor)
    card = node(editor, "SaveImage")
    for place in (card.locator(".card-head"), card):
        x, y = middle(place)
        before = node(editor, "EmptyImage").bounding_box()
        assert before
        editor.mouse.move(x, y)
        editor.keyboard.down("Space")
        expect(editor.locator(".canvas.panning")).to_be_visible()
        editor.mouse.down()
        editor.mouse.move(x + 40, y + 30, steps=4)
        editor.mouse.up()
        editor.keyboard.up("Space")
        settled(editor)
        after = node(editor, "EmptyImage").bounding_box()
        assert after
        assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((40, 30), abs=1)
    assert saved(editor)["nodes"][1]["pos"] == [480, 100]


def test_tidying_keeps_frames_around_what_is_in_them(editor: Page) -> None:
    apart = [BLANK[0], {**BLANK[1], "pos": [20, 420]}]
    open_workflow(editor, apart, LINKS, groups=[SOURCES])
    expect(node(editor, "SaveImage")).to_be_visible()
    place = node(editor, "SaveImage").evaluate("one => one.style.transform")
    editor.keyboard.press("l")
    expect(node(editor, "SaveImage")).not_to_have_attribute("style", re.compile(re.escape(place)))
    settled(editor)
    written = saved(editor)
    x, y, width, height = written["groups"][0]["bounding"]
    inside, outside = (one["pos"] for one in written["nodes"])
    assert x < inside[0] < x + width
    assert y < inside[1] < y + height
    assert outside[0] >= x + width
    editor.keyboard.press("Control+z")
    assert saved(editor)["groups"][0]["bounding"] == SOURCES["bounding"]
    assert saved(editor)["nodes"][1]["pos"] == [20, 420]
