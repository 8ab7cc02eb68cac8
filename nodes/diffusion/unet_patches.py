"""Changes to how a UNet computes, for one run: hooks on its module that are gone afterwards."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nodes.diffusion import frequencies
from nodes.diffusion.network import SELF_ATTENTION, SKIPPED_BLOCKS, WATCH
from nodes.diffusion.unet import UNet
from nodes.diffusion.unet_attention import (
    Call,
    merged_tokens,
    normalized_guidance,
    skipping,
    tiled,
    values_only,
    watching,
)
from nodes.diffusion.unet_downscale import downscaled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from torch import Tensor

    from nodes.diffusion.network import Inputs
    from nodes.types import Conditioning

NO_SIDES: Mapping[str, Conditioning] = MappingProxyType({})


@contextmanager
def patched(
    network: UNet,
    patches: Iterable[tuple[str, Mapping[str, Any]]],
    sides: Mapping[str, Conditioning] = NO_SIDES,
) -> Iterator[UNet]:
    """The network with named patches, in order, for as long as the context lasts.

    It also obeys what guidance asks of its attention. `sides` are the run's conditionings. Raises KeyError for a name
    that is not in PATCHES.
    """
    call = Call(sides)
    with ExitStack() as stack:
        for name, parameters in patches:
            for handle in PATCHES[name](network.module, call, **parameters):
                stack.callback(handle.remove)
        yield _Obedient(network, call)


class _Obedient(UNet):
    """The same UNet, which tells its hooks what it is asked, and does what guidance wants changed in a call."""

    def __init__(self, unet: UNet, call: Call) -> None:
        vars(self).update(vars(unet))
        self._call = call

    def __call__(self, x: Tensor, timestep: Tensor, inputs: Inputs) -> Tensor:
        self._call.inputs = inputs
        with ExitStack() as stack:
            for enter in self._call.around:
                stack.enter_context(enter())
            for wanted in self._wanted(inputs):
                stack.enter_context(wanted)
            return super().__call__(x, timestep, inputs)

    def _wanted(self, inputs: Inputs) -> Iterator[AbstractContextManager[None]]:
        extras: Mapping[str, Any] = inputs.extras or {}
        if extras.get(SELF_ATTENTION) == "values":
            yield values_only(self.module)
        if SKIPPED_BLOCKS in extras:
            yield skipping(self.module, extras[SKIPPED_BLOCKS])
        if WATCH in extras:
            yield watching(self.module, extras[WATCH], inputs.sides)


def freeu(module: Any, _: Call, *, b1: float, b2: float, s1: float, s2: float, version: float) -> Iterator[Any]:
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


PATCHES: MappingProxyType[str, Callable[..., Iterator[Any]]] = MappingProxyType(
    {
        "freeu": freeu,
        "tiled": tiled,
        "merged_tokens": merged_tokens,
        "normalized_guidance": normalized_guidance,
        "downscaled": downscaled,
    }
)
"""Patches by name; each takes the module, the call that is on and its parameters, and gives its hooks' handles."""
