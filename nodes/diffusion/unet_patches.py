"""Changes to how a UNet computes, for one run: hooks on its module that are gone afterwards."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nodes.diffusion import frequencies
from nodes.diffusion.network import SELF_ATTENTION
from nodes.diffusion.unet import UNet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from torch import Tensor

    from nodes.diffusion.network import Inputs


@contextmanager
def patched(network: UNet, patches: Iterable[tuple[str, Mapping[str, float]]]) -> Iterator[UNet]:
    """The network with named patches, in order, for as long as the context lasts.

    It also obeys what guidance asks of its attention. Raises KeyError for a name that is not in PATCHES.
    """
    with ExitStack() as stack:
        for name, parameters in patches:
            for handle in PATCHES[name](network.module, **parameters):
                stack.callback(handle.remove)
        yield _Perturbable(network)


class _Perturbable(UNet):
    """The same UNet, leaving out the middle's self-attention in calls that ask for it."""

    def __init__(self, unet: UNet) -> None:
        vars(self).update(vars(unet))

    def __call__(self, x: Tensor, timestep: Tensor, inputs: Inputs) -> Tensor:
        if not inputs.extras or inputs.extras.get(SELF_ATTENTION) != "values":
            return super().__call__(x, timestep, inputs)
        with _values_only(self.module):
            return super().__call__(x, timestep, inputs)


@contextmanager
def _values_only(module: Any) -> Iterator[None]:
    """While inside, every place in the middle block attends to itself alone. PAG, arXiv:2403.17377."""
    layers = [block.attn1 for attention in module.mid_block.attentions for block in attention.transformer_blocks]
    kept = [layer.processor for layer in layers]
    try:
        for layer in layers:
            layer.processor = _Values()
        yield
    finally:
        for layer, processor in zip(layers, kept, strict=True):
            layer.processor = processor


class _Values:
    """An attention processor whose attention map is the identity."""

    def __call__(self, attn: Any, hidden_states: Tensor, *_: object, **__: object) -> Tensor:
        out = attn.to_v(hidden_states)
        for layer in attn.to_out:
            out = layer(out)
        return out


def freeu(module: Any, *, b1: float, b2: float, s1: float, s2: float, version: float) -> Iterator[Any]:
    """FreeU: stronger backbone, weaker low frequencies of the skips, on the two coarsest widths. arXiv:2309.11497."""
    width = module.config["block_out_channels"][0]
    scales = {width * 4: (b1, s1), width * 2: (b2, s2)}
    channels = module.mid_block.resnets[-1].out_channels
    for block in module.up_blocks:
        for resnet in block.resnets:
            if channels in scales:
                yield resnet.register_forward_pre_hook(_freeu_hook(channels, *scales[channels], version=version))
            channels = resnet.out_channels


def _freeu_hook(
    channels: int, backbone: float, skip: float, *, version: float
) -> Callable[[Any, tuple[Any, ...]], tuple[Any, ...]]:
    def hook(_: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        joined, *rest = args
        changed = joined.clone()
        half = changed[:, : channels // 2]
        half *= backbone if version == 1 else _where_active(joined[:, :channels]) * (backbone - 1) + 1
        changed[:, channels:] = frequencies.scaled(joined[:, channels:], skip, 1.0, 1)
        return (changed, *rest)

    return hook


def _where_active(h: Tensor) -> Tensor:
    """The mean over channels, stretched to 0..1 in each picture: [B,1,h,w]."""
    mean = h.mean(1, keepdim=True)
    low, high = mean.amin((2, 3), keepdim=True), mean.amax((2, 3), keepdim=True)
    return (mean - low) / (high - low)


PATCHES: MappingProxyType[str, Callable[..., Iterator[Any]]] = MappingProxyType({"freeu": freeu})
"""Patches by name; each takes the module and its parameters, and gives the handles that remove its hooks."""
