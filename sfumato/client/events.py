"""What happens to a job, in the order in which it happens. The last is Done, Failed or Cancelled, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file on the server: its name, the folder under `type`'s root, and "output", "temp" or "input"."""

    filename: str
    subfolder: str = ""
    type: str = "output"

    @property
    def as_input(self) -> str:
        """How a workflow's LoadImage names it."""
        path = f"{self.subfolder}/{self.filename}" if self.subfolder else self.filename
        return path if self.type == "input" else f"{path} [{self.type}]"


@dataclass(frozen=True, slots=True)
class Queued:
    """The server has taken the job. `number` is its place: lower ones run first."""

    job: str
    number: float


@dataclass(frozen=True, slots=True)
class Started:
    """The job runs."""

    job: str


@dataclass(frozen=True, slots=True)
class Cached:
    """These nodes need not run: what they make is known."""

    job: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Executing:
    """A node runs. `display_node` is the workflow's node that it belongs to."""

    job: str
    node: str
    display_node: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The running node has done `value` of `max` steps."""

    job: str
    node: str
    value: float
    max: float


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture of what a node is making. Older servers do not say which node."""

    job: str
    node: str | None
    mime: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Executed:
    """An output node shows something: `{"images": [{filename, subfolder, type}]}`, `{"text": [...]}` and others."""

    job: str
    node: str
    output: Mapping[str, Any]

    @property
    def files(self) -> tuple[FileRef, ...]:
        """The files in it."""
        return files_in({self.node: self.output})


@dataclass(frozen=True, slots=True)
class Done:
    """The job is over, and these are its outputs by node."""

    job: str
    outputs: Mapping[str, Mapping[str, Any]]

    @property
    def files(self) -> tuple[FileRef, ...]:
        """All files that it wrote, previews too."""
        return files_in(self.outputs)


@dataclass(frozen=True, slots=True)
class Failed:
    """The job is over: a node failed, or the server lost the job (then no node is named)."""

    job: str
    message: str
    node: str = ""
    node_type: str = ""
    exception_type: str = ""
    traceback: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The failure for a person."""
        where = f"{self.node_type} (node {self.node}): " if self.node else ""
        return where + self.message.strip()


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The job was stopped, or taken out of the queue."""

    job: str


Event = Queued | Started | Cached | Executing | Progress | Preview | Executed | Done | Failed | Cancelled
End = Done | Failed | Cancelled


def files_in(outputs: Mapping[str, Any]) -> tuple[FileRef, ...]:
    """The files that outputs name, each once."""
    found: dict[FileRef, None] = {}
    for output in outputs.values():
        lists = (items for items in output.values() if isinstance(items, list)) if isinstance(output, Mapping) else ()
        for item in (item for items in lists for item in items):
            if isinstance(item, Mapping) and isinstance(item.get("filename"), str):
                ref = FileRef(item["filename"], str(item.get("subfolder") or ""), str(item.get("type") or "output"))
                found[ref] = None
    return tuple(found)
