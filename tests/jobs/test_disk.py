"""The disk takes nothing, or takes its time: a clear error, nothing cut short under its final name, and on it goes.

A limit on the size of files stands in for the full disk, permissions for one that is read-only: the system refuses real
writes of the running processes. A lock on the database stands in for a slow one.
"""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.api.running import Running, messages_until_end, prepare, report, running, socket
from tests.workers.test_deaths import FAST, number, through, workers_of

NOTHING = (0, resource.RLIM_INFINITY)
ANYTHING = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)
RGBA = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63606060680000008500819a94"
    "93870000000049454e44ae426082"
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


@contextmanager
def read_only(*folders: Path) -> Generator[None]:
    """While inside, nothing in these folders can be made, replaced or removed."""
    modes = {path: path.stat().st_mode for folder in folders for path in (folder, *folder.rglob("*")) if path.is_dir()}
    for path in modes:
        path.chmod(0o555)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@contextmanager
def busy(database: Path) -> Generator[None]:
    """While inside, nothing gets into the database."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def server(tmp_path: Path) -> Generator[Running]:
    with running(tmp_path, bound=True, deadlines=FAST) as found:
        found.ended(found.submit(number(1)))
        yield found


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    """One server for the sites at which it writes; it holds a job that waits."""
    with running(tmp_path_factory.mktemp("disk"), bound=True, deadlines=FAST) as found:
        for site in ("input/masked.png", "user/default/workflows/old.json"):
            (found.base / site).parent.mkdir(parents=True, exist_ok=True)
            (found.base / site).write_bytes(PNG)
        found.ended(found.submit(number(1)))
        yield found


def form(name: str, data: bytes, **fields: str) -> tuple[bytes, dict[str, str]]:
    parts = [f'--b\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{fields[key]}\r\n' for key in fields]
    head = f'{"".join(parts)}--b\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
    return head.encode() + data + b"\r\n--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}


UPLOAD = form("full.png", PNG)
MASK = form("full-mask.png", RGBA, original_ref='{"filename": "masked.png", "type": "input"}')
IN_FILES: dict[str, tuple[str, str, Any, dict[str, str]]] = {
    "upload": ("POST", "/upload/image", *UPLOAD),
    "mask": ("POST", "/upload/mask", *MASK),
    "userdata": ("POST", "/userdata/workflows%2Ffull.json", b"{}" * 10_000, {}),
    "replace": ("POST", "/userdata/workflows%2Fold.json", b"{}" * 10_000, {}),
    "setting": ("POST", "/settings/Some.Setting", b"1", {}),
    "settings": ("POST", "/settings", {"Some.Setting": 2}, {}),
}
IN_DATABASE: dict[str, tuple[str, str, Any, dict[str, str]]] = {
    "submit": ("POST", "/prompt", {"prompt": number(2)}, {}),
    "pause": ("POST", "/api/queue/pause", {"reason": "again"}, {}),
    "forget": ("POST", "/history", {"clear": True}, {}),
    "withdraw": ("POST", "/queue", {"clear": True}, {}),
}


def files_in(base: Path) -> dict[str, bytes]:
    """What clients have written, with anything that was left half done beside it."""
    places = (base / "input", base / "user" / "default")
    return {str(p.relative_to(base)): p.read_bytes() for place in places for p in place.rglob("*") if p.is_file()}


def refused_then_taken(server: Running, request: tuple[str, str, Any, dict[str, str]], disk: Any) -> str:
    """What is said where a write cannot be. It changes nothing, and is taken later."""
    method, path, body, headers = request
    files, waiting = files_in(server.base), server.get("/queue")["queue_pending"]
    with disk:
        refused = server.ask(method, path, body, headers)
    assert refused.status in (403, 507), refused.body
    assert files_in(server.base) == files
    assert server.get("/queue")["queue_pending"] == waiting
    assert server.ask(method, path, body, headers).status == 200
    return str(refused.json["error"]["message"])


@pytest.mark.parametrize("site", [*IN_FILES, *IN_DATABASE])
def test_on_a_full_disk_a_write_is_refused_and_later_taken(lasting: Running, site: str) -> None:
    if site == "withdraw":
        lasting.post("/api/queue/pause")
        lasting.submit(number(7))
    said = refused_then_taken(lasting, (IN_FILES | IN_DATABASE)[site], full(lasting.pid))
    lasting.post("/api/queue/resume")
    report(f"  full, {site}: {said}")
    assert said.startswith("Nothing was")


@pytest.mark.parametrize("site", IN_FILES)
def test_in_a_read_only_folder_a_write_is_refused_and_later_taken(lasting: Running, site: str) -> None:
    said = refused_then_taken(lasting, IN_FILES[site], read_only(lasting.base / "input", lasting.base / "user"))
    report(f"  read-only, {site}: {said}")
    assert said == "The file system refused: Permission denied."


async def test_on_a_slow_disk_others_are_served_and_nothing_is_said_too_soon(server: Running) -> None:
    database = server.base / "user" / ".sfumato" / "jobs.sqlite"
    async with socket(server, "slow") as ws:
        running_one = server.submit(through("ToyWait", seconds=0.5, steps=5), client_id="slow")
        while (await ws.receive_json())["data"].get("node") != "x":
            pass
        with ThreadPoolExecutor(1) as pool:
            with busy(database):
                posted = pool.submit(server.submit, number(8), client_id="slow")
                while (await ws.receive_json())["type"] != "executed":
                    pass
                for path in ("/system_stats", "/queue", "/object_info/ToyAdd"):
                    assert server.ask("GET", path).status == 200
                assert server.get(f"/api/jobs/{running_one}")["state"] == "running"
                assert not posted.done()
            accepted = posted.result(60)
        ended = [
            message["data"]["prompt_id"] for message in await messages_until_end(ws, accepted) if said_done(message)
        ]
    assert ended == [running_one, accepted]


def said_done(message: dict[str, Any]) -> bool:
    return message["type"] == "execution_success"


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


def test_an_output_in_a_read_only_folder_fails_its_job(server: Running) -> None:
    prompt = number(4)
    prompt["2"] = {"class_type": "ToySave", "inputs": {"value": ["1", 0], "prefix": "full"}}
    with read_only(server.base / "output"):
        job = server.ended(server.submit(prompt))
    assert job["state"] == "failed"
    assert job["execution_error"]["node_id"] == "2"
    assert "ermission denied" in job["execution_error"]["exception_message"]
    assert server.outputs() == []
    assert server.ended(server.submit(prompt))["state"] == "done"


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


@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_a_read_only_folder_is_said_in_a_sentence(tmp_path: Path, used: bool) -> None:
    base = prepare(tmp_path / "base")
    if used:
        with running(base):
            pass
    with read_only(base):
        for path in base.rglob("jobs.sqlite*"):
            path.chmod(0o444)
        with pytest.raises(RuntimeError, match=r"cannot be (used|written|opened)") as said:
            Running(base, bound=True).start()
    assert "Traceback" not in str(said.value)
