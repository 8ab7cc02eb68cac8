"""Adapters small enough for a test, with random weights, as people find them: single files under their usual names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from tests.diffusion import tiny

State = dict[str, Tensor]


def write(path: Path, state: Mapping[str, Tensor]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({n: t.contiguous().clone() for n, t in state.items()}, path)
    return path


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape))) * 0.1


def vision_module(width: int = 128, projection: int = 32, act: str = "gelu") -> CLIPVisionModelWithProjection:
    """An image encoder that sees 4 x 4 patches of 14 pixels."""
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=width // 64,
        image_size=56,
        patch_size=14,
        projection_dim=projection,
        hidden_act=act,
    )
    return tiny.randomized(CLIPVisionModelWithProjection(config), 11)  # pyright: ignore[reportReturnType]


def open_clip_vision(module: CLIPVisionModelWithProjection) -> State:
    """An image encoder's tensors as OpenCLIP keeps them: q, k and v in one, the projection transposed."""
    state = module.state_dict()
    found: State = {
        "visual.class_embedding": state["vision_model.embeddings.class_embedding"],
        "visual.positional_embedding": state["vision_model.embeddings.position_embedding.weight"],
        "visual.conv1.weight": state["vision_model.embeddings.patch_embedding.weight"],
        "visual.proj": state["visual_projection.weight"].T,
    }
    for end in ("weight", "bias"):
        found[f"visual.ln_pre.{end}"] = state[f"vision_model.pre_layrnorm.{end}"]
        found[f"visual.ln_post.{end}"] = state[f"vision_model.post_layernorm.{end}"]
        for i in range(module.config.num_hidden_layers):
            a, b = f"vision_model.encoder.layers.{i}", f"visual.transformer.resblocks.{i}"
            found[f"{b}.attn.in_proj_{end}"] = torch.cat([state[f"{a}.self_attn.{x}_proj.{end}"] for x in "qkv"])
            found[f"{b}.attn.out_proj.{end}"] = state[f"{a}.self_attn.out_proj.{end}"]
            for ours, theirs in (("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"), ("mlp.fc1", "mlp.c_fc")):
                found[f"{b}.{theirs}.{end}"] = state[f"{a}.{ours}.{end}"]
            found[f"{b}.mlp.c_proj.{end}"] = state[f"{a}.mlp.fc2.{end}"]
    return found


def ip_adapter_state(kind: str, *, reads: int, context: int, widths: list[int], tokens: int = 4) -> State:
    """An IP-Adapter's tensors; `widths` are those of the UNet's cross-attention layers in the file's order."""
    state: State = {}
    for i, width in enumerate(widths):
        for n, part in enumerate(("to_k_ip", "to_v_ip")):
            state[f"ip_adapter.{2 * i + 1}.{part}.weight"] = rand(width, context, seed=10 * i + n)
    return state | {f"image_proj.{name}": tensor for name, tensor in _PROJECTIONS[kind](reads, context, tokens).items()}


def _plain(reads: int, context: int, tokens: int) -> State:
    return {
        "proj.weight": rand(tokens * context, reads),
        "proj.bias": rand(tokens * context),
        "norm.weight": rand(context) + 1,
        "norm.bias": rand(context, seed=1),
    }


def _full(reads: int, context: int, tokens: int) -> State:
    return {
        "proj.0.weight": rand(reads, reads),
        "proj.0.bias": rand(reads),
        "proj.2.weight": rand(context, reads, seed=1),
        "proj.2.bias": rand(context, seed=2),
        "proj.3.weight": rand(context) + 1,
        "proj.3.bias": rand(context, seed=3),
    }


def _plus(reads: int, context: int, tokens: int) -> State:
    own, inner = 64, 128
    state = {
        "latents": rand(1, tokens, own),
        "proj_in.weight": rand(own, reads),
        "proj_in.bias": rand(own),
        "proj_out.weight": rand(context, own),
        "proj_out.bias": rand(context),
        "norm_out.weight": rand(context) + 1,
        "norm_out.bias": rand(context, seed=1),
    }
    for i in range(4):
        for norm in (f"layers.{i}.0.norm1", f"layers.{i}.0.norm2", f"layers.{i}.1.0"):
            state |= {f"{norm}.weight": rand(own, seed=i) + 1, f"{norm}.bias": rand(own, seed=i + 5)}
        state |= {
            f"layers.{i}.0.to_q.weight": rand(inner, own, seed=i),
            f"layers.{i}.0.to_kv.weight": rand(2 * inner, own, seed=i),
            f"layers.{i}.0.to_out.weight": rand(own, inner, seed=i),
            f"layers.{i}.1.1.weight": rand(4 * own, own, seed=i),
            f"layers.{i}.1.3.weight": rand(own, 4 * own, seed=i),
        }
    return state


_PROJECTIONS = {"plain": _plain, "plus": _plus, "full": _full}


def cross_widths(family: str) -> list[int]:
    """The widths of a tiny UNet's cross-attention layers, in the order of diffusers' attention processors."""
    names = tiny.unet_module(family).attn_processors
    module = tiny.unet_module(family)
    layers = [name.removesuffix(".processor") for name in names if name.endswith("attn2.processor")]
    return [module.get_submodule(name).to_q.out_features for name in layers]  # pyright: ignore
