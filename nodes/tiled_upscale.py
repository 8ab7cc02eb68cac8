"""Large pictures drawn tile by tile: enlarged by a network, then each part drawn again and joined without seams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import torch

from nodes import sampling
from nodes.define import Context, NodeError, node
from nodes.diffusion.weights import Weights
from nodes.pictures.filters import blur
from nodes.pictures.resize import resize, resize_mask, resize_picture
from nodes.sampling import Cfg, SamplerName, SchedulerName, Steps
from nodes.types import Cond, Conditioning, Image, Latent, Model, UpscaleModel, Vae
from nodes.upscale import image_upscale_with_model
from nodes.vae import decode, decode_tiled, encode
from nodes.widgets import Choice, Range, Seed

PACK = "Ultimate SD Upscale"

if TYPE_CHECKING:
    from torch import Tensor

_MODES = ("Linear", "Chess", "None")
_SEAMS = ("None", "Band Pass", "Half Tile", "Half Tile + Intersections")
_LATENT_PIXEL = 8
_MOST_PIXELS = 1 << 28

_Side = Annotated[int, Range(64, 16384, step=8)]
_Room = Annotated[int, Range(0, 16384, step=8)]
_Blur = Annotated[int, Range(0, 64, step=1)]
_Share = Annotated[float, Range(0.0, 1.0, step=0.01)]


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a picture, in pixels, its ends left out."""

    left: int
    top: int
    right: int
    bottom: int

    def of(self, pixels: Tensor) -> Tensor:
        """This part of pictures [B,H,W,C] or masks [B,H,W]."""
        return pixels[:, self.top : self.bottom, self.left : self.right]

    def within(self, width: int, height: int) -> Box:
        """What of it lies in a picture."""
        return Box(max(0, self.left), max(0, self.top), min(width, self.right), min(height, self.bottom))

    def grown(self, by: int) -> Box:
        """With so many pixels more to every side."""
        return Box(self.left - by, self.top - by, self.right + by, self.bottom + by)


@dataclass(frozen=True, slots=True)
class _Pass:
    """How strongly boxes are drawn again, how much around them is seen, how soft their edges are.

    `least` is how wide and high a box counts at least, of which as much as the picture has is seen.
    """

    denoise: float
    padding: int
    softness: int
    least: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Drawing:
    """What every tile is drawn with."""

    ctx: Context
    weights: Weights
    model: Model
    vae: Vae
    positive: Conditioning
    negative: Conditioning
    seed: int
    steps: int
    cfg: float
    sampler: str
    scheduler: str
    tiled_decode: bool

    def redrawn(self, pixels: Tensor, box: Box, how: _Pass) -> Tensor:
        """The pictures with what is in a box drawn again."""
        height, width = pixels.shape[1:3]
        region = _region(box, how, width, height)
        part = region.of(pixels)
        h, w = part.shape[1:3]
        size = (
            max(_LATENT_PIXEL, -(-w // _LATENT_PIXEL) * _LATENT_PIXEL),
            max(_LATENT_PIXEL, -(-h // _LATENT_PIXEL) * _LATENT_PIXEL),
        )
        where = torch.zeros(1, height, width)
        box.of(where).fill_(1.0)
        if how.softness:
            where = blur(where.unsqueeze(1), how.softness, 0.5).squeeze(1)
        where = region.of(where)
        ready = part if size == (w, h) else resize_picture(part, *size, "lanczos")
        start = encode(weights=self.weights, pixels=Image(ready), vae=self.vae)
        masked = Latent(start.samples, resize_mask(where, *size).unsqueeze(1))
        found = self._decoded(self._sampled(masked, region, (width, height), how.denoise))
        if size != (w, h):
            found = resize(found.movedim(-1, 1), w, h, "lanczos").movedim(1, -1)
        result = pixels.clone()
        region.of(result).copy_(torch.lerp(part, found, where[..., None]))
        return result

    def _sampled(self, latent: Latent, region: Box, whole: tuple[int, int], denoise: float) -> Latent:
        return sampling.ksampler(
            ctx=self.ctx,
            weights=self.weights,
            model=self.model,
            seed=self.seed,
            steps=self.steps,
            cfg=self.cfg,
            sampler_name=self.sampler,
            scheduler=self.scheduler,
            positive=cut(self.positive, region, *whole),
            negative=cut(self.negative, region, *whole),
            latent_image=latent,
            denoise=denoise,
        )

    def _decoded(self, latent: Latent) -> Tensor:
        if self.tiled_decode:
            return decode_tiled(ctx=self.ctx, weights=self.weights, samples=latent, vae=self.vae, tile_size=512).pixels
        return decode(weights=self.weights, samples=latent, vae=self.vae).pixels


@node(id="UltimateSDUpscale", title="Ultimate SD Upscale", category="image/upscaling")
def ultimate_upscale(
    *,
    image: Image,
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    vae: Vae,
    upscale_by: Annotated[float, Range(0.05, 4.0, step=0.05)] = 2.0,
    seed: Annotated[int, Seed()] = 0,
    steps: Steps = 20,
    cfg: Cfg = 8.0,
    sampler_name: SamplerName = "euler",
    scheduler: SchedulerName = "simple",
    denoise: _Share = 0.2,
    upscale_model: UpscaleModel,
    mode_type: Annotated[str, Choice(_MODES)] = "Linear",
    tile_width: _Side = 512,
    tile_height: _Side = 512,
    mask_blur: _Blur = 8,
    tile_padding: _Room = 32,
    seam_fix_mode: Annotated[str, Choice(_SEAMS)] = "None",
    seam_fix_denoise: _Share = 1.0,
    seam_fix_width: _Room = 64,
    seam_fix_mask_blur: _Blur = 8,
    seam_fix_padding: _Room = 16,
    force_uniform_tiles: bool = True,
    tiled_decode: bool = False,
    ctx: Context,
    weights: Weights,
) -> Image:
    """Enlarge pictures by a network, then draw them again tile by tile, and once more along the seams if asked.

    Tiles are drawn row by row, or like the fields of a chess board; with uniform tiles those at the border see as much
    as others do. Pictures of ControlNets and masks of conditionings are cut with the tiles.
    """
    h, w = image.pixels.shape[1:3]
    width, height = max(1, round(w * upscale_by)), max(1, round(h * upscale_by))
    if width * height > _MOST_PIXELS:
        raise NodeError(f"A picture of {width} x {height} is too large; make upscale_by smaller.")
    large = image_upscale_with_model(upscale_model=upscale_model, image=image, weights=weights, ctx=ctx).pixels
    pixels = resize_picture(large[..., :3], width, height, "lanczos")
    drawing = _Drawing(
        ctx, weights, model, vae, positive, negative, seed, steps, cfg, sampler_name, scheduler, tiled_decode
    )
    tile = Box(0, 0, tile_width, tile_height)
    least = (tile_width, tile_height) if force_uniform_tiles else (0, 0)
    for box in tiles(width, height, tile, mode_type):
        pixels = drawing.redrawn(pixels, box, _Pass(denoise, tile_padding, mask_blur, least))
    for box in seams(width, height, tile, seam_fix_mode, seam_fix_width):
        pixels = drawing.redrawn(pixels, box, _Pass(seam_fix_denoise, seam_fix_padding, seam_fix_mask_blur))
    return Image(pixels)


def tiles(width: int, height: int, tile: Box, mode: str) -> Sequence[Box]:
    """The tiles of a picture in the order in which they are drawn."""
    if mode == "None":
        return []
    placed = [
        (row + column, Box(x, y, x + tile.right, y + tile.bottom).within(width, height))
        for row, y in enumerate(range(0, height, tile.bottom))
        for column, x in enumerate(range(0, width, tile.right))
    ]
    if mode == "Chess":
        placed.sort(key=lambda each: each[0] % 2)
    return [box for _, box in placed]


def seams(width: int, height: int, tile: Box, mode: str, band: int) -> Iterator[Box]:
    """What is drawn again along the borders between tiles: bands, or tiles half a tile further."""
    columns, rows = range(tile.right, width, tile.right), range(tile.bottom, height, tile.bottom)
    half_width, half_height = tile.right // 2, tile.bottom // 2
    if mode == "Band Pass":
        reach = max(1, band // 2)
        yield from (Box(x - reach, 0, x + reach, height).within(width, height) for x in columns)
        yield from (Box(0, y - reach, width, y + reach).within(width, height) for y in rows)
    elif mode != "None":
        for x in columns:
            for y in range(0, height, tile.bottom):
                yield Box(x - half_width, y, x + half_width, y + tile.bottom).within(width, height)
        for y in rows:
            for x in range(0, width, tile.right):
                yield Box(x, y - half_height, x + tile.right, y + half_height).within(width, height)
    if mode.endswith("Intersections"):
        for y in rows:
            for x in columns:
                yield Box(x - half_width, y - half_height, x + half_width, y + half_height).within(width, height)


def _region(box: Box, how: _Pass, width: int, height: int) -> Box:
    """What is seen while a box is drawn; at least as much as a whole tile's, where the picture has that."""
    seen = box.grown(how.padding).within(width, height)
    wide, high = (
        min(side + 2 * how.padding, limit) if side else 0
        for side, limit in zip(how.least, (width, height), strict=True)
    )
    left = max(0, min(seen.left, width - wide)) if seen.right - seen.left < wide else seen.left
    top = max(0, min(seen.top, height - high)) if seen.bottom - seen.top < high else seen.top
    return Box(left, top, max(seen.right, left + wide), max(seen.bottom, top + high))


def cut(conditioning: Conditioning, region: Box, width: int, height: int) -> Conditioning:
    """A conditioning of a whole picture for a part of it: its masks and its ControlNets' pictures are cut."""

    def part(cond: Cond) -> Cond:
        controls = tuple(
            replace(hint, image=region.of(resize_picture(hint.image, width, height, "bicubic")).clamp(0, 1))
            for hint in cond.controls
        )
        mask = None if cond.mask is None else region.of(resize_mask(cond.mask, width, height))
        return cond.having(controls=controls, mask=mask)

    return Conditioning(tuple(part(cond) for cond in conditioning))
