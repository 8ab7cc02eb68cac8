"""Pictures from the model that comes with the program."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from nodes.starter.scenes import Scene, Thing, draw
from tests.e2e.hands import (
    RUN_MS,
    expect_picture,
    expect_preview,
    node,
    open_template,
    open_text,
    run,
    set_number,
    watch_for_preview,
)

INPAINT = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sfumato-starter"}},
    "2": {"class_type": "LoadImage", "inputs": {"image": "scene.png"}},
    "3": {
        "class_type": "CLIPTextEncode",
        "inputs": {"clip": ["1", 1], "text": "a green star and a blue square on a white background"},
    },
    "4": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ""}},
    "5": {"class_type": "VAEEncode", "inputs": {"pixels": ["2", 0], "vae": ["1", 2]}},
    "6": {"class_type": "SetLatentNoiseMask", "inputs": {"samples": ["5", 0], "mask": ["2", 1]}},
    "7": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["1", 0],
            "positive": ["3", 0],
            "negative": ["4", 0],
            "latent_image": ["6", 0],
            "seed": 5,
            "steps": 12,
            "cfg": 5.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
        },
    },
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["7", 0], "vae": ["1", 2]}},
    "9": {
        "class_type": "ImageCompositeMasked",
        "inputs": {
            "destination": ["2", 0],
            "source": ["8", 0],
            "mask": ["2", 1],
            "x": 0,
            "y": 0,
            "resize_source": False,
        },
    },
    "10": {"class_type": "SaveImage", "inputs": {"images": ["9", 0], "filename_prefix": "inpainted"}},
}


def test_a_prompt_becomes_a_picture_and_only_what_changed_runs_again(editor: Page) -> None:
    open_template(editor)
    set_number(editor, "seed", 31415)  # what was drawn for another test is not drawn again
    watch_for_preview(editor)
    run(editor)
    expect_preview(editor)
    picture = expect_picture(editor, "SaveImage")
    first = picture.get_attribute("src")

    set_number(editor, "seed", 12345)
    run(editor)
    expect(node(editor, "SaveImage").locator(".media img")).not_to_have_attribute("src", first or "", timeout=RUN_MS)
    for name in ("CheckpointLoaderSimple", "CLIPTextEncode", "EmptyLatentImage"):
        for chip in node(editor, name).locator(".chip").all():
            expect(chip).to_have_text(re.compile("cached"))
    for name in ("KSampler", "VAEDecode", "SaveImage"):
        expect(node(editor, name).locator(".chip")).to_have_text(re.compile(r"^\d.* m?s$"))


def test_a_run_is_cancelled_midway(editor: Page) -> None:
    open_template(editor)
    set_number(editor, "steps", 2000)
    set_number(editor, "seed", 999)
    run(editor)
    expect(node(editor, "KSampler").locator(".chip")).to_have_text(re.compile("%"), timeout=RUN_MS)
    editor.get_by_role("button", name="Cancel the run").click()
    expect(editor.get_by_role("status").filter(has_text="Cancelled.")).to_be_visible(timeout=RUN_MS)
    expect(editor.get_by_role("button", name="Cancel the run")).to_be_hidden()


def test_a_painted_mask_is_filled_and_the_rest_stays(editor: Page, base_folder: Path) -> None:
    scene = Image.fromarray(
        draw(Scene("white", (Thing("circle", "red", 40, 64, 24), Thing("square", "blue", 96, 64, 20))))
    )
    (base_folder / "input").mkdir(exist_ok=True)
    scene.save(base_folder / "input" / "scene.png")
    there = set((base_folder / "input").rglob("painted-*.png"))
    open_text(editor, "inpaint.json", json.dumps(INPAINT))
    expect_picture(editor, "LoadImage").hover()
    editor.get_by_role("button", name="Paint a mask").click()
    canvas = editor.locator(".mask-paint canvas")
    expect(canvas).to_have_js_property("width", 128)
    box = canvas.bounding_box()
    assert box
    x, y, pixel = box["x"] + box["width"] * 40 / 128, box["y"] + box["height"] / 2, box["width"] / 128
    for row in (-18, 0, 18):
        editor.mouse.move(x - 20 * pixel, y + row * pixel)
        editor.mouse.down()
        editor.mouse.move(x + 20 * pixel, y + row * pixel, steps=8)
        editor.mouse.up()
    editor.get_by_role("button", name="Save mask").click()
    expect(editor.locator(".mask-editor")).to_be_hidden()
    run(editor)
    shown = expect_picture(editor, "SaveImage").get_attribute("src") or ""

    [painted] = set((base_folder / "input").rglob("painted-*.png")) - there
    newest = max((base_folder / "output").rglob("inpainted*.png"), key=lambda path: path.stat().st_mtime_ns)
    assert newest.name in shown
    alpha = np.asarray(Image.open(painted).convert("RGBA"))[..., 3]
    before, after = np.asarray(scene, np.int16), np.asarray(Image.open(newest).convert("RGB"), np.int16)
    assert (alpha == 0).sum() > 1000
    assert (before[alpha == 255] == after[alpha == 255]).all()
    assert (np.abs(before - after).max(axis=2)[alpha == 0] > 40).mean() > 0.2
