"""A client of Sfumato's HTTP and WebSocket API, which is ComfyUI's: it works with servers of both.

    async with Client("http://127.0.0.1:8188") as client:
        job = await client.submit("workflow.json")
        async for event in job.follow():
            print(event)
        for file in (await job.result()).files:
            Path(file.filename).write_bytes(await client.fetch(file))

Without an event loop: `draw("http://127.0.0.1:8188", "workflow.json")` gives the files' bytes by name.
"""

from __future__ import annotations

from sfumato.client.connection import Client, Job, draw
from sfumato.client.errors import ClientError, JobFailed, NodeProblem, Refused, Unreachable
from sfumato.client.events import (
    Cached,
    Cancelled,
    Done,
    Event,
    Executed,
    Executing,
    Failed,
    FileRef,
    Preview,
    Progress,
    Queued,
    Started,
)

__all__ = [
    "Cached",
    "Cancelled",
    "Client",
    "ClientError",
    "Done",
    "Event",
    "Executed",
    "Executing",
    "Failed",
    "FileRef",
    "Job",
    "JobFailed",
    "NodeProblem",
    "Preview",
    "Progress",
    "Queued",
    "Refused",
    "Started",
    "Unreachable",
    "draw",
]
