"""Low-rank changes of the bundled model: trained beside its weights, written with kohya's names, merged from a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from nodes.starter.networks import Bundle

RANK = 8
_UNET, _TEXT = "lora_unet_", "lora_te_text_model_"
_CHANGED = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "net.0.proj", "net.2", "conv1", "conv2")
_CHANGED_TEXT = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


class Adapter(nn.Module):
    """What is added to the output of one layer: a narrow layer down, a wide one up that starts as nothing."""

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        if isinstance(layer, nn.Linear):
            self.down: nn.Module = nn.Linear(layer.in_features, RANK, bias=False)
            self.up: nn.Module = nn.Linear(RANK, layer.out_features, bias=False)
        else:
            size, stride, padding = layer.kernel_size, layer.stride, layer.padding
            self.down = nn.Conv2d(layer.in_channels, RANK, size, stride, padding, bias=False)  # pyright: ignore[reportArgumentType]
            self.up = nn.Conv2d(RANK, layer.out_channels, 1, bias=False)
        nn.init.zeros_(self.up.weight)  # pyright: ignore[reportArgumentType]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up(self.down(x))


class Adapters(nn.Module):
    """Adapters hung on a bundle's denoiser and text encoder; `on` says whether they act."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__()
        self.on = True
        self.each = nn.ModuleDict()
        for name, layer in layers(bundle):
            adapter = Adapter(layer)
            self.each[name] = adapter
            layer.register_forward_hook(self._hook(adapter))

    def _hook(self, adapter: Adapter) -> Any:
        def add(layer: nn.Module, given: tuple[torch.Tensor, ...], out: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
            return out + adapter(given[0]) if self.on else out

        return add

    def save(self, path: Path, words: str) -> None:
        """Write a LoRA file in float16; `words` are what calls it up."""
        tensors: dict[str, torch.Tensor] = {}
        for name, adapter in self.each.items():
            assert isinstance(adapter, Adapter)
            tensors[f"{name}.lora_down.weight"] = adapter.down.weight  # pyright: ignore[reportArgumentType]
            tensors[f"{name}.lora_up.weight"] = adapter.up.weight  # pyright: ignore[reportArgumentType]
            tensors[f"{name}.alpha"] = torch.tensor(float(RANK))
        path.parent.mkdir(parents=True, exist_ok=True)
        half = {name: tensor.detach().half().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(half, path, metadata={"format": "pt", "modelspec.trigger_phrase": words})


def layers(bundle: Bundle) -> Iterator[tuple[str, nn.Linear | nn.Conv2d]]:
    """(kohya's name, layer) of everything that is adapted."""
    for stem, part, endings in ((_UNET, bundle.unet, _CHANGED), (_TEXT, bundle.text, _CHANGED_TEXT)):
        for name, layer in part.named_modules():
            if isinstance(layer, nn.Linear | nn.Conv2d) and name.endswith(endings):
                yield stem + name.removeprefix("text_model.").replace(".", "_"), layer


@torch.no_grad()
def merge(bundle: Bundle, path: Path, strength: float = 1.0) -> None:
    """Add a LoRA file that `Adapters.save` wrote to the bundle's weights."""
    tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
    for name, layer in layers(bundle):
        up, down = tensors[f"{name}.lora_up.weight"], tensors[f"{name}.lora_down.weight"]
        scale = strength * float(tensors[f"{name}.alpha"]) / len(down)
        layer.weight += scale * (up.flatten(1) @ down.flatten(1)).view_as(layer.weight)
