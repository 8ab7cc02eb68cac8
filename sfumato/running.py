"""Workflows run in this process: files, prompts, or what was built."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.engine.events import Event, Progress
from server.engine.graph import Graph
from server.formats.prompt import read_prompt
from sfumato.building import Workflow

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from nodes.folders import Folders
    from nodes.registry import Registry

Step = Callable[[str, int, int], None]
"""Called with a node's id, the step that is done, and how many there are."""


class WorkflowError(RuntimeError):
    """A workflow that cannot run, or whose node failed; the message names the node and the reason."""


@dataclass(frozen=True)
class Result:
    """What a run made: the files that it wrote, and what its output nodes show, by node."""

    files: tuple[Path, ...]
    outputs: Mapping[str, Any]
    seconds: float

    def images(self) -> list[Image.Image]:
        """The pictures that were written."""
        from PIL import Image  # noqa: PLC0415 -- not everyone looks at them here

        found: list[Image.Image] = []
        for file in self.files:
            if file.suffix.lower() in (".png", ".webp", ".jpg", ".jpeg"):
                with Image.open(file) as image:
                    image.load()
                    found.append(image)
        return found

    def tensors(self) -> list[Tensor]:
        """The pictures as float32 [H,W,C] in 0..1."""
        import numpy as np  # noqa: PLC0415
        import torch  # noqa: PLC0415 -- costs seconds

        arrays = (np.asarray(image, dtype=np.float32) / 255 for image in self.images())
        return [torch.from_numpy(array) for array in arrays]


def run(
    what: Workflow | Mapping[str, Any] | str | Path,
    values: Mapping[str, Any] | None = None,
    *,
    base: str | Path | None = None,
    device: str | None = None,
    progress: Step | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Result:
    """Run a workflow: a file (also a picture that carries one), API or editor JSON, or one that was built.

    `values` sets inputs, as in {"KSampler.seed": 7}; a node goes by its id, title or type. `base` is the base folder.
    Raises WorkflowError when it cannot run, FormatError when the file is no workflow.
    """
    from nodes.folders import Folders  # noqa: PLC0415 -- an import that only builds should cost little
    from server import headless  # noqa: PLC0415
    from server.config import load  # noqa: PLC0415

    settings = load({"base": Path(base) if base is not None else None, "device": device})
    folders = Folders.at(settings.base, output=settings.output, allow_downloads=settings.allow_downloads)
    registry = headless.load_registry(folders, custom_nodes=settings.custom_nodes)
    graph, document = _graph(what, registry, folders)
    if values:
        graph, document = _with_values(graph, values, registry), None
    engine = headless.make_engine(settings, folders, registry)
    checked = engine.validate(graph)
    if not checked.sound:
        raise WorkflowError(" ".join(checked.sentences()))

    def report(event: Event) -> None:
        if progress is not None and isinstance(event, Progress):
            progress(event.node, event.value, event.max)

    ran = headless.run_graph(
        engine,
        folders,
        checked.graph,
        checked.good_outputs,
        values=values or {},
        document=document,
        report=report,
        cancelled=cancelled,
        metadata=settings.metadata,
    )
    if ran.outcome.error is not None:
        raise WorkflowError(ran.outcome.error.sentence)
    return Result(ran.files, dict(ran.outcome.outputs), ran.seconds)


async def run_async(
    what: Workflow | Mapping[str, Any] | str | Path, values: Mapping[str, Any] | None = None, **options: Any
) -> Result:
    """Like `run`, beside the event loop. Cancelling the task stops the run after its step."""
    stopped = False

    def cancelled() -> bool:
        return stopped

    running = asyncio.ensure_future(asyncio.to_thread(run, what, values, cancelled=cancelled, **options))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stopped = True
        await asyncio.wait([running])
        raise


def _graph(
    what: Workflow | Mapping[str, Any] | str | Path, registry: Registry, folders: Folders
) -> tuple[Graph, Mapping[str, Any] | None]:
    from server import headless  # noqa: PLC0415
    from server.formats.opening import open_workflow  # noqa: PLC0415

    if isinstance(what, Workflow):
        return read_prompt(what.prompt), None
    if isinstance(what, Mapping):
        opened = open_workflow(json.dumps(what).encode(), registry, folders=folders)
        return read_prompt(opened.prompt), opened.document
    file = headless.open_file(Path(what), registry, folders)
    return file.graph, file.document


def _with_values(graph: Graph, values: Mapping[str, Any], registry: Registry) -> Graph:
    from server.sweep import BadAssignment, variants  # noqa: PLC0415

    try:
        return variants(graph, [f"{name}={json.dumps([value])}" for name, value in values.items()], registry)[0].graph
    except BadAssignment as error:
        raise WorkflowError(str(error)) from error
