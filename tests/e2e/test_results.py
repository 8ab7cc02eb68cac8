"""What becomes of the pictures that were made: the gallery, the lightbox, the comparison, the contact sheet."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.e2e import axe
from tests.e2e.complaints import Complaints
from tests.e2e.hands import RUN_MS, Json, drag, expect_picture, middle, node
from tests.e2e.test_panels import ask, press, square

SIZES = (48, 64)
COLOURS = (255, 65280)


def made(name: str, size: int, colour: int, workflow: Json | None = None) -> Json:
    prompt = square(name, colour)
    prompt["1"]["inputs"] |= {"width": size, "height": size}
    return {"prompt": prompt, "extra_data": {"extra_pnginfo": {"workflow": workflow}} if workflow else {}}


@pytest.fixture
def gallery(editor: Page, web_url: str) -> Locator:
    """The gallery, with four pictures of two sizes and two colours in it; the last is red and was made last."""
    ask(web_url, "/api/history", {"clear": True})
    for size in SIZES:
        for colour in COLOURS:
            ask(web_url, "/api/prompt", made(f"square {size} {colour}", size, colour))
    press(editor, "Gallery")
    tiles = editor.locator(".tile-picture")
    expect(tiles).to_have_count(4, timeout=RUN_MS)
    return tiles


def zoom_of(editor: Page) -> int:
    return int((editor.locator(".percent").text_content() or "").split()[0])


def test_the_gallery_is_walked_by_arrows_the_newest_first(editor: Page, gallery: Locator) -> None:
    names = [str(tile.get_attribute("aria-label")).split("_")[0] for tile in gallery.all()]
    assert names == [f"Enlarge square {size} {colour}" for size in reversed(SIZES) for colour in reversed(COLOURS)]
    gallery.first.focus()
    editor.keyboard.press("ArrowRight")
    expect(gallery.nth(1)).to_be_focused()
    editor.keyboard.press("ArrowDown")
    expect(gallery.nth(3)).to_be_focused()
    editor.keyboard.press("s")
    editor.get_by_role("checkbox", name="Starred only").check()
    expect(gallery).to_have_count(1)
    editor.get_by_role("checkbox", name="Starred only").uncheck()
    with editor.expect_download() as download:
        gallery.first.press("d")
    assert download.value.suggested_filename.startswith("square 64 65280")
    gallery.first.press("Delete")
    editor.get_by_role("button", name="Take out", exact=True).click()
    expect(gallery).to_have_count(3)


def test_the_gallery_goes_on_as_one_scrolls(editor: Page, web_url: str) -> None:
    ask(web_url, "/api/history", {"clear": True})
    for colour in range(64):
        ask(web_url, "/api/prompt", made("many", 16, 1000 * colour))
    press(editor, "Gallery")
    tiles = editor.locator(".tile-picture")
    expect(tiles.nth(59)).to_be_attached(timeout=RUN_MS)
    tiles.first.press("End")
    expect(tiles).to_have_count(64)


def test_a_picture_is_dragged_to_the_canvas_and_loaded(editor: Page, gallery: Locator) -> None:
    drag(editor, middle(gallery.first), (500, 400))
    expect_picture(editor, "LoadImage")


def test_the_menu_of_a_picture_opens_its_workflow(editor: Page, web_url: str) -> None:
    ask(web_url, "/api/history", {"clear": True})
    nodes = [{"id": 1, "type": "EmptyImage", "pos": [0, 0], "widgets_values": [64, 64, 1, 99]}]
    workflow: dict[str, Any] = {"id": "w", "version": 0.4, "nodes": nodes, "links": []}
    ask(web_url, "/api/prompt", made("with workflow", 64, 99, workflow))
    press(editor, "Gallery")
    tile = editor.locator(".tile-picture").first
    expect(tile).to_have_attribute("aria-label", "Enlarge with workflow_00001_.png", timeout=RUN_MS)
    tile.click(button="right")
    editor.get_by_role("menuitem", name="Open its workflow").click()
    expect(node(editor, "EmptyImage")).to_be_visible()


def test_the_lightbox_goes_to_the_pixel_and_on(editor: Page, gallery: Locator) -> None:
    gallery.first.click()
    shown = editor.locator(".lightbox-stage img")
    expect(shown).not_to_have_js_property("naturalWidth", 0)
    expect(editor.locator(".percent")).not_to_have_text("100 %")
    fitted = zoom_of(editor)
    x, y = middle(editor.locator(".lightbox-stage"))
    editor.mouse.move(x + 60, y)
    editor.mouse.wheel(0, -300)
    expect(editor.locator(".percent")).not_to_have_text(f"{fitted} %")
    assert zoom_of(editor) > fitted
    before = shown.get_attribute("style")
    drag(editor, (x, y), (x + 80, y + 40))
    expect(shown).not_to_have_attribute("style", before or "")
    editor.keyboard.press("1")
    expect(editor.locator(".percent")).to_have_text("100 %")
    editor.keyboard.press("0")
    expect(editor.locator(".percent")).to_have_text(f"{fitted} %")
    editor.keyboard.press("i")
    facts = editor.get_by_role("complementary", name="How it was made")
    expect(facts).to_contain_text("65280")
    expect(facts).to_contain_text("64 × 64")
    editor.keyboard.press("ArrowRight")
    expect(editor.get_by_role("dialog")).to_contain_text("2 of 4")
    expect(facts).to_contain_text("255")


def enlarge(editor: Page, tile: Locator) -> None:
    tile.click()
    expect(editor.get_by_role("dialog")).to_be_focused()


def test_two_pictures_are_compared_under_one_zoom(editor: Page, gallery: Locator) -> None:
    enlarge(editor, gallery.first)
    editor.keyboard.press("c")
    editor.keyboard.press("ArrowRight")
    editor.keyboard.press("c")
    a, b = editor.get_by_alt_text("A", exact=True), editor.get_by_alt_text("B", exact=True)
    expect(b).not_to_have_js_property("naturalWidth", 0)
    split = editor.get_by_role("slider", name="Where A ends and B begins")
    expect(split).to_have_attribute("aria-valuenow", "50")
    x, y = middle(split)
    drag(editor, (x, y), (x + 288, y))
    expect(split).to_have_attribute("aria-valuenow", "70")
    split.press("Home")
    expect(split).to_have_attribute("aria-valuenow", "0")
    fitted = "transform: translate(0px, 0px) scale(1); image-rendering: auto;"
    for how in ("Side by side", "Difference"):
        editor.get_by_role("radio", name=how).click()
        editor.mouse.move(300, 400)
        editor.mouse.wheel(0, -400)
        expect(a).not_to_have_attribute("style", fitted)
        expect(b).not_to_have_attribute("style", fitted)
        assert a.get_attribute("style") == b.get_attribute("style")
    editor.keyboard.press("Escape")
    expect(editor.get_by_role("dialog")).to_have_count(0)


def test_a_contact_sheet_makes_a_table_of_two_settings(editor: Page, gallery: Locator) -> None:
    for tile in gallery.all():
        tile.click(modifiers=["Control"])
    expect(editor.get_by_role("toolbar", name="Chosen pictures")).to_contain_text("4 chosen")
    press(editor, "Contact sheet")
    sheet = editor.get_by_role("dialog", name="Contact sheet")
    expect(sheet.locator("img")).to_have_count(4)
    expect(sheet.locator(".sheet-row.head strong")).to_have_count(2)
    with editor.expect_download() as download:
        press(editor, "Download as PNG")
    with Image.open(io.BytesIO(download.value.path().read_bytes())) as drawn:
        assert drawn.width > 2 * 128
        small = drawn.convert("RGB").resize((drawn.width // 8, drawn.height // 8), Image.Resampling.NEAREST)
        colours = {colour for _, colour in small.getcolors(1 << 16) or []}
    assert {(0, 0, 255), (0, 255, 0)} <= colours
    editor.keyboard.press("Escape")
    press(editor, "Choose none")
    expect(editor.get_by_role("checkbox", name="Starred only")).to_be_visible()


def test_a_picture_whose_file_is_gone_is_not_shown(
    editor: Page, gallery: Locator, base_folder: Path, complaints: Complaints
) -> None:
    for gone in (base_folder / "output").glob("square 64 65280_*"):
        gone.unlink()
    press(editor, "Queue")
    expect(editor.locator(".job").first).to_be_visible()
    press(editor, "Gallery")
    expect(gallery).to_have_count(3)
    complaints[:] = [one for one in complaints if "404" not in one]  # asked for in the moment that they went


def test_on_a_phone_every_action_of_a_picture_is_within_reach(editor: Page, gallery: Locator) -> None:
    enlarge(editor, gallery.first)
    editor.set_viewport_size({"width": 390, "height": 844})
    shown = editor.get_by_role("dialog")
    expect(shown.get_by_role("button", name="How it was made")).to_be_visible()
    outside = """elements => elements.map(one => [one.ariaLabel ?? one.textContent, one.getBoundingClientRect()])
        .filter(([, box]) => box.width && (box.left < 0 || box.right > innerWidth || box.bottom > innerHeight))
        .map(([name]) => name)"""
    assert shown.locator("button, a").evaluate_all(outside) == []
    editor.keyboard.press("c")
    editor.keyboard.press("ArrowRight")
    editor.keyboard.press("c")
    editor.get_by_role("radio", name="Side by side").click()
    for name in "AB":
        expect(editor.get_by_alt_text(name, exact=True)).not_to_have_js_property("naturalWidth", 0)
    assert shown.locator("button, a").evaluate_all(outside) == []
    a, b = middle(editor.get_by_alt_text("A", exact=True)), middle(editor.get_by_alt_text("B", exact=True))
    assert a[0] == b[0]
    assert a[1] < b[1]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious_in_what_shows_results(editor: Page, gallery: Locator, theme: str) -> None:
    axe.begin(editor)
    editor.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    gallery.first.click(button="right")
    expect(editor.get_by_role("menu")).to_be_visible()
    assert axe.serious(editor) == [], "menu"
    editor.keyboard.press("Escape")
    for tile in gallery.all()[:2]:
        tile.click(modifiers=["Control"])
    assert axe.serious(editor) == [], "chosen"
    press(editor, "Contact sheet")
    expect(editor.locator(".sheet img")).to_have_count(2)
    assert axe.serious(editor) == [], "contact sheet"
    editor.keyboard.press("Escape")
    press(editor, "Compare")
    expect(editor.get_by_alt_text("B", exact=True)).not_to_have_js_property("naturalWidth", 0)
    assert axe.serious(editor) == [], "comparison"
