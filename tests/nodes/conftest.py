"""What nodes are given when they run: a base folder, and a context that notes what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from nodes import codec
from nodes.define import Cancelled, Context
from nodes.diffusion.weights import Weights
from nodes.folders import Folders
from nodes.registry import Registry, builtin
from nodes.types import Image, Preview
from server.engine.cache import Cache
from server.engine.engine import Engine
from server.engine.execute import Outcome
from server.formats.prompt import read_prompt


class Running(Context):
    """A running node's context: notes progress and claims; stops when told."""

    def __init__(self) -> None:
        self.stopped = False
        self.steps: list[tuple[int, int, Preview | None]] = []
        self.claims: dict[int, str] = {}

    @property
    def node_id(self) -> str:
        return "1"

    @property
    def wants_previews(self) -> bool:
        return True

    def check(self) -> None:
        if self.stopped:
            raise Cancelled

    def progress(self, step: int, steps: int, preview: Preview | None = None) -> None:
        self.check()
        self.steps.append((step, steps, preview))

    def claimed(self, index: int) -> str | None:
        return self.claims.get(index)

    def claim(self, index: int, name: str) -> None:
        self.claims[index] = name


@pytest.fixture
def ctx() -> Running:
    return Running()


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    for place in ("input", "output", "temp", "models/upscale_models"):
        (tmp_path / "base" / place).mkdir(parents=True)
    return Folders.at(tmp_path / "base")


@pytest.fixture
def noise() -> Image:
    """Two pictures of noise, 24 wide and 16 high."""
    return Image(torch.rand((2, 16, 24, 3), generator=torch.Generator().manual_seed(3)))


@pytest.fixture(scope="session")
def every_node() -> Registry:
    """All nodes that ship."""
    return builtin()


@pytest.fixture
def run_prompt(every_node: Registry, folders: Folders) -> Callable[[Mapping[str, Any]], Outcome]:
    """What runs an API prompt through the engine; one engine per test, so that it remembers from run to run."""
    cache = Cache(codec, memory_bytes=1 << 28)
    engine = Engine(every_node, cache=cache, provided={Folders: folders, Weights: Weights("cpu", "fp32")})

    def run(prompt: Mapping[str, Any]) -> Outcome:
        checked = engine.validate(read_prompt(prompt))
        assert checked.sound, checked.sentences()
        return engine.run("job", checked.graph, checked.good_outputs, lambda _: None, lambda: False)

    return run
