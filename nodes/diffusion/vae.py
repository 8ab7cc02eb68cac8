"""Pictures to latents and back, whole or in tiles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from nodes.diffusion import tiles
from nodes.diffusion.files import WeightsError
from nodes.types import Source, Vae

if TYPE_CHECKING:
    from torch import Tensor, nn

_TILES = (64, 32, 16)
"""Sides of tiles to try when memory runs out, in latent pixels."""
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")

PIXEL_SPACE = Vae(Source(Path("pixel_space"), "pixel_space", "vae", "pixel_space"))
"""A VAE that is none: its latents are the pictures, in -1..1."""

Report = Callable[[int, int], None]
"""Called as (tile, tiles); may raise to cancel."""


class PixelSpace:
    """Stands for a VAE where latents are pictures."""

    downscale = 1
    latent_channels = 3

    def encode(self, pixels: Tensor) -> Tensor:
        """The pictures in -1..1, [B,3,H,W]."""
        return pixels[..., :3].movedim(-1, 1) * 2.0 - 1.0

    def decode(self, samples: Tensor) -> Tensor:
        """The pictures in 0..1, [B,H,W,3]."""
        return _pixels(samples)

    def decode_tiled(self, samples: Tensor, tile: int, overlap: int, report: Report | None = None) -> Tensor:  # noqa: ARG002
        """The same as `decode`."""
        return self.decode(samples)

    def encode_tiled(self, pixels: Tensor, tile: int, overlap: int, report: Report | None = None) -> Tensor:  # noqa: ARG002
        """The same as `encode`."""
        return self.encode(pixels)


class Autoencoder:
    """A VAE on its device. Pictures [B,H,W,C] in 0..1 and latents in the VAE's own space are float32 on the CPU."""

    def __init__(self, module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        self.module: Any = module
        self.device = device
        self.dtype = dtype
        config = self.module.config
        self.downscale: int = 2 ** (len(config["block_out_channels"]) - 1)
        self.latent_channels: int = config["latent_channels"]

    def encode(self, pixels: Tensor) -> Tensor:
        """The mean latent of pictures, [B,C,h,w]. What does not divide by the factor is cut off evenly at the sides.

        Falls back to tiles when memory runs out.
        """
        x = self._prepared(pixels)
        try:
            return torch.cat([self._encode(row) for row in x.split(1)])
        except RuntimeError as error:
            _raise_unless_memory(error)
        scale = self.downscale
        return self._smaller(lambda tile: self.encode_tiled(pixels, tile * scale, tile * scale // 4))

    def decode(self, samples: Tensor) -> Tensor:
        """Pictures of latents, [B,H,W,3] in 0..1. Falls back to tiles when memory runs out."""
        self._check(samples)
        try:
            return torch.cat([_pixels(self._decode(row)) for row in samples.split(1)])
        except RuntimeError as error:
            _raise_unless_memory(error)
        return self._smaller(lambda tile: self.decode_tiled(samples, tile, tile // 4))

    def decode_tiled(self, samples: Tensor, tile: int, overlap: int, report: Report | None = None) -> Tensor:
        """Pictures of latents by way of tiles of `tile` latent pixels; three tilings are averaged.

        `overlap` latent pixels at tile borders are blended; it is kept to a quarter of the tile.
        """
        self._check(samples)
        return _pixels(
            _tiled(self._decode, samples, tile, min(overlap, tile // 4), scale=self.downscale, report=report)
        )

    def encode_tiled(self, pixels: Tensor, tile: int, overlap: int, report: Report | None = None) -> Tensor:
        """The mean latent of pictures by way of tiles of `tile` pixels; three tilings are averaged."""
        x = self._prepared(pixels)
        return _tiled(self._encode, x, tile, min(overlap, tile // 4), scale=1 / self.downscale, report=report)

    def _smaller(self, work: Callable[[int], Tensor]) -> Tensor:
        """`work` done with the largest tiles, in latent pixels, that fit the memory."""
        *larger, last = _TILES
        for tile in larger:
            _free(self.device)
            try:
                return work(tile)
            except RuntimeError as error:
                _raise_unless_memory(error)
        _free(self.device)
        return work(last)

    def _prepared(self, pixels: Tensor) -> Tensor:
        """[B,H,W,C] in 0..1 as the network's [B,3,h,w] in -1..1."""
        scale = self.downscale
        height, width = (n // scale * scale for n in pixels.shape[1:3])
        if not height or not width:
            raise WeightsError(
                f"A picture of {pixels.shape[2]} x {pixels.shape[1]} is too small to encode; "
                f"each side must be at least {scale} pixels."
            )
        top, left = (pixels.shape[1] - height) // 2, (pixels.shape[2] - width) // 2
        x = pixels[:, top : top + height, left : left + width, :3].movedim(-1, 1)
        return (x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x) * 2.0 - 1.0

    def _encode(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.module.encode(x.to(self.device, self.dtype)).latent_dist.mean.float().cpu()

    def _decode(self, samples: Tensor) -> Tensor:
        with torch.no_grad():
            return self.module.decode(samples.to(self.device, self.dtype)).sample.float().cpu()

    def _check(self, samples: Tensor) -> None:
        if samples.ndim != 4 or samples.shape[1] != self.latent_channels:
            raise WeightsError(
                f"This latent has shape {list(samples.shape)}; the VAE takes [B,{self.latent_channels},h,w]. "
                "Use the VAE of the checkpoint that made it."
            )


class TinyAutoencoder(Autoencoder):
    """TAESD on its device: quick and rough. Its own latents are those that networks work in, `scale` times as large."""

    def __init__(self, module: nn.Module, device: torch.device, dtype: torch.dtype, scale: float) -> None:
        self.module: Any = module
        self.device = device
        self.dtype = dtype
        self.downscale = 8
        self.latent_channels: int = self.module.config["latent_channels"]
        self._scale = scale

    def _encode(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.module.encode(x.to(self.device, self.dtype)).latents.float().cpu() / self._scale

    def _decode(self, samples: Tensor) -> Tensor:
        with torch.no_grad():
            return self.module.decode((samples * self._scale).to(self.device, self.dtype)).sample.float().cpu()


def _tiled(
    work: Callable[[Tensor], Tensor], x: Tensor, tile: int, overlap: int, *, scale: float, report: Report | None
) -> Tensor:
    """`work` done tile by tile, in three tilings whose seams fall in different places, averaged.

    Tiles are square, flat and tall ones of the same area. `scale` is how much larger the result is.
    """
    shapes = [(max(tile // 2, 1), tile * 2), (tile * 2, max(tile // 2, 1)), (tile, tile)]
    total = len(x) * sum(tiles.count((x.shape[-2], x.shape[-1]), shape, overlap) for shape in shapes)
    done = 0

    def reported(piece: Tensor) -> Tensor:
        nonlocal done
        result = work(piece)
        done += 1
        if report:
            report(done, total)
        return result

    def three(row: Tensor) -> Tensor:
        return torch.stack([tiles.blended(reported, row, shape, overlap, scale) for shape in shapes]).mean(0)

    return torch.cat([three(row) for row in x.split(1)])


def _pixels(decoded: Tensor) -> Tensor:
    """The network's [B,3,H,W] in -1..1 as [B,H,W,3] in 0..1."""
    return ((decoded + 1.0) / 2.0).clamp(0.0, 1.0).movedim(1, -1).contiguous()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; a CPU says so with a plain RuntimeError."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or any(sign in text for sign in _OUT_OF_MEMORY)


def _raise_unless_memory(error: RuntimeError) -> None:
    if not is_out_of_memory(error):
        raise error


def _free(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
