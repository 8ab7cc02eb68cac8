"""Files that are cut, scrambled, empty or enormous: `sfumato verify` says in sentences what is wrong with each."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import struct
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from server.cli import main
from server.formats import FormatError, write_texts

PROMPT: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 8, "batch_size": 1, "color": 7}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}
TEXTS = {"prompt": json.dumps(PROMPT), "sfumato": '{"nodes": {"a": "1"}}'}
SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("odd")


@pytest.fixture(scope="module", autouse=True)
def handlers() -> Generator[None]:
    """The command hears Ctrl-C itself."""
    kept = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    yield
    for name, handler in kept.items():
        signal.signal(name, handler)


def verified(data: bytes, base: Path) -> tuple[int, str]:
    """The exit code, and what was said, with the file called FILE."""
    file = base / "odd.bin"
    file.write_bytes(data)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(["verify", str(file), "--base", str(base), "--device", "cpu"])
    return code, said.getvalue().replace(str(file), "FILE").replace(file.name, "FILE")


def picture(kind: str = "PNG", mode: str = "RGB", frames: int = 1) -> bytes:
    out = io.BytesIO()
    first, *rest = [Image.new(mode, (16, 8), number) for number in range(frames)]
    more: dict[str, Any] = {"save_all": True, "append_images": rest} if rest else {}
    first.save(out, kind, **more)
    return out.getvalue()


PICTURES = (
    *(picture("PNG", mode) for mode in ("RGB", "P", "1", "I;16")),
    picture("PNG", "RGBA", frames=2),
    picture("WEBP", "RGBA"),
    picture("WEBP", frames=2),
    *(picture("JPEG", mode) for mode in ("RGB", "L", "CMYK")),
)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def checksummed(data: bytes) -> bytes:
    """A PNG's chunks with the checksums that they should have, so that readers go on into what is damaged."""
    if not data.startswith(SIGNATURE):
        return data
    out, place = [SIGNATURE], len(SIGNATURE)
    while place + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        out.append(chunk(data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    return b"".join(out)


@st.composite
def odd_pictures(draw: st.DrawFn) -> bytes:
    """Pictures with a workflow, in which bytes outside it are changed, cut out, repeated or cut off."""
    raw = bytearray(draw(st.sampled_from(PICTURES)))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(raw) - 1))
        match draw(st.sampled_from(("change", "fill", "take", "repeat", "cut"))):
            case "change":
                raw[place] = draw(st.integers(0, 255))
            case "fill":
                raw[place : place + 4] = draw(st.sampled_from((b"\xff" * 4, b"\0" * 4, b"\0\0\xff\xff")))
            case "take":
                del raw[place : place + draw(st.integers(1, 40))]
            case "repeat":
                raw[place:place] = raw[place : place + 40]
            case _:
                del raw[place:]
        raw = raw or bytearray(b"\0")
    data = checksummed(bytes(raw)) if draw(st.booleans()) else bytes(raw)
    with contextlib.suppress(FormatError):
        data = write_texts(data, TEXTS)
    return data


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=odd_pictures() | st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: SIGNATURE + tail))
def test_any_file_gets_an_answer_in_sentences(base: Path, data: bytes) -> None:
    code, said = verified(data, base)

    assert code in (0, 1, 2)
    assert "a fault of Sfumato's" not in said
    assert all(line == "identical" or line.endswith(".") for line in said.splitlines()), said
    assert len(said) < 2000


def enormous(width: int, height: int) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = SIGNATURE + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    return write_texts(data, TEXTS)


def moving(frames: int) -> bytes:
    """An animation that says it has many frames of a large size, and holds few bytes."""
    still = enormous(16_000, 8_000)
    return still.replace(chunk(b"IDAT", zlib.compress(bytes(100))), b"").replace(
        chunk(b"IEND", b""),
        chunk(b"acTL", struct.pack(">II", frames, 0)) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b""),
    )


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        pytest.param(b"", "FILE is empty.", id="empty"),
        pytest.param(b"{}", "FILE is no PNG, WebP or JPEG.", id="no picture"),
        pytest.param(SIGNATURE, "carries no workflow", id="a head alone"),
        pytest.param(enormous(2**31 - 1, 2**31 - 1), "FILE has more than 178,956,970 pixels", id="enormous"),
        pytest.param(enormous(100_000, 1_000), "FILE is damaged or cut short", id="large, and cut"),
        pytest.param(moving(1000), "FILE has 1001 frame(s) of 16000 x 8000", id="moving"),
        pytest.param(write_texts(picture()[:-30], TEXTS), "FILE is damaged or cut short", id="cut"),
        pytest.param(write_texts(picture(), {"prompt": "[" * 100_000}), "carries no workflow", id="nested"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(base: Path, data: bytes, sentence: str) -> None:
    code, said = verified(data, base)

    assert code == 2
    assert sentence in said
    assert said.count("\n") == 1


def test_what_a_picture_says_does_not_move_the_cursor(base: Path) -> None:
    facts = {"\x1b[2J": "\x1b]0;gone\x07\nidentical", "long": "x" * 5000, **{f"fact {n}": "1" for n in range(1000)}}

    code, said = verified(write_texts(picture(), {**TEXTS, "sfumato": json.dumps(facts)}), base)

    assert code == 1
    assert all(c.isprintable() or c == "\n" for c in said)
    assert "\nidentical" not in said
    assert "see them all with --json" in said.splitlines()[-1]
