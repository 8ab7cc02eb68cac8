"""The texts that pictures carry: read from PNG, WebP and JPEG, and written to them. No pixel is ever decoded.

ComfyUI's keys: `workflow` (the editor's file) and `prompt` (API format), in PNG as text chunks, elsewhere as the EXIF
strings `workflow:{...}` and `prompt:{...}`. A1111's: `parameters`, elsewhere the EXIF UserComment.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from struct import Struct, pack, unpack_from
from struct import error as StructError
from typing import BinaryIO, Literal

from server.formats.errors import FormatError
from server.formats.exif import read_exif, write_exif

LIMIT_BYTES = 64 * 1024 * 1024
"""The most text that one picture may hold, unpacked; what goes beyond is not read."""

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
_TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"comf"})
"""ComfyUI writes `comf` behind the first frame of animations; it is read as tEXt is."""
_RIFF = Struct("<4sI")
_CHUNK = Struct(">I4s")
_JPEG_SEGMENT = 65533 - len(b"Exif\0\0")

Kind = Literal["png", "webp", "jpeg"]


def picture_kind(data: bytes) -> Kind | None:
    """Which of the three a file is, by its first bytes."""
    if data.startswith(PNG):
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return "jpeg" if data[:3] == JPEG + b"\xff" else None


def read_texts(source: bytes | BinaryIO) -> dict[str, str]:
    """The texts of a picture by key ("workflow", "prompt", "parameters", and whatever else is named).

    A file that ends early gives what was found until then. Raises FormatError when it is no such picture.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    head = file.read(12)
    kind = picture_kind(head)
    if kind is None:
        raise FormatError("The file is no PNG, WebP or JPEG.")
    file.seek({"png": 8, "webp": 12, "jpeg": 2}[kind])
    found: dict[str, str] = {}
    budget = LIMIT_BYTES
    for key, value in {"png": _png_texts, "webp": _webp_texts, "jpeg": _jpeg_texts}[kind](file):
        budget -= len(value)
        if budget < 0:
            break
        found.setdefault(key, value)
    return found


def write_texts(data: bytes, texts: Mapping[str, str]) -> bytes:
    """The picture with these texts in place of those it had under the same keys (other texts stay in a PNG).

    Raises FormatError when it is no such picture, or when a JPEG cannot hold that much (64 KiB).
    """
    match picture_kind(data):
        case "png":
            return _write_png(data, texts)
        case "webp":
            return _write_webp(data, texts)
        case "jpeg":
            return _write_jpeg(data, texts)
        case None:
            raise FormatError("The file is no PNG, WebP or JPEG.")


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Type and length of each chunk; the file stands at its data, and is put behind it afterwards."""
    while len(head := file.read(8)) == 8:
        length, kind = _CHUNK.unpack(head)
        start = file.tell()
        yield kind, length
        file.seek(start + length + 4)


def _png_texts(file: BinaryIO) -> Iterator[tuple[str, str]]:
    for kind, length in _png_chunks(file):
        if kind == b"IEND":
            return
        if kind in _TEXT_CHUNKS and length <= LIMIT_BYTES:
            read = {b"zTXt": _packed_text, b"iTXt": _international_text}.get(kind, _plain_text)
            found = read(file.read(length))
            if found is not None:
                yield found
        elif kind == b"eXIf" and length <= LIMIT_BYTES:
            yield from read_exif(file.read(length)).items()


def _plain_text(data: bytes) -> tuple[str, str] | None:
    key, null, text = data.partition(b"\0")
    # The standard says Latin-1, and ComfyUI escapes what that lacks; others write UTF-8 as it is.
    return (key.decode("latin-1"), _decoded(text)) if null else None


def _packed_text(data: bytes) -> tuple[str, str] | None:
    key, null, rest = data.partition(b"\0")
    text = _unpacked(rest[1:]) if null and rest[:1] == b"\0" else None
    return None if text is None else (key.decode("latin-1"), text.decode("latin-1"))


def _international_text(data: bytes) -> tuple[str, str] | None:
    key, null, rest = data.partition(b"\0")
    parts = rest[2:].split(b"\0", 2)
    if not null or len(parts) != 3:
        return None
    text = _unpacked(parts[2]) if rest[0] == 1 else parts[2]
    return None if text is None else (key.decode("latin-1"), text.decode("utf-8", "replace"))


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _unpacked(data: bytes) -> bytes | None:
    """Deflated data, unless it is damaged or unpacks to more than is read."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, LIMIT_BYTES)
    except zlib.error:
        return None
    return None if unpacker.unconsumed_tail else text


def _webp_texts(file: BinaryIO) -> Iterator[tuple[str, str]]:
    while len(head := file.read(8)) == 8:
        kind, length = _RIFF.unpack(head)
        start = file.tell()
        if kind == b"EXIF" and length <= LIMIT_BYTES:
            yield from read_exif(file.read(length)).items()
        file.seek(start + length + length % 2)


def _jpeg_texts(file: BinaryIO) -> Iterator[tuple[str, str]]:
    for kind, length in _jpeg_segments(file):
        if kind == 0xE1 and length > 6:
            data = file.read(length)
            if data.startswith(b"Exif\0\0"):
                yield from read_exif(data[6:]).items()
        elif kind == 0xFE:
            yield "comment", _decoded(file.read(length))


def _jpeg_segments(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Marker and length of each segment before the pixels; the file stands at its data."""
    while len(head := file.read(2)) == 2 and head[0] == 0xFF:
        kind = head[1]
        if kind == 0xFF:  # a fill byte
            file.seek(-1, io.SEEK_CUR)
            continue
        if kind in (0xD9, 0xDA):
            return
        if kind == 0x01 or 0xD0 <= kind <= 0xD8:
            continue
        size = file.read(2)
        if len(size) < 2:
            return
        length = int.from_bytes(size, "big") - 2
        if length < 0:
            return
        start = file.tell()
        yield kind, length
        file.seek(start + length)


def _write_png(data: bytes, texts: Mapping[str, str]) -> bytes:
    """Texts go before the pixels, where readers that stop early find them."""
    file = io.BytesIO(data)
    file.seek(8)
    out = [PNG]
    written = False
    for kind, length in _png_chunks(file):
        start = file.tell()
        body = data[start : start + length]
        whole = data[start - 8 : start + length + 4]
        if kind == b"IDAT" and not written:
            out.extend(_png_text(key, text) for key, text in texts.items())
            written = True
        if kind in (b"tEXt", b"zTXt", b"iTXt") and body.split(b"\0", 1)[0].decode("latin-1") in texts:
            continue
        out.append(whole)
    if not written:
        raise FormatError("The PNG has no pixels; it is damaged.")
    return b"".join(out)


def _png_text(key: str, text: str) -> bytes:
    name = key.encode("latin-1", "replace")[:79]
    if text.isascii():
        return _png_chunk(b"tEXt", name + b"\0" + text.encode("ascii"))
    return _png_chunk(b"iTXt", name + b"\0\0\0\0\0" + text.encode("utf-8", "replace"))


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return _CHUNK.pack(len(body), kind) + body + pack(">I", zlib.crc32(kind + body))


def _write_webp(data: bytes, texts: Mapping[str, str]) -> bytes:
    chunks: list[tuple[bytes, bytes]] = []
    place = 12
    while place + 8 <= len(data):
        kind, length = _RIFF.unpack_from(data, place)
        if kind != b"EXIF":
            chunks.append((kind, data[place + 8 : place + 8 + length]))
        place += 8 + length + length % 2
    if not chunks:
        raise FormatError("The WebP has no pixels; it is damaged.")
    chunks = _extended(chunks)
    chunks.append((b"EXIF", write_exif(texts)))
    body = b"".join(_RIFF.pack(kind, len(part)) + part + b"\0" * (len(part) % 2) for kind, part in chunks)
    return _RIFF.pack(b"RIFF", len(body) + 4) + b"WEBP" + body


def _extended(chunks: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The chunks of a WebP that may hold EXIF: a simple file gets the header that says so."""
    has_exif = 0x08
    kind, body = chunks[0]
    if kind == b"VP8X" and len(body) >= 10:
        return [(kind, bytes((body[0] | has_exif,)) + body[1:]), *chunks[1:]]
    try:
        if kind == b"VP8L":
            bits = unpack_from("<I", body, 1)[0]
            width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, 0x10 * (bits >> 28 & 1)
        else:
            width, height = (side - 1 & 0x3FFF for side in unpack_from("<HH", body, 6))
            alpha = 0
    except StructError as error:
        raise FormatError("The WebP has no size; it is damaged.") from error
    head = pack("<I", has_exif | alpha) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
    return [(b"VP8X", head), *chunks]


def _write_jpeg(data: bytes, texts: Mapping[str, str]) -> bytes:
    exif = write_exif(texts)
    if len(exif) > _JPEG_SEGMENT:
        raise FormatError(
            f"The metadata is {len(exif)} bytes; a JPEG holds {_JPEG_SEGMENT}. Save as PNG or WebP, or without it."
        )
    file = io.BytesIO(data)
    file.seek(2)
    first: list[bytes] = []
    rest: list[bytes] = []
    end = 2
    for kind, length in _jpeg_segments(file):
        start = file.tell()
        segment = data[end : start + length]
        end = start + length
        if kind == 0xE0:
            first.append(segment)
        elif not (kind == 0xE1 and data[start : start + 6] == b"Exif\0\0"):
            rest.append(segment)
    body = b"Exif\0\0" + exif
    ours = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    return b"".join((JPEG, *first, ours, *rest, data[end:]))
