"""The disk takes nothing more: a clear error, nothing cut short under its final name, and on it goes with room again.

A limit on the size of files stands in for the full disk: the system refuses real writes of the running processes.
"""

from __future__ import annotations

import resource
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.api.running import Running, running
from tests.workers.test_deaths import FAST, number, through, workers_of

NOTHING = (0, resource.RLIM_INFINITY)
ANYTHING = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)


@contextmanager
def full(*pids: int) -> Generator[None]:
    """While inside, these processes can write to no file."""
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, NOTHING)
    try:
        yield
    finally:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, ANYTHING)


@pytest.fixture
def server(tmp_path: Path) -> Generator[Running]:
    with running(tmp_path, deadlines=FAST) as found:
        found.ended(found.submit(number(1)))
        yield found


def form(name: str, data: bytes) -> tuple[bytes, dict[str, str]]:
    head = f'--b\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
    return head.encode() + data + b"\r\n--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}


def writes(server: Running) -> dict[str, tuple[str, str, Any, dict[str, str]]]:
    body, headers = form("full.png", PNG)
    return {
        "submit": ("POST", "/prompt", {"prompt": number(2)}, {}),
        "upload": ("POST", "/upload/image", body, headers),
        "userdata": ("POST", "/userdata/workflows%2Ffull.json", b"{}" * 10_000, {}),
        "setting": ("POST", "/settings/Some.Setting", b"1", {}),
        "pause": ("POST", "/api/queue/pause", {}, {}),
        "forget": ("POST", "/history", {"clear": True}, {}),
    }


@pytest.mark.parametrize("site", ["submit", "upload", "userdata", "setting", "pause", "forget"])
def test_a_write_that_cannot_be_is_refused_and_later_taken(server: Running, site: str) -> None:
    method, path, body, headers = writes(server)[site]
    with full(server.pid):
        refused = server.ask(method, path, body, headers)
    assert refused.status == 507, refused.body
    assert "Nothing was" in refused.json["error"]["message"]
    left = [p for p in server.base.rglob("*") if p.name.startswith(("full", "comfy.settings")) or ".tmp" in p.name]
    assert left == []
    assert server.get("/queue")["queue_pending"] == []
    assert server.ask(method, path, body, headers).status == 200


def test_the_start_and_the_end_of_a_job_wait_for_room(server: Running) -> None:
    job = server.submit(through("ToyWait", seconds=0.5, steps=50))
    server.happened(job, "execution_start")
    with full(server.pid):
        server.logged("cannot be recorded yet")
        assert server.get(f"/api/jobs/{job}")["state"] == "running"
        assert server.get("/prompt")["exec_info"]["queue_remaining"] == 1
    assert server.ended(job)["state"] == "done"
    server.post("/api/queue/pause")
    held = server.submit(number(3))
    with full(server.pid):
        assert server.ask("POST", "/api/queue/resume").status == 507
    server.post("/api/queue/resume")
    assert server.ended(held)["state"] == "done"


def test_an_output_that_cannot_be_written_fails_its_job(server: Running) -> None:
    prompt = number(4)
    prompt["2"] = {"class_type": "ToySave", "inputs": {"value": ["1", 0], "prefix": "full"}}
    with full(*workers_of(server)):
        job = server.ended(server.submit(prompt))
    assert job["state"] == "failed"
    assert job["execution_error"]["node_id"] == "2"
    assert server.outputs() == []
    assert server.ended(server.submit(prompt))["state"] == "done"
    assert server.outputs() == ["full_00001_.txt"]


def test_results_that_cannot_be_kept_are_made_again(server: Running) -> None:
    with full(*workers_of(server)):
        assert server.ended(server.submit(through("ToyWait", seconds=0.3, steps=3)))["state"] == "done"
    assert server.ended(server.submit(through("ToyWait", seconds=0.3, steps=3)))["state"] == "done"


def test_an_output_that_is_gone_is_not_reported_done(server: Running) -> None:
    prompt = number(5)
    prompt["2"] = {"class_type": "ToySave", "inputs": {"value": ["1", 0], "prefix": "gone"}}
    prompt["3"] = {"class_type": "ToyWait", "inputs": {"value": ["1", 0], "seconds": 60, "steps": 600}}
    prompt["4"] = {"class_type": "ToyShow", "inputs": {"value": ["3", 0]}}
    job = server.submit(prompt)
    server.happened(job, "executed", node="2")
    (server.base / "output" / "gone_00001_.txt").unlink()
    server.post("/interrupt")
    assert server.ended(job)["state"] == "cancelled"
    again = server.ended(server.submit({key: prompt[key] for key in ("1", "2")}))
    assert again["state"] == "done"
    assert server.outputs() == ["gone_00001_.txt"]


def test_a_folder_that_cannot_be_used_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match="cannot be used as base folder"):
        Running(tmp_path, {"base": str(tmp_path / "file"), "web": str(tmp_path)}).start()
