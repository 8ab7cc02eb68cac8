"""GLIGEN: what is to be where, as boxes with words, through gated attention of its own. arXiv:2301.07093."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodes.diffusion import files, ldm, modules
from nodes.diffusion.files import Shapes, WeightsError
from nodes.digests import digest
from nodes.types import Cond, Conditioning, Gligen, Source

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from nodes.diffusion.unet import UNet
    from nodes.diffusion.unet_attention import Call
    from nodes.diffusion.weights import Weights

KEY = "gligen"
"""Among a conditioning's extras: its `Grounding`."""

_MOST_BOXES = 30
_FUSER = re.compile(r"((?:input_blocks|middle_block|output_blocks)\..+)\.fuser\.(.+)")
_WORDS = "position_net.linears.0.weight"
_POSITION_WIDTH = 64
_SD1_HEADS, _HEAD_WIDTH = 8, 64
_WIDE_CONTEXTS = (1024, 2048)


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """Words [1,E] as a text encoder pooled them, and where they are to be, in latent pixels."""

    words: Tensor
    height: int
    width: int
    y: int
    x: int


@dataclass(frozen=True, slots=True, eq=False)
class Grounding:
    """What is to be where, by GLIGEN's weights."""

    gligen: Gligen
    boxes: tuple[Box, ...]


def open_gligen(path: Path) -> Gligen:
    """The grounding weights in a file. Raises WeightsError when it holds none for words in boxes."""
    shapes = files.read_header(path).shapes
    if _WORDS not in shapes or not any(_FUSER.fullmatch(name) for name in shapes):
        raise WeightsError(f"{path} holds no GLIGEN weights for boxes with words (position_net, fuser).")
    return Gligen(Source(path, digest(path), "gligen"))


def words_width(gligen: Gligen) -> int:
    """How wide the pooled words must be."""
    return files.read_header(gligen.source.path).shapes[_WORDS][1] - _POSITION_WIDTH


def with_box(cond: Cond, gligen: Gligen, box: Box) -> Cond:
    """The conditioning with one more box."""
    known: Grounding | None = cond.extras.get(KEY)
    boxes = known.boxes if known is not None and known.gligen == gligen else ()
    return cond.having(extras={**cond.extras, KEY: Grounding(gligen, (*boxes, box))})


def shared(sides: Mapping[str, Conditioning]) -> Mapping[str, Conditioning]:
    """The sides, the others grounded as the positive one is: guidance compares like with like."""
    whole = (cond for cond in sides.get("positive", ()) if cond.area is None)
    grounding = next((cond.extras[KEY] for cond in whole if KEY in cond.extras), None)
    if grounding is None:
        return sides

    def grounded(cond: Cond) -> Cond:
        if cond.area is not None or KEY in cond.extras:
            return cond
        return cond.having(extras={**cond.extras, KEY: grounding})

    return {
        name: side if name == "positive" else Conditioning(tuple(grounded(cond) for cond in side))
        for name, side in sides.items()
    }


def companions_of(sides: Mapping[str, Conditioning]) -> list[GatedAttention]:
    """A companion for each of the GLIGEN weights that conditionings name."""
    named = {cond.extras[KEY].gligen: None for side in sides.values() for cond in side if KEY in cond.extras}
    return [GatedAttention(gligen) for gligen in named]


@dataclass(frozen=True, slots=True)
class GatedAttention:
    """GLIGEN's attention over boxes, between a block's self- and cross-attention."""

    gligen: Gligen

    @contextmanager
    def joined(self, unet: UNet, call: Call, weights: Weights) -> Iterator[Iterable[Any]]:
        """Its hooks on a UNet's transformer blocks."""
        with weights.module(self.gligen.source, load, unet.dtype) as module:
            net: Any = module
            known = net.fusers_by_name()
            found = {name: known[theirs] for name, theirs in _blocks(unet.module).items() if theirs in known}
            if len(found) != len(known) or not _fit(unet.module, found):
                raise WeightsError(
                    f"{self.gligen.source.path.name} is made for another model family than {unet.title}."
                )
            yield list(self._hooks(unet.module, call, net, found))

    def _hooks(self, module: Any, call: Call, net: Any, fusers: Mapping[str, Any]) -> Iterator[Any]:
        said = _Said(self.gligen, call, net)
        yield module.conv_in.register_forward_pre_hook(said.begin)
        for name, fuser in fusers.items():
            block = module.get_submodule(name)
            gate = _Gate(said, fuser)
            yield block.norm2.register_forward_pre_hook(gate.before)
            yield block.attn2.register_forward_hook(gate.after)


def _blocks(module: Any) -> dict[str, str]:
    """LDM's name of each transformer block of a UNet."""
    ends = ".norm1.weight"
    originals = ldm.unet_originals([name for name, _ in module.named_parameters()])
    return {
        ours.removesuffix(ends): theirs.removesuffix(ends)
        for ours, theirs in originals.items()
        if ours.endswith(ends) and ".transformer_blocks." in ours
    }


def _fit(module: Any, fusers: Mapping[str, Any]) -> bool:
    return all(module.get_submodule(n).norm2.normalized_shape == f.norm1.normalized_shape for n, f in fusers.items())


@dataclass(slots=True, eq=False)
class _Said:
    """What the boxes of the call that is on say, [1,N,C]; None where it has none."""

    gligen: Gligen
    call: Call
    net: Any
    objects: Tensor | None = None
    known: dict[tuple[int, tuple[int, int]], tuple[Grounding, Tensor]] = field(default_factory=dict)

    def begin(self, _: Any, args: tuple[Any, ...]) -> None:
        grounding: Any = (self.call.inputs.extras or {}).get(KEY)
        if grounding is None or grounding.gligen != self.gligen:
            self.objects = None
            return
        x: Tensor = args[0]
        key = id(grounding), (x.shape[-2], x.shape[-1])
        if key not in self.known:
            # The grounding is kept too, so that its id stays its own.
            self.known[key] = grounding, self.net(*_inputs(grounding, *key[1], like=x))
        self.objects = self.known[key][1]


def _inputs(grounding: Grounding, height: int, width: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes [1,N,4] as shares of the picture, which of them there are [1,N], and their words [1,N,E]."""
    boxes = grounding.boxes[:_MOST_BOXES]
    words = like.new_zeros(1, _MOST_BOXES, boxes[0].words.shape[-1])
    edges, there = like.new_zeros(1, _MOST_BOXES, 4), like.new_zeros(1, _MOST_BOXES)
    for i, box in enumerate(boxes):
        words[0, i] = box.words[0].to(words)
        right, bottom = box.x + box.width, box.y + box.height
        edges[0, i] = like.new_tensor([box.x / width, box.y / height, right / width, bottom / height])
        there[0, i] = 1
    return edges, there, words


@dataclass(slots=True, eq=False)
class _Gate:
    """Changes what a block sees between its two attentions: before the second, and in what is added to it."""

    said: _Said
    fuser: Any
    change: Tensor | None = None

    def before(self, _: Any, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        objects, x = self.said.objects, args[0]
        if objects is None:
            self.change = None
            return None
        seen = self.fuser(x, objects.expand(len(x), -1, -1))
        self.change = seen - x
        return (seen, *args[1:])

    def after(self, _: Any, __: Any, out: Tensor) -> Tensor | None:
        change, self.change = self.change, None
        return None if change is None else out + change


def load(source: Source, dtype: torch.dtype) -> nn.Module:
    """The grounding weights on the CPU."""
    import torch  # noqa: PLC0415

    from nodes.diffusion.gligen_model import GligenNet  # noqa: PLC0415 -- defines networks

    shapes = files.read_header(source.path).shapes
    sizes = _fusers(shapes)
    numbers = {name: i for i, name in enumerate(sizes)}
    names = {name: name for name in shapes if name.startswith("position_net.")}
    for name in shapes:
        if m := _FUSER.fullmatch(name):
            names[name] = f"fusers.{numbers[m[1]]}.{m[2]}"
    out = max(int(m[1]) for name in names if (m := re.fullmatch(r"position_net\.linears\.(\d+)\.weight", name)))
    with torch.device("meta"):
        module = GligenNet(shapes[_WORDS][1] - _POSITION_WIDTH, shapes[f"position_net.linears.{out}.weight"][0], sizes)
    return modules.filled(module, files.read_tensors(source.path, names), dtype, source.path)


def _fusers(shapes: Shapes) -> dict[str, tuple[int, int, int]]:
    """(width, context, heads) of each gated attention, by its block's name."""
    found: dict[str, tuple[int, int, int]] = {}
    for name, shape in shapes.items():
        if (m := _FUSER.fullmatch(name)) and m[2] == "linear.weight":
            width, context = shape
            heads = width // _HEAD_WIDTH if context in _WIDE_CONTEXTS else _SD1_HEADS
            found[m[1]] = (width, context, heads)
    return found
