"""One client, two kinds of servers: ours, and one that knows only ComfyUI's plain shapes."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from sfumato.building import Workflow
from sfumato.client import (
    Cached,
    Cancelled,
    Client,
    ClientError,
    Done,
    Event,
    Executed,
    Executing,
    Failed,
    FileRef,
    JobFailed,
    Preview,
    Progress,
    Queued,
    Refused,
    Started,
    Unreachable,
    draw,
)
from tests.api.running import Running, running
from tests.client.old_server import PIXEL, OldServer


@dataclass(frozen=True)
class Old:
    """The plain server, and prompts of its nodes."""

    url: str
    server: OldServer

    def prompt(self, steps: int = 2, **more: Any) -> dict[str, Any]:
        return {"work": {"class_type": "Work", "inputs": {"steps": steps, **more}}}

    def held(self) -> dict[str, Any]:
        return self.prompt(hold=True)

    def failing(self) -> dict[str, Any]:
        return self.prompt(fail=True)

    def refused(self) -> dict[str, Any]:
        return self.prompt(steps=0)

    known, lasting = "Work", False
    refused_because = "Work (node work): Value 0 smaller than min of 1 (steps)."


@dataclass(frozen=True)
class Ours:
    """A real Sfumato server, and prompts of its toys."""

    url: str
    server: Running

    def prompt(self, steps: int = 2, seconds: float = 0.02, value: int = 1, **last: Any) -> dict[str, Any]:
        return {
            "number": {"class_type": "ToyNumber", "inputs": {"value": value}},
            "work": {
                "class_type": "ToyWait",
                "inputs": {"value": ["number", 0], "seconds": seconds, "steps": steps, "previews": True},
            },
            "save": {"class_type": "ToySave", "inputs": {"value": ["work", 0], **last}},
        }

    def held(self) -> dict[str, Any]:
        return self.prompt(steps=5000, seconds=500)

    def failing(self) -> dict[str, Any]:
        prompt = self.prompt()
        prompt["work"] = {"class_type": "ToyDie", "inputs": {"value": ["number", 0], "how": "error"}}
        return prompt

    def refused(self) -> dict[str, Any]:
        return self.prompt(steps=0)

    known, lasting = "ToyWait", True
    refused_because = "ToyWait (node work): steps is 0; it must be at least 1."


@contextlib.asynccontextmanager
async def old_server() -> AsyncIterator[Old]:
    server = OldServer()
    runner = web.AppRunner(server.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield Old(f"http://127.0.0.1:{runner.addresses[0][1]}", server)
    finally:
        await runner.cleanup()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running(tmp_path_factory.mktemp("real")) as server:
        yield server


@pytest.fixture(params=["ours", "plain"])
async def there(request: pytest.FixtureRequest) -> AsyncIterator[Ours | Old]:
    if request.param == "ours":
        server = request.getfixturevalue("real")
        yield Ours(server.origin, server)
        return
    async with old_server() as old:
        yield old


async def followed(client: Client, prompt: Any, **how: Any) -> list[Event]:
    job = await client.submit(prompt, **how)
    return [event async for event in job.follow()]


async def test_a_job_is_followed_to_its_end(there: Ours | Old) -> None:
    async with Client(there.url) as client:
        events = await followed(client, there.prompt(steps=3), previews=True)
        kinds = [type(event) for event in events]
        assert kinds[0] is Queued
        assert kinds.count(Started) == kinds.count(Cached) == kinds.count(Done) == 1
        assert kinds.index(Started) < kinds.index(Executing) < kinds.index(Executed)
        assert [e.value for e in events if isinstance(e, Progress)][-1] == 3
        assert any(isinstance(e, Preview) and e.mime == "image/png" and b"PNG" in e.data[:8] for e in events)
        done = events[-1]
        assert isinstance(done, Done)
        (file,) = done.files
        assert [e.files for e in events if isinstance(e, Executed)] == [(file,)]
        assert await client.fetch(file) in (PIXEL, b"1")


async def test_a_result_is_awaited_without_following(there: Ours | Old) -> None:
    async with Client(there.url) as client:
        jobs = [await client.submit(Workflow(there.prompt(steps=each))) for each in (1, 2, 3)]
        results = await asyncio.gather(*(job.result() for job in jobs))
        assert [len(done.files) for done in results] == [1, 1, 1]
        assert [job.end for job in jobs] == list(results)


async def test_a_refused_workflow_names_each_problem(there: Ours | Old) -> None:
    async with Client(there.url) as client:
        with pytest.raises(Refused) as refused:
            await client.submit(there.refused())
    (problem,) = refused.value.problems
    assert (problem.node, problem.node_type, problem.input) == ("work", there.known, "steps")
    assert problem.type == "value_smaller_than_min"
    assert there.refused_because in str(refused.value)


async def test_a_failure_names_its_node(there: Ours | Old) -> None:
    async with Client(there.url) as client:
        job = await client.submit(there.failing())
        with pytest.raises(JobFailed, match=r"\(node work\): .*was told to fail\.$") as failed:
            await job.result()
        assert isinstance(failed.value.end, Failed)
        assert failed.value.end.exception_type


async def test_a_running_job_is_cancelled(there: Ours | Old) -> None:
    async with Client(there.url) as client:
        job = await client.submit(there.held())
        async for event in job.follow():
            if isinstance(event, Executing) and event.node == "work":
                await job.cancel()
        assert job.end == Cancelled(job.id)
        with pytest.raises(JobFailed, match="was cancelled"):
            await job.result()


async def test_a_waiting_job_is_cancelled(there: Ours | Old) -> None:
    async with Client(there.url) as client:
        held = await client.submit(there.held())
        waiting = await client.submit(there.prompt())
        await waiting.cancel()
        assert [type(e) for e in [e async for e in waiting.follow()]] == [Queued, Cancelled]
        await held.cancel()
        with pytest.raises(JobFailed):
            await held.result()
        assert await client.queue() == ((), ())


async def test_what_happens_while_the_connection_is_broken_is_told(there: Ours | Old) -> None:
    async with Client(there.url) as client:
        if isinstance(there, Ours):
            job = await client.submit(there.prompt(steps=20, seconds=2, value=77))
        else:
            job = await client.submit(there.held())
        events: list[Event] = []
        async for event in job.follow():
            events.append(event)
            if isinstance(event, Executing) and event.node == "work":
                if isinstance(there, Ours):
                    await client.disturb()
                else:
                    async with aiohttp.ClientSession() as session:
                        await session.post(f"{there.url}/test/drop")
                        await session.post(f"{there.url}/test/release")
        assert isinstance(events[-1], Done)
        assert len(events[-1].files) == 1
        told = [e for e in events if isinstance(e, Executed)]
        assert len(told) == (1 if there.lasting else 0)
        if isinstance(there, Old):
            assert "since" in there.server.queries[-1]


async def test_pictures_are_put_in(there: Ours | Old, tmp_path: Path) -> None:
    async with Client(there.url) as client:
        picture = tmp_path / "cat.png"
        Image.new("RGB", (4, 4), "red").save(picture)
        raw = io.BytesIO()
        Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(raw, "PNG")
        first = await client.upload_image(picture, subfolder="cats")
        assert first == FileRef("cat.png", "cats", "input")
        assert first.as_input == "cats/cat.png"
        assert await client.upload_image(picture, subfolder="cats") == first
        other = await client.upload_image(raw.getvalue(), "cat.png", subfolder="cats")
        assert other.filename == "cat (1).png"
        assert (await client.upload_image(raw.getvalue(), "cat.png", subfolder="cats", overwrite=True)) == first
        masked = await client.upload_mask(raw.getvalue(), first, "masked.png")
        assert masked.filename == "masked.png"
        assert await client.fetch(masked)
        with pytest.raises(ClientError, match=r"gone\.png cannot be fetched \(status 404\)"):
            await client.fetch(FileRef("gone.png"))


async def test_nodes_and_server_are_described(there: Ours | Old) -> None:
    async with Client(there.url) as client:
        assert there.known in await client.object_info()
        assert set(await client.object_info(there.known)) == {there.known}
        assert (await client.system_stats())["system"]["comfyui_version"]


async def test_an_editors_file_and_a_picture_are_submitted(real: Running, tmp_path: Path) -> None:
    node = {"id": 1, "type": "ToyEven", "inputs": [], "outputs": [], "widgets_values": [4], "mode": 0, "pos": [0, 0]}
    document = {"nodes": [node], "links": [], "version": 0.4}
    (tmp_path / "flow.json").write_text(json.dumps({"1": {"class_type": "ToyEven", "inputs": {"value": 6}}}))
    async with Client(real.origin) as client:
        assert (await (await client.submit(document)).result()).outputs["1"] == {"text": ["4"]}
        assert (await (await client.submit(tmp_path / "flow.json")).result()).outputs["1"] == {"text": ["6"]}


async def test_an_editors_file_is_converted_for_a_plain_server() -> None:
    node = {"id": 1, "type": "Work", "inputs": [{"name": "steps", "type": "INT", "widget": {"name": "steps"}}]}
    node |= {"outputs": [], "widgets_values": [3], "mode": 0, "pos": [0, 0]}
    async with old_server() as old, Client(old.url) as client:
        events = await followed(client, {"nodes": [node], "links": [], "version": 0.4})
        assert [e.value for e in events if isinstance(e, Progress)] == [1, 2, 3]
        assert old.server.history[events[-1].job]["prompt"][3]["extra_pnginfo"]["workflow"]["nodes"]


async def test_a_token_opens_the_door(tmp_path: Path) -> None:
    with running(tmp_path, token="open sesame", host="127.0.0.1") as server:
        async with Client(server.origin) as stranger:
            with pytest.raises(ClientError, match="wants its token"):
                await stranger.submit({"1": {"class_type": "ToyEven", "inputs": {}}})
        async with Client(server.origin, token="open sesame") as client:
            job = await client.submit({"1": {"class_type": "ToyEven", "inputs": {"value": 2}}})
            assert (await job.result()).outputs["1"] == {"text": ["2"]}


async def test_a_job_goes_on_when_the_server_comes_back(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        port = int(server.origin.rpartition(":")[2])
        server.options = {**server.options, "port": port}
        there = Ours(server.origin, server)
        async with Client(server.origin) as client:
            job = await client.submit(there.prompt(steps=10, seconds=1))
            starts = 0
            async for event in job.follow():
                if isinstance(event, Executing) and event.node == "work":
                    starts += 1
                    if starts == 1:
                        await asyncio.to_thread(server.kill)
                        await asyncio.to_thread(server.start)
            assert starts == 2
            assert isinstance(job.end, Done)
            assert await client.fetch(job.end.files[0]) == b"1"


async def test_nobody_at_the_address_is_said() -> None:
    async with Client("http://127.0.0.1:9", patience_s=0) as client:
        with pytest.raises(Unreachable, match=r"Nothing answers at http://127\.0\.0\.1:9"):
            await client.submit({"1": {"class_type": "X", "inputs": {}}})
    async with Client("nowhere") as client:
        with pytest.raises(ClientError, match=r"no address|Nothing answers"):
            await client.system_stats()
    with pytest.raises(ClientError, match="async with"):
        await Client("http://127.0.0.1:9").system_stats()


def test_it_works_without_an_event_loop(real: Running) -> None:
    there = Ours(real.origin, real)
    seen: list[Event] = []
    files = draw(real.origin, there.prompt(value=42, prefix="drawn"), progress=seen.append)
    assert list(files.values()) == [b"42"]
    assert isinstance(seen[-1], Done)


@contextlib.asynccontextmanager
async def answering(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A server that gives one answer to everything: its address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("said", ["<html>Log in</html>", "[1]", ""], ids=["a page", "a list", "nothing"])
async def test_what_is_no_server_of_this_api_is_said(said: str) -> None:
    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=said)

    async with answering(page) as url, Client(url) as client:
        with pytest.raises(ClientError, match="/system_stats was answered with what no server of this API says"):
            await client.system_stats()
        with pytest.raises(ClientError, match="/upload/image was answered"):
            await client.upload_image(b"picture")


async def test_an_answer_that_breaks_off_is_said() -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Length": "1000"})
        await reply.prepare(request)
        await reply.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return reply

    async with answering(half) as url, Client(url) as client:
        with pytest.raises(Unreachable, match="Nothing answers at"):
            await client.fetch(FileRef("a.png", "", "output"))


async def test_names_of_nodes_are_asked_for_as_they_are() -> None:
    async def path(request: web.Request) -> web.Response:
        return web.json_response({request.match_info["path"]: {}})

    async with answering(path) as url, Client(url) as client:
        assert await client.object_info("LoadImage //Inspire?#1") == {"object_info/LoadImage //Inspire?#1": {}}
