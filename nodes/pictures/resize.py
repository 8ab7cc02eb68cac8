"""Pictures and latents in another size, [B,C,H,W], by the methods that workflows name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image as Pil

if TYPE_CHECKING:
    from torch import Tensor

IMAGE_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
LATENT_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "bislerp")
CROPS = ("disabled", "center")


def resize(x: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    """`x` [B,C,H,W] (or [B,C,T,H,W], frame by frame) in a new size.

    Crop "center" trims to the new aspect first. No method but "lanczos" and "area" filters when it makes things
    smaller. "lanczos" rounds to 8 bits, as Pillow does it; "bislerp" turns vectors along C instead of mixing them.
    """
    if x.ndim == 5:
        b, _, t = x.shape[:3]
        frames = x.transpose(1, 2).flatten(0, 1)
        return resize(frames, width, height, method, crop).unflatten(0, (b, t)).transpose(1, 2)
    if crop == "center":
        x = crop_to_aspect(x, width, height)
    if method == "lanczos":
        return _lanczos(x, width, height)
    if method == "bislerp":
        return bislerp(x, width, height)
    return torch.nn.functional.interpolate(x, size=(height, width), mode=method)


def resize_picture(pixels: Tensor, width: int, height: int, method: str, crop: str = "disabled") -> Tensor:
    """`resize` for pictures [B,H,W,C]."""
    return resize(pixels.movedim(-1, 1), width, height, method, crop).movedim(1, -1)


def resize_mask(values: Tensor, width: int, height: int, method: str = "bilinear", crop: str = "disabled") -> Tensor:
    """`resize` for masks [B,H,W]."""
    return resize(values.unsqueeze(1), width, height, method, crop).squeeze(1)


def crop_to_aspect(x: Tensor, width: int, height: int) -> Tensor:
    """The middle of `x` [...,H,W] that has the aspect of `width` to `height`, as nearly as whole pixels allow."""
    h, w = x.shape[-2:]
    left = top = 0
    if w * height > width * h:
        left = round((w - w * ((width / height) / (w / h))) / 2)
    elif w * height < width * h:
        top = round((h - h * ((w / h) / (width / height))) / 2)
    return x[..., top : h - top, left : w - left]


def _lanczos(x: Tensor, width: int, height: int) -> Tensor:
    """Each picture through Pillow's filter, in 8 bits; colours count by their alpha where there is one."""
    levels = to_bytes(x.movedim(1, -1))
    if x.shape[1] not in (3, 4):
        return torch.cat([_lanczos(band.expand(-1, 3, -1, -1), width, height)[:, :1] for band in x.split(1, dim=1)], 1)
    resized = [np.asarray(Pil.fromarray(p).resize((width, height), Pil.Resampling.LANCZOS)) for p in levels]
    return torch.from_numpy(np.stack(resized).astype(np.float32) / 255.0).movedim(-1, 1).to(x.dtype)


def to_bytes(pixels: Tensor) -> np.ndarray:
    """Values in 0..1 as 8 bits. Truncated, not rounded: that is what the pictures people have were saved with."""
    return np.clip(255.0 * torch.nan_to_num(pixels).cpu().numpy(), 0, 255).astype(np.uint8)


def bislerp(x: Tensor, width: int, height: int) -> Tensor:
    """`x` [B,C,H,W] resized along W, then H, by spherical interpolation of the vectors along C."""
    return _slerp_along(_slerp_along(x.float(), width, 3), height, 2).to(x.dtype)


def _slerp_along(x: Tensor, size: int, dim: int) -> Tensor:
    old = x.shape[dim]
    # Sample positions with pixel centres at halves, as bilinear interpolation has them.
    at = ((torch.arange(size, dtype=torch.float32) + 0.5) * (old / size) - 0.5).clamp(0, old - 1)
    low = at.floor()
    weight = (at - low).reshape([-1 if d == dim else 1 for d in range(4)])
    first = low.long()
    second = (first + 1).clamp(max=old - 1)
    return slerp(x.index_select(dim, first), x.index_select(dim, second), weight)


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """From `a` (t=0) to `b` (t=1) along the arc between their directions in dim 1, lengths mixed linearly.

    Nearly equal directions give `a`; nearly opposite ones are mixed linearly, because no arc is the shortest.
    """
    length_a, length_b = (torch.linalg.vector_norm(v, dim=1, keepdim=True) for v in (a, b))
    unit_a, unit_b = (torch.where(n > 0, v / n, 0) for v, n in ((a, length_a), (b, length_b)))
    cosine = (unit_a * unit_b).sum(1, keepdim=True)
    angle = torch.acos(cosine.clamp(-1, 1))
    sine = torch.sin(angle)
    mixed = (torch.sin((1 - t) * angle) * unit_a + torch.sin(t * angle) * unit_b) / sine
    mixed = mixed * (length_a * (1 - t) + length_b * t)
    mixed = torch.where(cosine > 1 - 1e-5, a, mixed)
    return torch.where(cosine < 1e-5 - 1, a * (1 - t) + b * t, mixed)
