"""LoRA files and their kin, of every spelling: which weight each means, and what it adds.

Kohya's and diffusers' names, SDXL's LDM names, LoCon, LoHa, LoKr, DoRA and plain differences.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from nodes.diffusion import families, files, ldm, modules
from nodes.diffusion.files import Shapes, WeightsError
from nodes.diffusion.patches import Target

if TYPE_CHECKING:
    from torch import Tensor

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
    "diff": "diff", "diff_b": "diff_b", "w_norm": "diff", "b_norm": "diff_b",
    **{name: name for name in ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2")},
    **{name: name for name in ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2")},
}  # fmt: skip
_OLD_LEAF = re.compile(r"(.+)_lora\.(up|down)\.weight")
_UNET_STEMS = ("lora_unet_", "unet.", "unet_", "diffusion_model.", "lycoris_", "base_model.model.", "")
_TEXT_STEMS: Mapping[str, tuple[str, ...]] = {
    "text_encoder": ("lora_te_", "lora_te1_", "text_encoder."),
    "text_encoder_2": ("lora_te2_", "lora_te_", "text_encoder_2."),
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
                found[bias] = _adding(tensors.pop("diff_b"), self.strength)
            if tensors.keys() - {"alpha", "diff_b"}:
                found[f"{name}.weight"] = _editing(tensors, self.strength)
        return found


def open_lora(path: Path, strength: float, side: Side) -> LoraPatch:
    """The patch of a LoRA file. Raises WeightsError when the file is no LoRA."""
    header = files.read_header(path)
    if not groups_of(header.shapes):
        raise WeightsError(f"{path} is no LoRA: no tensor of it has a LoRA's name.")
    return LoraPatch(path, files.digest(path), strength, side)


def apply_lora(
    model: Model | None, clip: Clip | None, path: Path, *, strength_model: float, strength_clip: float
) -> tuple[Model | None, Clip | None]:
    """Handles with a LoRA added after the patches they have; a strength of 0 leaves its side as it is.

    Raises WeightsError when the LoRA is made for another family.
    """
    if model is not None and strength_model != 0:
        patch = open_lora(path, strength_model, "unet")
        _check_fits(path, Target("unet", model.source.family, modules.unet_weights(model.source).shapes))
        model = model.patched(patch)
    if clip is not None and strength_clip != 0:
        patch = open_lora(path, strength_clip, "text")
        for source in clip.sources:
            _check_fits(path, Target(source.part, source.family, modules.text_weights(source).shapes))
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
    known = _aliases(target)
    for stem in groups:
        name = known.get(stem)
        if name is not None:
            yield stem, name


def _aliases(target: Target) -> dict[str, str]:
    """Every spelling of every module's name."""
    names = [n.removesuffix(".weight") for n in target.shapes if n.endswith(".weight")]
    found: dict[str, str] = {}
    if target.part == "unet":
        originals = ldm.unet_originals(target.shapes)
        for name in names:
            for spelling in (name, originals.get(name + ".weight", name + ".weight").removesuffix(".weight")):
                found |= {stem + s: name for stem in _UNET_STEMS for s in (spelling, spelling.replace(".", "_"))}
        return found
    for name in names:
        for spelling in (name, name.replace(".", "_")):
            found |= {stem + spelling: name for stem in _TEXT_STEMS.get(target.part, ())}
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
        said = _said_shape(groups[stem], shapes)
        has = target.shapes[name + ".weight"]
        if said and (said[0] != has[0] or said[1] != has[1]):
            raise WeightsError(_for_another(path, shapes, groups, target))
    if left := sorted(mine - matched.keys()):
        _log.warning(
            "%s: %d of its %d weights are unknown here, the first is %s.", path.name, len(left), len(mine), left[0]
        )


def _said_shape(leaves: Leaves, shapes: Shapes) -> tuple[int, int] | None:
    """(out, in) of the weight that a group is made for, where it says so plainly."""
    if "up" in leaves and "down" in leaves:
        return shapes[leaves["up"]][0], shapes[leaves["down"]][1]
    return None


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


def _adding(delta: Tensor, strength: float) -> Edit:
    return lambda weight: weight + strength * delta.to(weight).reshape(weight.shape)


def _editing(tensors: Mapping[str, Tensor], strength: float) -> Edit:
    """What a group's tensors do to a weight at this strength."""
    dora = tensors.get("dora_scale")

    def edit(weight: Tensor) -> Tensor:
        here = {leaf: tensor.to(weight) for leaf, tensor in tensors.items() if leaf != "alpha"}
        delta, rank = _delta(here, weight)
        alpha = tensors.get("alpha")
        scale = float(alpha) / rank if alpha is not None and rank else 1.0
        if dora is None:
            return weight + (strength * scale) * delta
        return weight + strength * (_decomposed(weight + scale * delta, here["dora_scale"]) - weight)

    return edit


def _delta(t: Mapping[str, Tensor], weight: Tensor) -> tuple[Tensor, int]:
    """The unscaled difference in the weight's shape, and the rank that alpha is divided by (0: none)."""
    for kind, make in _KINDS:
        if kind in t:
            delta, rank = make(t)
            return delta.reshape(weight.shape), rank
    return torch.zeros_like(weight), 0


def _plain(t: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    up, down = t["up"], t["down"]
    rank = down.shape[0]
    if (mid := t.get("mid")) is not None:
        # A convolution factored in three: 1x1 down, k x k in between, 1x1 up.
        return torch.einsum("or,rskl,si->oikl", up.flatten(1), mid, down.flatten(1)), rank
    return up.flatten(1) @ down.flatten(1), rank


def _hadamard(t: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    """LoHa: the product, element by element, of two low-rank matrices (Hyeon-Woo et al. 2021, arXiv:2108.06098)."""
    factors = [
        _rebuilt(t.get(f"hada_t{i}"), t[f"hada_w{i}_a"], t[f"hada_w{i}_b"])
        for i in (1, 2)
    ]  # fmt: skip
    return factors[0] * factors[1], t["hada_w1_b"].shape[0]


def _kronecker(t: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    """LoKr: a Kronecker product whose factors may themselves be of low rank."""
    rank = 0
    factors: list[Tensor] = []
    for i in (1, 2):
        if (whole := t.get(f"lokr_w{i}")) is not None:
            factors.append(whole)
            continue
        a, b = t[f"lokr_w{i}_a"], t[f"lokr_w{i}_b"]
        rank = b.shape[0]
        factors.append(_rebuilt(t.get("lokr_t2") if i == 2 else None, a, b))
    first, second = factors
    if second.ndim == 4:
        first = first[:, :, None, None]
    return torch.kron(first, second.contiguous()), rank


def _rebuilt(core: Tensor | None, a: Tensor, b: Tensor) -> Tensor:
    """a @ b, or the Tucker product with a convolution's core."""
    return a @ b if core is None else torch.einsum("ijkl,jr,ip->prkl", core, b, a)


def _whole(t: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    return t["diff"], 0


_KINDS: tuple[tuple[str, Callable[[Mapping[str, Tensor]], tuple[Tensor, int]]], ...] = (
    ("up", _plain),
    ("hada_w1_a", _hadamard),
    ("lokr_w1", _kronecker),
    ("lokr_w1_a", _kronecker),
    ("diff", _whole),
)


def _decomposed(changed: Tensor, magnitude: Tensor) -> Tensor:
    """The changed weight with the lengths that DoRA learned for its rows or columns (Liu et al., arXiv:2402.09353)."""
    flat = magnitude.flatten()
    axis = 0 if magnitude.shape[0] == changed.shape[0] else 1
    rows = changed.transpose(0, axis)
    shape = (len(rows), *[1] * (changed.ndim - 1))
    lengths = rows.flatten(1).norm(dim=1) + torch.finfo(torch.float32).eps
    return (rows * (flat / lengths).reshape(shape)).transpose(0, axis)
