"""The weights that a handle stands for, as a file holds them: tensor by tensor, each read when it is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodes.diffusion import ldm, modules
from nodes.diffusion.files import WeightsError
from nodes.diffusion.patches import Target, WeightPatch, stepped, steps_of

if TYPE_CHECKING:
    from torch import Tensor

    from nodes.types import Patch, Source


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor in a file: what it is ("F16", ...), and how to read it."""

    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], Tensor]


def tensors(source: Source, patches: Sequence[Patch] = (), *, exact: bool = False) -> dict[str, Stored]:
    """A part's tensors by their names in its module, in the file's dtypes; patched ones are rounded to them again.

    With `exact`, all are in float32.
    """
    found = dict(_originals(source))
    if exact:
        found = {name: Stored("F32", each.shape, _exactly(each)) for name, each in found.items()}
    wanted = [patch for patch in patches if isinstance(patch, WeightPatch)]
    if not wanted:
        return found
    originals = _Reading(found)
    target = Target(source.part, source.family, {name: s.shape for name, s in found.items()}, originals)
    for name, steps in steps_of(wanted, target).items():
        found[name] = replace(found[name], read=lambda name=name, steps=steps: stepped(originals[name], steps))
    return found


def _exactly(each: Stored) -> Callable[[], Tensor]:
    return lambda: each.read().float()


def shapes(source: Source) -> dict[str, tuple[int, ...]]:
    """The shapes of a part's tensors by their names in its module."""
    return {name: stored.shape for name, stored in _originals(source)}


class _Reading(Mapping[str, "Tensor"]):
    """Tensors by name, each read when it is asked for."""

    def __init__(self, stored: Mapping[str, Stored]) -> None:
        self._stored = dict(stored)

    def __getitem__(self, name: str) -> Tensor:
        return self._stored[name].read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


def _originals(source: Source) -> Iterator[tuple[str, Stored]]:
    weights = modules.weights_of(source)
    for path, names in weights.names.items():
        file = _Open(path)
        for given, name in names.items():
            stored = Stored(weights.dtypes[name], weights.shapes[name], _reader(file, given, source))
            yield from _split(name, stored)


def _reader(file: _Open, name: str, source: Source) -> Callable[[], Tensor]:
    return lambda: modules.rounded(file.tensor(name), source)


def _split(name: str, stored: Stored) -> Iterator[tuple[str, Stored]]:
    """OpenCLIP's tensors as Hugging Face's; others as they are."""
    parts = ldm.open_clip_parts(name, stored.shape)
    for index, (part, shape) in enumerate(parts):
        yield part, Stored(stored.dtype, shape, _nth(name, stored, index)) if len(parts) > 1 or part != name else stored


def _nth(name: str, stored: Stored, index: int) -> Callable[[], Tensor]:
    return lambda: list(ldm.split_open_clip(name, stored.read()))[index][1]


class _Open:
    """A safetensors file, opened when its first tensor is read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None

    def tensor(self, name: str) -> Tensor:
        from safetensors import SafetensorError, safe_open  # noqa: PLC0415 -- needs torch

        try:
            if self._file is None:
                self._file = safe_open(self._path, framework="pt", device="cpu")
            return self._file.get_tensor(name)
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"{self._path} cannot be read any more: {error}.") from None
