"""Nodes of rgthree's pack: LoRAs in stacks, seeds, two pictures compared."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, cast

from nodes.define import NEVER, AnyValue, Context, ExtraPnginfo, Never, NodeError, Prompt, Shown, node
from nodes.diffusion.lora import apply_lora
from nodes.folders import Folders
from nodes.image_files import preview_image
from nodes.types import Clip, Image, Model
from nodes.widgets import Cell, Files, Named, Range, Rows, Spare

PACK = "rgthree-comfy"

_CATEGORY = "rgthree"
_NONE = "None"
_MOST = 1125899906842624

_Lora = Annotated[str, Files("loras", extra=(_NONE,))]
_Strength = Annotated[float, Range(-10.0, 10.0, step=0.01)]
_Row = Annotated[
    AnyValue | None,
    Spare,
    Rows(
        "loras",
        (
            Cell("on", "BOOLEAN", default=True),
            Cell("lora", "COMBO", _NONE, Files("loras", extra=(_NONE,))),
            Cell("strength", "FLOAT", 1.0, Range(-10.0, 10.0, step=0.05, round=0.01)),
            Cell(
                "strengthTwo",
                "FLOAT",
                1.0,
                Range(-10.0, 10.0, step=0.05, round=0.01),
                "text encoder strength",
                optional=True,
            ),
        ),
        add="Add LoRA",
        before=({}, {"type": "PowerLoraLoaderHeaderWidget"}),
        after=({}, ""),
    ),
]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A LoRA by its name, with its strengths."""

    name: str
    model: float
    clip: float


class Changed(NamedTuple):
    """The model and its text encoder under the LoRAs."""

    MODEL: Model
    CLIP: Clip


@node(id="Lora Loader Stack (rgthree)", category=_CATEGORY)
def lora_stack(
    *,
    model: Model,
    clip: Clip,
    lora_01: _Lora = _NONE,
    strength_01: _Strength = 1.0,
    lora_02: _Lora = _NONE,
    strength_02: _Strength = 1.0,
    lora_03: _Lora = _NONE,
    strength_03: _Strength = 1.0,
    lora_04: _Lora = _NONE,
    strength_04: _Strength = 1.0,
    folders: Folders,
) -> Changed:
    """Change a model and its text encoder by up to four LoRAs."""
    rows = ((lora_01, strength_01), (lora_02, strength_02), (lora_03, strength_03), (lora_04, strength_04))
    wanted = [_Wanted(name, strength, strength) for name, strength in rows if name != _NONE]
    found, text = _applied(model, clip, wanted, folders)
    return Changed(cast("Model", found), cast("Clip", text))


@node(id="Power Lora Loader (rgthree)", category=_CATEGORY)
def power_lora_loader(
    *,
    model: Model | None = None,
    clip: Clip | None = None,
    lora_1: _Row = None,
    lora_2: _Row = None,
    lora_3: _Row = None,
    lora_4: _Row = None,
    lora_5: _Row = None,
    lora_6: _Row = None,
    lora_7: _Row = None,
    lora_8: _Row = None,
    lora_9: _Row = None,
    lora_10: _Row = None,
    lora_11: _Row = None,
    lora_12: _Row = None,
    folders: Folders,
) -> Changed:
    """Change a model and its text encoder by up to twelve LoRAs, those that are switched on.

    A row is {"on": true, "lora": name, "strength": number, "strengthTwo": number for the text encoder or null}.
    """
    rows = (lora_1, lora_2, lora_3, lora_4, lora_5, lora_6, lora_7, lora_8, lora_9, lora_10, lora_11, lora_12)
    found, text = _applied(model, clip, list(_rows(rows)), folders)
    return Changed(cast("Model", found), cast("Clip", text))


@power_lora_loader.fingerprint
def _power_changed(  # noqa: PLR0917 -- as many as there are rows
    lora_1: Any, lora_2: Any, lora_3: Any, lora_4: Any, lora_5: Any, lora_6: Any,
    lora_7: Any, lora_8: Any, lora_9: Any, lora_10: Any, lora_11: Any, lora_12: Any, folders: Folders,
) -> str:  # fmt: skip
    rows = (lora_1, lora_2, lora_3, lora_4, lora_5, lora_6, lora_7, lora_8, lora_9, lora_10, lora_11, lora_12)
    return _digests((each.name for each in _rows(rows)), folders)


def _rows(rows: Iterable[object]) -> Iterator[_Wanted]:
    """What the rows that are switched on want. Raises NodeError for one that is none."""
    for number, row in enumerate(rows, 1):
        if row is None or row in ("", {}):
            continue
        if not isinstance(row, Mapping):
            raise NodeError(f'lora_{number} is {row!r}; it must be {{"on": true, "lora": name, "strength": number}}.')
        held = cast("Mapping[str, object]", row)
        name = held.get("lora")
        if not held.get("on", True) or name in (None, "", _NONE):
            continue
        strength = _number(held.get("strength", 1.0), number)
        second = held.get("strengthTwo")
        yield _Wanted(str(name), strength, strength if second is None else _number(second, number))


def _number(value: object, row: int) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise NodeError(f"lora_{row} has the strength {value!r}; it must be a number.")
    return float(value)


def _applied(
    model: Model | None, clip: Clip | None, wanted: Iterable[_Wanted], folders: Folders
) -> tuple[Model | None, Clip | None]:
    for each in wanted:
        if each.model == 0 and each.clip == 0:
            continue
        path = folders.path("loras", each.name)
        model, clip = apply_lora(model, clip, path, strength_model=each.model, strength_clip=each.clip)
    return model, clip


def _digests(names: Iterable[str], folders: Folders) -> str:
    return " ".join(folders.digest("loras", name) for name in names)


@node(id="Seed (rgthree)", category=_CATEGORY, outputs=("SEED",))
def seed(*, value: Annotated[int, Range(-_MOST, _MOST), Named("seed")] = 0) -> int:
    """A seed. Below 0 it is another one every time."""
    return value if value >= 0 else random.SystemRandom().randrange(_MOST)


@seed.fingerprint
def _seed_changed(value: int | None) -> str | Never:
    return NEVER if value is not None and value < 0 else ""


@node(id="Image Comparer (rgthree)", category=_CATEGORY, terminal=True)
def image_comparer(
    *,
    image_a: Image | None = None,
    image_b: Image | None = None,
    prompt: Prompt = None,
    extra_pnginfo: ExtraPnginfo = None,
    folders: Folders,
    ctx: Context,
) -> Shown:
    """Show two batches of pictures beside each other, without keeping them."""
    shown = [
        preview_image(images=each, prompt=prompt, extra_pnginfo=extra_pnginfo, folders=folders, ctx=ctx)
        for each in (image_a, image_b)
        if each is not None
    ]
    return Shown.images([saved for each in shown for saved in each.files["images"]])
