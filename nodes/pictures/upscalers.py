"""Networks that make pictures larger: RRDBNet (ESRGAN, Real-ESRGAN) and SRVGGNet (Real-ESRGAN's compact ones).

Imported only where one is used, as defining them needs torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from nodes.pictures.upscaler_files import UpscalerFacts

if TYPE_CHECKING:
    from torch import Tensor


def build(facts: UpscalerFacts) -> nn.Module:
    """The network that a file's facts describe, with weights as they come."""
    if facts.family == "compact":
        return Compact(facts)
    return RRDBNet(facts)


class DenseBlock(nn.Module):
    """Five convolutions, each of everything before it (arXiv:1809.00219, figure 4)."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for i in range(5):
            out = width if i == 4 else growth
            self.add_module(f"conv{i + 1}", nn.Conv2d(width + i * growth, out, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        known = [x]
        for name in ("conv1", "conv2", "conv3", "conv4"):
            known.append(_leaky(self.get_submodule(name)(torch.cat(known, dim=1))))
        return x + 0.2 * self.get_submodule("conv5")(torch.cat(known, dim=1))


class ResidualDenseBlocks(nn.Module):
    """Three dense blocks with a way around them."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(width, growth)
        self.rdb2 = DenseBlock(width, growth)
        self.rdb3 = DenseBlock(width, growth)

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDBNet(nn.Module):
    """ESRGAN's generator. Scales 1 and 2 of Real-ESRGAN fold pixels into channels first, then double twice."""

    def __init__(self, facts: UpscalerFacts) -> None:
        super().__init__()
        self.fold = facts.fold
        width = facts.width
        self.conv_first = nn.Conv2d(facts.channels * facts.fold**2, width, 3, padding=1)
        self.body = nn.Sequential(*(ResidualDenseBlocks(width, facts.growth) for _ in range(facts.blocks)))
        self.conv_body = nn.Conv2d(width, width, 3, padding=1)
        self.ups = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(facts.doublings))
        self.conv_hr = nn.Conv2d(width, width, 3, padding=1)
        self.conv_last = nn.Conv2d(width, facts.out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        folded = nn.functional.pixel_unshuffle(_padded(x, self.fold), self.fold) if self.fold > 1 else x
        first = self.conv_first(folded)
        y = first + self.conv_body(self.body(first))
        for conv in self.ups:
            y = _leaky(conv(nn.functional.interpolate(y, scale_factor=2, mode="nearest")))
        scale = 2 ** len(self.ups) // self.fold
        return self.conv_last(_leaky(self.conv_hr(y)))[..., : height * scale, : width * scale]


class Compact(nn.Module):
    """Convolutions at the picture's own size that draw what the enlarged picture lacks."""

    def __init__(self, facts: UpscalerFacts) -> None:
        super().__init__()
        self.scale = facts.scale
        width = facts.width
        layers: list[nn.Module] = [nn.Conv2d(facts.channels, width, 3, padding=1), _activation(facts)]
        for _ in range(facts.blocks):
            layers += [nn.Conv2d(width, width, 3, padding=1), _activation(facts)]
        layers.append(nn.Conv2d(width, facts.out_channels * facts.scale**2, 3, padding=1))
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        drawn = nn.functional.pixel_shuffle(self.body(x), self.scale)
        return drawn + nn.functional.interpolate(x, scale_factor=self.scale, mode="nearest")


def _activation(facts: UpscalerFacts) -> nn.Module:
    return nn.PReLU(facts.width) if facts.learned_slopes else nn.ReLU()


def _leaky(x: Tensor) -> Tensor:
    return nn.functional.leaky_relu(x, 0.2)


def _padded(x: Tensor, multiple: int) -> Tensor:
    """`x` with its border repeated to the right and below until its sides divide."""
    height, width = x.shape[-2:]
    return nn.functional.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")
