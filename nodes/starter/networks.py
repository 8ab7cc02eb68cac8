"""The bundled model's networks, and the diffusers folder they ship in."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel, UNet2DConditionOutput
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

TOKENS = 77
"""Length of every prompt, padded with the end token."""

_UNET: dict[str, Any] = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 1,
    "block_out_channels": (64, 128, 160),
    "norm_num_groups": 8,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 128,
    "attention_head_dim": (2, 4, 5),
}
_VAE: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "block_out_channels": (24, 48, 96, 96),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
    # Four channels a group: with one, a group norm is an instance norm and erases flat colors.
    "norm_num_groups": 6,
    "sample_size": 128,
    "scaling_factor": 1.0,
}
_TEXT: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "max_position_embeddings": TOKENS,
    "projection_dim": 128,
    "hidden_act": "quick_gelu",
}
_SCHEDULE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": True,
    "steps_offset": 1,
}
_INDEX: dict[str, Any] = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


@dataclass(frozen=True)
class Bundle:
    """The four parts that draw a picture."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text: CLIPTextModel
    tokenizer: CLIPTokenizer


def new_unet() -> UNet2DConditionModel:
    """An untrained denoiser of 8.6 M parameters that predicts v."""
    return UNet2DConditionModel(**_UNET)


def new_vae() -> AutoencoderKL:
    """An untrained autoencoder of 2.2 M parameters: 128x128 pixels, 16x16 latents of 4 channels."""
    return AutoencoderKL(**_VAE)


def new_text(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """An untrained text encoder of 0.9 M parameters for this tokenizer's words."""
    start, end = cast("int", tokenizer.bos_token_id), cast("int", tokenizer.eos_token_id)
    sizes = CLIPTextConfig(vocab_size=len(tokenizer), bos_token_id=start, eos_token_id=end, pad_token_id=end, **_TEXT)
    model = CLIPTextModel(sizes)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and "embedding" not in name:
            torch.nn.init.normal_(parameter, std=0.04)
    return model


def alphas_cumprod() -> torch.Tensor:
    """The share of signal in the variance of each of the 1000 noise levels, float64."""
    beta = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    return torch.cumprod(1 - beta, 0)


def predict(unet: UNet2DConditionModel, x: torch.Tensor, t: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    """The denoiser's v for noisy latents."""
    return cast("UNet2DConditionOutput", unet(x, t, context)).sample


def to_latents(vae: AutoencoderKL, pixels: torch.Tensor) -> DiagonalGaussianDistribution:
    """The encoder's distribution over latents for pixels in -1..1."""
    return cast("AutoencoderKLOutput", vae.encode(pixels)).latent_dist


def to_pixels(vae: AutoencoderKL, latents: torch.Tensor) -> torch.Tensor:
    """The decoder's pixels, about -1..1."""
    return cast("DecoderOutput", vae.decode(cast("torch.FloatTensor", latents))).sample


def token_ids(tokenizer: CLIPTokenizer, prompts: list[str]) -> torch.Tensor:
    """Prompts as [B, 77] ids, padded with the end token."""
    found = tokenizer(prompts, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt")
    return torch.as_tensor(found["input_ids"])


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write the diffusers folder, in float16. What was there before is replaced when all is written."""
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    parts = {
        "unet": (bundle.unet, "diffusion_pytorch_model"),
        "vae": (bundle.vae, "diffusion_pytorch_model"),
        "text_encoder": (bundle.text, "model"),
    }
    for name, (part, weights) in parts.items():
        place = fresh / name
        place.mkdir(parents=True)
        config = part.config.to_dict() if name == "text_encoder" else dict(part.config)
        _write_json(place / "config.json", plain_config(config, type(part).__name__, name))
        half = {key: value.detach().half().cpu().contiguous() for key, value in part.state_dict().items()}
        save_file(half, place / f"{weights}.safetensors", metadata={"format": "pt"})
    save_tokenizer(bundle.tokenizer, fresh / "tokenizer")
    DDIMScheduler(**_SCHEDULE).save_pretrained(str(fresh / "scheduler"))
    _write_json(fresh / "model_index.json", _INDEX)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.replace(folder)


def load_bundle(folder: Path) -> Bundle:
    """The parts in a diffusers folder, in float32, offline."""
    vae, unet = new_vae(), new_unet()
    tokenizer = load_tokenizer(folder / "tokenizer")
    text = new_text(tokenizer)
    vae.load_state_dict(_floats(folder / "vae" / "diffusion_pytorch_model.safetensors"))
    unet.load_state_dict(_floats(folder / "unet" / "diffusion_pytorch_model.safetensors"))
    text.load_state_dict(_floats(folder / "text_encoder" / "model.safetensors"))
    return Bundle(unet.eval(), vae.eval(), text.eval(), tokenizer)


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer in a folder, offline."""
    return CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)


def save_tokenizer(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write tokenizer.json and its config, and the classic vocab.json and merges.txt that say the same."""
    folder.mkdir(parents=True, exist_ok=True)
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    # One that was used carries the padding of its last call, and would write it down.
    merges: Any = [tuple(pair) for pair in model["merges"]]
    unused = CLIPTokenizer(vocab=model["vocab"], merges=merges, model_max_length=TOKENS)
    unused.save_pretrained(str(folder))
    merges = (" ".join(pair) for pair in model["merges"])
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False) + "\n", encoding="utf-8")


def _floats(path: Path) -> dict[str, torch.Tensor]:
    return {key: value.float() for key, value in load_file(path).items()}


def plain_config(config: dict[str, Any], class_name: str, part: str) -> dict[str, Any]:
    """A part's config without what belongs to this machine or to the moment of saving."""
    left_out = ("_name_or_path", "_use_default_values", "dtype", "torch_dtype")
    kept = {key: value for key, value in config.items() if key not in left_out}
    return kept | ({"architectures": [class_name]} if part == "text_encoder" else {"_class_name": class_name})


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
