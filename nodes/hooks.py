"""Hooks: LoRAs and models that only some conditionings bring along, at strengths that follow sampling."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated, NamedTuple

from nodes.define import NodeError, node
from nodes.diffusion import checkpoint
from nodes.diffusion.hooks import combined, with_hooks
from nodes.diffusion.lora import open_lora
from nodes.diffusion.merge import MergePatch
from nodes.diffusion.regions import LEFT_OVER
from nodes.folders import Folders
from nodes.types import (
    Clip,
    ClipHooks,
    Cond,
    Conditioning,
    Hook,
    HookKeyframes,
    Keyframe,
    Mask,
    TimestepsRange,
    WeightHooks,
)
from nodes.widgets import Choice, Files, Named, Range, Socket, Tip

_CREATE = "advanced/hooks/create"
_SCHEDULE = "advanced/hooks/scheduling"
_COMBINE = "advanced/hooks/combine"
_SINGLE = "advanced/hooks/cond single"
_PAIR = "advanced/hooks/cond pair"

_HookStrength = Annotated[float, Range(-20.0, 20.0, step=0.01)]
_Percent = Annotated[float, Range(0.0, 1.0, step=0.001)]
_Factor = Annotated[float, Range(0.0, 10.0, step=0.001)]
_Strength = Annotated[float, Range(0.0, 10.0, step=0.01)]
_Bounds = Annotated[str, Choice(("default", "mask bounds"))]
_Print = Annotated[bool, Tip("Changes nothing here.")]
_EASINGS = ("linear", "ease_in", "ease_out", "ease_in_out")


# Making hooks


@node(id="CreateHookLora", title="Create Hook LoRA", category=_CREATE, experimental=True)
def hook_lora(
    *,
    folders: Folders,
    lora_name: Annotated[str, Files("loras")],
    strength_model: _HookStrength = 1.0,
    strength_clip: _HookStrength = 1.0,
    prev_hooks: WeightHooks | None = None,
) -> WeightHooks:
    """A LoRA for the conditionings that get this hook; the others are drawn without it."""
    path = folders.path("loras", lora_name)
    hook = Hook(
        open_lora(path, strength_model, "unet") if strength_model else None,
        open_lora(path, strength_clip, "text") if strength_clip else None,
    )
    return combined(prev_hooks, WeightHooks((hook,)))


@node(id="CreateHookLoraModelOnly", title="Create Hook LoRA (MO)", category=_CREATE, experimental=True)
def hook_lora_model_only(
    *,
    folders: Folders,
    lora_name: Annotated[str, Files("loras")],
    strength_model: _HookStrength = 1.0,
    prev_hooks: WeightHooks | None = None,
) -> WeightHooks:
    """A LoRA for the conditionings that get this hook, that leaves text encoders as they are."""
    path = folders.path("loras", lora_name)
    hook = Hook(open_lora(path, strength_model, "unet") if strength_model else None)
    return combined(prev_hooks, WeightHooks((hook,)))


@node(id="CreateHookModelAsLora", title="Create Hook Model as LoRA", category=_CREATE, experimental=True)
def hook_model(
    *,
    folders: Folders,
    ckpt_name: Annotated[str, Files("checkpoints")],
    strength_model: _HookStrength = 1.0,
    strength_clip: _HookStrength = 1.0,
    prev_hooks: WeightHooks | None = None,
) -> WeightHooks:
    """What another checkpoint has beyond the model, for the conditionings that get this hook."""
    found = checkpoint.open_checkpoint(folders.path("checkpoints", ckpt_name))
    unet = MergePatch("towards", (found.model.source,), (), (("", strength_model),))
    text = MergePatch("towards", found.clip.sources, (), (("", strength_clip),)) if found.clip else None
    return combined(prev_hooks, WeightHooks((Hook(unet, text),)))


@node(id="CreateHookModelAsLoraModelOnly", title="Create Hook Model as LoRA (MO)", category=_CREATE, experimental=True)
def hook_model_only(
    *,
    folders: Folders,
    ckpt_name: Annotated[str, Files("checkpoints")],
    strength_model: _HookStrength = 1.0,
    prev_hooks: WeightHooks | None = None,
) -> WeightHooks:
    """What another checkpoint has beyond the model, for the conditionings that get this hook; without its text."""
    found = checkpoint.open_unet(folders.path("checkpoints", ckpt_name))
    unet = MergePatch("towards", (found.source,), (), (("", strength_model),))
    return combined(prev_hooks, WeightHooks((Hook(unet),)))


# Strengths that follow sampling


@node(
    id="CreateHookKeyframe", title="Create Hook Keyframe", category=_SCHEDULE, outputs=("HOOK_KF",), experimental=True
)
def keyframe(
    *,
    strength_mult: _HookStrength = 1.0,
    start_percent: _Percent = 0.0,
    prev_hook_kf: HookKeyframes | None = None,
) -> HookKeyframes:
    """From a part of sampling on, multiply the strength of hooks."""
    return _after(prev_hook_kf, [Keyframe(strength_mult, start_percent)])


@node(
    id="CreateHookKeyframesInterpolated",
    title="Create Hook Keyframes Interp.",
    category=_SCHEDULE,
    outputs=("HOOK_KF",),
    experimental=True,
)
def keyframes_between(
    *,
    strength_start: _Factor = 1.0,
    strength_end: _Factor = 1.0,
    interpolation: Annotated[str, Choice(_EASINGS)] = "linear",
    start_percent: _Percent = 0.0,
    end_percent: _Percent = 1.0,
    keyframes_count: Annotated[int, Range(2, 100, step=1)] = 5,
    print_keyframes: _Print = False,  # noqa: ARG001
    prev_hook_kf: HookKeyframes | None = None,
) -> HookKeyframes:
    """Let the strength of hooks go from one factor to another over a part of sampling."""
    places = [i / (keyframes_count - 1) for i in range(keyframes_count)]
    strengths = [strength_start + (strength_end - strength_start) * _eased(t, interpolation) for t in places]
    return _after(prev_hook_kf, _spread(strengths, start_percent, end_percent))


@node(
    id="CreateHookKeyframesFromFloats",
    title="Create Hook Keyframes From Floats",
    category=_SCHEDULE,
    outputs=("HOOK_KF",),
    experimental=True,
)
def keyframes_from(
    *,
    floats_strength: Annotated[object, Socket("FLOATS")],
    start_percent: _Percent = 0.0,
    end_percent: _Percent = 1.0,
    print_keyframes: _Print = False,  # noqa: ARG001
    prev_hook_kf: HookKeyframes | None = None,
) -> HookKeyframes:
    """Give the strength of hooks as numbers, spread evenly over a part of sampling."""
    numbers = floats_strength if isinstance(floats_strength, Iterable) else [floats_strength]
    strengths = [float(n) for n in numbers if isinstance(n, int | float)]
    if not strengths:
        raise NodeError("CreateHookKeyframesFromFloats: floats_strength holds no number.")
    return _after(prev_hook_kf, _spread(strengths, start_percent, end_percent))


@node(id="SetHookKeyframes", title="Set Hook Keyframes", category=_SCHEDULE, experimental=True)
def set_keyframes(*, hooks: WeightHooks, hook_kf: HookKeyframes | None = None) -> WeightHooks:
    """Let the strength of hooks follow keyframes."""
    if hook_kf is None:
        return hooks
    return WeightHooks(tuple(replace(hook, keyframes=hook_kf.frames) for hook in hooks.hooks))


# Putting hooks together


@node(id="CombineHooks2", title="Combine Hooks [2]", category=_COMBINE, experimental=True)
def combine_two(
    *,
    hooks_a: Annotated[WeightHooks | None, Named("hooks_A")] = None,
    hooks_b: Annotated[WeightHooks | None, Named("hooks_B")] = None,
) -> WeightHooks:
    """All hooks together."""
    return combined(hooks_a, hooks_b)


@node(id="CombineHooks4", title="Combine Hooks [4]", category=_COMBINE, experimental=True)
def combine_four(
    *,
    hooks_a: Annotated[WeightHooks | None, Named("hooks_A")] = None,
    hooks_b: Annotated[WeightHooks | None, Named("hooks_B")] = None,
    hooks_c: Annotated[WeightHooks | None, Named("hooks_C")] = None,
    hooks_d: Annotated[WeightHooks | None, Named("hooks_D")] = None,
) -> WeightHooks:
    """All hooks together."""
    return combined(hooks_a, hooks_b, hooks_c, hooks_d)


@node(id="CombineHooks8", title="Combine Hooks [8]", category=_COMBINE, experimental=True)
def combine_eight(
    *,
    hooks_a: Annotated[WeightHooks | None, Named("hooks_A")] = None,
    hooks_b: Annotated[WeightHooks | None, Named("hooks_B")] = None,
    hooks_c: Annotated[WeightHooks | None, Named("hooks_C")] = None,
    hooks_d: Annotated[WeightHooks | None, Named("hooks_D")] = None,
    hooks_e: Annotated[WeightHooks | None, Named("hooks_E")] = None,
    hooks_f: Annotated[WeightHooks | None, Named("hooks_F")] = None,
    hooks_g: Annotated[WeightHooks | None, Named("hooks_G")] = None,
    hooks_h: Annotated[WeightHooks | None, Named("hooks_H")] = None,
) -> WeightHooks:
    """All hooks together."""
    return combined(hooks_a, hooks_b, hooks_c, hooks_d, hooks_e, hooks_f, hooks_g, hooks_h)


@node(id="SetClipHooks", title="Set CLIP Hooks", category="advanced/hooks/clip", experimental=True)
def set_clip_hooks(
    *, clip: Clip, apply_to_conds: bool = True, schedule_clip: bool = False, hooks: WeightHooks | None = None
) -> Clip:
    """Encode prompts under hooks; with `apply_to_conds` what is encoded brings them along to the model too.

    With `schedule_clip` a prompt is encoded once for every keyframe.
    """
    return replace(clip, hooks=ClipHooks(hooks, apply_to_conds, schedule_clip) if hooks is not None else None)


# Conditionings with hooks


class Pair(NamedTuple):
    """Both conditionings."""

    positive: Conditioning
    negative: Conditioning


@node(id="ConditioningSetProperties", title="Cond Set Props", category=_SINGLE, experimental=True)
def set_properties(
    *,
    cond_new: Annotated[Conditioning, Named("cond_NEW")],
    strength: _Strength = 1.0,
    set_cond_area: _Bounds = "default",
    mask: Mask | None = None,
    hooks: WeightHooks | None = None,
    timesteps: TimestepsRange | None = None,
) -> Conditioning:
    """Bind a prompt to a mask, to hooks and to a part of sampling, whichever are given."""
    return _having(cond_new, strength, set_cond_area, mask, hooks, timesteps)


@node(id="ConditioningSetPropertiesAndCombine", title="Cond Set Props Combine", category=_SINGLE, experimental=True)
def set_properties_and_combine(
    *,
    cond: Conditioning,
    cond_new: Annotated[Conditioning, Named("cond_NEW")],
    strength: _Strength = 1.0,
    set_cond_area: _Bounds = "default",
    mask: Mask | None = None,
    hooks: WeightHooks | None = None,
    timesteps: TimestepsRange | None = None,
) -> Conditioning:
    """A prompt, and another one bound to a mask, hooks and a part of sampling."""
    return Conditioning((*cond, *_having(cond_new, strength, set_cond_area, mask, hooks, timesteps)))


@node(id="ConditioningSetDefaultCombine", title="Cond Set Default Combine", category=_SINGLE, experimental=True)
def set_default(
    *,
    cond: Conditioning,
    cond_default: Annotated[Conditioning, Named("cond_DEFAULT")],
    hooks: WeightHooks | None = None,
) -> Conditioning:
    """A prompt, and another one for wherever the first says nothing."""
    return _with_default(cond, cond_default, hooks)


@node(id="PairConditioningSetProperties", title="Cond Pair Set Props", category=_PAIR, experimental=True)
def set_pair_properties(
    *,
    positive_new: Annotated[Conditioning, Named("positive_NEW")],
    negative_new: Annotated[Conditioning, Named("negative_NEW")],
    strength: _Strength = 1.0,
    set_cond_area: _Bounds = "default",
    mask: Mask | None = None,
    hooks: WeightHooks | None = None,
    timesteps: TimestepsRange | None = None,
) -> Pair:
    """Bind both prompts to a mask, to hooks and to a part of sampling."""
    return Pair(
        *(_having(new, strength, set_cond_area, mask, hooks, timesteps) for new in (positive_new, negative_new))
    )


@node(
    id="PairConditioningSetPropertiesAndCombine", title="Cond Pair Set Props Combine", category=_PAIR, experimental=True
)
def set_pair_properties_and_combine(
    *,
    positive: Conditioning,
    negative: Conditioning,
    positive_new: Annotated[Conditioning, Named("positive_NEW")],
    negative_new: Annotated[Conditioning, Named("negative_NEW")],
    strength: _Strength = 1.0,
    set_cond_area: _Bounds = "default",
    mask: Mask | None = None,
    hooks: WeightHooks | None = None,
    timesteps: TimestepsRange | None = None,
) -> Pair:
    """Both prompts, and others bound to a mask, hooks and a part of sampling."""
    both = ((positive, positive_new), (negative, negative_new))
    return Pair(
        *(Conditioning((*own, *_having(new, strength, set_cond_area, mask, hooks, timesteps))) for own, new in both)
    )


@node(id="PairConditioningSetDefaultCombine", title="Cond Pair Set Default Combine", category=_PAIR, experimental=True)
def set_pair_default(
    *,
    positive: Conditioning,
    negative: Conditioning,
    positive_default: Annotated[Conditioning, Named("positive_DEFAULT")],
    negative_default: Annotated[Conditioning, Named("negative_DEFAULT")],
    hooks: WeightHooks | None = None,
) -> Pair:
    """Both prompts, and others for wherever the first say nothing."""
    return Pair(_with_default(positive, positive_default, hooks), _with_default(negative, negative_default, hooks))


@node(id="PairConditioningCombine", title="Cond Pair Combine", category=_PAIR, experimental=True)
def combine_pairs(
    *,
    positive_a: Annotated[Conditioning, Named("positive_A")],
    negative_a: Annotated[Conditioning, Named("negative_A")],
    positive_b: Annotated[Conditioning, Named("positive_B")],
    negative_b: Annotated[Conditioning, Named("negative_B")],
) -> Pair:
    """Both pairs of prompts at once."""
    return Pair(Conditioning((*positive_a, *positive_b)), Conditioning((*negative_a, *negative_b)))


class Ranges(NamedTuple):
    """A part of sampling, what is before it, and what is after it."""

    timesteps_range: TimestepsRange
    before_range: Annotated[TimestepsRange, Named("BEFORE_RANGE")]
    after_range: Annotated[TimestepsRange, Named("AFTER_RANGE")]


@node(id="ConditioningTimestepsRange", title="Timesteps Range", category="advanced/hooks", experimental=True)
def timesteps_range(*, start_percent: _Percent = 0.0, end_percent: _Percent = 1.0) -> Ranges:
    """A part of sampling, from 0 to 1, with what is before and after it."""
    return Ranges(
        TimestepsRange(start_percent, end_percent),
        TimestepsRange(0.0, start_percent),
        TimestepsRange(end_percent, 1.0),
    )


def _having(  # noqa: PLR0917 -- what the nodes were given
    conditioning: Conditioning,
    strength: float,
    bounds: str,
    mask: Mask | None,
    hooks: WeightHooks | None,
    timesteps: TimestepsRange | None,
) -> Conditioning:
    def bound(part: Cond) -> Cond:
        part = with_hooks(part, hooks)
        if mask is not None:
            part = part.having(mask=mask.values, mask_strength=strength, set_area_to_bounds=bounds == "mask bounds")
        if timesteps is not None:
            part = part.having(start_percent=timesteps.start, end_percent=timesteps.end)
        return part

    return Conditioning(tuple(bound(part) for part in conditioning))


def _with_default(conditioning: Conditioning, default: Conditioning, hooks: WeightHooks | None) -> Conditioning:
    marked = (with_hooks(part, hooks) for part in default)
    return Conditioning((*conditioning, *(p.having(extras={**p.extras, LEFT_OVER: True}) for p in marked)))


def _after(previous: HookKeyframes | None, frames: Sequence[Keyframe]) -> HookKeyframes:
    known = previous.frames if previous is not None else ()
    return HookKeyframes(tuple(sorted((*known, *frames), key=lambda frame: frame.start_percent)))


def _spread(strengths: Sequence[float], start: float, end: float) -> list[Keyframe]:
    """Keyframes at even distances; only the first is sure to have a step."""
    step = (end - start) / max(len(strengths) - 1, 1)
    return [Keyframe(s, start + i * step, 1 if i == 0 else 0) for i, s in enumerate(strengths)]


def _eased(t: float, how: str) -> float:
    match how:
        case "ease_in":
            return t**2
        case "ease_out":
            return 1 - (1 - t) ** 2
        case "ease_in_out":
            return (1 - math.cos(t * math.pi)) / 2
        case _:
            return t
