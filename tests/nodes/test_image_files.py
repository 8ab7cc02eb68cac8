"""Picture files: what is in them comes out, and what is wrong with them is said in one sentence."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pil
from PIL import ImageSequence

from nodes import image_files
from nodes.define import Cancelled, NodeError, Saved
from nodes.folders import Folders
from nodes.types import Image, Mask

RED, BLUE = (255, 0, 0), (0, 0, 255)


def halves(mode: str = "RGB", size: tuple[int, int] = (8, 6)) -> Pil.Image:
    """A picture whose left half is red and whose right half is blue."""
    picture = Pil.new("RGB", size, BLUE)
    picture.paste(RED, (0, 0, size[0] // 2, size[1]))
    return picture.convert(mode)


def encoded(picture: Pil.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that says it has this size, with next to no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def load(folders: Folders, data: bytes, name: str = "a.png") -> image_files.LoadedImage:
    (folders.root("input") / name).write_bytes(data)
    return image_files.load_image(image=name, folders=folders)


def sides(image: Image) -> tuple[list[float], list[float]]:
    """The colours in the middle of the left and the right half of the first picture."""
    _, h, w, _ = image.pixels.shape
    return image.pixels[0, h // 2, w // 4].tolist(), image.pixels[0, h // 2, -w // 4].tolist()


def adobe_cmyk() -> bytes:
    return encoded(halves("CMYK"), "JPEG", quality=100)


READABLE: dict[str, Callable[[], bytes]] = {
    "png": lambda: encoded(halves(), "PNG"),
    "png with alpha": lambda: encoded(halves("RGBA"), "PNG"),
    "png with palette": lambda: encoded(halves("P"), "PNG"),
    "jpeg": lambda: encoded(halves(), "JPEG", quality=100, subsampling=0),
    "cmyk jpeg": adobe_cmyk,
    "cmyk tiff": lambda: encoded(halves("CMYK"), "TIFF"),
    "ycbcr tiff": lambda: encoded(halves("YCbCr"), "TIFF"),
    "webp": lambda: encoded(halves(), "WEBP", lossless=True),
    "bmp": lambda: encoded(halves(), "BMP"),
    "gif": lambda: encoded(halves(), "GIF"),
    "avif": lambda: encoded(halves(size=(32, 32)), "AVIF", quality=100, subsampling="4:4:4"),
}


@pytest.mark.parametrize("make", READABLE.values(), ids=READABLE.keys())
def test_pictures_of_all_kinds_are_read_whatever_their_name(folders: Folders, make: Callable[[], bytes]) -> None:
    loaded = load(folders, make(), "picture.txt.png")
    left, right = sides(loaded.image)
    assert left == pytest.approx([1, 0, 0], abs=0.02)
    assert right == pytest.approx([0, 0, 1], abs=0.02)
    assert loaded.image.pixels.dtype == torch.float32


def test_eight_bits_are_divided_by_255(folders: Folders) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    loaded = load(folders, encoded(Pil.fromarray(np.stack([levels] * 3, -1)), "PNG"))
    assert torch.equal(loaded.image.pixels[0, ..., 0], torch.from_numpy(levels).float() / 255)


def test_without_alpha_the_mask_is_64_zeros(folders: Folders) -> None:
    mask = load(folders, encoded(halves(), "PNG")).mask.values
    assert torch.equal(mask, torch.zeros((1, 64, 64)))


def transparent(mode: str) -> bytes:
    """A picture whose right half is transparent."""
    picture = halves("RGBA")
    picture.putalpha(Pil.fromarray(np.array([[255] * 4 + [0] * 4] * 6, dtype=np.uint8)))
    if mode == "P":
        palette = halves("P")
        return encoded(palette, "PNG", transparency=palette.getpixel((7, 0)))
    if mode == "tRNS":
        return encoded(halves(), "PNG", transparency=BLUE)
    return encoded(picture if mode == "RGBA" else picture.convert(mode), "PNG")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "tRNS"])
def test_the_mask_is_where_a_picture_is_transparent(folders: Folders, mode: str) -> None:
    mask = load(folders, transparent(mode)).mask.values
    assert mask.tolist() == [[[0.0] * 4 + [1.0] * 4] * 6]


@pytest.mark.parametrize(
    ("levels", "format"),
    [
        (np.array([[0, 16384, 65535]], dtype=np.uint16), "PNG"),
        (np.array([[0, 16384, 65535]], dtype=np.int32), "TIFF"),
        (np.array([[0, 0.25, 1]], dtype=np.float32), "TIFF"),
        (np.array([[0, 63.75, 255]], dtype=np.float32), "TIFF"),
    ],
    ids=["16 bits", "32 bits", "floats to 1", "floats to 255"],
)
def test_deep_grey_keeps_its_range(folders: Folders, levels: np.ndarray, format: str) -> None:
    loaded = load(folders, encoded(Pil.fromarray(levels), format))
    assert loaded.image.pixels[0, 0, :, 1].tolist() == pytest.approx([0, 0.25, 1], abs=1e-4)
    assert loaded.mask.values.sum() == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(folders: Folders, orientation: int) -> None:
    turns: dict[int, Pil.Transpose] = {
        2: Pil.Transpose.FLIP_LEFT_RIGHT,
        3: Pil.Transpose.ROTATE_180,
        4: Pil.Transpose.FLIP_TOP_BOTTOM,
        5: Pil.Transpose.TRANSPOSE,
        6: Pil.Transpose.ROTATE_90,
        7: Pil.Transpose.TRANSVERSE,
        8: Pil.Transpose.ROTATE_270,
    }
    upright = Pil.fromarray(np.random.default_rng(1).integers(0, 256, (6, 4, 3), dtype=np.uint8))
    stored = upright.transpose(turns[orientation]) if orientation in turns else upright
    exif = Pil.Exif()
    exif[0x0112] = orientation
    loaded = load(folders, encoded(stored, "PNG", exif=exif))
    np.testing.assert_array_equal(np.rint(loaded.image.pixels[0].numpy() * 255), np.asarray(upright))


@pytest.mark.parametrize(("format", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})])
def test_moving_pictures_become_a_batch(folders: Folders, format: str, options: dict[str, object]) -> None:
    frames = [Pil.new("RGB", (8, 8), colour) for colour in (RED, BLUE, (0, 255, 0))]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
    loaded = load(folders, data)
    assert loaded.image.pixels[:, 4, 4].tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert len(loaded.mask.values) == 3


def test_of_a_stereo_pair_the_first_is_read(folders: Folders) -> None:
    loaded = load(folders, encoded(halves(), "MPO", save_all=True, append_images=[halves().rotate(180)]))
    assert loaded.image.pixels.shape == (1, 6, 8, 3)


def test_frames_of_another_size_are_left_out(folders: Folders) -> None:
    frames = [halves(), halves(size=(4, 4)), halves()]
    loaded = load(folders, encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]), "a.tiff")
    assert loaded.image.pixels.shape == (2, 6, 8, 3)


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "text": (lambda: b"hello", "no picture"),
    "web page": (lambda: b"<!doctype html><html></html>", "no picture"),
    "truncated png": (lambda: encoded(halves(size=(200, 200)), "PNG")[:-60], "damaged or cut short"),
    "truncated jpeg": (lambda: encoded(halves(size=(200, 200)), "JPEG")[:700], "damaged or cut short"),
    "only a signature": (lambda: b"\x89PNG\r\n\x1a\n", "no picture|damaged"),
    "no pixels": (lambda: png_of_size(0, 0), "no picture|empty|damaged"),
    "no pixels in a gif": (lambda: b"GIF89a\0\0\0\0\0\0\0;", "no picture|empty|damaged"),
    "bomb": (lambda: png_of_size(40_000, 40_000), "pixels"),
    "postscript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "no picture"),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD.keys())
def test_what_is_no_picture_is_said_in_one_sentence(folders: Folders, make: Callable[[], bytes], message: str) -> None:
    (folders.root("input") / "bad.png").write_bytes(make())
    for open_it in (image_files.load_image, lambda **k: image_files.load_image_mask(channel="red", **k)):
        with pytest.raises(NodeError, match=message) as raised:
            open_it(image="bad.png", folders=folders)
        assert str(raised.value).startswith("bad.png ")
        assert "\n" not in str(raised.value)


def test_a_long_animation_is_refused_before_it_is_decoded(folders: Folders) -> None:
    frames = [Pil.new("1", (12_000, 6_000)) for _ in range(3)]
    data = encoded(frames[0], "TIFF", compression="group4", save_all=True, append_images=frames[1:])
    assert len(data) < 200_000
    with pytest.raises(NodeError, match=r"3 frame\(s\) of 12000 x 6000"):
        load(folders, data)


def test_damage_anywhere_gives_a_picture_or_a_sentence(folders: Folders) -> None:
    generator = np.random.default_rng(0)
    originals = [encoded(halves("RGBA", (16, 16)), "PNG"), encoded(halves(), "GIF"), encoded(halves(), "WEBP")]
    for _ in range(60):
        for original in originals:
            data = bytearray(original)
            for place in generator.integers(0, len(data), 4):
                data[place] = generator.integers(0, 256)
            try:
                loaded = load(folders, bytes(data))
            except NodeError:
                continue
            assert loaded.image.pixels.isfinite().all()


@pytest.mark.parametrize(
    ("channel", "expected"), [("alpha", [0.0, 1.0]), ("red", [1.0, 0.0]), ("green", [0.0, 0.0]), ("blue", [0.0, 1.0])]
)
def test_a_channel_as_mask(folders: Folders, channel: str, expected: list[float]) -> None:
    (folders.root("input") / "a.png").write_bytes(transparent("RGBA"))
    mask = image_files.load_image_mask(image="a.png", channel=channel, folders=folders)
    assert mask.values.shape == (1, 6, 8)
    assert mask.values[0, 3, [0, 7]].tolist() == expected


def test_an_opaque_picture_has_no_transparent_pixel(folders: Folders) -> None:
    (folders.root("input") / "a.png").write_bytes(encoded(halves(), "PNG"))
    mask = image_files.load_image_mask(image="a.png", channel="alpha", folders=folders)
    assert torch.equal(mask.values, torch.zeros((1, 6, 8)))


def saved_path(folders: Folders, saved: Saved) -> Path:
    return folders.root(saved.type) / saved.subfolder / saved.filename


def test_saved_pictures_are_truncated_to_eight_bits_and_carry_the_workflow(folders: Folders, ctx) -> None:
    values = torch.tensor([0.0, 0.999, 1.0, 1.5, -0.5, 0.5, float("nan")])
    image = Image(values.reshape(1, 1, 7, 1).expand(1, 1, 7, 3))
    prompt, workflow = {"1": {"class_type": "SaveImage"}}, {"nodes": [], "name": "é"}
    shown = image_files.save_image(
        images=image,
        filename_prefix="a/b",
        prompt=prompt,
        extra_pnginfo={"workflow": workflow, "bad\0name": 1},
        folders=folders,
        ctx=ctx,
    )
    assert shown.files["images"] == [Saved("b_00001_.png", "a", "output")]
    with Pil.open(saved_path(folders, shown.files["images"][0])) as file:
        assert np.asarray(file)[0, :, 0].tolist() == [0, 254, 255, 255, 0, 127, 0]
        assert {k: json.loads(v) for k, v in file.info.items()} == {"prompt": prompt, "workflow": workflow}


def test_a_batch_is_counted_on_and_named_by_its_size(folders: Folders, ctx, noise: Image) -> None:
    image_files.save_image(images=noise, filename_prefix="%width%x%height%", folders=folders, ctx=ctx.__class__())
    shown = image_files.save_image(
        images=noise, filename_prefix="%width%x%height%", folders=folders, ctx=ctx.__class__()
    )
    assert [s.filename for s in shown.files["images"]] == ["24x16_00003_.png", "24x16_00004_.png"]
    numbered = image_files.save_image(images=noise, filename_prefix="n%batch_num%", folders=folders, ctx=ctx)
    assert [s.filename for s in numbered.files["images"]] == ["n0_00001_.png", "n1_00001_.png"]


def test_without_metadata_nothing_is_written_beside_the_picture(folders: Folders, ctx, noise: Image) -> None:
    shown = image_files.save_image(images=noise, folders=folders, ctx=ctx)
    with Pil.open(saved_path(folders, shown.files["images"][1])) as file:
        assert file.info == {}


def test_alpha_is_saved_and_comes_back(folders: Folders, ctx, noise: Image) -> None:
    image = Image(torch.cat([noise.pixels, noise.pixels[..., :1]], dim=-1))
    shown = image_files.save_image(images=image, filename_prefix="rgba", folders=folders, ctx=ctx)
    back = image_files.load_image_output(image=shown.files["images"][0].filename, folders=folders)
    torch.testing.assert_close(back.mask.values[0], 1 - noise.pixels[0, ..., 0], atol=1 / 255, rtol=0)
    torch.testing.assert_close(back.image.pixels[0], noise.pixels[0], atol=1 / 255, rtol=0)


def test_previews_and_masks_go_to_temp_under_new_names(folders: Folders, ctx, noise: Image) -> None:
    first = image_files.preview_image(images=noise, folders=folders, ctx=ctx).files["images"]
    second = image_files.preview_mask(mask=Mask(noise.pixels[..., 0]), folders=folders, ctx=ctx.__class__()).files
    assert len({s.filename for s in (*first, *second["images"])}) == 4
    assert all(s.type == "temp" and saved_path(folders, s).is_file() for s in (*first, *second["images"]))


def test_moving_pictures_are_saved_frame_by_frame(folders: Folders, ctx, noise: Image) -> None:
    for save, suffix in ((image_files.save_animated_webp, ".webp"), (image_files.save_animated_png, ".png")):
        shown = save(images=noise, fps=4.0, prompt={"1": {}}, folders=folders, ctx=ctx.__class__())
        path = saved_path(folders, shown.files["images"][0])
        assert path.suffix == suffix
        assert list(shown.data["animated"]) == [True]
        with Pil.open(path) as file:
            frames = [np.asarray(f.convert("RGB")) for f in ImageSequence.Iterator(file)]
            assert file.info["duration"] == pytest.approx(250)
        np.testing.assert_array_equal(frames, (noise.pixels.numpy() * 255).astype(np.uint8))
        assert b"prompt" in path.read_bytes()


@pytest.mark.parametrize(
    ("format", "suffix", "tolerance"), [("png", ".png", 1), ("webp", ".webp", 40), ("jpeg", ".jpg", 40)]
)
def test_saving_as(folders: Folders, ctx, format: str, suffix: str, tolerance: int) -> None:
    picture = Image(torch.linspace(0, 1, 32).reshape(1, 1, 32, 1).expand(2, 32, 32, 3))
    with_text = image_files.save_image_as(
        images=picture, format=format, prompt={"7": {}}, extra_pnginfo={"workflow": {"x": 1}}, folders=folders, ctx=ctx
    )
    without = image_files.save_image_as(
        images=picture, format=format, metadata=False, prompt={"7": {}}, folders=folders, ctx=ctx.__class__()
    )
    first = saved_path(folders, with_text.files["images"][1])
    assert first.suffix == suffix
    assert b'"7"' in first.read_bytes()
    assert b"workflow" in first.read_bytes()
    assert b'"7"' not in saved_path(folders, without.files["images"][1]).read_bytes()
    with Pil.open(first) as file:
        levels = np.asarray(file.convert("RGB")).astype(int)
    assert np.abs(levels - picture.pixels[1].numpy() * 255).max() <= tolerance


@pytest.mark.parametrize("format", ["webp", "jpeg"])
def test_a_picture_too_long_for_its_format_is_refused(folders: Folders, ctx, format: str) -> None:
    with pytest.raises(NodeError, match="70000 x 1"):
        image_files.save_image_as(images=Image(torch.zeros((1, 1, 70_000, 3))), format=format, folders=folders, ctx=ctx)


def test_sending_pictures_writes_none(folders: Folders, ctx, noise: Image) -> None:
    image_files.save_image_websocket(images=noise, ctx=ctx)
    assert [(step, steps) for step, steps, _ in ctx.steps] == [(1, 2), (2, 2)]
    with Pil.open(io.BytesIO(ctx.steps[1][2].data)) as file:
        np.testing.assert_array_equal(np.asarray(file), (noise.pixels[1].numpy() * 255).astype(np.uint8))
    assert not any(folders.root("output").iterdir())


def test_a_stopped_job_saves_no_more(folders: Folders, ctx, noise: Image) -> None:
    ctx.stopped = True
    with pytest.raises(Cancelled):
        image_files.save_image(images=noise, folders=folders, ctx=ctx)
    assert not any(folders.root("output").iterdir())
