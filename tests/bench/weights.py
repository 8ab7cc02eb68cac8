"""What changing models costs: LoRAs on and off a UNet of SD 1.5's size, and the UNet from its file. Prints JSON."""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from safetensors.torch import save_file

from nodes.diffusion import checkpoint
from nodes.diffusion.lora import open_lora
from nodes.diffusion.weights import Weights
from nodes.types import Model

RANK, ROUNDS = 16, 3
_TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out")


def shapes() -> dict[str, tuple[int, ...]]:
    """The tensors of SD 1.5's UNet."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    with torch.device("meta"):
        module = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8)
    return {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}


def write_unet(path: Path, of: Mapping[str, tuple[int, ...]]) -> None:
    """The UNet with random weights in bfloat16; they repeat, because drawing so many takes longer than all else."""
    drawn = (torch.randn(1 << 22) * 0.02).to(torch.bfloat16)

    def filled(shape: tuple[int, ...]) -> torch.Tensor:
        count = math.prod(shape)
        return drawn.repeat(-(-count // len(drawn)))[:count].reshape(shape).clone()

    save_file({name: filled(shape) for name, shape in of.items()}, path)


def write_lora(path: Path, of: Mapping[str, tuple[int, ...]]) -> int:
    """A LoRA for all attention and feed-forward layers; returns how many."""
    tensors: dict[str, torch.Tensor] = {}
    for name, shape in of.items():
        stem = name.removesuffix(".weight")
        if not name.endswith(".weight") or not stem.endswith(_TARGETS):
            continue
        key, tail = f"lora_unet_{stem.replace('.', '_')}", shape[2:]
        tensors[f"{key}.lora_down.weight"] = torch.randn(RANK, shape[1], *tail) * 0.02
        tensors[f"{key}.lora_up.weight"] = torch.randn(shape[0], RANK, *(1 for _ in tail)) * 0.02
        tensors[f"{key}.alpha"] = torch.tensor(float(RANK))
    save_file(tensors, path)
    return len(tensors) // 3


def milliseconds(call: Callable[[], object]) -> dict[str, float]:
    """Wall and CPU milliseconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return {
        "wall": round((time.perf_counter() - wall) * 1e3, 2),
        "cpu": round((time.process_time() - cpu) * 1e3, 2),
    }


def main() -> None:
    of = shapes()
    with tempfile.TemporaryDirectory() as folder:
        file, weights = Path(folder) / "unet.safetensors", Weights("cpu", "bf16")
        write_unet(file, of)
        layers = [write_lora(Path(folder) / f"{i}.safetensors", of) for i in range(2)]

        def use(model: Model) -> None:
            with weights.network(model):
                pass

        found: dict[str, Any] = {"bench": "weights", "parameters": sum(map(math.prod, of.values()))}
        plain = checkpoint.open_unet(file)
        found["load_ms"] = milliseconds(lambda: use(plain))

        def at(strength: float) -> Model:
            return plain.patched(*(open_lora(Path(folder) / f"{i}.safetensors", strength, "unet") for i in range(2)))

        rounds: list[dict[str, dict[str, float]]] = []
        for strength in range(1, ROUNDS + 1):
            changed = at(strength / 4)
            calls = {"two_loras_on": changed, "the_same": changed, "loras_off": plain, "on_again": changed}
            rounds.append({name: milliseconds(partial(use, model)) for name, model in calls.items()})
        for name in rounds[0]:
            found[f"{name}_ms"] = min((one[name] for one in rounds), key=lambda taken: taken["cpu"])
        weights.free(forget=True)
        found["load_again_ms"] = milliseconds(lambda: use(plain))
        found["layers_of_each_lora"] = layers[0]
        print(json.dumps(found, indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
