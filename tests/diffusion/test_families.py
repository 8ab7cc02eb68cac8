"""Families and configurations from names and shapes alone, at full size on no memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from nodes.diffusion import families, ldm
from nodes.diffusion.files import WeightsError
from tests.diffusion import tiny

SD1: Mapping[str, Any] = {"cross_attention_dim": 768}
SD2: Mapping[str, Any] = {
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
SDXL: Mapping[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True,
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
REFINER: Mapping[str, Any] = {
    "block_out_channels": (384, 768, 1536, 1536),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": 4,
    "attention_head_dim": (6, 12, 24, 24),
    "use_linear_projection": True,
    "cross_attention_dim": 1280,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2560,
}
X4: Mapping[str, Any] = {
    "in_channels": 7,
    "block_out_channels": (256, 512, 512, 1024),
    "down_block_types": ("DownBlock2D", *("CrossAttnDownBlock2D",) * 3),
    "up_block_types": (*("CrossAttnUpBlock2D",) * 3, "UpBlock2D"),
    "attention_head_dim": 8,
    "use_linear_projection": True,
    "cross_attention_dim": 1024,
    "only_cross_attention": (True, True, True, False),
    "num_class_embeds": 1000,
}
FULL = {
    "sd_x4": X4,
    "sd15": SD1,
    "sd15 inpainting": {**SD1, "in_channels": 9},
    "sd2": SD2,
    "sdxl": SDXL,
    "sdxl_refiner": REFINER,
}


def on_meta(config: Mapping[str, Any]) -> UNet2DConditionModel:
    with torch.device("meta"):
        return UNet2DConditionModel(**config)


@pytest.mark.parametrize("name", FULL)
def test_full_size_networks_are_recognised_by_their_shapes(name: str) -> None:
    module = on_meta(FULL[name])
    originals = {n: tuple(t.shape) for n, t in tiny.ldm_unet(module).items()}

    names = ldm.unet_names(list(originals))
    shapes = {new: originals[old] for old, new in names.items()}
    config = families.unet_config(shapes)

    assert families.unet_family(config) == name.split(" ", maxsplit=1)[0]
    assert shapes == {n: tuple(t.shape) for n, t in module.state_dict().items()}
    heads = [m.heads for m in module.modules() if hasattr(m, "heads")]
    rebuilt = on_meta(config)
    assert {n: tuple(t.shape) for n, t in rebuilt.state_dict().items()} == shapes
    assert [m.heads for m in rebuilt.modules() if hasattr(m, "heads")] == heads


# unCLIP's labels and SDXL's sizes have one name in LDM's files.
@pytest.mark.parametrize("family", [name for name in tiny.FAMILIES if name != "unclip"])
def test_names_go_there_and_back(family: str) -> None:
    state = tiny.unet_module(family).state_dict()

    back = ldm.unet_originals(list(state))

    assert {new: old for old, new in ldm.unet_names(list(back.values())).items()} == back


def test_unet_names_are_diffusers_own() -> None:
    module = tiny.unet_module("sd15")
    originals = {f"model.diffusion_model.{n}": t for n, t in tiny.ldm_unet(module).items()}

    theirs = convert_ldm_unet_checkpoint(dict(originals), dict(module.config))

    ours = ldm.unet_names([n.removeprefix("model.diffusion_model.") for n in originals])
    for old, new in ours.items():
        assert torch.equal(theirs[new], originals["model.diffusion_model." + old])
    assert set(ours.values()) == theirs.keys()


def test_vae_names_are_diffusers_own() -> None:
    module = tiny.vae_module()
    originals = tiny.ldm_vae(module)

    theirs = convert_ldm_vae_checkpoint(
        {f"first_stage_model.{n}": t for n, t in originals.items()}, dict(module.config)
    )

    ours = ldm.vae_names(list(originals))
    assert set(ours.values()) == theirs.keys()
    for old, new in ours.items():
        assert torch.equal(theirs[new].flatten(), originals[old].flatten())


@pytest.mark.parametrize("channels", [(32, 64), (128, 256, 512, 512)])
def test_vaes_of_any_width(channels: tuple[int, ...]) -> None:
    levels = len(channels)
    config: dict[str, Any] = {
        "block_out_channels": channels,
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "layers_per_block": 2,
        "latent_channels": 16,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
    }
    with torch.device("meta"):
        module = AutoencoderKL(**config)
    shapes = {n: tuple(t.shape) for n, t in module.state_dict().items()}

    found = families.vae_config(shapes)

    with torch.device("meta"):
        rebuilt = AutoencoderKL(**found)
    assert {n: tuple(t.shape) for n, t in rebuilt.state_dict().items()} == shapes


def test_what_a_checkpoint_says_overrides_its_family() -> None:
    family = families.family_named("sdxl")

    changed = families.with_facts(family, {"kind": "v", "zero_snr": True, "scale": 0.5, "prefix": "x."})

    assert (changed.parametrization.kind, changed.parametrization.zero_snr) == ("v", True)
    assert changed.latent_format.scale == 0.5
    assert family.parametrization.kind == "eps"


@pytest.mark.parametrize(
    ("family", "layers", "layer"),
    [("sd15", 12, -1), ("sd2", 24, -2), ("sd2", 23, -1), ("sdxl", 12, -2), ("sdxl_refiner", 32, -2)],
)
def test_each_family_reads_its_own_layer(family: str, layers: int, layer: int) -> None:
    assert families.default_layer(family, layers) == layer


def test_something_else_is_told() -> None:
    with pytest.raises(WeightsError, match="no UNet of a known family"):
        families.unet_config({"a": (1,)})
    with pytest.raises(WeightsError, match="no VAE"):
        families.vae_config({"a": (1,)})
    with pytest.raises(WeightsError, match="no CLIP text encoder"):
        families.text_config({"a": (1,)})
    with pytest.raises(WeightsError, match="'flux' is not known; known are sd15"):
        families.family_named("flux")
