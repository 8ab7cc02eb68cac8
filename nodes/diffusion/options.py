"""What a model handle's options mean for sampling. Nodes set them, samplers read them; values stay comparable."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nodes.diffusion import families
from nodes.diffusion.guidance import hooks_named

if TYPE_CHECKING:
    from nodes.diffusion.guidance import Hooks
    from nodes.diffusion.network import Parametrization
    from nodes.types import Model

_PARAMETRIZATION = "parametrization"
_GUIDANCE = "guidance"


def parametrization(model: Model) -> Parametrization:
    """What the model predicts over which noise levels: its family's, its file's and its handle's word on it."""
    family = families.with_facts(families.family_named(model.source.family), dict(model.source.options))
    return replace(family.parametrization, **dict(model.option(_PARAMETRIZATION, ())))


def with_parametrization(model: Model, **changes: object) -> Model:
    """A handle under which the model is sampled with these fields of its parametrization changed."""
    return model.with_option(_PARAMETRIZATION, tuple({**dict(model.option(_PARAMETRIZATION, ())), **changes}.items()))


def hooks(model: Model) -> Hooks:
    """The changes to guidance that the handle names."""
    return hooks_named((name, dict(parameters)) for name, parameters in model.option(_GUIDANCE, ()))


def with_guidance(model: Model, name: str, **parameters: float) -> Model:
    """A handle with one more change to guidance, after those it has."""
    return model.with_option(_GUIDANCE, (*model.option(_GUIDANCE, ()), (name, tuple(parameters.items()))))
