"""A stranger's page in a real browser, beside a server that it can reach: nothing that it tries gets through."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Generator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.api.running import Running, running

PROMPT = {
    "prompt": {
        "1": {"class_type": "ToyNumber", "inputs": {"value": 1}},
        "2": {"class_type": "ToySave", "inputs": {"value": ["1", 0], "prefix": "stolen"}},
    }
}
TRIES = """
async ([target, prompt]) => {
  const outcome = {};
  const attempt = async (name, act) => {
    const tooLong = new Promise(resolve => setTimeout(resolve, 60000, 'failed'));
    try { outcome[name] = await Promise.race([act(), tooLong]); } catch { outcome[name] = 'failed'; }
  };
  const body = JSON.stringify(prompt);
  const post = (type, more) => () =>
    fetch(target + '/prompt', {method: 'POST', body, headers: {'Content-Type': type}, ...more})
    .then(async reply => reply.type + ' ' + reply.status + ' ' + await reply.text());
  await attempt('json', post('application/json'));
  await attempt('plain text', post('text/plain'));
  await attempt('plain text, unread', post('text/plain', {mode: 'no-cors'}));
  await attempt('form', post('application/x-www-form-urlencoded', {mode: 'no-cors', credentials: 'include'}));
  await attempt('multipart', post('multipart/form-data; boundary=b', {mode: 'no-cors'}));
  await attempt('read', () => fetch(target + '/history').then(reply => reply.text()));
  await attempt('read, unread', () =>
    fetch(target + '/history', {mode: 'no-cors'}).then(reply => reply.type + ' ' + reply.status));
  await attempt('delete', () => fetch(target + '/userdata/mine.json', {method: 'DELETE'}).then(reply => reply.status));
  await attempt('beacon', () => String(navigator.sendBeacon(target + '/prompt', body)));
  await attempt('socket', () => new Promise((resolve, reject) => {
    const socket = new WebSocket(target.replace('http', 'ws') + '/ws?clientId=thief');
    socket.onmessage = event => resolve('heard ' + event.data);
    socket.onerror = () => reject(new Error('refused'));
  }));
  await attempt('script', () => new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = target + '/object_info';
    script.onload = () => resolve('loaded'); script.onerror = reject;
    document.head.append(script);
  }));
  await attempt('picture', () => new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve('shown ' + image.naturalWidth); image.onerror = reject;
    image.src = target + '/view?filename=mine.png&type=input';
  }));
  await attempt('frame', () => new Promise(resolve => {
    const frame = document.createElement('iframe');
    frame.onload = () => {
      try { resolve('framed ' + frame.contentDocument.title); } catch { resolve('failed'); }
    };
    frame.src = target + '/'; document.body.append(frame);
  }));
  return outcome;
}
"""
FORM = """
([target, prompt]) => {
  const form = document.createElement('form');
  form.method = 'POST'; form.action = target + '/prompt'; form.enctype = 'text/plain';
  const field = document.createElement('input');
  const text = JSON.stringify(prompt);
  field.name = text.slice(0, -1) + ', "ignored": "'; field.value = '"}';
  form.append(field); document.body.append(form); form.submit();
}
"""
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)


class StrangersPage(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = b"<!doctype html><title>Win a prize</title><body>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def stranger() -> Generator[str]:
    """The address of a page that is not ours."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), StrangersPage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    with running(tmp_path_factory.mktemp("victim")) as server:
        server.get("/object_info")
        server.ask("POST", "/userdata/mine.json", b'"mine"')
        (server.base / "input" / "mine.png").write_bytes(PIXEL)
        yield server


def untouched(server: Running) -> bool:
    """Whether no job was made or run, and nothing written or removed."""
    queue = server.get("/queue")
    jobs = server.get("/api/jobs")["jobs"]
    return (
        queue["queue_running"] == queue["queue_pending"] == jobs == []
        and server.get("/history") == {}
        and server.outputs() == []
        and server.get("/userdata/mine.json") == "mine"
    )


def test_a_strangers_page_gets_nothing_through(page: Page, stranger: str, victim: Running) -> None:
    page.goto(stranger)
    outcome: dict[str, Any] = page.evaluate(TRIES, [victim.origin, PROMPT])
    told = json.dumps(outcome)
    assert "prompt_id" not in told
    assert "heard" not in told
    assert "loaded" not in told
    assert "shown" not in told
    assert "framed Sfumato" not in told
    assert outcome["json"] == outcome["plain text"] == outcome["read"] == outcome["delete"] == "failed"
    assert len(outcome) == 13
    assert untouched(victim)


def test_a_strangers_form_is_refused(page: Page, stranger: str, victim: Running) -> None:
    page.goto(stranger)
    with page.expect_response(lambda reply: reply.url == f"{victim.origin}/prompt") as answered:
        page.evaluate(FORM, [victim.origin, PROMPT])
    assert answered.value.status == 403
    assert untouched(victim)


def test_a_name_that_is_pointed_here_finds_nothing(
    browser: Browser, browser_type_launch_args: dict[str, Any], victim: Running
) -> None:
    """DNS rebinding: the stranger's own name, as the browser sees it, leads to the server."""
    port = urlsplit(victim.origin).port
    rebound = browser.browser_type.launch(
        executable_path=browser_type_launch_args["executable_path"],
        args=[*browser_type_launch_args["args"], "--host-resolver-rules=MAP prize.example 127.0.0.1"],
    )
    try:
        tab = rebound.new_page()
        tab.route("**/prize", lambda route: route.fulfill(content_type="text/html", body="<!doctype html><body>"))
        tab.goto(f"http://prize.example:{port}/prize")
        outcome: dict[str, Any] = tab.evaluate(TRIES, [f"http://prize.example:{port}", PROMPT])
        reply = tab.goto(f"http://prize.example:{port}/")
        assert reply is not None
        assert reply.status == 403
    finally:
        rebound.close()
    told = json.dumps(outcome)
    assert "prompt_id" not in told
    assert "heard" not in told
    assert "shown" not in told
    assert outcome["json"] == "failed" or " 403 " in outcome["json"]  # newer browsers do not even ask
    assert untouched(victim)


def test_our_own_page_is_let_in(page: Page, victim: Running) -> None:
    """What proves that the others are refused for who they are."""
    page.goto(victim.origin)
    outcome: dict[str, Any] = page.evaluate(TRIES, [victim.origin, PROMPT])
    assert "prompt_id" in outcome["json"]
    assert "heard" in outcome["socket"]
    assert outcome["picture"] == "shown 1"
