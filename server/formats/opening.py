"""Any file that holds a workflow, opened: recognised by what is in it, never by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any, Literal, cast

from nodes.folders import Folders
from nodes.registry import Registry
from server.formats.a1111 import from_infotext
from server.formats.document import is_document
from server.formats.editor import to_prompt
from server.formats.envelope import REQUEST_KEYS, opened_envelope
from server.formats.errors import FormatError, printable
from server.formats.infotext import is_infotext, read_infotext
from server.formats.picture import picture_kind, read_texts
from server.formats.prompt import Prompt, clean_prompt, is_prompt
from server.formats.reading import parse_json
from server.formats.report import Report, make_report
from server.formats.script import from_script, is_script
from server.formats.shapes import Shapes

Source = Literal["api", "editor", "picture", "infotext", "python"]

_SHOWN_NAMES = 8


@dataclass(frozen=True, slots=True)
class Opened:
    """A workflow as it runs, the editor's file if that was there, where it was found, and what is to know about it.

    `beside` are keys of the file that are no part of the workflow.
    """

    prompt: Prompt
    document: dict[str, Any] | None
    report: Report
    source: Source
    parameters: str | None = None
    beside: tuple[str, ...] = ()

    @property
    def alone(self) -> bool:
        """Whether the file is this workflow's JSON and nothing else, so that it can be written anew."""
        return not self.beside and (self.source == "editor" or (self.source == "api" and self.document is None))


def open_workflow(
    data: bytes,
    registry: Registry,
    name: str = "",
    *,
    folders: Folders | None = None,
    choices: Random | None = None,
    now: datetime | None = None,
) -> Opened:
    """The workflow in a file: JSON of the API or the editor, a PNG, WebP or JPEG that carries one, A1111 parameters.

    `name` is how errors call the file. With `folders` the report names models that are not on disk. Raises FormatError.
    """
    opener = _Opener(Shapes(registry), folders, choices, now)
    try:
        return opener.open(data)
    except FormatError as error:
        raise FormatError(f"{name}: {error}" if name else str(error)) from error


def open_document(document: Mapping[str, Any], registry: Registry, *, folders: Folders | None = None) -> Opened:
    """The workflow of an editor's file that is parsed already. Raises FormatError."""
    return _Opener(Shapes(registry), folders, None, None).of_json(dict(document))


@dataclass(frozen=True)
class _Opener:
    shapes: Shapes
    folders: Folders | None
    choices: Random | None
    now: datetime | None

    def open(self, data: bytes) -> Opened:
        if picture_kind(data) is not None:
            return self._of_texts(read_texts(data))
        text = _text(data)
        if is_script(text) and not _is_json(text):
            return self._of_prompt(from_script(text, self.shapes), "python")
        if is_infotext(text) and not _is_json(text):
            return self._of_parameters(text, "infotext")
        if text.lstrip()[:1] in ("{", "["):
            return self.of_json(parse_json(data))
        raise FormatError(
            "This is no workflow: it must be a workflow's JSON, a PNG, WebP or JPEG that carries one, A1111 "
            "parameters, or a script of Sfumato's."
        )

    def of_json(self, value: object) -> Opened:
        held = opened_envelope(value)
        if held.prompt is None and held.document is None:
            raise FormatError(
                "The JSON is no workflow: an editor's file has a list of nodes, and an API prompt has nodes that each "
                "say their class_type."
            )
        if held.prompt is not None:
            opened = self._of_prompt(clean_prompt(held.prompt), "api", held.document)
        else:
            assert held.document is not None
            prompt = to_prompt(held.document, self.shapes, choices=self.choices, now=self.now)
            opened = Opened(prompt, held.document, self._report(prompt, held.document), "editor")
        return replace(opened, beside=held.beside, report=_with_note(opened.report, held.beside))

    def _of_prompt(self, prompt: Prompt, source: Source, document: dict[str, Any] | None = None) -> Opened:
        return Opened(prompt, document, self._report(prompt, document), source)

    def _of_parameters(self, text: str, source: Source) -> Opened:
        made = from_infotext(read_infotext(text), self.folders)
        report = self._report(made.prompt, None)
        return Opened(made.prompt, None, replace(report, notes=(*made.notes, *report.notes)), source, text)

    def _of_texts(self, texts: Mapping[str, str]) -> Opened:
        """What a picture carries. What ran is the prompt; the editor's file is how it is shown."""
        parameters = texts.get("parameters")
        halves = {key: _json(texts[key]) for key in ("workflow", "prompt") if key in texts}
        workflow, prompt = halves.get("workflow"), halves.get("prompt")
        document = cast("dict[str, Any]", workflow) if is_document(workflow) else None
        if is_prompt(prompt):
            ran = clean_prompt(prompt)
            return Opened(ran, document, self._report(ran, document), "picture", parameters)
        for value in (workflow, prompt):
            if is_document(value) or is_prompt(value):
                return replace(self.of_json(value), source="picture", parameters=parameters)
        for text in (parameters, texts.get("comment")):
            if text is not None and is_infotext(text):
                return self._of_parameters(text, "picture")
        raise FormatError(
            "The picture carries no workflow. Pictures lose it when a site or a program saves them anew; look for the "
            "original file."
        )

    def _report(self, prompt: Prompt, document: Mapping[str, Any] | None) -> Report:
        return make_report(prompt, document, self.shapes, self.folders)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError("The file is neither text nor a PNG, WebP or JPEG.") from error


def _is_json(text: str) -> bool:
    return _json(text) is not None


def _json(text: str) -> object:
    try:
        return parse_json(text, "The picture's workflow")
    except FormatError:
        return None


def _with_note(report: Report, beside: tuple[str, ...]) -> Report:
    """The report, with a note on what the file holds that is neither a node nor a request's own."""
    names = [printable(name, 60) for name in beside if name not in REQUEST_KEYS]
    if not names:
        return report
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    note = f"Left out, as they are no nodes: {', '.join(names[:_SHOWN_NAMES])}{more}."
    return replace(report, notes=(*report.notes, note))
