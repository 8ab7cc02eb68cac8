"""The description of the API (OpenAPI 3.1), made of the routes and their types, and a page to read it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Any, Literal, NotRequired, Required, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from aiohttp import web

from server.api.answers import answer
from server.api.routes import Route
from server.api.shapes import Refusal

Json = dict[str, Any]

_PLAIN: Mapping[Any, Json] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
}


def describe(routes: Iterable[Route]) -> Json:
    """The OpenAPI document of these routes."""
    schemas: Json = {}
    paths: dict[str, Json] = {}
    for route in routes:
        for path in route.paths():
            paths.setdefault(_plain_path(path), {})[route.method.lower()] = _operation(route, path, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sfumato",
            "version": "1",
            "description": "ComfyUI's HTTP API, with additions: validation, durable jobs, replay of missed events.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def add_description(app: web.Application, routes: Iterable[Route]) -> tuple[Route, ...]:
    """Serve the description of these routes and of the two that this adds; gives those two."""
    document: Json = {}

    async def get_openapi(request: web.Request) -> web.Response:  # noqa: ARG001
        """This description, as OpenAPI 3.1."""
        return answer(document)

    async def get_reference(request: web.Request) -> web.Response:  # noqa: ARG001
        """This description, as a page."""
        return web.Response(
            text=_page(document), content_type="text/html", headers={"Content-Security-Policy": _POLICY}
        )

    own = (
        Route("GET", "/openapi.json", get_openapi, gives=dict[str, Any], twin=False),
        Route("GET", "/reference", get_reference, gives="text/html", twin=False),
    )
    for route in own:
        app.router.add_get(route.path, route.handler)
    document.update(describe((*own, *routes)))
    return own


def schema_of(kind: Any, schemas: Json) -> Json:
    """The JSON schema of a type; TypedDicts go into `schemas` and are referred to."""
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (NotRequired, Required):
        return schema_of(inner[0], schemas)
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in (Union, UnionType):
        return {"anyOf": [schema_of(each, schemas) for each in inner]}
    if origin is list or kind is list:
        return {"type": "array", "items": schema_of(inner[0], schemas) if inner else {}}
    if origin is dict or kind is dict:
        return {"type": "object", "additionalProperties": schema_of(inner[1], schemas) if inner else {}}
    if is_typeddict(kind):
        return _reference(kind, schemas)
    raise TypeError(f"{kind!r} has no JSON schema.")


def _reference(kind: Any, schemas: Json) -> Json:
    name = str(kind.__name__)
    if name not in schemas:
        schemas[name] = {}
        properties = {field: schema_of(hint, schemas) for field, hint in get_type_hints(kind).items()}
        required = sorted(kind.__required_keys__)
        schemas[name] = {
            "type": "object",
            "description": " ".join((kind.__doc__ or "").split()),
            "properties": properties,
            **({"required": required} if required else {}),
        }
    return {"$ref": f"#/components/schemas/{name}"}


def _operation(route: Route, path: str, schemas: Json) -> Json:
    operation: Json = {
        "operationId": f"{route.handler.__name__}{'_api' if path.startswith('/api') and route.twin else ''}",  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportFunctionMemberAccess]
        "summary": route.description.split(". ")[0].rstrip("."),
        "description": route.description,
        "responses": {
            "200": {"description": "Done.", **_content(route.gives, schemas)},
            "default": {"description": "Refused.", **_content(Refusal, schemas)},
        },
    }
    if parameters := [*_path_parameters(path), *_query_parameters(route.query, schemas)]:
        operation["parameters"] = parameters
    if route.takes is not None:
        operation["requestBody"] = {"required": True, **_content(route.takes, schemas)}
    return operation


def _content(kind: Any, schemas: Json) -> Json:
    if kind is None:
        return {}
    if isinstance(kind, str):
        return {"content": {kind: {"schema": {}}}}
    return {"content": {"application/json": {"schema": schema_of(kind, schemas)}}}


def _plain_path(path: str) -> str:
    return re.sub(r"\{(\w+):[^/]*\}", r"{\1}", path)


def _path_parameters(path: str) -> list[Json]:
    names = re.findall(r"\{(\w+)\}", _plain_path(path))
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(query: type | None, schemas: Json) -> list[Json]:
    if query is None:
        return []
    required = cast("frozenset[str]", getattr(query, "__required_keys__", frozenset[str]()))
    return [
        {"name": name, "in": "query", "required": name in required, "schema": schema_of(hint, schemas)}
        for name, hint in get_type_hints(query).items()
    ]


_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}code,pre{background:#262626!important}}
details{border-top:1px solid #8884;padding:.4rem 0}summary{cursor:pointer}
code,pre{font:13px/1.45 ui-monospace,monospace;background:#f3f3f3;border-radius:4px;padding:.1em .3em}
pre{padding:.6rem;overflow:auto}.m{display:inline-block;width:4.2rem;font-weight:600}
"""


def _page(document: Json) -> str:
    rows = "".join(
        _row(method, path, operation)
        for path, operations in sorted(document["paths"].items())
        if f"/api{path}" not in document["paths"]
        for method, operation in operations.items()
    )
    shapes = "".join(
        f'<details id="{name}"><summary><code>{name}</code> {html.escape(schema["description"])}</summary>'
        f"<pre>{html.escape(_fields(schema))}</pre></details>"
        for name, schema in sorted(document["components"]["schemas"].items())
    )
    about = html.escape(document["info"]["description"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Sfumato API</title><style>{_STYLE}</style>'
        f'<h1>Sfumato API</h1><p>{about} As a document: <a href="/openapi.json">openapi.json</a>. Routes under '
        f"<code>/api</code> that ComfyUI has without it are found without it too.</p>"
        f"{rows}<h2>Types</h2>{shapes}</html>"
    )


def _row(method: str, path: str, operation: Json) -> str:
    lines = [f"{p['in']} {p['name']}: {_type(p['schema'])}" for p in operation.get("parameters", ())]
    for title, place in (("body", operation.get("requestBody", {})), ("answer", operation["responses"]["200"])):
        for media, content in place.get("content", {}).items():
            kind = _type(content["schema"]) if content["schema"] else ""
            lines.append(f"{title} {media}{': ' + kind if kind else ''}")
    return (
        f'<details><summary><span class="m">{method.upper()}</span><code>{html.escape(path)}</code> '
        f"{html.escape(operation['summary'])}</summary><p>{html.escape(operation['description'])}</p>"
        f"<pre>{html.escape(chr(10).join(lines))}</pre></details>"
    )


def _fields(schema: Json) -> str:
    required = set(schema.get("required", ()))
    return "\n".join(
        f"{name}{'' if name in required else '?'}: {_type(kind)}" for name, kind in schema["properties"].items()
    )


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(repr(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_type(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return f"[{_type(schema['items'])}]"
    if schema.get("type") == "object":
        return f"{{name: {_type(schema['additionalProperties'])}}}"
    return schema.get("type", "any")
