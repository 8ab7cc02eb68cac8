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
from server.formats.errors import FormatError
from server.formats.infotext import is_infotext, read_infotext
from server.formats.picture import picture_kind, read_texts
from server.formats.prompt import Prompt, clean_prompt, is_prompt
from server.formats.reading import parse_json
from server.formats.report import Report, make_report
from server.formats.script import from_script, is_script
from server.formats.shapes import Shapes

Source = Literal["api", "editor", "picture", "infotext", "python"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A workflow as it runs, the editor's file if that was there, where it was found, and what is to know about it."""

    prompt: Prompt
    document: dict[str, Any] | None
    report: Report
    source: Source
    parameters: str | None = None


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
        if is_document(value):
            document = cast("dict[str, Any]", value)
            prompt = to_prompt(document, self.shapes, choices=self.choices, now=self.now)
            return Opened(prompt, document, self._report(prompt, document), "editor")
        if is_prompt(value):
            return self._of_prompt(clean_prompt(value), "api")
        found = _inner(value)
        if found is not None:
            return self.of_json(found)
        raise FormatError(
            "The JSON is no workflow: an editor's file has a list of nodes, and an API prompt has nodes that each say "
            "their class_type."
        )

    def _of_prompt(self, prompt: Prompt, source: Source) -> Opened:
        return Opened(prompt, None, self._report(prompt, None), source)

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


def _inner(value: object) -> object | None:
    """What a request's body or another wrapper holds."""
    if not isinstance(value, dict):
        return None
    body = cast("dict[str, object]", value)
    for key in ("workflow", "prompt", "output"):
        inner = body.get(key)
        if is_document(inner) or is_prompt(inner):
            return inner
    return None
