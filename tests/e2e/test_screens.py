"""Panels, the form, the mask editor, phones, speed, and what axe says of them all."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e import axe
from tests.e2e.crowds import crowd
from tests.e2e.hands import RUN_MS, drag, expect_picture, middle, node, open_text, open_workflow, run, saved

BLANK = [
    {"id": 1, "type": "EmptyImage", "pos": [0, 0], "widgets_values": [64, 64, 1, 16711680]},
    {"id": 2, "type": "SaveImage", "pos": [400, 0], "inputs": [{"name": "images", "type": "IMAGE", "link": 1}]},
]
LINKS = [[1, 1, 0, 2, 0, "IMAGE"]]
PINNED = {
    "extra": {"sfumato": {"form": [{"node": "1", "widget": "width"}, {"node": "2", "widget": "filename_prefix"}]}}
}


def picture(size: int = 64) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (size, size), "teal").save(data, "PNG")
    return data.getvalue()


def test_paint_a_mask(editor: Page, base_folder: Path) -> None:
    there = set((base_folder / "input").rglob("painted-*.png"))
    masked = {"id": 2, "type": "MaskPreview", "pos": [400, 0], "inputs": [{"name": "mask", "type": "MASK", "link": 1}]}
    open_workflow(editor, [{"id": 1, "type": "LoadImage", "pos": [0, 0]}, masked], [[1, 1, 1, 2, 0, "MASK"]])
    with editor.expect_file_chooser() as chooser:
        editor.get_by_role("button", name="Upload a picture").click()
    chooser.value.set_files({"name": "teal.png", "mimeType": "image/png", "buffer": picture()})
    loaded = expect_picture(editor, "LoadImage")
    loaded.hover()
    editor.get_by_role("button", name="Paint a mask").click()
    stage = editor.locator(".mask-stage").bounding_box()
    assert stage
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    expect(editor.locator(".mask-paint canvas")).to_have_js_property("width", 64)
    editor.mouse.move(x - 60, y)
    editor.mouse.down()
    editor.mouse.move(x + 60, y, steps=8)
    editor.mouse.up()
    editor.get_by_role("button", name="Save mask").click()
    expect(editor.locator(".mask-editor")).to_be_hidden()
    [painted] = set((base_folder / "input").rglob("painted-*.png")) - there
    with Image.open(painted) as image:
        alpha = image.convert("RGBA").getchannel("A")
        assert alpha.getpixel((32, 32)) == 0
        assert alpha.getpixel((2, 2)) == 255
    run(editor)
    expect_picture(editor, "MaskPreview")


def test_the_form_runs_the_workflow_on_a_phone(editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS, **PINNED)
    expect(node(editor, "SaveImage")).to_be_visible()
    editor.set_viewport_size({"width": 390, "height": 844})
    width = editor.get_by_role("spinbutton", name="width")
    expect(width).to_be_visible()
    expect(editor.get_by_role("application")).to_be_hidden()
    width.focus()
    editor.keyboard.press("Enter")
    editor.keyboard.type("96")
    editor.keyboard.press("Enter")
    editor.locator(".form-actions").get_by_role("button", name="Run").click()
    expect(editor.locator(".form .strip img").first).to_be_visible(timeout=RUN_MS)
    editor.get_by_role("button", name="Show the graph").click()
    expect(editor.get_by_role("application")).to_be_visible()
    assert saved(editor)["nodes"][0]["widgets_values"][0] == 96


def test_workflows_are_saved_on_the_server_and_opened_again(editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS)
    editor.keyboard.press("Control+s")
    editor.get_by_role("textbox", name="Name").fill("folder/red square")
    editor.get_by_role("button", name="Save", exact=True).click()
    expect(editor.get_by_role("status").filter(has_text="Saved folder/red square.json.")).to_be_visible()
    mine = saved(editor)
    editor.get_by_role("button", name="Close red square").click()
    editor.get_by_role("button", name="Saved workflows").click()
    files = editor.get_by_role("region", name="On the server")
    files.locator("summary", has_text="folder").click()
    files.get_by_role("button", name="red square", exact=False).first.click()
    expect(node(editor, "SaveImage")).to_be_visible()
    assert saved(editor) == mine


def test_saved_workflows_are_renamed_and_put_into_folders(editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS)
    editor.keyboard.press("Control+s")
    editor.get_by_role("textbox", name="Name").fill("lone square")
    editor.get_by_role("button", name="Save", exact=True).click()
    editor.get_by_role("button", name="Saved workflows").click()
    files = editor.get_by_role("region", name="On the server")
    files.get_by_role("button", name="What to do with lone square").click()
    editor.get_by_role("menuitem", name="Rename or move").click()
    files.get_by_role("textbox", name="Folder and name").fill("shapes/one square")
    editor.keyboard.press("Enter")
    expect(editor.get_by_role("button", name="one square", exact=True)).to_have_attribute("aria-current", "page")
    files.locator("summary", has_text="shapes").click()
    row = files.get_by_role("button", name="one square", exact=False).first
    expect(row).to_be_visible()
    # What is open of it is saved there from now on, without a question.
    node(editor, "EmptyImage").locator(".card-head").click()
    editor.keyboard.press("Delete")
    editor.keyboard.press("Control+s")
    expect(editor.get_by_role("status").filter(has_text="Saved shapes/one square.json.")).to_be_visible()
    box = files.bounding_box()
    assert box
    row.drag_to(files, target_position={"x": 40, "y": box["height"] - 6})
    expect(
        editor.get_by_role("status").filter(has_text="shapes/one square.json is now one square.json.")
    ).to_be_visible()
    expect(files.locator("summary", has_text="shapes")).to_have_count(0)


def test_favourite_nodes_stand_first_in_the_library(editor: Page) -> None:
    editor.get_by_role("button", name="Node library").click()
    panel = editor.get_by_role("complementary", name="Nodes")
    panel.locator("summary", has_text="loaders").first.click()
    panel.get_by_role("button", name="Favourite: Load LoRA", exact=True).click()
    editor.reload()
    mine = panel.get_by_role("region", name="Your nodes")
    mine.locator("summary", has_text="Favourites").click()
    mine.get_by_role("button", name="Load LoRA", exact=True).click()
    expect(node(editor, "LoraLoader")).to_be_visible()
    mine.get_by_role("button", name="Favourite: Load LoRA").first.click()
    expect(mine.locator("summary", has_text="Favourites")).to_have_count(0)


def test_an_error_is_shown_where_it_is(editor: Page) -> None:
    open_workflow(editor, [{"id": 1, "type": "ImageInvert", "pos": [0, 0]}, BLANK[1]], [[1, 1, 0, 2, 0, "IMAGE"]])
    run(editor)
    expect(node(editor, "ImageInvert").get_by_role("alert")).to_have_text("Nothing is linked to image.")
    expect(editor.get_by_role("alert").filter(has_text="needs image.")).to_be_visible()


def test_subgraphs_are_made_entered_and_run(editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS)
    node(editor, "EmptyImage").locator(".card-head").click()
    editor.keyboard.press("Control+Shift+g")
    editor.get_by_role("button", name="Open the subgraph").click()
    expect(editor.get_by_role("navigation", name="Subgraphs")).to_contain_text("Subgraph")
    expect(node(editor, "EmptyImage")).to_be_visible()
    expect(editor.get_by_role("heading", name="Outputs")).to_be_visible()
    editor.keyboard.press("u")
    run(editor)
    expect_picture(editor, "SaveImage")


def test_a_thousand_nodes_stay_light(editor: Page) -> None:
    open_text(editor, "crowd.json", json.dumps(crowd(1000)))
    expect(editor.get_by_role("application", name="crowd, 1000 nodes")).to_be_visible()
    editor.keyboard.press("Home")
    expect(editor.locator(".react-flow__node")).to_have_count(1000)
    links = editor.locator(".tiny-links path")
    expect(links).to_have_count(6)  # MODEL, CLIP, VAE, CONDITIONING, LATENT, IMAGE
    drawn = "".join(str(path.get_attribute("d")) for path in links.all()).count("M")
    assert drawn == len(crowd(1000)["links"])

    editor.keyboard.press("1")
    expect(editor.locator(".zoom")).to_have_text("100 %")
    expect(links).to_have_count(0)
    shown = editor.locator(".react-flow__node").count()
    assert 0 < shown < 60
    assert editor.locator(":not(.react-flow__node, .react-flow__node *)").count() < 600
    assert editor.locator(".react-flow__node *").count() < 100 * shown
    edges = editor.locator(".react-flow__edge")
    assert 0 < edges.count() < 100
    link = edges.nth(edges.count() // 2)
    link = editor.locator(f'.react-flow__edge[data-id="{link.get_attribute("data-id")}"] path').first
    drawn_near = link.get_attribute("d")

    editor.keyboard.press("Home")
    expect(editor.locator(".react-flow__node")).to_have_count(1000)
    editor.keyboard.press("1")
    expect(link).to_have_attribute("d", drawn_near or "")

    before = editor.locator(".react-flow__viewport").get_attribute("style")
    editor.mouse.move(700, 500)
    editor.mouse.down(button="middle")
    editor.mouse.move(500, 300, steps=10)
    editor.mouse.up(button="middle")
    assert editor.locator(".react-flow__viewport").get_attribute("style") != before

    head = editor.locator(".card-head").nth(4)
    x, y = middle(head)
    drag(editor, (x, y), (x + 96, y + 64))
    after = middle(head)
    assert abs(after[0] - x - 96) <= 20
    assert abs(after[1] - y - 64) <= 20
    editor.keyboard.press("Control+z")
    assert middle(head) == (x, y)


SCREENS = {
    "canvas": lambda editor: None,
    "templates": lambda editor: press(editor, "Templates"),
    "node library": lambda editor: press(editor, "Node library"),
    "outline": lambda editor: press(editor, "Outline"),
    "saved workflows": lambda editor: press(editor, "Saved workflows"),
    "queue": lambda editor: press(editor, "Queue"),
    "gallery": lambda editor: press(editor, "Gallery"),
    "lightbox": lambda editor: editor.get_by_role("button", name="Enlarge").first.click(),
    "form": lambda editor: press(editor, "Form"),
    "inspector": lambda editor: press(editor, "Inspector"),
    "settings": lambda editor: editor.keyboard.press("Control+,"),
    "shortcuts": lambda editor: editor.keyboard.press("Shift+?"),
    "palette": lambda editor: editor.keyboard.press("Control+k"),
    "search": lambda editor: editor.keyboard.press("Shift+A"),
    "mask editor": lambda editor: open_mask_editor(editor),
    "far": lambda editor: zoom_out(editor, 6),
    "very far": lambda editor: zoom_out(editor, 8),
    "phone": lambda editor: editor.set_viewport_size({"width": 390, "height": 844}),
    "phone graph": lambda editor: editor.get_by_role("button", name="Show the graph").click(),
}
OVER = {"lightbox", "settings", "shortcuts", "palette", "search", "mask editor"}


def press(editor: Page, name: str) -> None:
    editor.get_by_role("button", name=name, exact=True).click()


def open_mask_editor(editor: Page) -> None:
    node(editor, "LoadImage").locator(".media img").hover()
    editor.get_by_role("button", name="Paint a mask").click()
    expect(editor.locator(".mask-paint canvas")).to_have_js_property("width", 64)


def zoom_out(editor: Page, notches: int) -> None:
    editor.mouse.move(720, 500)
    for _ in range(notches):
        editor.mouse.wheel(0, 120)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious(editor: Page, theme: str, base_folder: Path) -> None:
    (base_folder / "input").mkdir(exist_ok=True)
    (base_folder / "input" / "teal.png").write_bytes(picture())
    loaded = {"id": 3, "type": "LoadImage", "pos": [0, 320], "widgets_values": ["teal.png", "image"]}
    axe.begin(editor)
    editor.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    assert axe.serious(editor) == [], "empty"
    open_workflow(editor, [*BLANK, loaded], LINKS, **PINNED)
    run(editor)
    expect_picture(editor, "SaveImage")
    expect_picture(editor, "LoadImage")
    for name, show in SCREENS.items():
        show(editor)
        if name in OVER:
            expect(editor.get_by_role("dialog")).to_be_visible()
        expect(editor.locator(".panel-body > .hint", has_text="…")).to_have_count(0)  # it is loaded
        assert axe.serious(editor) == [], name
        if name in OVER:
            editor.keyboard.press("Escape")
            expect(editor.get_by_role("dialog")).to_have_count(0)
