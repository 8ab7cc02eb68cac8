"""Pictures from files: what is in them, or one sentence why not. Sizes are checked before pixels are decoded."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image as Pil
from PIL import ImageOps, ImageSequence

from nodes.types import Image, Mask, NodeError

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "ICO", "TGA", "PPM", "JPEG2000", "QOI")
"""What is read, by content (JPEG stands for MPO too). Not all that Pillow knows: EPS would start another program."""

MAX_PIXELS = 178_956_970
"""All frames together. Pillow opens no larger picture, and this one takes 2 GB as float32."""


class PictureError(NodeError):
    """A file is no picture, or a damaged or enormous one; the message names it and says which."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A file's frames as pictures, and what of them is transparent (nothing: 64 x 64 zeros)."""

    image: Image
    mask: Mask


def read_picture(path: Path) -> Picture:
    """The frames of a picture file, upright, in RGB; the mask is 1 where they are transparent.

    Frames of another size than the first are left out. Raises PictureError.
    """
    with opened(path) as file:
        upright = [_upright(frame) for frame in _frames(file)]
        frames = [f for f in upright if f.size == upright[0].size]
        image = torch.stack([_pixels(f) for f in frames])
        if any(f.has_transparency_data for f in frames):
            mask = torch.stack([1.0 - _channel(f, "A") for f in frames])
        else:
            mask = torch.zeros((len(frames), 64, 64))
    return Picture(Image(image), Mask(mask))


def read_channel(path: Path, channel: str) -> Mask:
    """The "red", "green" or "blue" of a picture file's first frame, or how transparent it is for "alpha"."""
    with opened(path) as file:
        values = _channel(_upright(file), channel[0].upper())
        return Mask((1.0 - values if channel == "alpha" else values).unsqueeze(0))


@contextmanager
def opened(path: Path) -> Iterator[Pil.Image]:
    """The opened file, its size checked. Whatever goes wrong inside, decoding too, is a PictureError."""
    name = path.name
    try:
        with warnings.catch_warnings(), path.open("rb") as stream:
            warnings.simplefilter("ignore")  # Pillow's own warning about size; damaged metadata
            with Pil.open(stream, formats=FORMATS) as file:
                _check_size(name, file)
                yield file
    except NodeError:
        raise
    except Pil.DecompressionBombError:
        raise PictureError(f"{name} has more than {MAX_PIXELS:,} pixels; make it smaller first.") from None
    except Pil.UnidentifiedImageError:
        what = "is no picture that can be read; PNG, JPEG, WebP, GIF, BMP, TIFF and AVIF can"
        raise PictureError(f"{name} {what if path.stat().st_size else 'is empty'}.") from None
    except MemoryError:
        raise PictureError(f"{name} does not fit into memory; make it smaller first.") from None
    except Exception as error:  # noqa: BLE001 -- damaged files make Pillow raise nearly anything
        if isinstance(error, OSError) and error.errno:
            raise PictureError(f"{name} cannot be read: {error.strerror}.") from None
        raise PictureError(f"{name} is damaged or cut short: {_reason(error)}.") from None


def _check_size(name: str, file: Pil.Image) -> None:
    width, height = file.size
    frames = 1 if file.format == "MPO" else getattr(file, "n_frames", 1)
    if not width or not height:
        raise PictureError(f"{name} is empty: {width} x {height} pixels.")
    if width * height * frames > MAX_PIXELS:
        raise PictureError(
            f"{name} has {frames} frame(s) of {width} x {height}; more than {MAX_PIXELS:,} pixels are not read. "
            "Make it smaller first."
        )


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _frames(file: Pil.Image) -> Iterator[Pil.Image]:
    """The pictures to read. The later ones of an MPO are other views of the first, or its depth."""
    if file.format == "MPO" or getattr(file, "n_frames", 1) == 1:
        yield file
        return
    for frame in ImageSequence.Iterator(file):
        yield frame.copy()


def _upright(frame: Pil.Image) -> Pil.Image:
    frame.load()
    return ImageOps.exif_transpose(frame)


def _pixels(frame: Pil.Image) -> Tensor:
    """RGB of a frame, [H,W,3] in 0..1."""
    if (grey := _deep_grey(frame)) is not None:
        return grey.unsqueeze(-1).expand(-1, -1, 3).contiguous()
    return _scaled(np.asarray(_with_alpha(frame).convert("RGB")))


def _channel(frame: Pil.Image, band: str) -> Tensor:
    """One of R, G, B and A of a frame, [H,W] in 0..1."""
    if band != "A" and (grey := _deep_grey(frame)) is not None:
        return grey
    if _deep_grey(frame) is not None:
        return torch.ones(frame.size[::-1])
    return _scaled(np.asarray(_with_alpha(frame).convert("RGBA").getchannel(band)))


def _with_alpha(frame: Pil.Image) -> Pil.Image:
    """The frame in a mode that Pillow converts to RGB and to RGBA."""
    premultiplied = {"RGBa": "RGBA", "La": "LA"}
    if frame.mode in premultiplied:
        return frame.convert(premultiplied[frame.mode])
    # Going straight from a transparent palette to RGB is the same, but Pillow warns about it.
    return frame.convert("RGBA") if frame.mode in ("P", "PA") else frame


def _deep_grey(frame: Pil.Image) -> Tensor | None:
    """The values of a grey picture of more than 8 bits, which converting to RGB would cut off at 255."""
    if frame.mode == "F":
        values = torch.from_numpy(np.nan_to_num(np.array(frame, dtype=np.float32)))
        return (values if values.max() <= 1 else values / 255.0).clamp(0, 1)
    if frame.mode != "I" and not frame.mode.startswith("I;16"):
        return None
    return torch.from_numpy(np.asarray(frame).astype(np.float32) / 65535.0).clamp(0, 1)


def _scaled(levels: np.ndarray) -> Tensor:
    return torch.from_numpy(levels.astype(np.float32) / 255.0)
