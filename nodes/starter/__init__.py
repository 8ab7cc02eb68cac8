"""The bundled model: its picture world, its training, its weights."""

from __future__ import annotations

from pathlib import Path

NAME = "sfumato-starter"
"""What the bundled checkpoint is called in the list of checkpoints."""


def weights_folder() -> Path:
    """The diffusers folder of the bundled model."""
    return Path(__file__).parent / "weights"
