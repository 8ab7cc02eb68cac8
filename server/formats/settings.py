"""What a workflow draws with, as A1111's settings: galleries show them beside the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, cast

from server.formats.a1111 import SAMPLERS, SCHEDULES
from server.formats.infotext import Infotext
from server.formats.prompt import Prompt, is_link

Node = Mapping[str, Any]


def to_infotext(prompt: Prompt) -> Infotext | None:
    """What A1111 would say of a workflow; None when no sampler in it says how it draws."""
    sampler = next((n for n in prompt.values() if n["class_type"] in ("KSampler", "KSamplerAdvanced")), None)
    if sampler is None:
        return None
    inputs = _inputs(sampler)
    names = {sampler_name: name for name, sampler_name in SAMPLERS.items()}
    schedules = {scheduler: name for name, scheduler in SCHEDULES.items()}
    latent = _first_upstream(prompt, inputs.get("latent_image"), lambda n: "width" in n["inputs"])
    loader = _first_upstream(prompt, inputs.get("model"), lambda n: _model_name(n) is not None)
    loras = list(_loras(prompt, inputs.get("model")))
    values: list[tuple[str, Any]] = [
        ("Steps", inputs.get("steps")),
        ("Sampler", _named(names, inputs.get("sampler_name"))),
        ("Schedule type", _named(schedules, inputs.get("scheduler"))),
        ("CFG scale", inputs.get("cfg")),
        ("Seed", inputs.get("seed", inputs.get("noise_seed"))),
        ("Size", _size(latent)),
        ("Model", _stem_as_written(_model_name(loader)) if loader else None),
        ("Denoising strength", None if inputs.get("denoise", 1) == 1 else inputs.get("denoise")),
        ("Clip skip", _clip_skip(prompt, inputs.get("positive"))),
    ]
    settings = {name: _number(value) for name, value in values if isinstance(value, str | int | float)}
    text = " ".join([_text_of(prompt, inputs.get("positive")), *loras]).strip()
    return Infotext(text, _text_of(prompt, inputs.get("negative")), settings)


def _named(names: Mapping[str, str], value: object) -> str | None:
    return names.get(value, value) if isinstance(value, str) else None


def _inputs(node: Node | None) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", node["inputs"]) if node else {}


def _number(value: str | float) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _upstream(prompt: Prompt, link: object) -> Iterator[Node]:
    """The node that a link comes from, and all that feed it, nearest first."""
    waiting: list[Any] = [link]
    seen: set[str] = set()
    for each in waiting:
        if is_link(each) and each[0] in prompt and each[0] not in seen:
            seen.add(each[0])
            node = prompt[each[0]]
            yield node
            waiting.extend(node["inputs"].values())


def _first_upstream(prompt: Prompt, link: object, wanted: Callable[[Node], bool]) -> Node | None:
    return next((node for node in _upstream(prompt, link) if wanted(node)), None)


def _text_of(prompt: Prompt, link: object) -> str:
    for node in _upstream(prompt, link):
        for name in ("text", "text_g", "clip_l", "t5xxl"):
            if "clip" in node["inputs"] and isinstance(node["inputs"].get(name), str):
                return node["inputs"][name]
    return ""


def _model_name(node: Node | None) -> str | None:
    inputs = _inputs(node)
    return next((inputs[n] for n in ("ckpt_name", "unet_name") if isinstance(inputs.get(n), str)), None)


def _stem_as_written(name: str | None) -> str | None:
    """The name without folders and ending: what stands in a picture says nothing of the disk."""
    return PurePosixPath(name.replace("\\", "/")).stem if name else None


def _loras(prompt: Prompt, link: object) -> Iterator[str]:
    for node in _upstream(prompt, link):
        inputs = node["inputs"]
        if isinstance(inputs.get("lora_name"), str) and isinstance(inputs.get("strength_model"), int | float):
            yield f"<lora:{_stem_as_written(inputs['lora_name'])}:{_number(inputs['strength_model'])}>"


def _clip_skip(prompt: Prompt, link: object) -> int | None:
    node = _first_upstream(prompt, link, lambda n: "stop_at_clip_layer" in n["inputs"])
    layer = node["inputs"]["stop_at_clip_layer"] if node else None
    return -layer if isinstance(layer, int) and layer < -1 else None


def _size(node: Node | None) -> str | None:
    inputs = _inputs(node)
    width, height = inputs.get("width"), inputs.get("height")
    return f"{width}x{height}" if isinstance(width, int) and isinstance(height, int) else None
