"""Changes to weights that conditionings bring along, at strengths that follow sampling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from nodes.diffusion import stored
from nodes.diffusion.patches import Target, WeightPatch
from nodes.diffusion.regions import ENCODED, HOOKS
from nodes.diffusion.unet import UNet
from nodes.types import Cond, Conditioning, WeightHooks

if TYPE_CHECKING:
    from torch import Tensor

    from nodes.diffusion.clip import Encoded
    from nodes.diffusion.network import Inputs
    from nodes.diffusion.prediction import Prediction
    from nodes.types import Clip, Hook, Keyframe, Patch


@contextmanager
def hooked(network: UNet, sides: Mapping[str, Conditioning], prediction: Prediction) -> Iterator[UNet]:
    """The network, which for each conditioning wears what its hooks want at that level.

    Raises WeightsError when a hook is made for another model.
    """
    found = [_hooks_of(cond.extras) for side in sides.values() for cond in side]
    patches = [hook.unet for hooks in found for hook in hooks if hook.unet is not None]
    wear = network.wear
    if not patches or wear is None:
        yield network
        return
    shapes = {name: tuple(p.shape) for name, p in network.module.named_parameters()}
    check(patches, Target("unet", network.family, shapes))
    try:
        yield _Hooked(network, wear, prediction)
    finally:
        wear(())


def check(patches: Sequence[Patch], target: Target) -> None:
    """Raise WeightsError when a patch that can tell is made for another model."""
    for patch in patches:
        tell = getattr(patch, "check", None)
        if tell is not None:
            tell(target)


def prompted(clip: Clip, encode: Callable[[Clip], Encoded], extras: Mapping[str, object]) -> Conditioning:
    """A prompt encoded under the hooks of a text encoder, once for each part of sampling that needs it."""
    hooks = clip.hooks
    if hooks is None:
        encoded = encode(clip)
        return Conditioning((Cond(encoded.tokens, encoded.pooled, extras=extras),))
    patches = [hook.text for hook in hooks.hooks.hooks if hook.text is not None]
    for source in clip.sources if patches else ():
        check(patches, Target(source.part, source.family, stored.shapes(source)))
    brought = {HOOKS: hooks.hooks} if hooks.on_conditionings else {}
    times = [0.0, *sorted({t for t in _turns(hooks.hooks) if 0 < t < 1})] if hooks.scheduled else [0.0]
    parts: list[Cond] = []
    for start, end in zip(times, [*times[1:], 1.0], strict=True):
        encoded = encode(_under(clip, hooks.hooks, start))
        more = {ENCODED: (start, end)} if len(times) > 1 else {}
        parts.append(Cond(encoded.tokens, encoded.pooled, extras={**extras, **brought, **more}))
    return Conditioning(tuple(parts))


def with_hooks(cond: Cond, hooks: WeightHooks | None) -> Cond:
    """The conditioning with more hooks after those it has."""
    if hooks is None or not hooks.hooks:
        return cond
    own = cond.extras.get(HOOKS)
    return cond.having(extras={**cond.extras, HOOKS: combined(own, hooks) if own else hooks})


def combined(*each: WeightHooks | None) -> WeightHooks:
    """All of them together, in order."""
    return WeightHooks(tuple(hook for hooks in each if hooks is not None for hook in hooks.hooks))


def _hooks_of(extras: Mapping[str, object] | None) -> tuple[Hook, ...]:
    found = (extras or {}).get(HOOKS)
    return found.hooks if isinstance(found, WeightHooks) else ()


def _turns(hooks: WeightHooks) -> Iterator[float]:
    return (frame.start_percent for hook in hooks.hooks if hook.text is not None for frame in hook.keyframes)


def _under(clip: Clip, hooks: WeightHooks, percent: float) -> Clip:
    """The text encoder as the hooks change it at a part of sampling."""
    patches: list[Patch] = []
    for hook in hooks.hooks:
        started = [frame.strength for frame in hook.keyframes if frame.start_percent <= percent]
        first = hook.keyframes[0].strength if hook.keyframes else 1.0
        strength = started[-1] if started else first
        if hook.text is not None and strength:
            patches.append(hook.text.scaled(strength))
    return replace(clip, hooks=None).patched(*patches)


class _Hooked(UNet):
    """A UNet that changes what it wears between calls."""

    def __init__(self, inner: UNet, wear: Callable[[Sequence[WeightPatch]], None], prediction: Prediction) -> None:
        vars(self).update(vars(inner))
        self._inner = inner
        self._wear = wear
        self._prediction = prediction
        self._walks: dict[Hook, _Walk] = {}
        self._first_sigma: float | None = None

    def __call__(self, x: Tensor, timestep: Tensor, inputs: Inputs) -> Tensor:
        """The network's raw output under the hooks that came with these inputs."""
        self._wear(list(self._patches(_hooks_of(inputs.extras), inputs.sigma)))
        return self._inner(x, timestep, inputs)

    def _patches(self, hooks: Sequence[Hook], sigma: float) -> Iterator[WeightPatch]:
        if self._first_sigma is None:
            self._first_sigma = sigma
        for hook in hooks:
            if hook not in self._walks:
                self._walks[hook] = _Walk(hook.keyframes, self._prediction, self._first_sigma)
            strength = self._walks[hook].strength(sigma)
            if hook.unet is not None and strength:
                patch = hook.unet.scaled(strength)
                assert isinstance(patch, WeightPatch)
                yield patch


class _Walk:
    """Goes through the keyframes of a hook as sampling goes on: each has its steps before the next can begin."""

    def __init__(self, frames: Sequence[Keyframe], prediction: Prediction, first_sigma: float) -> None:
        self._frames = [(frame, prediction.percent_to_sigma(frame.start_percent)) for frame in frames]
        self._first_sigma = first_sigma
        self._index = 0
        self._steps = 0
        self._sigma: float | None = None

    def strength(self, sigma: float) -> float:
        """How many times its own strength the hook has at this level; levels are asked for in sampling's order."""
        if not self._frames:
            return 1.0
        if sigma != self._sigma:
            self._advance(sigma)
            self._steps += 1
            self._sigma = sigma
        return self._frames[self._index][0].strength

    def _advance(self, sigma: float) -> None:
        if self._steps < self._due(self._index):
            return
        for index in range(self._index + 1, len(self._frames)):
            if self._frames[index][1] < sigma:
                return
            self._index, self._steps = index, 0
            if self._due(index):
                return

    def _due(self, index: int) -> int:
        """For how many steps a keyframe stays at least; one from before this run began may be passed over."""
        frame, start = self._frames[index]
        return 0 if start > self._first_sigma else frame.steps
