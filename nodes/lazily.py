"""Importing node modules without paying for what their functions will need."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from types import ModuleType
from typing import Any

HEAVY = frozenset(
    {"torch", "cv2", "scipy", "torchsde", "numpy", "yaml", "http.client", "urllib.request"}
    | {"PIL.Image", "PIL.ImageOps", "PIL.ImageSequence"}
)
"""Modules that are loaded at their first use.

Not those that replace themselves on import (diffusers), nor those that are imported for what that does (PIL's formats).
"""


@dataclass(slots=True)
class _Unused:
    """How a module will be loaded, and whether that was begun: by one thread, for which the others wait."""

    loader: importlib.abc.Loader
    begun: bool = False
    lock: Any = field(default_factory=RLock)


class _UnusedModule(ModuleType):
    """A module whose first use loads it. Importing it again is no use, though Python then asks for its spec."""

    # Python's own LazyModule lets a second thread see a module that the first is still loading.

    def __getattribute__(self, name: str) -> Any:
        if name not in ("__spec__", "__class__"):
            _use(self)
        return ModuleType.__getattribute__(self, name)  # not super(): the class is another one by now

    def __setattr__(self, name: str, value: object) -> None:
        _use(self)
        ModuleType.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        _use(self)
        ModuleType.__delattr__(self, name)


def _use(module: _UnusedModule) -> None:
    """Load the module, unless that is done, or under way in this thread."""
    spec = module.__spec__
    assert spec is not None
    unused: _Unused = spec.loader_state
    with unused.lock:
        if unused.begun:
            return
        unused.begun = True
        try:
            unused.loader.exec_module(module)
        except BaseException:
            unused.begun = False
            raise
        ModuleType.__setattr__(module, "__class__", ModuleType)


class _LazyLoader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        module.__spec__.loader_state = _Unused(self._loader)
        module.__class__ = _UnusedModule


class _LazyFinder(importlib.abc.MetaPathFinder):
    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _LazyLoader(spec.loader)
        return spec


@contextmanager
def lazily(names: Collection[str] = HEAVY) -> Iterator[None]:
    """While inside, importing a module of these names costs nothing until an attribute of it is asked for.

    The schema, validation and `sfumato nodes` need every node module and no tensor. For one thread, before others
    start.
    """
    finder = _LazyFinder(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
