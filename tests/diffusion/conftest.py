"""Tiny models on disk, written once per session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nodes.diffusion.weights import Weights
from tests.diffusion import tiny

Written = Callable[[str], Path]


@pytest.fixture(scope="session")
def single_file(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Gives the single file of a family."""
    root = tmp_path_factory.mktemp("single")

    def write(family: str) -> Path:
        path = root / f"{family}.safetensors"
        return path if path.exists() else tiny.write_single(path, family)

    return write


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Gives the diffusers folder of a family, with the same weights as its single file."""
    root = tmp_path_factory.mktemp("folders")

    def write(family: str) -> Path:
        path = root / family
        return path if path.exists() else tiny.write_folder(path, family)

    return write


@pytest.fixture(scope="session")
def weights() -> Weights:
    """Weights on the CPU in float32."""
    return Weights("cpu", "fp32")
