"""Names of the original (LDM) layout and of diffusers' for the same tensors, read off the names that are there.

Nothing here knows a model's size: levels, layers and depths follow from the names, so any width and depth is read.
Each function maps file names to diffusers' names; tensors whose form differs too are reshaped by `reshaped`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_EMBEDDINGS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "time_embed.cond_proj": "time_embedding.cond_proj",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_VAE_PARTS = {
    "mid.block_1": "mid_block.resnets.0",
    "mid.block_2": "mid_block.resnets.1",
    "mid.attn_1": "mid_block.attentions.0",
    "norm_out": "conv_norm_out",
    "conv_in": "conv_in",
    "conv_out": "conv_out",
}
_VAE_ATTENTION = {
    "norm": "group_norm",
    "q": "to_q",
    "k": "to_k",
    "v": "to_v",
    "proj_out": "to_out.0",
    # diffusers' own older names
    "query": "to_q",
    "key": "to_k",
    "value": "to_v",
    "proj_attn": "to_out.0",
}
_VAE_ATTENTION_ORIGINALS = {
    ours: theirs for theirs, ours in _VAE_ATTENTION.items() if theirs in ("norm", "q", "k", "v", "proj_out")
}
_OPEN_CLIP = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


_IN_PROJ = re.compile(r"(.+)\.attn\.in_proj_(weight|bias)")
TRANSPOSED = "text_projection.transposed"
"""OpenCLIP's text projection, which is written the other way round."""


def unet_names(names: Collection[str]) -> dict[str, str]:
    """diffusers' name of each tensor of an LDM UNet (names without their prefix)."""
    blocks = dict(_blocks(names))
    # Class labels of unCLIP and sizes of SDXL share one name here; context tells them apart (see families).
    blocks |= {"label_emb.0.0": "add_embedding.linear_1", "label_emb.0.2": "add_embedding.linear_2"}
    blocks["label_emb"] = "class_embedding"  # a table of noise levels, in the x4 upscaler
    return _renamed(names, blocks | _EMBEDDINGS)


def unet_originals(names: Collection[str]) -> dict[str, str]:
    """LDM's name of each tensor of a UNet under diffusers' names: the other way round."""
    found: dict[str, str] = {}
    blocks = dict(_originals(names))
    inner = {ours: theirs for theirs, ours in _RESNET.items()}
    for name in names:
        parts = name.split(".")
        for length in range(len(parts) - 1, 0, -1):
            to = blocks.get(".".join(parts[:length]))
            if to is not None:
                stem, _, end = ".".join(parts[length:]).rpartition(".")
                stem = inner.get(stem, stem) if ".resnets." in name else stem
                found[name] = ".".join(p for p in (to, stem, end) if p)
                break
    return found


def _originals(names: Collection[str]) -> Iterator[tuple[str, str]]:
    """(diffusers prefix, LDM prefix) of every block of a UNet, by counting its blocks in order."""
    yield from ((ours, theirs) for theirs, ours in _EMBEDDINGS.items())
    for labels in ("add_embedding", "class_embedding"):
        yield from ((f"{labels}.linear_1", "label_emb.0.0"), (f"{labels}.linear_2", "label_emb.0.2"))
    yield "class_embedding", "label_emb"
    prefixes = {".".join(n.split(".")[:4]) for n in names} | {".".join(n.split(".")[:5]) for n in names}
    index = 1
    for level in _numbered(names, "down_blocks"):
        for layer in _numbered(names, f"down_blocks.{level}.resnets"):
            yield f"down_blocks.{level}.resnets.{layer}", f"input_blocks.{index}.0"
            yield f"down_blocks.{level}.attentions.{layer}", f"input_blocks.{index}.1"
            index += 1
        if f"down_blocks.{level}.downsamplers.0.conv" in prefixes:
            yield f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{index}.0.op"
            index += 1
    yield from (("mid_block.resnets.0", "middle_block.0"), ("mid_block.attentions.0", "middle_block.1"))
    yield "mid_block.resnets.1", "middle_block.2"
    index = 0
    for level in _numbered(names, "up_blocks"):
        for layer in _numbered(names, f"up_blocks.{level}.resnets"):
            yield f"up_blocks.{level}.resnets.{layer}", f"output_blocks.{index}.0"
            yield f"up_blocks.{level}.attentions.{layer}", f"output_blocks.{index}.1"
            index += 1
        place = 2 if _numbered(names, f"up_blocks.{level}.attentions") else 1
        yield f"up_blocks.{level}.upsamplers.0.conv", f"output_blocks.{index - 1}.{place}.conv"


def _numbered(names: Collection[str], stem: str) -> list[int]:
    pattern = re.compile(re.escape(stem) + r"\.(\d+)\.")
    return sorted({int(m[1]) for name in names if (m := pattern.match(name))})


def controlnet_names(names: Collection[str]) -> dict[str, str]:
    """diffusers' name of each tensor of an LDM ControlNet (names without their prefix)."""
    blocks = dict(_blocks(names)) | _EMBEDDINGS
    blocks |= {"label_emb.0.0": "add_embedding.linear_1", "label_emb.0.2": "add_embedding.linear_2"}
    blocks["middle_block_out.0"] = "controlnet_mid_block"
    blocks |= {f"zero_convs.{i}.0": f"controlnet_down_blocks.{i}" for i in _indices(names, "zero_convs")}
    *hints, last = _indices(names, "input_hint_block") or [0]
    blocks[f"input_hint_block.{last}"] = "controlnet_cond_embedding.conv_out"
    for place, index in enumerate(hints):
        to = "conv_in" if place == 0 else f"blocks.{place - 1}"
        blocks[f"input_hint_block.{index}"] = f"controlnet_cond_embedding.{to}"
    return _renamed(names, blocks)


def adapter_names(names: Collection[str]) -> dict[str, str]:
    """diffusers' name of each tensor of a T2I-Adapter of the first release, whose blocks are numbered through."""
    layers = 2
    found: dict[str, str] = {}
    for name in names:
        if m := re.fullmatch(r"body\.(\d+)\.(block1|block2)\.(\w+)", name):
            level, layer = divmod(int(m[1]), layers)
            found[name] = f"adapter.body.{level}.resnets.{layer}.{m[2]}.{m[3]}"
        elif m := re.fullmatch(r"body\.(\d+)\.in_conv\.(\w+)", name):
            found[name] = f"adapter.body.{int(m[1]) // layers}.in_conv.{m[2]}"
        elif name.startswith("conv_in."):
            found[name] = f"adapter.{name}"
    return found


def vae_names(names: Collection[str]) -> dict[str, str]:
    """diffusers' name of each tensor of an LDM VAE, or of a diffusers VAE with names of older versions."""
    levels = 1 + max((int(m[1]) for n in names if (m := re.match(r"decoder\.up\.(\d+)\.", n))), default=0)
    return {name: _vae_name(name, levels) for name in names}


def vae_originals(names: Collection[str]) -> dict[str, str]:
    """LDM's name of each tensor of a VAE under diffusers' names: the other way round."""
    levels = 1 + max((int(m[1]) for n in names if (m := re.match(r"decoder\.up_blocks\.(\d+)\.", n))), default=0)
    return {name: _vae_original(name, levels) for name in names}


def open_clip_names(names: Collection[str]) -> dict[str, str]:
    """Hugging Face's name of each tensor of an OpenCLIP text encoder; `in_proj` names stay, for `split_open_clip`."""
    found: dict[str, str] = {}
    for name in names:
        if m := re.fullmatch(r"transformer\.resblocks\.(\d+)\.(.+?)(\.weight|\.bias|_weight|_bias)", name):
            layer, part, end = m.groups()
            found[name] = f"text_model.encoder.layers.{layer}.{_OPEN_CLIP.get(part, part)}{end}"
        elif name == "positional_embedding":
            found[name] = "text_model.embeddings.position_embedding.weight"
        elif name == "token_embedding.weight":
            found[name] = "text_model.embeddings.token_embedding.weight"
        elif name.startswith("ln_final."):
            found[name] = "text_model.final_layer_norm." + name.removeprefix("ln_final.")
        elif name in ("text_projection", "text_projection.weight"):
            found[name] = TRANSPOSED if name == "text_projection" else name
    return found


def split_open_clip(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """OpenCLIP's joint q, k, v projection as three, its text projection turned round; other tensors as they are."""
    m = _IN_PROJ.fullmatch(name)
    if name == TRANSPOSED:
        yield "text_projection.weight", tensor.T
        return
    if m is None:
        yield name, tensor
        return
    for part, piece in zip("qkv", tensor.chunk(3), strict=True):
        yield f"{m[1]}.self_attn.{part}_proj.{m[2]}", piece


def open_clip_originals(names: Collection[str]) -> dict[str, list[str]]:
    """For each of OpenCLIP's names, the tensors under Hugging Face's names that it is made of.

    q, k and v are one there, and the text projection is the other way round.
    """
    parts = {ours: theirs for theirs, ours in _OPEN_CLIP.items()}
    plain = {
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
        "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
        "text_projection.weight": "text_projection",
    }
    found: dict[str, list[str]] = {}
    for name in names:
        block = re.fullmatch(r"text_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", name)
        if block is None:
            found[plain.get(name, name.replace("text_model.final_layer_norm.", "ln_final."))] = [name]
        elif m := re.fullmatch(r"self_attn\.[qkv]_proj", block[2]):
            stem = name.removesuffix(f"{m[0]}.{block[3]}")
            joint = f"transformer.resblocks.{block[1]}.attn.in_proj_{block[3]}"
            found[joint] = [f"{stem}self_attn.{part}_proj.{block[3]}" for part in "qkv"]
        else:
            found[f"transformer.resblocks.{block[1]}.{parts.get(block[2], block[2])}.{block[3]}"] = [name]
    return found


def open_clip_parts(name: str, shape: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    """The names and shapes of what `split_open_clip` makes of a tensor."""
    if name == TRANSPOSED:
        return [("text_projection.weight", shape[::-1])]
    if (m := _IN_PROJ.fullmatch(name)) is None:
        return [(name, shape)]
    return [(f"{m[1]}.self_attn.{part}_proj.{m[2]}", (shape[0] // 3, *shape[1:])) for part in "qkv"]


def reshaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The tensor in the shape its module has, where the layouts differ by a 1x1 convolution written as a matrix."""
    if tuple(tensor.shape) != shape and tensor.numel() == _product(shape) and tensor.ndim != len(shape):
        return tensor.reshape(shape)
    return tensor


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for n in shape:
        total *= n
    return total


def _blocks(names: Collection[str]) -> Iterator[tuple[str, str]]:
    """(LDM prefix, diffusers prefix) of every block of a UNet, in order."""
    inputs = _members(names, "input_blocks")
    level = place = 0
    for index in sorted(inputs)[1:]:
        parts = inputs[index]
        here = f"input_blocks.{index}"
        if "0.op" in parts:
            yield f"{here}.0.op", f"down_blocks.{level}.downsamplers.0.conv"
            level, place = level + 1, 0
            continue
        yield f"{here}.0", f"down_blocks.{level}.resnets.{place}"
        if "1.norm" in parts:
            yield f"{here}.1", f"down_blocks.{level}.attentions.{place}"
        place += 1
    yield "middle_block.0", "mid_block.resnets.0"
    yield "middle_block.1", "mid_block.attentions.0"
    yield "middle_block.2", "mid_block.resnets.1"
    outputs = _members(names, "output_blocks")
    level = place = 0
    for index in sorted(outputs):
        parts = outputs[index]
        here = f"output_blocks.{index}"
        yield f"{here}.0", f"up_blocks.{level}.resnets.{place}"
        if "1.norm" in parts:
            yield f"{here}.1", f"up_blocks.{level}.attentions.{place}"
        place += 1
        for k in (1, 2):
            if f"{k}.conv" in parts:
                yield f"{here}.{k}.conv", f"up_blocks.{level}.upsamplers.0.conv"
                level, place = level + 1, 0


def _members(names: Collection[str], stem: str) -> dict[int, set[str]]:
    """For each index under `stem`, the first two name parts of what it holds ("0.op", "1.norm", ...)."""
    found: dict[int, set[str]] = {}
    for name in names:
        parts = name.split(".")
        if parts[0] == stem and len(parts) > 3 and parts[1].isdigit():
            found.setdefault(int(parts[1]), set()).add(".".join(parts[2:4]))
    return found


def _indices(names: Collection[str], stem: str) -> list[int]:
    return sorted({int(p[1]) for n in names if (p := n.split("."))[0] == stem and len(p) > 1 and p[1].isdigit()})


def _renamed(names: Collection[str], blocks: Mapping[str, str]) -> dict[str, str]:
    """Names with their block's prefix replaced, and the parts of ResNet blocks renamed."""
    found: dict[str, str] = {}
    for name in names:
        parts = name.split(".")
        for length in range(len(parts) - 1, 0, -1):
            to = blocks.get(".".join(parts[:length]))
            if to is None:
                continue
            rest = ".".join(parts[length:])
            stem, _, end = rest.rpartition(".")
            found[name] = ".".join(p for p in (to, _RESNET.get(stem, stem), end) if p)
            break
    return found


def _vae_name(name: str, levels: int) -> str:
    side, _, rest = name.partition(".")
    if side not in ("encoder", "decoder"):
        return name
    for old, new in _VAE_PARTS.items():
        if rest.startswith(old + "."):
            return f"{side}.{new}." + _vae_leaf(rest.removeprefix(old + "."), attention="attn" in old)
    if m := re.fullmatch(r"(down|up)\.(\d+)\.block\.(\d+)\.(.+)", rest):
        return f"{side}.{_vae_level(m[1], int(m[2]), levels)}.resnets.{m[3]}." + _vae_leaf(m[4], attention=False)
    if m := re.fullmatch(r"(down|up)\.(\d+)\.(down|up)sample\.conv\.(.+)", rest):
        return f"{side}.{_vae_level(m[1], int(m[2]), levels)}.{m[3]}samplers.0.conv.{m[4]}"
    if m := re.fullmatch(r"(mid_block\.attentions\.0)\.(.+)", rest):
        return f"{side}.{m[1]}." + _vae_leaf(m[2], attention=True)
    return name


def _vae_original(name: str, levels: int) -> str:
    side, _, rest = name.partition(".")
    if side not in ("encoder", "decoder"):
        return name
    for old, new in _VAE_PARTS.items():
        if rest.startswith(new + "."):
            leaf = rest.removeprefix(new + ".")
            stem, _, end = leaf.rpartition(".")
            inner = _VAE_ATTENTION_ORIGINALS[stem] if "attn" in old else stem.replace("conv_shortcut", "nin_shortcut")
            return ".".join(p for p in (side, old, inner, end) if p)
    if m := re.fullmatch(r"(down|up)_blocks\.(\d+)\.resnets\.(\d+)\.(.+)", rest):
        leaf = m[4].replace("conv_shortcut", "nin_shortcut")
        return f"{side}.{m[1]}.{_turned_level(m[1], int(m[2]), levels)}.block.{m[3]}.{leaf}"
    if m := re.fullmatch(r"(down|up)_blocks\.(\d+)\.(?:down|up)samplers\.0\.conv\.(.+)", rest):
        return f"{side}.{m[1]}.{_turned_level(m[1], int(m[2]), levels)}.{m[1]}sample.conv.{m[3]}"
    return name


def _turned_level(way: str, level: int, levels: int) -> int:
    """LDM numbers a decoder's levels from the picture on."""
    return level if way == "down" else levels - 1 - level


def _vae_level(way: str, level: int, levels: int) -> str:
    return f"{way}_blocks.{_turned_level(way, level, levels)}"


def _vae_leaf(rest: str, *, attention: bool) -> str:
    stem, dot, end = rest.rpartition(".")
    if attention:
        return f"{_VAE_ATTENTION.get(stem, stem)}.{end}"
    return stem.replace("nin_shortcut", "conv_shortcut") + dot + end
