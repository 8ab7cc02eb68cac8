"""Whether a picture's workflow, run again, draws the same picture; and if not, what differs and what has changed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import ImageSequence

from nodes.define import Context, Saved
from nodes.folders import Folders, Place, Write
from nodes.lazily import lazily
from nodes.registry import Registry
from server import headless
from server.config import Settings
from server.engine.engine import Engine
from server.formats.errors import FormatError, printable
from server.formats.opening import open_workflow
from server.formats.picture import picture_kind, read_texts
from server.formats.prompt import read_prompt
from server.formats.reading import read_file
from server.workers.facts import KEY, changes, facts_of

Pixels = NDArray[np.uint8]
Changes = Mapping[str, tuple[str | None, str | None]]

_MOST_TOLD = 40


@dataclass(frozen=True, slots=True)
class Difference:
    """How the nearest picture that came differs: the sizes, or the pixels that are not the same and by how much."""

    was: str
    now: str
    pixels: int = 0
    of: int = 0
    most: int = 0

    @property
    def sentence(self) -> str:
        """The difference for a person."""
        if self.was != self.now:
            return f"The picture is {self.was}; what comes now is {self.now}."
        share = 100 * self.pixels / max(self.of, 1)
        return f"{self.pixels} of {self.of} pixels differ ({share:.3g} %), by at most {self.most} of 255."


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer. `changed` holds recorded facts that are not so today; `recorded`: whether there were any."""

    difference: Difference | None
    changed: Changes
    recorded: bool

    @property
    def identical(self) -> bool:
        """Whether every pixel is the same."""
        return self.difference is None

    @property
    def sentences(self) -> tuple[str, ...]:
        """The answer for a person: one word, or what differs and why it may."""
        if self.difference is None:
            return ("identical",)
        why = _told(self.changed, recorded=self.recorded)
        return (self.difference.sentence, *why)

    def as_json(self) -> dict[str, Any]:
        """The answer for a program."""
        return {
            "identical": self.identical,
            "difference": None if self.difference is None else _difference_json(self.difference),
            "changed": _changed_json(self.changed),
            "recorded": self.recorded,
        }


@dataclass(eq=False)
class CannotRun(Exception):  # noqa: N818 -- an answer too
    """The workflow does not run here. `invalid`: it was not even tried."""

    reasons: tuple[str, ...]
    changed: Changes = field(default_factory=dict[str, tuple[str | None, str | None]])
    recorded: bool = False
    invalid: bool = False

    @property
    def sentences(self) -> tuple[str, ...]:
        """Why, for a person."""
        return (*self.reasons, *(_told(self.changed, recorded=True) if self.changed else ()))

    def as_json(self) -> dict[str, Any]:
        """Why, for a program."""
        return {
            "identical": False,
            "problems": list(self.reasons),
            "changed": _changed_json(self.changed),
            "recorded": self.recorded,
        }


def verify(
    file: Path,
    settings: Settings,
    folders: Folders,
    registry: Registry,
    *,
    quiet: bool,
    cancelled: Callable[[], bool],
) -> Verdict | None:
    """Run the workflow that a picture carries, nothing remembered, and compare; None when it was cancelled.

    What is drawn goes to a folder of its own and is thrown away. Raises FormatError when the file is no picture with
    a workflow, CannotRun when the workflow does not run here.
    """
    data = read_file(file)
    if picture_kind(data) is None:
        raise FormatError(f"{file} {'is no PNG, WebP or JPEG' if data else 'is empty'}.")
    recorded = _recorded(read_texts(data))
    graph = read_prompt(open_workflow(data, registry, str(file), folders=folders).prompt)
    wanted = frames_of(file)
    with tempfile.TemporaryDirectory(prefix="sfumato-") as name:
        aside = Folders(Path(name))
        engine = headless.make_engine(settings, _Aside.of(folders, aside), registry, remember=False)
        checked = engine.validate(graph)
        if not checked.sound:
            changed = _changed(recorded, engine, checked.graph, checked.good_outputs, folders)
            raise CannotRun(checked.sentences(), changed, recorded is not None, invalid=True)
        report = headless.Report({each.id: each.title or each.type for each in graph}, quiet=quiet)
        ran = headless.run_graph(
            engine,
            aside,
            checked.graph,
            checked.good_outputs,
            values={},
            document=None,
            report=report,
            cancelled=cancelled,
            metadata=False,
        )
        report.close()
        changed = _changed(recorded, engine, checked.graph, checked.good_outputs, folders)
        if ran.outcome.state == "cancelled":
            return None
        if ran.outcome.error is not None:
            raise CannotRun((ran.outcome.error.sentence,), changed, recorded is not None)
        drawn = [path for path in ran.files if path.suffix.lower() in (".png", ".webp", ".jpg", ".jpeg")]
        if not drawn:
            raise CannotRun(("The workflow ran, and wrote no picture to compare.",), changed, recorded is not None)
        return Verdict(_least(wanted, drawn), changed, recorded is not None)


@dataclass
class _Aside(Folders):
    """The base folder, but what is written goes elsewhere."""

    elsewhere: Folders | None = None

    @staticmethod
    def of(folders: Folders, elsewhere: Folders) -> _Aside:
        return _Aside(folders.base, folders.extra, folders.output, elsewhere=elsewhere)

    def save(
        self,
        prefix: str,
        suffix: str,
        data: bytes | Write,
        *,
        place: Place = "output",
        ctx: Context | None = None,
        index: int = 0,
        size: tuple[int, int] = (0, 0),
    ) -> Saved:
        assert self.elsewhere is not None
        return self.elsewhere.save(prefix, suffix, data, place=place, ctx=ctx, index=index, size=size)


def frames_of(file: Path) -> list[Pixels]:
    """A picture's frames as levels [H,W,4]. Raises FormatError when it cannot be decoded."""
    with lazily():
        from nodes.pictures.decode import PictureError, opened  # noqa: PLC0415 -- its torch is not loaded for this

    try:
        with opened(file) as image:
            return [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]
    except PictureError as error:
        raise FormatError(str(error)) from error


def _recorded(texts: Mapping[str, str]) -> Mapping[str, Any] | None:
    try:
        found: object = json.loads(texts.get(KEY, "null"))
    except (ValueError, RecursionError):
        return None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else None


def _changed(
    recorded: Mapping[str, Any] | None, engine: Engine, graph: Any, targets: tuple[str, ...], folders: Folders
) -> Changes:
    if recorded is None:
        return {}
    return changes(recorded, facts_of(graph, targets or tuple(graph.nodes), engine.registry, folders, engine.provided))


def _least(wanted: list[Pixels], drawn: list[Path]) -> Difference | None:
    """The least difference to any picture that was drawn: a batch's pictures all carry the one workflow."""
    found: list[Difference] = []
    for path in drawn:
        difference = compare(wanted, frames_of(path))
        if difference is None:
            return None
        found.append(difference)
    return min(found, key=lambda each: (each.was != each.now, each.pixels, each.most))


def compare(wanted: list[Pixels], frames: list[Pixels]) -> Difference | None:
    """What differs between two pictures' frames; None when nothing does."""
    was, now = _size(wanted), _size(frames)
    if was != now:
        return Difference(was, now)
    apart = [np.abs(a.astype(np.int16) - b).max(axis=-1) for a, b in zip(wanted, frames, strict=True)]
    pixels = sum(int(np.count_nonzero(each)) for each in apart)
    if not pixels:
        return None
    return Difference(was, now, pixels, sum(each.size for each in apart), max(int(each.max()) for each in apart))


def _size(frames: list[Pixels]) -> str:
    height, width = frames[0].shape[:2]
    return f"{width} x {height}" + (f" in {len(frames)} frames" if len(frames) > 1 else "")


def _told(changed: Changes, *, recorded: bool) -> tuple[str, ...]:
    if not recorded:
        return ("The picture records nothing of what drew it, so what has changed is not known.",)
    if not changed:
        return ("Nothing that was recorded has changed.",)
    told = [
        f"{printable(name)} was {printable(was or 'not recorded')}; it is {printable(now or 'not there')} now."
        for name, (was, now) in changed.items()
    ]
    more = len(told) - _MOST_TOLD
    return (*told[:_MOST_TOLD], *((f"{more} more facts have changed; see them all with --json.",) if more > 0 else ()))


def _changed_json(changed: Changes) -> dict[str, Any]:
    return {name: {"was": was, "now": now} for name, (was, now) in changed.items()}


def _difference_json(difference: Difference) -> dict[str, Any]:
    return {
        "was": difference.was,
        "now": difference.now,
        "pixels": difference.pixels,
        "of": difference.of,
        "most": difference.most,
    }
