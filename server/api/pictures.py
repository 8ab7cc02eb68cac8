"""What the server itself does with pictures: telling what a file is, previews, channels, masks. Runs in threads."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from server.api.answers import Refused
from server.api.safetensors import MAX_HEADER_BYTES, read_header

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 200_000_000
_PREVIEW_SIDE = 4096

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"BM", 0, "image/bmp"),
    (b"II*\x00", 0, "image/tiff"),
    (b"MM\x00*", 0, "image/tiff"),
    (b"ftypavif", 4, "image/avif"),
)


def kind_of(head: bytes) -> str:
    """The type of a file by its first bytes: a picture's MIME type, "safetensors", or nothing."""
    for magic, at, mime in _MAGIC:
        if head[at : at + len(magic)] == magic:
            return mime
    if len(head) > 9 and head[8:9] == b"{":
        (length,) = struct.unpack("<Q", head[:8])
        return "safetensors" if length <= MAX_HEADER_BYTES else ""
    return ""


def check_upload(path: Path, name: str) -> None:
    """Refuse a file that is no picture, or one larger than pictures are. Its content counts, not its name."""
    with path.open("rb") as file:
        kind = kind_of(file.read(32))
    if kind == "safetensors":
        if read_header(path) is None:
            raise Refused(400, f"{name[:80]!r} is a damaged safetensors file.", "no_picture")
    elif kind:
        with opened(path, name) as picture:
            picture.verify()
    else:
        raise Refused(
            400, f"{name[:80]!r} is no picture; PNG, JPEG, WebP, GIF, BMP, TIFF and AVIF are taken.", "no_picture"
        )


@contextmanager
def opened(path: Path, name: str = "") -> Generator[Image]:
    """A picture, refused as a whole when it is damaged, too large or none."""
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 -- costs start-up time and memory

    shown = repr((name or path.name)[:80])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path) as picture:
                width, height = picture.size
                if width * height * getattr(picture, "n_frames", 1) > MAX_PIXELS:
                    raise Refused(400, f"{shown} has {width} x {height} pixels; {MAX_PIXELS} are taken.", "too_large")
                yield picture
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise Refused(400, f"{shown} is damaged, or no picture: {error}.", "no_picture") from error
        except (Image.DecompressionBombError, MemoryError, OverflowError) as error:
            raise Refused(400, f"{shown} is too large.", "too_large") from error


def preview(path: Path, wanted: str, *, rgb: bool = False, side: int | None = None) -> tuple[bytes, str]:
    """The picture as `webp;90` or `jpeg;80`, upright, no side longer than `side`, never enlarged; and its type."""
    from PIL import ImageOps  # noqa: PLC0415

    form, _, quality = wanted.partition(";")
    form = form if form in ("webp", "jpeg") else "webp"
    with opened(path) as picture:
        if side is not None:
            picture.draft("RGB", (side, side))  # a JPEG is read no larger than it is shown
        if form == "jpeg" or rgb:
            ready = picture.convert("RGB")
        else:
            ready = picture if picture.mode in ("RGB", "RGBA") else picture.convert("RGBA")
        if side is not None:
            ready.thumbnail((side, side), reducing_gap=2.0)
        upright = ImageOps.exif_transpose(ready)
        return _saved(upright, form, min(max(int(quality), 1), 100) if quality.isdecimal() else 90), f"image/{form}"


def channel(path: Path, which: str) -> bytes:
    """A PNG of the colours alone ("rgb"), or of the alpha over black ("a")."""
    from PIL import Image  # noqa: PLC0415

    with opened(path) as picture:
        if which == "rgb":
            return _saved(picture.convert("RGB"), "png")
        alpha = picture.convert("RGBA").getchannel("A")
        mask = Image.new("RGBA", picture.size)
        mask.putalpha(alpha)
        return _saved(mask, "png")


def masked(original: Path, mask: Path) -> bytes:
    """The original as PNG with the mask's alpha, keeping its texts."""
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415

    with opened(original) as picture, opened(mask) as other:
        texts = PngInfo()
        for key, value in getattr(picture, "text", {}).items():
            texts.add_text(key, value)
        whole = picture.convert("RGBA")
        alpha = other.convert("RGBA").getchannel("A")
        whole.putalpha(alpha if alpha.size == whole.size else alpha.resize(whole.size))
        out = io.BytesIO()
        whole.save(out, "PNG", compress_level=4, pnginfo=texts)
        return out.getvalue()


def safetensors_metadata(path: Path) -> dict[str, str] | None:
    """The texts in a safetensors file's header, or None when it is no such file."""
    found: object = (read_header(path) or {}).get("__metadata__")
    return found if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType]


def _saved(picture: Image, form: str, quality: int = 90) -> bytes:
    out = io.BytesIO()
    if max(picture.size) > 16_383 and form == "webp":  # as large as a WebP can be
        picture.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
    picture.save(out, form.upper(), **({} if form == "png" else {"quality": quality}))
    return out.getvalue()
