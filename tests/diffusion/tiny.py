"""Models small enough for a test, with random weights, written as people find them: single files and diffusers folders.

The LDM names of the single files are computed here from block numbers, by the formulas of the published conversion
scripts, and know nothing of the code under test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

State = dict[str, Tensor]
VOCABULARY = 49408

_FULL = {"block_out_channels": (32, 64), "layers_per_block": 1, "norm_num_groups": 32, "sample_size": 16}
_CROSS = ("CrossAttnDownBlock2D", "DownBlock2D")
_CROSS_UP = ("UpBlock2D", "CrossAttnUpBlock2D")
_WIDE = {**_FULL, "block_out_channels": (64, 128), "attention_head_dim": (1, 2), "use_linear_projection": True}
_SD1 = {
    **_FULL,
    "down_block_types": _CROSS,
    "up_block_types": _CROSS_UP,
    "cross_attention_dim": 64,
    "attention_head_dim": 8,
}
_TIMES = {"addition_embed_type": "text_time", "addition_time_embed_dim": 256}


@dataclass(frozen=True)
class Tiny:
    """A family in small: the configurations of its parts, and where single files keep its text encoders."""

    unet: Mapping[str, Any]
    texts: Mapping[str, Mapping[str, Any]]
    prefixes: Mapping[str, str]
    scheduler: Mapping[str, Any] = field(default_factory=dict[str, Any])
    scale: float = 0.18215


def text_config(width: int, layers: int = 3, act: str = "quick_gelu", projection: int | None = None) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 77,
        "projection_dim": projection or width,
        "hidden_act": act,
        "bos_token_id": VOCABULARY - 2,
        "eos_token_id": VOCABULARY - 1,
        "pad_token_id": VOCABULARY - 1,
    }


_SMALL = {"text_encoder": text_config(64)}
_SMALL_AT = {"text_encoder": "cond_stage_model.transformer."}
_LARGE = {**text_config(128, act="gelu", projection=96), "with_projection": True}

FAMILIES: Mapping[str, Tiny] = {
    "sd15": Tiny({**_SD1, "in_channels": 4}, _SMALL, _SMALL_AT),
    "inpaint": Tiny({**_SD1, "in_channels": 9}, _SMALL, _SMALL_AT),
    "ip2p": Tiny({**_SD1, "in_channels": 8}, _SMALL, _SMALL_AT),
    "sd2": Tiny(
        {
            **_WIDE,
            "in_channels": 4,
            "down_block_types": _CROSS,
            "up_block_types": _CROSS_UP,
            "cross_attention_dim": 128,
        },
        {"text_encoder": text_config(128, act="gelu")},
        {"text_encoder": "cond_stage_model.model."},
    ),
    "unclip": Tiny(
        {
            **_WIDE,
            "in_channels": 4,
            "down_block_types": _CROSS,
            "up_block_types": _CROSS_UP,
            "cross_attention_dim": 128,
            "class_embed_type": "projection",
            "projection_class_embeddings_input_dim": 2 * 64,
        },
        {"text_encoder": text_config(128, act="gelu")},
        {"text_encoder": "cond_stage_model.model."},
    ),
    "sd_x4": Tiny(
        {
            **_WIDE,
            "in_channels": 7,
            "attention_head_dim": 8,
            "down_block_types": _CROSS,
            "up_block_types": _CROSS_UP,
            "cross_attention_dim": 128,
            "only_cross_attention": (True, False),
            "num_class_embeds": 400,
        },
        {"text_encoder": text_config(128, act="gelu")},
        {"text_encoder": "cond_stage_model.model."},
        {"prediction_type": "v_prediction", "beta_start": 0.0001, "beta_end": 0.02},
        scale=0.08333,
    ),
    "sdxl": Tiny(
        {
            **_WIDE,
            **_TIMES,
            "in_channels": 4,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": (2, 2),
            "cross_attention_dim": 192,
            "projection_class_embeddings_input_dim": 6 * 256 + 96,
        },
        {"text_encoder": text_config(64), "text_encoder_2": _LARGE},
        {"text_encoder": "conditioner.embedders.0.transformer.", "text_encoder_2": "conditioner.embedders.1.model."},
        scale=0.13025,
    ),
    "sdxl_refiner": Tiny(
        {
            **_WIDE,
            **_TIMES,
            "in_channels": 4,
            "down_block_types": _CROSS,
            "up_block_types": _CROSS_UP,
            "transformer_layers_per_block": (2, 2),
            "cross_attention_dim": 128,
            "projection_class_embeddings_input_dim": 5 * 256 + 96,
        },
        {"text_encoder_2": _LARGE},
        {"text_encoder_2": "conditioner.embedders.0.model."},
        scale=0.13025,
    ),
}
VAE = {
    "block_out_channels": (32, 32, 64, 64),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
    "norm_num_groups": 32,
    "latent_channels": 4,
}


def randomized(module: nn.Module, seed: int) -> nn.Module:
    """The module with weights that make its output depend on every input: norms near 1, the rest N(0, 0.1)."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator) * 0.1
            is_norm = parameter.ndim == 1 and name.endswith("weight")
            parameter.copy_(noise + 1.0 if is_norm else noise)
    return module.requires_grad_(False).eval()


def unet_module(family: str = "sd15") -> UNet2DConditionModel:
    """A UNet of a family."""
    return randomized(UNet2DConditionModel(**FAMILIES[family].unet), 1)  # pyright: ignore[reportReturnType]


def vae_module() -> AutoencoderKL:
    """A VAE that shrinks 8 times."""
    return randomized(AutoencoderKL(**VAE), 2)  # pyright: ignore[reportReturnType, reportArgumentType]


def text_module(config: Mapping[str, Any]) -> nn.Module:
    """A CLIP text encoder; `with_projection` in its configuration gives it one."""
    plain = {k: v for k, v in config.items() if k != "with_projection"}
    cls = CLIPTextModelWithProjection if config.get("with_projection") else CLIPTextModel
    return randomized(cls(CLIPTextConfig(**plain)), 3)


def controlnet_module(family: str = "sd15") -> ControlNetModel:
    """A ControlNet for a family."""
    config = {k: v for k, v in FAMILIES[family].unet.items() if k not in ("up_block_types", "sample_size")}
    net = ControlNetModel(**{**config, "in_channels": 4, "conditioning_embedding_out_channels": (16, 32, 48, 64)})
    return randomized(net, 4)  # pyright: ignore[reportReturnType]


def text_state(module: nn.Module) -> State:
    """A text encoder's tensors under the names of CLIP's own release."""
    state = module.state_dict()
    return {n if n.startswith(("text_model.", "text_projection.")) else f"text_model.{n}": t for n, t in state.items()}


def write_folder(path: Path, family: str = "sd15") -> Path:
    """A diffusers folder."""
    tiny = FAMILIES[family]
    unet_module(family).save_pretrained(path / "unet")
    vae = vae_module()
    vae.register_to_config(scaling_factor=tiny.scale)
    vae.save_pretrained(path / "vae")
    for part, config in tiny.texts.items():
        text_module(config).save_pretrained(path / part)  # pyright: ignore[reportCallIssue]
    write_json(path / "scheduler" / "scheduler_config.json", {"prediction_type": "epsilon", **tiny.scheduler})
    write_json(path / "model_index.json", {"_class_name": "StableDiffusionPipeline"})
    return path


def write_single(
    path: Path, family: str = "sd15", *, dtype: torch.dtype = torch.float32, extra: State | None = None
) -> Path:
    """A single file with LDM's names, of the same weights."""
    state = {f"model.diffusion_model.{n}": t for n, t in ldm_unet(unet_module(family)).items()}
    state |= {f"first_stage_model.{n}": t for n, t in ldm_vae(vae_module()).items()}
    tiny = FAMILIES[family]
    for part, config in tiny.texts.items():
        prefix, text = tiny.prefixes[part], text_module(config)
        found = open_clip_text(text) if prefix.endswith(".model.") else text_state(text)
        state |= {prefix + n: t for n, t in found.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({n: t.to(dtype).contiguous() for n, t in (state | (extra or {})).items()}, path)
    return path


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def ldm_unet(module: UNet2DConditionModel) -> State:
    """A UNet's tensors under LDM's names."""
    config = module.config
    pairs = list(_unet_blocks(config, up=True))
    pairs += [("conv_norm_out", "out.0"), ("conv_out", "out.2")]
    return _renamed(module.state_dict(), pairs)


def ldm_controlnet(module: ControlNetModel) -> State:
    """A ControlNet's tensors under the names of its single files."""
    config = module.config
    pairs = list(_unet_blocks(config, up=False))
    steps = 2 * (len(config["conditioning_embedding_out_channels"]) - 1)
    pairs += [("controlnet_cond_embedding.conv_in", "input_hint_block.0")]
    pairs += [(f"controlnet_cond_embedding.blocks.{i}", f"input_hint_block.{2 * i + 2}") for i in range(steps)]
    pairs += [("controlnet_cond_embedding.conv_out", f"input_hint_block.{2 * steps + 2}")]
    count = len(module.controlnet_down_blocks)
    pairs += [(f"controlnet_down_blocks.{i}", f"zero_convs.{i}.0") for i in range(count)]
    pairs += [("controlnet_mid_block", "middle_block_out.0")]
    return _renamed(module.state_dict(), pairs)


def _unet_blocks(config: Mapping[str, Any], *, up: bool) -> Iterator[tuple[str, str]]:
    """(diffusers prefix, LDM prefix) of blocks, by their numbers."""
    levels, layers = len(config["block_out_channels"]), config["layers_per_block"]
    yield from (("conv_in", "input_blocks.0.0"), ("time_embedding.linear_1", "time_embed.0"))
    yield from (("time_embedding.linear_2", "time_embed.2"),)
    for labels in ("add_embedding", "class_embedding"):
        yield from ((f"{labels}.linear_1", "label_emb.0.0"), (f"{labels}.linear_2", "label_emb.0.2"))
    yield "class_embedding", "label_emb"
    for level in range(levels):
        for layer in range(layers):
            n = (layers + 1) * level + layer + 1
            yield f"down_blocks.{level}.resnets.{layer}", f"input_blocks.{n}.0"
            yield f"down_blocks.{level}.attentions.{layer}", f"input_blocks.{n}.1"
        yield f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{(layers + 1) * (level + 1)}.0.op"
    yield from (("mid_block.resnets.0", "middle_block.0"), ("mid_block.attentions.0", "middle_block.1"))
    yield "mid_block.resnets.1", "middle_block.2"
    for level in range(levels if up else 0):
        crossed = "CrossAttn" in config["up_block_types"][level]
        for layer in range(layers + 1):
            n = (layers + 1) * level + layer
            yield f"up_blocks.{level}.resnets.{layer}", f"output_blocks.{n}.0"
            yield f"up_blocks.{level}.attentions.{layer}", f"output_blocks.{n}.1"
        last = (layers + 1) * level + layers
        yield f"up_blocks.{level}.upsamplers.0.conv", f"output_blocks.{last}.{2 if crossed else 1}.conv"


_IN_RESNET = (
    ("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("norm2", "out_layers.0"), ("conv2", "out_layers.3"),
    ("time_emb_proj", "emb_layers.1"), ("conv_shortcut", "skip_connection"),
)  # fmt: skip


def _renamed(state: Mapping[str, Tensor], pairs: list[tuple[str, str]]) -> State:
    found: State = {}
    for name, tensor in state.items():
        ours, theirs = next((a, b) for a, b in pairs if name.startswith(a + "."))
        rest = name.removeprefix(ours)
        if ".resnets." in name:
            for a, b in _IN_RESNET:
                rest = rest.replace(f".{a}.", f".{b}.")
        found[theirs + rest] = tensor
    return found


def ldm_vae(module: AutoencoderKL) -> State:
    """A VAE's tensors under LDM's names; attention as 1x1 convolutions."""
    levels = len(module.config["block_out_channels"])
    names = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
    found: State = {}
    for name, tensor in module.state_dict().items():
        new, value = name.replace("conv_shortcut", "nin_shortcut"), tensor
        for i in range(levels):
            new = new.replace(f"down_blocks.{i}.resnets.", f"down.{i}.block.")
            new = new.replace(f"up_blocks.{i}.resnets.", f"up.{levels - 1 - i}.block.")
            new = new.replace(f"down_blocks.{i}.downsamplers.0.", f"down.{i}.downsample.")
            new = new.replace(f"up_blocks.{i}.upsamplers.0.", f"up.{levels - 1 - i}.upsample.")
        new = new.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
        if "mid_block.attentions.0." in new:
            stem, _, leaf = new.partition("mid_block.attentions.0.")
            part, _, end = leaf.rpartition(".")
            new = f"{stem}mid.attn_1.{names[part]}.{end}"
            value = tensor[..., None, None] if tensor.ndim == 2 else tensor
        found[new.replace("conv_norm_out", "norm_out")] = value
    return found


def open_clip_text(module: nn.Module) -> State:
    """A text encoder's tensors as OpenCLIP keeps them: q, k and v in one, the projection transposed."""
    state = text_state(module)
    found: State = {
        "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"],
        "positional_embedding": state["text_model.embeddings.position_embedding.weight"],
        "ln_final.weight": state["text_model.final_layer_norm.weight"],
        "ln_final.bias": state["text_model.final_layer_norm.bias"],
        "logit_scale": torch.tensor(4.6),
    }
    layers = 1 + max(int(n.split(".")[3]) for n in state if ".layers." in n)
    for i in range(layers):
        a, b = f"text_model.encoder.layers.{i}", f"transformer.resblocks.{i}"
        for end in ("weight", "bias"):
            found[f"{b}.attn.in_proj_{end}"] = torch.cat([state[f"{a}.self_attn.{x}_proj.{end}"] for x in "qkv"])
            found[f"{b}.attn.out_proj.{end}"] = state[f"{a}.self_attn.out_proj.{end}"]
            found[f"{b}.ln_1.{end}"] = state[f"{a}.layer_norm1.{end}"]
            found[f"{b}.ln_2.{end}"] = state[f"{a}.layer_norm2.{end}"]
            found[f"{b}.mlp.c_fc.{end}"] = state[f"{a}.mlp.fc1.{end}"]
            found[f"{b}.mlp.c_proj.{end}"] = state[f"{a}.mlp.fc2.{end}"]
    if "text_projection.weight" in state:
        found["text_projection"] = state["text_projection.weight"].T
    return found
