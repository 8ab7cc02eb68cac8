"""Networks that draw lines: HED, PiDiNet, the line art generators and M-LSD, with their files' names for their parts.

Each takes pictures as its detector feeds them; `line_models` knows how.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


class _Stage(nn.Module):
    """Convolutions of one size, and the edges seen at it."""

    def __init__(self, channels: int, out: int, count: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(*(nn.Conv2d(channels if i == 0 else out, out, 3, padding=1) for i in range(count)))
        self.projection = nn.Conv2d(out, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for conv in self.convs:
            x = functional.relu(conv(x))
        return x, self.projection(x)


class Hed(nn.Module):
    """Holistically nested edges, arXiv:1504.06375: RGB of 0 to 255 to edges at five scales, before the sigmoid."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.norm = nn.Parameter(torch.zeros(1, 3, 1, 1))
        before = (3, *widths[:-1])
        for i, (channels, out) in enumerate(zip(before, widths, strict=True)):
            self.add_module(f"block{i + 1}", _Stage(channels, out, 2 if i < 2 else 3))
        self._count = len(widths)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = x - self.norm
        found: list[Tensor] = []
        for i in range(self._count):
            x = functional.max_pool2d(x, 2) if i else x
            x, edges = self.get_submodule(f"block{i + 1}")(x)
            found.append(edges)
        return found


class _Difference(nn.Module):
    """A convolution of differences between pixels (Su et al. 2021, arXiv:2108.07009), by the way they are taken."""

    def __init__(self, kind: str, channels: int, out: int, groups: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out, channels // groups, 3, 3))
        self._kind, self._groups = kind, groups

    def forward(self, x: Tensor) -> Tensor:
        weight, padding = self.weight, 1
        if self._kind == "central":
            weight = weight.clone()
            weight[..., 1, 1] -= self.weight.sum((-2, -1))
        elif self._kind == "angular":
            weight = weight - weight.flatten(2)[..., _CLOCKWISE].view_as(weight)
        elif self._kind == "radial":
            weight, padding = _radial(weight), 2
        return functional.conv2d(x, weight, padding=padding, groups=self._groups)


_CLOCKWISE = [3, 0, 1, 6, 4, 2, 7, 8, 5]
_OUTER = [0, 2, 4, 10, 14, 20, 22, 24]
_INNER = [6, 7, 8, 11, 13, 16, 17, 18]


def _radial(weight: Tensor) -> Tensor:
    """3 x 3 weights as 5 x 5: each but the first on the outer ring, less the same on the inner one."""
    wide = weight.new_zeros(*weight.shape[:2], 25)
    outside = weight.flatten(2)[..., 1:]
    wide[..., _OUTER] = outside
    wide[..., _INNER] = -outside
    return wide.unflatten(-1, (5, 5))


class _DifferenceBlock(nn.Module):
    def __init__(self, kind: str, channels: int, out: int, *, halves: bool) -> None:
        super().__init__()
        self.shortcut = nn.Conv2d(channels, out, 1) if halves else None
        self.conv1 = _Difference(kind, channels, channels, channels)
        self.conv2 = nn.Conv2d(channels, out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.shortcut is None else functional.max_pool2d(x, 2)
        y = self.conv2(functional.relu(self.conv1(x)))
        return y + (x if self.shortcut is None else self.shortcut(x))


class _Dilated(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 1)
        for i, dilation in enumerate((5, 7, 9, 11)):
            conv = nn.Conv2d(out, out, 3, dilation=dilation, padding=dilation, bias=False)
            self.add_module(f"conv2_{i + 1}", conv)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(functional.relu(x))
        return torch.stack([self.get_submodule(f"conv2_{i + 1}")(x) for i in range(4)]).sum(0)


class _Attended(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 4, 1)
        self.conv2 = nn.Conv2d(4, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.conv2(self.conv1(functional.relu(x))))


class _Reduced(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


_KINDS = ("central", "angular", "radial", "plain")
_LEVELS = ((1, 3), (2, 4), (4, 4), (4, 4))
"""For each level of PiDiNet: how many times the first width it has, and its blocks."""


class PiDiNet(nn.Module):
    """Edges from pixel differences, arXiv:2108.07009: BGR of 0 to 1 to edges [B,1,H,W] of 0 to 1."""

    def __init__(self, width: int, dilated: int) -> None:
        super().__init__()
        self.init_block = _Difference(_KINDS[0], 3, width, 1)
        channels, number = width, 1
        for level, (times, count) in enumerate(_LEVELS):
            for i in range(count):
                halves = level > 0 and i == 0
                block = _DifferenceBlock(_KINDS[number % 4], channels, times * width, halves=halves)
                self.add_module(f"block{level + 1}_{i + 1}", block)
                channels, number = times * width, number + 1
        self.dilations = nn.ModuleList(_Dilated(times * width, dilated) for times, _ in _LEVELS)
        self.attentions = nn.ModuleList(_Attended(dilated) for _ in _LEVELS)
        self.conv_reduces = nn.ModuleList(_Reduced(dilated) for _ in _LEVELS)
        self.classifier = nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        x = self.init_block(x)
        found: list[Tensor] = []
        for level, (_, count) in enumerate(_LEVELS):
            for i in range(count):
                x = self.get_submodule(f"block{level + 1}_{i + 1}")(x)
            edges = self.conv_reduces[level](self.attentions[level](self.dilations[level](x)))
            found.append(functional.interpolate(edges, size, mode="bilinear", align_corners=False))
        return torch.sigmoid(self.classifier(torch.cat(found, 1)))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class LineArt(nn.Module):
    """Informative drawings, arXiv:2203.12691: RGB of 0 to 1 to paper [B,1,H,W], 0 where lines are."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.model0 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width), nn.ReLU())
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for i in range(2):
            fine, coarse = width * 2**i, width * 2 ** (i + 1)
            down += [nn.Conv2d(fine, coarse, 3, stride=2, padding=1), nn.InstanceNorm2d(coarse), nn.ReLU()]
            larger = nn.ConvTranspose2d(coarse, fine, 3, stride=2, padding=1, output_padding=1)
            up = [larger, nn.InstanceNorm2d(fine), nn.ReLU(), *up]
        self.model1 = nn.Sequential(*down)
        self.model2 = nn.Sequential(*(_Residual(width * 4) for _ in range(blocks)))
        self.model3 = nn.Sequential(*up)
        self.model4 = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, 1, 7), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        for part in (self.model0, self.model1, self.model2, self.model3, self.model4):
            x = part(x)
        return x


class _Skip(nn.Module):
    """A level of a U-Net around the next one, numbered as pix2pix numbers it."""

    def __init__(self, outside: int, inside: int, within: _Skip | None, *, first: int = 0) -> None:
        super().__init__()
        down = nn.Conv2d(first or outside, inside, 4, stride=2, padding=1)
        doubled = inside * (1 if within is None else 2)
        up = nn.ConvTranspose2d(doubled, outside, 4, stride=2, padding=1)
        self._outermost = bool(first)
        if first:
            parts = [down, within, nn.ReLU(), up, nn.Tanh()]
        elif within is None:
            parts = [nn.LeakyReLU(0.2), down, nn.ReLU(), up, nn.InstanceNorm2d(outside)]
        else:
            parts = [
                nn.LeakyReLU(0.2), down, nn.InstanceNorm2d(inside), within, nn.ReLU(), up, nn.InstanceNorm2d(outside)
            ]  # fmt: skip
        self.model = nn.Sequential(*(part for part in parts if part is not None))

    def forward(self, x: Tensor) -> Tensor:
        y = self.model(x)
        return y if self._outermost else torch.cat([x, y], 1)


class AnimeLineArt(nn.Module):
    """pix2pix's U-Net (arXiv:1611.07004): RGB of -1 to 1 to paper [B,1,H,W] of -1 to 1, in sides that 256 divides."""

    def __init__(self, width: int, downs: int) -> None:
        super().__init__()
        level = _Skip(width * 8, width * 8, None)
        for _ in range(downs - 5):
            level = _Skip(width * 8, width * 8, level)
        for times in (4, 2, 1):
            level = _Skip(width * times, width * times * 2, level)
        self.model = _Skip(1, width, level, first=3)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class _Bottleneck(nn.Module):
    """MobileNetV2's block, arXiv:1801.04381."""

    def __init__(self, channels: int, out: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = channels * expand
        layers: list[nn.Module] = [_normed(channels, hidden, 1)] if expand != 1 else []
        layers += [_normed(hidden, hidden, 3, stride, hidden), nn.Conv2d(hidden, out, 1, bias=False)]
        self.conv = nn.Sequential(*layers, nn.BatchNorm2d(out))
        self._adds = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self._adds else self.conv(x)


class _PadEnd(nn.Conv2d):
    """A convolution of stride 2 that is padded at the far ends only."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(functional.pad(input, (0, 1, 0, 1)))


def _normed(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    made = _PadEnd if stride == 2 else nn.Conv2d
    padding = 0 if stride == 2 else (kernel - 1) // 2
    conv = made(channels, out, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU6())


def _relu(channels: int, out: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel - 1) // 2
    conv = nn.Conv2d(channels, out, kernel, padding=padding, dilation=dilation)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU())


class _Join(nn.Module):
    def __init__(self, fine: int, coarse: int, out: int, *, grows: bool) -> None:
        super().__init__()
        self.conv1, self.conv2 = _relu(coarse, out, 1), _relu(fine, out, 1)
        self._grows = grows

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        coarse = self.conv1(coarse)
        if self._grows:
            coarse = functional.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=True)
        return torch.cat([self.conv2(fine), coarse], 1)


class _Refine(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _relu(channels, channels, 3), _relu(channels, out, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x) + x)


class _Say(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _relu(channels, channels, 3, 5), _relu(channels, channels, 3)
        self.conv3 = nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(self.conv2(self.conv1(x)))


class _Backbone(nn.Module):
    """The first 14 layers of MobileNetV2, for pictures of four channels."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        before, layers = channels[0], [_normed(4, channels[0], 3, 2)]
        for (expand, count, stride), out in zip(_SETTING, channels[1:], strict=True):
            for i in range(count):
                layers.append(_Bottleneck(before, out, stride if i == 0 else 1, expand))  # pyright: ignore
                before = out
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        found: list[Tensor] = []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in _SEEN:
                found.append(x)
        return found


_SETTING = ((1, 1, 1), (6, 2, 2), (6, 3, 2), (6, 4, 2), (6, 3, 1))
"""MobileNetV2's groups: (expansion, blocks, stride of the first)."""
_SEEN = (1, 3, 6, 10, 13)


class Mlsd(nn.Module):
    """M-LSD, arXiv:2106.00186: RGB and a fourth plane, -1 to 1, to [B,9,H/2,W/2]: centre, displacements, and others."""

    def __init__(self, channels: Sequence[int], width: int, out: int) -> None:
        super().__init__()
        self.backbone = _Backbone(channels)
        c1, c2, c3, c4, c5 = channels[1:]
        self.block15, self.block16 = _Join(c4, c5, width, grows=False), _Refine(2 * width, width)
        self.block17, self.block18 = _Join(c3, width, width, grows=True), _Refine(2 * width, width)
        self.block19, self.block20 = _Join(c2, width, width, grows=True), _Refine(2 * width, width)
        self.block21, self.block22 = _Join(c1, width, width, grows=True), _Refine(2 * width, width)
        self.block23 = _Say(width, out)

    def forward(self, x: Tensor) -> Tensor:
        c1, c2, c3, c4, c5 = self.backbone(x)
        x = self.block16(self.block15(c4, c5))
        x = self.block18(self.block17(c3, x))
        x = self.block20(self.block19(c2, x))
        x = self.block22(self.block21(c1, x))
        return self.block23(x)[:, 7:]
