"""Modules that are loaded at their first use, and definitions that are made when they are asked for."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nodes.define import NodeFunction
from nodes.lazily import lazily
from nodes.registry import builtin
from server.engine.engine import Engine
from server.engine.graph import Graph, Placed


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("slowly", None)


def lazy(place: Path, code: str) -> ModuleType:
    (place / "slowly.py").write_text(code, "utf-8")
    importlib.invalidate_caches()
    with lazily({"slowly"}):
        return importlib.import_module("slowly")


def test_a_module_is_loaded_once_at_its_first_use(place: Path) -> None:
    module = lazy(place, f"with open({str(place / 'loads')!r}, 'a') as f:\n    f.write('x')\nvalue = 3\n")
    assert not (place / "loads").exists()

    assert (module.value, module.value) == (3, 3)

    assert (place / "loads").read_text() == "x"
    assert type(module) is ModuleType


def test_a_second_thread_waits_until_the_first_has_loaded_the_module(place: Path) -> None:
    module = lazy(
        place,
        "import threading\nbegun, go_on = threading.begun, threading.go_on\nbegun.set()\ngo_on.wait()\nlate = 7\n",
    )
    begun, go_on, asked = threading.Event(), threading.Event(), threading.Event()
    threading.begun, threading.go_on = begun, go_on  # type: ignore[attr-defined]

    def second() -> int:
        asked.set()
        return module.late

    try:
        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(lambda: module.late)
            assert begun.wait(60)
            other = pool.submit(second)
            assert asked.wait(60)
            assert not other.done()
            go_on.set()
            assert (one.result(60), other.result(60)) == (7, 7)
    finally:
        go_on.set()
        del threading.begun, threading.go_on  # type: ignore[attr-defined]


def test_a_module_that_cannot_be_loaded_says_so_each_time(place: Path) -> None:
    module = lazy(place, "raise ImportError('its library is missing')")

    for _ in range(2):
        with pytest.raises(ImportError, match="its library is missing"):
            _ = module.value


def test_a_value_set_from_outside_stays(place: Path) -> None:
    module = lazy(place, "value = 3")

    setattr(module, "value", 4)  # noqa: B010

    assert module.value == 4


def test_checking_a_workflow_makes_the_definitions_of_its_nodes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    definition = NodeFunction.definition.fget
    assert definition is not None

    def told(function: NodeFunction[..., Any]) -> Any:
        made.append(function.id)
        return definition(function)

    monkeypatch.setattr(NodeFunction, "definition", property(told))
    graph = Graph({"1": Placed("1", "PrimitiveInt", {"value": 3}), "2": Placed("2", "PreviewAny", {"source": 3})})

    assert Engine(builtin()).validate(graph).sound

    assert set(made) == {"PrimitiveInt", "PreviewAny"}
