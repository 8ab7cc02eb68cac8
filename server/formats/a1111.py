"""A1111's settings as a workflow that draws the same."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from nodes.define import NodeError
from nodes.folders import STARTER, Folders
from server.formats.a1111_names import (
    AUTOMATIC,
    LATENT_METHODS,
    OWN_SAMPLERS,
    PIXEL_METHODS,
    SAMPLERS,
    SCHEDULES,
    STAND_INS,
    is_random,
    stem_of,
)
from server.formats.infotext import Infotext
from server.formats.noise_levels import EXACT, percent_before
from server.formats.prompt import Prompt
from server.formats.prompt_editing import Clock, has_weights, in_chunks, joined_by_and, over_time

_LORA = re.compile(r"<(lora|lyco|hypernet):([^:<>]{1,200})((?::[^:<>]{0,40}){0,4})>")
_READ = frozenset(
    {
        *("Steps", "Sampler", "Schedule type", "CFG scale", "Distilled CFG Scale", "Seed", "Size", "Model", "VAE"),
        *("Clip skip", "Denoising strength", "ENSD", "RNG", "Emphasis", "Variation seed", "Variation seed strength"),
        *("Hires upscale", "Hires resize", "Hires steps", "Hires upscaler", "Hires sampler", "Hires schedule type"),
        *("Hires CFG Scale", "Hires prompt", "Hires negative prompt", "Refiner", "Refiner switch at"),
        *("Token merging ratio", "Model hash", "VAE hash", "Lora hashes", "TI hashes", "Hashes", "Version", "User"),
        *("Size-1", "Size-2", "Batch size", "Batch pos", "Created Date", "Civitai resources", "Civitai metadata"),
        *("Template", "Negative Template", "Pad conds", "Time taken", "Workflow", "Mask blur", "Masked content"),
    }
)
"""Settings that are used here, or that change nothing."""
_HASH_LIMIT = 16 * 2**30
"""Bytes that are hashed at most, to find a model that goes by another name."""


@dataclass(frozen=True, slots=True)
class Made:
    """A workflow made of settings, and what of them it could not keep."""

    prompt: Prompt
    notes: tuple[str, ...] = ()


def from_infotext(info: Infotext, folders: Folders | None) -> Made:
    """The workflow that draws what A1111 drew with these settings."""
    return _Maker(info, folders).made()


Link = list[Any]


@dataclass(frozen=True, slots=True)
class _Models:
    """Where the parts of a model come from."""

    model: Link
    clip: Link
    vae: Link


@dataclass(frozen=True, slots=True)
class _Conds:
    """Both prompts, encoded, and what the guidance is multiplied by: parts joined by AND add up."""

    positive: Link
    negative: Link
    times: float = 1.0

    def links(self) -> dict[str, Link]:
        return {"positive": self.positive, "negative": self.negative}


@dataclass(slots=True)
class _Maker:
    info: Infotext
    folders: Folders | None
    prompt: Prompt = field(default_factory=dict[str, Any])
    notes: list[str] = field(default_factory=list[str])

    def made(self) -> Made:
        positive, loras = self._without_tags(self.info.prompt)
        negative, _ = self._without_tags(self.info.negative)
        models = self._models(loras)
        steps = self._steps("Steps", 20)
        conds = self._conds(models, positive, negative, Clock(steps))
        width, height = self.info.size or (512, 512)
        if self.info.size is None:
            self._note("The settings name no size; 512x512 is used.")
        latent = self._add("EmptyLatentImage", width=width, height=height, batch_size=1)
        latent = self._drawn(models, conds, latent, (positive, negative))
        latent = self._hires(models, conds, latent, (positive, negative))
        image = self._add("VAEDecode", samples=latent, vae=models.vae)
        self._add("SaveImage", images=image, filename_prefix="sfumato")
        self._other_notes()
        return Made(self.prompt, tuple(self.notes))

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _add(self, kind: str, title: str = "", /, **inputs: Any) -> Link:
        name = str(len(self.prompt) + 1)
        self.prompt[name] = {
            "class_type": kind,
            "inputs": inputs,
            **({"_meta": {"title": title}} if title else {}),
        }
        return [name, 0]

    def _models(self, loras: Sequence[tuple[str, float, float]]) -> _Models:
        model, clip, vae = self._loaded()
        named = self.info.settings.get("VAE", "")
        if named and named not in ("Automatic", "None"):
            found = self._file("vae", named)
            if found is None:
                self._note(f"The VAE {named} is not in models/vae; the checkpoint's own is used.")
            else:
                vae = self._add("VAELoader", vae_name=found)
        for name, strength_model, strength_clip in loras:
            loaded = self._add(
                "LoraLoader",
                model=model,
                clip=clip,
                lora_name=self._file("loras", name) or self._lora_by_hash(name) or f"{name}.safetensors",
                strength_model=strength_model,
                strength_clip=strength_clip,
            )[0]
            model, clip = [loaded, 0], [loaded, 1]
        if (ratio := self.info.number("Token merging ratio", 0)) > 0:
            model = self._add("TomePatchModel", model=model, ratio=min(ratio, 1.0))
        return _Models(model, self._clip_skip(clip), vae)

    def _loaded(self) -> tuple[Link, Link, Link]:
        """Model, text encoder and VAE: of a checkpoint, or of the files that Forge calls modules."""
        name = self.info.settings.get("Model", "")
        whole = self._file("checkpoints", name) if name else None
        alone = self._file("diffusion_models", name) if name and whole is None else None
        parts = [each for key, each in self.info.settings.items() if re.fullmatch(r"Module \d", key)]
        encoders = [found for each in parts if (found := self._file("text_encoders", each)) is not None]
        vaes = [found for each in parts if (found := self._file("vae", each)) is not None]
        if alone is None or not vaes or len(encoders) not in (1, 2):
            loader = self._add("CheckpointLoaderSimple", ckpt_name=whole or self._checkpoint())[0]
            return [loader, 0], [loader, 1], [loader, 2]
        model = self._add("UNETLoader", unet_name=alone, weight_dtype="default")
        if len(encoders) == 2:
            clip = self._add("DualCLIPLoader", clip_name1=encoders[0], clip_name2=encoders[1], type="flux")
        else:
            clip = self._add("CLIPLoader", clip_name=encoders[0], type="stable_diffusion")
        return model, clip, self._add("VAELoader", vae_name=vaes[0])

    def _checkpoint(self) -> str:
        name, digest = self.info.settings.get("Model", ""), self.info.settings.get("Model hash", "")
        found = self._by_hash(digest.lower())
        if found is not None:
            return found
        if name:
            return name if PurePosixPath(name).suffix else f"{name}.safetensors"
        self._note(f"The settings do not name the model that drew this; {STARTER} stands in.")
        return STARTER

    def _file(self, kind: str, name: str) -> str | None:
        """The file on disk that a name without folder or ending means."""
        wanted = _stem(name)
        return next((n for n in self._names(kind) if wanted in (_stem(n), PurePosixPath(n).name.lower())), None)

    def _names(self, kind: str) -> tuple[str, ...]:
        return self.folders.names(kind) if self.folders is not None else ()

    def _lora_by_hash(self, name: str) -> str | None:
        said = (part.rpartition(":") for part in self.info.settings.get("Lora hashes", "").split(","))
        known = {each.strip().lower(): digest.strip().lower() for each, _, digest in said}
        return self._by_hash(known.get(name.lower(), ""), "loras")

    def _by_hash(self, digest: str, kind: str = "checkpoints") -> str | None:
        """The file whose content has A1111's hash.

        Ten digits are of the whole, twelve of what is behind the header (LoRAs), eight of a piece (until 2023).
        """
        hashed = {8: _old_hash, 10: _new_hash, 12: _tensors_hash}.get(len(digest))
        left = _HASH_LIMIT
        if hashed is None or not re.fullmatch(r"[0-9a-f]+", digest):
            return None
        for name in self._names(kind):
            try:
                path = self.folders.path(kind, name) if self.folders else None
                if path is None or not path.is_file():
                    continue
                left -= path.stat().st_size
                if left >= 0 and hashed(path) == digest:
                    return name
            except (NodeError, OSError):
                continue
        return None

    def _clip_skip(self, clip: Link) -> Link:
        skip = int(self.info.number("Clip skip", 1))
        return self._add("CLIPSetLastLayer", clip=clip, stop_at_clip_layer=-min(skip, 24)) if skip > 1 else clip

    def _conds(self, models: _Models, positive: str, negative: str, clock: Clock) -> _Conds:
        """Both prompts encoded for a pass."""
        parts = joined_by_and(self._embedding_names(positive))
        times = sum(weight for _, weight in parts)
        if any(not 0 <= weight <= 10 for _, weight in parts) or times <= 0:
            self._note("Parts that AND joins with negative weights are left out.")
            parts = [(text, weight) for text, weight in parts if 0 < weight <= 10] or [(positive, 1.0)]
            times = sum(weight for _, weight in parts)
        joined: Link | None = None
        for text, weight in parts:
            part = self._over_time(models.clip, "Prompt", text, clock)
            if len(parts) > 1:
                part = self._add("ConditioningSetAreaStrength", conditioning=part, strength=weight)
            joined = self._both(joined, part)
        assert joined is not None
        if (guidance := self.info.number("Distilled CFG Scale", 0)) > 0:
            joined = self._add("FluxGuidance", conditioning=joined, guidance=guidance)
        other = self._over_time(models.clip, "Negative prompt", self._embedding_names(negative), clock)
        return _Conds(joined, other, times)

    def _both(self, first: Link | None, second: Link) -> Link:
        if first is None:
            return second
        return self._add("ConditioningCombine", conditioning_1=first, conditioning_2=second)

    def _over_time(self, clip: Link, title: str, text: str, clock: Clock) -> Link:
        """A prompt encoded, each of its wordings for the part of sampling in which it holds."""
        try:
            wordings = over_time(text, clock)
        except ValueError as error:
            self._note(f"Prompt editing is not done: {error}.")
            wordings = [(0, text)]
        encoded: dict[str, Link] = {}
        for _, wording in wordings:
            if wording not in encoded:
                encoded[wording] = self._encoded(clip, title, wording)
        if len(wordings) == 1:
            return encoded[wordings[0][1]]
        sampler, scheduler = self._sampling()
        if scheduler not in EXACT:
            self._note(f"Prompt editing follows the steps of the schedule {scheduler} only roughly.")
        turns = [percent_before(step, clock.steps, scheduler, sampler) for step, _ in wordings] + [1.0]
        joined: Link | None = None
        for place, (_, wording) in enumerate(wordings):
            held = {"start": turns[place], "end": turns[place + 1]}
            part = self._add("ConditioningSetTimestepRange", conditioning=encoded[wording], **held)
            joined = self._both(joined, part)
        assert joined is not None
        return joined

    def _encoded(self, clip: Link, title: str, text: str) -> Link:
        first, *more = [self._add("CLIPTextEncode", title, text=each, clip=clip) for each in in_chunks(text)]
        for each in more:
            first = self._add("ConditioningConcat", conditioning_to=first, conditioning_from=each)
        return first

    def _sampling(self, *, hires: bool = False) -> tuple[str, str]:
        """Sampler and scheduler by their names here. Until 2024 the schedule was part of the sampler's name."""
        settings = self.info.settings
        named, schedule = settings.get("Sampler", "Euler"), settings.get("Schedule type", "")
        if hires:
            own = settings.get("Hires sampler", ""), settings.get("Hires schedule type", "")
            named = named if own[0] in ("", "Use same sampler") else own[0]
            schedule = schedule if own[1] in ("", "Use same scheduler") else own[1]
        for suffix in ("Karras", "Exponential", "SGM Uniform"):
            if named.endswith(f" {suffix}"):
                named, schedule = named.removesuffix(f" {suffix}"), schedule or suffix
        known = {name.lower(): (name, sampler) for name, sampler in SAMPLERS.items()}
        name, sampler = known.get(named.lower(), ("", ""))
        if not sampler or name in STAND_INS:
            sampler = named if named in OWN_SAMPLERS or named in SAMPLERS.values() else "euler"
            if sampler != named:
                self._note(f"There is no sampler {named!r} here; euler is used.")
        automatic = AUTOMATIC.get(name, "normal")
        scheduler = SCHEDULES.get(schedule, schedule if schedule in SCHEDULES.values() else "")
        if not scheduler:
            scheduler = automatic if schedule == "Automatic" else "normal"
            if schedule not in ("", "Automatic"):
                self._note(f"There is no schedule {schedule!r} here; normal is used.")
        return sampler, scheduler

    def _drawn(self, models: _Models, conds: _Conds, latent: Link, texts: tuple[str, str]) -> Link:
        """The first pass, which a second model may finish."""
        sampler, scheduler = self._sampling()
        steps, cfg = self._steps("Steps", 20), self._cfg(conds)
        common: dict[str, Any] = {"steps": steps, "cfg": cfg, "sampler_name": sampler, "scheduler": scheduler}
        turn = self._refined_from(steps)
        if turn is None:
            where = {"model": models.model, **conds.links(), "latent_image": latent}
            return self._add("KSampler", **where, seed=self._seed(), **common, denoise=1.0)
        name = re.sub(r" \[[0-9a-f]+\]$", "", self.info.settings["Refiner"])
        loader = self._add(
            "CheckpointLoaderSimple", ckpt_name=self._file("checkpoints", name) or f"{name}.safetensors"
        )[0]
        refiner = _Models([loader, 0], [loader, 1], [loader, 2])
        begun = self._add(
            "KSamplerAdvanced",
            model=models.model,
            **conds.links(),
            latent_image=latent,
            **{"add_noise": "enable", "noise_seed": self._seed(), **common},
            **{"start_at_step": 0, "end_at_step": turn, "return_with_leftover_noise": "enable"},
        )
        return self._add(
            "KSamplerAdvanced",
            "Refiner",
            model=refiner.model,
            **self._conds(refiner, *texts, Clock(steps)).links(),
            latent_image=begun,
            **{"add_noise": "disable", "noise_seed": self._seed(), **common},
            **{"start_at_step": turn, "end_at_step": 10_000, "return_with_leftover_noise": "disable"},
        )

    def _refined_from(self, steps: int) -> int | None:
        """The step at which the refiner takes over."""
        part = self.info.number("Refiner switch at", 0)
        if self.info.settings.get("Refiner", "None") == "None" or not 0 < part < 1:
            return None
        turn = math.ceil(round(part * steps, 6))
        return turn if 0 < turn < steps else None

    def _cfg(self, conds: _Conds, name: str = "CFG scale") -> float:
        said = self.info.number(name, 0) or self.info.number("CFG scale", 7)
        return round(min(max(said * conds.times, 0.0), 100.0), 6)

    def _seed(self) -> int:
        text = self.info.settings.get("Seed", "0")
        return int(text) % 2**64 if re.fullmatch(r"-?\d{1,20}", text) else 0

    def _steps(self, name: str, default: int) -> int:
        return min(max(int(self.info.number(name, default)), 1), 10_000)

    def _hires(self, models: _Models, conds: _Conds, latent: Link, texts: tuple[str, str]) -> Link:
        scale = self._hires_scale()
        if scale is None:
            if "Denoising strength" in self.info.settings:
                self._note("This was made from another picture, which the settings do not hold; it starts from noise.")
            return latent
        latent = self._enlarged(latent, models.vae, scale)
        sampler, scheduler = self._sampling(hires=True)
        steps = self._steps("Hires steps", 0) if self.info.number("Hires steps", 0) >= 1 else self._steps("Steps", 20)
        conds = self._hires_conds(models, conds, texts, Clock(steps, self._steps("Steps", 20)))
        # A1111 runs the last int(strength * steps) + 1 steps of the schedule.
        strength = min(max(self.info.number("Denoising strength", 0.7), 0.0), 0.999)
        return self._add(
            "KSamplerAdvanced",
            "Hires fix",
            model=models.model,
            **conds.links(),
            latent_image=latent,
            add_noise="enable",
            noise_seed=self._seed(),
            steps=steps,
            cfg=self._cfg(conds, "Hires CFG Scale"),
            sampler_name=sampler,
            scheduler=scheduler,
            start_at_step=max(steps - int(strength * steps) - 1, 0),
            end_at_step=10_000,
            return_with_leftover_noise="disable",
        )

    def _hires_conds(self, models: _Models, conds: _Conds, texts: tuple[str, str], clock: Clock) -> _Conds:
        """The first pass's, unless the prompts are others or change with time, which goes on counting."""
        own = [self.info.settings.get(name, "") for name in ("Hires prompt", "Hires negative prompt")]
        plain = [self._without_tags(each)[0] for each in own]
        chosen = [new or old for new, old in zip(plain, texts, strict=True)]
        first = Clock(self._steps("Steps", 20))
        try:
            same = chosen == list(texts) and all(over_time(each, first) == over_time(each, clock) for each in texts)
        except ValueError:
            same = chosen == list(texts)
        return conds if same else self._conds(models, chosen[0], chosen[1], clock)

    def _hires_scale(self) -> float | None:
        scale = self.info.number("Hires upscale", 0)
        if scale > 0:
            return min(scale, 8.0)
        found = re.fullmatch(r"(\d{1,6})x(\d{1,6})", self.info.settings.get("Hires resize", ""))
        size = self.info.size
        if found is None or size is None or not size[0] or not size[1]:
            return None
        return min(max(int(found[1]) / size[0], int(found[2]) / size[1]), 8.0) or None

    def _enlarged(self, latent: Link, vae: Link, scale: float) -> Link:
        upscaler = self.info.settings.get("Hires upscaler", "Latent")
        if upscaler in LATENT_METHODS:
            return self._add("LatentUpscaleBy", samples=latent, upscale_method=LATENT_METHODS[upscaler], scale_by=scale)
        image = self._add("VAEDecode", samples=latent, vae=vae)
        model = None if upscaler in PIXEL_METHODS else self._file("upscale_models", upscaler)
        if model is None:
            if upscaler not in PIXEL_METHODS:
                self._note(f"The upscaler {upscaler} is not in models/upscale_models; lanczos is used.")
            method = PIXEL_METHODS.get(upscaler, "lanczos")
            image = self._add("ImageScaleBy", image=image, upscale_method=method, scale_by=scale)
        else:
            loaded = self._add("UpscaleModelLoader", model_name=model)
            image = self._add("ImageUpscaleWithModel", upscale_model=loaded, image=image)
            width, height = self.info.size or (512, 512)
            size = {"width": round(width * scale), "height": round(height * scale)}
            image = self._add("ImageScale", image=image, upscale_method="lanczos", **size, crop="disabled")
        return self._add("VAEEncode", pixels=image, vae=vae)

    def _without_tags(self, text: str) -> tuple[str, list[tuple[str, float, float]]]:
        """The text without its `<lora:...>` tags, and what they say: name, strength on the model, on the text."""
        loras: list[tuple[str, float, float]] = []
        for kind, name, arguments in _LORA.findall(text):
            if kind == "hypernet":
                self._note(f"The hypernetwork {name} is left out.")
            else:
                loras.append((name, *_strengths(arguments.split(":")[1:])))
        return re.sub(r"[ \t]{2,}", " ", _LORA.sub("", text)).strip(" ,\t"), loras

    def _embedding_names(self, text: str) -> str:
        """The text with the prefix that embeddings have here."""
        stems = {_stem(name): name for name in self._names("embeddings")}
        if not stems:
            return text
        return re.sub(r"(?<![:\w.-])[\w][\w.-]*", lambda m: _embedded(m[0], stems), text)

    def _other_notes(self) -> None:
        settings = self.info.settings
        sampler, _ = self._sampling()
        if is_random(sampler):
            self._note(f"{sampler} draws noise of its own at each step, and not A1111's: details will differ.")
            if settings.get("ENSD", "0") != "0":
                self._note("The noise seed delta (ENSD) is left out; it would change that noise only.")
        if settings.get("RNG", "") != "CPU":
            self._note("A1111 drew the first noise on the GPU unless told otherwise: the picture will be another.")
        texts = (each["inputs"].get("text", "") for each in self.prompt.values())
        if any(has_weights(text) for text in texts) and not settings.get("Emphasis", "").startswith("No norm"):
            self._note("A1111 evens weighted prompts out; here weights count as they are written.")
        if "Variation seed" in settings:
            self._note("The variation seed is left out.")
        left = [name for name in settings if name not in _READ and not re.fullmatch(r"(Hires )?Module \d", name)]
        if left:
            more = f" and {len(left) - 12} more" if len(left) > 12 else ""
            self._note(f"These settings are left out: {', '.join(left[:12])}{more}.")


def _embedded(word: str, stems: Mapping[str, str]) -> str:
    return f"embedding:{_stem(stems[word.lower()])}" if word.lower() in stems else word


def _strengths(arguments: Sequence[str]) -> tuple[float, float]:
    """On the model and on the text: `:1`, `:text:model`, or `te=` and `unet=`."""
    plain = [a for a in arguments if "=" not in a]
    named = dict(a.split("=", 1) for a in arguments if "=" in a)
    text = _float(named.get("te", plain[0] if plain else "1"), 1.0)
    return _float(named.get("unet", plain[1] if len(plain) > 1 else ""), text), text


def _float(text: str, default: float) -> float:
    try:
        value = float(text)
    except ValueError:
        return default
    return value if abs(value) <= 100 else default


def _stem(name: str) -> str:
    return stem_of(name).lower()


def _new_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:10]


def _old_hash(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(0x100000)
        return hashlib.sha256(file.read(0x10000)).hexdigest()[:8]


def _tensors_hash(path: Path) -> str:
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
        file.seek(8 + min(header, 100_000_000))
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
