"""Networks translated for the machine by torch.compile."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from nodes.diffusion.unet import UNet
from nodes.types import NodeError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def compiled(network: UNet, backend: str | None) -> Iterator[UNet]:
    """The network as this backend of torch.compile translates it; None leaves it as it is.

    Translating happens in the first call, and torch remembers it for as long as the module lives. Raises NodeError
    where it cannot be done.
    """
    if backend is None:
        yield network
        return
    if backend == "cudagraphs" and network.device.type != "cuda":
        raise NodeError(f"The backend cudagraphs is for CUDA devices, and this one is {network.device}; use inductor.")
    with _told(backend):
        yield _Compiled(network, torch.compile(network.module, backend=backend))


@contextmanager
def _told(backend: str) -> Iterator[None]:
    from torch._dynamo.exc import TorchDynamoException  # noqa: PLC0415 -- costs seconds

    try:
        yield
    except TorchDynamoException as error:
        reason = str(error).strip().splitlines()[0]
        raise NodeError(
            f"torch.compile with {backend} does not work here: {reason} Bypass TorchCompileModel."
        ) from error


class _Compiled(UNet):
    """The same UNet with another module."""

    def __init__(self, unet: UNet, module: Any) -> None:
        vars(self).update(vars(unet))
        self.module = module
