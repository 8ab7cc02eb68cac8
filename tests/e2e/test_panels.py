"""The panels: the queue and its order, their width, the gallery, the form, what is shown of a run."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.e2e.hands import (
    RUN_MS,
    ask,
    expect_picture,
    middle,
    node,
    open_template,
    open_text,
    open_workflow,
    run,
    saved,
    set_number,
)
from tests.e2e.serving import ROOT

BLANK = [
    {"id": 1, "type": "EmptyImage", "pos": [0, 0], "widgets_values": [64, 64, 1, 255]},
    {"id": 2, "type": "SaveImage", "pos": [400, 0], "inputs": [{"name": "images", "type": "IMAGE", "link": 1}]},
]
LINKS = [[1, 1, 0, 2, 0, "IMAGE"]]


def press(editor: Page, name: str) -> None:
    editor.get_by_role("button", name=name, exact=True).click()


def square(name: str, colour: int) -> dict[str, Any]:
    """A prompt as another program sends it, without a workflow."""
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": colour}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": name}},
    }


def waiting(editor: Page) -> Locator:
    return editor.locator(".job.waiting strong")


def grip(editor: Page, name: str) -> Locator:
    return editor.locator(f'.grip[aria-label^="Move {name},"]')


def test_what_waits_is_put_in_order_by_mouse_and_by_keys(editor: Page, paused: str) -> None:
    for i, name in enumerate("abcd"):
        ask(paused, "/api/prompt", {"prompt": square(name, 7 + i)})
    press(editor, "Queue")
    expect(waiting(editor)).to_have_text([*"abcd"])
    grip(editor, "d").focus()
    editor.keyboard.press("ArrowUp")
    expect(waiting(editor)).to_have_text([*"abdc"])
    expect(grip(editor, "d")).to_be_focused()
    editor.keyboard.press("Alt+ArrowUp")
    expect(waiting(editor)).to_have_text([*"adbc"])
    expect(editor.get_by_role("status").filter(has_text="Moved to place 2 of 4.")).to_have_count(1)
    x, y = middle(grip(editor, "a"))
    editor.mouse.move(x, y)
    editor.mouse.down()
    editor.mouse.move(x, middle(grip(editor, "c"))[1] + 12, steps=6)
    expect(waiting(editor)).to_have_text([*"dbca"])
    with editor.expect_response(lambda reply: reply.url.endswith("/move")):
        editor.mouse.up()
    expect(editor.locator(".job.dragged")).to_have_count(0)
    expect(waiting(editor)).to_have_text([*"dbca"])
    named = [item[2]["2"]["inputs"]["filename_prefix"] for item in ask(paused, "/api/queue")["queue_pending"]]
    assert named == [*"dbca"]
    press(editor, "Remove b")
    expect(waiting(editor)).to_have_text([*"dca"])
    press(editor, "Resume")
    expect(waiting(editor)).to_have_count(0)
    done = editor.locator(".job.done strong")
    expect(done.nth(0)).to_have_text("a")
    expect(done.nth(1)).to_have_text("c")
    expect(done.nth(2)).to_have_text("d")


def test_a_finished_run_says_where_its_time_went_and_can_be_run_again(editor: Page, web_url: str) -> None:
    ask(web_url, "/api/history", {"clear": True})
    own = {**BLANK[0], "widgets_values": [64, 64, 1, 7777]}  # what was made for another test takes no time
    open_workflow(editor, [own, BLANK[1]], LINKS)
    run(editor)
    expect_picture(editor, "SaveImage")
    press(editor, "Queue")
    first = editor.locator(".job.done").first
    expect(first.locator("strong")).to_have_text("made")
    expect(first.locator(".flame-bar")).to_be_visible()
    first.locator(".flame summary").click()
    expect(first.locator(".flame li").first).to_contain_text("%")
    expect(first.locator(".strip img")).to_have_count(1)
    count = editor.locator(".job.done").count()
    first.get_by_role("button", name="Run again: made").click()
    expect(editor.locator(".job.done")).to_have_count(count + 1)
    first.get_by_role("button", name="Take made out of the history").click()
    editor.get_by_role("button", name="Take out", exact=True).click()
    expect(editor.locator(".job.done")).to_have_count(count)


def test_a_panel_is_as_wide_as_one_likes(editor: Page) -> None:
    press(editor, "Inspector")
    panel = editor.get_by_role("complementary", name="Inspector")
    edge = editor.get_by_role("separator", name="Width of Inspector")
    expect(edge).to_have_attribute("aria-valuenow", "320")
    x, y = middle(edge)
    editor.mouse.move(x, y)
    editor.mouse.down()
    editor.mouse.move(x - 100, y, steps=4)
    editor.mouse.up()
    expect(edge).to_have_attribute("aria-valuenow", "420")
    edge.focus()
    editor.keyboard.press("ArrowRight")
    expect(edge).to_have_attribute("aria-valuenow", "404")
    editor.reload()
    expect(edge).to_have_attribute("aria-valuenow", "404")
    box = panel.bounding_box()
    assert box
    assert round(box["width"]) == 404
    edge.dblclick()
    expect(edge).to_have_attribute("aria-valuenow", "320")


def picture(colour: str = "teal") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(data, "PNG")
    return data.getvalue()


def test_a_picture_that_is_missing_is_named_and_can_be_sent(editor: Page, base_folder: Path) -> None:
    (base_folder / "input" / "boats").mkdir(parents=True, exist_ok=True)
    (base_folder / "input" / "boats" / "red.png").write_bytes(picture("red"))
    there = {"id": 1, "type": "LoadImage", "pos": [0, 0], "widgets_values": ["boats/red.png", "image"]}
    gone = {"id": 2, "type": "LoadImageMask", "pos": [400, 0], "widgets_values": ["harbour.png", "alpha", "image"]}
    open_workflow(editor, [there, gone])
    expect_picture(editor, "LoadImage")
    mask = node(editor, "LoadImageMask")
    expect(mask.get_by_text("harbour.png is not on this server.")).to_be_visible()
    with editor.expect_file_chooser() as chooser:
        mask.get_by_role("button", name="Upload it").click()
    chooser.value.set_files({"name": "harbour.png", "mimeType": "image/png", "buffer": picture()})
    expect_picture(editor, "LoadImageMask")
    mask.locator(".choice-button").first.click()
    expect(editor.get_by_role("option", name="harbour.png", exact=True)).to_be_visible()


PINS = [{"node": "1", "widget": name} for name in ("width", "height", "color")]


def test_the_form_is_arranged_and_named(editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS, extra={"sfumato": {"form": PINS}})
    press(editor, "Form")
    form = editor.get_by_role("complementary", name="Form")
    expect(form.get_by_role("spinbutton")).to_have_count(3)
    press(editor, "Arrange the form")
    form.locator('.grip[aria-label^="Move Color,"]').press("ArrowUp")
    x, y = middle(form.locator('.grip[aria-label^="Move Width,"]'))
    editor.mouse.move(x, y)
    editor.mouse.down()
    editor.mouse.move(x, middle(form.locator(".arrange-row").last)[1] + 12, steps=6)
    editor.mouse.up()
    form.get_by_role("textbox", name="Name of color").fill("Paint")
    form.get_by_role("button", name="Take Height out of the form").click()
    press(editor, "Arrange the form")
    expect(form.get_by_role("spinbutton")).to_have_count(2)
    kept = saved(editor)["extra"]["sfumato"]["form"]
    assert kept == [{"node": "1", "widget": "color", "label": "Paint"}, {"node": "1", "widget": "width"}]
    form.get_by_role("button", name="Run", exact=True).click()
    expect(form.locator(".strip img")).to_have_count(1)


def test_the_usual_is_pinned_at_once(editor: Page) -> None:
    open_text(editor, "bare.json", (ROOT / "workflows" / "text_to_image.json").read_text("utf-8"))
    press(editor, "Form")
    form = editor.get_by_role("complementary", name="Form")
    form.get_by_role("button", name="Pin the usual").click()
    expect(form.get_by_role("textbox")).to_have_count(2)
    expect(form.get_by_role("spinbutton", name="Steps")).to_be_visible()
    editor.keyboard.press("Control+z")
    expect(form.get_by_role("button", name="Pin the usual")).to_be_visible()


def test_all_that_one_presses_on_a_phone_is_large_enough(editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS, extra={"sfumato": {"form": PINS}})
    expect(node(editor, "SaveImage")).to_be_visible()
    editor.set_viewport_size({"width": 390, "height": 844})
    expect(editor.locator(".form-only .form")).to_be_visible()
    press(editor, "Arrange the form")
    small = """elements => elements.map(one => [one.ariaLabel ?? one.textContent, one.getBoundingClientRect()])
        .filter(([, box]) => box.height < 44).map(([name]) => name)"""
    assert editor.locator(".form button, .form input, .topbar button").evaluate_all(small) == []
    press(editor, "Arrange the form")
    assert editor.locator(".form button, .form [role=spinbutton]").evaluate_all(small) == []


def test_all_that_is_missing_is_listed_and_leads_to_its_node(editor: Page) -> None:
    alone = [{"id": 1, "type": "ImageInvert", "pos": [0, 0]}, {"id": 2, "type": "SaveImage", "pos": [4000, 0]}]
    inverted = [{"name": "images", "type": "IMAGE", "link": None}]
    preview = {"id": 3, "type": "PreviewImage", "pos": [0, 600], "inputs": [{**inverted[0], "link": 1}]}
    open_workflow(editor, [*alone, preview], [[1, 1, 0, 3, 0, "IMAGE"]])
    run(editor)
    listed = editor.get_by_role("alert").filter(has_text="2 things keep it from running")
    expect(listed.get_by_role("listitem")).to_have_count(2)
    listed.get_by_role("button", name="Save Image needs images.").click()
    expect(node(editor, "SaveImage")).to_be_focused()
    expect(node(editor, "SaveImage")).to_be_in_viewport()
    expect(listed).to_be_visible()
    listed.get_by_role("button", name="Dismiss").click()
    expect(listed).to_have_count(0)


def test_a_batch_runs_as_often_as_one_says(editor: Page, paused: str) -> None:
    open_workflow(editor, BLANK, LINKS)
    press(editor, "How to run")
    editor.get_by_role("menuitem", name="2 times").click()
    press(editor, "How to run")
    editor.get_by_role("menuitem", name="One run more").click()
    editor.keyboard.press("Escape")
    editor.get_by_role("button", name="Run × 3").click()
    press(editor, "Queue")
    expect(waiting(editor)).to_have_text(["made"] * 3)
    expect(editor.get_by_role("heading", name="3 waiting")).to_be_visible()


def press_twice(editor: Page, key: str) -> None:
    """Quickly, however slow the machine is."""
    editor.evaluate(
        """key => {
            const press = { key, bubbles: true, cancelable: true };
            for (let i = 0; i < 2; i++) document.activeElement.dispatchEvent(new KeyboardEvent("keydown", press));
        }""",
        key,
    )


def test_the_window_tells_of_a_run_by_its_title_and_icon(editor: Page) -> None:
    open_template(editor)
    icon = editor.locator("link[rel=icon]")
    expect(icon).to_have_attribute("href", re.compile("favicon.svg$"))
    set_number(editor, "steps", 2000)
    set_number(editor, "seed", 90125)
    run(editor)
    expect(icon).to_have_attribute("href", re.compile("favicon-busy.svg$"), timeout=RUN_MS)
    expect(editor).to_have_title(re.compile(r"^\d+ % · Text to image · Sfumato$"), timeout=RUN_MS)
    expect(editor.locator(".overall.on")).to_have_count(1)
    editor.get_by_role("application").focus()
    press_twice(editor, "Escape")
    expect(editor.get_by_role("status").filter(has_text="Cancelled.")).to_be_visible(timeout=RUN_MS)
    expect(editor).to_have_title("Text to image · Sfumato")
    expect(icon).to_have_attribute("href", re.compile("favicon.svg$"))


def test_a_job_of_another_program_has_a_name_a_progress_and_an_end(editor: Page, web_url: str) -> None:
    words = "a blue boat on a calm sea"
    prompt = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sfumato-starter"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": words}},
        "3": {"class_type": "EmptyLatentImage", "inputs": {"width": 128, "height": 128, "batch_size": 1}},
        "4": {
            "class_type": "KSampler",
            "inputs": {
                **{"model": ["1", 0], "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0]},
                **{"seed": 5, "steps": 1000, "cfg": 5.0, "denoise": 1.0},
                **{"sampler_name": "euler", "scheduler": "normal"},
            },
        },
        "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["1", 2]}},
        "6": {"class_type": "PreviewImage", "inputs": {"images": ["5", 0]}},
    }
    ask(web_url, "/api/prompt", {"prompt": prompt})
    press(editor, "Queue")
    running = editor.get_by_role("article", name=f"{words}, running")
    expect(running.get_by_role("progressbar")).to_be_visible(timeout=RUN_MS)
    expect(running).to_contain_text(re.compile(r"[1-9]\d % .* left"), timeout=RUN_MS)
    running.get_by_role("button", name=f"Cancel {words}").click()
    ended = editor.get_by_role("article", name=f"{words}, cancelled")
    expect(ended.first.get_by_role("button", name=f"Retry: {words}")).to_be_visible(timeout=RUN_MS)


def test_what_was_deleted_comes_back_from_its_message(editor: Page) -> None:
    open_workflow(editor, BLANK, LINKS)
    node(editor, "EmptyImage").locator(".card-head").click()
    editor.keyboard.press("Delete")
    expect(node(editor, "EmptyImage")).to_have_count(0)
    said = editor.get_by_role("status").filter(has_text="Deleted a node.")
    said.get_by_role("button", name="Undo").click()
    expect(node(editor, "EmptyImage")).to_be_visible()
    expect(editor.get_by_role("status").filter(has_text="Undid: delete nodes")).to_be_visible()
