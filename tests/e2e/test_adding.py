"""Ways to add: the search, the palette, names in a prompt, files that are dropped."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Page, Route, expect

from tests.e2e.hands import add_node, expect_picture, middle, node, open_file, open_template, open_workflow, saved

BLANK = [{"id": 1, "type": "EmptyImage", "pos": [0, 0], "widgets_values": [64, 64, 1, 255]}]


def with_workflow() -> bytes:
    """A picture that carries a workflow of one note."""
    notes: list[dict[str, Any]] = [{"id": 1, "type": "Note", "pos": [0, 0], "widgets_values": ["from the picture"]}]
    text = PngInfo()
    text.add_text("workflow", json.dumps({"id": "p", "version": 0.4, "nodes": notes, "links": []}))
    data = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(data, "PNG", pnginfo=text)
    return data.getvalue()


def drop_png(editor: Page) -> None:
    open_file(editor, {"name": "carrier.png", "mimeType": "image/png", "buffer": with_workflow()})


def test_a_dropped_picture_with_a_workflow_asks_what_it_is(editor: Page) -> None:
    open_workflow(editor, BLANK)
    expect(node(editor, "EmptyImage")).to_be_visible()
    drop_png(editor)
    menu = editor.get_by_role("menu", name="carrier.png")
    first = menu.get_by_role("menuitem", name="Open its workflow")
    expect(first).to_be_focused()
    editor.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    drop_png(editor)
    expect(first).to_be_focused()
    editor.keyboard.press("ArrowDown")
    editor.keyboard.press("Enter")
    expect_picture(editor, "LoadImage")
    expect(node(editor, "EmptyImage")).to_be_visible()
    drop_png(editor)
    expect(first).to_be_focused()
    editor.keyboard.press("Enter")
    expect(node(editor, "Note")).to_be_visible()
    expect(node(editor, "EmptyImage")).to_have_count(0)


def test_a_picture_dropped_on_a_node_that_loads_one_goes_into_it(editor: Page) -> None:
    open_workflow(editor, [{"id": 1, "type": "LoadImage", "pos": [0, 0], "widgets_values": ["nowhere.png", "image"]}])
    x, y = middle(node(editor, "LoadImage"))
    plain = io.BytesIO()
    Image.new("RGB", (64, 64), "orange").save(plain, "PNG")
    open_file(editor, {"name": "orange.png", "mimeType": "image/png", "buffer": plain.getvalue()}, at=(x, y))
    expect_picture(editor, "LoadImage")
    assert [one["type"] for one in saved(editor)["nodes"]] == ["LoadImage"]


def test_the_search_knows_what_nodes_take_and_give(editor: Page) -> None:
    add_node(editor, "VAEDecode", (400, 160))
    editor.mouse.dblclick(900, 200)
    options = editor.get_by_role("option")
    expect(options.first).to_have_attribute("id", "found-VAEDecode")
    expect(options.first.get_by_label("used lately")).to_be_visible()
    editor.get_by_role("combobox", name="Search for a node").fill("in:MASK >IMAGE")
    expect(editor.locator("#found-MaskToImage")).to_be_visible()
    expect(editor.locator("#found-VAEDecode")).to_have_count(0)
    editor.locator("#found-MaskToImage").hover()
    card = editor.locator(".search-preview")
    expect(card).to_contain_text("mask")
    expect(card).to_contain_text("IMAGE")


def test_the_palette_lists_settings_templates_and_nodes(editor: Page) -> None:
    def find(text: str) -> None:
        editor.keyboard.press("Control+k")
        editor.get_by_role("textbox", name="Command").fill(text)

    find("theme: light")
    expect(editor.get_by_role("option", selected=True)).to_contain_text("Setting")
    editor.keyboard.press("Enter")
    expect(editor.locator("html")).to_have_attribute("data-theme", "light")
    find("snap to the grid: off")
    editor.keyboard.press("Enter")
    find("snap to the grid")
    expect(editor.get_by_role("option", name="Snap to the grid: on")).to_be_visible()
    editor.keyboard.press("Escape")
    find("VAE Decode")
    editor.keyboard.press("Enter")
    expect(node(editor, "VAEDecode")).to_be_visible()
    find("Inpaint")
    expect(editor.get_by_role("option").filter(has_text="Template").first).to_be_visible()


@pytest.fixture
def held(page: Page) -> list[Route]:
    """What was asked for of the palette, which comes when the test lets it."""
    asked: list[Route] = []
    page.route("**/assets/Palette.js", lambda route: asked.append(route))
    return asked


def test_what_is_typed_before_the_palette_has_come_is_typed_into_it(held: list[Route], editor: Page) -> None:
    open_workflow(editor, BLANK)
    expect(node(editor, "EmptyImage")).to_be_visible()
    editor.keyboard.press("Control+a")
    editor.keyboard.press("Control+k")
    editor.keyboard.type("theme: lightb")  # on the canvas these letters are commands
    editor.keyboard.press("Backspace")
    assert held
    for route in held:
        route.continue_()
    expect(editor.get_by_role("textbox", name="Command")).to_have_value("theme: light")
    editor.keyboard.press("Enter")
    expect(editor.locator("html")).to_have_attribute("data-theme", "light")
    [written] = saved(editor)["nodes"]
    assert written["flags"] == {}
    assert written["mode"] == 0


def test_a_lora_named_in_a_prompt_becomes_a_node(editor: Page) -> None:
    open_template(editor)
    prompt = node(editor, "CLIPTextEncode").first.locator("textarea")
    prompt.fill("a red house")
    prompt.press("End")
    editor.keyboard.type(", <lora:")
    names = editor.get_by_role("listbox", name="Names that fit")
    expect(names).to_be_visible()
    chosen = names.get_by_role("option", selected=True)
    expect(prompt).to_have_attribute("aria-activedescendant", chosen.get_attribute("id") or "")
    editor.keyboard.press("Enter")
    expect(node(editor, "LoraLoader")).to_be_visible()
    expect(prompt).to_have_value("a red house")
