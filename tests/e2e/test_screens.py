"""Panels, the form, the mask editor, phones, speed, and what axe says of them all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.hands import expect_picture, node, open_workflow, run, saved

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"

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
    editor.wait_for_function("document.querySelector('.mask-paint canvas')?.width === 64")
    editor.mouse.move(x - 60, y)
    editor.mouse.down()
    editor.mouse.move(x + 60, y, steps=8)
    editor.mouse.up()
    editor.get_by_role("button", name="Save mask").click()
    expect(editor.locator(".mask-editor")).to_be_hidden()
    [painted] = (base_folder / "input").rglob("painted-*.png")
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
    expect(editor.locator(".form .strip img").first).to_be_visible(timeout=60_000)
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
    editor.get_by_role("button", name="folder/red square", exact=False).first.click()
    expect(node(editor, "SaveImage")).to_be_visible()
    assert saved(editor) == mine


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
    nodes: list[dict[str, Any]] = []
    links: list[list[Any]] = []
    for i in range(1000):
        nodes.append(
            {
                "id": i + 1,
                "type": "ImageBlend",
                "pos": [300 * (i % 40), 260 * (i // 40)],
                "size": [240, 120],
                "inputs": [{"name": "image1", "type": "IMAGE", "link": i or None}],
            }
        )
        if i:
            links.append([i, i, 0, i + 1, 0, "IMAGE"])
    open_workflow(editor, nodes, links)
    expect(editor.get_by_role("application", name="made, 1000 nodes")).to_be_visible()
    editor.keyboard.press("Home")
    expect(editor.locator(".react-flow__node")).to_have_count(1000)
    editor.keyboard.press("1")
    expect(editor.locator(".zoom")).to_have_text("100 %")
    shown = editor.locator(".react-flow__node").count()
    assert 0 < shown < 60
    elements = editor.evaluate("document.querySelectorAll('*').length")
    assert elements < 600 + 100 * shown
    before = editor.locator(".react-flow__viewport").get_attribute("style")
    editor.mouse.move(700, 500)
    editor.mouse.down(button="middle")
    editor.mouse.move(500, 300, steps=10)
    editor.mouse.up(button="middle")
    assert editor.locator(".react-flow__viewport").get_attribute("style") != before


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious(editor: Page, theme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not here; run `npm ci` in web/")
    open_workflow(editor, BLANK, LINKS)
    run(editor)
    expect_picture(editor, "SaveImage")
    editor.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    editor.evaluate(AXE.read_text())
    screens = {
        "canvas": lambda: None,
        "outline": lambda: editor.get_by_role("button", name="Outline", exact=True).click(),
        "gallery": lambda: editor.get_by_role("button", name="Gallery", exact=True).click(),
        "queue": lambda: editor.get_by_role("button", name="Queue", exact=True).click(),
        "form": lambda: editor.get_by_role("button", name="Form", exact=True).click(),
        "search": lambda: editor.keyboard.press("Shift+A"),
    }
    for name, show in screens.items():
        show()
        editor.wait_for_timeout(300)
        found = editor.evaluate("async () => (await axe.run()).violations")
        serious = [
            (one["id"], [at["target"] for at in one["nodes"]][:4])
            for one in found
            if one["impact"] in {"serious", "critical"}
        ]
        assert serious == [], name
