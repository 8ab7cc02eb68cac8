"""Changes to how a UNet computes."""

from __future__ import annotations

from typing import Annotated

from nodes.define import node
from nodes.diffusion import options
from nodes.diffusion.prediction import prediction
from nodes.diffusion.reuse import Reuse, with_reuse
from nodes.types import Model
from nodes.widgets import Choice, Range

_CATEGORY = "model_patches/unet"

_Scale = Annotated[float, Range(0.0, 10.0, step=0.01)]


@node(id="FreeU", category=_CATEGORY)
def freeu(*, model: Model, b1: _Scale = 1.1, b2: _Scale = 1.2, s1: _Scale = 0.9, s2: _Scale = 0.2) -> Model:
    """Strengthen the UNet's backbone (b) and weaken its skips (s), at the coarsest and the next resolution."""
    return options.with_unet_patch(model, "freeu", b1=b1, b2=b2, s1=s1, s2=s2, version=1)


@node(id="FreeU_V2", category=_CATEGORY)
def freeu_v2(*, model: Model, b1: _Scale = 1.3, b2: _Scale = 1.4, s1: _Scale = 0.9, s2: _Scale = 0.2) -> Model:
    """FreeU that strengthens the backbone only where it is active."""
    return options.with_unet_patch(model, "freeu", b1=b1, b2=b2, s1=s1, s2=s2, version=2)


@node(id="HyperTile", category=_CATEGORY)
def hyper_tile(
    *,
    model: Model,
    tile_size: Annotated[int, Range(1, 2048)] = 256,
    swap_size: Annotated[int, Range(1, 128)] = 2,
    max_depth: Annotated[int, Range(0, 10)] = 0,
    scale_depth: bool = False,
) -> Model:
    """Let places see only their own tile: faster for large pictures. Tiles are at least `tile_size` pixels large.

    `swap_size` is among how many sizes of tile to change, `max_depth` how many halvings of the picture have tiles, and
    `scale_depth` makes those larger too.
    """
    return options.with_unet_patch(
        model, "tiled", tile_size=tile_size, swap_size=swap_size, max_depth=max_depth, scale_depth=scale_depth
    )


@node(id="TomePatchModel", category=_CATEGORY)
def tome_patch_model(*, model: Model, ratio: Annotated[float, Range(0.0, 1.0, step=0.01)] = 0.3) -> Model:
    """Let the places that are most alike share one answer of self-attention: faster, and a little less exact."""
    return options.with_unet_patch(model, "merged_tokens", ratio=ratio) if ratio else model


_Percent = Annotated[float, Range(0.0, 1.0, step=0.001)]
_SIZING = ("bicubic", "nearest-exact", "bilinear", "area", "bislerp")


@node(id="PatchModelAddDownscale", title="PatchModelAddDownscale (Kohya Deep Shrink)", category=_CATEGORY)
def patch_model_add_downscale(
    *,
    model: Model,
    block_number: Annotated[int, Range(1, 32, step=1)] = 3,
    downscale_factor: Annotated[float, Range(0.1, 9.0, step=0.001)] = 2.0,
    start_percent: _Percent = 0.0,
    end_percent: _Percent = 0.35,
    downscale_after_skip: bool = True,
    downscale_method: Annotated[str, Choice(_SIZING)] = "bicubic",
    upscale_method: Annotated[str, Choice(_SIZING)] = "bicubic",
) -> Model:
    """Lay a picture out at a smaller size first, so that a large one is not drawn as many small ones."""
    to_sigma = prediction(options.parametrization(model)).percent_to_sigma
    return options.with_unet_patch(
        model,
        "downscaled",
        block=block_number,
        factor=downscale_factor,
        start_sigma=to_sigma(start_percent),
        end_sigma=to_sigma(end_percent),
        after_skip=downscale_after_skip,
        down_method=downscale_method,
        up_method=upscale_method,
    )


@node(id="NAGuidance", title="Normalized Attention Guidance", category=_CATEGORY, experimental=True)
def normalized_attention_guidance(
    *,
    model: Model,
    nag_scale: Annotated[float, Range(0.0, 50.0, step=0.1)] = 5.0,
    nag_alpha: Annotated[float, Range(0.0, 1.0, step=0.01)] = 0.5,
    nag_tau: Annotated[float, Range(1.0, 10.0, step=0.01)] = 1.5,
) -> Model:
    """Guide away from the negative inside the model's attention: with cfg 1 too, and at a fraction of its cost."""
    return options.with_unet_patch(model, "normalized_guidance", scale=nag_scale, alpha=nag_alpha, tau=nag_tau)


@node(id="ModelComputeDtype", category="advanced/debug/model")
def model_compute_dtype(
    *, model: Model, dtype: Annotated[str, Choice(("default", "fp32", "fp16", "bf16"))] = "default"
) -> Model:
    """Let the model compute in another precision than the one chosen for the device."""
    return options.with_dtype(model, None if dtype == "default" else dtype)


@node(id="TorchCompileModel", category="_for_testing", experimental=True)
def torch_compile_model(
    *, model: Model, backend: Annotated[str, Choice(("inductor", "cudagraphs"))] = "inductor"
) -> Model:
    """Translate the model for this machine before it is first used, which takes minutes; later runs are faster."""
    return options.with_compiler(model, backend)


_Share = Annotated[float, Range(0.0, 1.0, step=0.01)]
_Change = Annotated[float, Range(0.0, 3.0, step=0.01)]
_DEBUG = "advanced/debug/model"


@node(id="EasyCache", category=_DEBUG, experimental=True)
def easy_cache(
    *,
    model: Model,
    reuse_threshold: _Change = 0.2,
    start_percent: _Share = 0.15,
    end_percent: _Share = 0.95,
    verbose: bool = False,
) -> Model:
    """Faster, and less exact the higher the threshold: the model is not asked in steps whose answers are foreseeable.

    The threshold is how much an answer may change, as a share of it, before it is computed again.
    """
    return with_reuse(model, Reuse(reuse_threshold, start_percent, end_percent, verbose=verbose))


@node(id="LazyCache", category=_DEBUG, experimental=True)
def lazy_cache(
    *,
    model: Model,
    reuse_threshold: _Change = 0.2,
    start_percent: _Share = 0.15,
    end_percent: _Share = 0.95,
    verbose: bool = False,
) -> Model:
    """EasyCache for what guidance makes of all answers: works with any model, and is a little less exact."""
    return with_reuse(model, Reuse(reuse_threshold, start_percent, end_percent, whole=True, verbose=verbose))
