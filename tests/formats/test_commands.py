from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.cli import main
from tests.formats.documents import text_to_image


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cat.json"
    path.write_text(json.dumps(text_to_image()), "utf-8")
    return path


def sfumato(*arguments: str | Path) -> int:
    return main([str(each) for each in arguments])


def test_convert_goes_round_by_every_format(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ("--base", tmp_path)
    steps = [file]
    for target in ("python", "api", "editor", "api"):
        steps.append(tmp_path / f"{len(steps)}.{target}")
        assert sfumato("convert", steps[-2], "--to", target, "--out", steps[-1], *base) == 0
    capsys.readouterr()
    for step in steps[1:]:
        assert sfumato("diff", file, step, *base) == 0
        assert capsys.readouterr().out == ""
    assert sfumato("convert", file, "--to", "a1111", *base) == 0
    said = capsys.readouterr()
    assert said.out.startswith("a cat\nNegative prompt: bad\nSteps: 20, Sampler: Euler, ")
    assert "a.safetensors (node 1, ckpt_name) is not in checkpoints." in said.err


def test_diff_speaks_and_serves_git(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = text_to_image()
    document["nodes"][4]["widgets_values"][0] = 8
    other = tmp_path / "other.json"
    other.write_text(json.dumps(document), "utf-8")
    assert sfumato("diff", file, other, "--base", tmp_path) == 0
    assert capsys.readouterr().out == "~ KSampler (node 5): seed 7 -> 8\n"
    assert sfumato("diff", file, other, "--json", "--base", tmp_path) == 0
    assert [change["after"] for change in json.loads(capsys.readouterr().out)] == [8]
    assert sfumato("diff", "cat.json", file, "hex", "mode", other, "hex", "mode", "--base", tmp_path) == 0
    assert capsys.readouterr().out == "~ KSampler (node 5): seed 7 -> 8\n"


def test_fmt_changes_a_file_once(file: Path, tmp_path: Path) -> None:
    assert sfumato("fmt", file, "--check", "--base", tmp_path) == 1
    assert sfumato("fmt", file, "--base", tmp_path) == 0
    assert sfumato("fmt", file, "--check", "--base", tmp_path) == 0
    assert json.loads(file.read_text("utf-8")) == text_to_image()


@pytest.mark.parametrize("verb", [("convert", "--to", "api"), ("fmt",), ("diff", "also.json")])
def test_file_that_is_not_there_is_named(
    verb: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sfumato(verb[0], tmp_path / "gone.json", *verb[1:], "--base", tmp_path) == 2
    assert capsys.readouterr().err == f"{tmp_path / 'gone.json'} is not there.\n"
