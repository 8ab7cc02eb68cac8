"""ControlNets that are written as a change to the UNet that they steer: of low rank, or as plain differences."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nodes.diffusion import families, files, ldm, modules, stored
from nodes.diffusion.files import WeightsError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from nodes.diffusion.stored import Stored
    from nodes.types import Source

MARKS: Mapping[str, str] = {"lora_controlnet": "control_lora", "difference": "control_difference"}
"""What such a file is, by the tensor that marks it."""
_TRUNK = ("conv_in.", "time_embedding.", "add_embedding.", "class_embedding.", "down_blocks.", "mid_block.")


@dataclass(slots=True)
class _Change:
    """What a file holds: tensors for the UNet's names, low-rank pairs for its weights, and the net's own tensors."""

    tensors: dict[str, str] = field(default_factory=dict[str, str])
    pairs: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    own: dict[str, str] = field(default_factory=dict[str, str])


def load(source: Source, dtype: torch.dtype) -> nn.Module:
    """The ControlNet on the CPU in `dtype`, made of the UNet that the option "base" names and the file's change.

    Raises WeightsError when the file is made for another UNet.
    """
    base: Source = dict(source.options)["base"]
    trunk = {name: tensor for name, tensor in stored.tensors(base).items() if name.startswith(_TRUNK)}
    header = files.read_header(source.path)
    change = _read(list(header.shapes), trunk, dict(source.options).get("prefix", ""))
    _check(source, base, change, header.shapes, trunk)
    shapes = {name: tensor.shape for name, tensor in trunk.items()}
    shapes |= {name: header.shapes[full] for name, full in change.own.items()}
    config = families.controlnet_config(shapes)
    # Of a UNet in a folder the configuration says more than its shapes.
    said = modules.unet_weights(base).config
    config |= {name: said[name] for name in config if said.get(name) is not None}
    return modules.controlnet_of(config, _tensors(source, change, trunk), dtype, source.path)


def _read(names: list[str], trunk: Mapping[str, Stored], prefix: str) -> _Change:
    ours = {theirs: name for name, theirs in ldm.unet_originals(list(trunk)).items()}
    change, rest = _Change(), dict[str, str]()
    for full in names:
        name = full.removeprefix(prefix)
        pair = re.fullmatch(r"(.+)\.(up|down)", name)
        if name in MARKS:
            continue
        if pair is not None:
            change.pairs.setdefault(ours.get(pair[1] + ".weight", pair[1]), {})[pair[2]] = full
        elif name in ours:
            change.tensors[ours[name]] = full
        else:
            rest[name] = full
    change.own = {new: rest[old] for old, new in ldm.controlnet_names(list(rest)).items()}
    return change


def _check(source: Source, base: Source, change: _Change, shapes: files.Shapes, trunk: Mapping[str, Stored]) -> None:
    def product(pair: Mapping[str, str]) -> int:
        if pair.keys() != {"up", "down"}:
            return -1
        up, down = shapes[pair["up"]], shapes[pair["down"]]
        return up[0] * math.prod(down[1:])

    fits = all(name in trunk and math.prod(trunk[name].shape) == product(pair) for name, pair in change.pairs.items())
    if not fits or any(trunk[name].shape != shapes[full] for name, full in change.tensors.items()):
        here = families.family_named(base.family).title
        raise WeightsError(f"The ControlNet {source.path.name} is made for another model; the model here is {here}.")


def _tensors(source: Source, change: _Change, trunk: Mapping[str, Stored]) -> Iterator[tuple[str, Tensor]]:
    wanted = [*change.tensors.values(), *change.own.values(), *(f for p in change.pairs.values() for f in p.values())]
    read: dict[str, Any] = dict(files.read_tensors(source.path, {name: name for name in wanted}))
    adds = source.part == "control_difference"
    for name, tensor in trunk.items():
        if (full := change.tensors.get(name)) is not None:
            yield name, tensor.read().float() + read[full].float() if adds else read[full]
        elif (pair := change.pairs.get(name)) is not None:
            up, down = (read[pair[side]].float().flatten(1) for side in ("up", "down"))
            yield name, tensor.read().float() + (up @ down).reshape(tensor.shape)
        else:
            yield name, tensor.read()
    for name, full in change.own.items():
        yield name, read[full]
