"""Who may ask: the host that is asked for, the page that asks, and the token.

A browser sends along where a request comes from. A page that is not ours gets nothing, on any route or socket;
scripts send no Origin and pass. A host name that is not ours is refused, so that a stranger's domain that is pointed
at this machine finds nothing. Beyond loopback, everybody needs the token.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from server.api.answers import problem
from server.api.routes import Handler

COOKIE = "sfumato_token"
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self' ws: wss:; worker-src 'self' blob:; frame-ancestors 'none'"
)
FILE_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; media-src 'self'; "
    "frame-ancestors 'none'"
)
_EVERYWHERE: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class Door:
    """What is let in. `loopback`: only this machine can reach the server. An empty token lets everybody in."""

    loopback: bool = True
    token: str = ""
    hosts: frozenset[str] = frozenset()
    secure: bool = False

    def knows_host(self, host: str) -> bool:
        """Whether a Host header names this server. Addresses are fine: only names can be pointed elsewhere."""
        name = _name_of(host)
        if name is None:
            return False
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name == "localhost" or name.endswith(".localhost") or name in self.hosts
        return address.is_loopback or not self.loopback or name in self.hosts

    def refusal(self, request: web.Request) -> str:
        """Why a request is refused, or nothing."""
        host = request.headers.get("Host", "")
        if not self.knows_host(host):
            return f"{host[:80]!r} is not a name of this server."
        if request.headers.getall("Host", [])[1:]:
            return "More than one Host was named."
        origin = request.headers.get("Origin")
        if origin is not None and not _same(origin, host):
            return "Requests from other pages are refused."
        if request.headers.get("Sec-Fetch-Site", "none").lower() not in ("none", "same-origin"):
            return "Requests from other sites are refused."
        return ""

    def admits(self, request: web.Request) -> bool:
        """Whether the token came along, if one is needed: as bearer, cookie or query."""
        if not self.token:
            return True
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        offered = [request.cookies.get(COOKIE, ""), request.query.get("token", "")]
        if scheme.lower() == "bearer":
            offered.append(bearer.strip())
        return any(_equal(each, self.token) for each in offered)


def guard(door: Door) -> Middleware:
    """The middleware that asks the door first, and sends every answer with headers that keep browsers strict."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if reason := door.refusal(request):
            return _strict(problem(403, reason, type="refused"))
        if not door.admits(request):
            return _strict(_ask_for_token(request))
        if _comes_by_link(request, door):
            return _strict(_remember(request, door))
        try:
            response = await handler(request)
        except web.HTTPException as error:
            _strict(error)
            raise
        return _strict(response)

    return middleware


def this_machine() -> frozenset[str]:
    """The names of this machine."""
    name = socket.gethostname().lower()
    return frozenset({name, f"{name}.local", name.partition(".")[0]} - {""})


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _comes_by_link(request: web.Request, door: Door) -> bool:
    """Whether a person has opened the link with the token in it."""
    page = request.method == "GET" and "text/html" in request.headers.get("Accept", "")
    return bool(door.token) and page and _equal(request.query.get("token", ""), door.token)


def _remember(request: web.Request, door: Door) -> web.Response:
    """Put the token into a cookie and take it out of the address."""
    response = web.Response(status=303, headers={"Location": _without_token(request)})
    response.set_cookie(
        COOKIE, door.token, httponly=True, samesite="Strict", secure=door.secure, max_age=365 * 86400, path="/"
    )
    return response


def _without_token(request: web.Request) -> str:
    rest = [(key, value) for key, value in request.query.items() if key != "token"]
    # The path alone: `//elsewhere` would lead there.
    return str(request.rel_url.with_query(rest).with_path("/" + request.path.lstrip("/"), keep_query=True))


def _ask_for_token(request: web.Request) -> web.Response:
    said = "This server wants its token: open the link that `sfumato serve` printed, or send it as a bearer token."
    if "text/html" in request.headers.get("Accept", ""):
        return web.Response(status=401, text=said, content_type="text/plain")
    return problem(401, said, type="unauthorized")


def _strict(response: web.StreamResponse) -> web.StreamResponse:
    if not response.prepared:
        for name, value in _EVERYWHERE.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", FILE_POLICY)
    return response


def _name_of(host: str) -> str | None:
    """The name in a Host header, without its port; None when it is none."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if not host or parts.username is not None or parts.path or parts.query or parts.fragment or parts.hostname is None:
        return None
    return parts.hostname.lower().rstrip(".")


def _same(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _equal(offered: str, token: str) -> bool:
    return bool(offered) and hmac.compare_digest(offered.encode("utf-8", "surrogateescape"), token.encode())
