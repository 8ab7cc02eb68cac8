"""Deep shrink: a UNet that computes from one of its blocks on at a smaller size, for pictures larger than it learnt."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch

from nodes.pictures.resize import resize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from torch import Tensor

    from nodes.diffusion.unet_attention import Call

_log = logging.getLogger(__name__)


def downscaled(
    module: Any,
    call: Call,
    *,
    block: int,
    factor: float,
    start_sigma: float,
    end_sigma: float,
    after_skip: bool,
    down_method: str,
    up_method: str,
) -> Iterator[Any]:
    """x made smaller after an input block (numbered as in the original files), and larger where it meets a skip.

    What ControlNets and adapters add is made for the whole size, and is left out where the map is smaller.
    """
    steps = _input_blocks(module)
    if block >= len(steps):
        return

    def acts() -> bool:
        return end_sigma <= call.inputs.sigma <= start_sigma

    def smaller(x: Tensor) -> Tensor:
        if not acts():
            return x
        return resize(x, round(x.shape[-1] / factor), round(x.shape[-2] / factor), down_method)

    if after_skip:
        following = steps[block + 1][0] if block + 1 < len(steps) else module.mid_block
        yield following.register_forward_pre_hook(lambda _, args: (smaller(args[0]), *args[1:]))
    else:
        yield steps[block][1].register_forward_hook(lambda _, __, out: _first_changed(out, smaller))
    yield from _follow_skips(module, acts)
    call.around.append(lambda: _joining(up_method))


def _input_blocks(module: Any) -> list[tuple[Any, Any]]:
    """(first, last) layer of each block on the way down, as LDM numbers them."""
    found = [(module.conv_in, module.conv_in)]
    for block in module.down_blocks:
        attentions = getattr(block, "attentions", None) or block.resnets
        found += list(zip(block.resnets, attentions, strict=True))
        found += [(layer, layer) for layer in block.downsamplers or ()]
    return found


def _first_changed(out: Any, change: Callable[[Tensor], Tensor]) -> Any:
    return (change(out[0]), *out[1:]) if isinstance(out, tuple) else change(out)


def _follow_skips(module: Any, acts: Callable[[], bool]) -> Iterator[Any]:
    """On the way up, each block grows x to the size of the next skip instead of doubling it."""
    sizes: list[tuple[int, ...]] = []

    def begin(_: Any, __: Any, out: Tensor) -> None:
        sizes[:] = [tuple(out.shape[-2:])]

    def note(_: Any, __: Any, out: tuple[Tensor, Sequence[Tensor]]) -> None:
        sizes.extend(tuple(skip.shape[-2:]) for skip in out[1])

    def grow(block: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        del sizes[-len(block.resnets) :]
        return args, {**kwargs, "upsample_size": sizes[-1]} if sizes and acts() else kwargs

    yield module.conv_in.register_forward_hook(begin)
    for block in module.down_blocks:
        yield block.register_forward_hook(note)
    for block in module.up_blocks:
        yield block.register_forward_pre_hook(grow, with_kwargs=True)


def _joining(method: str) -> AbstractContextManager[object]:
    """While it is on, maps of two sizes are joined at the second's size, and the second is not added to the first.

    diffusers joins and adds inside its blocks.
    """

    # A class of its own for each call, because torch is not there yet when this module is imported.
    class Joining(torch.overrides.TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
        ) -> Any:
            if func is torch.cat and _differ(args[0]):
                x, skip = args[0]
                args = ((resize(x, skip.shape[-1], skip.shape[-2], method), skip), *args[1:])
            if func in (torch.Tensor.add, torch.Tensor.add_) and _differ(args[:2]):
                _log.debug("Deep shrink leaves out what is added at %s.", tuple(args[1].shape))
                return args[0]
            return func(*args, **(kwargs or {}))

    return Joining()


def _differ(tensors: Any) -> bool:
    """Whether these are two maps of different sizes; what is the same at every place is no map."""
    if len(tensors) != 2 or not all(isinstance(t, torch.Tensor) and t.ndim == 4 for t in tensors):
        return False
    x, y = (tuple(t.shape[-2:]) for t in tensors)
    return x != y and (1, 1) not in (x, y)
