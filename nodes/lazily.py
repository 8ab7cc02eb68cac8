"""Importing node modules without paying for what their functions will need."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

HEAVY = ("torch", "cv2", "scipy", "torchsde")
"""Modules that are loaded at their first use. Those that replace themselves on import (diffusers) cannot be."""


class _LazyFinder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in HEAVY:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
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
