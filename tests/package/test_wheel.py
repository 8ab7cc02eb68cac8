"""What is built carries all that runs, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in the wheel."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("sfumato-*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize(
    "name",
    [
        "server/py.typed",
        "nodes/py.typed",
        "server/cli.py",
        "server/share/web/index.html",
        "server/share/workflows/text_to_image.json",
        "nodes/starter/weights/model_index.json",
        "nodes/starter/weights/unet/diffusion_pytorch_model.safetensors",
        "nodes/diffusion/vocab/bpe_simple_vocab_16e6.txt.gz",
    ],
)
def test_the_wheel_carries(wheel: set[str], name: str) -> None:
    assert name in wheel


def test_the_wheel_carries_no_tests_and_no_sources_of_the_editor(wheel: set[str]) -> None:
    assert not [n for n in wheel if n.startswith(("tests/", "web/")) or "node_modules" in n]
