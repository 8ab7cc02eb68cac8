"""Models made of other models. Nothing is computed before something samples with them or saves them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Annotated, Any

from nodes.define import NodeFunction, node
from nodes.diffusion import merge
from nodes.types import Clip, Model
from nodes.widgets import Named, Range

_CATEGORY = "advanced/model_merging"
_BY_BLOCK = "advanced/model_merging/model_specific"

_Ratio = Annotated[float, Range(0.0, 1.0, step=0.01)]
_Multiplier = Annotated[float, Range(-10.0, 10.0, step=0.01)]


@node(id="ModelMergeSimple", category=_CATEGORY)
def merge_simple(*, model1: Model, model2: Model, ratio: _Ratio = 1.0) -> Model:
    """Mix two models: at ratio 1 the first alone, at 0 the second."""
    return merge.merged(model1, model2, "mix", (("", ratio),))


@node(id="ModelMergeBlocks", category=_CATEGORY)
def merge_blocks(
    *, model1: Model, model2: Model, input: _Ratio = 1.0, middle: _Ratio = 1.0, out: _Ratio = 1.0
) -> Model:
    """Mix two models, with a ratio of the first for the way in, the middle and the way out."""
    return merge.merged(model1, model2, "mix", (("input", input), ("middle", middle), ("out", out)))


@node(id="ModelMergeSubtract", category=_CATEGORY)
def merge_subtract(*, model1: Model, model2: Model, multiplier: _Multiplier = 1.0) -> Model:
    """What the first model has beyond the second. It draws nothing by itself: add it to a model, or extract a LoRA."""
    return merge.merged(model1, model2, "subtract", (("", multiplier),))


@node(id="ModelMergeAdd", category=_CATEGORY)
def merge_add(*, model1: Model, model2: Model) -> Model:
    """The sum of two models; one of them is usually a difference."""
    return merge.merged(model1, model2, "add")


@node(id="CLIPMergeSimple", category=_CATEGORY)
def merge_clips(*, clip1: Clip, clip2: Clip, ratio: _Ratio = 1.0) -> Clip:
    """Mix two text encoders: at ratio 1 the first alone, at 0 the second."""
    return merge.merged_clip(clip1, clip2, "mix", ratio)


@node(id="CLIPMergeSubtract", category=_CATEGORY)
def subtract_clips(*, clip1: Clip, clip2: Clip, multiplier: _Multiplier = 1.0) -> Clip:
    """What the first text encoder has beyond the second."""
    return merge.merged_clip(clip1, clip2, "subtract", multiplier)


@node(id="CLIPMergeAdd", category=_CATEGORY)
def add_clips(*, clip1: Clip, clip2: Clip) -> Clip:
    """The sum of two text encoders; one of them is usually a difference."""
    return merge.merged_clip(clip1, clip2, "add")


def _by_block(node_id: str, blocks: Sequence[str]) -> NodeFunction[..., Model]:
    """A merging node with a slider for each block of a family's UNet."""
    names = {block.strip(".").replace(".", "_"): block for block in blocks}

    def merge_by_block(*, model1: Model, model2: Model, **ratios: float) -> Model:
        """Mix two models, with a ratio of the first for every block."""
        return merge.merged(
            model1, model2, "mix", tuple((block, ratios.get(name, 1.0)) for name, block in names.items())
        )

    # The signature is the schema, and these are too many to write out.
    sliders: dict[str, Any] = {name: Annotated[_Ratio, Named(block)] for name, block in names.items()}
    models: dict[str, Any] = {"model1": Model, "model2": Model}
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, keyword) for name in models]
    parameters += [inspect.Parameter(name, keyword, default=1.0) for name in sliders]
    merge_by_block.__annotations__ = {**models, **sliders, "return": Model}
    merge_by_block.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    return node(id=node_id, category=_BY_BLOCK)(merge_by_block)


def _blocks(inputs: int, outputs: int, end: str) -> list[str]:
    return [
        "time_embed.",
        "label_emb.",
        *(f"input_blocks.{i}{end}" for i in range(inputs)),
        *(f"middle_block.{i}{end}" for i in range(3)),
        *(f"output_blocks.{i}{end}" for i in range(outputs)),
        "out.",
    ]


merge_sd1 = _by_block("ModelMergeSD1", _blocks(12, 12, "."))
merge_sd2 = _by_block("ModelMergeSD2", _blocks(12, 12, "."))
merge_sdxl = _by_block("ModelMergeSDXL", _blocks(9, 9, ""))
