from __future__ import annotations

import pytest

from nodes.registry import Registry, builtin
from server.formats import Shapes


@pytest.fixture(scope="session")
def registry() -> Registry:
    return builtin()


@pytest.fixture(scope="session")
def shapes(registry: Registry) -> Shapes:
    return Shapes(registry)
