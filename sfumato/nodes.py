"""Every node as a function: `from sfumato.nodes import ksampler`. `node("Type", ...)` is any node, known or not."""

from __future__ import annotations

from functools import cache
from typing import Any

from nodes.registry import builtin
from server.formats.script import functions_of
from server.formats.shapes import Shapes
from sfumato.building import Function


@cache
def _shapes() -> Shapes:
    return Shapes(builtin())


@cache
def _functions() -> dict[str, str]:
    return functions_of(_shapes())


def node(node_type: str, **inputs: Any) -> Any:
    """A node of any type, by its name in files."""
    return Function(node_type, _shapes().get(node_type))(**inputs)


def __getattr__(name: str) -> Function:
    node_type = None if name.startswith("__") else _functions().get(name)
    if node_type is None:
        raise AttributeError(f"There is no node whose function is {name!r}; `sfumato nodes` lists them.")
    return Function(node_type, _shapes().get(node_type))


def __dir__() -> list[str]:
    return sorted([*_functions(), "node"])
