"""The subcommands that work on workflow files and run nothing: convert, diff, fmt."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from server.formats.canonical import canonical
from server.formats.diff import diff
from server.formats.errors import FormatError
from server.formats.infotext import write_infotext
from server.formats.layout import to_document
from server.formats.opening import Opened, open_workflow
from server.formats.prompt import read_prompt
from server.formats.reading import read_file
from server.formats.script import to_script
from server.formats.settings import to_infotext
from server.formats.shapes import Shapes

if TYPE_CHECKING:
    from nodes.folders import Folders
    from nodes.registry import Registry

TARGETS = ("api", "editor", "python", "a1111")
_FIXED = datetime(2000, 1, 1)
"""The date in file names when two files are compared: no day may make a difference."""


def open_path(path: Path, registry: Registry, folders: Folders | None = None, *, still: bool = False) -> Opened:
    """The workflow in a file. `still`: what chance and the clock decide is decided the same way each time.

    Raises FormatError, also when the file cannot be read.
    """
    fixed: dict[str, Any] = {"choices": Random(0), "now": _FIXED} if still else {}
    return open_workflow(read_file(path), registry, str(path), folders=folders, **fixed)


def converted(opened: Opened, to: str, shapes: Shapes, title: str = "") -> str:
    """The workflow as text of another format: one of `TARGETS`. Raises FormatError when it cannot be said there."""
    match to:
        case "api":
            return canonical(opened.prompt)
        case "editor":
            return canonical(opened.document or to_document(opened.prompt, shapes, title=title))
        case "python":
            return to_script(read_prompt(opened.prompt), shapes, title=title)
        case "a1111":
            info = to_infotext(opened.prompt)
            if info is None:
                raise FormatError("A1111's settings speak of one KSampler, and this workflow has none.")
            return write_infotext(info) + "\n"
        case _:
            raise FormatError(f"There is no format {to!r}; choose one of {', '.join(TARGETS)}.")


def convert_file(file: Path, to: str, out: Path | None, registry: Registry, folders: Folders) -> int:
    """Write the workflow of `file` in another format, to `out` or to the standard output; say what it lacks."""
    opened = open_path(file, registry, folders)
    text = converted(opened, to, Shapes(registry), file.stem)
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, "utf-8")
    for sentence in opened.report.sentences:
        print(sentence, file=sys.stderr)
    return 0


def diff_files(files: list[Path], registry: Registry, *, as_json: bool) -> int:
    """Print what changed from one file to the other. Given git's seven arguments, it is an external diff driver."""
    if len(files) >= 7:  # path, old file, old hex, old mode, new file, new hex, new mode
        files = [files[1], files[4]]
    if len(files) != 2:
        raise FormatError("Name two files: what it was, and what it is now.")
    graphs = [_graph(file, registry) for file in files]
    changes = diff(*graphs)
    if as_json:
        text = json.dumps([change.as_json() for change in changes], indent=2, ensure_ascii=False)
    else:
        text = "\n".join(change.sentence for change in changes)
    if text:
        sys.stdout.write(text + "\n")
    return 0


def _graph(file: Path, registry: Registry) -> Any:
    if str(file) == "/dev/null":
        return read_prompt({})
    return read_prompt(open_path(file, registry, still=True).prompt)


def format_files(files: list[Path], registry: Registry, *, check: bool, show: bool) -> int:
    """Write workflow files in canonical form. `check` only says which are not; `show` prints instead (pictures too)."""
    wrong = 0
    for file in files:
        opened = open_path(file, registry, still=True)
        text = canonical(opened.document or opened.prompt)
        if show:
            sys.stdout.write(text)
            continue
        if not opened.alone:
            what = "holds more than a workflow" if opened.source in ("api", "editor") else "is no JSON"
            raise FormatError(f"{file} {what}; see the workflow with --print.")
        if file.read_bytes() != text.encode():
            wrong += 1
            print(file)
            if not check:
                file.write_text(text, "utf-8", newline="\n")
    return 1 if check and wrong else 0
