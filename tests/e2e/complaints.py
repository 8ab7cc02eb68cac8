"""What a page complains of, kept for a test to look at."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Request, Response


class Complaints(list[str]):
    """Errors of the page and its console, requests that were refused, requests to elsewhere."""

    def __init__(self, page: Page, url: str) -> None:
        super().__init__()
        self._url = url
        page.on("pageerror", lambda error: self.append(f"page: {error}"))
        page.on("console", self._hear)
        page.on("request", self._watch)
        page.on("response", self._check)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.append(f"console: {message.text}")

    def _watch(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and f"{parts.scheme}://{parts.netloc}" != self._url:
            self.append(f"request to elsewhere: {request.url}")

    def _check(self, reply: Response) -> None:
        if reply.status >= 400:
            self.append(f"{reply.status}: {reply.url}")
