"""Building a workflow from nothing, with the mouse and with the keys alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from nodes.starter.checker import describe
from tests.e2e.hands import (
    add_node,
    drag,
    expect_picture,
    expect_preview,
    kept,
    middle,
    node,
    open_file,
    open_workflow,
    run,
    saved,
    socket,
    watch_for_preview,
)

PROMPT = "a red circle above a blue square on a white background"


def pick_node(editor: Page, name: str, at: tuple[float, float]) -> None:
    """Adds a node with the mouse: a double click on the empty canvas, and a click on what was found."""
    editor.mouse.dblclick(*at)
    editor.get_by_role("combobox", name="Search for a node").fill(name)
    editor.locator(f"#found-{name}").click()
    expect(node(editor, name).last).to_be_visible()


def wire(start: Locator, output: str, end: Locator, label: str) -> None:
    """Drags a link from an output to an input."""
    begin = start.get_by_label(f"Output {output},", exact=False)
    drag(start.page, middle(begin), middle(end.get_by_label(f"Input {label},", exact=False)))


def type_number(editor: Page, of: Locator, name: str, value: int) -> None:
    of.get_by_role("spinbutton", name=name).dblclick()
    editor.keyboard.type(str(value))
    editor.keyboard.press("Enter")


def test_build_text_to_image_by_mouse_and_run(editor: Page, base_folder: Path) -> None:
    for name, at in (
        ("CheckpointLoaderSimple", (90, 120)),
        ("CLIPTextEncode", (420, 120)),
        ("EmptyLatentImage", (90, 330)),
        ("KSampler", (750, 120)),
        ("VAEDecode", (1080, 120)),
        ("SaveImage", (1080, 330)),
    ):
        pick_node(editor, name, at)
    words, nothing = node(editor, "CLIPTextEncode").first, node(editor, "CLIPTextEncode").nth(1)
    words.get_by_role("textbox").fill(PROMPT)
    pick_node(editor, "CLIPTextEncode", (420, 420))
    loader, latent, sampler, decode, save = (
        node(editor, name)
        for name in ("CheckpointLoaderSimple", "EmptyLatentImage", "KSampler", "VAEDecode", "SaveImage")
    )
    for link in (
        (loader, "CLIP", words, "clip"),
        (loader, "CLIP", nothing, "clip"),
        (loader, "MODEL", sampler, "model"),
        (words, "CONDITIONING", sampler, "positive"),
        (nothing, "CONDITIONING", sampler, "negative"),
        (latent, "LATENT", sampler, "latent_image"),
        (sampler, "LATENT", decode, "samples"),
        (loader, "VAE", decode, "vae"),
        (decode, "IMAGE", save, "images"),
    ):
        wire(*link)
    expect(editor.locator(".react-flow__edge")).to_have_count(9)
    type_number(editor, latent, "width", 128)
    type_number(editor, latent, "height", 128)
    watch_for_preview(editor)
    run(editor)
    expect_preview(editor)
    expect_drawn(editor, base_folder)

    editor.get_by_role("button", name="Gallery").click()
    tile = editor.get_by_role("complementary", name="Gallery").get_by_role("button", name="Enlarge").first
    expect(tile.get_by_role("img")).to_be_visible()
    tile.click()
    expect(editor.get_by_role("button", name="Open its workflow")).to_be_visible()


def expect_drawn(editor: Page, base_folder: Path) -> None:
    """The picture in the node is the newest file, and shows what the prompt asked for."""
    shown = expect_picture(editor, "SaveImage").get_attribute("src") or ""
    newest = max((base_folder / "output").rglob("*.png"), key=lambda path: path.stat().st_mtime_ns)
    assert newest.name in shown
    with Image.open(newest) as image:
        seen = describe(np.asarray(image.convert("RGB")))
    assert seen.background == "white"
    assert {thing.color for thing in seen.things} == {"red", "blue"}


def test_build_text_to_image_by_keys_alone_and_run(editor: Page, base_folder: Path) -> None:
    keys = editor.keyboard

    def add(name: str, title: str = "", links: Sequence[str] = ()) -> None:
        keys.press("Tab")
        keys.type(name)
        expect(editor.get_by_role("option", selected=True)).to_have_id(f"found-{name}")
        keys.press("Enter")
        expect(node(editor, name).last).to_be_visible()
        if title:
            keys.press("F2")
            keys.press("Control+a")
            keys.type(title)
            keys.press("Enter")
        for link in links:
            keys.press("c")
            keys.type(link)
            expect(editor.get_by_role("option", selected=True)).to_contain_text(link)
            keys.press("Enter")
            expect(editor.get_by_role("textbox", name="Link to")).to_be_hidden()

    add("CheckpointLoaderSimple")
    add("CLIPTextEncode", "Words", ["clip \u2190"])
    keys.press("Enter")
    keys.type("a red square above a blue circle on a white background")  # what was drawn before is not drawn again
    keys.press("Escape")
    add("CLIPTextEncode", "Nothing", ["clip \u2190"])
    add("EmptyLatentImage")
    keys.press("Enter")
    for _ in range(2):
        keys.press("Enter")
        keys.type("128")
        keys.press("Enter")
        keys.press("Tab")
    keys.press("Escape")
    add("KSampler", "", ["model \u2190", "positive \u2190 Words", "negative \u2190 Nothing", "latent_image \u2190"])
    add("VAEDecode", "", ["samples \u2190", "vae \u2190"])
    add("SaveImage", "", ["images \u2190"])
    keys.press("l")
    expect(editor.locator(".react-flow__edge")).to_have_count(9)
    watch_for_preview(editor)
    keys.press("Control+Enter")
    expect_preview(editor)
    expect_drawn(editor, base_folder)


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

    kept(editor, "[96,")
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
