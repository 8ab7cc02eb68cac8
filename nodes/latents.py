"""Latents: resizing, masking, keeping in files."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch

from nodes.define import Context, ExtraPnginfo, Prompt, Shown, node
from nodes.diffusion.files import WeightsError, read_header, read_tensors
from nodes.folders import Folders
from nodes.pictures import encode
from nodes.pictures.resize import CROPS, LATENT_METHODS, resize
from nodes.types import Latent, Mask
from nodes.widgets import Choice, Files, Range

_Side = Annotated[int, Range(0, 16384, step=8)]
_FORMAT = "latent_format_version_0"


@node(id="LatentUpscale", title="Upscale Latent", category="latent")
def latent_upscale(
    *,
    samples: Latent,
    upscale_method: Annotated[str, Choice(LATENT_METHODS)] = "nearest-exact",
    width: _Side = 512,
    height: _Side = 512,
    crop: Annotated[str, Choice(CROPS)] = "disabled",
) -> Latent:
    """Resize a latent to a picture size. A side of 0 follows from the other; two leave it as it is."""
    if width == 0 and height == 0:
        return samples
    h, w = samples.samples.shape[-2:]
    if width == 0:
        height = max(64, height)
        width = max(64, round(w * height / h))
    elif height == 0:
        width = max(64, width)
        height = max(64, round(h * width / w))
    else:
        width, height = max(64, width), max(64, height)
    return replace(samples, samples=resize(samples.samples, width // 8, height // 8, upscale_method, crop))


@node(id="LatentUpscaleBy", title="Upscale Latent By", category="latent")
def latent_upscale_by(
    *,
    samples: Latent,
    upscale_method: Annotated[str, Choice(LATENT_METHODS)] = "nearest-exact",
    scale_by: Annotated[float, Range(0.01, 8, step=0.01)] = 1.5,
) -> Latent:
    """Resize a latent by a factor."""
    h, w = samples.samples.shape[-2:]
    width, height = max(1, round(w * scale_by)), max(1, round(h * scale_by))
    return replace(samples, samples=resize(samples.samples, width, height, upscale_method))


@node(id="SetLatentNoiseMask", title="Set Latent Noise Mask", category="latent/inpaint")
def set_latent_noise_mask(*, samples: Latent, mask: Mask) -> Latent:
    """Let only the masked part of a latent be drawn again."""
    return replace(samples, noise_mask=mask.values.unsqueeze(1))


@node(id="SaveLatent", category="_for_testing", terminal=True)
def save_latent(
    *,
    samples: Latent,
    filename_prefix: str = "latents/ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: ExtraPnginfo = None,
    folders: Folders,
    ctx: Context,
) -> Shown:
    """Keep a latent in a file, with the workflow inside. Its mask is not kept."""
    from safetensors.torch import save  # noqa: PLC0415 -- needs torch

    tensors = {"latent_tensor": samples.samples.contiguous(), _FORMAT: torch.tensor([])}
    data = save(tensors, dict(encode.metadata(prompt, extra_pnginfo)))
    return Shown({"latents": [folders.save(filename_prefix, ".latent", data, ctx=ctx)]})


@node(id="LoadLatent", category="_for_testing")
def load_latent(*, latent: Annotated[str, Files("input")], folders: Folders) -> Latent:
    """Open a latent that was kept in a file."""
    path = folders.file(latent)
    header = read_header(path)
    shape = header.shapes.get("latent_tensor")
    if shape is None or len(shape) not in (4, 5) or 0 in shape:
        raise WeightsError(f"{path.name} holds no latent; choose a file that Save Latent wrote.")
    ((_, tensor),) = read_tensors(path, {"latent_tensor": "samples"})
    # Files from before the format had a version hold what the network sees, not what the VAE does.
    scale = 1.0 if _FORMAT in header.shapes else 1.0 / 0.18215
    return Latent(tensor.to(torch.float32, copy=True) * scale)
