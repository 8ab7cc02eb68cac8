"""The server's figures: start, latency, throughput, traffic, memory. Prints JSON."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.api.running import Running, chain, prepare, socket

GOALS = {
    "start_to_system_stats_s": 0.7,
    "idle_rss_mb": 80,
    "same_prompt_again_ms": 4,
    "chain_300_first_s": 0.3,
    "chain_300_again_s": 0.03,
    "2000_nodes_first_s": 2,
    "2000_nodes_again_s": 0.1,
    "2000_nodes_socket_mb": 2,
    "jobs_a_second": 500,
}
COMFYUI = {
    "start_to_system_stats_s": 5.2,
    "idle_rss_mb": 492,
    "same_prompt_again_ms": 3,
    "chain_300_first_s": 1.57,
    "chain_300_again_s": 1.04,
    "2000_nodes_first_s": 12.8,
    "2000_nodes_again_s": 0.29,
    "2000_nodes_socket_mb": 806,
    "jobs_a_second": 246,
}
"""Measured with ComfyUI 0.8.0 on a quiet machine of two cores; it refuses a chain of more than 1,000."""


def grid(chains: int, length: int, salt: int) -> dict[str, Any]:
    """Chains side by side, each shown."""
    prompt: dict[str, Any] = {}
    for row in range(chains):
        prompt[f"{row}.0"] = {"class_type": "ToyNumber", "inputs": {"value": row * 1000 + salt}}
        for place in range(1, length - 1):
            prompt[f"{row}.{place}"] = {"class_type": "ToyAdd", "inputs": {"a": [f"{row}.{place - 1}", 0], "b": 1}}
        prompt[f"{row}.s"] = {"class_type": "ToyShow", "inputs": {"value": [f"{row}.{length - 2}", 0]}}
    return prompt


def number(value: int) -> dict[str, Any]:
    """A prompt of one number."""
    return {
        "1": {"class_type": "ToyNumber", "inputs": {"value": value}},
        "2": {"class_type": "ToyShow", "inputs": {"value": ["1", 0]}},
    }


class Lines:
    """Connections that are kept open, each with one request on its way at a time: little work beside the server's."""

    def __init__(self, url: str) -> None:
        self._url = URL(url)
        self._open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def open(self, count: int) -> None:
        """Connect."""
        for _ in range(count):
            self._open.append(await asyncio.open_connection(self._url.host, self._url.port))

    async def post(self, path: str, bodies: list[bytes]) -> list[bytes]:
        """The answers to these bodies, each in a POST of its own, in no order."""
        waiting = iter(bodies)
        head = f"POST {path} HTTP/1.1\r\nHost: {self._url.authority}\r\nContent-Type: application/json\r\n"

        async def drain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[bytes]:
            answers: list[bytes] = []
            for body in waiting:
                writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                answered = await reader.readuntil(b"\r\n\r\n")
                assert answered.startswith(b"HTTP/1.1 200 "), answered
                length = answered.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
                answers.append(await reader.readexactly(int(length)))
            return answers

        return [
            answer for answers in await asyncio.gather(*(drain(*each) for each in self._open)) for answer in answers
        ]

    async def close(self) -> None:
        """Hang up."""
        for _, writer in self._open:
            writer.close()
            await writer.wait_closed()


class Bench:
    """A client of a server, with a socket."""

    def __init__(
        self, server: Running, session: aiohttp.ClientSession, ws: aiohttp.ClientWebSocketResponse, lines: Lines
    ) -> None:
        self.server, self.session, self.ws, self.lines = server, session, ws, lines

    async def timed(self, prompt: dict[str, Any]) -> tuple[float, int]:
        """Seconds from POST to execution_success, and bytes over the socket to the end."""
        began = time.perf_counter()
        body = {"prompt": prompt, "client_id": "bench"}
        async with self.session.post(f"{self.server.origin}/prompt", json=body) as reply:
            job = (await reply.json())["prompt_id"]
        taken, size = 0.0, 0
        while True:
            message = await self.ws.receive(timeout=300)
            size += len(message.data)
            if '"execution_success"' in message.data and job in message.data:
                taken = time.perf_counter() - began
            if '"executing"' in message.data and '"node":null' in message.data and job in message.data:
                return taken, size

    async def flood(self, jobs: int, start: int) -> float:
        """Jobs a second, posted as fast as they are taken, none of them known, to the success of the last."""
        bodies = [json.dumps({"prompt": number(start + n), "client_id": "bench"}).encode() for n in range(jobs)]
        began = time.perf_counter()
        answers, ended = await asyncio.gather(self.lines.post("/prompt", bodies), self._successes(jobs))
        taken = time.perf_counter() - began
        assert {json.loads(answer)["prompt_id"] for answer in answers} == ended
        return jobs / taken

    async def _successes(self, count: int) -> set[str]:
        ended: set[str] = set()
        while len(ended) < count:
            message = await self.ws.receive(timeout=60)
            if message.data.startswith('{"type":"execution_success"'):
                ended.add(json.loads(message.data)["data"]["prompt_id"])
        return ended


def rss_mb(pid: int) -> float:
    """Memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def start_s(base: Path) -> float:
    """Seconds from the start of the process to the answer of /system_stats."""
    began = time.perf_counter()
    server = Running(prepare(base), {"custom_nodes": True}).start()
    server.get("/system_stats")
    taken = time.perf_counter() - began
    server.stop()
    return taken


async def figures(server: Running) -> dict[str, Any]:
    """Everything that is measured over HTTP."""
    found: dict[str, Any] = {}
    lines = Lines(server.origin)
    await lines.open(25)
    async with socket(server, "bench") as ws, aiohttp.ClientSession() as session:
        bench = Bench(server, session, ws, lines)
        await bench.timed(number(1))
        found["idle_rss_mb"] = rss_mb(server.pid)
        again = [1e3 * (await bench.timed(number(1)))[0] for _ in range(200)]
        found["same_prompt_again_ms"] = {"median": round(statistics.median(again), 2), "best": round(min(again), 2)}
        for length in (300, 10_000):
            found[f"chain_{length}_first_s"] = round((await bench.timed(chain(length)))[0], 3)
            found[f"chain_{length}_again_s"] = round(min([(await bench.timed(chain(length)))[0] for _ in range(5)]), 3)
        first, size = await bench.timed(grid(200, 10, 1))
        found["2000_nodes_first_s"], found["2000_nodes_socket_mb"] = round(first, 3), round(size / 1e6, 2)
        found["2000_nodes_again_s"] = round(min([(await bench.timed(grid(200, 10, 1)))[0] for _ in range(5)]), 3)
        found["jobs_a_second"] = round(max([await bench.flood(100, 100_000 + 1000 * n) for n in range(8)]))
        await lines.close()
        found["rss_after_mb"] = rss_mb(server.pid)
    return found


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        started = [round(start_s(base), 3) for _ in range(3)]
        server = Running(prepare(base), {"custom_nodes": True}).start()
        try:
            found = asyncio.run(figures(server))
        finally:
            server.stop()
    measured = {"start_to_system_stats_s": min(started), **found}
    json.dump({"server": measured, "goals": GOALS, "comfyui_0.8.0": COMFYUI}, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
