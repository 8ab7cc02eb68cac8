"""What people drop on the canvas, whole and broken."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Page, expect

from tests.e2e.hands import node, open_file, open_workflow, saved

BLANK: list[dict[str, Any]] = [{"id": 1, "type": "EmptyImage", "pos": [0, 0], "widgets_values": [64, 64, 1, 255]}]
FILE = json.dumps({"nodes": BLANK, "links": [], "version": 0.4})
VERSION_1 = json.dumps({"nodes": BLANK, "links": [], "version": 1, "state": {"lastNodeId": 1, "lastLinkId": 0}})
API = json.dumps({"1": {"class_type": "EmptyImage", "inputs": {"width": 64}}})
A1111 = "a boat\nNegative prompt: fog\nSteps: 4, Sampler: Euler, CFG scale: 2, Seed: 18446744073709551615, Size: 64x64"


def picture(kind: str = "PNG", **said: str) -> bytes:
    """A small picture that carries texts, as the programs that make such pictures write them."""
    image, data = Image.new("RGB", (64, 64), "teal"), io.BytesIO()
    if kind == "PNG":
        info = PngInfo()
        for key, text in said.items():
            info.add_text(key, text)
        image.save(data, kind, pnginfo=info)
        return data.getvalue()
    exif = Image.Exif()
    for tag, (key, text) in zip((0x010F, 0x0110), said.items(), strict=False):
        exif[tag] = f"{key}:{text}"
    image.save(data, kind, exif=exif)
    return data.getvalue()


def drop(editor: Page, name: str, content: bytes, mime: str = "") -> None:
    open_file(editor, {"name": name, "mimeType": mime, "buffer": content})


@pytest.mark.parametrize(
    ("name", "content", "mime"),
    [
        ("a.json", FILE.encode(), "application/json"),
        ("a.json", VERSION_1.encode(), "application/json"),
        ("a.json", API.encode(), ""),
        ("a.png", picture(workflow=FILE, prompt=API), "image/png"),
        ("a.png", picture(prompt=API), ""),
        ("a.webp", picture("WEBP", workflow=FILE), "image/webp"),
        ("a.jpg", picture("JPEG", prompt=API), "image/jpeg"),
    ],
    ids=["0.4", "1.0", "API", "PNG", "PNG without a type", "WebP", "JPEG"],
)
def test_a_workflow_is_opened(editor: Page, name: str, content: bytes, mime: str) -> None:
    drop(editor, name, content, mime)
    expect(node(editor, "EmptyImage")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "content", "mime"),
    [("a.png", picture(parameters=A1111), "image/png"), ("a.txt", A1111.encode(), "text/plain")],
    ids=["PNG", "text"],
)
def test_what_another_program_wrote_becomes_a_workflow(editor: Page, name: str, content: bytes, mime: str) -> None:
    drop(editor, name, content, mime)
    expect(node(editor, "KSampler")).to_be_visible()
    expect(editor.get_by_role("status").filter(has_text="sfumato-starter stands in")).to_be_visible()
    [sampler] = [each for each in saved(editor)["nodes"] if each["type"] == "KSampler"]
    assert sampler["widgets_values"][0] == 2**64 - 1


def test_a_plain_picture_is_loaded_beside_what_is_there(editor: Page) -> None:
    open_workflow(editor, BLANK)
    drop(editor, "plain.png", picture(), "image/png")
    expect(node(editor, "LoadImage")).to_be_visible()
    expect(node(editor, "EmptyImage")).to_be_visible()


def test_a_picture_whose_workflow_is_broken_is_loaded_and_said_to_be(editor: Page) -> None:
    drop(editor, "torn.png", picture(workflow=FILE[:40]), "image/png")
    expect(node(editor, "LoadImage")).to_be_visible()
    expect(editor.get_by_role("alert").filter(has_text="torn.png is loaded as a picture")).to_contain_text("cut off")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("half.json", FILE[:60].encode(), "half.json: This JSON ends in the middle"),
        ("list.json", b"[1, 2]", "list.json: This JSON is no workflow"),
        ("empty.json", b"", "empty.json: This file is empty"),
        ("ink.safetensors", b"\x08\0\0\0\0\0\0\0{}", "ink.safetensors: This file is neither a workflow nor a picture"),
        ("cut.png", picture()[:50], "cut.png is a picture that cannot be read"),
    ],
    ids=["cut", "another JSON", "empty", "a model", "a cut picture"],
)
def test_what_is_broken_is_said_to_be_and_nothing_is_lost(editor: Page, name: str, content: bytes, said: str) -> None:
    open_workflow(editor, BLANK)
    expect(node(editor, "EmptyImage")).to_be_visible()
    drop(editor, name, content)
    expect(editor.get_by_role("alert").filter(has_text=said)).to_be_visible()
    assert [one["type"] for one in saved(editor)["nodes"]] == ["EmptyImage"]
