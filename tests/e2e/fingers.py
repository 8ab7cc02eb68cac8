"""Fingers on the screen, as the browser itself would tell of them."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.sync_api import Page

Point = tuple[float, float]
STEPS = 8


class Fingers:
    """Touches a page that was opened with `has_touch`."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._session = page.context.new_cdp_session(page)

    def tap(self, at: Point) -> None:
        """At once, since on a busy machine a finger would seem to rest."""
        self._page.touchscreen.tap(*at)

    def drag(self, start: Point, end: Point) -> None:
        """Goes over the screen with one finger."""
        self._send("touchStart", [start])
        for step in range(1, STEPS + 1):
            self._send("touchMove", [_between(start, end, step / STEPS)])
        self._send("touchEnd", [])

    def pinch(self, middle: Point, start: float, end: float) -> None:
        """Moves two fingers, at these distances from the middle, apart or together."""
        self._send("touchStart", [(middle[0] - start, middle[1])])
        for step in range(STEPS + 1):
            away = start + (end - start) * step / STEPS
            two = [(middle[0] - away, middle[1]), (middle[0] + away, middle[1])]
            self._send("touchMove" if step else "touchStart", two)
        self._send("touchEnd", [])

    def _send(self, kind: str, points: Sequence[Point]) -> None:
        touches = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})


def _between(a: Point, b: Point, part: float) -> Point:
    return a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part
