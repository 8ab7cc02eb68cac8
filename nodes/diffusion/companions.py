"""Networks beside a UNet that take part in its runs: IP-Adapters, hypernetworks, GLIGEN.

A companion is a frozen value on a model's handle (or in a conditioning). For a run it brings its weights and hangs
hooks on the UNet's layers, which are gone afterwards.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from nodes.diffusion.unet import UNet
from nodes.diffusion.unet_attention import Call

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from torch import Tensor

    from nodes.diffusion.network import Inputs
    from nodes.diffusion.weights import Weights
    from nodes.types import Model

_OPTION = "companions"


class Companion(Protocol):
    """A network beside a UNet."""

    def joined(self, unet: UNet, call: Call, weights: Weights) -> AbstractContextManager[Iterable[Any]]:
        """The handles of its hooks on the UNet's module; what its hooks need stays while the context lasts."""
        ...


def with_companion(model: Model, companion: Companion) -> Model:
    """A handle with one more companion, after those it has."""
    return model.with_option(_OPTION, (*companions(model), companion))


def companions(model: Model) -> tuple[Companion, ...]:
    """The companions that the handle names."""
    return model.option(_OPTION, ())


@contextmanager
def accompanied(network: UNet, those: Iterable[Companion], weights: Weights) -> Iterator[UNet]:
    """The network with its companions, for as long as the context lasts."""
    call = Call()
    with ExitStack() as stack:
        count = 0
        for companion in those:
            count += 1
            for handle in stack.enter_context(companion.joined(network, call, weights)):
                stack.callback(handle.remove)
        yield _Accompanied(network, call) if count else network


class _Accompanied(UNet):
    """The same UNet, which tells its companions what it is asked."""

    def __init__(self, unet: UNet, call: Call) -> None:
        vars(self).update(vars(unet))
        self._inner = unet
        self._inputs_of = call

    def __call__(self, x: Tensor, timestep: Tensor, inputs: Inputs) -> Tensor:
        self._inputs_of.inputs = inputs
        return self._inner(x, timestep, inputs)
