"""What a server and a worker cost that draw nothing."""

from __future__ import annotations

from pathlib import Path

from tests.api.running import running
from tests.workers.test_deaths import number, workers_of


def test_nobody_loads_torch_without_a_use_for_it(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert server.ended(server.submit(number(1)))["state"] == "done"
        mapped = [Path(f"/proc/{pid}/maps").read_text("utf-8") for pid in (server.pid, *workers_of(server))]
    assert len(mapped) == 2
    assert not any("libtorch" in each for each in mapped)
