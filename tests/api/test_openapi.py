"""The description of the API says what is served, and the page shows it."""

from __future__ import annotations

import re
from typing import Any

from server.api.application import OPEN_ROUTES
from server.api.openapi import describe
from server.api.workflows import ROUTES as PAGES
from tests.api.running import Running


def test_every_route_is_described_and_every_description_is_a_route(shared: Running) -> None:
    document = shared.get("/openapi.json")
    described = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    served = {
        (route.method, re.sub(r"\{(\w+):[^/]*\}", r"{\1}", path))
        for route in (*OPEN_ROUTES, *PAGES)
        for path in route.paths()
    }
    assert described == served | {("GET", "/openapi.json"), ("GET", "/reference")}
    assert document["openapi"] == "3.1.0"


def test_every_reference_leads_somewhere() -> None:
    document = describe((*OPEN_ROUTES, *PAGES))
    names = set(document["components"]["schemas"])
    assert {ref.rpartition("/")[2] for ref in references(document)} <= names
    identifiers = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(identifiers) == len(set(identifiers))
    assert all(operation["summary"] for path in document["paths"].values() for operation in path.values())


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for item in value.values() for ref in references(item)]
    return [ref for item in value for ref in references(item)] if isinstance(value, list) else []


def test_the_page_needs_nothing_from_elsewhere(shared: Running) -> None:
    page = shared.ask("GET", "/reference")
    text = page.body.decode()
    assert page.headers["Content-Type"].startswith("text/html")
    assert "/prompt" in text
    assert "<script" not in text
    assert "http" not in re.sub(r"HTTP", "", text).lower().replace("http api", "").replace("over http", "")


def test_answers_have_the_shapes_that_are_described(shared: Running) -> None:
    stats = shared.get("/system_stats")
    schemas = shared.get("/openapi.json")["components"]["schemas"]
    assert set(stats["system"]) == set(schemas["SystemInfo"]["properties"])
    assert set(stats["devices"][0]) == set(schemas["DeviceInfo"]["properties"])
    assert stats["system"]["comfyui_version"] == "0.8.0"


def test_metrics_are_prometheus_text(shared: Running) -> None:
    reply = shared.ask("GET", "/metrics")
    lines = reply.body.decode().splitlines()
    assert all(
        re.fullmatch(r"# (HELP|TYPE) sfumato_\w+ .+|sfumato_\w+(\{\w+=\"[^\"]*\"\})? [0-9.e+]+", line) for line in lines
    )
    assert any(line.startswith("sfumato_queue_pending ") for line in lines)
