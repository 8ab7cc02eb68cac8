"""The client: one HTTP session, one socket that comes back when it breaks, and the jobs that are followed over it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, cast
from urllib.parse import quote

import aiohttp

from server.formats.document import is_document
from server.formats.opening import open_workflow
from sfumato.building import Workflow
from sfumato.client.errors import ClientError, JobFailed, NodeProblem, Refused, Unreachable, problems_of
from sfumato.client.events import Cancelled, Done, End, Event, Executing, Failed, FileRef, Queued
from sfumato.client.messages import event_of, failure, preview_of
from sfumato.client.sockets import Connector

What = Workflow | Mapping[str, Any] | str | Path
"""A workflow: one that was built, API or editor JSON, or a file of any kind that holds one, pictures too."""

_RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_SETTLE_S = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_FEATURES = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
_ENDS = (Done, Failed, Cancelled)
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=300)
"""A big file may take long; only a server that says nothing at all is given up."""


class Job:
    """A job on the server. `id` is its prompt_id; `problems` are of outputs that the server left out."""

    def __init__(self, client: Client, job_id: str) -> None:
        self.id = job_id
        self.number = 0.0
        self.problems: tuple[NodeProblem, ...] = ()
        self._client = client
        self._events: list[Event] = []
        self._end: End | None = None
        self._changed = asyncio.Event()

    @property
    def end(self) -> End | None:
        """How the job ended; None while it has not."""
        return self._end

    async def follow(self) -> AsyncIterator[Event]:
        """Everything that happened and happens to the job, up to its end. Raises Unreachable if the server is gone."""
        place = 0
        while True:
            while place < len(self._events):
                event = self._events[place]
                place += 1
                yield event
                if isinstance(event, _ENDS):
                    return
            self._changed.clear()
            if place == len(self._events):
                await self._changed.wait()
            self._client.check()

    async def result(self) -> Done:
        """What the job made, once it is over. Raises JobFailed when it ended otherwise."""
        async for event in self.follow():
            if isinstance(event, Failed | Cancelled):
                raise JobFailed(event)
            if isinstance(event, Done):
                return event
        raise AssertionError("a job's events end with its end")

    async def cancel(self) -> None:
        """Stop the job, waiting or running. Its end is told by `follow`."""
        await self._client.cancel(self)

    def tell(self, event: Event) -> None:
        """Take an event in; nothing comes after the end."""
        if self._end is not None:
            return
        if isinstance(event, _ENDS):
            self._end = event
            self._client.forget(self)
        self._events.append(event)
        self._changed.set()

    def wake(self) -> None:
        """Have who follows look again."""
        self._changed.set()


class Client:
    """A connection to a server. Use it as an async context manager; one client may follow many jobs."""

    def __init__(self, url: str, *, token: str | None = None, patience_s: float = 60.0) -> None:
        """`url` is the server's address, perhaps with `?token=`, `patience_s` how long a lost server is awaited."""
        address, _, query = url.partition("?")
        self._url = address.rstrip("/")
        self._token = token or next((part[6:] for part in query.split("&") if part.startswith("token=")), None)
        self._patience_s = patience_s
        self._id = uuid.uuid4().hex
        self._jobs: dict[str, Job] = {}
        self._running = ""
        self._seen = 0
        self._connector: Connector | None = None
        self._session: aiohttp.ClientSession | None = None
        self._listener: asyncio.Task[None] | None = None
        self._live: aiohttp.ClientWebSocketResponse | None = None
        self._listening = asyncio.Event()
        self._lost: ClientError | None = None
        self._finishing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Client:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        self._connector = Connector()
        self._session = aiohttp.ClientSession(connector=self._connector, headers=headers, timeout=_TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [*self._finishing, *([self._listener] if self._listener else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        if self._connector is not None:
            await self._connector.shut()

    # -- jobs ---------------------------------------------------------------------------------------------------

    async def submit(
        self, what: What, *, front: bool = False, previews: bool = False, extra_data: Mapping[str, Any] | None = None
    ) -> Job:
        """Have a workflow run. Raises Refused listing what the server has against it, FormatError for no workflow."""
        prompt, document = await self._prompt(what)
        extra = dict(extra_data or {})
        if document is not None:
            extra = {"extra_pnginfo": {"workflow": document}, **extra}
        if previews:
            extra.setdefault("preview_method", "auto")
        job = Job(self, str(uuid.uuid4()))
        self._jobs[job.id] = job
        try:
            await self._listen()
            body: dict[str, Any] = {"prompt": prompt, "client_id": self._id, "prompt_id": job.id, "extra_data": extra}
            answer = await self._post("/prompt", {**body, **({"front": True} if front else {})})
        except BaseException:
            self.forget(job)
            raise
        job.number = float(answer.get("number", 0))
        job.problems = problems_of(answer.get("node_errors"))
        if answer.get("prompt_id", job.id) != job.id:  # a server that gives ids of its own
            self.forget(job)
            job.id = str(answer["prompt_id"])
            self._jobs[job.id] = job
        job._events.insert(0, Queued(job.id, job.number))
        job.wake()
        return job

    async def cancel(self, job: Job) -> None:
        """Stop a job: out of the queue if it waits, at its next step if it runs."""
        await self._post("/queue", {"delete": [job.id]})
        await self._post("/interrupt", {"prompt_id": job.id})
        if job.end is None and not await self._is_queued(job.id) and not await self.history(job.id):
            job.tell(Cancelled(job.id))

    async def history(self, job_id: str) -> dict[str, Any]:
        """The history's entry of a job that has ended; empty while it has not."""
        found = await self._get(f"/history/{job_id}")
        return found.get(job_id) or {}

    async def queue(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The ids of the jobs that run, and of those that wait."""
        said = await self._get("/queue")
        running, waiting = (tuple(str(item[1]) for item in said[f"queue_{name}"]) for name in ("running", "pending"))
        return running, waiting

    # -- files and nodes ------------------------------------------------------------------------------------------

    async def fetch(self, file: FileRef) -> bytes:
        """A file's bytes."""
        query = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        async with self._asked("GET", "/view", params=query) as reply:
            await _check(reply, f"{file.filename} cannot be fetched")
            return await reply.read()

    async def upload_image(
        self, source: Path | bytes, name: str = "", *, subfolder: str = "", overwrite: bool = False
    ) -> FileRef:
        """Put a picture into the server's input folder, and say under which name it is there."""
        return await self._upload("/upload/image", source, name, subfolder, overwrite=overwrite)

    async def upload_mask(
        self, source: Path | bytes, original: FileRef, name: str = "", *, subfolder: str = "", overwrite: bool = False
    ) -> FileRef:
        """Put `original` into the input folder with the alpha of this picture, and say under which name it is there."""
        about = {"filename": original.filename, "subfolder": original.subfolder, "type": original.type}
        more = {"original_ref": json.dumps(about)}
        return await self._upload("/upload/mask", source, name, subfolder, overwrite=overwrite, more=more)

    async def object_info(self, node: str | None = None) -> dict[str, Any]:
        """What nodes there are, or one of them; the name maps to ComfyUI's description of it."""
        return await self._get(f"/object_info/{quote(node, safe='')}" if node else "/object_info")

    async def system_stats(self) -> dict[str, Any]:
        """The server's versions and devices."""
        return await self._get("/system_stats")

    # -- the socket ---------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise what the connection ended with, if it has."""
        if self._lost is not None:
            raise self._lost

    def forget(self, job: Job) -> None:
        """Keep no job that is over; who follows it has all that there is of it."""
        self._jobs.pop(job.id, None)

    async def disturb(self) -> None:
        """Break the connection, as a network does; it comes back by itself."""
        if self._live is not None:
            await self._live.close()

    async def _listen(self) -> None:
        """Be connected: a server tells who listens, and only some tell later what was missed."""
        self.check()
        if self._listener is None or self._listener.done():
            self._listener = asyncio.ensure_future(self._keep_listening())
        waiting = asyncio.ensure_future(self._listening.wait())
        await asyncio.wait([waiting, self._listener], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        self.check()

    async def _keep_listening(self) -> None:
        loop = asyncio.get_running_loop()
        tries, since = 0, loop.time()
        first = True
        while True:
            try:
                async with self._socket(missed=not first) as socket:
                    await socket.send_str(_FEATURES)
                    if not first:
                        self._catch_up()
                    self._live = socket
                    self._listening.set()
                    tries, first = 0, False
                    async for message in socket:
                        self._hear(message)
            except aiohttp.WSServerHandshakeError as error:
                if error.status in (401, 403):
                    return self._lose(ClientError(_refusal(error.status, self._url)))
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            if self._listening.is_set():
                self._listening.clear()
                since = loop.time()
            if first or loop.time() - since > self._patience_s:
                return self._lose(Unreachable(f"Nothing answers at {self._url}; is the server running?"))
            await asyncio.sleep(_RETRY_S[min(tries, len(_RETRY_S) - 1)])
            tries += 1

    def _socket(self, *, missed: bool) -> Any:
        query = {"clientId": self._id, **({"since": str(self._seen)} if missed else {})}
        return self._open.ws_connect(f"{self._url}/ws", params=query, max_msg_size=0, heartbeat=30)

    def _lose(self, error: ClientError) -> None:
        self._lost = error
        self._listening.set()
        for job in self._jobs.values():
            job.wake()

    def _hear(self, message: aiohttp.WSMessage) -> None:
        if message.type is aiohttp.WSMsgType.BINARY:
            preview = preview_of(message.data, self._running)
            if preview is not None and (job := self._jobs.get(preview.job)) is not None:
                job.tell(preview)
        elif message.type is aiohttp.WSMsgType.TEXT:
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                said = json.loads(message.data)
                self._seen = max(self._seen, int(said.get("seq") or 0))
                self._take(str(said["type"]), said.get("data") or {})

    def _take(self, kind: str, data: Mapping[str, Any]) -> None:
        job = self._jobs.get(str(data.get("prompt_id")))
        if job is None:
            return
        event = event_of(kind, data)
        if isinstance(event, Executing):
            self._running = job.id
        if isinstance(event, Failed | Cancelled) or event is not None:
            job.tell(event)
        elif kind == "execution_success" or (kind == "executing" and data.get("node") is None):
            self._later(self._settle(job))

    def _catch_up(self) -> None:
        """After a break, ask how the jobs stand: not every server tells what was missed."""
        for job in self._jobs.values():
            if job.end is None:
                self._later(self._settle(job))

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def _settle(self, job: Job) -> None:
        """Tell a job's end as the history has it. It may be written a moment after the end was said."""
        for pause in _SETTLE_S:
            with contextlib.suppress(ClientError):
                entry = await self.history(job.id)
                if entry:
                    return job.tell(_end_of(job.id, entry))
                if await self._is_queued(job.id):
                    return None
            await asyncio.sleep(pause)
        if not self._listening.is_set():  # the connection broke again; there will be another look
            return None
        return job.tell(Failed(job.id, "The server knows nothing of this job any more."))

    async def _is_queued(self, job_id: str) -> bool:
        return any(job_id in ids for ids in await self.queue())

    # -- HTTP ---------------------------------------------------------------------------------------------------

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise ClientError("Use the client inside `async with`.")
        return self._session

    @contextlib.asynccontextmanager
    async def _asked(self, method: str, path: str, **how: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._open.request(method, self._url + path, **how) as reply:
                yield reply
        except aiohttp.InvalidURL as error:
            raise Unreachable(
                f"{self._url} is no address of a server; it must be like http://127.0.0.1:8188."
            ) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(f"Nothing answers at {self._url}: {reason}.") from error

    async def _get(self, path: str) -> dict[str, Any]:
        async with self._asked("GET", path) as reply:
            await _check(reply, f"{path} was not answered")
            return _object(await reply.text(), path)

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        async with self._asked("POST", path, json=body) as reply:
            if reply.status == 400 and path == "/prompt":
                raise _refused(await reply.text())
            await _check(reply, f"{path} was not taken")
            text = await reply.text()
            return _object(text, path) if path == "/prompt" else {}  # what else is posted is answered by nothing

    async def _upload(
        self,
        path: str,
        source: Path | bytes,
        name: str,
        subfolder: str,
        *,
        overwrite: bool,
        more: Mapping[str, str] | None = None,
    ) -> FileRef:
        data = source if isinstance(source, bytes) else await asyncio.to_thread(source.read_bytes)
        form = aiohttp.FormData()
        fields = {"type": "input", "subfolder": subfolder, "overwrite": "true" if overwrite else "", **(more or {})}
        for key, value in fields.items():
            if value:
                form.add_field(key, value)
        form.add_field("image", data, filename=name or (source.name if isinstance(source, Path) else "picture.png"))
        async with self._asked("POST", path, data=form) as reply:
            await _check(reply, "The picture was not taken")
            said = _object(await reply.text(), path)
            return FileRef(str(said.get("name", "")), said.get("subfolder", ""), said.get("type", "input"))

    async def _prompt(self, what: What) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
        """The prompt to post, and the editor's document beside it."""
        if isinstance(what, Workflow):
            return what.prompt, None
        if isinstance(what, Mapping) and not is_document(what):
            return what, None
        if isinstance(what, Mapping) and "sfumato_version" in (await self.system_stats()).get("system", {}):
            return what, None  # converted there, by the nodes that are there
        return await asyncio.to_thread(_opened, what)


def draw(
    url: str, what: What, *, token: str | None = None, progress: Callable[[Event], None] | None = None
) -> dict[str, bytes]:
    """Run a workflow on a server and wait: the files that it wrote, by name. Raises ClientError."""

    async def drawn() -> dict[str, bytes]:
        async with Client(url, token=token) as client:
            job = await client.submit(what)
            async for event in job.follow():
                if progress is not None:
                    progress(event)
            done = await job.result()
            return {file.filename: await client.fetch(file) for file in done.files if file.type == "output"}

    return asyncio.run(drawn())


def _opened(what: Mapping[str, Any] | str | Path) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    from nodes.registry import builtin  # noqa: PLC0415 -- only editor's files and pictures need to know nodes
    from server.formats.reading import read_file  # noqa: PLC0415

    data = json.dumps(what).encode() if isinstance(what, Mapping) else read_file(Path(what))
    found = open_workflow(data, builtin(), "" if isinstance(what, Mapping) else str(what))
    return found.prompt, found.document


def _end_of(job: str, entry: Mapping[str, Any]) -> End:
    """How a job ended, by its entry in the history."""
    status = entry.get("status") or {}
    if status.get("status_str") != "error":
        return Done(job, entry.get("outputs") or {})
    said = {str(message[0]): message[1] for message in status.get("messages") or ()}
    if "execution_error" in said:
        return failure({"prompt_id": job, **said["execution_error"]})
    return Cancelled(job) if "execution_interrupted" in said else Failed(job, "The server does not say why it failed.")


def _object(text: str, path: str) -> dict[str, Any]:
    """What a server answered. Raises ClientError when that is no JSON object: then something else answers there."""
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise ClientError(f"{path} was answered with what no server of this API says: {text[:100].strip()!r}.")
    return cast("dict[str, Any]", said)


async def _check(reply: aiohttp.ClientResponse, what: str) -> None:
    if reply.status in (401, 403):
        raise ClientError(_refusal(reply.status, str(reply.url.origin())))
    if reply.status >= 400:
        said = (await reply.text())[:300].strip()
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            error = json.loads(said)["error"]
            said = str(error["message"] if isinstance(error, Mapping) else error)
        raise ClientError(f"{what} (status {reply.status}){': ' + said if said else ''}")


def _refusal(status: int, url: str) -> str:
    if status == 401:
        return f"{url} wants its token; pass it as `token`."
    return f"{url} refuses this client (status {status}): the address must be one of the server's names."


def _refused(text: str) -> ClientError:
    try:
        said = json.loads(text)
        return Refused(said.get("error"), said.get("node_errors"))
    except (ValueError, AttributeError):
        return ClientError(f"The server refused the workflow: {text[:300].strip()}")
