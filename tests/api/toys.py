"""A pack of plain nodes for the server's tests: it counts, waits, fails and dies on demand. Costs no torch."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import Annotated

from nodes.define import NEVER, AnyValue, Context, Expand, Never, NodeError, Shown, Subgraph, UniqueId, node
from nodes.folders import Folders
from nodes.types import Preview
from nodes.widgets import Choice, Files, Lazy, Range, Socket, Text, Wire

_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)


DEADLY = 66
"""What ToyEven does not even survive looking at."""


@node(id="ToyNumber", category="toys")
def number(*, value: Annotated[int, Range(-1_000_000, 1_000_000)] = 1) -> int:
    """A number."""
    return value


@node(id="ToyAdd", category="toys")
def add(*, a: Annotated[int, Wire], b: Annotated[int, Range(-1_000_000, 1_000_000)] = 1) -> int:
    """The sum of two numbers."""
    return a + b


@node(id="ToyCount", category="toys")
def count(*, value: Annotated[int, Wire], name: Annotated[str, Text()] = "count", folders: Folders) -> int:
    """The value as it is; leaves a mark in a file each time it runs."""
    with (folders.base / f"{name}.marks").open("a", encoding="ascii") as marks:
        marks.write("x")
    return value


@node(id="ToyWait", category="toys")
def wait(
    ctx: Context,
    *,
    value: Annotated[int, Wire],
    seconds: Annotated[float, Range(0, 600)] = 0.1,
    steps: Annotated[int, Range(1, 10_000)] = 10,
    previews: bool = False,
) -> int:
    """The value, after a while."""
    for step in range(steps):
        time.sleep(seconds / steps)
        ctx.progress(step + 1, steps, Preview(_PIXEL, "image/png") if previews and ctx.wants_previews else None)
    return value


@node(id="ToyPick", category="toys")
def pick(
    *,
    first: bool = True,
    a: Annotated[int | None, Lazy, Wire] = None,
    b: Annotated[int | None, Lazy, Wire] = None,
) -> int:
    """One of two numbers."""
    return (a if first else b) or 0


@pick.needs
def _pick_needs(first: bool) -> list[str]:
    return ["a" if first else "b"]


@node(id="ToyDie", category="toys")
def die(
    *,
    value: Annotated[int, Wire],
    how: Annotated[str, Choice(("segfault", "exit", "memory", "loop", "error", "once"))] = "error",
    folders: Folders,
) -> int:
    """Ends badly."""
    match how:
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "memory":
            kept = []
            while True:
                kept.append(bytearray(64 << 20))
        case "loop":
            while True:
                pass
        case "once":
            mark = folders.base / "died-once"
            if not mark.exists():
                mark.touch()
                os._exit(4)
        case _:
            raise NodeError("ToyDie was told to fail.")
    return value


@die.fingerprint
def _die_afresh() -> Never:
    return NEVER


@node(id="ToySave", category="toys", terminal=True)
def save(
    ctx: Context, *, value: Annotated[int, Wire], prefix: Annotated[str, Text()] = "toy", folders: Folders
) -> Shown:
    """Writes the value into a file."""
    return Shown.images([folders.save(prefix, ".txt", str(value).encode(), ctx=ctx)])


@node(id="ToyShow", category="toys", terminal=True)
def show(*, value: Annotated[AnyValue, Wire], unique_id: UniqueId = "") -> Shown:
    """Shows a value."""
    return Shown(data={"text": (str(value),)})


@node(id="ToyInside", category="toys")
def inside(*, value: Annotated[int, Wire]) -> Annotated[int | Expand, Socket("INT")]:
    """The next number, which a node inside shows too."""
    graph = Subgraph()
    more = graph.add("ToyAdd", a=value, b=1)
    graph.add("ToyShow", value=more)
    return graph.expand(more)


@node(id="ToyRead", category="toys", terminal=True)
def read(
    *,
    image: Annotated[str, Files("input", upload="image")],
    lora: Annotated[str, Files("loras", extra=("none",))] = "none",
    folders: Folders,
) -> Shown:
    """Shows how long a file is."""
    size = folders.file(image).stat().st_size if Path(image).name else 0
    return Shown(data={"text": (f"{size} {lora}",)})


@node(id="ToyEven", category="toys", terminal=True)
def even(*, value: Annotated[int, Range(0, 100)] = 0) -> Shown:
    """Shows an even number."""
    return Shown(data={"text": (str(value),)})


@even.check
def _is_even(value: int | None) -> list[str]:
    if value == DEADLY:
        os._exit(5)
    return [] if value is None or value % 2 == 0 else [f"value is {value}; it must be even"]
