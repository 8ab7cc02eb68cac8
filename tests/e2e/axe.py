"""What axe says of a page's accessibility."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

SCRIPT = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
# A colour in the middle of a fade is nobody's choice. What goes on for ever is as it is.
STILL = """() => Promise.allSettled(document.getAnimations()
    .filter((one) => one.effect?.getComputedTiming().endTime !== Infinity)
    .map((one) => one.finished)).then(() => true)"""
# An evaluation has no limit of its own: without this one a run that never ends would hold up all tests.
RUN_AXE = """() => Promise.race([
    axe.run().then((found) => found.violations),
    new Promise((_, late) => setTimeout(() => late(new Error("axe took more than a minute")), 60_000)),
])"""


def begin(editor: Page) -> None:
    """Puts axe into the page. Without axe the test fails: `make test` installs it, and a skip would hide the lack."""
    assert SCRIPT.is_file(), "axe-core is not here; run `npm ci` in web/"
    editor.evaluate(SCRIPT.read_text("utf-8"))


def serious(editor: Page) -> list[tuple[str, list[Any]]]:
    """What axe finds that is serious or worse, and where, when the page has come to rest."""
    editor.evaluate(STILL)
    return [
        (one["id"], [at["target"] for at in one["nodes"]][:4])
        for one in editor.evaluate(RUN_AXE)
        if one["impact"] in {"serious", "critical"}
    ]
