"""A1111's settings as a workflow that draws the same."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from nodes.define import NodeError
from nodes.folders import STARTER, Folders
from server.formats.infotext import Infotext
from server.formats.prompt import Prompt

SAMPLERS: Mapping[str, str] = {
    "Euler": "euler",
    "Euler a": "euler_ancestral",
    "Euler CFG++": "euler_cfg_pp",
    "Euler a CFG++": "euler_ancestral_cfg_pp",
    "LMS": "lms",
    "Heun": "heun",
    "HeunPP2": "heunpp2",
    "DPM2": "dpm_2",
    "DPM2 a": "dpm_2_ancestral",
    "DPM fast": "dpm_fast",
    "DPM adaptive": "dpm_adaptive",
    "DPM++ 2S a": "dpmpp_2s_ancestral",
    "DPM++ SDE": "dpmpp_sde",
    "DPM++ 2M": "dpmpp_2m",
    "DPM++ 2M SDE": "dpmpp_2m_sde",
    "DPM++ 2M SDE Heun": "dpmpp_2m_sde_heun",
    "DPM++ 3M SDE": "dpmpp_3m_sde",
    "DDIM": "ddim",
    "DDPM": "ddpm",
    "LCM": "lcm",
    "UniPC": "uni_pc",
    "IPNDM": "ipndm",
    "DEIS": "deis",
    "Res Multistep": "res_multistep",
}
SCHEDULES: Mapping[str, str] = {
    "Uniform": "normal",
    "Normal": "normal",
    "Karras": "karras",
    "Exponential": "exponential",
    "SGM Uniform": "sgm_uniform",
    "KL Optimal": "kl_optimal",
    "Simple": "simple",
    "DDIM": "ddim_uniform",
    "Beta": "beta",
    "Linear Quadratic": "linear_quadratic",
}
_AUTOMATIC: Mapping[str, str] = {
    **dict.fromkeys(("DPM++ 2M", "DPM++ SDE", "DPM++ 2S a", "DPM2", "DPM2 a"), "karras"),
    **dict.fromkeys(("DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE"), "exponential"),
}
_LATENT_METHODS: Mapping[str, str] = {
    "Latent": "bilinear",
    "Latent (antialiased)": "bilinear",
    "Latent (bicubic)": "bicubic",
    "Latent (bicubic antialiased)": "bicubic",
    "Latent (nearest)": "nearest-exact",
    "Latent (nearest-exact)": "nearest-exact",
}
_PIXEL_METHODS: Mapping[str, str] = {"None": "lanczos", "Lanczos": "lanczos", "Nearest": "nearest-exact"}
_LORA = re.compile(r"<(lora|lyco|hypernet):([^:<>]{1,200})((?::[^:<>]{0,40}){0,4})>")
_SCHEDULED = re.compile(r"\[[^\[\]:|]{0,300}[:|][^\[\]]{0,300}\]|\bAND\b")
_WEAKER = re.compile(r"(?<!\\)\[([^\[\]():|\\]{1,2000})\]")
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


@dataclass(slots=True)
class _Maker:
    info: Infotext
    folders: Folders | None
    prompt: Prompt = field(default_factory=dict[str, Any])
    notes: list[str] = field(default_factory=list[str])

    def made(self) -> Made:
        positive, loras = self._without_tags(self.info.prompt)
        negative, _ = self._without_tags(self.info.negative)
        model, clip, vae = self._models(loras)
        clip = self._clip_skip(clip)
        conds = {
            name: self._add("CLIPTextEncode", title, text=self._text(text), clip=clip)
            for name, title, text in (("positive", "Prompt", positive), ("negative", "Negative prompt", negative))
        }
        if (guidance := self.info.number("Distilled CFG Scale", 0)) > 0:
            conds["positive"] = self._add("FluxGuidance", conditioning=conds["positive"], guidance=guidance)
        width, height = self.info.size or (512, 512)
        if self.info.size is None:
            self.notes.append("The settings name no size; 512x512 is used.")
        latent = self._add("EmptyLatentImage", width=width, height=height, batch_size=1)
        latent = self._sample(model, conds, latent)
        latent = self._hires(model, vae, conds, latent)
        image = self._add("VAEDecode", samples=latent, vae=vae)
        self._add("SaveImage", images=image, filename_prefix="sfumato")
        self._other_notes()
        return Made(self.prompt, tuple(self.notes))

    def _add(self, kind: str, title: str = "", /, **inputs: Any) -> list[Any]:
        name = str(len(self.prompt) + 1)
        self.prompt[name] = {
            "class_type": kind,
            "inputs": inputs,
            **({"_meta": {"title": title}} if title else {}),
        }
        return [name, 0]

    def _models(self, loras: Sequence[tuple[str, float, float]]) -> tuple[list[Any], list[Any], list[Any]]:
        loader = self._add("CheckpointLoaderSimple", ckpt_name=self._checkpoint())[0]
        model, clip, vae = [loader, 0], [loader, 1], [loader, 2]
        named = self.info.settings.get("VAE", "")
        if named and named not in ("Automatic", "None"):
            found = self._file("vae", named)
            if found is None:
                self.notes.append(f"The VAE {named} is not in models/vae; the checkpoint's own is used.")
            else:
                vae = self._add("VAELoader", vae_name=found)
        for name, strength_model, strength_clip in loras:
            loaded = self._add(
                "LoraLoader",
                model=model,
                clip=clip,
                lora_name=self._file("loras", name) or f"{name}.safetensors",
                strength_model=strength_model,
                strength_clip=strength_clip,
            )[0]
            model, clip = [loaded, 0], [loaded, 1]
        return model, clip, vae

    def _checkpoint(self) -> str:
        name, digest = self.info.settings.get("Model", ""), self.info.settings.get("Model hash", "")
        found = (self._file("checkpoints", name) if name else None) or self._by_hash(digest.lower())
        if found is not None:
            return found
        if name:
            return name if PurePosixPath(name).suffix else f"{name}.safetensors"
        self.notes.append(f"The settings do not name the model that drew this; {STARTER} stands in.")
        return STARTER

    def _file(self, kind: str, name: str) -> str | None:
        """The file on disk that a name without folder or ending means."""
        wanted = _stem(name)
        return next((n for n in self._names(kind) if wanted in (_stem(n), PurePosixPath(n).name.lower())), None)

    def _names(self, kind: str) -> tuple[str, ...]:
        return self.folders.names(kind) if self.folders is not None else ()

    def _by_hash(self, digest: str) -> str | None:
        """The checkpoint whose content has A1111's hash: ten digits of the whole, or eight of a piece (until 2023)."""
        hashed: Callable[[Path], str] = _old_hash if len(digest) == 8 else _new_hash
        left = _HASH_LIMIT
        for name in self._names("checkpoints") if re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{10}", digest) else ():
            try:
                path = self.folders.path("checkpoints", name) if self.folders else None
                if path is None or not path.is_file():
                    continue
                left -= path.stat().st_size
                if left >= 0 and hashed(path) == digest:
                    return name
            except (NodeError, OSError):
                continue
        return None

    def _clip_skip(self, clip: list[Any]) -> list[Any]:
        skip = int(self.info.number("Clip skip", 1))
        return self._add("CLIPSetLastLayer", clip=clip, stop_at_clip_layer=-min(skip, 24)) if skip > 1 else clip

    def _sampling(self) -> tuple[str, str]:
        """Sampler and scheduler by their names here. Until 2024 the schedule was part of the sampler's name."""
        named = self.info.settings.get("Sampler", "Euler")
        schedule = self.info.settings.get("Schedule type", "")
        for suffix in ("Karras", "Exponential", "SGM Uniform"):
            if named.endswith(f" {suffix}"):
                named, schedule = named.removesuffix(f" {suffix}"), schedule or suffix
        known = {name.lower(): (name, sampler) for name, sampler in SAMPLERS.items()}
        name, sampler = known.get(named.lower(), ("", ""))
        if not sampler:
            sampler = named if named in SAMPLERS.values() else "euler"
            if sampler != named:
                self.notes.append(f"There is no sampler {named!r} here; euler is used.")
        automatic = _AUTOMATIC.get(name, "normal")
        scheduler = SCHEDULES.get(schedule, schedule if schedule in SCHEDULES.values() else "")
        if not scheduler:
            scheduler = automatic if schedule == "Automatic" else "normal"
            if schedule not in ("", "Automatic"):
                self.notes.append(f"There is no schedule {schedule!r} here; normal is used.")
        return sampler, scheduler

    def _sample(self, model: list[Any], conds: Mapping[str, list[Any]], latent: list[Any]) -> list[Any]:
        sampler, scheduler = self._sampling()
        return self._add(
            "KSampler",
            model=model,
            **conds,
            latent_image=latent,
            seed=self._seed(),
            steps=self._steps("Steps", 20),
            cfg=self.info.number("CFG scale", 7),
            sampler_name=sampler,
            scheduler=scheduler,
            denoise=1.0,
        )

    def _seed(self) -> int:
        text = self.info.settings.get("Seed", "0")
        return int(text) % 2**64 if re.fullmatch(r"-?\d{1,20}", text) else 0

    def _steps(self, name: str, default: int) -> int:
        return min(max(int(self.info.number(name, default)), 1), 10_000)

    def _hires(self, model: list[Any], vae: list[Any], conds: Mapping[str, list[Any]], latent: list[Any]) -> list[Any]:
        scale = self._hires_scale()
        if scale is None:
            if "Denoising strength" in self.info.settings:
                self.notes.append(
                    "This was made from another picture, which the settings do not hold; it starts from noise."
                )
            return latent
        latent = self._enlarged(latent, vae, scale)
        sampler, scheduler = self._sampling()
        steps = self._steps("Hires steps", 0) if self.info.number("Hires steps", 0) >= 1 else self._steps("Steps", 20)
        # A1111 runs the last int(strength * steps) + 1 steps of the schedule.
        strength = min(max(self.info.number("Denoising strength", 0.7), 0.0), 0.999)
        return self._add(
            "KSamplerAdvanced",
            "Hires fix",
            model=model,
            **conds,
            latent_image=latent,
            add_noise="enable",
            noise_seed=self._seed(),
            steps=steps,
            cfg=self.info.number("CFG scale", 7),
            sampler_name=sampler,
            scheduler=scheduler,
            start_at_step=max(steps - int(strength * steps) - 1, 0),
            end_at_step=10_000,
            return_with_leftover_noise="disable",
        )

    def _hires_scale(self) -> float | None:
        scale = self.info.number("Hires upscale", 0)
        if scale > 0:
            return min(scale, 8.0)
        found = re.fullmatch(r"(\d{1,6})x(\d{1,6})", self.info.settings.get("Hires resize", ""))
        size = self.info.size
        if found is None or size is None or not size[0] or not size[1]:
            return None
        return min(max(int(found[1]) / size[0], int(found[2]) / size[1]), 8.0) or None

    def _enlarged(self, latent: list[Any], vae: list[Any], scale: float) -> list[Any]:
        upscaler = self.info.settings.get("Hires upscaler", "Latent")
        if upscaler in _LATENT_METHODS:
            return self._add(
                "LatentUpscaleBy", samples=latent, upscale_method=_LATENT_METHODS[upscaler], scale_by=scale
            )
        image = self._add("VAEDecode", samples=latent, vae=vae)
        model = None if upscaler in _PIXEL_METHODS else self._file("upscale_models", upscaler)
        if model is None:
            if upscaler not in _PIXEL_METHODS:
                self.notes.append(f"The upscaler {upscaler} is not in models/upscale_models; lanczos is used.")
            method = _PIXEL_METHODS.get(upscaler, "lanczos")
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
                self.notes.append(f"The hypernetwork {name} is left out.")
            else:
                loras.append((name, *_strengths(arguments.split(":")[1:])))
        return re.sub(r"[ \t]{2,}", " ", _LORA.sub("", text)).strip(" ,\t"), loras

    def _text(self, text: str) -> str:
        """A prompt as it is written here: `[less]` as a weight, embeddings by their prefix."""
        if _SCHEDULED.search(text) or re.search(r"\bBREAK\b", text):
            self.notes.append("Prompt editing ([a:b:0.5], [a|b], AND, BREAK) is not done; the words stay as they are.")
        weaker = _WEAKER.sub(lambda m: f"({m[1]}:0.909)", text)
        stems = {_stem(name): name for name in self._names("embeddings")}
        if not stems:
            return weaker
        return re.sub(r"(?<![:\w.-])[\w][\w.-]*", lambda m: _embedded(m[0], stems), weaker)

    def _other_notes(self) -> None:
        if "ENSD" in self.info.settings and self.info.settings["ENSD"] != "0":
            self.notes.append("The noise seed delta (ENSD) is left out; ancestral samplers will draw other details.")
        if "Variation seed" in self.info.settings:
            self.notes.append("The variation seed is left out.")


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
    path = PurePosixPath(name.replace("\\", "/"))
    known = path.suffix.lower() in (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".sft", ".gguf")
    return (path.stem if known else path.name).lower()


def _new_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:10]


def _old_hash(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(0x100000)
        return hashlib.sha256(file.read(0x10000)).hexdigest()[:8]
