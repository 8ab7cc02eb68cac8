"""The editor's figures with a thousand nodes, in a headless Chromium on a real server. Prints JSON.

Milliseconds of a frame are CPU time of the page's main thread, not time on the clock: other programs may run. A frame
is one move of the mouse as the page sees it, or one notch of the wheel.
"""

from __future__ import annotations

import gzip
import json
import re
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from playwright.sync_api import CDPSession, Page, sync_playwright

from tests.e2e.crowds import crowd
from tests.e2e.hands import middle, open_text
from tests.e2e.serving import FLAGS, ROOT, Served, chromium

NODES = 1000
ROUNDS = 3
STEPS = 30
NOTCHES = 20
AUTOSAVED_MS = 900
SETTLE = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"""
COUNT = """() => {
    if (window.moves === undefined) window.addEventListener("pointermove", () => { window.moves += 1; }, true);
    window.moves = 0;
}"""
READY = """new Promise((done) => {
    const look = () => {
        if (!document.querySelector(".react-flow__node-card")) requestAnimationFrame(look);
        else requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())));
    };
    look();
})"""
GOALS = {
    "ready_ms": 1000,
    "pan_ms_a_frame": 10,
    "drag_ms_a_frame": 10,
    "zoom_ms_a_frame": 35,
    "dom_without_nodes": 600,
    "initial_js_gzipped_kb": 260,
}


class Bench:
    """An editor whose main thread is watched."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.at = (0.0, 0.0)
        self.cdp: CDPSession = page.context.new_cdp_session(page)
        self.cdp.send("Performance.enable", {"timeDomain": "threadTicks"})

    def task_ms(self) -> float:
        """CPU time that the page's main thread has used."""
        metrics = self.cdp.send("Performance.getMetrics")["metrics"]
        return 1e3 * next(one["value"] for one in metrics if one["name"] == "TaskDuration")

    def spent(self, act: Callable[[], int]) -> float:
        """Milliseconds of the main thread for each of the frames that `act` says it made."""
        self.page.wait_for_timeout(AUTOSAVED_MS)
        before = self.task_ms()
        frames = act()
        return (self.task_ms() - before) / frames

    def moves(self, x: float, y: float) -> int:
        """Moves the mouse away and back; gives how many moves the page saw, each in a frame of its own."""
        mouse = self.page.mouse
        self.page.evaluate(COUNT)
        start = self.at
        mouse.move(x, y, steps=STEPS)
        mouse.move(*start, steps=STEPS)
        return self.page.evaluate("window.moves")

    def go(self, x: float, y: float) -> None:
        """Moves the mouse without counting."""
        self.at = x, y
        self.page.mouse.move(x, y)

    def pan(self) -> float:
        """There and back with the middle button, over nodes that come and go."""
        self.go(900, 560)
        self.page.mouse.down(button="middle")
        taken = self.spent(lambda: self.moves(300, 260))
        self.page.mouse.up(button="middle")
        return taken

    def drag(self) -> float:
        """A node by its head, there and back."""
        heads = [middle(head) for head in self.page.locator(".card-head").all()]
        x, y = min(heads, key=lambda at: abs(at[0] - 720) + abs(at[1] - 450))
        self.go(x, y)
        self.page.mouse.down()
        self.go(x + 3, y + 3)
        taken = self.spent(lambda: self.moves(x + 180, y + 120))
        self.page.mouse.up()
        return taken

    def zoom(self) -> float:
        """From 1 until all thousand are in view, and back."""
        self.go(720, 450)
        return self.spent(lambda: sum(self.notch(120 if i < NOTCHES else -120) for i in range(2 * NOTCHES)))

    def notch(self, by: int) -> int:
        """One notch of the wheel, drawn when this returns."""
        self.page.mouse.wheel(0, by)
        self.page.evaluate(SETTLE)
        return 1


def initial_js() -> float:
    """Kilobytes of JavaScript that the page asks for before anything else, gzipped."""
    folder = ROOT / "web" / "dist"
    names = re.findall(r'(?:src|href)="\./(assets/[^"]+\.js)"', (folder / "index.html").read_text("utf-8"))
    return sum(len(gzip.compress((folder / name).read_bytes())) for name in set(names)) / 1000


def ready(bench: Bench) -> tuple[float, float]:
    """Milliseconds on the clock from asking for the page until its nodes are drawn, and those of the main thread."""
    bench.page.reload(wait_until="commit", timeout=120_000)
    return bench.page.evaluate(READY), bench.task_ms()


def measure(page: Page, url: str) -> dict[str, Any]:
    """All figures of one page."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    page.get_by_role("application").wait_for()
    open_text(page, "crowd.json", json.dumps(crowd(NODES)))
    page.get_by_role("application", name=f"{NODES} nodes").wait_for()
    page.wait_for_timeout(2 * AUTOSAVED_MS)
    bench = Bench(page)
    started = [ready(bench) for _ in range(ROUNDS)]
    page.get_by_role("application", name=f"{NODES} nodes").wait_for()
    page.keyboard.press("1")
    page.wait_for_timeout(500)
    shown = page.locator(".react-flow__node").count()
    found = {
        "ready_ms": min(one[0] for one in started),
        "ready_main_thread_ms": min(one[1] for one in started),
        **{
            f"{name}_ms_a_frame": statistics.median(one() for _ in range(ROUNDS))
            for name, one in (("pan", bench.pan), ("drag", bench.drag), ("zoom", bench.zoom))
        },
        "nodes_shown": shown,
        "dom": page.evaluate("document.querySelectorAll('*').length"),
        "dom_without_nodes": page.evaluate(
            "document.querySelectorAll(':not(.react-flow__node, .react-flow__node *)').length"
        ),
        "initial_js_gzipped_kb": initial_js(),
    }
    if errors:
        raise RuntimeError(f"The page complained: {errors[0]}")
    return {name: round(value, 1) for name, value in found.items()}


def main() -> None:
    """Measure, and print."""
    with (
        tempfile.TemporaryDirectory() as base,
        Served(Path(base)) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
        found = measure(page, server.url)
        browser.close()
    json.dump({"editor": {**found, "goals": GOALS}}, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
