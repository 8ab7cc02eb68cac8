"""How a model is guided: changes to the handle, none to the weights."""

from __future__ import annotations

import re
from typing import Annotated

from nodes.define import node
from nodes.diffusion import options
from nodes.latent_math import LatentOperation
from nodes.types import Conditioning, Model
from nodes.widgets import Range, Text

_ADVANCED = "advanced/model"
_GUIDANCE = "advanced/guidance"
_TESTING = "_for_testing"

_Percent = Annotated[float, Range(0.0, 1.0, step=0.001)]
_SkipScale = Annotated[float, Range(0.0, 10.0, step=0.1)]


@node(id="RescaleCFG", category=_ADVANCED)
def rescale_cfg(*, model: Model, multiplier: Annotated[float, Range(0.0, 1.0, step=0.01)] = 0.7) -> Model:
    """Bring the contrast of strong guidance back towards that of the condition; for v-prediction models."""
    return options.with_guidance(model, "rescale_cfg", multiplier=multiplier)


@node(id="RenormCFG", category=_ADVANCED)
def renorm_cfg(
    *,
    model: Model,
    cfg_trunc: Annotated[float, Range(0.0, 100.0, step=0.01)] = 100.0,
    renorm_cfg: Annotated[float, Range(0.0, 100.0, step=0.01)] = 1.0,
) -> Model:
    """Guide only below a noise level, and bound what guidance gives by the length of the condition."""
    return options.with_guidance(model, "renorm_cfg", until=cfg_trunc, limit=renorm_cfg)


@node(id="CFGZeroStar", category=_GUIDANCE, outputs=("patched_model",))
def cfg_zero_star(*, model: Model) -> Model:
    """CFG-Zero*: guide from the nearest multiple of the negative."""
    return options.with_guidance(model, "zero_star")


@node(id="CFGNorm", category=_GUIDANCE, experimental=True, outputs=("patched_model",))
def cfg_norm(*, model: Model, strength: Annotated[float, Range(0.0, 100.0, step=0.01)] = 1.0) -> Model:
    """Keep guidance from making any pixel longer than the condition has it."""
    return options.with_guidance(model, "cfg_norm", strength=strength)


@node(id="Mahiro", title="Mahiro CFG", category="_for_testing", experimental=True, outputs=("patched_model",))
def mahiro(*, model: Model) -> Model:
    """Follow the direction of the positive more than its difference from the negative."""
    return options.with_guidance(model, "mahiro")


@node(id="TCFG", title="Tangential Damping CFG", category=_GUIDANCE, outputs=("patched_model",))
def tcfg(*, model: Model) -> Model:
    """Keep of the negative only what it has in common with the positive."""
    return options.with_guidance(model, "tangential_damping")


@node(id="Epsilon Scaling", category="model_patches/unet")
def epsilon_scaling(*, model: Model, scaling_factor: Annotated[float, Range(0.5, 1.5, step=0.001)] = 1.005) -> Model:
    """Make the noise that is found a little smaller, against the drift of long sampling."""
    return options.with_guidance(model, "epsilon_scaling", factor=scaling_factor)


@node(id="FreSca", category="_for_testing", experimental=True)
def fresca(
    *,
    model: Model,
    scale_low: Annotated[float, Range(0.0, 10.0, step=0.01)] = 1.0,
    scale_high: Annotated[float, Range(0.0, 10.0, step=0.01)] = 1.25,
    freq_cutoff: Annotated[int, Range(1, 10_000, step=1)] = 20,
) -> Model:
    """Scale the low and the high frequencies of guidance apart."""
    return options.with_guidance(model, "frequencies", low=scale_low, high=scale_high, cutoff=freq_cutoff)


@node(id="APG", title="Adaptive Projected Guidance", category="sampling/custom_sampling")
def adaptive_projected_guidance(
    *,
    model: Model,
    eta: Annotated[float, Range(-10.0, 10.0, step=0.01)] = 1.0,
    norm_threshold: Annotated[float, Range(0.0, 50.0, step=0.1)] = 5.0,
    momentum: Annotated[float, Range(-5.0, 1.0, step=0.01)] = 0.0,
) -> Model:
    """Strong guidance without its glare: bounded, weaker along the condition (`eta`), steadied by earlier steps."""
    return options.with_guidance(model, "projected", eta=eta, norm_threshold=norm_threshold, momentum=momentum)


@node(
    id="TemporalScoreRescaling",
    title="TSR - Temporal Score Rescaling",
    category="model_patches/unet",
    outputs=("patched_model",),
)
def temporal_score_rescaling(
    *,
    model: Model,
    tsr_k: Annotated[float, Range(0.01, 100.0, step=0.001)] = 0.95,
    tsr_sigma: Annotated[float, Range(0.01, 100.0, step=0.001)] = 1.0,
) -> Model:
    """Draw the more likely (`tsr_k` above 1) or the more varied: the score is scaled, at low noise most."""
    return options.with_guidance(model, "score_rescaling", k=tsr_k, spread=tsr_sigma)


@node(id="PerturbedAttentionGuidance", category="model_patches/unet")
def perturbed_attention_guidance(
    *, model: Model, scale: Annotated[float, Range(0.0, 100.0, step=0.01, round=0.01)] = 3.0
) -> Model:
    """Guide away from what the model draws when its middle cannot see how places relate."""
    return options.with_guidance(model, "perturbed_attention", scale=scale)


@node(id="SelfAttentionGuidance", title="Self-Attention Guidance", category=_TESTING, experimental=True)
def self_attention_guidance(
    *,
    model: Model,
    scale: Annotated[float, Range(-2.0, 5.0, step=0.01)] = 0.5,
    blur_sigma: Annotated[float, Range(0.0, 10.0, step=0.1)] = 2.0,
) -> Model:
    """Guide away from what the model draws when the places it attends to are blurred."""
    return options.with_guidance(model, "self_attention", scale=scale, blur_sigma=blur_sigma)


@node(id="SkipLayerGuidanceDiT", category=_GUIDANCE, experimental=True)
def skip_layer_guidance(
    *,
    model: Model,
    double_layers: Annotated[str, Text()] = "7, 8, 9",
    single_layers: Annotated[str, Text()] = "7, 8, 9",  # noqa: ARG001 -- no UNet has a second row
    scale: _SkipScale = 3.0,
    start_percent: _Percent = 0.01,
    end_percent: _Percent = 0.15,
    rescaling_scale: Annotated[float, Range(0.0, 10.0, step=0.01)] = 0.0,
) -> Model:
    """Guide away from what the model draws without some of its transformer blocks, numbered from 0.

    A UNet has one row of them, which `double_layers` names; `single_layers` is for models that have a second row.
    """
    return options.with_guidance(
        model,
        "skipped_blocks",
        blocks=_blocks(double_layers),
        scale=scale,
        start=start_percent,
        end=end_percent,
        rescale=rescaling_scale,
    )


@node(id="SkipLayerGuidanceDiTSimple", category=_GUIDANCE, experimental=True)
def skip_layer_guidance_simple(
    *,
    model: Model,
    double_layers: Annotated[str, Text()] = "7, 8, 9",
    single_layers: Annotated[str, Text()] = "7, 8, 9",  # noqa: ARG001 -- no UNet has a second row
    start_percent: _Percent = 0.0,
    end_percent: _Percent = 1.0,
) -> Model:
    """Draw the negative without some of the model's transformer blocks, numbered as in SkipLayerGuidanceDiT."""
    blocks = _blocks(double_layers)
    return options.with_guidance(model, "weaker_negative", blocks=blocks, start=start_percent, end=end_percent)


@node(id="SkipLayerGuidanceSD3", category=_GUIDANCE, experimental=True)
def skip_layer_guidance_sd3(
    *,
    model: Model,
    layers: Annotated[str, Text()] = "7, 8, 9",
    scale: _SkipScale = 3.0,
    start_percent: _Percent = 0.01,
    end_percent: _Percent = 0.15,
) -> Model:
    """Guide away from what the model draws without some of its transformer blocks, numbered from 0."""
    return options.with_guidance(
        model,
        "skipped_blocks",
        blocks=_blocks(layers),
        scale=scale,
        start=start_percent,
        end=end_percent,
        rescale=0.0,
    )


def _blocks(rows: str) -> tuple[int, ...]:
    """The numbers in a text, whatever is between them."""
    return tuple(int(number) for number in re.findall(r"[0-9]+", rows))


@node(
    id="PerpNeg",
    title="Perp-Neg (DEPRECATED by PerpNegGuider)",
    category=_TESTING,
    deprecated=True,
    experimental=True,
)
def perp_neg(
    *,
    model: Model,
    empty_conditioning: Conditioning,
    neg_scale: Annotated[float, Range(0.0, 100.0, step=0.01)] = 1.0,
) -> Model:
    """Guide away from only that part of the negative that has nothing to do with the positive."""
    return options.with_guidance(model, "perp_neg", empty=empty_conditioning, scale=neg_scale)


@node(id="LatentApplyOperationCFG", category="latent/advanced/operations", experimental=True)
def latent_apply_operation_cfg(*, model: Model, operation: LatentOperation) -> Model:
    """Change the guidance of every step by an operation on latents."""
    return options.with_guidance(model, "operation", operation=operation)


@node(id="FluxGuidance", category="advanced/conditioning/flux")
def flux_guidance(
    *, conditioning: Conditioning, guidance: Annotated[float, Range(0.0, 100.0, step=0.1)] = 3.5
) -> Conditioning:
    """Tell a model that was distilled to be told so how strongly to follow its prompt."""
    return Conditioning(tuple(part.having(extras={**part.extras, "guidance": guidance}) for part in conditioning))
