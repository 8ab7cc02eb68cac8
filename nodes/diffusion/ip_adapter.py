"""IP-Adapters: pictures as prompts, through attention of their own beside the text's. arXiv:2308.06721."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch

from nodes.diffusion import families, files, modules, vision
from nodes.diffusion.files import Shapes, WeightsError
from nodes.diffusion.ip_adapter_weights import Layer, layer_weights
from nodes.diffusion.regions import fit_batch
from nodes.digests import digest
from nodes.types import ClipVision, Source

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nodes.diffusion.unet import UNet
    from nodes.diffusion.unet_attention import Call
    from nodes.diffusion.weights import Weights
    from nodes.types import Model

Kind = Literal["plain", "plus", "full"]
Scaling = Literal["V only", "K+V", "K+V w/ C penalty", "K+mean(V) w/ C penalty"]
SCALINGS: tuple[Scaling, ...] = ("V only", "K+V", "K+V w/ C penalty", "K+mean(V) w/ C penalty")

_LAYER = re.compile(r"ip_adapter\.(\d+)\.to_k_ip\.weight")
_WIDEST = 1280.0
_CONTEXTS = {768: "SD 1.x", 1024: "SD 2.x", 2048: "SDXL"}
_AWAY = frozenset({"negative", "empty"})
"""The sides that guidance goes away from, which see what is not wanted."""


@dataclass(frozen=True, slots=True)
class IpAdapter:
    """A handle to an IP-Adapter, with the image encoder that a loader found for it."""

    socket: ClassVar[str] = "IPADAPTER"
    source: Source
    vision: ClipVision | None = None

    @property
    def kind(self) -> Kind:
        """What it reads of a picture: its embedding ("plain") or its states ("plus", "full")."""
        return dict(self.source.options)["kind"]

    @property
    def reads(self) -> int:
        """How wide the embeddings or states are that it reads."""
        return dict(self.source.options)["reads"]

    @property
    def context(self) -> int:
        """How wide its tokens are: as the text's of its family."""
        return dict(self.source.options)["context"]


@dataclass(frozen=True, slots=True, eq=False)
class Embeds:
    """What an image encoder says of pictures, as an IP-Adapter reads it: [B,E] or [B,T,W]."""

    socket: ClassVar[str] = "EMBEDS"
    values: Tensor


def open_ip_adapter(path: Path) -> IpAdapter:
    """The IP-Adapter in a file. Raises WeightsError when it holds none that is known."""
    shapes = files.read_header(path).shapes
    if any(_LAYER.fullmatch(name) for name in shapes) and _is_face_id(shapes):
        raise WeightsError(
            f"{path.name} is a FaceID adapter: it reads faces by insightface, which is no part of this program. "
            "Use a plus-face adapter, which reads them by CLIP."
        )
    kind = _kind(shapes)
    if kind is None:
        raise WeightsError(f"{path} is no IP-Adapter: it has no image_proj and ip_adapter tensors of a known kind.")
    reads = {
        "plain": shapes.get("image_proj.proj.weight", (0, 0))[-1],
        "plus": shapes.get("image_proj.proj_in.weight", (0, 0))[-1],
        "full": shapes.get("image_proj.proj.0.weight", (0, 0))[-1],
    }[kind]
    facts = (("kind", kind), ("reads", reads), ("context", _layers(shapes)[0][2]))
    return IpAdapter(Source(path, digest(path), "ip_adapter", "", facts))


def _is_face_id(shapes: Shapes) -> bool:
    plain_perceiver = any(name.startswith("image_proj.perceiver_resampler.") for name in shapes)
    lora = any(".to_q_lora." in name or ".to_k_lora." in name for name in shapes)
    return plain_perceiver or lora or ("image_proj.proj.2.weight" in shapes and "image_proj.norm.weight" in shapes)


def _kind(shapes: Shapes) -> Kind | None:
    if not _layers(shapes):
        return None
    signs: Sequence[tuple[str, Kind]] = (
        ("image_proj.proj.weight", "plain"),
        ("image_proj.latents", "plus"),
        ("image_proj.proj.3.weight", "full"),
    )
    return next((kind for sign, kind in signs if sign in shapes), None)


def _layers(shapes: Shapes) -> list[tuple[str, int, int]]:
    """(name, out, in) of each attention layer that the adapter adds to, in order."""
    found = {m[1]: shape for name, shape in shapes.items() if (m := _LAYER.fullmatch(name))}
    return [(name, found[name][0], found[name][1]) for name in sorted(found, key=int)]


def check_fits(adapter: IpAdapter, model: Model) -> None:
    """Raise WeightsError when the adapter is made for another family than the model's."""
    context = modules.unet_weights(model.source).config["cross_attention_dim"]
    context = context if isinstance(context, int) else context[0]
    if context != adapter.context:
        made_for = _CONTEXTS.get(adapter.context, f"text {adapter.context} wide")
        here = families.family_named(model.source.family).title
        raise WeightsError(f"{adapter.source.path.name} is made for {made_for}; the model here is {here}.")


def encode(
    weights: Weights, adapter: IpAdapter, encoder: ClipVision, pixels: Tensor, mask: Tensor | None = None
) -> Embeds:
    """What the adapter reads of pictures [B,H,W,C]; a mask [B,H,W] blanks what it leaves out.

    Raises WeightsError when the image encoder is not the one that the adapter was made for.
    """
    if mask is not None:
        # What is left out becomes the mean colour, which the encoder sees as nothing.
        pixels = pixels[..., :3] * mask[..., None] + pixels.new_tensor(vision.MEAN) * (1 - mask[..., None])
    seen = vision.encode(weights, encoder, pixels)
    values = seen.image_embeds if adapter.kind == "plain" else seen.penultimate_hidden_states
    if values.shape[-1] != adapter.reads:
        raise WeightsError(
            f"{adapter.source.path.name} reads {encoder_named(adapter)}; "
            f"{encoder.source.path.name} gives {values.shape[-1]} numbers where it takes {adapter.reads}."
        )
    return Embeds(values)


def encoder_named(adapter: IpAdapter) -> str:
    """The image encoder that an adapter was made for."""
    widths = {(True, 1024): "CLIP ViT-H", (True, 1280): "CLIP ViT-bigG", (True, 768): "CLIP ViT-L"}
    widths |= {(False, 1280): "CLIP ViT-H", (False, 1664): "CLIP ViT-bigG", (False, 1024): "CLIP ViT-L"}
    return widths.get((adapter.kind == "plain", adapter.reads), "another image encoder")


def nothing(weights: Weights, adapter: IpAdapter, encoder: ClipVision | None, like: Embeds) -> Embeds:
    """What the adapter reads of no picture: zeros, or of a black one where it reads states."""
    if adapter.kind == "plain" or encoder is None:
        return Embeds(torch.zeros_like(like.values[:1]))
    return encode(weights, adapter, encoder, torch.zeros(1, 224, 224, 3))


@dataclass(frozen=True, slots=True, eq=False)
class ImagePrompt:
    """Pictures that a model is shown through an IP-Adapter, how strongly, where, and between which noise levels.

    `layers` names how the weight is spread over the attention layers (see `layer_weights`). `positive` and `negative`
    are what the adapter reads. `per_sample` gives each sample of a batch the picture of its number, and otherwise all
    see all.
    """

    adapter: IpAdapter
    positive: Tensor
    negative: Tensor
    weight: float = 1.0
    layers: str = "linear"
    second_weight: float | None = None
    scaling: Scaling = "V only"
    start_sigma: float = float("inf")
    end_sigma: float = 0.0
    mask: Tensor | None = None
    per_sample: bool = False

    @contextmanager
    def joined(self, unet: UNet, call: Call, weights: Weights) -> Iterator[Iterable[Any]]:
        """The hooks of this prompt on a UNet's cross-attention."""
        every = list(_computing_order(unet.module))
        crossed = [block.attn2 for group in _file_order(unet.module) for block in group.transformer_blocks]
        known = self._keys_and_values(weights, unet, len(crossed))
        by_layer = dict(zip(map(id, crossed), known, strict=True))
        spread = layer_weights(
            self.layers,
            self.weight,
            self.second_weight,
            [place for place, _ in every],
            sdxl=unet.family.startswith("sdxl"),
        )
        yield list(self._hooks(call, every, spread, by_layer))

    def _keys_and_values(self, weights: Weights, unet: UNet, count: int) -> list[_Seen]:
        with weights.module(self.adapter.source, load, unet.dtype) as module, torch.no_grad():
            net: Any = module
            sides = [net(values.to(unet.device)) for values in (self.positive, self.negative)]
            if not self.per_sample:
                sides = [tokens.flatten(0, 1)[None] for tokens in sides]
            toward, away = (list(net.keys_and_values(tokens)) for tokens in sides)
        if len(toward) != count:
            raise WeightsError(
                f"{self.adapter.source.path.name} is made for a model of {len(toward)} cross-attention layers; "
                f"{unet.title} here has {count}."
            )
        return [_Seen(toward=a, away=b) for a, b in zip(toward, away, strict=True)]

    def _hooks(
        self, call: Call, every: Sequence[tuple[str, Any]], spread: Sequence[Layer], known: dict[int, _Seen]
    ) -> Iterator[Any]:
        for (_, group), layer in zip(every, spread, strict=True):
            if not layer.weight:
                continue
            size: list[int] = []
            yield group.register_forward_pre_hook(_see_size(size))
            for block in group.transformer_blocks:
                looking = _Looking(self, call, block.attn2, known[id(block.attn2)], layer, size)
                yield block.attn2.to_q.register_forward_hook(looking.remember)
                yield block.attn2.to_out[0].register_forward_pre_hook(looking.add)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A layer's keys and values for what is wanted and for what is not."""

    toward: tuple[Tensor, Tensor]
    away: tuple[Tensor, Tensor]


def _see_size(size: list[int]) -> Any:
    def see(_: Any, args: tuple[Any, ...]) -> None:
        size[:] = args[0].shape[-2:]

    return see


@dataclass(slots=True, eq=False)
class _Looking:
    """One cross-attention layer that looks at pictures too: a hook after its queries, one before its last projection.

    Between them nothing of the layer's own weights is touched, so they may be anywhere.
    """

    prompt: ImagePrompt
    call: Call
    attn: Any
    seen: _Seen
    layer: Layer
    size: list[int]
    queries: list[Tensor] = field(default_factory=list)

    def remember(self, _: Any, __: Any, queries: Tensor) -> None:
        self.queries[:] = [queries]

    def add(self, _: Any, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        inputs, prompt = self.call.inputs, self.prompt
        queries = self.queries.pop()
        if not prompt.end_sigma <= inputs.sigma <= prompt.start_sigma:
            return None
        sides = inputs.sides or ("positive",)
        parts = [self._found(side, q) for side, q in zip(sides, queries.chunk(len(sides)), strict=True)]
        return (args[0] + torch.cat(parts), *args[1:])

    def _found(self, side: str, queries: Tensor) -> Tensor:
        """What a side's part of the batch gathers from the pictures, weighted and masked."""
        away = side in _AWAY
        if self.layer.swapped and not away:
            return torch.zeros_like(queries)  # the picture is what to go away from
        seen = self.seen.toward if away == self.layer.swapped else self.seen.away
        k, v = (fit_samples(t, len(queries)).to(queries) for t in seen)
        k, v, weight = scaled(k, v, self.layer.weight, self.prompt.scaling)
        q, k, v = (t.unflatten(-1, (self.attn.heads, -1)).transpose(1, 2) for t in (queries, k, v))
        found = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=self.attn.scale)
        found = found.transpose(1, 2).flatten(2) * weight
        mask = self.prompt.mask
        return found if mask is None else found * self._mask(mask, found)

    def _mask(self, mask: Tensor, like: Tensor) -> Tensor:
        height, width = self.size
        fitted = torch.nn.functional.interpolate(mask[:, None].float(), (height, width), mode="bilinear")
        return fit_batch(fitted.flatten(1), len(like)).to(like)[..., None]


def fit_samples(tensor: Tensor, samples: int) -> Tensor:
    """A row for each sample, the last one again where there are too few."""
    short = samples - len(tensor)
    return torch.cat([tensor, tensor[-1:].expand(short, -1, -1)]) if short > 0 else tensor[:samples]


def scaled(k: Tensor, v: Tensor, weight: float, scaling: Scaling) -> tuple[Tensor, Tensor, float]:
    """Keys, values and what is left to multiply with, where a weight acts on keys too.

    The C penalty makes up for layers of fewer channels, whose keys vary less.
    """
    if scaling == "V only":
        return k, v, weight
    if "C penalty" in scaling:
        weight *= k.shape[-1] / _WIDEST
    if scaling == "K+mean(V) w/ C penalty":
        mean = v.mean(1, keepdim=True)
        return k * weight, v - mean + mean * weight, 1.0
    return k * weight, v * weight, 1.0


def _computing_order(module: Any) -> Iterator[tuple[str, Any]]:
    """The UNet's groups of transformer blocks as they compute, with where each is."""
    places = ("input", module.down_blocks), ("middle", [module.mid_block]), ("output", module.up_blocks)
    for place, blocks in places:
        for block in blocks:
            yield from ((place, group) for group in getattr(block, "attentions", None) or ())


def _file_order(module: Any) -> Iterator[Any]:
    """The UNet's groups of transformer blocks as IP-Adapters number them: the way down, the way up, the middle."""
    for block in (*module.down_blocks, *module.up_blocks, module.mid_block):
        yield from getattr(block, "attentions", None) or ()


def load(source: Source, dtype: torch.dtype) -> nn.Module:
    """The adapter on the CPU."""
    from nodes.diffusion import ip_adapter_model as networks  # noqa: PLC0415 -- defines networks

    shapes = files.read_header(source.path).shapes
    layers = _layers(shapes)
    at = {name.removeprefix("image_proj."): s for name, s in shapes.items() if name.startswith("image_proj.")}
    with torch.device("meta"):
        match dict(source.options)["kind"]:
            case "plain":
                width = at["norm.weight"][0]
                projection = networks.PlainProjection(at["proj.weight"][1], at["proj.weight"][0] // width, width)
            case "full":
                projection = networks.FullProjection(
                    at["proj.0.weight"][1], at["proj.0.weight"][0], at["proj.3.weight"][0]
                )
            case _:
                depth = 1 + max(int(m[1]) for name in at if (m := re.match(r"layers\.(\d+)\.", name)))
                _, tokens, own = at["latents"]
                shape = networks.PlusShape(
                    width=at["proj_in.weight"][1],
                    tokens=tokens,
                    own=own,
                    inner=at["layers.0.0.to_q.weight"][0],
                    hidden=at["layers.0.1.1.weight"][0],
                    context=at["proj_out.weight"][0],
                    layers=depth,
                )
                projection = networks.PlusProjection(shape)
        module = networks.IpAdapterNet(projection, {name: (out, inside) for name, out, inside in layers})
    return modules.filled(module, files.read_tensors(source.path), dtype, source.path)
