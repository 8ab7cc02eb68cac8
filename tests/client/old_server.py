"""A server that speaks ComfyUI's plain API and nothing else, by its documented shapes: no replay, no tokens.

Its one kind of node, "Work", counts its steps and shows a file; `fail` makes it fail, `hold` waits for /test/release.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import WSMsgType, web

PIXEL = b"\x89PNG old pixel"


class OldServer:
    """Takes prompts, runs one at a time, and tells only the client whose prompt it is."""

    def __init__(self) -> None:
        self.pending: list[list[Any]] = []
        self.running: list[Any] | None = None
        self.history: dict[str, Any] = {}
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.files: dict[tuple[str, str, str], bytes] = {}
        self.queries: list[dict[str, str]] = []
        self.number = 0
        self.interrupted = False
        self.release = asyncio.Event()
        self.wake = asyncio.Event()

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/ws", self.ws),
                web.post("/prompt", self.post_prompt),
                web.get("/queue", self.get_queue),
                web.post("/queue", self.post_queue),
                web.post("/interrupt", self.post_interrupt),
                web.get("/history/{id}", self.get_history),
                web.get("/view", self.view),
                web.post("/upload/image", self.upload),
                web.post("/upload/mask", self.upload),
                web.get("/object_info", self.object_info),
                web.get("/object_info/{node}", self.object_info),
                web.get("/system_stats", self.system_stats),
                web.post("/test/drop", self.drop),
                web.post("/test/release", self.let_go),
            ]
        )
        app.cleanup_ctx.append(self.worker)
        return app

    async def worker(self, _app: web.Application) -> AsyncIterator[None]:
        task = asyncio.ensure_future(self.work())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    # -- routes -------------------------------------------------------------------------------------------------

    async def ws(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.queries.append(dict(request.query))
        client = request.query["clientId"]
        self.sockets[client] = socket
        await socket.send_json({"type": "status", "data": {**self.status(), "sid": client}})
        async for message in socket:
            if message.type is WSMsgType.TEXT and json.loads(message.data)["type"] == "feature_flags":
                await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
        if self.sockets.get(client) is socket:
            del self.sockets[client]
        return socket

    async def post_prompt(self, request: web.Request) -> web.Response:
        body = await request.json()
        prompt, errors = body["prompt"], {}
        if "nodes" in prompt:
            return self.refuse("invalid_prompt", "Cannot execute because a node is missing the class_type property.")
        for name, node in prompt.items():
            steps = node["inputs"].get("steps", 1)
            if steps < 1:
                error = {"type": "value_smaller_than_min", "message": f"Value {steps} smaller than min of 1"}
                more = {"details": "steps", "extra_info": {"input_name": "steps"}}
                errors[name] = {"errors": [{**error, **more}], "dependent_outputs": [name], "class_type": "Work"}
        good = [name for name in prompt if name not in errors]
        if not good:
            return self.refuse("prompt_outputs_failed_validation", "Prompt outputs failed validation", errors)
        number = self.number
        self.number += 1
        extra = {**body.get("extra_data", {}), "client_id": body.get("client_id")}
        self.pending.append([-number if body.get("front") else number, body["prompt_id"], prompt, extra, good])
        self.pending.sort(key=lambda item: item[:2])
        self.wake.set()
        return web.json_response({"prompt_id": body["prompt_id"], "number": number, "node_errors": errors})

    def refuse(self, kind: str, message: str, node_errors: Any = None) -> web.Response:
        error = {"type": kind, "message": message, "details": "", "extra_info": {}}
        return web.json_response({"error": error, "node_errors": node_errors or {}}, status=400)

    async def get_queue(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"queue_running": [self.running] if self.running else [], "queue_pending": self.pending}
        )

    async def post_queue(self, request: web.Request) -> web.Response:
        gone = (await request.json()).get("delete", [])
        self.pending = [item for item in self.pending if item[1] not in gone]
        return web.Response()

    async def post_interrupt(self, request: web.Request) -> web.Response:
        wanted = (await request.json()).get("prompt_id")
        if self.running is not None and wanted == self.running[1]:
            self.interrupted = True
            self.release.set()
        return web.Response()

    async def get_history(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        return web.json_response({name: self.history[name]} if name in self.history else {})

    async def view(self, request: web.Request) -> web.Response:
        query = request.query
        data = self.files.get((query.get("type", "output"), query.get("subfolder", ""), query["filename"]))
        return web.Response(body=data, content_type="image/png") if data is not None else web.Response(status=404)

    async def upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        image: Any = form["image"]
        place, subfolder = str(form.get("type", "input")), str(form.get("subfolder", ""))
        data = image.file.read()
        if "original_ref" in form:
            original = json.loads(str(form["original_ref"]))
            data = self.files[original["type"], original["subfolder"], original["filename"]] + data
        name, count = image.filename, 0
        while form.get("overwrite") != "true" and self.files.get((place, subfolder, name), data) != data:
            count += 1
            name = f"{image.filename.removesuffix('.png')} ({count}).png"
        self.files[place, subfolder, name] = data
        return web.json_response({"name": name, "subfolder": subfolder, "type": place})

    async def object_info(self, request: web.Request) -> web.Response:
        info = {"Work": {"input": {"required": {"steps": ["INT", {"min": 1}]}}, "name": "Work"}}
        wanted = request.match_info.get("node")
        return web.json_response({k: v for k, v in info.items() if wanted in (None, k)})

    async def system_stats(self, _request: web.Request) -> web.Response:
        return web.json_response({"system": {"comfyui_version": "0.8.0"}, "devices": []})

    async def drop(self, _request: web.Request) -> web.Response:
        """Break every connection, as a network does."""
        for socket in list(self.sockets.values()):
            await socket.close()
        return web.Response()

    async def let_go(self, _request: web.Request) -> web.Response:
        self.release.set()
        return web.Response()

    # -- running ------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        return {"status": {"exec_info": {"queue_remaining": len(self.pending) + bool(self.running)}}}

    async def work(self) -> None:
        while True:
            while not self.pending:
                self.wake.clear()
                await self.wake.wait()
            self.running = self.pending.pop(0)
            self.interrupted = False
            await self.run(*self.running[1:])

    async def run(self, job: str, prompt: Any, extra: Any, good: list[str]) -> None:
        client, outputs, messages = extra["client_id"], {}, []

        async def say(kind: str, data: Any) -> None:
            if kind.startswith("execution_"):
                data = {**data, "timestamp": 1}
                messages.append([kind, data])
            await self.send(client, json.dumps({"type": kind, "data": data}))

        await say("execution_start", {"prompt_id": job})
        await say("execution_cached", {"nodes": [], "prompt_id": job})
        end = "execution_success"
        for name in good:
            inputs = prompt[name]["inputs"]
            await say("executing", {"node": name, "display_node": name, "prompt_id": job})
            if inputs.get("hold"):
                await self.release.wait()
                self.release.clear()
            where = {"prompt_id": job, "node_id": name, "node_type": "Work", "executed": list(outputs)}
            if self.interrupted:
                end = "execution_interrupted"
                await say(end, where)
                break
            if inputs.get("fail"):
                end = "execution_error"
                what = {"exception_message": "Work was told to fail.\n", "exception_type": "RuntimeError"}
                await say(
                    end, {**where, **what, "traceback": ["one line"], "current_inputs": {}, "current_outputs": []}
                )
                break
            for step in range(inputs.get("steps", 1)):
                progress = {"value": step + 1, "max": inputs["steps"], "prompt_id": job, "node": name}
                await say("progress", progress)
                await self.send(client, struct.pack(">II", 1, 2) + PIXEL)
            filename = f"old_{len(self.files) + 1:05}_.png"
            self.files["output", "", filename] = PIXEL
            outputs[name] = {"images": [{"filename": filename, "subfolder": "", "type": "output"}]}
            await say("executed", {"node": name, "display_node": name, "output": outputs[name], "prompt_id": job})
        else:
            await say(end, {"prompt_id": job})
        done = end == "execution_success"
        status = {"status_str": "success" if done else "error", "completed": done, "messages": messages}
        self.history[job] = {"prompt": [0, job, prompt, extra, good], "outputs": outputs, "status": status, "meta": {}}
        self.running = None
        await self.send(client, json.dumps({"type": "status", "data": self.status()}))
        await say("executing", {"node": None, "prompt_id": job})

    async def send(self, client: str, message: str | bytes) -> None:
        socket = self.sockets.get(client)
        if socket is None or socket.closed:
            return
        if isinstance(message, str):
            await socket.send_str(message)
        else:
            await socket.send_bytes(message)
