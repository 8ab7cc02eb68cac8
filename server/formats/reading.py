"""JSON from strangers: bounded, and checked where it is taken apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from server.formats.errors import FormatError, shown

LIMIT_BYTES = 64 * 1024 * 1024
"""No workflow is larger; whatever is, is not read."""

FILE_LIMIT_BYTES = 1024 * 1024 * 1024
"""No picture that carries a workflow is larger."""

_PART_BYTES = 1024 * 1024


def read_file(path: Path) -> bytes:
    """What is in a file. Raises FormatError when it cannot be read."""
    data = bytearray()
    try:
        with path.open("rb") as file:
            while len(data) <= FILE_LIMIT_BYTES and (part := file.read(_PART_BYTES)):
                data += part
    except FileNotFoundError:
        raise FormatError(f"{path} is not there.") from None
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > FILE_LIMIT_BYTES:
        raise FormatError(f"{path} is larger than {FILE_LIMIT_BYTES // 2**20} MiB; no file with a workflow is.")
    return bytes(data)


def parse_json(text: str | bytes, what: str = "The file") -> Any:
    """The value that a JSON text says. NaN and infinities, which ComfyUI writes, become None.

    Raises FormatError naming line and column.
    """
    if len(text) > LIMIT_BYTES:
        raise FormatError(f"{what} is {len(text) // 2**20} MiB; no workflow is larger than {LIMIT_BYTES // 2**20} MiB.")
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
        return json.loads(decoded, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise FormatError(f"{what} is not UTF-8 text (byte {error.start}).") from error
    except RecursionError as error:
        raise FormatError(f"{what} is nested too deeply to be a workflow.") from error
    except json.JSONDecodeError as error:
        raise FormatError(f"{what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error
    except ValueError as error:  # a number of thousands of digits
        raise FormatError(f"{what} is not JSON that can be read: {error}.") from error


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """The value as an object, or FormatError."""
    if not isinstance(value, dict):
        raise FormatError(f"{where} is {shown(value)}; it must be an object.")
    return cast("Mapping[str, Any]", value)


def sequence(value: object, where: str) -> list[Any]:
    """The value as a list, None being an empty one, or FormatError."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise FormatError(f"{where} is {shown(value)}; it must be a list.")
    return cast("list[Any]", value)


def optional_mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one: for what a file may say or leave."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def node_id(value: object, where: str) -> str:
    """A node's id as text: files write it as a number or as a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise FormatError(f"{where} is {shown(value)}; a node's id must be a number or a string.")
    if isinstance(value, float):
        if not value.is_integer():
            raise FormatError(f"{where} is {shown(value)}; a node's id must be a whole number or a string.")
        value = int(value)
    return str(value)


def whole(value: object, where: str) -> int:
    """A whole number, or FormatError."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise FormatError(f"{where} is {shown(value)}; it must be a whole number.")
    return value


def type_name(value: object) -> str:
    """A socket type as text: old files hold a list of choices, or 0 and -1 for anything."""
    if isinstance(value, str):
        return value or "*"
    return "COMBO" if isinstance(value, list) else "*"


def _no_number(_: str) -> None:
    return None
