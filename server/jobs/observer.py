"""Who is told what happens to jobs, and what they are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from server.jobs.model import Logged
from server.workers.messages import Catalogue


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture of what a job's node is making; `display` is the workflow's node that it belongs to."""

    job: str
    client: str | None
    node: str
    display: str
    mime: str
    picture: bytes


class Observer(Protocol):
    """Who is told what happens."""

    def happened(self, event: Logged) -> None:
        """Something happened to a job; its type and data are a message of ComfyUI's socket."""
        ...

    def previewed(self, preview: Preview) -> None:
        """There is a picture of what is being made."""
        ...

    def changed(self) -> None:
        """The number of jobs that wait or run may have changed."""
        ...

    def catalogued(self, catalogue: Catalogue) -> None:
        """A worker has said which nodes it has."""
        ...


class Nobody:
    """Until somebody listens."""

    def happened(self, event: Logged) -> None:
        """Nothing."""

    def previewed(self, preview: Preview) -> None:
        """Nothing."""

    def changed(self) -> None:
        """Nothing."""

    def catalogued(self, catalogue: Catalogue) -> None:
        """Nothing."""
