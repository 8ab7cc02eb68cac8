"""What nodes write into pictures beside the pixels: the prompt, the workflow, A1111's settings, and the run's facts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast

from nodes.folders import Folders
from nodes.registry import Registry
from server.engine.graph import Graph
from server.engine.kinds import Things
from server.formats.infotext import write_infotext
from server.formats.prompt import to_prompt
from server.formats.settings import to_infotext
from server.workers.facts import KEY, Facts, engine_version, facts_of, file_digest


class Metadata:
    """What the hidden inputs of nodes hold in one run. Made when the first node asks: most runs write little."""

    def __init__(
        self,
        graph: Graph,
        targets: tuple[str, ...],
        *,
        prompt: Mapping[str, Any],
        extra: object,
        registry: Registry,
        folders: Folders,
        things: Things,
    ) -> None:
        """`prompt` and `extra` (EXTRA_PNGINFO) are written as they were given; what we know goes beside them."""
        self._graph, self._targets = graph, targets
        self._prompt, self._extra = prompt, extra
        self._registry, self._folders, self._things = registry, folders, things

    def __call__(self, what: str, node: str) -> Any:
        """What a hidden input holds for a node, by its id in the workflow."""
        match what:
            case "PROMPT":
                return self._prompt
            case "EXTRA_PNGINFO":
                return {**_mapping(self._extra), **self._settings(node), KEY: self.facts}
            case _:
                return None

    @cached_property
    def facts(self) -> Facts:
        """What the run depends on beside the workflow."""
        return facts_of(self._graph, self._targets, self._registry, self._folders, self._things)

    @cached_property
    def _checked_prompt(self) -> dict[str, Any]:
        return to_prompt(self._graph)

    def _settings(self, node: str) -> dict[str, str]:
        """A1111's text of what this node gets, if that was drawn in a way that the text can tell."""
        info = to_infotext(self._checked_prompt, node, digest_of=self._digest_of, version=f"sfumato {engine_version()}")
        return {} if info is None else {"parameters": write_infotext(info)}

    def _digest_of(self, kind: str, name: str) -> str | None:
        """The digest of a single file, as galleries look it up; a folder of weights has none that anyone knows."""
        if not self._folders.has(kind, name) or not self._folders.path(kind, name).is_file():
            return None
        return file_digest(self._folders, kind, name)


def _mapping(value: object) -> dict[str, Any]:
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else {}
