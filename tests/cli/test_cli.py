"""The command, as a process of its own: what it prints, what it writes, and the code that it ends with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACK = Path(__file__).with_name("pack.py")

WORKFLOW: dict[str, Any] = {
    "1": {"class_type": "PackNumber", "inputs": {"value": 3, "seed": 1}, "_meta": {"title": "First"}},
    "2": {"class_type": "PackSlow", "inputs": {"a": ["1", 0], "steps": 5}},
    "3": {"class_type": "PackLabel", "inputs": {"a": ["2", 0], "text": "x"}},
    "4": {"class_type": "PackSave", "inputs": {"value": ["3", 0]}},
}

Sfumato = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base" / "custom_nodes").mkdir(parents=True)
    (tmp_path / "base" / "custom_nodes" / "pack.py").write_text(PACK.read_text("utf-8"), "utf-8")
    (tmp_path / "flow.json").write_text(json.dumps(WORKFLOW))
    return tmp_path / "base"


@pytest.fixture
def sfumato(base: Path) -> Sfumato:
    """Runs the command beside the workflow, with the pack loaded."""

    def run(*arguments: str, custom: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        options = ["--custom-nodes"] if custom and arguments[0] in ("run", "check", "nodes") else []
        return subprocess.run(
            [sys.executable, "-m", "server.cli", *arguments, *options],
            cwd=base.parent,
            env=surroundings(base, environment),
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def surroundings(base: Path, more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "SFUMATO_BASE": str(base), "OMP_NUM_THREADS": "1", **more}


def files(said: subprocess.CompletedProcess[str]) -> list[Path]:
    return [Path(line) for line in said.stdout.splitlines()]


def test_a_run_prints_what_it_wrote_and_a_second_runs_nothing(sfumato: Sfumato, base: Path) -> None:
    first = sfumato("run", "flow.json")
    assert first.returncode == 0, first.stderr
    assert files(first) == [base / "output" / "out_00001_.txt"]
    assert files(first)[0].read_text() == "x3001plain1.0"
    assert "PackSlow" in first.stderr
    assert "it/s" in first.stderr
    assert "4 nodes ran, 0 cached" in first.stderr
    second = sfumato("run", "flow.json")
    assert second.stdout == first.stdout
    assert "nothing ran: 4 of 4 nodes cached" in second.stderr
    files(first)[0].unlink()
    third = sfumato("run", "flow.json")
    assert third.returncode == 0
    assert files(third)[0].read_text() == "x3001plain1.0"


def test_sweeps_run_every_combination_and_share_what_they_share(sfumato: Sfumato) -> None:
    said = sfumato(
        "run", "flow.json", "--set", "First.value=1..2", "--set", "factor=0.5,1", "--set", "4.prefix=s", "--json"
    )
    assert said.returncode == 0, said.stderr
    answer = json.loads(said.stdout)
    assert answer["state"] == "done"
    assert [run["set"] for run in answer["runs"]] == [
        {"First.value": value, "factor": factor, "4.prefix": "s"} for value in (1, 2) for factor in (0.5, 1)
    ]
    assert [Path(run["files"][0]).read_text() for run in answer["runs"]] == [
        "x1001plain0.5",
        "x1001plain1.0",
        "x2001plain0.5",
        "x2001plain1.0",
    ]
    assert [run["executed"] for run in answer["runs"]] == [["1", "2", "3", "4"], ["3", "4"]] * 2


@pytest.mark.parametrize(
    ("assignment", "written"),
    [
        ("1.seed=9", "x3009plain1.0"),
        ("PackNumber.seed=9", "x3009plain1.0"),
        ("a number.seed=9", "x3009plain1.0"),
        ("seed=9", "x3009plain1.0"),
        ("text=a, b = c..d", "a, b = c..d3001plain1.0"),
        ("text=", "3001plain1.0"),
        ("style=a,b", "x3001a,b1.0"),
        ("factor=2", "x3001plain2.0"),
        ("prefix=sub/name", "x3001plain1.0"),
    ],
)
def test_an_input_is_named_by_id_title_type_or_alone(sfumato: Sfumato, assignment: str, written: str) -> None:
    said = sfumato("run", "flow.json", "--set", assignment)
    assert said.returncode == 0, said.stderr
    assert [path.read_text() for path in files(said)] == [written]


def test_a_failing_node_ends_with_1_and_keeps_what_was_finished(sfumato: Sfumato) -> None:
    said = sfumato("run", "flow.json", "--set", "fail=true")
    assert said.returncode == 1
    assert said.stdout == ""
    assert "PackSlow (node 2): it was told to fail." in said.stderr
    assert "Traceback" not in said.stderr
    debugged = sfumato("run", "flow.json", "--set", "fail=true", "--debug")
    assert "Traceback" in debugged.stderr
    as_json = sfumato("run", "flow.json", "--set", "fail=true", "--json")
    assert as_json.returncode == 1
    assert json.loads(as_json.stdout)["runs"][0]["error"] == {
        "node": "2",
        "type": "nodes.types.NodeError",
        "message": "PackSlow (node 2): it was told to fail.",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "2.steps=many"], "steps is many; 'many' is no whole number."),
        (["--set", "2.steps=-1"], "steps is -1; it must be at least 0."),
        (["--set", "7.steps=1"], "no such node or input"),
        (["--set", "2.stepz=1"], "has no input 'stepz'. It has steps."),
        (["--set", "a=1"], "every input 'a' is linked; name its node too: PackSlow (node 2), PackLabel (node 3)."),
        (["--set", "2.steps"], "it must be NODE.INPUT=VALUE"),
        (["--set", "seed=1..99999"], "more than 10000 values"),
        (["--set", "seed=1..200", "--set", "value=1..100"], "20000 runs"),
        (["--precision", "fp8"], "--precision is 'fp8'; it must be one of auto, fp32, fp16, bf16."),
    ],
)
def test_what_cannot_be_ends_with_2_and_one_sentence(sfumato: Sfumato, arguments: list[str], said: str) -> None:
    done = sfumato("run", "flow.json", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is not there"),
        (b"", "no workflow"),
        (b"{", "JSON"),
        (b"[]", "no workflow"),
        (b"\xff\xfe\x00\x01", "neither text nor"),
        (b'{"1": {"class_type": "Nope", "inputs": {}}}', "'Nope', which is not installed"),
        (b'{"1": {"class_type": "PackNumber", "inputs": {}}}', "no output node"),
        (b"[" * 100_000, "nested"),
    ],
    ids=["missing", "empty", "half", "list", "bytes", "unknown", "no output", "deep"],
)
def test_a_file_that_is_no_workflow_is_refused(sfumato: Sfumato, base: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (base.parent / "bad.json").write_bytes(content)
    done = sfumato("check", "bad.json")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_check_says_every_problem(sfumato: Sfumato, base: Path) -> None:
    good = sfumato("check", "flow.json")
    assert good.returncode == 0, good.stderr
    assert "4 nodes, no problem" in good.stdout
    broken = json.loads(json.dumps(WORKFLOW))
    broken["1"]["inputs"]["value"] = 1000
    broken["2"]["inputs"]["steps"] = -5
    broken["3"]["inputs"]["style"] = "grim"
    (base.parent / "broken.json").write_text(json.dumps(broken))
    bad = sfumato("check", "broken.json")
    assert bad.returncode == 2
    assert len(bad.stderr.splitlines()) == 3
    as_json = json.loads(sfumato("check", "broken.json", "--json").stdout)
    assert as_json["state"] == "invalid"
    assert len(as_json["problems"]) == 3
    assert as_json["node_errors"].keys() == {"1", "2", "3"}


def test_check_and_nodes_load_no_torch(sfumato: Sfumato, base: Path) -> None:
    watch = base.parent / "site"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(
        "import atexit, sys\n"
        "atexit.register(lambda: sys.stderr.write('HEAVY' if 'torch._C' in sys.modules else 'LIGHT'))\n"
    )
    for arguments in (["check", "flow.json"], ["nodes"], ["nodes", "KSampler"], ["run", "flow.json"]):
        said = sfumato(*arguments, PYTHONPATH=f"{watch}{os.pathsep}{ROOT}")
        assert said.returncode == 0, said.stderr
        assert said.stderr.endswith("LIGHT")


def test_nodes_lists_and_describes(sfumato: Sfumato) -> None:
    listed = sfumato("nodes")
    assert "PackLabel" in listed.stdout
    assert "KSampler" in listed.stdout
    one = sfumato("nodes", "packlabel").stdout
    assert "A number in words." in one
    assert "style: COMBO (one of plain, loud, a,b; default 'plain')" in one
    assert "factor: FLOAT (0.0 to 10.0; default 1.0)" in one
    info = json.loads(sfumato("nodes", "PackLabel", "--json").stdout)
    assert info["PackLabel"]["input"]["required"]["style"][0] == ["plain", "loud", "a,b"]
    unknown = sfumato("nodes", "KSampel")
    assert unknown.returncode == 2
    assert "Near matches: KSampler" in unknown.stderr


def test_custom_nodes_are_not_loaded_unless_asked_for(sfumato: Sfumato) -> None:
    assert "PackLabel" not in sfumato("nodes", custom=False).stdout
    assert sfumato("check", "flow.json", custom=False).returncode == 2
    assert sfumato("check", "flow.json", custom=False, SFUMATO_CUSTOM_NODES="1").returncode == 0


def test_a_changed_pack_does_not_get_its_old_results(sfumato: Sfumato, base: Path) -> None:
    assert files(sfumato("run", "flow.json"))[0].read_text() == "x3001plain1.0"
    pack = base / "custom_nodes" / "pack.py"
    pack.write_text(pack.read_text().replace("value * 1000 + seed", "value * 2000 + seed"))
    assert files(sfumato("run", "flow.json"))[0].read_text() == "x6001plain1.0"


def test_a_pack_that_fails_is_named_and_harms_nobody(sfumato: Sfumato, base: Path) -> None:
    (base / "custom_nodes" / "broken.py").write_text("raise RuntimeError('no')")
    said = sfumato("nodes")
    assert said.returncode == 0
    assert "Pack broken was not loaded" in said.stderr
    assert "PackLabel" in said.stdout


def test_out_and_text_and_environment(sfumato: Sfumato, base: Path) -> None:
    flow = {**WORKFLOW, "5": {"class_type": "PackTell", "inputs": {"value": ["1", 0]}, "_meta": {"title": "Said"}}}
    (base.parent / "tell.json").write_text(json.dumps(flow))
    said = sfumato("run", "tell.json", "--out", "elsewhere")
    assert said.stdout.splitlines() == [str(base.parent / "elsewhere" / "out_00001_.txt"), "Said: 3001"]
    again = sfumato("run", "tell.json", SFUMATO_OUTPUT=str(base.parent / "third"))
    assert again.stdout.splitlines()[0] == str(base.parent / "third" / "out_00001_.txt")


def test_ctrl_c_stops_within_a_step_and_keeps_what_is_finished(base: Path) -> None:
    command = [sys.executable, "-m", "server.cli", "run", "flow.json", "--custom-nodes", "--set", "steps=9999999"]
    with subprocess.Popen(
        command, cwd=base.parent, env=surroundings(base, {}), stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stderr is not None
        seen = b""
        while b"it/s" not in seen:
            seen += os.read(running.stderr.fileno(), 4096)
        running.send_signal(signal.SIGINT)
        _, rest = running.communicate(timeout=60)
    assert running.returncode == 130
    assert b"cancelled; 1 node finished, and what they made is kept" in rest
    assert b"Traceback" not in rest


def test_help_is_there_and_nothing_is_needed_for_it(sfumato: Sfumato) -> None:
    for arguments in (["--help"], ["run", "--help"], ["serve", "--help"]):
        said = sfumato(*arguments, custom=False)
        assert said.returncode == 0
        assert "usage: sfumato" in said.stdout
    code = "import sys; from server.cli import make_parser; make_parser(); sys.exit('nodes' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_wrong_arguments_end_with_2(sfumato: Sfumato) -> None:
    assert sfumato("fly", custom=False).returncode == 2
    assert sfumato("run", custom=False).returncode == 2


def test_another_package_of_our_names_is_named(sfumato: Sfumato, base: Path) -> None:
    (base.parent / "shadow").mkdir()
    (base.parent / "shadow" / "nodes.py").write_text("")
    said = sfumato("nodes", PYTHONPATH=f"{base.parent / 'shadow'}{os.pathsep}{ROOT}")
    assert said.returncode == 2
    assert "another package called 'nodes'" in said.stderr
    assert str(base.parent / "shadow" / "nodes.py") in said.stderr


def test_the_template_that_ships_is_sound(sfumato: Sfumato) -> None:
    said = sfumato("check", str(ROOT / "workflows" / "text_to_image.json"), custom=False)
    assert said.returncode == 0, said.stderr
