"""Editing beyond the first workflow: drafts and saves, subgraphs, reroute points, seeds, substitutes and keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.hands import (
    KEEPS,
    becomes,
    drag,
    expect_picture,
    kept,
    middle,
    node,
    open_editor,
    open_template,
    open_text,
    open_workflow,
    run,
    saved,
)

Json = dict[str, Any]
BLANK: list[Json] = [
    {"id": 1, "type": "EmptyImage", "pos": [0, 0], "widgets_values": [64, 64, 1, 16711680]},
    {"id": 2, "type": "SaveImage", "pos": [480, 0], "inputs": [{"name": "images", "type": "IMAGE", "link": 1}]},
]
LINKS = [[1, 1, 0, 2, 0, "IMAGE"]]
NOISE: list[Json] = [
    {"id": 1, "type": "EmptyImage", "pos": [0, 0], "widgets_values": [64, 64, 1, 16711680]},
    {
        "id": 3,
        "type": "ImageAddNoise",
        "pos": [320, 0],
        "inputs": [{"name": "image", "type": "IMAGE", "link": 1}],
        "widgets_values": [5, "increment", 0.5],
    },
    {"id": 2, "type": "SaveImage", "pos": [640, 0], "inputs": [{"name": "images", "type": "IMAGE", "link": 2}]},
]
NOISE_LINKS = [[1, 1, 0, 3, 0, "IMAGE"], [2, 3, 0, 2, 0, "IMAGE"]]
LARGEST = 2**64 - 1


@pytest.fixture
def other(editor: Page, context: BrowserContext, web_url: str) -> Iterator[Page]:
    """A second window of the same browser."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    open_editor(page, web_url)
    yield page
    assert complaints == []


def save_as(page: Page, name: str) -> None:
    page.keyboard.press("Control+Shift+s")
    page.get_by_role("textbox", name="Name").fill(name)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").filter(has_text=f"Saved {name}.json.")).to_be_visible()


def field(place: Locator, name: str) -> Locator:
    return place.get_by_role("spinbutton", name=name)


def type_number(page: Page, place: Locator, text: str) -> None:
    place.focus()
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def values(page: Page, number: int) -> list[Any]:
    return next(one["widgets_values"] for one in saved(page)["nodes"] if one["id"] == number)


def test_a_seed_of_twenty_digits_keeps_them_all(editor: Page) -> None:
    open_workflow(editor, NOISE, NOISE_LINKS)
    seed = field(node(editor, "ImageAddNoise"), "seed")
    type_number(editor, seed, str(LARGEST - 1))
    expect(seed).to_have_text(f"seed{LARGEST - 1}")
    run(editor)
    expect_picture(editor, "SaveImage")
    expect(seed).to_have_text(f"seed{LARGEST}")
    text = json.dumps(saved(editor))
    assert f"[{LARGEST}, " in text
    open_text(editor, "again.json", text)
    expect(field(node(editor, "ImageAddNoise"), "seed")).to_have_text(f"seed{LARGEST}")


def test_the_seed_of_a_picture_is_used_again(editor: Page) -> None:
    open_workflow(editor, NOISE, NOISE_LINKS)
    seed = field(node(editor, "ImageAddNoise"), "seed")
    type_number(editor, seed, "123456")
    run(editor)
    expect_picture(editor, "SaveImage")
    expect(seed).to_have_text("seed123457")
    editor.get_by_role("button", name="Gallery", exact=True).click()
    editor.get_by_role("button", name="Enlarge").last.wait_for()
    editor.locator(".gallery .tile-picture").first.click()
    editor.get_by_role("button", name="Use its seed").click()
    expect(seed).to_have_text("seed123456")
    expect(node(editor, "ImageAddNoise").get_by_role("button", name="After a run: Keep")).to_be_visible()


def test_the_last_seed_is_offered_again(editor: Page) -> None:
    open_workflow(editor, NOISE, NOISE_LINKS)
    card = node(editor, "ImageAddNoise")
    type_number(editor, field(card, "seed"), "77")
    run(editor)
    expect_picture(editor, "SaveImage")
    expect(field(card, "seed")).to_have_text("seed78")
    card.get_by_role("button", name="After a run").click()
    editor.get_by_role("menuitem", name="Use 77 again").click()
    expect(field(card, "seed")).to_have_text("seed77")


def test_two_windows_do_not_save_over_each_other(editor: Page, other: Page) -> None:
    open_workflow(editor, BLANK, LINKS)
    save_as(editor, "shared")
    other.get_by_role("button", name="Saved workflows").click()
    other.get_by_role("button", name="shared", exact=False).first.click()
    expect(node(other, "EmptyImage")).to_be_visible()  # it has read the first version
    type_number(editor, field(node(editor, "EmptyImage"), "width"), "96")
    editor.keyboard.press("Control+s")
    expect(editor.get_by_role("status").filter(has_text="Saved shared.json.")).to_be_visible()
    type_number(other, field(node(other, "EmptyImage"), "width"), "128")
    other.keyboard.press("Control+s")
    expect(other.get_by_role("alert").filter(has_text="was changed or deleted since you opened it")).to_be_visible()
    other.get_by_role("textbox", name="Name").fill("mine")
    other.get_by_role("button", name="Save", exact=True).click()
    expect(other.get_by_role("status").filter(has_text="Saved mine.json.")).to_be_visible()
    kept = editor.evaluate("fetch('/api/userdata/workflows%2Fshared.json').then(reply => reply.json())")
    assert kept["nodes"][0]["widgets_values"][0] == 96
    assert values(other, 1)[0] == 128


def test_what_a_window_left_unsaved_is_a_draft(editor: Page, other: Page) -> None:
    open_workflow(other, BLANK, LINKS)
    type_number(other, field(node(other, "EmptyImage"), "width"), "200")
    other.keyboard.press("Control+k")
    expect(other.get_by_role("textbox", name="Command")).to_be_visible()
    kept(other, "[200,64,1,16711680]")
    expect(node(editor, "EmptyImage")).to_have_count(0)
    other.close()
    # The browser lets go of a closed window's lock a little later.
    becomes(editor, "() => navigator.locks.query().then(locks => locks.held.length === 1)")
    editor.get_by_role("button", name="Saved workflows").click()
    drafts = editor.get_by_role("region", name="Drafts")
    drafts.get_by_role("button", name="made 2 nodes").click()
    expect(field(node(editor, "EmptyImage"), "width")).to_have_text("width200")
    expect(drafts).to_be_hidden()


def test_a_closed_draft_is_opened_or_discarded(editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS)
    type_number(editor, field(node(editor, "EmptyImage"), "width"), "72")
    editor.get_by_role("button", name="Close made").click()
    editor.get_by_role("button", name="Saved workflows").click()
    drafts = editor.get_by_role("region", name="Drafts")
    drafts.get_by_role("button", name="made 2 nodes").click()
    expect(field(node(editor, "EmptyImage"), "width")).to_have_text("width72")
    editor.get_by_role("button", name="Close made").click()
    expect(drafts).to_be_visible()
    editor.get_by_role("button", name="Discard made").click()
    expect(drafts).to_be_hidden()


def test_a_reload_brings_everything_back(editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS)
    type_number(editor, field(node(editor, "EmptyImage"), "width"), "88")
    mine = saved(editor)
    kept(editor, "[88,64,1,16711680]")
    editor.reload()
    expect(field(node(editor, "EmptyImage"), "width")).to_have_text("width88")
    assert saved(editor) == mine


def test_a_reload_at_once_loses_nothing(editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS)
    type_number(editor, field(node(editor, "EmptyImage"), "width"), "88")
    kept(editor, "[88,64,1,16711680]")
    type_number(editor, field(node(editor, "EmptyImage"), "width"), "96")
    editor.reload()
    expect(field(node(editor, "EmptyImage"), "width")).to_have_text("width96")
    editor.get_by_role("navigation", name="Open workflows").get_by_role("button", name="Close", exact=False).click()
    editor.reload()
    expect(editor.get_by_role("heading", name="Begin with a template")).to_be_visible()
    editor.get_by_role("button", name="Saved workflows").click()
    editor.get_by_role("complementary", name="Workflows").get_by_role("button", name="made", exact=False).first.click()
    expect(field(node(editor, "EmptyImage"), "width")).to_have_text("width96")


def test_changes_without_a_pause_are_kept_too(editor: Page) -> None:
    open_template(editor)
    prompt = node(editor, "CLIPTextEncode").first.locator("textarea")
    prompt.fill("")
    words = "never a pause, "
    for _ in range(100):
        prompt.press_sequentially(words, delay=20)
        if editor.evaluate(KEEPS, words):
            return
    raise AssertionError("nothing was kept while words were typed")


def test_the_ends_of_a_subgraph_are_renamed_and_removed(editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS)
    node(editor, "EmptyImage").locator(".card-head").click()
    editor.keyboard.press("Control+Shift+g")
    editor.get_by_role("button", name="Open the subgraph").click()
    ends = node(editor, "ends").filter(has_text="Outputs")
    ends.get_by_role("button", name="IMAGE", exact=True).dblclick()
    editor.get_by_role("textbox", name="Name of the socket").fill("red square")
    editor.keyboard.press("Enter")
    expect(ends.get_by_role("button", name="red square", exact=True)).to_be_visible()
    editor.keyboard.press("u")
    expect(editor.get_by_label("Output red square, IMAGE")).to_be_visible()
    editor.get_by_role("button", name="Open the subgraph").click()
    ends.hover()
    ends.get_by_role("button", name="Remove the socket red square").click()
    expect(ends.get_by_role("button", name="red square", exact=True)).to_be_hidden()
    editor.keyboard.press("u")
    assert saved(editor)["links"] == []
    editor.keyboard.press("Control+z")
    assert len(saved(editor)["links"]) == 1


def test_an_inner_widget_is_shown_on_the_subgraph(editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS)
    node(editor, "EmptyImage").locator(".card-head").click()
    editor.keyboard.press("Control+Shift+g")
    editor.get_by_role("button", name="Open the subgraph").click()
    field(node(editor, "EmptyImage"), "width").click(button="right")
    expect(editor.get_by_role("menu")).to_have_count(1)
    editor.get_by_role("menuitem", name="Show on the subgraph's node").click()
    editor.keyboard.press("u")
    outer = editor.locator(".react-flow__node").filter(has=editor.locator(".card.subgraph"))
    type_number(editor, field(outer, "width"), "80")
    run(editor)
    picture = expect_picture(editor, "SaveImage")
    assert picture.evaluate("image => image.naturalWidth") == 80


def test_reroute_points_are_drawn_dragged_and_deleted(editor: Page) -> None:
    points = {
        "reroutes": [{"id": 4, "pos": [380, 240], "linkIds": [1]}],
        "linkExtensions": [{"id": 1, "parentId": 4}],
    }
    open_workflow(editor, BLANK, LINKS, extra=points)
    dot = editor.locator(".link-dot")
    expect(dot).to_be_visible()
    straight = editor.locator(".react-flow__edge-path").first
    before = straight.get_attribute("d") or ""
    assert before.count("C") == 2
    x, y = middle(dot)
    drag(editor, (x, y), (x + 20, y + 90))
    expect(straight).not_to_have_attribute("d", before)
    moved = saved(editor)["extra"]["reroutes"][0]["pos"]
    assert moved[1] > 290
    dot.click()
    editor.keyboard.press("Delete")
    expect(dot).to_be_hidden()
    assert saved(editor)["extra"]["linkExtensions"] == []
    assert len(saved(editor)["links"]) == 1


def test_an_unknown_node_is_replaced_in_one_click(editor: Page) -> None:
    strange: Json = {
        "id": 1,
        "type": "EmptyImage+",
        "pos": [0, 0],
        "inputs": [{"name": "width", "type": "INT", "widget": {"name": "width"}, "link": None}],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]}],
        "widgets_values": [72],
    }
    open_workflow(editor, [strange, BLANK[1]], LINKS)
    node(editor, "EmptyImage+").get_by_role("button", name="Replace with").click()
    expect(field(node(editor, "EmptyImage"), "width")).to_have_text("width72")
    run(editor)
    picture = expect_picture(editor, "SaveImage")
    assert picture.evaluate("image => image.naturalWidth") == 72


def test_dragging_snaps_to_the_lines_of_others(editor: Page) -> None:
    apart = [BLANK[0], {**BLANK[1], "pos": [487, 203]}]
    open_workflow(editor, apart, LINKS)
    x, y = middle(node(editor, "SaveImage").locator(".card-head"))
    target = node(editor, "EmptyImage").locator(".card-head").bounding_box()
    assert target
    editor.mouse.move(x, y)
    editor.mouse.down()
    editor.mouse.move(x + 4, y + 4)
    editor.mouse.move(x + 4, target["y"] + target["height"] / 2 + 2, steps=6)
    expect(editor.locator(".guides line").first).to_be_attached()
    editor.mouse.up()
    expect(editor.locator(".guides")).to_have_count(0)
    assert saved(editor)["nodes"][1]["pos"][1] == 0


def test_a_shaken_node_leaves_its_links(editor: Page) -> None:
    open_workflow(editor, NOISE, NOISE_LINKS)
    x, y = middle(node(editor, "ImageAddNoise").locator(".card-head"))
    editor.mouse.move(x, y)
    editor.mouse.down()
    editor.mouse.move(x + 4, y + 4)
    # At once, since a busy machine would shake too slowly.
    editor.evaluate(
        """([x, y]) => {
            for (let i = 0; i < 8; i++)
                window.dispatchEvent(new MouseEvent(
                    "mousemove", { view: window, bubbles: true, clientX: x + (i % 2) * 60, clientY: y, buttons: 1 }
                ));
        }""",
        [x, y + 120],
    )
    editor.mouse.up()
    links = saved(editor)["links"]
    assert [(link[1], link[3]) for link in links] == [(1, 2)]
    editor.keyboard.press("Control+z")
    assert len(saved(editor)["links"]) == 2


def test_keys_are_changed(editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS)
    editor.keyboard.press("?")
    editor.get_by_role("button", name="Change the keys of Outline").click()
    editor.keyboard.press("j")
    expect(editor.get_by_role("button", name="Change the keys of Outline")).to_contain_text(": J")
    editor.get_by_role("button", name="Done").click()
    editor.keyboard.press("j")
    expect(editor.get_by_role("complementary", name="Outline")).to_be_visible()
    editor.keyboard.press("o")
    expect(editor.get_by_role("complementary", name="Outline")).to_be_visible()


def test_the_theme_follows_the_system(editor: Page) -> None:
    page = editor.locator("html")
    editor.emulate_media(color_scheme="light")
    expect(page).to_have_attribute("data-theme", "light")
    editor.emulate_media(color_scheme="dark")
    expect(page).to_have_attribute("data-theme", "dark")


def test_of_many_tabs_the_one_in_view_can_be_seen(editor: Page) -> None:
    tabs = editor.get_by_role("navigation", name="Open workflows")
    note = {"id": 1, "type": "Note", "pos": [0, 0], "size": [200, 100], "widgets_values": ["?"]}
    for i in range(14):
        open_text(editor, f"a rather long name of a workflow {i}.json", json.dumps({"nodes": [note], "links": []}))
        expect(tabs.locator(".tab")).to_have_count(i + 1)
    last = tabs.locator(".tab.active")
    expect(last).to_be_in_viewport(ratio=0.98)
    first = tabs.locator(".tab").first
    expect(first).not_to_be_in_viewport()
    tabs.hover()
    editor.mouse.wheel(0, -4000)
    expect(first).to_be_in_viewport(ratio=0.98)
    first.click(button="middle")
    expect(tabs.locator(".tab")).to_have_count(13)


def test_templates_show_what_they_make(editor: Page) -> None:
    editor.get_by_role("button", name="Templates", exact=True).click()
    panel = editor.get_by_role("complementary", name="Templates")
    card = panel.get_by_role("button", name="Text to image", exact=False).first
    expect(card.locator("small")).not_to_be_empty()
    picture = card.locator("img")
    expect(picture).to_have_js_property("complete", value=True)
    expect(picture).not_to_have_js_property("naturalWidth", 0)
    drawn = panel.get_by_role("button", name="Flux schnell", exact=False)
    expect(drawn.locator(".sketch rect")).to_have_count(9)
