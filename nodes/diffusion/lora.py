"""LoRA files and their kin, of every spelling: which weight each means. What it does to it is in `adapters`.

Kohya's, diffusers', peft's and LyCORIS' names, and LDM names after their stems.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nodes.diffusion import adapters, families, files, ldm, stored
from nodes.diffusion.files import Shapes, WeightsError
from nodes.diffusion.patches import Target
from nodes.digests import digest

if TYPE_CHECKING:
    from nodes.diffusion.patches import Edit
    from nodes.types import Clip, Model

_log = logging.getLogger(__name__)

Side = Literal["unet", "text"]
Leaves = Mapping[str, str]
"""For each kind of leaf ("up", "down", "alpha", ...), the tensor's name in the file."""

_LEAVES: Mapping[str, str] = {
    "lora_up.weight": "up", "lora_down.weight": "down", "lora_mid.weight": "mid",
    "lora_B.weight": "up", "lora_A.weight": "down",
    "lora_B.default.weight": "up", "lora_A.default.weight": "down",
    "lora.up.weight": "up", "lora.down.weight": "down",
    "lora_linear_layer.up.weight": "up", "lora_linear_layer.down.weight": "down",
    "alpha": "alpha", "dora_scale": "dora_scale", "lora_magnitude_vector": "dora_scale",
    "diff": "diff", "diff_b": "diff_b", "w_norm": "diff", "b_norm": "diff_b", "set_weight": "set_weight",
    **{f"{name}.weight": name for name in ("a1", "a2", "b1", "b2")},
    **{name: name for name in ("oft_blocks", "rescale")},
    **{name: name for name in ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2")},
    **{name: name for name in ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2")},
}  # fmt: skip
_OLD_LEAF = re.compile(r"(.+)_lora\.(up|down)\.weight")
_UNET_STEMS = (
    "lora_unet_",
    "oft_unet_",
    "lycoris_unet_",
    "unet.",
    "unet_",
    "diffusion_model.",
    "lycoris_",
    "base_model.model.",
    "",
)
_TEXT_STEMS: Mapping[str, tuple[str, ...]] = {
    "text_encoder": ("lora_te_", "lora_te1_", "text_encoder.", *(f"text_encoders.clip_{x}.transformer." for x in "lh")),
    "text_encoder_2": ("lora_te2_", "lora_te_", "text_encoder_2.", "text_encoders.clip_g.transformer."),
}
_WIDTHS: Mapping[int, str] = {768: "sd15", 1024: "sd2", 2048: "sdxl", 1280: "sdxl_refiner"}


@dataclass(frozen=True, slots=True)
class LoraPatch:
    """A LoRA's part for one side at a strength."""

    path: Path
    digest: str
    strength: float
    side: Side

    @property
    def key(self) -> str:
        """Identifies content and strength: equal keys make equal weights."""
        return f"lora:{self.digest}:{self.side}:{self.strength!r}"

    def scaled(self, factor: float) -> LoraPatch:
        """The same LoRA, so many times as strong."""
        return replace(self, strength=self.strength * factor)

    def check(self, target: Target) -> None:
        """Raise WeightsError unless it is made for such a part."""
        if (self.side == "unet") == (target.part == "unet"):
            _check_fits(self.path, target)

    def edits(self, target: Target) -> Mapping[str, Edit]:
        """How each tensor it touches changes, by the tensor's name."""
        if (self.side == "unet") != (target.part == "unet"):
            return {}
        groups = groups_of(files.read_header(self.path).shapes)
        matched = dict(_matches(groups, target))
        wanted = {full: full for stem in matched for full in groups[stem].values()}
        read = dict(files.read_tensors(self.path, wanted))
        found: dict[str, Edit] = {}
        for stem, name in matched.items():
            tensors = {leaf: read[full] for leaf, full in groups[stem].items()}
            if "diff_b" in tensors and (bias := f"{name}.bias") in target.shapes:
                found[bias] = adapters.adding(tensors.pop("diff_b"), self.strength)
            if tensors.keys() - {"alpha", "diff_b"}:
                found[f"{name}.weight"] = adapters.editing(tensors, self.strength)
        return found


def open_lora(path: Path, strength: float, side: Side) -> LoraPatch:
    """The patch of a LoRA file. Raises WeightsError when the file is no LoRA."""
    header = files.read_header(path)
    if not groups_of(header.shapes):
        raise WeightsError(f"{path} is no LoRA: no tensor of it has a LoRA's name.")
    return LoraPatch(path, digest(path), strength, side)


def apply_lora(
    model: Model | None, clip: Clip | None, path: Path, *, strength_model: float, strength_clip: float
) -> tuple[Model | None, Clip | None]:
    """Handles with a LoRA added after the patches they have; a strength of 0 leaves its side as it is.

    Raises WeightsError when the LoRA is made for another family.
    """
    if model is not None and strength_model != 0:
        patch = open_lora(path, strength_model, "unet")
        _check_fits(path, Target("unet", model.source.family, stored.shapes(model.source)))
        model = model.patched(patch)
    if clip is not None and strength_clip != 0:
        patch = open_lora(path, strength_clip, "text")
        for source in clip.sources:
            _check_fits(path, Target(source.part, source.family, stored.shapes(source)))
        clip = clip.patched(patch)
    return model, clip


def groups_of(shapes: Shapes) -> dict[str, dict[str, str]]:
    """A file's tensors by the weight they belong to: {stem: {leaf: tensor name}}."""
    groups: dict[str, dict[str, str]] = {}
    for name in shapes:
        stem, leaf = _taken_apart(name)
        if leaf:
            groups.setdefault(stem, {})[leaf] = name
    return groups


def _taken_apart(name: str) -> tuple[str, str]:
    """A tensor's name as the weight it belongs to and what it is to it; no leaf when it is nothing of a LoRA."""
    if m := _OLD_LEAF.fullmatch(name):
        stem = m[1].replace(".processor.", ".")
        return stem + (".0" if stem.endswith(".to_out") else ""), m[2]
    for ending, leaf in _LEAVES.items():
        if name.endswith("." + ending):
            return name.removesuffix("." + ending), leaf
    return name, ""


def _matches(groups: Mapping[str, Leaves], target: Target) -> Iterator[tuple[str, str]]:
    """(stem in the file, module's name) of every weight of the target that the file has something for."""
    known = _aliases(target.part, frozenset(target.shapes))
    for stem in groups:
        name = known.get(stem)
        if name is not None:
            yield stem, name


@lru_cache(maxsize=8)
def _aliases(part: str, tensors: frozenset[str]) -> Mapping[str, str]:
    """Every spelling of the name of every module of a part that has these tensors."""
    names = sorted(n.removesuffix(".weight") for n in tensors if n.endswith(".weight"))
    found: dict[str, str] = {}
    if part == "unet":
        originals = ldm.unet_originals(sorted(tensors))
        for name in names:
            for spelling in (name, originals.get(name + ".weight", name + ".weight").removesuffix(".weight")):
                found |= {stem + s: name for stem in _UNET_STEMS for s in (spelling, spelling.replace(".", "_"))}
        return found
    for name in names:
        for spelling in (name, name.replace(".", "_")):
            found |= {stem + spelling: name for stem in _TEXT_STEMS.get(part, ())}
    return found | {old: name for name in names for old in _old_text_names(name)}


def _old_text_names(name: str) -> Iterator[str]:
    """How diffusers once spelled a text encoder's attention: to_q for q_proj, to_out for out_proj."""
    m = re.fullmatch(r"(.+\.self_attn)\.(q|k|v|out)_proj", name)
    if m:
        yield f"text_encoder.{m[1]}.to_{m[2]}" + (".0" if m[2] == "out" else "")


def _check_fits(path: Path, target: Target) -> None:
    """Raise WeightsError when what the file has for this part does not fit it; a UNet must find something."""
    shapes = files.read_header(path).shapes
    groups = groups_of(shapes)
    unet = target.part == "unet"
    mine = {stem for stem in groups if unet and not stem.startswith(("lora_te", "text_encoder", "te."))}
    matched = dict(_matches(groups, target))
    if mine and not matched:
        raise WeightsError(_for_another(path, shapes, groups, target))
    for stem, name in matched.items():
        found = {leaf: shapes[full] for leaf, full in groups[stem].items()}
        if not adapters.fits(found, target.shapes[name + ".weight"]):
            raise WeightsError(_for_another(path, shapes, groups, target))
    if left := sorted(mine - matched.keys()):
        _log.warning(
            "%s: %d of its %d weights are unknown here, the first is %s.", path.name, len(left), len(mine), left[0]
        )


def _for_another(path: Path, shapes: Shapes, groups: Mapping[str, Leaves], target: Target) -> str:
    here = families.family_named(target.family).title
    width = next(
        (s[1] for stem, leaves in groups.items() if "attn2" in stem and stem.endswith("to_k")
         for s in [shapes[leaves["down"]] if "down" in leaves else (0, 0)]),
        0,
    )  # fmt: skip
    made_for = _WIDTHS.get(width)
    what = f"is made for {families.family_named(made_for).title}" if made_for and made_for != target.family else (
        "is made for another model"
    )  # fmt: skip
    return f"{path} {what}; the model here is {here}."
