"""What a file of upscaling weights holds, by the names and shapes of its tensors. Needs no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from nodes.diffusion.files import Header, Shapes, WeightsError

_PREFIXES = ("params_ema.", "params.", "module.", "model_state_dict.", "generator.")
_OLD = re.compile(r"model\.(\d+)\.(weight|bias)")
_OLD_BLOCK = re.compile(r"model\.1\.sub\.(\d+)\.RDB([123])\.conv([1-5])\.0\.(weight|bias)")
_OLD_BODY = re.compile(r"model\.1\.sub\.(\d+)\.(weight|bias)")
_TRUNK_BLOCK = re.compile(r"RRDB_trunk\.(\d+)\.RDB([123])\.conv([1-5])\.(weight|bias)")
_TRUNK = {
    "trunk_conv": "conv_body",
    "upconv1": "ups.0",
    "upconv2": "ups.1",
    "upconv3": "ups.2",
    "HRconv": "conv_hr",
    "conv_up1": "ups.0",
    "conv_up2": "ups.1",
    "conv_up3": "ups.2",
}


@dataclass(frozen=True, slots=True)
class UpscalerFacts:
    """The shape of an upscaling network."""

    family: Literal["esrgan", "compact"]
    scale: int
    channels: int
    out_channels: int
    width: int
    blocks: int
    growth: int = 32
    doublings: int = 2
    fold: int = 1
    learned_slopes: bool = True


@dataclass(frozen=True, slots=True)
class UpscalerFile:
    """What a file holds: the network's shape, and its own name for each tensor's name in the file."""

    facts: UpscalerFacts
    names: Mapping[str, str]


def recognise(header: Header) -> UpscalerFile:
    """The upscaler in a file. Raises WeightsError naming the file when it is none that is known."""
    prefix = next((p for p in _PREFIXES if any(name.startswith(p) for name in header.shapes)), "")
    stripped = {name.removeprefix(prefix): name for name in header.shapes}
    shapes = {short: header.shapes[name] for short, name in stripped.items()}
    for recognised in (_esrgan, _compact):
        try:
            found = recognised(shapes)
        except (KeyError, IndexError, ValueError, ZeroDivisionError):
            continue
        if found is not None:
            return UpscalerFile(found.facts, {stripped[old]: new for old, new in found.names.items()})
    raise WeightsError(
        f"{header.path.name} holds no upscaler that is known; ESRGAN, Real-ESRGAN and its compact kind are."
    )


def _esrgan(shapes: Shapes) -> UpscalerFile | None:
    names = _esrgan_names(shapes)
    by_new = {new: shapes[old] for old, new in names.items()}
    if "conv_first.weight" not in by_new or "body.0.rdb1.conv1.weight" not in by_new:
        return None
    width, first = by_new["conv_first.weight"][:2]
    out = by_new["conv_last.weight"][0]
    doublings = _count(by_new, r"ups\.(\d+)\.weight")
    fold = math.isqrt(first // out) if first % out == 0 else 1
    facts = UpscalerFacts(
        family="esrgan",
        scale=2**doublings // fold,
        channels=first // fold**2,
        out_channels=out,
        width=width,
        blocks=_count(by_new, r"body\.(\d+)\..*"),
        growth=by_new["body.0.rdb1.conv1.weight"][0],
        doublings=doublings,
        fold=fold,
    )
    return UpscalerFile(facts, names)


def _esrgan_names(shapes: Iterable[str]) -> dict[str, str]:
    """The network's names for those of a file, in any of the three ways in which ESRGANs have been written."""
    names: dict[str, str] = {}
    outer = sorted({int(m[1]) for name in shapes if (m := _OLD.fullmatch(name))})
    # In the oldest files layers are numbered: first, (upsampling) ..., two last ones.
    numbered = {n: f"ups.{i}" for i, n in enumerate(outer[1:-2])} if len(outer) > 2 else {}
    if len(outer) > 2:
        numbered |= {outer[0]: "conv_first", outer[-2]: "conv_hr", outer[-1]: "conv_last"}
    for name in shapes:
        if m := _OLD_BLOCK.fullmatch(name) or _TRUNK_BLOCK.fullmatch(name):
            names[name] = f"body.{m[1]}.rdb{m[2]}.conv{m[3]}.{m[4]}"
        elif m := _OLD_BODY.fullmatch(name):
            names[name] = f"conv_body.{m[2]}"
        elif m := _OLD.fullmatch(name):
            names[name] = f"{numbered[int(m[1])]}.{m[2]}"
        else:
            stem, _, end = name.rpartition(".")
            names[name] = f"{_TRUNK.get(stem, stem)}.{end}"
    return names


def _compact(shapes: Shapes) -> UpscalerFile | None:
    layers = _numbers(shapes, r"body\.(\d+)\.weight")
    if 0 not in layers or len(layers) < 2 or len(shapes["body.0.weight"]) != 4:
        return None
    width, channels = shapes["body.0.weight"][:2]
    last = max(layers)
    drawn = shapes[f"body.{last}.weight"][0]
    scale = math.isqrt(drawn // channels)
    if drawn != channels * scale**2:
        return None
    slopes = len(shapes.get("body.1.weight", ())) == 1
    blocks = (last - 2) // 2
    facts = UpscalerFacts("compact", scale, channels, channels, width, blocks, learned_slopes=slopes)
    return UpscalerFile(facts, {name: name for name in shapes})


def _numbers(names: Iterable[str], pattern: str) -> set[int]:
    return {int(m[1]) for name in names if (m := re.fullmatch(pattern, name))}


def _count(names: Iterable[str], pattern: str) -> int:
    return len(_numbers(names, pattern))
