"""Nodes of the WAS suite: texts put together, picked and shown; pictures and latents resized."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import PurePath
from typing import Annotated, NamedTuple

import numpy as np
import torch
from PIL import Image as Pil

from nodes.conditioning import encode_text
from nodes.define import AnyValue, NodeError, Shown, node
from nodes.diffusion.weights import Weights
from nodes.digests import digest
from nodes.folders import Folders
from nodes.pictures.resize import resize, to_bytes
from nodes.types import Clip, Conditioning, Image, Latent
from nodes.widgets import Choice, Named, Range, Seed, Socket, Text, Wire

PACK = "WAS Node Suite"

_TEXT = "WAS Suite/Text"
_LARGEST_TEXT = 4 << 20
_YES, _NO = "true", "false"
_YES_NO = (_YES, _NO)
_METHODS = ("area", "bicubic", "bilinear", "nearest")
_FILTERS = ("lanczos", "nearest", "bilinear", "bicubic")
_FINER = 8
_MOST_PIXELS = 1 << 28

_Lines = Annotated[str, Text(multiline=True)]
_Line = Annotated[str, Text()]
_Given = Annotated[str | None, Wire]


class Texts(NamedTuple):
    """Up to four texts."""

    text: Annotated[str, Named("STRING")]
    text_b: Annotated[str, Named("STRING")]
    text_c: Annotated[str, Named("STRING")]
    text_d: Annotated[str, Named("STRING")]


class Told(NamedTuple):
    """A text, which is shown too."""

    STRING: str
    ui: Shown


class Numbers(NamedTuple):
    """How large pictures are, as numbers of every kind."""

    width_num: Annotated[int, Socket("NUMBER")]
    height_num: Annotated[int, Socket("NUMBER")]
    width_float: float
    height_float: float
    width_int: int
    height_int: int


class Replaced(NamedTuple):
    """A text with something replaced, and how often it was."""

    result_text: str
    replacement_count_number: Annotated[int, Socket("NUMBER")]
    replacement_count_float: float
    replacement_count_int: int


class Loaded(NamedTuple):
    """A file's text, and its lines by the file's name."""

    STRING: str
    DICT: Annotated[AnyValue, Socket("DICT")]


@node(id="Text Multiline", category=_TEXT)
def text_multiline(*, text: Annotated[str, Text(multiline=True)] = "") -> str:
    """Text of many lines; those that begin with # are left out."""
    return "\n".join(line for line in text.splitlines() if not line.strip().startswith("#"))


@node(id="Text String", category=_TEXT)
def text_string(*, text: _Line = "", text_b: _Line = "", text_c: _Line = "", text_d: _Line = "") -> Texts:
    """Up to four lines of text."""
    return Texts(text, text_b, text_c, text_d)


@node(id="Text Concatenate", category=_TEXT)
def text_concatenate(
    *,
    delimiter: _Line = ", ",
    clean_whitespace: Annotated[str, Choice(_YES_NO)] = _YES,
    text_a: _Given = None,
    text_b: _Given = None,
    text_c: _Given = None,
    text_d: _Given = None,
) -> str:
    r"""Up to four texts, one after another, with something between; empty ones are left out. \n is a new line."""
    given = [text for text in (text_a, text_b, text_c, text_d) if text is not None]
    if clean_whitespace == _YES:
        given = [text.strip() for text in given]
    return delimiter.replace("\\n", "\n").join(text for text in given if text)


@node(id="Text to Conditioning", category=f"{_TEXT}/Operations")
def text_to_conditioning(*, clip: Clip, text: Annotated[str, Wire], weights: Weights, folders: Folders) -> Conditioning:
    """Encode a prompt, as CLIP Text Encode does it."""
    return encode_text(weights=weights, folders=folders, text=text, clip=clip)


@node(id="Text to Console", category=f"{_TEXT}/Debug", terminal=True)
def text_to_console(*, text: Annotated[str, Wire], label: _Line = "Text Output") -> Told:
    """Show a text under a label, and hand it on."""
    return Told(text, Shown(data={"text": [f"{label}:\n{text}"]}))


@node(id="Text Random Line", category=_TEXT)
def text_random_line(*, text: _Lines = "", seed: Annotated[int, Seed()] = 0) -> str:
    """One of a text's lines, chosen by the seed."""
    lines = [line for line in text.splitlines() if line.strip()]
    return random.Random(seed).choice(lines) if lines else ""


@node(id="Text Find and Replace", category=f"{_TEXT}/Search")
def text_replace(
    *, text: Annotated[str, Wire], find: _Line = "", replacement: Annotated[_Line, Named("replace")] = ""
) -> Replaced:
    """A text with every occurrence of one text replaced by another, and their number."""
    count = text.count(find) if find else 0
    return Replaced(text.replace(find, replacement) if find else text, count, float(count), count)


@node(id="Text Find and Replace Input", category=f"{_TEXT}/Search")
def text_replace_by_input(
    *, text: Annotated[str, Wire], find: Annotated[str, Wire], replacement: Annotated[str, Wire, Named("replace")]
) -> Replaced:
    """A text with every occurrence of one text replaced by another, and their number."""
    return text_replace(text=text, find=find, replacement=replacement)


@node(id="Load Text File", category="WAS Suite/IO")
def load_text_file(*, file_path: _Line = "", dictionary_name: _Line = "[filename]", folders: Folders) -> Loaded:
    """The text in a file of the input folder, and its lines; those that begin with # are left out."""
    text = _read(folders, file_path)
    lines = [line for line in text.splitlines() if not line.strip().startswith("#")]
    name = PurePath(file_path.replace("\\", "/")).stem if dictionary_name == "[filename]" else dictionary_name
    held: object = {name: lines}
    return Loaded("\n".join(lines), AnyValue(held))


@load_text_file.fingerprint
def _text_file_changed(file_path: str, folders: Folders) -> str:
    return digest(folders.file(_input_name(file_path)))


def _read(folders: Folders, name: str) -> str:
    path = folders.file(_input_name(name))
    if path.stat().st_size > _LARGEST_TEXT:
        raise NodeError(f"{name!r} has {path.stat().st_size} bytes; a text file here has at most {_LARGEST_TEXT}.")
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise NodeError(f"{name!r} is no UTF-8 text.") from None


def _input_name(name: str) -> str:
    """The file's name in the input folder; files elsewhere are out of reach."""
    if re.match(r"([a-zA-Z]:)?[\\/]", name):
        raise NodeError(f"{name!r} is a path on a computer; put the file into the input folder and name it alone.")
    return name.removeprefix("./").removeprefix("input/")


@node(id="Latent Upscale by Factor (WAS)", category="WAS Suite/Latent/Transform")
def latent_upscale(
    *,
    samples: Latent,
    mode: Annotated[str, Choice(_METHODS)] = "area",
    factor: Annotated[float, Range(0.1, 8.0, step=0.01)] = 2.0,
    align: Annotated[str, Choice(_YES_NO)] = _YES,  # noqa: ARG001 -- written into workflows
) -> Latent:
    """Resize a latent by a factor."""
    height, width = samples.samples.shape[-2:]
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return replace(samples, samples=resize(samples.samples, *size, mode))


@node(id="Image Resize", category="WAS Suite/Image/Transform")
def image_resize(
    *,
    image: Image,
    mode: Annotated[str, Choice(("rescale", "resize"))] = "rescale",
    supersample: Annotated[str, Choice(_YES_NO)] = _YES,
    resampling: Annotated[str, Choice(_FILTERS)] = "lanczos",
    rescale_factor: Annotated[float, Range(0.01, 16.0, step=0.01)] = 2.0,
    resize_width: Annotated[int, Range(1, 48000)] = 1024,
    resize_height: Annotated[int, Range(1, 48000)] = 1536,
) -> Image:
    """Resize pictures by a factor or to sides that are multiples of 8; supersampled, by way of eight times the size."""
    h, w = image.pixels.shape[1:3]
    if mode == "rescale":
        width, height = (max(1, int(side * rescale_factor)) for side in (w, h))
    else:
        width, height = (-(-side // 8) * 8 for side in (resize_width, resize_height))
    finer = _FINER if supersample == _YES else 1
    if width * height * finer**2 > _MOST_PIXELS:
        raise NodeError(
            f"A picture of {width * finer} x {height * finer} is too large; make it smaller, or turn supersample off."
        )
    method = Pil.Resampling[resampling.upper()]

    def resized(levels: np.ndarray) -> np.ndarray:
        picture = Pil.fromarray(levels)
        if finer > 1:
            picture = picture.resize((width * finer, height * finer), method)
        return np.asarray(picture.resize((width, height), method))

    levels = [resized(each) for each in to_bytes(image.pixels)]
    return Image(torch.from_numpy(np.stack(levels).astype(np.float32) / 255.0))


@node(id="Image Size to Number", category="WAS Suite/Number/Operations")
def image_size_to_number(*, image: Image) -> Numbers:
    """How wide and high pictures are."""
    height, width = image.pixels.shape[1:3]
    return Numbers(width, height, float(width), float(height), width, height)
