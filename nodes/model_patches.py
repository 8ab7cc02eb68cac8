"""Changes to how a UNet computes."""

from __future__ import annotations

from typing import Annotated

from nodes.define import node
from nodes.diffusion import options
from nodes.types import Model
from nodes.widgets import Range

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


@node(id="PerturbedAttentionGuidance", category=_CATEGORY)
def perturbed_attention_guidance(
    *, model: Model, scale: Annotated[float, Range(0.0, 100.0, step=0.01, round=0.01)] = 3.0
) -> Model:
    """Guide away from what the model draws when its middle cannot see how places relate."""
    return options.with_guidance(model, "perturbed_attention", scale=scale)
