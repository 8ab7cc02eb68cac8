"""ControlNets: pictures that steer."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, NamedTuple

from nodes.define import node
from nodes.diffusion.controlnet import UNION_KINDS
from nodes.types import Cond, Conditioning, ControlHint, ControlNet, Image, Vae
from nodes.widgets import Choice, Range

UNION_TYPES = ("auto", *UNION_KINDS)

Strength = Annotated[float, Range(0.0, 10.0, step=0.01)]
Percent = Annotated[float, Range(0.0, 1.0, step=0.001)]


class Steered(NamedTuple):
    """Both conditionings under a ControlNet."""

    positive: Conditioning
    negative: Conditioning


@node(id="ControlNetApply", title="Apply ControlNet (OLD)", category="conditioning/controlnet", deprecated=True)
def apply(
    *, conditioning: Conditioning, control_net: ControlNet, image: Image, strength: Strength = 1.0
) -> Conditioning:
    """Steer by a picture; acts on the negative side too."""
    if strength == 0:
        return conditioning
    hint = ControlHint(control_net, image.pixels, strength)
    return Conditioning(
        tuple(
            part.having(controls=(*part.controls, hint), extras={**part.extras, "control_apply_to_uncond": True})
            for part in conditioning
        )
    )


@node(id="ControlNetApplyAdvanced", title="Apply ControlNet", category="conditioning/controlnet")
def apply_advanced(
    *,
    positive: Conditioning,
    negative: Conditioning,
    control_net: ControlNet,
    image: Image,
    strength: Strength = 1.0,
    start_percent: Percent = 0.0,
    end_percent: Percent = 1.0,
    vae: Vae | None = None,
) -> Steered:
    """Steer by a picture during a part of sampling."""
    if strength == 0:
        return Steered(positive, negative)
    # One hint for both sides, so that they are computed together.
    hint = ControlHint(control_net, image.pixels, strength, start_percent, end_percent, vae)

    def steered(part: Cond) -> Cond:
        extras = {k: v for k, v in part.extras.items() if k != "control_apply_to_uncond"}
        return part.having(controls=(*part.controls, hint), extras=extras)

    return Steered(*(Conditioning(tuple(steered(p) for p in side)) for side in (positive, negative)))


@node(id="ControlNetApplySD3", title="Apply Controlnet with VAE", category="conditioning/controlnet", deprecated=True)
def apply_with_vae(
    *,
    positive: Conditioning,
    negative: Conditioning,
    control_net: ControlNet,
    vae: Vae,
    image: Image,
    strength: Strength = 1.0,
    start_percent: Percent = 0.0,
    end_percent: Percent = 1.0,
) -> Steered:
    """Steer by a picture during a part of sampling; for nets that see it through a VAE."""
    return apply_advanced(
        positive=positive,
        negative=negative,
        control_net=control_net,
        image=image,
        strength=strength,
        start_percent=start_percent,
        end_percent=end_percent,
        vae=vae,
    )


@node(id="SetUnionControlNetType", category="conditioning/controlnet")
def set_union_type(*, control_net: ControlNet, type: Annotated[str, Choice(UNION_TYPES)] = "auto") -> ControlNet:
    """Say what kind of picture a union ControlNet is given."""
    others = tuple((name, value) for name, value in control_net.options if name != "union_type")
    return replace(control_net, options=(*others, ("union_type", type)))
