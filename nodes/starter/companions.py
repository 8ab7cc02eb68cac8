"""Train what ships beside the bundled model: two LoRAs, a Canny ControlNet, an upscaler. Each can stop and go on.

python -m nodes.starter.companions [--only NAME] [--work DIR] [--from DIR]
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from nodes.starter import companion, weights_folder
from nodes.starter.anchor import Anchor
from nodes.starter.networks import load_bundle, plain_config
from nodes.starter.stage_control import ControlStage, save_control
from nodes.starter.stage_lora import LESSONS, Lesson, LoraStage
from nodes.starter.stage_upscaler import UpscalerStage
from nodes.starter.training import Setup, run


def train_lora(lesson: Lesson, setup: Setup, base: Path, steps: int) -> Path:
    """Train a LoRA on the model in a folder; gives back the file."""
    stage = LoraStage(setup, Anchor.load(base), load_bundle(base), lesson)
    run(stage, setup, steps)
    path = companion("loras", lesson.name)
    stage.adapters.save(path, lesson.words)
    return path


def train_control(setup: Setup, base: Path, steps: int) -> Path:
    """Train the ControlNet on the model in a folder; gives back the file."""
    stage = ControlStage(setup, Anchor.load(base), load_bundle(base))
    run(stage, setup, steps)
    path = companion("controlnet", "sfumato-canny")
    config = plain_config(dict(stage.control.config), "ControlNetModel", "controlnet")
    save_control(stage.control, path, {"sfumato.config.controlnet": json.dumps(config, sort_keys=True)})
    return path


def train_upscaler(setup: Setup, base: Path, steps: int) -> Path:
    """Train the upscaler on what the autoencoder in a folder draws; gives back the file."""
    stage = UpscalerStage(setup, Anchor.load(base), load_bundle(base).vae)
    run(stage, setup, steps)
    path = companion("upscale_models", "sfumato-4x")
    stage.save(path)
    return path


_Trainer = Callable[[Setup, Path, int], Path]


def _lora(lesson: Lesson) -> _Trainer:
    return lambda setup, base, steps: train_lora(lesson, setup, base, steps)


TRAINERS: Mapping[str, tuple[_Trainer, int]] = {
    **{lesson.name: (_lora(lesson), 300) for lesson in LESSONS},
    "control": (train_control, 450),
    "upscaler": (train_upscaler, 1500),
}
"""How each is trained, and for how many steps."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train all of them, or one."""
    parser = argparse.ArgumentParser(prog="python -m nodes.starter.companions", description=__doc__)
    parser.add_argument("--only", choices=tuple(TRAINERS))
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache" / "sfumato-train")
    parser.add_argument("--from", dest="base", type=Path, default=weights_folder(), help="the model's diffusers folder")
    parser.add_argument("--steps", type=int, help="instead of the number that each has")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    # What was begun on other weights is no beginning for these.
    model = hashlib.sha256((asked.base / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()).hexdigest()
    setup = Setup(asked.work / model[:12], torch.device("cpu"), asked.seed, asked.batch)
    for name, (train, steps) in TRAINERS.items():
        if asked.only in (None, name):
            print(train(setup, asked.base, asked.steps if asked.steps is not None else steps), flush=True)


if __name__ == "__main__":
    main()
