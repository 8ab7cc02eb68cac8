"""What can be wrong with a graph, in the shapes of ComfyUI's HTTP answers and as a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from server.engine.graph import Graph

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, addressed to a node (None: the whole graph) and, in `extra_info`, to its input.

    `type`, `message`, `details` and `extra_info` are ComfyUI's; `sentence` says the same to a person.
    """

    node_id: str | None
    type: str
    message: str
    details: str = ""
    extra_info: Mapping[str, Any] = field(default_factory=dict[str, Any])
    sentence: str = ""

    @property
    def input_name(self) -> str | None:
        """The input that it is about, if it is about one."""
        return self.extra_info.get("input_name")

    def as_json(self) -> Json:
        """The object that stands in an `errors` list, or for `error`; ComfyUI's knows no `sentence`."""
        return {
            "type": self.type,
            "message": self.message,
            "details": self.details,
            "extra_info": dict(self.extra_info),
            "sentence": self.sentence or self.message,
        }


@dataclass(frozen=True)
class Validation:
    """What came of checking a graph.

    `graph` is corrected: values have their declared types, missing widget values are filled in, older nodes are
    brought up to date. `good_outputs` are the wanted output nodes that can run although others cannot. `error` says
    why nothing can run; None when something can. `problems` holds every problem of every node that matters.
    """

    graph: Graph
    problems: tuple[Problem, ...] = ()
    good_outputs: tuple[str, ...] = ()
    error: Problem | None = None
    dependent_outputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def runs(self) -> bool:
        """Whether at least one output can be made."""
        return self.error is None

    @property
    def sound(self) -> bool:
        """Whether nothing at all is wrong."""
        return self.error is None and not self.problems

    def node_errors(self) -> dict[str, Json]:
        """ComfyUI's `node_errors`: for each node with problems of its own, those, and the outputs they spoil."""
        found: dict[str, Json] = {}
        for problem in self.problems:
            if problem.node_id is None:
                continue
            placed = self.graph.get(problem.node_id)
            entry = found.setdefault(
                problem.node_id,
                {
                    "errors": [],
                    "dependent_outputs": list(self.dependent_outputs.get(problem.node_id, ())),
                    "class_type": placed.type if placed else "",
                },
            )
            entry["errors"].append(problem.as_json())
        return found

    def as_json(self) -> Json:
        """The body of the HTTP answer to a graph that cannot run."""
        return {"error": self.error.as_json() if self.error else None, "node_errors": self.node_errors()}

    def sentences(self) -> tuple[str, ...]:
        """Every problem as a sentence for people; that of the whole graph only where no node's says more."""
        found = self.problems or ((self.error,) if self.error is not None else ())
        return tuple(problem.sentence for problem in found)
