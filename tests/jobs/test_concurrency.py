"""Many clients at once, doing anything: what was accepted is accounted for, once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.api.running import report, running
from tests.workers.test_deaths import FAST


class Crowd:
    """What clients asked for, and what the queue must look like because of it."""

    def __init__(self, url: str, session: aiohttp.ClientSession, seed: int) -> None:
        self.url, self.session, self.chance = url, session, random.Random(seed)
        self.accepted: set[str] = set()
        self.withdrawn: set[str] = set()
        self.stopped: set[str] = set()
        self.done: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        async with self.session.request(method, self.url + path, json=body) as reply:
            self.statuses[reply.status] += 1
            return await reply.json() if reply.content_type == "application/json" else None

    def any_job(self) -> str:
        return self.chance.choice(sorted(self.accepted)[-40:] or ["nobody"])

    async def client(self, name: int, operations: int) -> None:
        for number in range(operations):
            choice = self.chance.choices(
                ["submit", "again", "delete", "cancel", "interrupt", "move", "look", "history", "job", "clear"],
                [40, 4, 8, 8, 3, 8, 10, 8, 10, 0.3],
            )[0]
            self.done[choice] += 1
            await getattr(self, f"do_{choice}")(f"{name}-{number}")

    async def do_submit(self, name: str) -> None:
        prompt = {
            "1": {"class_type": "ToyNumber", "inputs": {"value": hash(name) % 1000}},
            "2": {"class_type": "ToyShow", "inputs": {"value": ["1", 0]}},
        }
        body = {"prompt": prompt, "prompt_id": name, "front": self.chance.random() < 0.1}
        answer = await self.ask("POST", "/prompt", body)
        assert answer.get("prompt_id") == name, answer
        self.accepted.add(name)

    async def do_again(self, _: str) -> None:
        job = self.any_job()
        if job != "nobody":
            await self.do_submit(job)

    async def do_delete(self, _: str) -> None:
        job = self.any_job()
        self.withdrawn.add(job)
        await self.ask("POST", "/queue", {"delete": [job]})

    async def do_cancel(self, _: str) -> None:
        job = self.any_job()
        self.stopped.add(job)
        await self.ask("POST", f"/api/jobs/{job}/cancel")

    async def do_interrupt(self, _: str) -> None:
        job = self.any_job()
        self.stopped.add(job)
        await self.ask("POST", "/interrupt", {"prompt_id": job})

    async def do_move(self, _: str) -> None:
        before = self.any_job() if self.chance.random() < 0.7 else None
        await self.ask("POST", f"/api/jobs/{self.any_job()}/move", {"before": before})

    async def do_clear(self, _: str) -> None:
        self.withdrawn |= self.accepted
        before = set(self.accepted)
        await self.ask("POST", "/queue", {"clear": True})
        self.withdrawn |= before | self.accepted

    async def do_look(self, _: str) -> None:
        queue = await self.ask("GET", "/queue")
        waiting = [(item[0], item[1]) for item in queue["queue_pending"]]
        assert [number for number, _ in waiting] == sorted(number for number, _ in waiting)
        seen = [item[1] for item in queue["queue_running"] + queue["queue_pending"]]
        assert len(seen) == len(set(seen))
        assert len(queue["queue_running"]) <= 1

    async def do_history(self, _: str) -> None:
        await self.ask("GET", "/history?max_items=5")

    async def do_job(self, _: str) -> None:
        job = self.any_job()
        if job != "nobody":
            assert (await self.ask("GET", f"/api/jobs/{job}"))["id"] == job


async def crowd(base: Path, clients: int, operations: int, seed: int) -> None:
    with running(base, deadlines=FAST) as server:
        async with aiohttp.ClientSession() as session:
            found = Crowd(server.origin, session, seed)
            await asyncio.gather(*(found.client(n, operations // clients) for n in range(clients)))
            for job in found.accepted:
                await found.ask("GET", f"/api/jobs/{job}?wait=60")
            jobs = {job["id"]: job for job in (await found.ask("GET", "/api/jobs"))["jobs"]}
        assert server.get("/queue")["queue_pending"] == []
    states = Counter(job["state"] for job in jobs.values())
    report(f"\n{clients} clients, {sum(found.done.values())} operations {dict(found.done)}:\n  {dict(states)}")
    assert set(jobs) == found.accepted
    assert set(states) <= {"done", "cancelled"}
    assert {name for name, job in jobs.items() if job["state"] == "cancelled"} <= found.withdrawn | found.stopped
    assert set(found.statuses) <= {200}
    assert all(job.get("attempt", 0) <= 1 for job in jobs.values())


async def test_a_crowd_is_accounted_for(tmp_path: Path) -> None:
    await crowd(tmp_path, clients=10, operations=300, seed=5)


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_fifty_clients_and_ten_thousand_operations(tmp_path: Path) -> None:
    await crowd(tmp_path, clients=50, operations=10_000, seed=6)
