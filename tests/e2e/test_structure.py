"""Frames that fold, and what a person reads on nodes and fields while working."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.e2e.complaints import Complaints
from tests.e2e.framed import BLANK, LINKS, SOURCES
from tests.e2e.hands import (
    STARTS_WITHIN_MS,
    drag,
    expect_picture,
    kept,
    middle,
    node,
    open_editor,
    open_text,
    open_workflow,
    run,
    saved,
    settled,
    socket,
)


def test_a_frame_folds_to_its_title_and_keeps_its_links(editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS, groups=[SOURCES])
    expect(node(editor, "EmptyImage")).to_be_visible()
    editor.get_by_role("button", name="Fold Sources", exact=True).click()
    expect(node(editor, "EmptyImage")).to_have_count(0)
    expect(editor.locator(".frame.folded")).to_contain_text("1 node")
    expect(editor.locator(".react-flow__edge")).to_have_count(1)
    title = editor.locator(".frame.folded .frame-title > span").first
    settled(editor)
    start = middle(title)
    drag(editor, start, (start[0], start[1] + 96))
    written = saved(editor)
    assert written["groups"][0]["folded"] == {"nodes": [1], "groups": []}
    assert written["groups"][0]["bounding"][2:] == [340, 320]
    x, y, *_ = written["groups"][0]["bounding"]
    assert y > 0
    assert written["nodes"][0]["pos"] == [x + 40, 100 + y]
    run(editor)
    expect_picture(editor, "SaveImage")
    open_text(editor, "again.json", json.dumps(written))
    expect(editor.locator(".frame.folded")).to_be_visible()
    editor.locator(".frame.folded").get_by_role("button", name="Unfold Sources").click()
    expect(node(editor, "EmptyImage")).to_be_visible()
    editor.keyboard.press("Control+z")
    expect(node(editor, "EmptyImage")).to_have_count(0)


def test_going_to_a_node_unfolds_the_frame_that_hides_it(editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS, groups=[{**SOURCES, "folded": {"nodes": [1], "groups": []}}])
    expect(editor.locator(".frame.folded")).to_be_visible()
    editor.get_by_role("button", name="Outline", exact=True).click()
    editor.locator(".outline-node").first.click()
    expect(node(editor, "EmptyImage")).to_be_visible()
    expect(node(editor, "EmptyImage")).to_be_focused()


def test_a_prompt_says_how_many_tokens_it_has(editor: Page) -> None:
    open_workflow(editor, [{"id": 1, "type": "CLIPTextEncode", "pos": [0, 0], "widgets_values": ["a (red:1.3) house"]}])
    prompt = node(editor, "CLIPTextEncode")
    expect(prompt.get_by_title("3 CLIP tokens in 1 chunk of 75")).to_have_text("3/75")
    prompt.get_by_role("textbox").fill("cat " * 81)
    expect(prompt.get_by_title("81 CLIP tokens in 2 chunks of 75")).to_have_text("81/150")


def test_a_link_shows_where_a_node_would_be_put_in(editor: Page) -> None:
    open_workflow(editor, [*BLANK, {"id": 3, "type": "ImageInvert", "pos": [200, 480]}], LINKS)
    expect(node(editor, "ImageInvert")).to_be_visible()
    settled(editor)
    path = editor.locator('.react-flow__edge[data-id="l:1"] .react-flow__edge-path').first
    start = middle(node(editor, "ImageInvert").locator(".card-head"))
    editor.mouse.move(*start)
    editor.mouse.down()
    editor.mouse.move(start[0] + 3, start[1] + 3)
    editor.mouse.move(*middle(path), steps=6)
    editor.mouse.move(*middle(path))
    expect(editor.locator(".link.inserting")).to_be_visible()
    drawn = path.get_attribute("d") or ""
    assert drawn.count("M") == 2, drawn  # one part into the node, one out of it
    editor.mouse.up()
    expect(editor.locator(".link.inserting")).to_have_count(0)
    expect(editor.locator(".react-flow__edge")).to_have_count(2)


def test_a_missing_model_is_a_warning_that_names_it(editor: Page) -> None:
    open_workflow(
        editor, [{"id": 1, "type": "CheckpointLoaderSimple", "pos": [0, 0], "widgets_values": ["sfumato.safetensors"]}]
    )
    card = node(editor, "CheckpointLoaderSimple")
    expect(card.get_by_role("img", name="sfumato.safetensors is not on this server.")).to_be_visible()
    card.locator(".choice-button").click()
    expect(editor.locator(".popover .near")).to_contain_text("sfumato.safetensors is not on this server. Near:")
    editor.locator(".popover .near button").first.click()
    expect(card.locator(".warning")).to_have_count(0)


def test_taking_a_run_out_of_the_history_keeps_its_file(editor: Page, base_folder: Path) -> None:
    blank = [BLANK[0], {**BLANK[1], "widgets_values": ["kept/picture"]}]
    open_workflow(editor, blank, LINKS)
    run(editor)
    expect_picture(editor, "SaveImage")
    editor.get_by_role("button", name="Gallery", exact=True).click()
    tile = editor.get_by_role("button", name="Enlarge picture_00001_.png")
    tile.click()
    editor.get_by_role("button", name="Take out of the history").click()
    question = editor.get_by_role("alertdialog")
    expect(question).to_contain_text("No file is deleted: kept/picture_00001_.png stays")
    question.get_by_role("button", name="Take out").click()
    expect(tile).to_have_count(0)
    assert (base_folder / "output" / "kept" / "picture_00001_.png").is_file()


def test_a_resting_finger_opens_the_menu(browser: Browser, web_url: str) -> None:
    context = browser.new_context(has_touch=True, viewport={"width": 800, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    complaints = Complaints(page, web_url)
    open_editor(page, web_url)
    open_workflow(page, BLANK, LINKS)
    expect(node(page, "EmptyImage")).to_be_visible()
    settled(page)
    x, y = middle(node(page, "EmptyImage").locator(".card-head"))
    touch = page.context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    bypass = page.get_by_role("menu", name="Actions").get_by_role("menuitem", name="Bypass")
    expect(bypass).to_be_visible()
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    bypass.tap()
    expect(node(page, "EmptyImage").get_by_text("bypass")).to_be_visible()
    assert complaints == []
    context.close()


def test_windows_without_locks_leave_each_other_alone(browser: Browser, web_url: str) -> None:
    context = browser.new_context(reduced_motion="reduce")
    context.add_init_script("Object.defineProperty(navigator, 'locks', { value: undefined })")
    first, second = context.new_page(), context.new_page()
    open_editor(first, web_url)
    open_workflow(first, BLANK, LINKS)
    expect(node(first, "EmptyImage")).to_be_visible()
    kept(first, "EmptyImage")
    first.reload()
    expect(node(first, "EmptyImage")).to_be_visible(timeout=STARTS_WITHIN_MS)
    open_editor(second, web_url)
    expect(second.get_by_role("application", name="0 nodes")).to_be_visible()
    expect(first.get_by_role("application", name="2 nodes")).to_be_visible()
    context.close()


def test_sockets_are_where_they_were_after_a_look_from_far_away(editor: Page) -> None:
    open_workflow(editor, [*BLANK, {"id": 3, "type": "ImageInvert", "pos": [200, 480]}], LINKS)
    expect(node(editor, "ImageInvert")).to_be_visible()
    settled(editor)
    editor.mouse.move(700, 450)
    for notches, level in ((1200, "tiny"), (-350, "far"), (-4000, "")):
        editor.mouse.wheel(0, notches)
        if level:
            expect(editor.locator(f".canvas.{level}")).to_be_visible()
    editor.keyboard.press("1")
    editor.keyboard.press("Home")
    expect(editor.locator(".canvas.near")).to_be_visible()
    expect(editor.locator(".react-flow__edge")).to_have_count(1)
    settled(editor)
    drag(
        editor,
        middle(socket(editor, "EmptyImage", "IMAGE", "Output")),
        middle(socket(editor, "ImageInvert", "image", "Input")),
    )
    expect(editor.locator(".react-flow__edge")).to_have_count(2)
