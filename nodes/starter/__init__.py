"""The bundled model: its picture worlds, its training, its weights and those of its companions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

NAME = "sfumato-starter"
"""What the bundled checkpoint is called in the list of checkpoints."""


def weights_folder() -> Path:
    """The diffusers folder of the bundled model."""
    return Path(__file__).parent / "weights"


def companion(kind: Literal["loras", "controlnet", "upscale_models"], name: str) -> Path:
    """The file of a small model that ships beside the bundled one: where the loaders of its kind find it."""
    return Path(__file__).parent / kind / f"{name}.safetensors"
