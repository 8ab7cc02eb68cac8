"""Takes pictures of every screen, dark and light, to be looked at: `python tests/e2e/shots.py FOLDER [--docs]`.

`--docs` also writes the README's pictures into docs/.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PIL import Image
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from nodes.starter.scenes import Scene, Thing, draw
from tests.e2e.crowds import crowd
from tests.e2e.hands import expect_picture, node, open_template, open_text, run
from tests.e2e.serving import FLAGS, ROOT, Served, chromium

DESK: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
THEMES = ("dark", "light")
PINS = [("2", "text"), ("5", "seed"), ("5", "steps"), ("5", "cfg")]


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def template(name: str, **more: Any) -> str:
    """A template's file, with what the test adds to it."""
    file = json.loads((ROOT / "workflows" / f"{name}.json").read_text("utf-8"))
    file["extra"] = {**file.get("extra", {}), **more}
    return json.dumps(file)


def zoom_to(page: Page, percent: int) -> None:
    """Turns the wheel until the zoom is nearest to what is wanted."""
    page.mouse.move(720, 450)
    for _ in range(40):
        now = int((page.locator(".zoombar .zoom").text_content() or "").split()[0])
        if abs(now - percent) <= 0.09 * percent:
            return
        page.mouse.wheel(0, 120 if now > percent else -120)
        page.wait_for_timeout(60)


def shoot(page: Page, folder: Path, name: str) -> None:
    """The screen in both themes."""
    for theme in THEMES:
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        page.wait_for_timeout(900)
        page.screenshot(path=folder / f"{name}-{theme}.png")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")


def shoot_panel(page: Page, folder: Path, name: str) -> None:
    press(page, name)
    page.wait_for_timeout(600)
    shoot(page, folder, name.lower().replace(" ", "-"))


def close_panels(page: Page) -> None:
    for button in page.locator("aside.panel .icon[aria-label^=Close]").all():
        button.click()


def tour(page: Page, folder: Path) -> None:
    """Every screen, one after the other."""
    shoot(page, folder, "empty")
    warm_up(page)
    open_text(page, "text to image.json", template("text_to_image", sfumato={"form": [pin(*one) for one in PINS]}))
    expect(node(page, "KSampler")).to_be_visible()
    run(page)
    for name in ("Templates", "Node library", "Outline", "Saved workflows"):
        shoot_panel(page, folder, name)
    close_panels(page)
    for keys, name in (
        ("Control+k", "palette"),
        ("Shift+A", "search"),
        ("Control+,", "settings"),
        ("Shift+?", "shortcuts"),
    ):
        page.keyboard.press(keys)
        page.wait_for_timeout(500)
        shoot(page, folder, name)
        page.keyboard.press("Escape")
    expect_picture(page, "SaveImage")
    expect(page.locator(".toast")).to_have_count(0)
    shoot(page, folder, "editor")
    node(page, "KSampler").locator(".card-head").click()
    for name in ("Gallery", "Queue", "Form", "Inspector"):
        shoot_panel(page, folder, name)
    close_panels(page)
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.wait_for_timeout(300)
    shoot(page, folder, "zoom-1")
    page.get_by_role("button", name="Enlarge").first.click()
    page.wait_for_timeout(500)
    shoot(page, folder, "lightbox")
    page.keyboard.press("Escape")
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(600)
    shoot(page, folder, "phone-form")
    press(page, "Show the graph")
    page.wait_for_timeout(600)
    shoot(page, folder, "phone-graph")
    page.set_viewport_size(DESK)
    mask_editor(page, folder)
    open_text(page, "a crowd.json", json.dumps(crowd(150)))
    page.wait_for_timeout(800)
    for percent in (40, 10):
        zoom_to(page, percent)
        page.wait_for_timeout(500)
        shoot(page, folder, f"zoom-0.{percent // 10}")


def warm_up(page: Page) -> None:
    """Loads the models, so that the times in the pictures are of the nodes' own work."""
    open_template(page)
    node(page, "CLIPTextEncode").first.locator("textarea").fill("a yellow star")
    run(page)
    expect_picture(page, "SaveImage")
    press(page, "Close Text to image")


def pin(at: str, widget: str) -> dict[str, str]:
    return {"node": at, "widget": widget}


def mask_editor(page: Page, folder: Path) -> None:
    """A picture with a painted stroke."""
    open_text(page, "load.json", json.dumps({"1": {"class_type": "LoadImage", "inputs": {"image": "scene.png"}}}))
    expect_picture(page, "LoadImage").hover()
    press(page, "Paint a mask")
    expect(page.locator(".mask-paint canvas")).to_have_js_property("width", 128)
    box = page.locator(".mask-paint canvas").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + box["height"] * 0.55, steps=12)
    page.mouse.up()
    shoot(page, folder, "mask-editor")
    page.keyboard.press("Escape")
    press(page, "Throw it away")


def write_docs(folder: Path) -> None:
    """The README's pictures."""
    for theme, name in (("dark", "editor"), ("light", "editor-light")):
        with Image.open(folder / f"editor-{theme}.png") as image:
            image.convert("RGB").save(ROOT / "docs" / f"{name}.webp", quality=82, method=6)


def in_browser(base: Path, look: Callable[[Page], None]) -> None:
    """Opens the editor of a server of our own, and fails where the page complains."""
    (base / "input").mkdir()
    things = (Thing("circle", "red", 40, 64, 24), Thing("square", "blue", 96, 64, 20))
    picture = io.BytesIO()
    Image.fromarray(draw(Scene("white", things))).save(picture, "PNG")
    (base / "input" / "scene.png").write_bytes(picture.getvalue())
    errors: list[str] = []
    with Served(base) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        expect.set_options(timeout=60_000)
        page = browser.new_page(viewport=DESK, reduced_motion="reduce")
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.set_default_timeout(120_000)
        page.goto(server.url)
        page.get_by_role("application").wait_for()
        look(page)
        browser.close()
    if errors:
        raise RuntimeError(f"The page complained: {errors[0]}")


def main() -> None:
    """Take them all."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as base:
        in_browser(Path(base), lambda page: tour(page, folder))
    if "--docs" in sys.argv:
        write_docs(folder)


if __name__ == "__main__":
    main()
