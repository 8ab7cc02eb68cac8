"""The queue, the history and the jobs in them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from aiohttp import web

from server.api import shapes
from server.api.answers import answer, json_object, number, optional_object, refuse, text_list
from server.api.keys import parts
from server.api.routes import Route
from server.jobs.model import Job, Logged, State
from server.jobs.narrate import parent_of
from server.jobs.store import Query

_STATUS: Mapping[State, str] = {
    State.QUEUED: "pending",
    State.RUNNING: "in_progress",
    State.DONE: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "failed",
    State.QUARANTINED: "failed",
}
_STATES: Mapping[str, tuple[State, ...]] = {
    status: tuple(state for state, name in _STATUS.items() if name == status) for status in _STATUS.values()
}
_MAX_WAIT_S = 60
_MEDIA = frozenset({"images", "gifs", "video", "audio", "3d"})


async def get_queue(request: web.Request) -> web.Response:
    """The jobs that run and wait, the next first."""
    queue = parts(request).queue
    return answer(
        {
            "queue_running": [_item(job) for job in queue.running],
            "queue_pending": [_item(job) for job in queue.pending],
            "paused": queue.paused,
        }
    )


async def post_queue(request: web.Request) -> web.Response:
    """Take waiting jobs out of the queue: some, or all."""
    body = await json_object(request)
    queue = parts(request).queue
    if body.get("clear"):
        await queue.withdraw(None)
    if "delete" in body:
        await queue.withdraw(text_list(body, "delete"))
    return web.Response()


async def post_interrupt(request: web.Request) -> web.Response:
    """Stop what runs; with a prompt_id, only if that job runs."""
    job_id = (await optional_object(request)).get("prompt_id")
    parts(request).queue.interrupt(str(job_id) if job_id is not None else None)
    return web.Response()


async def post_free(request: web.Request) -> web.Response:
    """Have the workers give memory back after what they run."""
    body = await json_object(request)
    weights, results = bool(body.get("unload_models")), bool(body.get("free_memory"))
    if weights or results:
        parts(request).queue.free(weights=weights, results=results)
    return web.Response()


async def get_history(request: web.Request) -> web.Response:
    """Jobs that have ended, by id, the first to end first."""
    limit, offset = number(request, "max_items", -1), number(request, "offset", -1)
    jobs = await parts(request).queue.store.history(limit, offset, request.query.get("text"))
    return answer({job.id: _entry(job) for job in jobs if job.started_ms})


async def get_history_entry(request: web.Request) -> web.Response:
    """A job that has ended, under its id; empty while it has not, or when there is none."""
    job = await parts(request).queue.store.job(request.match_info["id"])
    return answer({job.id: _entry(job)} if job is not None and job.state.ended and job.started_ms else {})


async def post_history(request: web.Request) -> web.Response:
    """Forget ended jobs: some, or all."""
    body = await json_object(request)
    store = parts(request).queue.store
    if body.get("clear"):
        await store.forget(None)
    if "delete" in body:
        await store.forget(text_list(body, "delete"))
    return web.Response()


async def get_jobs(request: web.Request) -> web.Response:
    """A page of all jobs, waiting, running and ended."""
    query = _query(request)
    found = await parts(request).queue.store.find(query)
    page = {
        "offset": query.offset,
        "limit": query.limit if query.limit >= 0 else None,
        "total": found.total,
        "has_more": query.offset + len(found.jobs) < found.total,
    }
    return answer({"jobs": [_job(job) for job in found.jobs], "pagination": page})


async def get_job(request: web.Request) -> web.Response:
    """One job, with its outputs and its attempts. 404 says that there is none of this id.

    With `wait`, a job that has not ended is answered for when it has, or after so many seconds.
    """
    queue, job_id = parts(request).queue, request.match_info["id"]

    async def has_ended() -> bool:
        job = None if queue.find(job_id) is not None else await queue.store.job(job_id)
        return queue.find(job_id) is None and (job is None or job.state.ended)

    await _until(request, job_id, has_ended)
    job = await queue.store.job(job_id)
    if job is None:
        return answer({"error": "Job not found"}, 404)
    if not job.state.ended and (live := queue.find(job.id)) is not None:
        job = live  # its start may not be written yet
    return answer({**_job(job), **_details(job), "attempts": await queue.store.attempts(job.id)})


async def get_job_events(request: web.Request) -> web.Response:
    """What happened to a job after an event's number, as the socket would have told it.

    With `wait`, the answer comes when there is something to tell, or after so many seconds.
    """
    store = parts(request).queue.store
    job_id, since = request.match_info["id"], number(request, "since", 0)
    if await store.job(job_id) is None:
        return answer({"error": "Job not found"}, 404)
    events: list[Logged] = []

    async def has_news() -> bool:
        events[:] = await store.events(since=since, job=job_id)
        return bool(events)

    await _until(request, job_id, has_news)
    return answer({"events": [{"seq": e.seq, "type": e.type, "data": e.data} for e in events]})


async def post_job_cancel(request: web.Request) -> web.Response:
    """Stop a job, waiting or running."""
    return answer({"cancelled": await parts(request).queue.cancel(request.match_info["id"])})


async def post_job_move(request: web.Request) -> web.Response:
    """Put a waiting job before another one, or last."""
    body = await json_object(request)
    before: object = body.get("before")
    if before is not None and not isinstance(before, str):
        refuse(400, "before must be the id of a waiting job, or null.")
    return answer({"moved": await parts(request).queue.move(request.match_info["id"], before)})


async def post_pause(request: web.Request) -> web.Response:
    """Start no more jobs; what runs goes on. Holds across a restart."""
    reason = (await optional_object(request)).get("reason")
    await parts(request).queue.pause(str(reason)[:500] if reason else "Paused.")
    return answer({"paused": parts(request).queue.paused})


async def post_resume(request: web.Request) -> web.Response:
    """Start jobs again."""
    await parts(request).queue.resume()
    return answer({"paused": parts(request).queue.paused})


async def _until(request: web.Request, job: str, holds: Callable[[], Awaitable[bool]]) -> None:
    """Return once it holds, or after the seconds that the request is ready to wait."""
    loop = asyncio.get_running_loop()
    due = loop.time() + min(number(request, "wait", 0), _MAX_WAIT_S)
    while True:
        news = parts(request).hub.news_of(job)
        left = due - loop.time()
        if await holds() or left <= 0:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), left)


def _item(job: Job) -> list[Any]:
    """ComfyUI's tuple for a job."""
    place = int(job.number) if job.number.is_integer() else job.number
    return [place, job.id, job.request.prompt, job.request.extra, list(job.request.targets)]


def _entry(job: Job) -> dict[str, Any]:
    outputs = job.result.outputs
    about = {node: _about(node, job.request.prompt) for node in outputs}
    return {"prompt": _item(job), "outputs": outputs, "status": _status(job), "meta": about}


def _about(node: str, prompt: Mapping[str, Any]) -> dict[str, Any]:
    """Where a node that showed something belongs: one inside an expansion is shown at the workflow's node."""
    display = node
    while display not in prompt and "." in display:
        display = display.rpartition(".")[0]
    display = display if display in prompt else node
    return {"node_id": node, "display_node": display, "parent_node": parent_of(node, display), "real_node_id": display}


def _status(job: Job) -> dict[str, Any]:
    done = job.state is State.DONE
    messages = [list(message) for message in job.result.messages]
    return {"status_str": "success" if done else "error", "completed": done, "messages": messages}


def _job(job: Job) -> dict[str, Any]:
    outputs = _previewable(job.result.outputs)
    found: dict[str, Any] = {
        "id": job.id,
        "status": _STATUS[job.state],
        "state": str(job.state),
        "priority": job.number,
        "create_time": job.created_ms,
        "execution_start_time": job.started_ms or None,
        "execution_end_time": job.ended_ms or None,
        "execution_error": job.result.error,
        "outputs_count": len(outputs) or None,
        "preview_output": next((o for o in outputs if o.get("type") == "output"), outputs[0] if outputs else None),
        "workflow_id": job.request.workflow_id,
        "attempt": job.attempts or None,
        "worker": job.worker or None,
        "reason": job.reason or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _details(job: Job) -> dict[str, Any]:
    details: dict[str, Any] = {"workflow": {"prompt": job.request.prompt, "extra_data": job.request.extra}}
    if job.state.ended:
        details |= {"outputs": job.result.outputs, "execution_status": _status(job)}
    return details


def _previewable(outputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for node, shown in outputs.items():
        for kind, items in cast("Mapping[str, Sequence[Any]]", shown).items():
            if kind in _MEDIA:
                found += [{**item, "nodeId": node, "mediaType": kind} for item in items if isinstance(item, dict)]
    return found


def _query(request: web.Request) -> Query:
    statuses = [name.strip() for name in request.query.get("status", "").split(",") if name.strip()]
    if unknown := [name for name in statuses if name not in _STATES]:
        _bad(f"status {unknown[0][:40]!r} is none of {', '.join(_STATES)}.")
    by, order = request.query.get("sort_by", "created_at"), request.query.get("sort_order", "desc")
    if by not in ("created_at", "execution_duration"):
        _bad("sort_by must be created_at or execution_duration.")
    if order not in ("asc", "desc"):
        _bad("sort_order must be asc or desc.")
    limit = number(request, "limit", -1)
    if "limit" in request.query and limit <= 0:
        _bad("limit must be at least 1.")
    return Query(
        states=tuple(state for name in statuses for state in _STATES[name]),
        workflow=request.query.get("workflow_id"),
        text=request.query.get("text"),
        by_duration=by == "execution_duration",
        descending=order == "desc",
        limit=limit,
        offset=max(number(request, "offset", 0), 0),
    )


def _bad(message: str) -> None:
    refuse(400, message)


ROUTES = (
    Route("GET", "/queue", get_queue, gives=shapes.QueueState),
    Route("POST", "/queue", post_queue, takes=shapes.QueueEdit),
    Route("POST", "/interrupt", post_interrupt, takes=shapes.InterruptBody),
    Route("POST", "/free", post_free, takes=shapes.FreeBody),
    Route("GET", "/history", get_history, query=shapes.HistoryQuery, gives=dict[str, shapes.HistoryEntry]),
    Route("GET", "/history/{id}", get_history_entry, gives=dict[str, shapes.HistoryEntry]),
    Route("POST", "/history", post_history, takes=shapes.QueueEdit),
    Route("GET", "/api/jobs", get_jobs, query=shapes.JobsQuery, gives=shapes.JobPage, twin=False),
    Route("GET", "/api/jobs/{id}", get_job, query=shapes.WaitQuery, gives=shapes.JobInfo, twin=False),
    Route("GET", "/api/jobs/{id}/events", get_job_events, query=shapes.SinceQuery, gives=shapes.EventList, twin=False),
    Route("POST", "/api/jobs/{id}/cancel", post_job_cancel, gives=shapes.Cancelled, twin=False),
    Route("POST", "/api/jobs/{id}/move", post_job_move, takes=shapes.MoveBody, gives=shapes.Moved, twin=False),
    Route("POST", "/api/queue/pause", post_pause, takes=shapes.Pause, gives=shapes.Paused, twin=False),
    Route("POST", "/api/queue/resume", post_resume, gives=shapes.Paused, twin=False),
)
