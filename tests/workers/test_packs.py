"""Packs of custom nodes that fail in every way at import: each is reported with its reason, and the rest goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import nodes
from nodes.registry import builtin
from tests.api.running import prepare, running
from tests.workers.test_deaths import number

CLASS = """
class A:
    @classmethod
    def INPUT_TYPES(cls): return {"required": %s}
    RETURN_TYPES = ("INT",)
    FUNCTION = "f"
    def f(self, **k): return (1,)
NODE_CLASS_MAPPINGS = {"%s": A}
"""
FAILING = {
    "raises": ("raise RuntimeError('boom')", "RuntimeError: boom (raises.py, line 1)"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "syntax": ("def (:", "SyntaxError"),
    "own_error": ("class E(BaseException): pass\nraise E('mine')", "E: mine (own_error.py, line 2)"),
    "no_inputs": (CLASS % ('{}["x"]', "NoInputs"), "KeyError: 'x'"),
    "empty": ("x = 1", "it defines no node"),
    "missing": ("import a_module_that_is_not_there", "ModuleNotFoundError"),
}
STRANGE = {
    "bounds": (
        CLASS % ('{"a": ("FLOAT", {"default": float("inf"), "min": float("-inf"), "max": object()})}', "Bounds")
    ),
    "options": (CLASS % ('{"a": ([1, object()], {"tooltip": object()})}', "Options")),
    "talks": "import os, sys\nprint('x' * 100_000)\nos.write(1, b'no message')\n" + CLASS % ("{}", "Talks"),
}


def test_each_pack_that_fails_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    folder = prepare(tmp_path) / "custom_nodes"
    for name, (code, _) in FAILING.items():
        (folder / f"{name}.py").write_text(code, "utf-8")
    for name, code in STRANGE.items():
        (folder / f"{name}.py").write_text(code, "utf-8")
    with running(tmp_path) as server:
        info = server.ask("GET", "/object_info")
        said = {error["pack"]: error["reason"] for error in server.get("/api/pack_errors")}
        assert server.ended(server.submit(number(1)))["state"] == "done"
    assert info.status == 200
    assert json.loads(info.body, parse_constant=pytest.fail).keys() >= {
        "ToyAdd",
        "KSampler",
        "Bounds",
        "Options",
        "Talks",
    }
    assert said.keys() == FAILING.keys()
    assert {name: said[name] for name, (_, reason) in FAILING.items() if reason not in said[name]} == {}


@pytest.mark.parametrize("how", ["os._exit(7)", "import ctypes; ctypes.string_at(0)"])
def test_a_pack_that_ends_the_process_is_left_out(tmp_path: Path, how: str) -> None:
    folder = prepare(tmp_path) / "custom_nodes"
    (folder / "ends.py").write_text(f"import os\n{how}\n", "utf-8")
    with running(tmp_path) as server:
        assert "ToyAdd" in server.get("/object_info")
        (error,) = server.get("/api/pack_errors")
        assert server.ended(server.submit(number(1)))["state"] == "done"
    assert error["pack"] == "ends"
    assert "importing it ended the worker" in error["reason"]


def test_a_module_of_ours_that_fails_takes_no_other_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert builtin().errors == ()
    (tmp_path / "zz_broken.py").write_text("raise OSError('no library')", "utf-8")
    monkeypatch.setattr(nodes, "__path__", [*nodes.__path__, str(tmp_path)])
    registry = builtin()
    assert "KSampler" in registry
    assert [(error.pack, error.reason) for error in registry.errors] == [("zz_broken", "OSError: no library")]
