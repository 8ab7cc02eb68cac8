"""Pictures as files' bytes, with the workflow that made them inside."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image as Pil

from nodes.pictures.resize import to_bytes
from nodes.types import NodeError

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo
    from torch import Tensor

Metadata = Mapping[str, str]
"""Texts by name: "prompt", "workflow" and others are JSON; "parameters" are A1111's, plain."""

WEBP_METHODS: Mapping[str, int] = {"default": 4, "fastest": 0, "slowest": 6}
_TAGS: Mapping[str, int] = {"workflow": 0x010F, "prompt": 0x0110}
_SPARE_TAGS = range(0x010D, 0x0100, -1)
_EXIF_FOLDER, _USER_COMMENT = 0x8769, 0x9286
_PARAMETERS = "parameters"
_JPEG_SEGMENT = 65_500
_LEFT_OUT_FIRST = ("workflow", "prompt")


def metadata(prompt: Mapping[str, Any] | None, extra: Mapping[str, Any] | None) -> Metadata:
    """What is written into a picture: the prompt, and each further thing under its own name.

    Names that a PNG's text cannot have are left out.
    """
    found = {**({} if prompt is None else {"prompt": prompt}), **(extra or {})}
    return {name: _text(name, value) for name, value in found.items() if _is_keyword(name)}


def _text(name: str, value: Any) -> str:
    return value if name == _PARAMETERS and isinstance(value, str) else json.dumps(value)


def _is_keyword(name: str) -> bool:
    return 0 < len(name) < 80 and name.isprintable() and name.isascii() and name.strip() == name


def pil_of(pixels: Tensor) -> Pil.Image:
    """One picture [H,W,C] for Pillow: grey, RGB or RGBA."""
    levels = to_bytes(pixels)
    return Pil.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels)


def png(pixels: Tensor, texts: Metadata, compress_level: int = 4) -> bytes:
    """One picture [H,W,C] as a PNG."""
    buffer = io.BytesIO()
    pil_of(pixels).save(buffer, "PNG", pnginfo=_png_info(texts), compress_level=compress_level)
    return buffer.getvalue()


def animated_png(frames: Sequence[Tensor], texts: Metadata, fps: float, compress_level: int = 4) -> bytes:
    """Pictures [H,W,C] as an animated PNG. Its texts are behind the first frame, as other programs place them."""
    first, *rest = [pil_of(frame) for frame in frames]
    info = _empty_info()
    for name, text in texts.items():
        if name == _PARAMETERS:
            info.add_text(name, text)
        else:
            info.add(b"comf", name.encode("ascii") + b"\x00" + text.encode("ascii"), after_idat=True)
    buffer = io.BytesIO()
    first.save(
        buffer,
        "PNG",
        pnginfo=info,
        compress_level=compress_level,
        save_all=True,
        append_images=rest,
        duration=int(1000 / fps),
    )
    return buffer.getvalue()


def webp(
    frames: Sequence[Tensor],
    texts: Metadata,
    *,
    fps: float = 1.0,
    lossless: bool = True,
    quality: int = 80,
    method: str = "default",
) -> bytes:
    """Pictures [H,W,C] as a WebP, animated when there are several. Its texts are in EXIF."""
    first, *rest = [pil_of(frame) for frame in frames]
    _check_side("WebP", first, 16_383)
    buffer = io.BytesIO()
    animation: dict[str, Any] = {"save_all": True, "append_images": rest, "duration": int(1000 / fps)} if rest else {}
    first.save(
        buffer,
        "WEBP",
        exif=_exif(texts),
        lossless=lossless,
        quality=quality,
        method=WEBP_METHODS[method],
        **animation,
    )
    return buffer.getvalue()


def jpeg(pixels: Tensor, texts: Metadata, quality: int = 95) -> bytes:
    """One picture [H,W,C] as a JPEG, without alpha. Its texts are in EXIF, as many as that holds."""
    picture = pil_of(pixels[..., :3])
    _check_side("JPEG", picture, 65_500)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, exif=_short_exif(texts))
    return buffer.getvalue()


def _check_side(what: str, picture: Pil.Image, limit: int) -> None:
    if max(picture.size) > limit:
        width, height = picture.size
        raise NodeError(f"A {what} has at most {limit} pixels a side, this picture {width} x {height}; save a PNG.")


def _png_info(texts: Metadata) -> PngInfo:
    info = _empty_info()
    for name, text in texts.items():
        info.add_text(name, text)
    return info


def _empty_info() -> PngInfo:
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415 -- it would load all of PIL for every command

    return PngInfo()


def _short_exif(texts: Metadata) -> Pil.Exif:
    """What fits a JPEG's segment of 64 kB: a long workflow is left out rather than the picture lost."""
    left = dict(texts)
    for name in (*_LEFT_OUT_FIRST, *texts):
        exif = _exif(left)
        if len(exif.tobytes()) < _JPEG_SEGMENT:
            return exif
        left.pop(name, None)
    return _exif({})


def _exif(texts: Metadata) -> Pil.Exif:
    """Texts as `name:JSON`, the workflow in Make, the prompt in Model; A1111's parameters as the user's comment."""
    exif = Pil.Exif()
    spare = iter(_SPARE_TAGS)
    for name, text in texts.items():
        if name == _PARAMETERS:
            # Readers expect the text big-endian, whatever the rest of the file is.
            exif.get_ifd(_EXIF_FOLDER)[_USER_COMMENT] = b"UNICODE\x00" + text.encode("utf-16-be", "replace")
        elif (tag := _TAGS.get(name) or next(spare, None)) is not None:
            exif[tag] = f"{name}:{text}"
    return exif
