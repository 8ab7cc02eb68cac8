"""What the README shows is what happens: every console example is typed in, every Python example is run.

A fenced block marked `console` holds commands behind "$ " and what they print, in which "..." stands for anything. A
block marked `python` is a script. All of them run in order in one folder that holds the repository's workflows, as a
reader would run them from a clone; where an example speaks to a server, one is there.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
SERVED_AT = "http://127.0.0.1:8188"
_FENCE = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SERVER = """
import sys
from pathlib import Path
from server.api.app import Serving, run
from server.assets import web_folder
sys.exit(run(Serving(Path(sys.argv[1]), web_folder(), Path(sys.argv[2]), devices=("cpu",), port=0)))
"""


@dataclass(frozen=True)
class Example:
    """A command or a script, what it prints, and where it stands."""

    kind: str
    code: str
    printed: str
    line: int


def examples(text: str) -> Iterator[Example]:
    """Every example of a Markdown text, in order."""
    for block in _FENCE.finditer(text):
        line = text.count("\n", 0, block.start()) + 2
        if block[1] == "python":
            yield Example("python", block[2], "", line)
            continue
        for part in re.split(r"^\$ ", block[2], flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            yield Example("console", command, printed, line)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the examples run."""
    place = tmp_path_factory.mktemp("clone")
    (place / "workflows").symlink_to(ROOT / "workflows")
    return place


@pytest.fixture(scope="module")
def environment(folder: Path) -> dict[str, str]:
    """A reader's shell, with Sfumato installed and a base folder of its own."""
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    # A warning of Python's is ours to mend; it would also stand in what a command prints.
    return {
        **os.environ,
        "PATH": paths,
        "SFUMATO_BASE": str(folder / "base"),
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "error",
        "COLUMNS": "120",
    }


@pytest.fixture(scope="module")
def served(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """The address of a server."""
    command = [sys.executable, "-c", _SERVER, str(folder / "base"), str(ROOT / "workflows")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip().rstrip("/")
        process.terminate()


ALL = list(examples(README.read_text("utf-8")))


def test_there_are_examples_of_each_thing() -> None:
    commands = {example.code.split()[1] for example in ALL if example.code.startswith("sfumato ")}
    assert commands >= {"run", "check", "convert", "diff", "fmt", "nodes"}
    assert sum(example.kind == "python" for example in ALL) >= 2


@pytest.mark.parametrize("example", ALL, ids=lambda example: f"line{example.line}-{example.code.split()[0]}")
def test_example_does_what_it_says(
    example: Example, folder: Path, environment: dict[str, str], request: pytest.FixtureRequest
) -> None:
    code = example.code
    if SERVED_AT in code:
        code = code.replace(SERVED_AT, request.getfixturevalue("served"))
    command = [sys.executable, "-c", code] if example.kind == "python" else ["bash", "-c", code]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    if example.kind == "python":
        assert done.returncode == 0, done.stderr
        return
    assert "Traceback" not in done.stderr
    got = (done.stdout or done.stderr).replace(str(folder.resolve()), "/home/you").replace(str(folder), "/home/you")
    shown = doctest.OutputChecker().check_output(example.printed, got, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert shown, f"README.md line {example.line} promises:\n{example.printed}\nbut it printed:\n{got}\n{done.stderr}"


def test_commands_are_told_from_what_they_print() -> None:
    one, other = examples("text\n```console\n$ echo one\none\n$ sfumato --help\nusage: ...\n```\n```\n$ no\n```\n")
    assert (one.code, one.printed, one.line) == ("echo one", "one\n", 3)
    assert (other.code, other.printed) == ("sfumato --help", "usage: ...\n")
