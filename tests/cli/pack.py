"""A custom pack for the command's tests: numbers, slowly, into files."""

from __future__ import annotations

from typing import Annotated

from nodes.define import AnyValue, Context, NodeError, Shown, node
from nodes.folders import Folders
from nodes.widgets import Choice, Range, Seed, Text, Wire


@node(id="PackNumber", title="A Number")
def number(*, value: Annotated[int, Range(0, 100)] = 1, seed: Annotated[int, Seed()] = 0) -> int:
    """A number and its seed."""
    return value * 1000 + seed


@node(id="PackSlow", title="Slowly")
def slow(
    *, a: Annotated[int, Wire], steps: Annotated[int, Range(0, 10**7)] = 3, fail: bool = False, ctx: Context
) -> int:
    """The same number, after some steps."""
    for i in range(steps):
        ctx.progress(i + 1, steps)
    if fail:
        raise NodeError("it was told to fail.")
    return a


@node(id="PackLabel")
def label(
    *,
    a: Annotated[int, Wire],
    text: Annotated[str, Text()] = "",
    style: Annotated[str, Choice(("plain", "loud", "a,b"))] = "plain",
    factor: Annotated[float, Range(0, 10, step=0.1)] = 1.0,
) -> str:
    """A number in words."""
    return f"{text}{a}{style}{factor}"


@node(id="PackSave", title="Save Words", terminal=True)
def save(*, value: AnyValue, prefix: str = "out", folders: Folders, ctx: Context) -> Shown:
    """Write a value into the output folder."""
    return Shown({"files": [folders.save(prefix, ".txt", str(value).encode(), ctx=ctx)]})


@node(id="PackTell", terminal=True)
def tell(*, value: AnyValue) -> Shown:
    """Say a value."""
    return Shown(data={"text": [str(value)]})
