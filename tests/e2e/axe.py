"""What axe says of a page's accessibility."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

SCRIPT = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
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
    """What axe finds that is serious or worse, and where."""
    return [
        (one["id"], [at["target"] for at in one["nodes"]][:4])
        for one in editor.evaluate(RUN_AXE)
        if one["impact"] in {"serious", "critical"}
    ]
