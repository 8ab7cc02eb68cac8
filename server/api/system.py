"""The machine, the versions, what can be done, and figures for monitoring."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from aiohttp import web

from server.api import shapes
from server.api.answers import answer
from server.api.keys import Parts, parts
from server.api.routes import Route
from server.workers.machine import cpu_device, host_memory, rss_bytes

COMFYUI_VERSION = "0.8.0"
"""The version whose API this is; clients ask for it."""


async def get_system_stats(request: web.Request) -> web.Response:
    """The machine and its devices, with the memory that is free now."""
    total, free = host_memory()
    system = {
        "os": sys.platform,
        "ram_total": total,
        "ram_free": free,
        "comfyui_version": COMFYUI_VERSION,
        "required_frontend_version": "1.35.9",
        "installed_templates_version": _version("sfumato"),
        "required_templates_version": _version("sfumato"),
        "python_version": sys.version,
        "pytorch_version": _version("torch"),
        "embedded_python": False,
        "argv": ["sfumato", "serve"],
        "sfumato_version": _version("sfumato"),
    }
    devices = [dict(state.device) for state in parts(request).queue.pool.workers.values() if state.device]
    return answer({"system": system, "devices": devices or [cpu_device()]})


async def get_features(request: web.Request) -> web.Response:
    """What this server can do beside the basics."""
    return answer(features(parts(request).max_upload_bytes))


async def get_metrics(request: web.Request) -> web.Response:
    """Figures in Prometheus' text form."""
    lines = [line for block in _metrics(parts(request)) for line in block]
    return web.Response(text="\n".join(lines) + "\n", content_type="text/plain", charset="utf-8")


def features(max_upload_bytes: int) -> dict[str, Any]:
    """The answer of /features, which a socket is told too."""
    return {
        "supports_preview_metadata": True,
        "max_upload_size": max_upload_bytes,
        "supports_replay_since": True,
        "extension": {"manager": {"supports_v4": False}},
    }


@cache
def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "0"


def _metrics(found: Parts) -> Iterator[list[str]]:
    queue, totals = found.queue, found.queue.totals
    workers = queue.pool.workers
    yield _metric("sfumato_queue_pending", "gauge", "Jobs that wait.", {"": len(queue.pending)})
    yield _metric("sfumato_queue_running", "gauge", "Jobs that run.", {"": len(queue.running)})
    yield _metric("sfumato_queue_paused", "gauge", "1 while no job is started.", {"": int(bool(queue.paused))})
    yield _metric(
        *("sfumato_jobs_total", "counter", "Jobs that ended, by how."),
        {f'{{state="{state}"}}': count for state, count in totals.ended.items()},
    )
    yield _metric("sfumato_job_seconds_total", "counter", "Time that jobs ran.", {"": round(totals.seconds, 3)})
    yield _metric(
        *("sfumato_nodes_total", "counter", "Nodes of ended jobs, by whether their results were known."),
        {'{from="cache"}': totals.nodes_cached, '{from="run"}': totals.nodes_run},
    )
    yield _metric("sfumato_worker_deaths_total", "counter", "Workers that died.", {"": totals.deaths})
    yield _metric("sfumato_sockets", "gauge", "Clients that are connected.", {"": len(found.hub)})
    yield _metric("sfumato_uptime_seconds", "counter", "Time since the start.", {"": round(_uptime(found), 1)})
    yield _metric("sfumato_server_rss_bytes", "gauge", "Memory of the server's process.", {"": rss_bytes()})
    yield _metric(
        *("sfumato_worker_up", "gauge", "1 while the worker can run jobs."),
        {_label(name): int(state.ready) for name, state in workers.items()},
    )
    yield _metric(
        *("sfumato_worker_rss_bytes", "gauge", "Memory of the worker's process."),
        {_label(name): state.rss_bytes for name, state in workers.items()},
    )
    yield _metric(
        *("sfumato_device_free_bytes", "gauge", "Memory that is free on the worker's device."),
        {_label(name): state.device["vram_free"] for name, state in workers.items() if state.device},
    )
    for key in sorted({key for state in workers.values() for key in state.cache}):
        name = f"sfumato_cache_{key}"
        kind = "gauge" if key.endswith("bytes") else "counter"
        values = {_label(name): state.cache[key] for name, state in workers.items() if key in state.cache}
        yield _metric(name, kind, f"The result cache: {key.replace('_', ' ')}.", values)


def _metric(name: str, kind: str, help: str, values: Mapping[str, float]) -> list[str]:
    return [
        f"# HELP {name} {help}",
        f"# TYPE {name} {kind}",
        *(f"{name}{label} {value}" for label, value in values.items()),
    ]


def _label(worker: str) -> str:
    return f'{{worker="{worker}"}}'


def _uptime(found: Parts) -> float:
    return time.monotonic() - found.started


def about_this_machine() -> str:
    """One line for the log at the start."""
    return f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} processors"


ROUTES = (
    Route("GET", "/system_stats", get_system_stats, gives=shapes.SystemStats),
    Route("GET", "/features", get_features, gives=dict[str, Any]),
    Route("GET", "/metrics", get_metrics, gives="text/plain", twin=False),
)
