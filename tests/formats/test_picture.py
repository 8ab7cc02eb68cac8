from __future__ import annotations

import io
import json
import struct
import zlib
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nodes.registry import Registry
from server.formats import FormatError, open_workflow, read_texts, write_texts
from tests.formats.documents import text_to_image

TEXTS = {
    "prompt": json.dumps({"1": {"class_type": "EmptyLatentImage", "inputs": {"width": 64}}}),
    "workflow": '{"nodes": [], "note": "été \U0001f600"}',
    "parameters": "a cat, été\nNegative prompt: bad\nSteps: 20, Sampler: Euler, Seed: 3, Size: 64x64",
}


def picture(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((33, 21)).convert(mode).save(out, kind, **options)
    return out.getvalue()


PICTURES = {
    "png": picture("PNG"),
    "png with alpha": picture("PNG", "RGBA"),
    "jpeg": picture("JPEG"),
    "jpeg grey": picture("JPEG", "L"),
    "webp": picture("WEBP"),
    "webp lossless": picture("WEBP", lossless=True),
    "webp with alpha": picture("WEBP", "RGBA", lossless=True),
}


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.mode.encode() + image.tobytes()


@pytest.mark.parametrize("data", PICTURES.values(), ids=PICTURES)
def test_texts_come_back_and_pixels_stay(data: bytes) -> None:
    written = write_texts(data, TEXTS)
    assert read_texts(written) == TEXTS
    assert pixels(written) == pixels(data)
    assert read_texts(write_texts(written, {**TEXTS, "prompt": "{}"})) == {**TEXTS, "prompt": "{}"}


def test_every_kind_of_png_text_is_read() -> None:
    info = PngInfo()
    info.add_text("workflow", '{"a": 1}')
    info.add_text("prompt", '{"b": 2}' * 100, zip=True)
    info.add_itxt("parameters", "zażółć", zip=True)
    info.add_itxt("other", "漢字")
    found = read_texts(picture("PNG", pnginfo=info))
    assert found == {"workflow": '{"a": 1}', "prompt": '{"b": 2}' * 100, "parameters": "zażółć", "other": "漢字"}


@pytest.mark.parametrize("kind", ["WEBP", "JPEG", "PNG"])
def test_exif_of_another_writer_is_read(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0110] = 'prompt:{"1": 2}'
    exif[0x010F] = 'workflow:{"nodes": []}'
    assert read_texts(picture(kind, exif=exif)) == {"prompt": '{"1": 2}', "workflow": '{"nodes": []}'}


def test_what_pillow_reads_is_what_was_written() -> None:
    with Image.open(io.BytesIO(write_texts(PICTURES["png"], TEXTS))) as image:
        assert isinstance(image.info, dict)
        assert {k: image.info[k] for k in TEXTS} == TEXTS
    with Image.open(io.BytesIO(write_texts(PICTURES["jpeg"], TEXTS))) as image:
        exif = image.getexif()
        assert exif[0x0110] == "prompt:" + TEXTS["prompt"]
        comment: bytes = exif.get_ifd(0x8769)[0x9286]
        assert comment == b"UNICODE\0" + TEXTS["parameters"].encode("utf-16-be")


def test_packed_text_that_would_fill_the_memory_is_not_unpacked() -> None:
    bomb = b"workflow\0\0" + zlib.compress(b"a" * (80 * 2**20), 9)
    chunk = struct.pack(">I4s", len(bomb), b"zTXt") + bomb + struct.pack(">I", zlib.crc32(b"zTXt" + bomb))
    data = PICTURES["png"]
    assert read_texts(data[:33] + chunk + data[33:]) == {}


def test_picture_that_ends_early_gives_what_was_found() -> None:
    written = write_texts(PICTURES["png"], TEXTS)
    assert read_texts(written[: written.index(b"IDAT")]) == TEXTS
    assert read_texts(written[:12]) == {}


def test_too_much_for_a_jpeg_is_said() -> None:
    with pytest.raises(FormatError, match="a JPEG holds"):
        write_texts(PICTURES["jpeg"], {"workflow": "x" * 70_000})


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(40), b"RIFF\0\0\0\0WAVE"])
def test_other_files_are_no_pictures(data: bytes) -> None:
    with pytest.raises(FormatError, match="no PNG, WebP or JPEG"):
        read_texts(data)


def test_picture_opens_as_what_ran_with_its_document(registry: Registry) -> None:
    ran = {"5": {"class_type": "EmptyLatentImage", "inputs": {"width": 8}, "is_changed": [float("nan")]}}
    document = text_to_image()
    data = write_texts(PICTURES["png"], {"prompt": json.dumps(ran), "workflow": json.dumps(document)})
    opened = open_workflow(data, registry, "a.png")
    assert opened.prompt == {"5": {"class_type": "EmptyLatentImage", "inputs": {"width": 8}}}
    assert (opened.document, opened.source) == (document, "picture")


def test_picture_with_a_damaged_half_opens_by_the_other(registry: Registry) -> None:
    data = write_texts(PICTURES["webp"], {"prompt": '{"1": ', "workflow": json.dumps(text_to_image())})
    assert list(open_workflow(data, registry).prompt) == ["1", "2", "3", "4", "5", "6", "7"]


def test_picture_without_workflow_says_so(registry: Registry) -> None:
    with pytest.raises(FormatError, match=r"^bare\.png: The picture carries no workflow"):
        open_workflow(PICTURES["png"], registry, "bare.png")
