"""Routes as data: what each takes and gives, beside its handler. The application and its description are made of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and path, and the types of what goes in and out (TypedDicts, or plain types).

    `twin`: ComfyUI serves the route under /api too. `takes` is the JSON body's type, or a media type for others;
    `query` a TypedDict of query parameters. The handler's docstring is the description.
    """

    method: str
    path: str
    handler: Handler
    gives: Any = None
    takes: Any = None
    query: type | None = None
    twin: bool = True

    @property
    def description(self) -> str:
        """What the handler says of itself."""
        return " ".join((self.handler.__doc__ or "").split())

    def paths(self) -> Iterator[str]:
        """Where the route is found."""
        yield self.path
        if self.twin:
            yield "/api" + self.path


def add_routes(app: web.Application, routes: Iterable[Route]) -> None:
    """Register routes with their twins."""
    for route in routes:
        for path in route.paths():
            if route.method == "GET":
                app.router.add_get(path, route.handler)
            else:
                app.router.add_route(route.method, path, route.handler)
