"""A job's events as the messages of ComfyUI's socket, in its order.

Workers speak of nodes that start, progress, show something and finish; clients know `execution_start`, `executing`,
`progress_state` and the rest. ComfyUI repeats the state of every node in each `progress_state`; here one names the
nodes that changed since the last, and those that run, once there are many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from server.jobs.model import Job, Json, State, now_ms

WHOLE_UP_TO = 32
"""With so few nodes, `progress_state` names all of them, as ComfyUI's does."""


@dataclass(frozen=True, slots=True)
class Told:
    """A message for clients. `keep`: it goes into the event log and is replayed to who missed it."""

    type: str
    data: Json
    keep: bool = True


class Narrator:
    """Turns what a worker says of one attempt into messages, and remembers where its nodes stand."""

    def __init__(self, job: Job) -> None:
        self.messages: list[tuple[str, Json]] = []
        self.cached = 0
        self.ran = 0
        self._job = job
        self._states: dict[str, dict[str, Any]] = {}
        self._executed: list[str] = []
        self._node: str | None = None

    def snapshot(self) -> Json:
        """The state of every node that has started."""
        return {"prompt_id": self._job.id, "nodes": dict(self._states)}

    def tell(self, type: str, data: Json) -> Iterator[Told]:
        """The messages for one thing that a worker said."""
        prompt_id = self._job.id
        match type:
            case "execution_start":
                yield self._kept("execution_start", {"prompt_id": prompt_id})
            case "execution_cached":
                self.cached = len(data["nodes"])
                self._executed += data["nodes"]
                yield self._kept("execution_cached", {"nodes": data["nodes"], "prompt_id": prompt_id})
            case "executing":
                self._node = data["node"]
                self.ran += 1
                yield self._state(data, 0.0, 1.0, "running")
                yield Told(
                    "executing",
                    {
                        "node": data["node"],
                        "display_node": data.get("display_node", data["node"]),
                        "prompt_id": prompt_id,
                    },
                )
            case "progress":
                yield self._state(data, data["value"], data["max"], "running")
                progress = {"value": data["value"], "max": data["max"], "prompt_id": prompt_id, "node": data["node"]}
                yield Told("progress", progress, keep=False)
            case "executed":
                shown = {"node": data["node"], "display_node": data.get("display_node", data["node"])}
                yield Told("executed", {**shown, "output": data["output"], "prompt_id": prompt_id})
            case "node_finished":
                known = self._states.get(data["node"], {})
                self._executed.append(data["node"])
                yield self._state(data, known.get("max", 1.0), known.get("max", 1.0), "finished")
            case _:
                pass

    def end(self, state: State, error: Json | None, at_ms: int) -> Told:
        """The last message: success, error or interruption."""
        prompt_id = self._job.id
        if state is State.DONE:
            return self._kept("execution_success", {"prompt_id": prompt_id}, at_ms)
        node = str((error or {}).get("node_id") or self._node or "")
        node_type = str(_class_of(self._job.request.prompt, node))
        where = {"prompt_id": prompt_id, "node_id": node, "node_type": node_type, "executed": self._executed}
        if state is State.CANCELLED or error is None:
            return self._kept("execution_interrupted", where, at_ms)
        what = {
            "exception_message": error.get("exception_message", ""),
            "exception_type": error.get("exception_type", "RuntimeError"),
            "traceback": error.get("traceback", []),
            "current_inputs": error.get("current_inputs", {}),
            "current_outputs": error.get("current_outputs", self._executed),
        }
        return self._kept("execution_error", {**where, **what}, at_ms)

    def _kept(self, type: str, data: Json, at_ms: int | None = None) -> Told:
        told = Told(type, {**data, "timestamp": at_ms or now_ms()})
        self.messages.append((told.type, told.data))
        return told

    def _state(self, data: Json, value: float, most: float, state: str) -> Told:
        node = data["node"]
        display = data.get("display_node", node)
        self._states[node] = {
            "value": value,
            "max": most,
            "state": state,
            "node_id": node,
            "prompt_id": self._job.id,
            "display_node_id": display,
            "parent_node_id": parent_of(node, display),
            "real_node_id": display,
        }
        few = len(self._states) <= WHOLE_UP_TO
        nodes = dict(self._states) if few else {node: self._states[node]}
        return Told("progress_state", {"prompt_id": self._job.id, "nodes": nodes}, keep=False)


def parent_of(node: str, display: str) -> str | None:
    """The node whose expansion this one is in; None for a node of the workflow, which is displayed as itself.

    Ids inside are `<node>.<call>.<id>`, once more for each expansion within an expansion.
    """
    if node == display:
        return None
    parent = node.rsplit(".", 2)[0]
    return parent if parent.startswith(display) else display


def _class_of(prompt: Json, node: str) -> str:
    entry = prompt.get(node)
    return str(entry.get("class_type", "")) if isinstance(entry, dict) else ""  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
