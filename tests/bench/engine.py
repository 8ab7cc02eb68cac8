"""Measures the engine's own cost: chains of trivial nodes, and how soon the command answers. Prints JSON.

Times are the best of some runs, in milliseconds, with validation and planning; the nodes do nothing worth naming.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from nodes import codec  # noqa: E402 -- found beside this file's folder only now
from nodes.define import Shown, node  # noqa: E402
from nodes.registry import registry_of  # noqa: E402
from nodes.widgets import Wire  # noqa: E402
from server.engine.cache import Cache, Disk  # noqa: E402
from server.engine.engine import Engine  # noqa: E402
from server.engine.graph import Graph, Link, Placed  # noqa: E402


@node(id="Start")
def start(*, value: int = 0) -> int:
    """A number."""
    return value


@node(id="More")
def more(*, value: Annotated[int, Wire], by: int = 1) -> int:
    """The next number."""
    return value + by


@node(id="End", terminal=True)
def end(*, value: Annotated[int, Wire]) -> Shown:
    """Shows the number."""
    return Shown(data={"text": [value]})


REGISTRY = registry_of(start, more, end)


def chain(length: int) -> Graph:
    """Numbers counted up by `length` nodes, the first and the last included."""
    middle = [Placed(str(i), "More", {"value": Link(str(i - 1), 0), "by": 1}) for i in range(1, length - 1)]
    last = Placed("end", "End", {"value": Link(str(length - 2), 0)})
    return Graph.of([Placed("0", "Start", {"value": 0}), *middle, last])


def run(engine: Engine, graph: Graph) -> float:
    """Milliseconds from an unchecked graph to its last event."""
    began = time.perf_counter()
    checked = engine.validate(graph)
    outcome = engine.run("job", checked.graph, checked.good_outputs, lambda _: None)
    took = time.perf_counter() - began
    assert outcome.state == "done", outcome.error
    return took * 1000


def first_and_again(length: int, times: int) -> tuple[float, float]:
    """The best first run (nothing known, results kept in memory and on disk) and the best unchanged one."""
    graph = chain(length)
    first: list[float] = []
    again: list[float] = []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            engine = Engine(REGISTRY, cache=Cache(codec, disk=Disk(Path(folder), codec)))
            gc.collect()
            first.append(run(engine, graph))
            again.append(run(engine, graph))
    return min(first), min(again)


def command_ms(*arguments: str, times: int = 7) -> float:
    """Milliseconds that a command takes, process and all: the median."""

    def once() -> float:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "server.cli", *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )
        return (time.perf_counter() - began) * 1000

    return statistics.median(_repeated(once, times))


def _repeated(measure: Callable[[], float], times: int) -> list[float]:
    measure()
    return [measure() for _ in range(times)]


def main() -> None:
    """Print what was measured."""
    gc.freeze()  # as a worker does after its imports
    short_first, short_again = first_and_again(300, 20)
    thousand_first, thousand_again = first_and_again(1_000, 10)
    long_first, long_again = first_and_again(10_000, 5)
    with tempfile.TemporaryDirectory() as base:
        check = command_ms("check", str(ROOT / "workflows" / "text_to_image.json"), "--base", base)
    print(  # noqa: T201 -- the result
        json.dumps(
            {
                "engine": {
                    "chain_300_first_ms": round(short_first, 2),
                    "chain_300_again_ms": round(short_again, 2),
                    "chain_1000_first_ms": round(thousand_first, 2),
                    "chain_1000_again_ms": round(thousand_again, 2),
                    "chain_10000_first_ms": round(long_first, 2),
                    "chain_10000_again_ms": round(long_again, 2),
                    "chain_10000_over_1000": round(long_first / thousand_first, 2),
                },
                "command": {"help_ms": round(command_ms("--help"), 1), "check_ms": round(check, 1)},
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
