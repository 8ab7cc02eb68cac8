"""Scaling the frequencies of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def scaled(x: Tensor, low: float, high: float, cutoff: int) -> Tensor:
    """x [..., h, w] with its frequencies below `cutoff` (in waves per picture) times low, and the others times high."""
    spectrum = torch.fft.fftshift(torch.fft.fft2(x.float()), dim=(-2, -1))
    rows, columns = (slice(max(0, size // 2 - cutoff), size // 2 + cutoff) for size in spectrum.shape[-2:])
    scales = torch.full(spectrum.shape[-2:], high, device=x.device)
    scales[rows, columns] = low
    return torch.fft.ifft2(torch.fft.ifftshift(spectrum * scales, dim=(-2, -1))).real.to(x.dtype)
