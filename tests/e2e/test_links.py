"""Links under the hand: what is shown of them, and how they are dropped, cut and led."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.hands import middle, node, open_workflow, saved, settled, socket

Json = dict[str, Any]
RED = [64, 64, 1, 16711680]
TWO: list[Json] = [
    {"id": 1, "type": "EmptyImage", "pos": [0, 0], "widgets_values": RED},
    {"id": 2, "type": "EmptyImage", "pos": [0, 320], "title": "Other", "widgets_values": RED},
    {"id": 3, "type": "SaveImage", "pos": [520, 0], "inputs": [{"name": "images", "type": "IMAGE", "link": 1}]},
    {"id": 4, "type": "SaveImage", "pos": [520, 320], "inputs": [{"name": "images", "type": "IMAGE", "link": 2}]},
]
LINKS = [[1, 1, 0, 3, 0, "IMAGE"], [2, 2, 0, 4, 0, "IMAGE"]]


@pytest.fixture
def linked(editor: Page) -> Page:
    open_workflow(editor, TWO, LINKS)
    expect(editor.locator(".react-flow__edge")).to_have_count(2)
    settled(editor)
    return editor


def on_link(page: Page, number: int, part: float = 0.5) -> tuple[float, float]:
    """The place on the screen of a point of the link."""
    path = page.locator(f'.react-flow__edge[data-id="l:{number}"] .react-flow__edge-path').first
    x, y = path.evaluate(
        """(path, part) => {
            const at = path.getPointAtLength(path.getTotalLength() * part).matrixTransform(path.getScreenCTM());
            return [at.x, at.y];
        }""",
        part,
    )
    return x, y


def ends(page: Page) -> list[tuple[int, int]]:
    return sorted((link[1], link[3]) for link in saved(page)["links"])


def test_a_link_names_its_ends_and_is_cut_at_its_cross(linked: Page) -> None:
    linked.mouse.move(*on_link(linked, 2, 0.2))
    expect(linked.get_by_role("tooltip")).to_have_text("Other · IMAGE → Save Image · images")
    linked.locator(".link-cut").click()
    expect(linked.get_by_role("tooltip")).to_have_count(0)
    assert ends(linked) == [(1, 3)]


def test_a_socket_shows_its_links_alone(linked: Page) -> None:
    linked.mouse.move(*middle(node(linked, "EmptyImage").first.get_by_label("Output IMAGE, IMAGE").locator("i")))
    expect(linked.locator('.react-flow__edge[data-id="l:1"]')).to_have_css("opacity", "1")
    expect(linked.locator('.react-flow__edge[data-id="l:2"]')).to_have_css("opacity", "0.2")
    linked.mouse.move(700, 700)
    expect(linked.locator('.react-flow__edge[data-id="l:2"]')).to_have_css("opacity", "1")


def test_a_drawn_link_shows_what_takes_it(linked: Page) -> None:
    start = middle(node(linked, "EmptyImage").last.get_by_label("Output IMAGE, IMAGE").locator("i"))
    linked.mouse.move(*start)
    linked.mouse.down()
    linked.mouse.move(start[0] + 40, start[1] + 10, steps=3)
    fitting = node(linked, "SaveImage").first.get_by_label("Input images, IMAGE")
    expect(fitting).to_have_css("opacity", "1")
    expect(node(linked, "SaveImage").first.get_by_label("Input filename_prefix")).to_have_css("opacity", "0.25")
    # Over the node its socket is marked; nothing is free there, so what fed it is replaced.
    linked.mouse.move(*middle(node(linked, "SaveImage").first), steps=4)
    expect(fitting).to_have_css("outline-style", "solid")
    linked.mouse.up()
    assert ends(linked) == [(2, 3), (2, 4)]
    linked.keyboard.press("Control+z")
    assert ends(linked) == [(1, 3), (2, 4)]


def test_a_link_is_drawn_to_a_socket_that_it_comes_near(linked: Page) -> None:
    linked.keyboard.press("-")
    linked.keyboard.press("-")
    settled(linked)
    start = middle(node(linked, "EmptyImage").last.get_by_label("Output IMAGE, IMAGE").locator("i"))
    x, y = middle(node(linked, "SaveImage").first.get_by_label("Input images, IMAGE"))
    linked.mouse.move(*start)
    linked.mouse.down()
    linked.mouse.move(x - 60, y - 30, steps=4)
    linked.mouse.move(x - 20, y - 10, steps=2)
    linked.mouse.up()
    assert ends(linked) == [(2, 3), (2, 4)]


def test_a_stroke_cuts_what_it_crosses_in_one_step(linked: Page) -> None:
    (x, high), (_, low) = on_link(linked, 1), on_link(linked, 2)
    linked.keyboard.down("Control")
    linked.mouse.move(x, high - 60)
    linked.mouse.down(button="right")
    linked.mouse.move(x, low + 60, steps=8)
    expect(linked.locator(".knife")).to_be_attached()
    linked.mouse.up(button="right")
    linked.keyboard.up("Control")
    expect(linked.locator(".knife")).to_have_count(0)
    expect(linked.get_by_role("menu")).to_have_count(0)
    assert ends(linked) == []
    linked.keyboard.press("Control+z")
    assert ends(linked) == [(1, 3), (2, 4)]
    linked.mouse.click(x, high - 60, button="right")
    expect(linked.get_by_role("menu", name="Actions")).to_be_visible()


def test_r_puts_a_reroute_into_the_link_pointed_at(linked: Page) -> None:
    place = on_link(linked, 1, 0.4)
    linked.mouse.move(*place)
    linked.keyboard.press("r")
    dot = node(linked, "Reroute")
    expect(dot).to_have_count(1)
    x, y = middle(dot)
    assert abs(x - place[0]) < 10
    assert abs(y - place[1]) < 10
    assert len(ends(linked)) == 3
    linked.mouse.move(700, 820)
    linked.keyboard.press("r")
    expect(linked.get_by_role("status").filter(has_text="Point at a link")).to_be_visible()


def test_a_click_on_a_linked_input_takes_no_link_along(linked: Page) -> None:
    taken = node(linked, "SaveImage").first.get_by_label("Input images, IMAGE").locator("i")
    linked.mouse.click(*middle(taken))
    linked.keyboard.press("Escape")
    start = middle(node(linked, "EmptyImage").last.get_by_label("Output IMAGE, IMAGE").locator("i"))
    linked.mouse.move(*start)
    linked.mouse.down()
    linked.mouse.move(start[0] + 100, start[1] + 140, steps=4)
    linked.mouse.up()
    linked.keyboard.press("Escape")
    assert ends(linked) == [(1, 3), (2, 4)]


def test_gaps_that_become_equal_are_shown(editor: Page) -> None:
    row = [{**TWO[0], "id": i, "pos": [320 * i, 0]} for i in (1, 2)] + [{**TWO[0], "id": 3, "pos": [983, 230]}]
    open_workflow(editor, row)
    expect(node(editor, "EmptyImage")).to_have_count(3)
    settled(editor)
    heads = node(editor, "EmptyImage").locator(".card-head")
    second, third = heads.nth(1).bounding_box(), heads.nth(2).bounding_box()
    first = heads.nth(0).bounding_box()
    assert first
    assert second
    assert third
    x, y = third["x"] + 60, third["y"] + 16
    pitch = second["x"] - first["x"]
    editor.mouse.move(x, y)
    editor.mouse.down()
    editor.mouse.move(x + 4, y - 4)
    editor.mouse.move(second["x"] + pitch + 60 + 3, second["y"] + 60, steps=8)
    expect(editor.locator(".spacing")).to_have_count(2)
    expect(editor.locator(".spacing text").first).to_have_text("64")
    editor.mouse.up()
    expect(editor.locator(".spacing")).to_have_count(0)
    assert saved(editor)["nodes"][2]["pos"][0] == 960


def test_sockets_are_linked_by_clicks(linked: Page) -> None:
    linked.mouse.click(*middle(node(linked, "EmptyImage").last.get_by_label("Output IMAGE, IMAGE").locator("i")))
    expect(linked.locator(".linking-note")).to_contain_text("IMAGE")
    linked.mouse.click(*middle(socket(linked, "SaveImage", "images", "Input").first.locator("i")))
    expect(linked.locator(".linking-note")).to_have_count(0)
    assert ends(linked) == [(2, 3), (2, 4)]


def test_escape_lets_go_of_what_is_dragged(linked: Page) -> None:
    start = middle(node(linked, "EmptyImage").last.get_by_label("Output IMAGE, IMAGE").locator("i"))
    linked.mouse.move(*start)
    linked.mouse.down()
    linked.mouse.move(start[0] + 60, start[1] + 60, steps=3)
    expect(linked.locator(".ghost")).to_be_visible()
    linked.keyboard.press("Escape")
    expect(linked.locator(".ghost")).to_have_count(0)
    linked.mouse.move(*middle(node(linked, "SaveImage").first), steps=3)
    linked.mouse.up()
    x, y = middle(node(linked, "SaveImage").first.locator(".card-head"))
    linked.mouse.move(x, y)
    linked.mouse.down()
    linked.mouse.move(x + 60, y + 60, steps=4)
    assert middle(node(linked, "SaveImage").first.locator(".card-head"))[0] > x + 30
    linked.keyboard.press("Escape")
    linked.mouse.move(x + 120, y + 60, steps=4)
    linked.mouse.up()
    written = saved(linked)
    assert next(one["pos"] for one in written["nodes"] if one["id"] == 3) == [520, 0]
    assert ends(linked) == [(1, 3), (2, 4)]


def test_links_from_everywhere_are_drawn_for_what_is_selected(editor: Page) -> None:
    sent = {"downstream": 2, "downstream_slot": 0, "upstream": 1, "upstream_slot": 1, "controller": 9, "type": "CLIP"}
    clip = {"name": "clip", "type": "CLIP", "link": None}
    everything = {"name": "anything", "type": "CLIP", "link": 1}
    open_workflow(
        editor,
        [
            {"id": 1, "type": "CheckpointLoaderSimple", "pos": [0, 0]},
            {"id": 2, "type": "CLIPTextEncode", "pos": [400, 0], "inputs": [clip]},
            {"id": 3, "type": "EmptyImage", "pos": [0, 300]},
            {"id": 9, "type": "Anything Everywhere", "pos": [400, 300], "inputs": [everything]},
        ],
        [[1, 1, 1, 9, 0, "CLIP"]],
        extra={"ue_links": [sent]},
    )
    drawn = editor.locator(".everywhere-links path")
    node(editor, "CLIPTextEncode").locator("h3").click()
    expect(drawn).to_have_count(1)
    node(editor, "EmptyImage").locator("h3").click()
    expect(drawn).to_have_count(0)
    editor.keyboard.press("Control+k")
    editor.get_by_role("textbox", name="Command").fill("Links from everywhere")
    editor.keyboard.press("Enter")
    expect(drawn).to_have_count(1)
