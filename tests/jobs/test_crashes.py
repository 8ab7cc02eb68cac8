"""The server is killed at random moments: no job is lost, none writes its files twice, every one ends."""

from __future__ import annotations

import contextlib
import http.client
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.api.running import Running, prepare, report

FAULTS = (OSError, http.client.HTTPException)


def quick(name: str) -> dict[str, Any]:
    return {
        "1": {"class_type": "ToyNumber", "inputs": {"value": 7}},
        "2": {"class_type": "ToySave", "inputs": {"value": ["1", 0], "prefix": f"{name}/a"}},
    }


def slow(name: str) -> dict[str, Any]:
    prompt: dict[str, Any] = {"0": {"class_type": "ToyNumber", "inputs": {"value": abs(hash(name)) % 1000}}}
    for step in range(1, 5):
        prompt[str(step)] = {
            "class_type": "ToyWait",
            "inputs": {"value": [str(step - 1), 0], "seconds": 0.08, "steps": 4},
        }
    prompt["save"] = {"class_type": "ToySave", "inputs": {"value": ["4", 0], "prefix": f"{name}/a"}}
    return prompt


def several(name: str) -> dict[str, Any]:
    prompt: dict[str, Any] = {"0": {"class_type": "ToyNumber", "inputs": {"value": 3}}}
    for file in range(6):
        wait = {"value": ["0", 0], "seconds": 0.02 + file / 1000, "steps": 1}
        prompt[f"w{file}"] = {"class_type": "ToyWait", "inputs": wait}
        save = {"value": [f"w{file}", 0], "prefix": f"{name}/{file}"}
        prompt[f"s{file}"] = {"class_type": "ToySave", "inputs": save}
    return prompt


WORKFLOWS = {"quick": (quick, 1), "slow": (slow, 1), "several": (several, 6)}


@dataclass
class Storm:
    """Servers that are killed one after the other over the same folder, and the jobs they were given."""

    base: Path
    chance: random.Random
    files_of: dict[str, int] = field(default_factory=dict[str, int])
    accepted: set[str] = field(default_factory=set[str])
    kills: Counter[str] = field(default_factory=Counter[str])
    paused: int = 0

    def round(self, number: int) -> None:
        """A server that is given some jobs and killed in the middle of them."""
        kind = list(WORKFLOWS)[number % len(WORKFLOWS)]
        server = Running(self.base, {"custom_nodes": True}).start()
        try:
            self.resume(server)
            dies_at = time.monotonic() + self.chance.uniform(0.0, 1.6)
            for job in range(3):
                name = f"{kind}-{number}-{job}"
                make, files = WORKFLOWS[kind]
                self.files_of[name] = files
                if time.monotonic() < dies_at:
                    with contextlib.suppress(*FAULTS):
                        server.submit(make(name), prompt_id=name)
                        self.accepted.add(name)
            time.sleep(max(0.0, dies_at - time.monotonic()))  # nothing is waited for: the moment is the case
        finally:
            server.kill()
        self.kills[kind] += 1

    def resume(self, server: Running) -> None:
        if server.get("/queue")["paused"]:
            self.paused += 1
            server.post("/api/queue/resume")

    def reckon(self) -> dict[str, int]:
        """What became of all jobs, after a last start."""
        server = Running(self.base, {"custom_nodes": True}).start()
        try:
            self.resume(server)
            lost = again = 0
            for name in self.files_of:
                if server.ask("GET", f"/api/jobs/{name}").status == 404:
                    lost += name in self.accepted
                    again += 1  # never answered for: the client asks again, under the same id
                    kind = name.partition("-")[0]
                    server.submit(WORKFLOWS[kind][0](name), prompt_id=name)
            states = Counter(server.ended(name)["state"] for name in self.files_of)
        finally:
            server.stop()
        written = {name: len(list((self.base / "output" / name).glob("*"))) for name in self.files_of}
        twice = sum(count > self.files_of[name] for name, count in written.items())
        missing = sum(count < self.files_of[name] for name, count in written.items())
        left = sum(1 for path in self.base.rglob(".sfumato-*") if path.is_file())
        partial = sum(1 for path in (self.base / "output").rglob("*.txt") if not path.read_text("ascii"))
        return {
            "lost": lost,
            "asked again": again,
            **states,
            "written twice": twice,
            "missing": missing,
            "partial": partial,
            "left over": left,
        }


def storm(base: Path, kills: int, seed: int) -> tuple[Storm, dict[str, int]]:
    found = Storm(prepare(base), random.Random(seed))
    for number in range(kills):
        found.round(number)
    return found, found.reckon()


def check(found: Storm, came_of_it: dict[str, int]) -> None:
    report(f"\nserver killed {sum(found.kills.values())} times ({dict(found.kills)}), came up paused {found.paused}:")
    report(f"  {len(found.files_of)} jobs: {came_of_it}")
    assert came_of_it["done"] == len(found.files_of)
    assert [came_of_it[name] for name in ("lost", "written twice", "missing", "partial", "left over")] == [0] * 5


def test_a_killed_server_loses_nothing(tmp_path: Path) -> None:
    check(*storm(tmp_path, kills=4, seed=1))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_sixty_kills(tmp_path: Path) -> None:
    check(*storm(tmp_path, kills=60, seed=2))


def test_an_accepted_job_is_there_after_a_kill(tmp_path: Path) -> None:
    server = Running(prepare(tmp_path), {"custom_nodes": True}).start()
    server.post("/api/queue/pause", {"reason": "held"})
    jobs = [server.submit(quick(f"kept-{n}")) for n in range(5)]
    server.kill()
    server = Running(tmp_path, {"custom_nodes": True}).start()
    try:
        assert server.get("/queue")["paused"] == "held"
        assert [item[1] for item in server.get("/queue")["queue_pending"]] == jobs
        server.post("/api/queue/resume")
        assert [server.ended(job)["state"] for job in jobs] == ["done"] * 5
    finally:
        server.stop()


def test_a_kill_in_a_flood_runs_nothing_twice_that_was_said_to_be_done(tmp_path: Path) -> None:
    server = Running(prepare(tmp_path), {"custom_nodes": True}).start()
    jobs = [server.submit(quick(f"flood-{n}"), prompt_id=f"flood-{n}") for n in range(60)]
    server.logging_until(lambda: len(done_in(server.log)) >= 20)
    server.kill()
    said = done_in(server.log)
    server = Running(tmp_path, {"custom_nodes": True}).start()
    try:
        ended = {job: server.ended(job) for job in jobs}
    finally:
        server.stop()
    assert {found["state"] for found in ended.values()} == {"done"}
    assert {found["attempt"] for job, found in ended.items() if job in said} == {1}
    for found in ended.values():
        assert [each["attempt"] for each in found["attempts"]] == list(range(1, found["attempt"] + 1))
        assert found["attempts"][-1]["outcome"] == "done"
    assert [len(list((tmp_path / "output" / job).glob("*"))) for job in jobs] == [1] * len(jobs)


def done_in(log: list[str]) -> set[str]:
    """The jobs that a log says are done."""
    return {line.split("job ")[1].split(" ")[0] for line in list(log) if " done after " in line}


def test_a_job_goes_on_where_it_was(tmp_path: Path) -> None:
    prompt = {
        "1": {"class_type": "ToyNumber", "inputs": {"value": 5}},
        "2": {"class_type": "ToyWait", "inputs": {"value": ["1", 0], "seconds": 1.0, "steps": 10}},
        "3": {"class_type": "ToyCount", "inputs": {"value": ["2", 0], "name": "after"}},
        "4": {"class_type": "ToyWait", "inputs": {"value": ["3", 0], "seconds": 600, "steps": 6000}},
        "5": {"class_type": "ToySave", "inputs": {"value": ["2", 0], "prefix": "kept"}},
        "6": {"class_type": "ToyShow", "inputs": {"value": ["4", 0]}},
    }
    server = Running(prepare(tmp_path), {"custom_nodes": True}).start()
    job = server.submit(prompt)
    server.happened(job, "executing", node="4")
    server.kill()
    server = Running(tmp_path, {"custom_nodes": True}).start()
    try:
        last = server.get(f"/api/jobs/{job}/events")["events"][-1]["seq"]
        said = server.happened(job, "executing", since=last)
        cached = next(event["data"]["nodes"] for event in said if event["type"] == "execution_cached")
        assert "2" in cached
        assert server.get(f"/api/jobs/{job}")["attempt"] == 2
        server.post("/interrupt")
        assert server.ended(job)["state"] == "cancelled"
    finally:
        server.stop()


def test_ctrl_c_puts_back_what_runs_and_ends_in_seconds(tmp_path: Path) -> None:
    server = Running(prepare(tmp_path), {"custom_nodes": True, "deadlines": {"shutdown_s": 0.5}}).start()
    job = server.submit(
        slow("long")
        | {"w": {"class_type": "ToyWait", "inputs": {"value": ["4", 0], "seconds": 30}}}
        | {"show": {"class_type": "ToyShow", "inputs": {"value": ["w", 0]}}}
    )
    server.happened(job, "executing", node="w")
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 15
    server = Running(tmp_path, {"custom_nodes": True}).start()
    try:
        found = server.get(f"/api/jobs/{job}")
        assert found["state"] in ("queued", "running")
        server.post(f"/api/jobs/{job}/cancel")
        assert server.ended(job)["state"] == "cancelled"
    finally:
        server.stop()


def test_ctrl_c_lets_finish_what_takes_moments(tmp_path: Path) -> None:
    server = Running(prepare(tmp_path), {"custom_nodes": True, "deadlines": {"shutdown_s": 60}}).start()
    job = server.submit(slow("short"), prompt_id="short")
    server.happened(job, "executing", node="1")
    assert server.stop() == 0
    assert len(list((tmp_path / "output" / "short").glob("*"))) == 1
    server = Running(tmp_path, {"custom_nodes": True}).start()
    try:
        found = server.get(f"/api/jobs/{job}")
        assert (found["state"], found["attempt"]) == ("done", 1)
    finally:
        server.stop()


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    server = Running(prepare(tmp_path), {"custom_nodes": True, "deadlines": {"shutdown_s": 600}}).start()
    prompt = slow("endless") | {"x": {"class_type": "ToyDie", "inputs": {"value": ["0", 0], "how": "loop"}}}
    prompt["show"] = {"class_type": "ToyShow", "inputs": {"value": ["x", 0]}}
    server.happened(server.submit(prompt), "executing", node="x")
    assert server.process is not None
    server.process.send_signal(signal.SIGINT)
    server.logged("stopping; a second Ctrl-C ends at once")
    assert server.stop() == 130


def test_a_server_that_keeps_dying_comes_up_paused(tmp_path: Path) -> None:
    prepare(tmp_path)
    job, last = "", 0
    for _ in range(3):
        server = Running(tmp_path, {"custom_nodes": True}).start()
        job = job or server.submit(
            slow("again")
            | {"w": {"class_type": "ToyWait", "inputs": {"value": ["4", 0], "seconds": 60}}}
            | {"show": {"class_type": "ToyShow", "inputs": {"value": ["w", 0]}}}
        )
        server.happened(job, "execution_start", since=last)
        last = server.get(f"/api/jobs/{job}/events")["events"][-1]["seq"]
        server.kill()
    server = Running(tmp_path, {"custom_nodes": True}).start()
    try:
        assert "3 times in a row" in server.get("/queue")["paused"]
        assert server.get(f"/api/jobs/{job}")["state"] == "queued"
        server.post("/queue", {"clear": True})
        server.post("/api/queue/resume")
        assert server.ended(server.submit(quick("fine")))["state"] == "done"
    finally:
        server.stop()


def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    server = Running(prepare(tmp_path)).start()
    try:
        with pytest.raises(RuntimeError, match="serves"):
            Running(tmp_path).start()
    finally:
        server.stop()
