"""The little of EXIF that carries texts: strings in the first directory, and the UserComment behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import error as StructError
from struct import pack, unpack_from

_MAKE, _MODEL, _SOFTWARE = 0x010F, 0x0110, 0x0131
_DESCRIPTION, _EXIF, _COMMENT = 0x010E, 0x8769, 0x9286
_TEXT_TAGS: Mapping[str, int] = {"prompt": _MODEL, "workflow": _MAKE}
_ASCII, _LONG, _UNDEFINED = 2, 4, 7
_MAX_ENTRIES = 1000


def read_exif(data: bytes) -> dict[str, str]:
    """The texts by key: strings written as `key:text`, and the UserComment as "parameters". Damage gives less."""
    data = data.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    found: dict[str, str] = {}
    if order is None:
        return found
    try:
        first = unpack_from(f"{order}I", data, 4)[0]
        for tag, raw in _entries(data, order, first):
            if tag == _EXIF and len(raw) == 4:
                inner = unpack_from(f"{order}I", raw)[0]
                comments = (text for t, text in _entries(data, order, inner) if t == _COMMENT)
                for comment in comments:
                    found.setdefault("parameters", _comment(comment, order))
            elif tag not in (_EXIF, _SOFTWARE):
                found.update(_named(raw, tag))
    except (StructError, OverflowError):
        pass  # the rest is cut off
    return found


def write_exif(texts: Mapping[str, str]) -> bytes:
    """EXIF that holds these texts: "parameters" as the UserComment, others as `key:text`.

    Big-endian, because readers of UserComment expect its text so and do not ask.
    """
    strings = {key: text for key, text in texts.items() if key != "parameters"}
    spare = iter(range(0x010D, 0x0100, -1))
    entries = {
        _TEXT_TAGS.get(key) or next(spare): (_ASCII, f"{key}:{text}".encode("utf-8", "replace") + b"\0")
        for key, text in strings.items()
    }
    comment = texts.get("parameters")
    if comment is None:
        return b"MM\0*" + pack(">I", 8) + _directory(entries, 8)
    entries[_EXIF] = (_LONG, b"\0\0\0\0")
    inner_at = 8 + len(_directory(entries, 8))
    entries[_EXIF] = (_LONG, pack(">I", inner_at))
    body = b"UNICODE\0" + comment.encode("utf-16-be", "replace")
    return b"MM\0*" + pack(">I", 8) + _directory(entries, 8) + _directory({_COMMENT: (_UNDEFINED, body)}, inner_at)


def _directory(entries: Mapping[int, tuple[int, bytes]], at: int) -> bytes:
    """A directory that stands `at` bytes into the file, with the values behind it."""
    head, tail = pack(">H", len(entries)), b""
    values_at = at + 2 + 12 * len(entries) + 4
    for tag, (kind, value) in sorted(entries.items()):
        count = len(value) // 4 if kind == _LONG else len(value)
        if len(value) <= 4:
            place = value.ljust(4, b"\0")
        else:
            place = pack(">I", values_at + len(tail))
            tail += value + b"\0" * (len(value) % 2)
        head += pack(">HHI", tag, kind, count) + place
    return head + pack(">I", 0) + tail


def _entries(data: bytes, order: str, at: int) -> Iterator[tuple[int, bytes]]:
    """Tag and value of each entry of a directory that is text, bytes or an offset."""
    count = unpack_from(f"{order}H", data, at)[0]
    for number in range(min(count, _MAX_ENTRIES)):
        place = at + 2 + 12 * number
        tag, kind, length = unpack_from(f"{order}HHI", data, place)
        if kind == _LONG and length == 1:
            yield tag, data[place + 8 : place + 12]
        elif kind in (_ASCII, _UNDEFINED, 1):
            start = place + 8 if length <= 4 else unpack_from(f"{order}I", data, place + 8)[0]
            if start + length <= len(data):
                yield tag, data[start : start + length]


def _named(raw: bytes, tag: int) -> dict[str, str]:
    text = _utf8(raw.rstrip(b"\0"))
    key, colon, rest = text.partition(":")
    if colon and key.isidentifier() and rest[:1] in ("{", "[", " ", '"', "") and len(key) < 80:
        return {key.lower(): rest}
    return {"parameters": text} if tag == _DESCRIPTION and "Steps:" in text else {}


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _comment(raw: bytes, order: str) -> str:
    head, body = raw[:8], raw[8:]
    if head == b"UNICODE\0":
        return body.decode(_utf16(body, order), "replace").rstrip("\0")
    if head in (b"ASCII\0\0\0", b"\0" * 8):
        return _utf8(body.rstrip(b"\0"))
    return _utf8(raw.rstrip(b"\0"))


def _utf16(body: bytes, order: str) -> str:
    """Which way round the text is: some write big-endian into little-endian files, so the blanks decide."""
    little, big = body[1::2].count(0), body[::2].count(0)
    if little == big:
        return "utf-16-le" if order == "<" else "utf-16-be"
    return "utf-16-le" if little > big else "utf-16-be"
