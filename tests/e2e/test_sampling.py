"""Pictures from the model that comes with the program."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.e2e.hands import RUN_MS, expect_picture, node, run


def open_template(editor: Page) -> None:
    editor.get_by_role("button", name="Text to image").first.click()
    expect(node(editor, "KSampler")).to_be_visible()


def set_number(editor: Page, name: str, value: int) -> None:
    node(editor, "KSampler").get_by_role("spinbutton", name=name).focus()
    editor.keyboard.press("Enter")
    editor.keyboard.type(str(value))
    editor.keyboard.press("Enter")


def test_a_prompt_becomes_a_picture_and_only_what_changed_runs_again(editor: Page) -> None:
    open_template(editor)
    run(editor)
    expect(node(editor, "KSampler").get_by_role("img", name="Preview of what is being made")).to_be_visible(
        timeout=RUN_MS
    )
    picture = expect_picture(editor, "SaveImage")
    first = picture.get_attribute("src")

    set_number(editor, "seed", 12345)
    run(editor)
    expect(node(editor, "SaveImage").locator(".media img")).not_to_have_attribute("src", first or "", timeout=RUN_MS)
    expect(node(editor, "CheckpointLoaderSimple").locator(".chip")).to_have_text(re.compile("cached"))
    expect(node(editor, "KSampler").locator(".chip")).to_have_text(re.compile(r"^[\d.]+ m?s$"))


def test_a_run_is_cancelled_midway(editor: Page) -> None:
    open_template(editor)
    set_number(editor, "steps", 2000)
    set_number(editor, "seed", 999)
    run(editor)
    expect(node(editor, "KSampler").locator(".chip")).to_have_text(re.compile("%"), timeout=RUN_MS)
    editor.get_by_role("button", name="Cancel the run").click()
    expect(editor.get_by_role("status").filter(has_text="Cancelled.")).to_be_visible(timeout=RUN_MS)
    expect(editor.get_by_role("button", name="Cancel the run")).to_be_hidden()
