"""Painting a mask: tools, keys, its own undo, the view, and what is saved."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.e2e.hands import expect_picture, open_workflow

SIDE = 64
Place = tuple[float, float]


@pytest.fixture
def stage(editor: Page, base_folder: Path) -> Page:
    """The mask editor, over a picture of 64 x 64."""
    (base_folder / "input").mkdir(exist_ok=True)
    Image.new("RGB", (SIDE, SIDE), "teal").save(base_folder / "input" / "plain.png")
    open_workflow(editor, [{"id": 1, "type": "LoadImage", "pos": [0, 0], "widgets_values": ["plain.png", "image"]}])
    open_mask(editor)
    return editor


def open_mask(editor: Page) -> None:
    expect_picture(editor, "LoadImage").hover()
    editor.get_by_role("button", name="Paint a mask").click()
    expect(editor.locator(".mask-paint canvas")).to_have_js_property("width", SIDE)


def at(stage: Page, x: float, y: float) -> Place:
    """Where on the screen a pixel of the picture is."""
    box = stage.locator(".mask-paint canvas").bounding_box()
    assert box
    return box["x"] + box["width"] * x / SIDE, box["y"] + box["height"] * y / SIDE


def stroke(stage: Page, *places: Place) -> None:
    points = [at(stage, *place) for place in places]
    stage.mouse.move(*points[0])
    stage.mouse.down()
    for point in points[1:]:
        stage.mouse.move(*point, steps=6)
    stage.mouse.up()


def paint_at(stage: Page, x: int, y: int) -> int:
    """How much is painted there, of 255."""
    return stage.locator(".mask-paint canvas").evaluate(
        "(canvas, [x, y]) => canvas.getContext('2d').getImageData(x, y, 1, 1).data[3]", [x, y]
    )


def value_of(stage: Page, name: str) -> int:
    return int(stage.get_by_role("slider", name=name).input_value())


def press(stage: Page, name: str) -> None:
    stage.get_by_role("button", name=name, exact=True).click()


def test_brush_and_eraser_go_back_and_forth(stage: Page) -> None:
    stroke(stage, (10, 32), (54, 32))
    assert (paint_at(stage, 32, 32), paint_at(stage, 32, 62)) == (255, 0)
    stage.keyboard.press("x")
    expect(stage.get_by_role("button", name="Eraser (X)")).to_have_attribute("aria-pressed", "true")
    stroke(stage, (32, 20), (32, 44))
    assert paint_at(stage, 32, 32) == 0
    stage.keyboard.press("Control+z")
    assert paint_at(stage, 32, 32) == 255
    stage.keyboard.press("Control+z")
    assert paint_at(stage, 32, 32) == 0
    expect(stage.get_by_role("button", name="Undo (Ctrl+Z)")).to_be_disabled()
    stage.keyboard.press("Control+Shift+z")
    assert paint_at(stage, 32, 32) == 255
    stage.keyboard.press("Escape")
    stage.get_by_role("button", name="Throw it away").click()
    expect(stage.locator(".mask-editor")).to_be_hidden()


def test_the_whole_mask_is_filled_turned_round_and_cleared(stage: Page) -> None:
    press(stage, "Fill")
    assert paint_at(stage, 3, 3) == 255
    press(stage, "Invert")
    assert paint_at(stage, 3, 3) == 0
    press(stage, "Invert")
    press(stage, "Clear")
    assert paint_at(stage, 3, 3) == 0


def test_one_paints_where_a_browser_tells_no_moves_between_frames(stage: Page) -> None:
    """As browsers do for a page that came over plain HTTP, and Safari did for long."""
    stage.evaluate("delete PointerEvent.prototype.getCoalescedEvents")
    stroke(stage, (10, 32), (54, 32))
    assert paint_at(stage, 32, 32) == 255


def test_areas_are_painted_and_erased_and_their_edge_made_soft(stage: Page) -> None:
    stage.keyboard.press("r")
    stroke(stage, (8, 8), (40, 40))
    assert (paint_at(stage, 9, 9), paint_at(stage, 38, 10), paint_at(stage, 44, 20)) == (255, 255, 0)
    stage.keyboard.press("x")
    stage.keyboard.press("l")
    stroke(stage, (8, 8), (40, 8), (8, 40), (8, 8))
    assert (paint_at(stage, 12, 12), paint_at(stage, 36, 36)) == (0, 255)
    press(stage, "Feather the edge")
    assert 0 < paint_at(stage, 39, 30) < 255


def test_keys_set_the_size_and_the_hardness(stage: Page) -> None:
    size, hardness = value_of(stage, "Size"), value_of(stage, "Hardness")
    stage.keyboard.press("]")
    assert value_of(stage, "Size") > size
    stage.keyboard.press("[")
    stage.keyboard.press("[")
    assert value_of(stage, "Size") < size
    stage.keyboard.press("Shift+BracketLeft")
    assert value_of(stage, "Hardness") == hardness - 10
    stage.keyboard.press("Shift+BracketRight")
    stage.keyboard.press("Shift+BracketRight")
    assert value_of(stage, "Hardness") == hardness + 10


def test_the_view_moves_and_the_mask_stays(stage: Page) -> None:
    before = at(stage, 32, 32)
    stage.mouse.move(*before)
    stage.mouse.wheel(0, -400)
    larger = at(stage, 32, 32)
    assert abs(larger[0] - before[0]) < 2
    assert at(stage, 64, 0)[0] - at(stage, 0, 0)[0] > SIDE
    stage.keyboard.down(" ")
    stage.mouse.down()
    stage.mouse.move(before[0] + 50, before[1] + 20, steps=4)
    stage.mouse.up()
    stage.keyboard.up(" ")
    moved = at(stage, 32, 32)
    assert abs(moved[0] - larger[0] - 50) < 3
    assert paint_at(stage, 32, 32) == 0
    stage.keyboard.press("1")
    assert abs(at(stage, 64, 0)[0] - at(stage, 0, 0)[0] - SIDE) < 1
    stage.keyboard.press("f")
    assert abs(at(stage, 32, 32)[0] - before[0]) < 2


def test_a_tint_changes_how_the_mask_looks_and_not_what_it_is(stage: Page) -> None:
    stroke(stage, (20, 32), (44, 32))
    stage.get_by_role("button", name="Show the mask in blue").click()
    assert paint_at(stage, 32, 32) == 255
    colour = stage.locator(".mask-paint canvas").evaluate(
        "(canvas) => [...canvas.getContext('2d').getImageData(32, 32, 1, 1).data.slice(0, 3)]"
    )
    assert colour[2] > colour[0]
    stage.get_by_role("slider", name="Opacity").fill("30")
    expect(stage.locator(".mask-paint")).to_have_css("opacity", "0.3")


def test_a_saved_mask_is_there_again_over_the_whole_picture(stage: Page, base_folder: Path) -> None:
    there = set((base_folder / "input").rglob("painted-*.png"))
    stroke(stage, (10, 32), (54, 32))
    stage.get_by_role("button", name="Save mask").click()
    expect(stage.locator(".mask-editor")).to_be_hidden()
    [painted] = set((base_folder / "input").rglob("painted-*.png")) - there
    with Image.open(io.BytesIO(painted.read_bytes())) as image:
        assert image.getpixel((32, 32)) == (0, 128, 128, 0)
    open_mask(stage)
    assert paint_at(stage, 32, 32) == 255
    shown = stage.locator(".mask-layers img")
    expect(shown).to_have_js_property("complete", value=True)
    pixel = shown.evaluate(
        """(image) => {
            const canvas = new OffscreenCanvas(64, 64).getContext("2d");
            canvas.drawImage(image, 0, 0);
            return [...canvas.getImageData(32, 32, 1, 1).data];
        }"""
    )
    assert pixel == [0, 128, 128, 255]
    stage.keyboard.press("Escape")
    expect(stage.locator(".mask-editor")).to_be_hidden()
