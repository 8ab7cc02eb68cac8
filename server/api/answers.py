"""Reading requests and writing answers, with the errors that a client can act on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn, cast

from aiohttp import web

Json = Mapping[str, Any]
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def answer(value: Any, status: int = 200) -> web.Response:
    """A value as a JSON answer."""
    return web.Response(body=_dump(value), status=status, content_type="application/json")


def problem(status: int, message: str, *, type: str = "bad_request", details: str = "") -> web.Response:
    """An error as JSON: one sentence in `message`."""
    error: dict[str, Any] = {"type": type, "message": message, "details": details, "extra_info": {}}
    return answer({"error": error, "node_errors": {}}, status)


def refuse(status: int, message: str, *, type: str = "bad_request") -> NoReturn:
    """Raise an answer that says what is wrong."""
    raise Refused(status, message, type)


class Refused(Exception):  # noqa: N818
    """A request that cannot be served: the status and one sentence. Becomes an answer in one place."""

    def __init__(self, status: int, message: str, type: str = "bad_request") -> None:
        super().__init__(message)
        self.status = status
        self.type = type


async def json_body(request: web.Request) -> Any:
    """The body as JSON. Refuses what is none, or nests too deep."""
    try:
        data = await request.read()
        body: object = json.loads(data, parse_constant=_no_constant)
        if _SURROGATE.search(data):
            # Half of a pair is legal in JSON and in no file, database or socket that it would reach.
            json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        refuse(400, "The body holds half of a surrogate pair, which is no text.", type="invalid_text")
    except ValueError as error:
        refuse(400, f"The body is no JSON: {error}.", type="invalid_json")
    except RecursionError:
        refuse(400, "The body nests too deep.", type="invalid_json")
    return body


async def json_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object."""
    body = await json_body(request)
    if not isinstance(body, dict):
        refuse(400, f"The body must be a JSON object, not {_kind(body)}.", type="invalid_json")
    return cast("dict[str, Any]", body)


async def optional_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object; anything else counts as an empty one."""
    try:
        body: object = json.loads(await request.read() or b"{}")
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


def text_list(body: Json, key: str) -> list[str]:
    """A list of ids in a body; numbers count as their text."""
    value: object = body.get(key)
    if not isinstance(value, list):
        refuse(400, f"{key!r} must be a list of ids, not {_kind(value)}.")
    return [str(item) for item in cast("list[Any]", value)]


def number(request: web.Request, name: str, default: int) -> int:
    """A whole number of the query."""
    raw = request.query.get(name)
    if raw is None or raw == "":
        return default
    try:
        value = int(raw)
    except ValueError:
        refuse(400, f"{name} is {raw[:40]!r}; it must be a whole number.")
    if abs(value) >= 2**63:
        refuse(400, f"{name} is too large.")
    return value


def truthy(text: str | None) -> bool:
    """Whether a query or form value says yes."""
    return (text or "").lower() in ("true", "1")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _kind(value: object) -> str:
    names: Mapping[type, str] = {
        list: "a list",
        str: "a text",
        int: "a number",
        float: "a number",
        bool: "a truth value",
    }
    return "null" if value is None else names.get(type(value), "an object")


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
