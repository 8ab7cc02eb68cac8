"""Hypernetworks: small networks that bend what attention's keys and values are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodes.diffusion import families, files, modules
from nodes.diffusion.files import Shapes, WeightsError
from nodes.diffusion.unet_attention import blocks
from nodes.digests import digest
from nodes.types import Source

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from nodes.diffusion.unet import UNet
    from nodes.diffusion.unet_attention import Call
    from nodes.diffusion.weights import Weights
    from nodes.types import Model

ACTIVATIONS = ("linear", "relu", "leakyrelu", "elu", "swish", "tanh", "sigmoid", "softsign", "mish")
_NAME = re.compile(r"(\d+)\.([01])\.(?:linear\.?)(\d+)\.(weight|bias)")
_PICKLES = (".pt", ".ckpt", ".pth", ".bin", ".pkl")


@dataclass(frozen=True, slots=True)
class Hypernetwork:
    """A hypernetwork on a model's handle, at a strength."""

    source: Source
    strength: float

    @contextmanager
    def joined(self, unet: UNet, call: Call, weights: Weights) -> Iterator[Iterable[Any]]:  # noqa: ARG002
        """Its hooks on what each attention layer's keys and values are made of."""
        with weights.module(self.source, load, unet.dtype) as module:
            net: Any = module
            yield list(self._hooks(unet.module, net))

    def _hooks(self, module: Any, net: Any) -> Iterator[Any]:
        for block in blocks(module):
            for layer in (block.attn1, block.attn2):
                pair = net.pair(layer.to_k.in_features)
                if layer is not None and pair is not None:
                    for projection, bend in zip((layer.to_k, layer.to_v), pair, strict=True):
                        yield projection.register_forward_pre_hook(self._bending(bend))

    def _bending(self, bend: Callable[[Tensor], Tensor]) -> Callable[[Any, tuple[Any, ...]], tuple[Any, ...]]:
        def hook(_: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
            return (args[0] + bend(args[0]) * self.strength, *args[1:])

        return hook


def open_hypernetwork(path: Path, strength: float) -> Hypernetwork:
    """The hypernetwork in a safetensors file. Raises WeightsError saying how to convert another."""
    if path.suffix.lower() in _PICKLES:
        raise WeightsError(
            f"{path.name} is a pickle, which can run code when it is opened. Convert it to safetensors: name tensors "
            "as in 768.0.linear.0.weight (width, 0 for keys and 1 for values, layer), and put activation_func, "
            "is_layer_norm and activate_output into the metadata."
        )
    header = files.read_header(path)
    if not any(_NAME.fullmatch(name) for name in header.shapes):
        first = ", ".join(list(header.shapes)[:3])
        raise WeightsError(f"{path} is no hypernetwork; its first tensors are {first or 'none'}.")
    activation = header.metadata.get("activation_func") or "linear"
    if activation not in ACTIVATIONS:
        raise WeightsError(f"{path}: activation_func is {activation!r}; {', '.join(ACTIVATIONS)} are known.")
    last = header.metadata.get("activate_output", "").lower() in ("true", "1")
    options = (("activation", activation), ("activate_output", last))
    return Hypernetwork(Source(path, digest(path), "hypernetwork", "", options), strength)


def check_fits(hypernetwork: Hypernetwork, model: Model) -> None:
    """Raise WeightsError when the hypernetwork is made for text of another width than the model's."""
    context = modules.unet_weights(model.source).config["cross_attention_dim"]
    context = context if isinstance(context, int) else context[0]
    widths = {int(width) for width in _layers(files.read_header(hypernetwork.source.path).shapes)}
    if context not in widths:
        here = families.family_named(model.source.family).title
        raise WeightsError(
            f"{hypernetwork.source.path.name} is made for another model family: it bends text "
            f"{' or '.join(map(str, sorted(widths)))} wide; {here} takes {context}."
        )


def _layers(shapes: Shapes) -> dict[str, dict[str, list[tuple[str, tuple[int, ...]]]]]:
    """By width and side: (number, weight's shape) of its layers, in order."""
    found: dict[str, dict[str, list[tuple[str, tuple[int, ...]]]]] = {}
    for name, shape in shapes.items():
        if (m := _NAME.fullmatch(name)) and m[4] == "weight":
            found.setdefault(m[1], {}).setdefault(m[2], []).append((m[3], shape))
    return {
        width: {side: sorted(layers, key=lambda layer: int(layer[0])) for side, layers in sides.items()}
        for width, sides in found.items()
    }


def load(source: Source, dtype: torch.dtype) -> nn.Module:
    """The hypernetwork on the CPU."""
    import torch  # noqa: PLC0415

    from nodes.diffusion.hypernetwork_model import HypernetworkNet  # noqa: PLC0415 -- defines networks

    shapes = files.read_header(source.path).shapes
    options = dict(source.options)
    names = {name: f"widths.{m[1]}.{m[2]}.layers.{m[3]}.{m[4]}" for name in shapes if (m := _NAME.fullmatch(name))}
    with torch.device("meta"):
        module = HypernetworkNet(_layers(shapes), options["activation"], activate_output=options["activate_output"])
    return modules.filled(module, files.read_tensors(source.path, names), dtype, source.path)


Layers = Mapping[str, Mapping[str, list[tuple[str, tuple[int, ...]]]]]
"""By width and side ("0" for keys, "1" for values): (number, weight's shape) of the layers."""
