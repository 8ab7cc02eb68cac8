"""Results as bytes: tensors in safetensors, everything else as JSON in its header. No pickle, no class named by data.

Only the value types listed here can be read back; a result that holds anything else (a live object of a custom pack, a
patched model) is not stored, and its node runs again when it is needed.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodes import define, types

if TYPE_CHECKING:
    from torch import Tensor

_CLASSES: Mapping[str, type] = {
    cls.__name__: cls
    for cls in (
        types.Image,
        types.Mask,
        types.Latent,
        types.Area,
        types.ControlHint,
        types.Cond,
        types.Conditioning,
        types.Source,
        types.Vae,
        types.ControlNet,
        types.ClipVision,
        types.ClipVisionOutput,
        types.StyleModel,
        types.Gligen,
        types.UpscaleModel,
        types.Sampler,
        types.Sigmas,
        types.Noise,
        define.Saved,
        define.Shown,
        define.Blocked,
    )
}
_SMALL_BYTES = 64


class Unstorable(TypeError):  # noqa: N818
    """A value of a type that is not written to disk."""


class DamagedResult(ValueError):  # noqa: N818
    """Bytes that are no stored result."""


def encode(value: Any) -> bytes | None:
    """A value as bytes, or None when it holds something that is not stored."""
    tensors: dict[str, Tensor] = {}
    try:
        tree = json.dumps(_to_tree(value, tensors), separators=(",", ":"))
    except Unstorable:
        return None
    if tensors:
        from safetensors.torch import save  # noqa: PLC0415 -- costs torch

        return save(tensors, {"tree": tree})
    header = json.dumps({"__metadata__": {"tree": tree}}, separators=(",", ":")).encode()
    return struct.pack("<Q", len(header)) + header


def decode(data: bytes) -> Any:
    """The value that `encode` was given. Raises DamagedResult."""
    try:
        (length,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + length])
        tensors: Mapping[str, Tensor] = {}
        if len(header) > 1:
            from safetensors.torch import load  # noqa: PLC0415 -- costs torch

            tensors = load(data)
        return _from_tree(json.loads(header["__metadata__"]["tree"]), tensors)
    except Exception as error:
        raise DamagedResult(f"The stored result cannot be read: {error}") from error


def size(value: Any) -> int:
    """About how many bytes a value holds in memory; a tensor that occurs twice counts once."""
    seen: set[int] = set()
    total = 0
    stack = [value]
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        total += _SMALL_BYTES
        if isinstance(nbytes := getattr(item, "nbytes", None), int):
            total += nbytes
        elif isinstance(item, str | bytes):
            total += len(item)
        elif isinstance(item, Mapping):
            stack.extend(item.values())
        elif isinstance(item, list | tuple):
            stack.extend(item)
        elif dataclasses.is_dataclass(item) and not isinstance(item, type):
            stack.extend(getattr(item, f.name) for f in dataclasses.fields(item))
    return total


def _to_tree(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Plain JSON for a value: lists stay lists, everything else that is no scalar is {tag: content}."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [_to_tree(item, tensors) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_to_tree(item, tensors) for item in value]}
    if isinstance(value, Path):
        return {"path": str(value)}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise Unstorable("keys that are no strings")
        return {"dict": {key: _to_tree(item, tensors) for key, item in value.items()}}
    if _CLASSES.get(type(value).__name__) is type(value):
        fields = {f.name: _to_tree(getattr(value, f.name), tensors) for f in dataclasses.fields(value)}
        return {type(value).__name__: fields}
    if type(value).__module__ == "torch" and type(value).__name__ == "Tensor":
        name = str(len(tensors))
        # A copy, because two names may not share memory in a safetensors file.
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    raise Unstorable(type(value).__name__)


def _from_tree(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(tree, list):
        return [_from_tree(item, tensors) for item in tree]
    if not isinstance(tree, dict):
        return tree
    ((tag, content),) = tree.items()
    match tag:
        case "tuple":
            return tuple(_from_tree(item, tensors) for item in content)
        case "path":
            return Path(content)
        case "dict":
            return {key: _from_tree(item, tensors) for key, item in content.items()}
        case "tensor":
            return tensors[content]
        case _:
            return _CLASSES[tag](**{key: _from_tree(item, tensors) for key, item in content.items()})
