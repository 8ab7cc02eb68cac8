"""Every file that a workflow arrives in. Nothing here runs anything."""

from __future__ import annotations

from server.formats.canonical import canonical
from server.formats.diff import Change, diff
from server.formats.editor import to_prompt
from server.formats.errors import FormatError
from server.formats.layout import to_document
from server.formats.opening import Opened, open_document, open_workflow
from server.formats.picture import read_texts, write_texts
from server.formats.prompt import read_prompt
from server.formats.report import MissingModel, Report, UnknownNode
from server.formats.shapes import Shapes

__all__ = [
    "Change",
    "FormatError",
    "MissingModel",
    "Opened",
    "Report",
    "Shapes",
    "UnknownNode",
    "canonical",
    "diff",
    "open_document",
    "open_workflow",
    "read_prompt",
    "read_texts",
    "to_document",
    "to_prompt",
    "write_texts",
]
