from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.running import Running, running


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for all tests that leave it as they found it."""
    with running(tmp_path_factory.mktemp("shared")) as server:
        yield server
