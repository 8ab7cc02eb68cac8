"""Experiments with attention: its projections, scaled."""

from __future__ import annotations

from typing import Annotated

from nodes.define import node
from nodes.diffusion.attention_scale import AttentionScale
from nodes.types import Clip, Model
from nodes.widgets import Range

_CATEGORY = "_for_testing/attention_experiments"

_Factor = Annotated[float, Range(0.0, 10.0, step=0.01)]


@node(id="UNetSelfAttentionMultiply", category=_CATEGORY, experimental=True)
def unet_self_attention_multiply(
    *, model: Model, q: _Factor = 1.0, k: _Factor = 1.0, v: _Factor = 1.0, out: _Factor = 1.0
) -> Model:
    """Scale how a model's places ask for, match, carry and give to each other."""
    return model.patched(AttentionScale("self", q, k, v, out))


@node(id="UNetCrossAttentionMultiply", category=_CATEGORY, experimental=True)
def unet_cross_attention_multiply(
    *, model: Model, q: _Factor = 1.0, k: _Factor = 1.0, v: _Factor = 1.0, out: _Factor = 1.0
) -> Model:
    """Scale how a model's places ask for, match, carry and take what the prompt says."""
    return model.patched(AttentionScale("cross", q, k, v, out))


@node(id="CLIPAttentionMultiply", category=_CATEGORY, experimental=True)
def clip_attention_multiply(
    *, clip: Clip, q: _Factor = 1.0, k: _Factor = 1.0, v: _Factor = 1.0, out: _Factor = 1.0
) -> Clip:
    """Scale how the words of a prompt ask for, match, carry and give to each other."""
    return clip.patched(AttentionScale("text", q, k, v, out))
