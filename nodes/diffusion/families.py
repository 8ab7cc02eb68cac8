"""Which architecture a set of tensors is, and the configuration of the module that holds them.

Everything is read off names and shapes, so models of any width and depth load; no configuration file is needed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nodes.diffusion import ldm
from nodes.diffusion.files import Shapes, WeightsError
from nodes.diffusion.network import LatentFormat, Parametrization

Config = dict[str, Any]

_HEAD_WIDTH = 64
_FIXED_HEADS = 8
_TIME_WIDTH = 256
_GROUPS = 32
_LARGE_ADAPTER_WIDTHS = (16 * 16, 3 * 16 * 16)
_FULL_OPEN_CLIP_LAYERS = 24


@dataclass(frozen=True, slots=True)
class Family:
    """An architecture: its name, the name people know it by, its latent space and what it predicts by default."""

    name: str
    title: str
    latent_format: LatentFormat = field(default_factory=LatentFormat)
    parametrization: Parametrization = field(default_factory=Parametrization)


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family("sd15", "SD 1.x"),
        Family("sd2", "SD 2.x"),
        Family("sdxl", "SDXL", LatentFormat(scale=0.13025)),
        Family("sdxl_refiner", "the SDXL refiner", LatentFormat(scale=0.13025)),
        Family(
            "sd_x4",
            "the SD x4 upscaler",
            LatentFormat(scale=0.08333, downscale=4),
            Parametrization(kind="v", beta_start=0.0001, beta_end=0.02),
        ),
    )
}


PREDICTION_FACTS = (
    "kind", "zero_snr", "beta_start", "beta_end", "timesteps", "levels", "sigma_min", "sigma_max",
)  # fmt: skip
"""What of a parametrization a checkpoint may say of itself."""


def family_named(name: str) -> Family:
    """The family of this name. Raises WeightsError when it is not known here."""
    try:
        return FAMILIES[name]
    except KeyError:
        raise WeightsError(f"Model family {name!r} is not known; known are {', '.join(FAMILIES)}.") from None


def unet_family(config: Mapping[str, Any]) -> str:
    """The family's name of a UNet with this configuration."""
    if config.get("addition_embed_type") == "text_time":
        return "sdxl" if "CrossAttn" in config["down_block_types"][-1] else "sdxl_refiner"
    if config.get("num_class_embeds"):
        return "sd_x4"
    return "sd2" if config.get("use_linear_projection") else "sd15"


def text_family(family: str) -> str:
    """The family whose text encoders a family's models have."""
    return "sd2" if family == "sd_x4" else family


def with_facts(family: Family, facts: Mapping[str, Any]) -> Family:
    """The family with what one checkpoint says of itself: "kind", "zero_snr", "beta_start", "scale", ..."""
    known = {k: facts[k] for k in PREDICTION_FACTS if k in facts}
    latent = {k: facts[k] for k in ("scale", "shift", "channels", "downscale") if k in facts}
    return replace(
        family,
        parametrization=replace(family.parametrization, **known),
        latent_format=replace(family.latent_format, **latent),
    )


def unet_config(shapes: Shapes) -> Config:
    """The configuration of diffusers' UNet2DConditionModel for tensors under diffusers' names.

    Raises WeightsError when they are no UNet of a known family.
    """
    down = _levels(shapes, "down_blocks")
    up = _levels(shapes, "up_blocks")
    if not down or not up or "conv_in.weight" not in shapes or "conv_out.weight" not in shapes:
        raise WeightsError("These weights are no UNet of a known family.")
    return {
        **_trunk_config(shapes, down),
        "out_channels": shapes["conv_out.weight"][0],
        "up_block_types": tuple(
            "CrossAttnUpBlock2D" if _depth(shapes, f"up_blocks.{b}.attentions.0") else "UpBlock2D" for b in range(up)
        ),
    }


def controlnet_config(shapes: Shapes) -> Config:
    """The configuration of diffusers' ControlNetModel for tensors under diffusers' names."""
    down = _levels(shapes, "down_blocks")
    if not down or "conv_in.weight" not in shapes or "controlnet_mid_block.weight" not in shapes:
        raise WeightsError("These weights are no ControlNet of a known family.")
    embedding = "controlnet_cond_embedding"
    hints = [shapes[f"{embedding}.conv_in.weight"][0]]
    steps = _count(shapes, f"{embedding}.blocks")
    hints += [shapes[f"{embedding}.blocks.{i}.weight"][0] for i in range(1, steps, 2)]
    return {
        **_trunk_config(shapes, down),
        "conditioning_channels": shapes[f"{embedding}.conv_in.weight"][1],
        "conditioning_embedding_out_channels": tuple(hints),
        **_union_config(shapes),
    }


def _union_config(shapes: Shapes) -> Config:
    """What a ControlNet for several kinds of picture has beside."""
    if "task_embedding" not in shapes:
        return {}
    kinds, width = shapes["task_embedding"]
    return {
        "num_control_type": kinds,
        "num_trans_channel": width,
        "num_trans_layer": _count(shapes, "transformer_layes"),  # so the files spell it
        "num_proj_channel": shapes["spatial_ch_projs.weight"][0],
    }


def adapter_config(shapes: Shapes) -> Config:
    """The configuration of diffusers' T2IAdapter for tensors under diffusers' names."""
    if "adapter.conv_in.weight" not in shapes:
        raise WeightsError("These weights are no T2I-Adapter of a known kind.")
    levels = _count(shapes, "adapter.body")
    channels = [
        shapes.get(f"adapter.body.{b}.resnets.0.block1.weight", shapes["adapter.conv_in.weight"])[0]
        for b in range(levels)
    ]
    width = shapes["adapter.conv_in.weight"][1]
    large = width in _LARGE_ADAPTER_WIDTHS
    downscale = 16 if large else 8
    return {
        "in_channels": width // downscale**2,
        "channels": channels,
        "num_res_blocks": _count(shapes, "adapter.body.0.resnets"),
        "downscale_factor": downscale,
        "adapter_type": "full_adapter_xl" if large else "full_adapter",
    }


def _trunk_config(shapes: Shapes, levels: int) -> Config:
    """What a UNet and the ControlNet made from it have in common: the way down and the middle."""
    channels = tuple(shapes[f"down_blocks.{b}.resnets.0.conv1.weight"][0] for b in range(levels))
    depths = tuple(_depth(shapes, f"down_blocks.{b}.attentions.0") for b in range(levels))
    middle = _depth(shapes, "mid_block.attentions.0") or 1
    linear = any(len(s) == 2 for n, s in shapes.items() if n.endswith("proj_in.weight"))
    keys = [s for n, s in shapes.items() if n.endswith("attn2.to_k.weight")]
    if not keys:
        raise WeightsError("These weights have no cross-attention; they are no text-conditioned UNet.")
    levelled = "class_embedding.weight" in shapes
    config: Config = {
        "in_channels": shapes["conv_in.weight"][1],
        "block_out_channels": channels,
        "layers_per_block": _count(shapes, "down_blocks.0.resnets"),
        "down_block_types": tuple("CrossAttnDownBlock2D" if d else "DownBlock2D" for d in depths),
        # diffusers gives the middle block the last level's depth; a level without attention does not use its own.
        "transformer_layers_per_block": tuple(d or middle for d in depths),
        "cross_attention_dim": keys[0][1],
        "use_linear_projection": linear,
        # Called a dimension, means the number of heads: 8 in SD 1.x and its x4 upscaler, of 64 channels each later.
        "attention_head_dim": tuple(max(1, c // _HEAD_WIDTH) for c in channels)
        if linear and not levelled
        else _FIXED_HEADS,
        "norm_num_groups": _GROUPS if all(c % _GROUPS == 0 for c in channels) else 8,
    }
    if "time_embedding.cond_proj.weight" in shapes:  # how strongly to guide, for those distilled to be told so (LCM)
        config["time_cond_proj_dim"] = shapes["time_embedding.cond_proj.weight"][1]
    if levelled:
        config["num_class_embeds"] = shapes["class_embedding.weight"][0]
        config["only_cross_attention"] = tuple(_looks_at_text_alone(shapes, b) for b in range(levels))
    if "add_embedding.linear_1.weight" in shapes:
        config |= _addition(shapes["add_embedding.linear_1.weight"][1], deep=max(*depths, middle) > 1)
    return config


def _looks_at_text_alone(shapes: Shapes, level: int) -> bool:
    """Whether the places of a level look at the text where those of other models look at one another."""
    keys = shapes.get(f"down_blocks.{level}.attentions.0.transformer_blocks.0.attn1.to_k.weight", (0, 0))
    return keys[0] != keys[1]


def _addition(width: int, *, deep: bool) -> Config:
    """How the pooled text (and, for SDXL, sizes) enters: SD 2.x unCLIP as class labels, SDXL as text and times.

    SDXL has several transformer layers in a place, SD 2.x one.
    """
    if not deep:
        return {"class_embed_type": "projection", "projection_class_embeddings_input_dim": width}
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": _TIME_WIDTH,
        "projection_class_embeddings_input_dim": width,
    }


def vae_config(shapes: Shapes) -> Config:
    """The configuration of diffusers' AutoencoderKL for tensors under diffusers' names."""
    levels = _levels(shapes, "encoder.down_blocks")
    if not levels or "decoder.conv_in.weight" not in shapes:
        raise WeightsError("These weights are no VAE of a known kind.")
    channels = tuple(shapes[f"encoder.down_blocks.{b}.resnets.0.conv1.weight"][0] for b in range(levels))
    return {
        "in_channels": shapes["encoder.conv_in.weight"][1],
        "out_channels": shapes["decoder.conv_out.weight"][0],
        "latent_channels": shapes["decoder.conv_in.weight"][1],
        "block_out_channels": channels,
        "layers_per_block": _count(shapes, "encoder.down_blocks.0.resnets"),
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "norm_num_groups": _GROUPS if all(c % _GROUPS == 0 for c in channels) else 8,
        "use_quant_conv": "quant_conv.weight" in shapes,
        "use_post_quant_conv": "post_quant_conv.weight" in shapes,
        "mid_block_add_attention": "encoder.mid_block.attentions.0.to_q.weight" in shapes,
    }


def text_config(shapes: Shapes) -> Config:
    """The configuration of transformers' CLIP text model for tensors under Hugging Face's names."""
    table = shapes.get("text_model.embeddings.token_embedding.weight")
    places = shapes.get("text_model.embeddings.position_embedding.weight")
    if table is None or places is None:
        raise WeightsError("These weights are no CLIP text encoder.")
    vocabulary, width = table
    open_clip = any(".in_proj_" in name for name in shapes)
    projection = shapes.get("text_projection.weight") or shapes.get(ldm.TRANSPOSED, ())[::-1]
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "max_position_embeddings": places[0],
        "num_hidden_layers": _count(shapes, "text_model.encoder.layers"),
        "intermediate_size": shapes["text_model.encoder.layers.0.mlp.fc1.weight"][0],
        "num_attention_heads": max(1, width // _HEAD_WIDTH),
        "hidden_act": "gelu" if width in (1024, 1280) or open_clip else "quick_gelu",
        "projection_dim": projection[0] if projection else width,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
    }


def default_layer(family: str, layers: int) -> int:
    """Which hidden layer a family's UNet was trained on, counted from the end.

    SD 2.x files hold OpenCLIP's 24 layers and use the 23rd; diffusers' folders hold 23 and use the last.
    """
    if family in ("sdxl", "sdxl_refiner"):
        return -2
    return -2 if family == "sd2" and layers == _FULL_OPEN_CLIP_LAYERS else -1


def _levels(shapes: Shapes, stem: str) -> int:
    return _count(shapes, stem)


def _depth(shapes: Shapes, stem: str) -> int:
    return _count(shapes, f"{stem}.transformer_blocks")


def _count(names: Collection[str], stem: str) -> int:
    """How many indices follow `stem` in the names."""
    pattern = re.compile(re.escape(stem) + r"\.(\d+)\.")
    return 1 + max((int(m[1]) for n in names if (m := pattern.match(n))), default=-1)
