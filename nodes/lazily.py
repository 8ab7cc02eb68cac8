"""Importing node modules without paying for what their functions will need."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

HEAVY = ("torch", "cv2", "scipy", "torchsde")
"""Modules that are loaded at their first use. Those that replace themselves on import (diffusers) cannot be."""


class _UnusedModule(importlib.util._LazyModule):  # pyright: ignore
    """A module whose first use loads it. Importing it again is no use, though Python then asks for its spec."""

    def __getattribute__(self, name: str) -> Any:
        if name == "__spec__":
            return ModuleType.__getattribute__(self, name)
        return super().__getattribute__(name)


class _Loader(importlib.util.LazyLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        module.__class__ = _UnusedModule


class _LazyFinder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in HEAVY:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


@contextmanager
def lazily() -> Iterator[None]:
    """While inside, `import torch` and its like at a module's top cost nothing until an attribute is asked for.

    The schema, validation and `sfumato nodes` need every node module and no tensor. For one thread, before others
    start.
    """
    finder = _LazyFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
