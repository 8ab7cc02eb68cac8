"""The networks of a hypernetwork: for each width of what attention sees, one for keys and one for values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from nodes.diffusion.hypernetwork import Layers

_ACTIVATIONS: Mapping[str, Callable[[Any], Any]] = {
    "linear": lambda x: x,
    "relu": functional.relu,
    "leakyrelu": functional.leaky_relu,
    "elu": functional.elu,
    "swish": functional.hardswish,
    "tanh": functional.tanh,
    "sigmoid": functional.sigmoid,
    "softsign": functional.softsign,
    "mish": functional.mish,
}


class Bend(nn.Module):
    """Linear layers with an activation after each but the last, and norms where the file has them."""

    def __init__(self, layers: list[tuple[str, tuple[int, ...]]], activation: str, *, activate_output: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(
            {n: nn.Linear(shape[1], shape[0]) if len(shape) == 2 else nn.LayerNorm(shape[0]) for n, shape in layers}
        )
        linear = [n for n, shape in layers if len(shape) == 2]
        self._activated = frozenset(linear if activate_output else linear[:-1])
        self._activation = _ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        for number, layer in self.layers.items():
            x = layer(x)
            x = self._activation(x) if number in self._activated else x
        return x


class HypernetworkNet(nn.Module):
    """All of a file's networks."""

    def __init__(self, layers: Layers, activation: str, *, activate_output: bool) -> None:
        super().__init__()
        self.widths = nn.ModuleDict(
            {
                width: nn.ModuleDict(
                    {side: Bend(own, activation, activate_output=activate_output) for side, own in sides.items()}
                )
                for width, sides in layers.items()
            }
        )

    def pair(self, width: int) -> tuple[nn.Module, nn.Module] | None:
        """What bends keys' and values' origins of this width, if the file has it."""
        if str(width) not in self.widths:
            return None
        sides: Any = self.widths[str(width)]
        return sides["0"], sides["1"]
