"""Pictures over each other: through masks, and with alpha."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NamedTuple

import torch

from nodes.define import node
from nodes.pictures import compose
from nodes.pictures.batches import to_batch, with_channels
from nodes.pictures.resize import resize_mask, resize_picture
from nodes.types import Image, Mask
from nodes.widgets import Choice, Range

if TYPE_CHECKING:
    from torch import Tensor

_Place = Annotated[int, Range(0, 16384, step=1)]


class WithMask(NamedTuple):
    """A picture, and 1 where it is transparent."""

    image: Image
    mask: Mask


@node(id="ImageCompositeMasked", category="image")
def image_composite_masked(
    *,
    destination: Image,
    source: Image,
    x: _Place = 0,
    y: _Place = 0,
    resize_source: bool = False,
    mask: Mask | None = None,
) -> Image:
    """One picture over another through a mask, its corner at (x, y)."""
    below = destination.pixels
    above = with_channels(source.pixels, below.shape[-1])
    if resize_source:
        above = resize_picture(above, below.shape[2], below.shape[1], "bilinear")
    values = mask.values if mask else None
    return Image(compose.paste(below.movedim(-1, 1), above.movedim(-1, 1), x, y, values).movedim(1, -1))


@node(id="SplitImageWithAlpha", title="Split Image with Alpha", category="mask/compositing")
def split_image_with_alpha(*, image: Image) -> WithMask:
    """Colours and transparency of pictures, apart."""
    rgba = with_channels(image.pixels, 4)
    return WithMask(Image(rgba[..., :3].clone()), Mask(1.0 - rgba[..., 3]))


@node(id="JoinImageWithAlpha", title="Join Image with Alpha", category="mask/compositing")
def join_image_with_alpha(*, image: Image, alpha: Mask) -> Image:
    """Pictures that are transparent where the mask is 1."""
    h, w = image.pixels.shape[1:3]
    count = max(len(image.pixels), len(alpha.values))
    colours = to_batch(image.pixels[..., :3], count)
    opacity = 1.0 - to_batch(resize_mask(alpha.values, w, h), count)
    return Image(torch.cat([colours, opacity.unsqueeze(-1)], dim=-1))


def _union(sa: Tensor, da: Tensor) -> Tensor:
    return sa + da - sa * da


def _separable(of_both: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> Callable[..., tuple[Tensor, Tensor]]:
    """A blend that says what happens where both layers are; elsewhere each shows as it is."""

    def blend(s: Tensor, sa: Tensor, d: Tensor, da: Tensor) -> tuple[Tensor, Tensor]:
        return (1 - da) * s + (1 - sa) * d + of_both(s, sa, d, da), _union(sa, da)

    return blend


def _overlaid(s: Tensor, sa: Tensor, d: Tensor, da: Tensor) -> Tensor:
    return torch.where(2 * d < da, 2 * s * d, sa * da - 2 * (da - d) * (sa - s))


_MODES: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "ADD": lambda s, sa, d, da: ((s + d).clamp(0, 1), (sa + da).clamp(0, 1)),
    "CLEAR": lambda s, sa, _d, _da: (torch.zeros_like(s), torch.zeros_like(sa)),
    "DARKEN": _separable(lambda s, _sa, d, _da: torch.minimum(s, d)),
    "DST": lambda _s, _sa, d, da: (d, da),
    "DST_ATOP": lambda s, sa, d, da: (sa * d + (1 - da) * s, sa),
    "DST_IN": lambda _s, sa, d, da: (d * sa, sa * da),
    "DST_OUT": lambda _s, sa, d, da: ((1 - sa) * d, (1 - sa) * da),
    "DST_OVER": lambda s, sa, d, da: (d + (1 - da) * s, _union(sa, da)),
    "LIGHTEN": _separable(lambda s, _sa, d, _da: torch.maximum(s, d)),
    "MULTIPLY": lambda s, sa, d, da: (s * d, sa * da),
    "OVERLAY": _separable(_overlaid),
    "SCREEN": lambda s, sa, d, da: (s + d - s * d, _union(sa, da)),
    "SRC": lambda s, sa, _d, _da: (s, sa),
    "SRC_ATOP": lambda s, sa, d, da: (da * s + (1 - sa) * d, da),
    "SRC_IN": lambda s, sa, _d, da: (s * da, sa * da),
    "SRC_OUT": lambda s, sa, _d, da: ((1 - da) * s, (1 - da) * sa),
    "SRC_OVER": lambda s, sa, d, da: (s + (1 - sa) * d, _union(sa, da)),
    "XOR": lambda s, sa, d, da: ((1 - da) * s + (1 - sa) * d, (1 - da) * sa + (1 - sa) * da),
}
"""Porter and Duff 1984, and the blends that Android's modes of the same names add; on premultiplied colours."""


@node(id="PorterDuffImageComposite", title="Porter-Duff Image Composite", category="mask/compositing")
def porter_duff_image_composite(
    *,
    source: Image,
    source_alpha: Mask,
    destination: Image,
    destination_alpha: Mask,
    mode: Annotated[str, Choice(tuple(_MODES))] = "DST",
) -> WithMask:
    """One picture combined with another by where each is opaque. The masks are 1 where they are transparent."""
    count = min(len(p) for p in (source.pixels, source_alpha.values, destination.pixels, destination_alpha.values))
    h, w = destination.pixels.shape[1:3]
    s, sa = _premultiplied(source, source_alpha, count, w, h)
    d, da = _premultiplied(destination, destination_alpha, count, w, h)
    colours, opacity = _MODES[mode](s, sa, d, da)
    colours = torch.where(opacity > 1e-5, colours / opacity, 0).clamp(0, 1)
    return WithMask(Image(colours), Mask(1.0 - opacity.squeeze(-1)))


def _premultiplied(image: Image, mask: Mask, count: int, width: int, height: int) -> tuple[Tensor, Tensor]:
    colours = image.pixels[:count, ..., :3]
    opacity = 1.0 - mask.values[:count].unsqueeze(-1)
    if colours.shape[1:3] != (height, width):
        colours = resize_picture(colours, width, height, "bicubic", "center")
    if opacity.shape[1:3] != (height, width):
        opacity = resize_picture(opacity, width, height, "bicubic", "center")
    return colours * opacity, opacity
