"""What users store is never run by a browser, and pictures that are wrong get a clear answer."""

from __future__ import annotations

import io
import json
import struct
import zlib
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.api.running import Running
from tests.jobs.test_disk import PNG, form

SCRIPT = b"<script>alert(1)</script>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
STORED: dict[str, bytes] = {
    "page.html": b"<!doctype html>" + SCRIPT,
    "page.htm": SCRIPT,
    "page.xhtml": b'<html xmlns="http://www.w3.org/1999/xhtml">' + SCRIPT + b"</html>",
    "page.shtml": SCRIPT,
    "picture.svg": SVG,
    "picture.svgz": zlib.compress(SVG),
    "data.xml": SVG,
    "style.xsl": SVG,
    "script.js": b"alert(1)",
    "script.mjs": b"alert(1)",
    "style.css": b"body{background:url(javascript:alert(1))}",
    "text.txt": SCRIPT,
    "data.json": json.dumps({"a": SCRIPT.decode()}).encode(),
    "paper.pdf": b"%PDF-1.4 /OpenAction << /S /JavaScript >>",
    "flash.swf": b"CWS",
    "applet.jar": b"PK\x03\x04",
    "none": SCRIPT,
    "page.html.png": SCRIPT,
    "page.png.html": PNG + SCRIPT,
    "picture.png": PNG + SCRIPT,
    "picture.jpg": SCRIPT,
    "picture.webp": SVG,
    "picture.gif": b"GIF89a/*" + SCRIPT + b"*/=1;",
    "mail.eml": b"Content-Type: text/html\n\n" + SCRIPT,
    "archive.mhtml": b"MIME-Version: 1.0\nContent-Type: text/html\n\n" + SCRIPT,
    "link.url": b"[InternetShortcut]\nURL=javascript:alert(1)",
    "app.hta": SCRIPT,
    "app.webmanifest": b"{}",
    "fonts.woff2": b"wOF2" + SCRIPT,
    "UPPER.HTML": SCRIPT,
    "late.HtMl": SCRIPT,
    "cached.appcache": b"CACHE MANIFEST",
    "vector.svg.png": SVG,
    "<b>name.png": PNG,
    'quote".png': PNG,
    "line.png;html": SCRIPT,
    "naïve ü.html": SCRIPT,
    "table.csv": b"=cmd|' /C calc'!A0",
    "strict.vbs": b"msgbox",
    "picture.ico": b"\x00\x00\x01\x00" + SCRIPT,
}
PICTURES = {"image/png", "image/jpeg", "image/webp", "image/gif"}


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("place", ["output", "userdata"])
def test_nothing_stored_is_run(shared: Running, name: str, place: str) -> None:
    from urllib.parse import quote

    if place == "output":
        folder = shared.base / "output" / "stored"
        path = f"/view?subfolder=stored&filename={quote(name)}"
    else:
        folder = shared.base / "user" / "default" / "stored"
        path = f"/userdata/{quote('stored/' + name, safe='')}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(STORED[name])
    reply = shared.ask("GET", path)
    assert reply.status == 200
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in reply.headers["Content-Security-Policy"]
    inline = "attachment" not in reply.headers["Content-Disposition"]
    kind = reply.headers["Content-Type"].partition(";")[0]
    assert (inline and kind in PICTURES) or (not inline and kind == "application/octet-stream"), (kind, inline)
    assert "\n" not in reply.headers["Content-Disposition"]


def test_markup_in_names_and_texts_stays_text(shared: Running) -> None:
    text = SCRIPT.decode()
    title = {"class_type": "ToyNumber", "inputs": {"value": 80}, "_meta": {"title": text}}
    prompt = {"1": title, "2": {"class_type": "ToySave", "inputs": {"value": ["1", 0], "prefix": "plain"}}}
    job = shared.ended(shared.submit(prompt, extra_data={"extra_pnginfo": {"workflow": {"id": text}}}))
    reply = shared.ask("GET", f"/api/jobs/{job['id']}")
    assert reply.headers["Content-Type"].startswith("application/json")
    wrong = shared.ask("GET", f"/view?filename={text.replace('/', '')}")
    assert wrong.headers["Content-Type"].startswith("application/json")


def png(width: int, height: int, *, rows: bytes = b"", kind: int = 2) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def saved(form_name: str, mode: str = "RGB", size: tuple[int, int] = (5, 4), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 1 if mode in ("1", "P", "I;16", "L", "F", "I") else None).save(out, form_name, **options)
    return out.getvalue()


def with_text(length: int) -> bytes:
    info = PngInfo()
    info.add_text("workflow", "x" * length, zip=True)
    return saved("PNG", pnginfo=info)


def frames(form_name: str) -> bytes:
    out = io.BytesIO()
    pictures = [Image.new("RGB", (4, 4), (n * 40, 0, 0)) for n in range(3)]
    pictures[0].save(out, form_name, save_all=True, append_images=pictures[1:])
    return out.getvalue()


GOOD = {
    "plain": saved("PNG"),
    "1x1": saved("PNG", size=(1, 1)),
    "wide": saved("PNG", size=(5000, 1)),
    "16 bit": saved("PNG", "I;16"),
    "grey": saved("PNG", "L"),
    "bits": saved("PNG", "1"),
    "palette": saved("PNG", "P"),
    "palette with alpha": saved("PNG", "P", transparency=0),
    "grey with alpha": saved("PNG", "LA"),
    "alpha": saved("PNG", "RGBA"),
    "jpeg": saved("JPEG"),
    "cmyk": saved("JPEG", "CMYK"),
    "grey jpeg": saved("JPEG", "L"),
    "webp": saved("WEBP"),
    "webp alpha": saved("WEBP", "RGBA"),
    "gif": saved("GIF", "P"),
    "bmp": saved("BMP"),
    "tiff": saved("TIFF"),
    "float tiff": saved("TIFF", "F"),
    "animated gif": frames("GIF"),
    "animated webp": frames("WEBP"),
    "animated png": frames("PNG"),
    "rotated": saved("JPEG", exif=Image.Exif()),
    "long text": with_text(100_000),
    "more behind": saved("PNG") + b"<script>",
}
BAD = {
    "empty": b"",
    "text": b"hello",
    "html": b"<html></html>",
    "svg": SVG,
    "truncated head": saved("PNG")[:20],
    "truncated jpeg head": saved("JPEG")[:10],
    "no pixels": png(0, 0),
    "no height": png(5, 0),
    "bomb": png(50_000, 50_000),
    "long bomb": png(2**31 - 1, 1),
    "huge": png(2**31 - 1, 2**31 - 1),
    "wrong check": saved("PNG")[:30] + b"\0\0" + saved("PNG")[32:],
    "gif head": b"GIF89a",
    "webp head": b"RIFF\x10\0\0\0WEBPVP8 ",
    "bmp head": b"BM\0\0",
    "tiff loop": b"II*\0\x08\0\0\0\x01\0\x00\x01\x03\0\x01\0\0\0\x05\0\0\0\x08\0\0\0",
    "zip": b"PK\x03\x04" + b"\0" * 30,
    "pickle": b"\x80\x04\x95" + b"\0" * 20,
    "safetensors cut": struct.pack("<Q", 500) + b"{",
    "safetensors huge": struct.pack("<Q", 2**63) + b"{}",
}


@pytest.mark.parametrize("case", GOOD)
def test_pictures_of_every_kind_are_taken(shared: Running, case: str) -> None:
    body, headers = form(f"{case}.png", GOOD[case])
    reply = shared.ask("POST", "/upload/image", body, headers)
    assert reply.status == 200, reply.body
    name = reply.json["name"].replace(" ", "%20")
    assert reply.json == {"name": f"{case}.png", "subfolder": "", "type": "input"}
    assert shared.ask("POST", "/upload/image", body, headers).json == reply.json
    for form_of in (
        "",
        "&preview=webp;90",
        "&preview=jpeg;50",
        "&channel=rgb",
        "&channel=a",
        "&preview=webp&channel=a",
        "&preview=webp&size=2",
    ):
        shown = shared.ask("GET", f"/view?type=input&filename={name}{form_of}")
        assert shown.status == 200, (form_of, shown.body[:200])
        if form_of and "F" not in case:
            Image.open(io.BytesIO(shown.body)).load()


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_picture_is_refused(shared: Running, case: str) -> None:
    body, headers = form(f"bad {case}.png", BAD[case])
    reply = shared.ask("POST", "/upload/image", body, headers)
    assert reply.status == 400, reply.body
    assert reply.json["error"]["message"]
    assert not list((shared.base / "input").glob(f"bad {case}*"))
    mask = shared.ask("POST", "/upload/mask", body, headers)
    assert mask.status in (400, 404)
    (shared.base / "output" / "broken.png").write_bytes(BAD[case])
    for form_of in ("&preview=webp", "&channel=rgb", "&channel=a"):
        assert shared.ask("GET", f"/view?filename=broken.png{form_of}").status in (200, 400)


def test_a_preview_is_as_small_as_asked(shared: Running) -> None:
    (shared.base / "output" / "wide.jpg").write_bytes(saved("JPEG", size=(640, 320)))
    sizes = {}
    for size in (1, 100, 8192):
        reply = shared.ask("GET", f"/view?filename=wide.jpg&preview=webp;80&size={size}")
        with Image.open(io.BytesIO(reply.body)) as picture:
            sizes[size] = picture.size
    assert sizes == {1: (1, 1), 100: (100, 50), 8192: (640, 320)}


@pytest.mark.parametrize("size", ["0", "-1", "8193", "1e3", "big", "", "9" * 500, "%C2%B2"])
def test_a_size_that_is_none_is_refused(shared: Running, size: str) -> None:
    (shared.base / "output" / "wide.jpg").write_bytes(saved("JPEG", size=(640, 320)))
    reply = shared.ask("GET", f"/view?filename=wide.jpg&preview=webp;80&size={size}")
    assert reply.status == 400
    assert "8192" in reply.json["error"]["message"]


def test_a_preview_stands_as_the_picture_is_meant(shared: Running) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter
    picture = io.BytesIO()
    Image.new("RGB", (64, 32)).save(picture, "JPEG", exif=turned)
    (shared.base / "output" / "turned.jpg").write_bytes(picture.getvalue())
    for size in ("", "&size=16"):
        reply = shared.ask("GET", f"/view?filename=turned.jpg&preview=webp{size}")
        with Image.open(io.BytesIO(reply.body)) as shown:
            assert shown.width * 2 == shown.height


def test_a_preview_is_made_once_for_each_version_of_a_picture(shared: Running) -> None:
    path = shared.base / "output" / "again.png"
    path.write_bytes(saved("PNG", size=(8, 8)))
    for form_of in ("preview=webp;80&size=4", "channel=rgb"):
        first = shared.ask("GET", f"/view?filename=again.png&{form_of}")
        known = {"If-None-Match": first.headers["ETag"]}
        assert shared.ask("GET", f"/view?filename=again.png&{form_of}", headers=known).status == 304
        path.write_bytes(saved("PNG", size=(9, 8)))
        assert shared.ask("GET", f"/view?filename=again.png&{form_of}", headers=known).status == 200


def test_a_name_that_is_taken_gets_a_number(shared: Running) -> None:
    names = []
    for colour in range(3):
        body, headers = form("taken.png", saved("PNG", size=(2 + colour, 2)))
        names.append(shared.ask("POST", "/upload/image", body, headers).json["name"])
    assert names == ["taken.png", "taken (1).png", "taken (2).png"]


def test_a_mask_becomes_the_pictures_alpha(shared: Running) -> None:
    body, headers = form("original.png", saved("PNG", size=(6, 6)))
    shared.ask("POST", "/upload/image", body, headers)
    mask = io.BytesIO()
    Image.new("RGBA", (6, 6), (9, 9, 9, 77)).save(mask, "PNG")
    body, headers = form("clipspace.png", mask.getvalue())
    reference = json.dumps({"filename": "original.png", "type": "input"})
    field = f'--b\r\nContent-Disposition: form-data; name="original_ref"\r\n\r\n{reference}\r\n'.encode()
    reply = shared.ask("POST", "/upload/mask", field + body, headers)
    assert reply.status == 200, reply.body
    shown = shared.ask("GET", f"/view?type=input&filename={reply.json['name']}")
    assert Image.open(io.BytesIO(shown.body)).getpixel((0, 0)) == (0, 0, 0, 77)


def test_there_are_as_many_as_were_asked_for() -> None:
    assert len(STORED) * 2 >= 40
    assert len(GOOD) + len(BAD) >= 45
