"""Building a workflow from nothing, with the mouse and with the keys alone."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.hands import (
    add_node,
    drag,
    expect_picture,
    middle,
    node,
    open_file,
    open_workflow,
    run,
    saved,
    socket,
)


def test_build_by_mouse_and_run(editor: Page) -> None:
    add_node(editor, "EmptyImage", (400, 300))
    drag(editor, middle(socket(editor, "EmptyImage", "IMAGE", "Output")), (900, 320))
    search = editor.get_by_role("combobox", name="Search for a node")
    expect(search).to_have_attribute("placeholder", "Nodes that take IMAGE")
    search.fill("save image")
    search.press("Enter")
    expect(editor.locator(".react-flow__edge")).to_have_count(1)
    run(editor)
    expect_picture(editor, "SaveImage")
    expect(node(editor, "SaveImage").locator(".chip")).to_contain_text("s")

    editor.get_by_role("button", name="Gallery").click()
    tile = editor.get_by_role("complementary", name="Gallery").get_by_role("button", name="Enlarge").first
    expect(tile.get_by_role("img")).to_be_visible()
    tile.click()
    expect(editor.get_by_role("button", name="Open its workflow")).to_be_visible()


def test_build_by_keys_alone_and_run(editor: Page) -> None:
    editor.keyboard.press("Tab")
    editor.keyboard.type("empty image")
    editor.keyboard.press("Enter")
    expect(node(editor, "EmptyImage")).to_be_visible()
    editor.keyboard.press("Shift+A")
    editor.keyboard.type("save image")
    editor.keyboard.press("Enter")
    expect(node(editor, "SaveImage")).to_be_visible()
    editor.keyboard.press("c")
    link = editor.get_by_role("textbox", name="Link to")
    link.fill("images ←")
    link.press("Enter")
    expect(editor.locator(".react-flow__edge")).to_have_count(1)
    editor.keyboard.press("l")
    editor.keyboard.press("Control+Enter")
    expect_picture(editor, "SaveImage")


def test_a_wrong_link_is_refused_with_a_way_out(editor: Page) -> None:
    add_node(editor, "EmptyLatentImage", (300, 300))
    add_node(editor, "SaveImage", (900, 300))
    drag(
        editor,
        middle(socket(editor, "EmptyLatentImage", "LATENT", "Output")),
        middle(socket(editor, "SaveImage", "images", "Input")),
    )
    expect(editor.get_by_role("alert").filter(has_text="LATENT cannot feed images (IMAGE).")).to_be_visible()
    expect(editor.locator(".react-flow__edge")).to_have_count(0)
    editor.get_by_role("button", name="Add VAE Decode").first.click()
    expect(node(editor, "VAEDecode")).to_be_visible()
    expect(editor.locator(".react-flow__edge")).to_have_count(2)


def test_links_are_taken_off_and_nodes_put_in(editor: Page) -> None:
    open_workflow(
        editor,
        [
            {"id": 1, "type": "EmptyImage", "pos": [0, 0], "size": [256, 150]},
            {"id": 2, "type": "SaveImage", "pos": [720, 0], "inputs": [{"name": "images", "type": "IMAGE", "link": 1}]},
            {"id": 3, "type": "ImageInvert", "pos": [400, 420], "size": [200, 40]},
        ],
        [[1, 1, 0, 2, 0, "IMAGE"]],
    )
    expect(editor.locator(".react-flow__edge")).to_have_count(1)
    x, y = middle(socket(editor, "SaveImage", "images", "Input"))
    start_x, start_y = middle(socket(editor, "EmptyImage", "IMAGE", "Output"))
    head = node(editor, "ImageInvert").locator(".card-head")
    drag(editor, middle(head), ((x + start_x) / 2, (y + start_y) / 2))
    expect(editor.locator(".react-flow__edge")).to_have_count(2)

    drag(editor, middle(socket(editor, "SaveImage", "images", "Input")), (700, 820))
    expect(editor.locator(".react-flow__edge")).to_have_count(1)
    editor.keyboard.press("Control+z")
    editor.keyboard.press("Control+z")
    expect(editor.locator(".react-flow__edge")).to_have_count(1)
    assert saved(editor)["links"] == [[1, 1, 0, 2, 0, "IMAGE"]]


def test_editing_is_undone_kept_and_copied(editor: Page) -> None:
    open_workflow(editor, [{"id": 1, "type": "EmptyImage", "pos": [0, 0], "widgets_values": [64, 64, 1, 0]}])
    before = saved(editor)
    node(editor, "EmptyImage").locator(".card-head").click()
    editor.keyboard.press("b")
    expect(node(editor, "EmptyImage").locator(".chip")).to_have_text("bypass")
    editor.keyboard.press("Control+d")
    expect(editor.locator(".react-flow__node")).to_have_count(2)
    editor.keyboard.press("Control+g")
    editor.get_by_role("textbox", name="Frame title").fill("Both")
    editor.keyboard.press("Enter")
    expect(editor.get_by_text("Both", exact=True)).to_be_visible()
    width = editor.get_by_role("spinbutton", name="width").first
    width.focus()
    editor.keyboard.press("Enter")
    editor.keyboard.type("32*3")
    editor.keyboard.press("Enter")
    expect(editor.get_by_role("spinbutton", name="width").first).to_have_text("width96")
    after = saved(editor)

    editor.wait_for_timeout(900)  # autosave waits for half a second without a change
    editor.reload()
    expect(editor.locator(".react-flow__node-card")).to_have_count(2)
    assert saved(editor) == after

    open_workflow(editor, before["nodes"])
    expect(editor.locator(".react-flow__node")).to_have_count(1)
    editor.keyboard.press("Control+a")
    for _ in range(3):
        editor.keyboard.press("Control+d")
    expect(editor.locator(".react-flow__node")).to_have_count(4)
    for _ in range(3):
        editor.keyboard.press("Control+z")
    assert saved(editor)["nodes"] == before["nodes"]


def test_a_dropped_picture_brings_its_workflow(editor: Page, base_folder: Path) -> None:
    open_workflow(
        editor,
        [
            {"id": 1, "type": "EmptyImage", "pos": [0, 0], "widgets_values": [48, 48, 1, 255]},
            {"id": 2, "type": "SaveImage", "pos": [400, 0], "inputs": [{"name": "images", "type": "IMAGE", "link": 1}],
             "widgets_values": ["dropped"]},
        ],
        [[1, 1, 0, 2, 0, "IMAGE"]],
    )  # fmt: skip
    run(editor)
    expect_picture(editor, "SaveImage")
    made = sorted((base_folder / "output").rglob("dropped*.png"))[-1]
    editor.get_by_role("button", name="New workflow").click()
    expect(editor.get_by_role("heading", name="Begin with a template")).to_be_visible()
    open_file(editor, {"name": made.name, "mimeType": "image/png", "buffer": made.read_bytes()})
    expect(node(editor, "SaveImage")).to_be_visible()
    assert saved(editor)["nodes"][1]["widgets_values"] == ["dropped"]


def test_unknown_nodes_stay_and_the_rest_runs(editor: Page) -> None:
    odd = {"id": 3, "type": "NobodyHasThis", "pos": [0, 300], "inputs": [{"name": "a", "type": "IMAGE", "link": 2}],
           "widgets_values": {"keep": [1, 2]}}  # fmt: skip
    open_workflow(
        editor,
        [
            {"id": 1, "type": "EmptyImage", "pos": [0, 0], "widgets_values": [32, 32, 1, 0]},
            {
                "id": 2,
                "type": "PreviewImage",
                "pos": [400, 0],
                "inputs": [{"name": "images", "type": "IMAGE", "link": 1}],
            },
            odd,
        ],
        [[1, 1, 0, 2, 0, "IMAGE"], [2, 1, 0, 3, 0, "IMAGE"]],
    )
    expect(editor.get_by_role("alert").filter(has_text="NobodyHasThis")).to_be_visible()
    run(editor)
    expect_picture(editor, "PreviewImage")
    expect(node(editor, "NobodyHasThis").locator(".chip")).to_have_text("left out")
    kept = next(one for one in saved(editor)["nodes"] if one["id"] == 3)
    assert json.loads(json.dumps(kept))["widgets_values"] == {"keep": [1, 2]}
