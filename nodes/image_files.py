"""Pictures in and out of files."""

from __future__ import annotations

import secrets
from typing import Annotated, NamedTuple

from nodes.define import NEVER, Context, ExtraPnginfo, Never, Prompt, Saved, Shown, node
from nodes.folders import Folders, Place
from nodes.pictures import decode, encode
from nodes.types import Image, Mask, Preview
from nodes.widgets import Choice, Files, Range, Tip

_INPUT = Files("input", upload="image")


class LoadedImage(NamedTuple):
    """A file's pictures, and 1 where they are transparent."""

    image: Image
    mask: Mask


@node(id="LoadImage", title="Load Image", category="image")
def load_image(*, image: Annotated[str, _INPUT], folders: Folders) -> LoadedImage:
    """Open a picture file: its frames upright and in RGB, and a mask of what is transparent."""
    picture = decode.read_picture(folders.file(image))
    return LoadedImage(picture.image, picture.mask)


@node(id="LoadImageMask", title="Load Image (as Mask)", category="mask")
def load_image_mask(
    *,
    image: Annotated[str, _INPUT],
    channel: Annotated[str, Choice(("alpha", "red", "green", "blue"))] = "alpha",
    folders: Folders,
) -> Mask:
    """Open one channel of a picture file as a mask; for alpha, 1 is where the picture is transparent."""
    return decode.read_channel(folders.file(image), channel)


@node(id="LoadImageOutput", title="Load Image (from Outputs)", category="image", experimental=True)
def load_image_output(*, image: Annotated[str, Files("output", upload="image")], folders: Folders) -> LoadedImage:
    """Open a picture that was made here."""
    picture = decode.read_picture(folders.file(image, "output"))
    return LoadedImage(picture.image, picture.mask)


@node(id="SaveImage", title="Save Image", category="image", terminal=True)
def save_image(
    *,
    images: Image,
    filename_prefix: str = "ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: ExtraPnginfo = None,
    folders: Folders,
    ctx: Context,
) -> Shown:
    """Write pictures as PNG files into the output folder, with the workflow inside.

    The prefix may name a subfolder, and hold %width%, %height%, %year%, %month%, %day%, %hour%, %minute%, %second%
    and %batch_num%.
    """
    texts = encode.metadata(prompt, extra_pnginfo)
    return Shown.images(_save_pngs(images, folders, ctx, texts, prefix=filename_prefix, place="output", level=4))


@node(id="PreviewImage", title="Preview Image", category="image", terminal=True)
def preview_image(
    *,
    images: Image,
    prompt: Prompt = None,
    extra_pnginfo: ExtraPnginfo = None,
    folders: Folders,
    ctx: Context,
) -> Shown:
    """Show pictures without keeping them."""
    texts = encode.metadata(prompt, extra_pnginfo)
    return Shown.images(_save_pngs(images, folders, ctx, texts, prefix=preview_prefix(), place="temp", level=1))


@node(id="MaskPreview", title="Preview Mask", category="mask", terminal=True)
def preview_mask(
    *,
    mask: Mask,
    prompt: Prompt = None,
    extra_pnginfo: ExtraPnginfo = None,
    folders: Folders,
    ctx: Context,
) -> Shown:
    """Show a mask as a grey picture, without keeping it."""
    images = Image(mask.values.unsqueeze(-1).expand(-1, -1, -1, 3))
    texts = encode.metadata(prompt, extra_pnginfo)
    return Shown.images(_save_pngs(images, folders, ctx, texts, prefix=preview_prefix(), place="temp", level=1))


@node(id="SaveAnimatedWEBP", category="image/animation", terminal=True)
def save_animated_webp(
    *,
    images: Image,
    filename_prefix: str = "ComfyUI",
    fps: Annotated[float, Range(0.01, 1000, step=0.01)] = 6.0,
    lossless: bool = True,
    quality: Annotated[int, Range(0, 100)] = 80,
    method: Annotated[str, Choice(tuple(encode.WEBP_METHODS))] = "default",
    prompt: Prompt = None,
    extra_pnginfo: ExtraPnginfo = None,
    folders: Folders,
    ctx: Context,
) -> Shown:
    """Write a batch of pictures as one moving WebP."""
    texts = encode.metadata(prompt, extra_pnginfo)
    data = encode.webp(list(images.pixels), texts, fps=fps, lossless=lossless, quality=quality, method=method)
    saved = folders.save(filename_prefix, ".webp", data, ctx=ctx, size=_size(images))
    return Shown.images([saved], animated=len(images.pixels) > 1)


@node(id="SaveAnimatedPNG", category="image/animation", terminal=True)
def save_animated_png(
    *,
    images: Image,
    filename_prefix: str = "ComfyUI",
    fps: Annotated[float, Range(0.01, 1000, step=0.01)] = 6.0,
    compress_level: Annotated[int, Range(0, 9)] = 4,
    prompt: Prompt = None,
    extra_pnginfo: ExtraPnginfo = None,
    folders: Folders,
    ctx: Context,
) -> Shown:
    """Write a batch of pictures as one moving PNG."""
    texts = encode.metadata(prompt, extra_pnginfo)
    data = encode.animated_png(list(images.pixels), texts, fps, compress_level)
    saved = folders.save(filename_prefix, ".png", data, ctx=ctx, size=_size(images))
    return Shown.images([saved], animated=True)


@node(id="SaveImageAs", title="Save Image As", category="image", terminal=True)
def save_image_as(
    *,
    images: Image,
    filename_prefix: str = "ComfyUI",
    format: Annotated[str, Choice(("png", "webp", "jpeg"))] = "png",
    quality: Annotated[int, Range(1, 100)] = 90,
    lossless: Annotated[bool, Tip("WebP only.")] = False,
    metadata: Annotated[bool, Tip("Write the workflow into the file.")] = True,
    prompt: Prompt = None,
    extra_pnginfo: ExtraPnginfo = None,
    folders: Folders,
    ctx: Context,
) -> Shown:
    """Write pictures into the output folder as PNG, WebP or JPEG, with or without the workflow inside."""
    texts = encode.metadata(prompt, extra_pnginfo) if metadata else {}
    saved: list[Saved] = []
    for index, pixels in enumerate(images.pixels):
        ctx.check()
        if format == "webp":
            suffix, data = ".webp", encode.webp([pixels], texts, lossless=lossless, quality=quality)
        elif format == "jpeg":
            suffix, data = ".jpg", encode.jpeg(pixels, texts, quality)
        else:
            suffix, data = ".png", encode.png(pixels, texts)
        saved.append(folders.save(filename_prefix, suffix, data, ctx=ctx, index=index, size=_size(images)))
    return Shown.images(saved)


@node(id="SaveImageWebsocket", category="api/image", terminal=True)
def save_image_websocket(*, images: Image, ctx: Context) -> Shown:
    """Send pictures to whoever listens, as PNG, and write none."""
    for index, pixels in enumerate(images.pixels):
        ctx.progress(index + 1, len(images.pixels), Preview(encode.png(pixels, {}, 1), "image/png"))
    return Shown()


@save_image_websocket.fingerprint
def _always() -> Never:
    return NEVER


def preview_prefix() -> str:
    """A new name for temporary pictures, so that no browser shows an older one of the same name."""
    return f"ComfyUI_temp_{secrets.token_hex(3)}"


def _size(images: Image) -> tuple[int, int]:
    height, width = images.pixels.shape[1:3]
    return width, height


def _save_pngs(
    images: Image, folders: Folders, ctx: Context, texts: encode.Metadata, *, prefix: str, place: Place, level: int
) -> list[Saved]:
    saved: list[Saved] = []
    for index, pixels in enumerate(images.pixels):
        ctx.check()
        data = encode.png(pixels, texts, level)
        saved.append(folders.save(prefix, ".png", data, place=place, ctx=ctx, index=index, size=_size(images)))
    return saved
