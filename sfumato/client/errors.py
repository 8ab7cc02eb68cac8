"""What can go wrong between a client and its server, each in a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sfumato.client.events import Cancelled, Failed


class ClientError(RuntimeError):
    """The server did not do what was asked; the message says why."""


class Unreachable(ClientError):  # noqa: N818 -- reads as what it is
    """Nothing answers at the address, or it stopped answering."""


class JobFailed(ClientError):  # noqa: N818
    """The job ended without its outputs. `end` says how."""

    def __init__(self, end: Failed | Cancelled) -> None:
        super().__init__(end.sentence if isinstance(end, Failed) else f"The job {end.job} was cancelled.")
        self.end = end


@dataclass(frozen=True, slots=True)
class NodeProblem:
    """What a server has against one input of one node; `sentence` says it to a person."""

    node: str
    node_type: str
    type: str
    message: str
    details: str
    sentence: str
    input: str | None = None


class Refused(ClientError):  # noqa: N818
    """The server does not run this workflow. `problems` lists what it has against its nodes."""

    def __init__(self, error: object, node_errors: object) -> None:
        self.problems = problems_of(node_errors)
        said = _said(error)
        super().__init__(" ".join(["The server refused the workflow:", *(said or ()), *_sentences(self.problems)]))


def problems_of(node_errors: object) -> tuple[NodeProblem, ...]:
    """The problems in an answer's node_errors."""
    return tuple(_problems(node_errors)) if isinstance(node_errors, Mapping) else ()


def _problems(node_errors: Mapping[str, Any]) -> Iterator[NodeProblem]:
    for node, entry in node_errors.items():
        for error in entry.get("errors", ()):
            extra = error.get("extra_info") or {}
            yield NodeProblem(
                str(node),
                str(entry.get("class_type", "")),
                str(error.get("type", "")),
                str(error.get("message", "")),
                str(error.get("details", "")),
                str(error.get("sentence") or _sentence(node, entry, error)),
                extra.get("input_name"),
            )


def _sentence(node: str, entry: Mapping[str, Any], error: Mapping[str, Any]) -> str:
    """The problem in the words of a server that has no sentence for it, as ComfyUI's."""
    message, details = str(error.get("message", "")), str(error.get("details", ""))
    more = f" ({details})" if details and details not in message else ""
    return f"{entry.get('class_type', '')} (node {node}): {message.rstrip('.')}{more}."


def _sentences(problems: tuple[NodeProblem, ...]) -> list[str]:
    return [problem.sentence for problem in problems]


def _said(error: object) -> tuple[str, ...]:
    if isinstance(error, Mapping):
        message, details = str(error.get("message", "")).rstrip("."), str(error.get("details") or "").strip()
        return (f"{message}{f' ({details})' if details and details != message else ''}.",)
    return (str(error),) if error else ()
