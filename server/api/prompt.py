"""Submitting prompts: ComfyUI's POST /prompt, and validation without running."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, cast

from aiohttp import web

from server.api import shapes
from server.api.answers import answer, json_object, problem, refuse
from server.api.examine import Examined, examine
from server.api.keys import parts
from server.api.routes import Route
from server.jobs.model import Request, now_ms
from server.jobs.store import Taken

_SECRETS = frozenset({"auth_token_comfy_org", "api_key_comfy_org"})
_MAX_ID = 256


async def get_prompt(request: web.Request) -> web.Response:
    """How many jobs wait or run."""
    return answer({"exec_info": {"queue_remaining": parts(request).queue.remaining}})


async def post_prompt(request: web.Request) -> web.Response:
    """Accept a job: it is on disk when the answer comes. The same prompt_id with the same prompt is accepted once."""
    body = _unwrapped(await json_object(request))
    job_id = _id(body)
    found = await examine(parts(request), body)
    if found.refusal is not None:
        return answer(found.refusal, 400)
    number, front = _place(body)
    wanted = Request(found.prompt, found.outputs, _extra(body, found))
    job = await parts(request).queue.submit(job_id, wanted, number=number, front=front)
    if isinstance(job, Taken):
        if job.job.request.prompt != wanted.prompt:
            return problem(400, f"There is another job of the id {job_id!r} already.", type="prompt_id_taken")
        job = job.job
    return answer({"prompt_id": job.id, "number": _short(job.number), "node_errors": found.node_errors})


async def post_validate(request: web.Request) -> web.Response:
    """Every problem of a prompt or an editor's file. Nothing is run."""
    found = await examine(parts(request), _unwrapped(await json_object(request)))
    refusal = found.refusal or {"error": None, "node_errors": found.node_errors}
    return answer(
        {
            "valid": found.refusal is None and not found.node_errors,
            **refusal,
            "outputs": list(found.outputs),
            "sentences": list(found.sentences),
        }
    )


def _unwrapped(body: dict[str, Any]) -> dict[str, Any]:
    """An editor's file that was posted as it is, in the place of the prompt."""
    if "prompt" not in body and isinstance(body.get("nodes"), list):
        return {"prompt": body}
    return body


def _id(body: Mapping[str, Any]) -> str:
    job_id = body.get("prompt_id")
    if job_id is None:
        return str(uuid.uuid4())
    job_id = str(job_id)
    if not job_id or len(job_id) > _MAX_ID or not job_id.isprintable():
        refuse(400, f"prompt_id must be 1 to {_MAX_ID} printable characters.")
    return job_id


def _place(body: Mapping[str, Any]) -> tuple[float | None, bool]:
    number: object = body.get("number")
    if number is None:
        return None, bool(body.get("front"))
    try:
        value = float(cast("str", number))
    except (TypeError, ValueError, OverflowError):
        refuse(400, f"number is {str(number)[:40]!r}; it must be a number.")
    if not abs(value) < 1e300:
        refuse(400, "number must be finite.")
    return value, False


def _extra(body: Mapping[str, Any], found: Examined) -> dict[str, Any]:
    given: object = body.get("extra_data")
    if given is not None and not isinstance(given, dict):
        refuse(400, "extra_data must be an object.")
    extra = {key: value for key, value in cast("dict[str, Any]", given or {}).items() if key not in _SECRETS}
    if body.get("client_id") is not None:
        extra["client_id"] = str(body["client_id"])
    if found.workflow is not None:
        info: object = extra.get("extra_pnginfo")
        known = cast("dict[str, Any]", info) if isinstance(info, dict) else {}
        extra["extra_pnginfo"] = {"workflow": found.workflow, **known}
    extra["create_time"] = now_ms()
    return extra


def _short(number: float) -> float | int:
    """ComfyUI's counter is a whole number; a number that a client chose may be any."""
    return int(number) if number.is_integer() else number


ROUTES = (
    Route("GET", "/prompt", get_prompt, gives=shapes.QueueLength),
    Route("POST", "/prompt", post_prompt, takes=shapes.PromptBody, gives=shapes.Accepted),
    Route("POST", "/api/validate", post_validate, takes=shapes.PromptBody, gives=shapes.Verdict, twin=False),
)
