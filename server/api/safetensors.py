"""What the header of a safetensors file says, read without trusting it."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, cast

MAX_HEADER_BYTES = 100_000_000


def read_header(path: Path) -> dict[str, Any] | None:
    """The header as it is, or None when the file has none."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(MAX_HEADER_BYTES, path.stat().st_size - 8):
                return None
            header: object = json.loads(file.read(length))
    except (OSError, ValueError, struct.error, RecursionError):
        return None
    return cast("dict[str, Any]", header) if isinstance(header, dict) else None


def whole_safetensors(path: Path) -> str:
    """Why a file is no whole safetensors file, or nothing."""
    header = read_header(path)
    if header is None:
        return "it is no safetensors file"
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
    room, end = path.stat().st_size - 8 - length, 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            first, last = entry["data_offsets"]
            fits = 0 <= int(first) <= int(last) <= room
        except (TypeError, KeyError, ValueError):
            fits, last = False, 0
        if not fits:
            return f"its tensor {name[:60]!r} lies outside the file"
        end = max(end, int(last))
    return "" if end == room else "it is longer or shorter than its header says"
