"""What a stranger's page can make a browser send, and who may come in: refused everywhere, nothing changes."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path

import aiohttp
import pytest

from server.api.application import OPEN_ROUTES
from server.api.routes import Route
from server.api.security import Door, is_loopback
from server.api.workflows import ROUTES as PAGES
from tests.api.running import Reply, Running, running
from tests.jobs.test_disk import PNG, form

TOKEN = "t0ken-for-tests"
PROMPT = {
    "1": {"class_type": "ToyNumber", "inputs": {"value": 1}},
    "2": {"class_type": "ToySave", "inputs": {"value": ["1", 0], "prefix": "attacked"}},
}
ORIGINS = {
    "another site": "https://evil.example",
    "null": "null",
    "empty": "",
    "our name elsewhere": "http://127.0.0.1.evil.example",
    "our name before": "http://evil.example/127.0.0.1",
    "another port": "http://127.0.0.1:1",
    "file": "file://",
    "a user in it": "http://127.0.0.1@evil.example",
    "extension": "chrome-extension://abcdef",
    "broken": "http://[",
}
HOSTS = {
    "rebound": "evil.example",
    "rebound with port": "evil.example:8188",
    "our name in it": "127.0.0.1.evil.example",
    "our name before it": "localhost.evil.example",
    "a user in it": "127.0.0.1@evil.example",
    "an address that is not ours": "192.168.1.5:8188",
    "empty": "",
    "number": "2130706433.evil.example",
    "unicode": "ⓛocalhost.evil.example",
    "broken": "[::1",
    "path": "localhost/evil",
}
CHANGES: dict[str, tuple[str, str]] = {
    "prompt": ("POST", "/prompt"),
    "api prompt": ("POST", "/api/prompt"),
    "queue": ("POST", "/queue"),
    "interrupt": ("POST", "/interrupt"),
    "history": ("POST", "/history"),
    "free": ("POST", "/free"),
    "settings": ("POST", "/settings"),
    "userdata": ("POST", "/userdata/attacked.json"),
    "delete": ("DELETE", "/userdata/kept.json"),
    "pause": ("POST", "/api/queue/pause"),
    "upload": ("POST", "/upload/image"),
}
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    with running(tmp_path_factory.mktemp("attacked")) as found:
        found.ask("POST", "/userdata/kept.json", b"{}")
        yield found


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    with running(tmp_path_factory.mktemp("guarded"), token=TOKEN) as found:
        yield found


def unchanged(server: Running) -> None:
    assert server.get("/history") == {}
    assert server.get("/queue")["queue_pending"] == []
    assert server.get("/queue")["paused"] == ""
    assert server.get("/settings") == {}
    assert [entry["path"] for entry in server.get("/v2/userdata")] == ["kept.json"]
    assert list((server.base / "input").iterdir()) == []
    assert server.outputs() == []


def attack(server: Running, change: str, headers: dict[str, str]) -> Reply:
    method, path = CHANGES[change]
    if change == "upload":
        body, kind = form("attacked.png", PNG)
        return server.ask(method, path, body, {**kind, **headers})
    return server.ask(method, path, {"prompt": PROMPT, "clear": True, "delete": [], "unload_models": True}, headers)


@pytest.mark.parametrize("origin", ORIGINS)
def test_another_pages_requests_change_nothing(server: Running, origin: str) -> None:
    for change in CHANGES:
        assert attack(server, change, {"Origin": ORIGINS[origin]}).status == 403, change
    assert server.ask("GET", "/object_info", headers={"Origin": ORIGINS[origin]}).status == 403
    unchanged(server)


@pytest.mark.parametrize("content_type", FORMS)
def test_forms_of_another_page_change_nothing(server: Running, content_type: str) -> None:
    for site in ("cross-site", "same-site"):
        headers = {"Content-Type": content_type, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
        for change in CHANGES:
            assert attack(server, change, headers).status == 403, change
    unchanged(server)


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_that_is_not_ours_finds_nothing(server: Running, host: str) -> None:
    for change in CHANGES:
        headers = {"Host": HOSTS[host], "Origin": f"http://{HOSTS[host]}"}
        assert attack(server, change, headers).status in (400, 403), change
    assert server.ask("GET", "/", headers={"Host": HOSTS[host]}).status in (400, 403)
    unchanged(server)


@pytest.mark.parametrize(
    "path", ["/view?filename=x", "/prompt", "/api/jobs", "/", "/userdata?dir=.", "/ws", "/metrics"]
)
def test_pictures_and_scripts_of_another_page_get_nothing(server: Running, path: str) -> None:
    for mode, goal in (("no-cors", "image"), ("no-cors", "script"), ("navigate", "iframe"), ("websocket", "websocket")):
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": goal}
        assert server.ask("GET", path, headers=headers).status == 403


@pytest.mark.parametrize("origin", ORIGINS)
async def test_no_other_page_gets_a_socket(server: Running, origin: str) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{server.origin}/ws", headers={"Origin": ORIGINS[origin]})
    assert refused.value.status == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "PATCH"])
def test_no_other_method_changes_anything(server: Running, method: str) -> None:
    for change, (_, path) in CHANGES.items():
        reply = server.ask(method, path, {"prompt": PROMPT, "clear": True} if method in ("PUT", "PATCH") else None)
        assert reply.status in (200, 400, 404, 405), change
        assert "Access-Control-Allow-Origin" not in reply.headers
    unchanged(server)


def test_our_own_page_and_scripts_come_in(server: Running) -> None:
    own = server.origin
    for headers in ({"Origin": own, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {},
                    {"Host": own.removeprefix("http://").replace("127.0.0.1", "localhost")}):  # fmt: skip
        assert server.ask("GET", "/prompt", headers=headers).status == 200


def test_every_answer_keeps_browsers_strict(server: Running) -> None:
    for path in ("/", "/prompt", "/object_info", "/nothing", "/view?filename=none.png", "/reference", "/openapi.json"):
        headers = server.ask("GET", path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert (
        server.ask("GET", "/").headers["Content-Security-Policy"].startswith("default-src 'self'; img-src 'self' blob:")
    )


def every_route() -> list[Route]:
    return [*OPEN_ROUTES, *PAGES]


@pytest.mark.parametrize("route", every_route(), ids=lambda route: f"{route.method} {route.path}")
def test_every_route_wants_the_token(guarded: Running, route: Route) -> None:
    for path in route.paths():
        filled = re.sub(r"\{(\w+)[^/]*\}", "x", path)
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Cookie": "sfumato_token=wrong"},
            {"Authorization": TOKEN},
        ):
            assert guarded.ask(route.method, filled, headers=headers).status == 401, (filled, headers)
        assert guarded.ask(route.method, f"{filled}?token=wrong").status == 401


async def test_the_token_opens(guarded: Running) -> None:
    assert f"token={TOKEN}" in guarded.url
    assert not any(TOKEN in line for line in guarded.log)
    for path, headers in (
        ("/prompt", {"Authorization": f"Bearer {TOKEN}"}),
        ("/prompt", {"Cookie": f"sfumato_token={TOKEN}"}),
        (f"/prompt?token={TOKEN}", {}),
    ):
        assert guarded.ask("GET", path, headers=headers).status == 200
    link = guarded.ask("GET", f"/?token={TOKEN}&workflow=a", headers={"Accept": "text/html"})
    assert (link.status, link.headers["Location"]) == (303, "/?workflow=a")
    assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in link.headers["Set-Cookie"].split(";")}
    away = guarded.ask("GET", f"//evil.example/?token={TOKEN}", headers={"Accept": "text/html"})
    assert not away.headers.get("Location", "/x").startswith(("//", "http"))
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(f"{guarded.origin}/ws")
        async with session.ws_connect(f"{guarded.origin}/ws", headers={"Authorization": f"Bearer {TOKEN}"}) as ws:
            assert (await ws.receive_json())["type"] == "status"


def test_beyond_loopback_there_is_always_a_token(tmp_path: Path) -> None:
    with running(tmp_path, host="0.0.0.0", web=str(tmp_path / "web")) as server:
        token = server.url.partition("token=")[2]
        assert len(token) >= 24
        server.url = server.url.partition("?")[0]
        assert server.ask("GET", "/prompt").status == 401
        assert server.ask("GET", f"/prompt?token={token}").status == 200
        assert server.ask("GET", f"/prompt?token={token}", headers={"Host": "evil.example"}).status == 403


@pytest.mark.parametrize(
    ("host", "known"),
    [("localhost", True), ("LOCALHOST:1", True), ("[::1]:8188", True), ("127.9.9.9", True), ("a.localhost", True),
     ("10.0.0.7", False), ("evil", False), ("localhost.", True), ("", False), ("::1", False)],
)  # fmt: skip
def test_names_that_are_ours(host: str, known: bool) -> None:
    assert Door().knows_host(host) is known


def test_addresses_are_ours_beyond_loopback() -> None:
    door = Door(loopback=False, hosts=frozenset({"studio"}))
    assert door.knows_host("10.0.0.7:8188")
    assert door.knows_host("studio")
    assert not door.knows_host("evil.example")
    assert is_loopback("127.0.0.1")
    assert not is_loopback("0.0.0.0")


def test_there_are_as_many_as_were_asked_for() -> None:
    """Each of these is a request, or a handful, that must change nothing; a browser's own are in tests/e2e."""
    assert len(ORIGINS) * len(CHANGES) + len(FORMS) * len(CHANGES) + len(HOSTS) * len(CHANGES) >= 200
    assert len(ORIGINS) * 2 + len(FORMS) * 2 + len(HOSTS) + 7 * 4 >= 60
