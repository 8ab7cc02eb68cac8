"""The main job, as a new user does it: a workflow that ships, the model that ships, one command, a picture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nodes.starter.checker import describe
from nodes.starter.reader import describe_landscapes

WORKFLOW = Path(__file__).parents[2] / "workflows" / "text_to_image.json"


def sfumato(*arguments: str, base: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server.cli", *arguments, "--base", str(base), "--device", "cpu"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("base")


@pytest.fixture(scope="module")
def picture(base: Path) -> Path:
    """The picture that a first run prints the path of."""
    done = sfumato("run", str(WORKFLOW), base=base)
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.strip().splitlines()[-1])
    assert path.is_relative_to(base / "output")
    return path


def pixels(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def test_the_picture_shows_what_the_prompt_says(picture: Path) -> None:
    (seen,) = describe_landscapes([pixels(picture)])
    assert (seen.time, seen.land) == ("day", "hills")
    assert seen.objects >= {"house", "rainbow"}


def test_the_picture_carries_its_workflow(picture: Path) -> None:
    with Image.open(picture) as opened:
        carried = {key: json.loads(opened.info[key]) for key in ("prompt", "workflow")}
    assert carried["prompt"]["5"]["class_type"] == "KSampler"
    assert carried["workflow"] == json.loads(WORKFLOW.read_text("utf-8"))


def test_a_second_run_draws_nothing_and_says_so(picture: Path, base: Path) -> None:
    done = sfumato("run", str(WORKFLOW), base=base)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip().splitlines()[-1]) == picture
    assert "7 of 7" in done.stderr + done.stdout
    assert len(list((base / "output").glob("*.png"))) == 1


def test_a_picture_is_a_workflow(picture: Path, tmp_path: Path) -> None:
    before = pixels(picture).copy()
    done = sfumato("run", str(picture), base=tmp_path)
    assert done.returncode == 0, done.stderr
    again = Path(done.stdout.strip().splitlines()[-1])
    assert np.array_equal(pixels(again), before)


def test_another_prompt_draws_another_picture(picture: Path, base: Path) -> None:
    done = sfumato("run", str(WORKFLOW), "--set", "Prompt.text=a yellow star on a black background", base=base)
    assert done.returncode == 0, done.stderr
    seen = describe(pixels(Path(done.stdout.strip().splitlines()[-1])))
    assert seen.background == "black"


def test_a_sweep_draws_one_picture_for_each_value(base: Path, picture: Path) -> None:
    done = sfumato("run", str(WORKFLOW), "--set", "KSampler.seed=7..9", "--set", "KSampler.steps=4", base=base)
    assert done.returncode == 0, done.stderr
    paths = [Path(line) for line in done.stdout.strip().splitlines() if line.endswith(".png")]
    assert len(paths) == len({pixels(path).tobytes() for path in paths}) == 3
