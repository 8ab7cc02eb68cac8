"""Weight files, opened safely: safetensors only, never pickle, and one clear sentence for whatever else they are."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodes.types import NodeError

if TYPE_CHECKING:
    from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]
"""Tensor shapes by name."""

MAX_HEADER_BYTES = 100_000_000
_PICKLES = frozenset({".ckpt", ".pt", ".pth", ".bin", ".pkl"})
_BYTES = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
}


class WeightsError(NodeError):
    """A weight file cannot be used; the message is one or two sentences for its user."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a safetensors file says it holds: shapes and dtypes ("F16", ...) by tensor name, and its metadata."""

    path: Path
    shapes: Shapes
    dtypes: Mapping[str, str]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """The header of a safetensors file, checked against the file's size.

    Raises WeightsError with a sentence that names the file and says what it is instead.
    """
    with _opened(path) as file:
        start = file.read(4096)
        size = path.stat().st_size
        _refuse_other_kinds(path, start, size)
        length = int.from_bytes(start[:8], "little")
        if length > MAX_HEADER_BYTES:
            raise WeightsError(f"{path} is not a safetensors file: its header would be {length} bytes long.")
        if 8 + length > size:
            raise WeightsError(
                f"{path} is cut short: its header of {length} bytes does not fit a file of {size} bytes. "
                "Download it again."
            )
        file.seek(8)
        entries = _parsed(path, file.read(length))
    return _checked(path, entries, size - 8 - length)


def _opened(path: Path) -> Any:
    if path.is_dir():
        raise WeightsError(f"{path} is a folder, not a safetensors file.")
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise WeightsError(f"{path} does not exist.") from None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from None


def _refuse_other_kinds(path: Path, start: bytes, size: int) -> None:
    """Raise WeightsError when the first bytes say that this is something else than safetensors."""
    text = start.lstrip().lower()
    what = None
    if size == 0:
        what = "is empty. Download it again."
    elif start.startswith(b"version https://git-lfs"):
        what = "is a Git LFS pointer, not the weights it points to. Fetch them with 'git lfs pull'."
    elif text.startswith((b"<!doctype", b"<html", b"<?xml")):
        what = "is a web page, not weights: the download got an error or login page. Download it again."
    elif start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        what = "is a pickle, which can run code when it is opened. Convert it to safetensors first."
    elif start.startswith(b"GGUF"):
        what = "is a GGUF file; a safetensors file is needed here."
    elif path.suffix.lower() in _PICKLES:
        what = f"ends in {path.suffix}, which means a pickle; convert it to safetensors first."
    elif size < 8:
        what = f"is cut short: {size} bytes hold no safetensors header. Download it again."
    if what:
        raise WeightsError(f"{path} {what}")


def _parsed(path: Path, data: bytes) -> dict[str, Any]:
    try:
        entries = json.loads(data)
    except (ValueError, RecursionError):
        raise WeightsError(f"{path} is not a safetensors file, or a damaged one: its header is no JSON.") from None
    if not isinstance(entries, dict):
        raise WeightsError(f"{path} is not a safetensors file: its header is no JSON object.")
    return entries


def _checked(path: Path, entries: dict[str, Any], data_bytes: int) -> Header:
    """The header's entries, each within the file and as long as its shape says."""
    metadata = entries.pop("__metadata__", {})
    shapes: dict[str, tuple[int, ...]] = {}
    dtypes: dict[str, str] = {}
    for name, entry in entries.items():
        try:
            dtype, shape = str(entry["dtype"]), tuple(int(n) for n in entry["shape"])
            begin, end = (int(n) for n in entry["data_offsets"])
        except (KeyError, TypeError, ValueError):
            raise WeightsError(f"{path} is damaged: its header does not describe tensor {name!r}.") from None
        if end > data_bytes:
            raise WeightsError(
                f"{path} is cut short: tensor {name!r} ends at byte {end} of {data_bytes}. Download it again."
            )
        width = _BYTES.get(dtype)
        if begin < 0 or min(shape, default=0) < 0 or (width and end - begin != width * math.prod(shape)):
            raise WeightsError(f"{path} is damaged: tensor {name!r} has the wrong length for its shape {list(shape)}.")
        shapes[name], dtypes[name] = shape, dtype
    strings = {str(k): str(v) for k, v in metadata.items()} if isinstance(metadata, dict) else {}
    return Header(path, shapes, dtypes, strings)


def read_tensors(path: Path, names: Mapping[str, str] | None = None) -> Iterator[tuple[str, Tensor]]:
    """Tensors of a safetensors file, one at a time; with `names`, only those, under the names they map to.

    Tensors are views of the mapped file: copy or convert them before the file is written again.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 -- needs torch

    header = read_header(path)
    wanted = names if names is not None else {name: name for name in header.shapes}
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            for name, renamed in wanted.items():
                yield renamed, file.get_tensor(name)
    except SafetensorError as error:
        raise WeightsError(f"{path} is damaged: {error}.") from None
