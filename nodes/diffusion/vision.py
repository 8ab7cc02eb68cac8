"""CLIP's and SigLIP's image encoders: what a file holds, and what it says of pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nodes.diffusion import files, ldm, modules
from nodes.diffusion.files import Shapes, WeightsError
from nodes.digests import digest
from nodes.types import ClipVision, ClipVisionOutput, Source

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from nodes.diffusion.vision_model import VisionEncoder
    from nodes.diffusion.weights import Weights

Crop = Literal["center", "none"]

PREFIXES = ("", "clip_vision.", "image_encoder.", "embedder.model.", "model.")
"""Where files keep an image encoder; "embedder.model." in unCLIP checkpoints."""
_HUGGING_FACE = "vision_model.embeddings.patch_embedding.weight"
_OPEN_CLIP = "visual.conv1.weight"
_PROJECTION_TRANSPOSED = "visual_projection.transposed"
_OPEN_CLIP_LAYER = re.compile(r"visual\.transformer\.resblocks\.(\d+)\.(.+?)(\.weight|\.bias|_weight|_bias)")
_OPEN_CLIP_PARTS: Mapping[str, str] = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_OPEN_CLIP_STEMS: Mapping[str, str] = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "visual.proj": _PROJECTION_TRANSPOSED,
}
_WIDE_HEADS: Mapping[int, int] = {1280: 16, 1664: 16, 1152: 16}
"""Heads of the encoders whose heads are not 64 wide: ViT-H, ViT-bigG, SigLIP's so400m."""
_HEAD_WIDTH = 64
_QUICK_WIDTHS = (768, 1024)
"""OpenAI's own encoders, which use a quicker GELU."""
MEAN = (0.48145466, 0.4578275, 0.40821073)
"""The mean colour of what CLIP was trained on."""
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
_HALVES = (0.5, 0.5, 0.5)


def open_vision(path: Path, prefix: str | None = None) -> ClipVision:
    """The image encoder in a file. Raises WeightsError when it holds none."""
    header = files.read_header(path)
    prefixes = PREFIXES if prefix is None else (prefix,)
    signs = (_HUGGING_FACE, _OPEN_CLIP)
    found = next((p for p in prefixes if any(p + sign in header.shapes for sign in signs)), None)
    if found is None:
        first = ", ".join(list(header.shapes)[:3])
        raise WeightsError(f"{path} is no CLIP image encoder; its first tensors are {first or 'none'}.")
    return ClipVision(Source(path, digest(path), "clip_vision", "", (("prefix", found),)))


def encode(weights: Weights, vision: ClipVision, pixels: Tensor, crop: Crop = "center") -> ClipVisionOutput:
    """What the encoder says of pictures [B,H,W,C] in 0..1: float32 on the CPU.

    "center" cuts them to a square after fitting their shorter side, "none" squeezes them into it.
    """
    import torch  # noqa: PLC0415 -- the loaders need none

    with weights.module(vision.source, load, weights.precisions.text) as module, torch.no_grad():
        encoder: Any = module
        ready = prepared(pixels, encoder.image_size, crop, siglip=encoder.siglip)
        last, before, embeds = encoder(ready.to(weights.device, weights.precisions.text))
    return ClipVisionOutput(*(t.float().cpu() for t in (last, before, embeds)))


def prepared(pixels: Tensor, size: int, crop: Crop, *, siglip: bool = False) -> Tensor:
    """Pictures [B,H,W,C] as an encoder takes them: [B,3,size,size], in 256 steps, normalised."""
    import torch  # noqa: PLC0415

    planes = pixels[..., :3].movedim(-1, 1).float()
    height, width = planes.shape[-2:]
    if (height, width) != (size, size):
        scale = size / min(height, width)
        fitted = (size, size) if crop == "none" else (round(scale * height), round(scale * width))
        planes = torch.nn.functional.interpolate(planes, fitted, mode="bicubic", antialias=True)
        top, left = (fitted[0] - size) // 2, (fitted[1] - size) // 2
        planes = planes[:, :, top : top + size, left : left + size]
    steps = (planes * 255.0).clamp(0, 255).round() / 255.0
    mean, deviation = (_HALVES, _HALVES) if siglip else (MEAN, DEVIATION)
    return (steps - torch.tensor(mean)[:, None, None]) / torch.tensor(deviation)[:, None, None]


def config(vision: ClipVision) -> dict[str, Any]:
    """The encoder's sizes, under the names of transformers' configuration."""
    return config_of(_shapes(vision.source))


def load(source: Source, dtype: torch.dtype) -> nn.Module:
    """The image encoder on the CPU."""
    import torch  # noqa: PLC0415

    from nodes.diffusion.vision_model import VisionEncoder  # noqa: PLC0415 -- defines networks

    shapes = _shapes(source)
    facts = config_of(shapes)
    projection = next((s for n, s in shapes.items() if n.startswith("visual_projection.")), None)
    with torch.device("meta"):
        module: VisionEncoder = VisionEncoder(facts, projection=projection is not None, siglip=_is_siglip(shapes))
    names = _names(source)
    tensors = files.read_tensors(source.path, names)
    module = modules.filled(module, _split(tensors), dtype, source.path)
    module.restore_places()
    return module


def _split(tensors: Iterator[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in tensors:
        if name == _PROJECTION_TRANSPOSED:
            yield "visual_projection.weight", tensor.T
        else:
            yield from ldm.split_open_clip(name, tensor)


def _names(source: Source) -> dict[str, str]:
    """Hugging Face's name of each of the encoder's tensors in the file."""
    prefix = dict(source.options).get("prefix", "")
    mine = [n.removeprefix(prefix) for n in files.read_header(source.path).shapes if n.startswith(prefix)]
    return {prefix + old: new for old, new in _hugging_face(mine).items()}


def _hugging_face(names: Collection[str]) -> dict[str, str]:
    if _OPEN_CLIP not in names:
        kept = ("vision_model.", "visual_projection.")
        return {n: n for n in names if n.startswith(kept) and not n.endswith("position_ids")}
    found: dict[str, str] = {}
    for name in names:
        if m := _OPEN_CLIP_LAYER.fullmatch(name):
            layer, part, end = m.groups()
            found[name] = f"vision_model.encoder.layers.{layer}.{_OPEN_CLIP_PARTS.get(part, part)}{end}"
        elif name in _OPEN_CLIP_STEMS:
            found[name] = _OPEN_CLIP_STEMS[name]
    return found


def _shapes(source: Source) -> dict[str, tuple[int, ...]]:
    shapes = files.read_header(source.path).shapes
    return {new: shapes[old] for old, new in _names(source).items()}


def _is_siglip(shapes: Shapes) -> bool:
    return "vision_model.embeddings.class_embedding" not in shapes


def config_of(shapes: Shapes) -> dict[str, Any]:
    """The configuration of transformers' vision model, read off the shapes."""
    across, _, patch, _ = shapes[_HUGGING_FACE]
    siglip = _is_siglip(shapes)
    places = shapes["vision_model.embeddings.position_embedding.weight"][0] - (0 if siglip else 1)
    layers = {int(m[1]) for n in shapes if (m := re.match(r"vision_model\.encoder\.layers\.(\d+)\.", n))}
    first = "vision_model.encoder.layers.0.mlp."
    inner = shapes[first + "fc1.weight"][0]
    projection = shapes.get("visual_projection.weight") or shapes.get(_PROJECTION_TRANSPOSED, ())[::-1]
    usual = "gelu_pytorch_tanh" if siglip else "quick_gelu" if across in _QUICK_WIDTHS else "gelu"
    return {
        "hidden_size": across,
        "intermediate_size": inner,
        "num_hidden_layers": 1 + max(layers),
        "num_attention_heads": _WIDE_HEADS.get(across, max(1, across // _HEAD_WIDTH)),
        "image_size": math.isqrt(places) * patch,
        "patch_size": patch,
        "hidden_act": usual,
        **({"projection_dim": projection[0]} if projection else {}),
    }
