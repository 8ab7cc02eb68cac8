"""What a workflow draws with, as A1111's settings: galleries show them beside the picture."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, cast

from server.formats.a1111_names import LATENT_METHODS, PIXEL_METHODS, SAMPLERS, SCHEDULES, named, stem_of
from server.formats.infotext import Infotext
from server.formats.noise_levels import percent_before
from server.formats.prompt import Prompt, is_link

Node = Mapping[str, Any]
DigestOf = Callable[[str, str], str | None]
"""The SHA-256 of a model by its folder and name, where there is one."""

_SAMPLING = frozenset({"KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced"})
_HASH_DIGITS = 10
_BRACKET = re.compile(r"(?<!\\)[\[\]]")
_ROUND = re.compile(r"\([^()\[\]|]*\)|\\.")
_UNSAID = re.compile(r"[:|()]")
"""Not to be said inside square brackets, unless in round ones."""

_EMBEDDING = re.compile(r"\bembedding:")


def to_infotext(
    prompt: Prompt, node: str | None = None, *, digest_of: DigestOf | None = None, version: str = ""
) -> Infotext | None:
    """What A1111 would say of what comes to `node`, or of the first thing that is drawn.

    None when no sampler drew it, or when it was drawn in more passes than A1111 can tell. With `digest_of` models
    are named by their hash too.
    """
    ends = [node] if node is not None else _ends(prompt)
    passes = next((found for each in ends if (found := _passes(prompt, each))), None)
    if passes is None or len(passes) > 3:
        return None
    told = _Teller(prompt, passes, digest_of or (lambda _kind, _name: None))
    settings = {**dict(told.settings()), **({"Version": version} if version else {})}
    return Infotext(told.text(), told.negative(), settings)


@dataclass(frozen=True, slots=True)
class _Pass:
    """One sampler with what it is given, wherever that is written down."""

    id: str
    steps: int
    first_step: int
    last_step: int
    denoise: float
    sampler: Any
    schedule: Any
    cfg: Any
    seed: Any
    fresh_noise: bool
    model: Any
    positive: Any
    negative: Any
    latent: Any


def _passes(prompt: Prompt, node: str) -> list[_Pass]:
    """The samplers behind a node, the first that ran first. A node that samples counts itself."""
    found: list[_Pass] = []
    link: Any = [node, 0]
    while len(found) < 4:
        sampler = next((n for n, each in _upstream(prompt, link) if each["class_type"] in _SAMPLING), None)
        each = _pass(prompt, sampler) if sampler is not None else None
        if each is None or any(each.id == known.id for known in found):
            break
        found.insert(0, each)
        link = each.latent
    return found


def _ends(prompt: Prompt) -> list[str]:
    """The nodes that nothing takes anything from."""
    taken = {value[0] for each in prompt.values() for value in each["inputs"].values() if is_link(value)}
    return [name for name in prompt if name not in taken]


def _pass(prompt: Prompt, node: str) -> _Pass | None:
    inputs = _inputs(prompt, [node, 0])
    kind = prompt[node]["class_type"]
    guider = _inputs(prompt, inputs.get("guider")) if kind == "SamplerCustomAdvanced" else inputs
    sigmas = _inputs(prompt, inputs.get("sigmas")) if kind.startswith("SamplerCustom") else inputs
    sampler = _inputs(prompt, inputs.get("sampler")) if kind.startswith("SamplerCustom") else inputs
    noise = _inputs(prompt, inputs.get("noise")) if kind == "SamplerCustomAdvanced" else inputs

    def plain(of: Mapping[str, Any], *names: str) -> Any:
        return next((_constant(prompt, of[name]) for name in names if name in of), None)

    steps = plain(sigmas, "steps")
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        return None
    first, last = plain(inputs, "start_at_step") or 0, plain(inputs, "end_at_step")
    denoise = plain(sigmas, "denoise")
    add_noise = plain(inputs, "add_noise")
    return _Pass(
        node,
        steps,
        min(first, steps) if isinstance(first, int) else 0,
        min(last, steps) if isinstance(last, int) else steps,
        float(denoise) if isinstance(denoise, int | float) else 1.0,
        plain(sampler, "sampler_name"),
        plain(sigmas, "scheduler"),
        plain(guider, "cfg"),
        plain(noise, "seed", "noise_seed"),
        add_noise not in ("disable", False),
        guider.get("model"),
        guider.get("positive", guider.get("conditioning", guider.get("cond1"))),
        guider.get("negative"),
        inputs.get("latent_image"),
    )


@dataclass(frozen=True)
class _Teller:
    prompt: Prompt
    passes: list[_Pass]
    digest_of: DigestOf

    @property
    def base(self) -> _Pass:
        return self.passes[0]

    @property
    def refiner(self) -> _Pass | None:
        """A second model that takes over what the first has not finished."""
        second = self.passes[1] if len(self.passes) > 1 else None
        goes_on = second is not None and not second.fresh_noise and second.first_step == self.base.last_step
        return second if goes_on else None

    @property
    def hires(self) -> _Pass | None:
        rest = self.passes[2:] if self.refiner else self.passes[1:]
        return rest[0] if rest else None

    def text(self) -> str:
        loras = (f"<lora:{stem_of(name)}:{strength}>" for name, strength in self._loras())
        return " ".join([self._wording(self.base.positive), *loras]).strip()

    def negative(self) -> str:
        return self._wording(self.base.negative)

    def _wording(self, link: Any) -> str:
        """A prompt of the first pass. Where it changes as sampling goes on, the change is put at its step."""
        ranges = _ranges(self.prompt, link)
        if len(ranges) < 2:
            return _text_of(self.prompt, link)
        told = ranges[0][1]
        if any(_UNSAID.search(_ROUND.sub("", text)) for _, text in ranges):
            return told
        for start, text in ranges[1:]:
            step = self._step_at(start)
            if step is None:
                return ranges[0][1]
            told = f"[{told}:{text}:{step - 1}]"  # A1111 says the last step of what was before
        return told

    def _step_at(self, percent: float) -> int | None:
        steps, schedule, sampler = self.base.steps, str(self.base.schedule), str(self.base.sampler)
        if not 1 < steps <= 1000:
            return None
        return min(range(1, steps), key=lambda step: abs(percent_before(step, steps, schedule, sampler) - percent))

    def settings(self) -> Iterator[tuple[str, str]]:
        """The settings in A1111's order, those that are known."""
        for name, value in (*self._drawing(), *self._models(), *self._passes_told(), *self._hashes()):
            if isinstance(value, str | int | float) and value != "":
                yield name, _number(value)

    def _drawing(self) -> Iterator[tuple[str, Any]]:
        base = self.base
        yield "Steps", base.steps
        yield "Sampler", named(SAMPLERS, base.sampler)
        yield "Schedule type", named(SCHEDULES, base.schedule)
        yield "CFG scale", self._cfg(base)
        guidance = _first(self.prompt, base.positive, lambda each: "guidance" in each["inputs"])
        yield "Distilled CFG Scale", _constant(self.prompt, guidance["inputs"]["guidance"]) if guidance else None
        yield "Seed", base.seed
        size = self._size()
        yield "Size", f"{size[0]}x{size[1]}" if size else None

    def _cfg(self, each: _Pass) -> Any:
        if not isinstance(each.cfg, int | float):
            return 1
        times = _and_weight(_parts(self.prompt, each.positive))
        return round(each.cfg / times, 4) if times else each.cfg

    def _models(self) -> Iterator[tuple[str, Any]]:
        kind, name = self._model(self.base.model)
        yield "Model hash", self._hash(kind, name)
        yield "Model", stem_of(name)
        vae = _first(self.prompt, [self.passes[-1].id, 0], lambda each: isinstance(each["inputs"].get("vae_name"), str))
        vae = vae or self._own_vae()
        if vae is not None:
            name = vae["inputs"]["vae_name"]
            yield "VAE hash", self._hash("vae", name)
            yield "VAE", _base(name)

    def _own_vae(self) -> Node | None:
        """The VAE that decodes, where it is not the checkpoint's."""
        decoders = (each for each in self.prompt.values() if each["class_type"].startswith("VAEDecode"))
        ours = (each for each in decoders if self._comes_from(each["inputs"].get("samples")))
        loaders = (_node(self.prompt, each["inputs"].get("vae")) for each in ours)
        return next((each for each in loaders if each and isinstance(each["inputs"].get("vae_name"), str)), None)

    def _comes_from(self, link: Any) -> bool:
        return any(name == self.passes[-1].id for name, _ in _upstream(self.prompt, link))

    def _passes_told(self) -> Iterator[tuple[str, Any]]:
        if self.hires is not None:
            yield from self._hires_told(self.hires)
        elif self.base.denoise != 1:
            yield "Denoising strength", self.base.denoise
        clip = _first(self.prompt, self.base.positive, lambda each: "stop_at_clip_layer" in each["inputs"])
        layer = _constant(self.prompt, clip["inputs"]["stop_at_clip_layer"]) if clip else None
        yield "Clip skip", -layer if isinstance(layer, int) and layer < -1 else None
        if self.refiner is not None:
            yield "Refiner", stem_of(self._model(self.refiner.model)[1])
            yield "Refiner switch at", round(self.base.last_step / self.base.steps, 4)

    def _hires_told(self, hires: _Pass) -> Iterator[tuple[str, Any]]:
        steps, run = _as_a1111(hires)
        yield "Denoising strength", _strength(run, steps)
        yield "Hires upscale", self._enlarged(hires)
        yield "Hires steps", steps
        yield "Hires upscaler", self._upscaler(hires)
        for name, table, value, before in (
            ("Hires sampler", SAMPLERS, hires.sampler, self.base.sampler),
            ("Hires schedule type", SCHEDULES, hires.schedule, self.base.schedule),
        ):
            yield name, named(table, value) if value != before else None
        yield "Hires CFG Scale", self._cfg(hires) if self._cfg(hires) != self._cfg(self.base) else None
        for name, link, before in (
            ("Hires prompt", hires.positive, self.text()),
            ("Hires negative prompt", hires.negative, self.negative()),
        ):
            text = _text_of(self.prompt, link)
            yield name, text if text and text != before and not before.startswith(text) else None

    def _between(self, hires: _Pass) -> Iterator[Node]:
        """What stands between the pass before and the latent that is drawn over."""
        before = self.passes[self.passes.index(hires) - 1].id
        for name, each in _upstream(self.prompt, hires.latent):
            if name == before:
                return
            yield each

    def _enlarged(self, hires: _Pass) -> float | None:
        scale, size = 1.0, self._size()
        for each in self._between(hires):
            by, width = (_constant(self.prompt, each["inputs"].get(name)) for name in ("scale_by", "width"))
            if isinstance(by, int | float):
                scale *= by
            elif isinstance(width, int) and size is not None:
                return round(width / size[0], 4)
            elif each["class_type"] == "ImageUpscaleWithModel":
                return None
        return round(scale, 4)

    def _upscaler(self, hires: _Pass) -> str | None:
        method: str | None = None
        for each in self._between(hires):
            inputs = each["inputs"]
            if each["class_type"] == "ImageUpscaleWithModel":
                name = _inputs(self.prompt, inputs.get("upscale_model")).get("model_name")
                return stem_of(name) if isinstance(name, str) else None
            if method is None and isinstance(inputs.get("upscale_method"), str):
                table = LATENT_METHODS if "samples" in inputs else PIXEL_METHODS
                method = _first_name(table, inputs["upscale_method"])
        return method

    def _hashes(self) -> Iterator[tuple[str, Any]]:
        found = ((stem_of(name), self._hash("loras", name)) for name, _ in self._loras())
        yield "Lora hashes", ", ".join(f"{name}: {digest}" for name, digest in found if digest)

    def _model(self, link: Any) -> tuple[str, str]:
        """The folder and the name of the model that a link comes from."""
        for each in self._along(link):
            for key, kind in (("ckpt_name", "checkpoints"), ("unet_name", "diffusion_models")):
                if isinstance(each["inputs"].get(key), str):
                    return kind, each["inputs"][key]
        return "", ""

    def _loras(self) -> list[tuple[str, str]]:
        """Names and strengths, the first that was applied first."""
        found: list[tuple[str, str]] = []
        for each in self._along(self.base.model):
            inputs = each["inputs"]
            name, model = inputs.get("lora_name"), _constant(self.prompt, inputs.get("strength_model"))
            if isinstance(name, str) and isinstance(model, int | float):
                text = _constant(self.prompt, inputs.get("strength_clip", 0))
                same = not isinstance(text, int | float) or text == model
                found.insert(0, (name, _number(model) if same else f"{_number(text)}:{_number(model)}"))
        return found

    def _along(self, link: Any) -> Iterator[Node]:
        """The nodes that a model goes through, from the sampler up to its loader."""
        seen: set[str] = set()
        while is_link(link) and link[0] in self.prompt and link[0] not in seen:
            seen.add(link[0])
            yield self.prompt[link[0]]
            link = self.prompt[link[0]]["inputs"].get("model")

    def _hash(self, kind: str, name: str) -> str | None:
        digest = self.digest_of(kind, name) if kind and name else None
        return digest[:_HASH_DIGITS] if digest else None

    def _size(self) -> tuple[int, int] | None:
        for _, each in _upstream(self.prompt, self.base.latent):
            width, height = (_constant(self.prompt, each["inputs"].get(name)) for name in ("width", "height"))
            if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
                return width, height
        return None


def _as_a1111(each: _Pass) -> tuple[int, int]:
    """The steps of the whole schedule, and how many of them, at its end, the pass runs."""
    if each.first_step > 0:
        return each.steps, each.steps - each.first_step
    if each.denoise <= 0:
        return each.steps, 0
    return max(int(each.steps / min(each.denoise, 1.0)), each.steps), each.steps


def _strength(run: int, steps: int) -> float:
    """The plainest denoising strength with which A1111 runs so many of its steps: int(strength * steps) + 1."""
    low, high = max(run - 1, 0) / steps, run / steps
    for digits in range(1, 6):
        scale = 10**digits
        strength = math.ceil(low * scale - 1e-9) / scale
        if strength < high and int(strength * steps) + 1 == run:
            return strength
    return high


def _number(value: str | float) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _first_name(names: Mapping[str, str], value: str) -> str:
    return next((name for name, each in names.items() if each == value and name != "None"), value)


def _node(prompt: Prompt, link: Any) -> Node | None:
    return prompt.get(link[0]) if is_link(link) else None


def _inputs(prompt: Prompt, link: Any) -> Mapping[str, Any]:
    node = _node(prompt, link)
    return cast("Mapping[str, Any]", node["inputs"]) if node else {}


def _constant(prompt: Prompt, value: Any) -> Any:
    """A value that is written down, here or in a node that only holds one."""
    if not is_link(value):
        return value
    inputs = _inputs(prompt, value)
    plain = [
        inputs[name] for name in ("value", "seed", "noise_seed", "text", "string", "int", "float") if name in inputs
    ]
    return next((each for each in plain if isinstance(each, str | int | float)), None)


def _upstream(prompt: Prompt, link: Any) -> Iterator[tuple[str, Node]]:
    """The node that a link comes from, and all that feed it, nearest first."""
    waiting: list[Any] = [link]
    seen: set[str] = set()
    for each in waiting:
        if is_link(each) and each[0] in prompt and each[0] not in seen:
            seen.add(each[0])
            node = prompt[each[0]]
            yield each[0], node
            waiting.extend(node["inputs"].values())


def _first(prompt: Prompt, link: Any, wanted: Callable[[Node], bool]) -> Node | None:
    return next((node for _, node in _upstream(prompt, link) if wanted(node)), None)


def _parts(prompt: Prompt, link: Any) -> list[tuple[str, float | None]]:
    """The texts that are drawn together, with the weights that are written down."""
    found: list[tuple[str, float | None]] = []
    for leaf in _leaves(prompt, link):
        node = prompt[leaf[0]]
        if node["class_type"] == "ConditioningSetAreaStrength":
            strength = _constant(prompt, node["inputs"].get("strength"))
            plain = strength if isinstance(strength, int | float) else None
            found.append((_in_chunks(prompt, node["inputs"].get("conditioning")), plain))
        else:
            found.append((_in_chunks(prompt, leaf), None))
    return found


def _leaves(prompt: Prompt, link: Any) -> list[Any]:
    """Links to the conditionings that were combined, in their order."""
    found: list[Any] = []
    waiting, seen = [link], set[str]()
    while waiting:
        each = waiting.pop()
        node = _node(prompt, each)
        if node is None or each[0] in seen:
            continue
        seen.add(each[0])
        if node["class_type"] == "ConditioningCombine":
            waiting += [node["inputs"].get("conditioning_2"), node["inputs"].get("conditioning_1")]
        else:
            found.append(each)
    return found


def _text_of(prompt: Prompt, link: Any) -> str:
    """The prompt that conditioning was made of: what is drawn together is joined by AND."""
    parts = _parts(prompt, link)
    if len(parts) < 2:
        return parts[0][0] if parts else ""
    weights = [weight if _and_weight(parts) else 1 / len(parts) for _, weight in parts]
    told = (f"{text} :{_number(round(weight or 0, 4))}" for (text, _), weight in zip(parts, weights, strict=True))
    return " AND ".join(told)


def _ranges(prompt: Prompt, link: Any) -> list[tuple[float, str]]:
    """The texts that hold one after the other, with the part of sampling after which each does; else none."""
    found: list[tuple[float, str]] = []
    for leaf in _leaves(prompt, link):
        node = _node(prompt, leaf)
        start = _constant(prompt, node["inputs"].get("start")) if node else None
        if node is None or node["class_type"] != "ConditioningSetTimestepRange" or not isinstance(start, int | float):
            return []
        found.append((start, _in_chunks(prompt, node["inputs"].get("conditioning"))))
    return sorted(found, key=lambda each: each[0])


def _and_weight(parts: list[tuple[str, float | None]]) -> float | None:
    """What all weights come to, where all are written down. A1111 adds parts up; here they are averaged."""
    weights = [weight for _, weight in parts if weight is not None]
    return sum(weights) if len(weights) == len(parts) > 1 and sum(weights) > 0 else None


def _in_chunks(prompt: Prompt, link: Any) -> str:
    """The prompt behind conditioning that is one: parts that were put one behind the other are joined by BREAK."""
    chunks: list[str] = []
    seen: set[str] = set()
    while (node := _node(prompt, link)) is not None and node["class_type"] == "ConditioningConcat":
        if link[0] in seen:
            break
        seen.add(link[0])
        chunks.insert(0, _plain_text(prompt, node["inputs"].get("conditioning_from")))
        link = node["inputs"].get("conditioning_to")
    return " BREAK ".join([_plain_text(prompt, link), *chunks])


def _plain_text(prompt: Prompt, link: Any) -> str:
    """The text that was encoded, in A1111's grammar: square brackets have a meaning there, embeddings no prefix."""
    for _, node in _upstream(prompt, link):
        for name in ("text", "text_g", "clip_l", "t5xxl", "prompt"):
            if "clip" in node["inputs"] and isinstance(text := _constant(prompt, node["inputs"].get(name)), str):
                return _EMBEDDING.sub("", _BRACKET.sub(r"\\\g<0>", text))
    return ""


def _base(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name
