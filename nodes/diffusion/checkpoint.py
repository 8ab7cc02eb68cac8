"""What a checkpoint holds, as handles: only headers and configurations are read here, never the weights.

A checkpoint is a single safetensors file with LDM's names, or a diffusers folder. Parts that it lacks are None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nodes.diffusion import families, files, ldm, modules
from nodes.diffusion.control_lora import MARKS
from nodes.diffusion.files import Header, WeightsError
from nodes.digests import digest
from nodes.types import Clip, ControlNet, Model, Source, Vae

UNET_PREFIXES = ("model.diffusion_model.", "")
VAE_PREFIXES = ("first_stage_model.", "vae.", "")
CONTROL_PREFIXES = ("control_model.", "")
TEXT_PARTS: Sequence[tuple[str, str]] = (
    ("cond_stage_model.transformer.", "text_encoder"),
    ("cond_stage_model.model.", "text_encoder"),
    ("conditioner.embedders.0.transformer.", "text_encoder"),
    ("conditioner.embedders.1.model.", "text_encoder_2"),
    ("conditioner.embedders.0.model.", "text_encoder_2"),
)
"""Where single files keep their text encoders; of SDXL's two the second is the large one."""
FACTS_KEY = "sfumato.facts"
"""In a single file's metadata: what the model says of itself beyond names and shapes, as a JSON object."""
EDM_V = ("edm_vpred.sigma_max", "edm_vpred.sigma_min")
"""Tensors that say that a UNet predicts v over continuous noise levels (CosXL)."""
TOKENIZER_KEY = "sfumato.tokenizer."
"""In a single file's metadata, followed by a part's name: a tokenizer that is not CLIP's, see `tokenizer`."""
PREVIEW_FILE = "preview.json"
"""In a diffusers folder whose latent space is its own: {"factors": [[red, green, blue], ...]}, see `preview.fit`."""
_LONE_TEXT_PREFIXES = (
    "text_encoders.clip_l.transformer.",
    "text_encoders.clip_g.transformer.",
    "clip_l.transformer.",
    "clip_g.transformer.",
    "cond_stage_model.transformer.",
    "cond_stage_model.model.",
    "transformer.",
    "",
)

_VELOCITY_SIGN = "output_blocks.11.1.transformer_blocks.0.norm1.bias"
_VELOCITY_SPREAD = 0.09
_KINDS = {"epsilon": "eps", "v_prediction": "v", "sample": "x0", "v": "v", "eps": "eps"}
_FACTS: Mapping[str, type | tuple[type, ...]] = {
    "kind": str,
    "zero_snr": bool,
    "levels": str,
    **dict.fromkeys(("beta_start", "beta_end", "scale", "shift", "sigma_min", "sigma_max"), (int, float)),
    **dict.fromkeys(("timesteps", "channels", "downscale"), int),
}
"""What models say of themselves, and of which type it is."""
_FAMILY_BY_WIDTH = {1024: "sd2", 1280: "sdxl_refiner"}
_LARGE_WIDTH = 1280


class Checkpoint(NamedTuple):
    """The handles of a checkpoint's parts."""

    model: Model
    clip: Clip | None
    vae: Vae | None


def open_checkpoint(path: Path) -> Checkpoint:
    """The parts of a single file or a diffusers folder. Raises WeightsError when it holds no known UNet."""
    return _from_folder(path) if path.is_dir() else _from_file(path)


def open_unet(path: Path) -> Model:
    """A UNet by itself: a single file in either layout, or a folder."""
    if path.is_dir():
        config = _folder_config(path, "unet")
        family = families.unet_family(config)
        return Model(Source(path, _part_digest(path, "unet"), "unet", family, _facts_of_folder(path)))
    header = files.read_header(path)
    return _unet_in(header, digest(path))


def open_vae(path: Path) -> Vae:
    """A VAE by itself: a single file in either layout, or a folder."""
    if path.is_dir():
        return Vae(Source(path, _part_digest(path, "vae"), "vae"))
    header = files.read_header(path)
    found = _prefix(header, VAE_PREFIXES, ("decoder.conv_in.weight",))
    if found is None:
        raise WeightsError(f"{path} is not a VAE: it has no decoder. {_what(header)}")
    return Vae(Source(path, digest(path), "vae", "", (("prefix", found),)))


def open_tiny_vae(decoder: Path, encoder: Path, scale: float) -> Vae:
    """TAESD of two files, for latents that networks see `scale` times as large."""
    for path in (decoder, encoder):
        if "1.conv.0.weight" not in (header := files.read_header(path)).shapes and (
            "3.conv.0.weight" not in header.shapes
        ):
            raise WeightsError(f"{path} is no part of TAESD. {_what(header)}")
    options = (("encoder", str(encoder)), ("encoder_digest", digest(encoder)), ("scale", scale))
    return Vae(Source(decoder, digest(decoder), "tiny_vae", "", options))


def vae_beside(path: Path) -> Vae | None:
    """The VAE that a checkpoint brings, if it brings one."""
    if path.is_dir():
        return open_vae(path) if (path / "vae").is_dir() else None
    return _vae_in(files.read_header(path), digest(path), "")


def open_clip(paths: Sequence[Path], family: str = "") -> Clip:
    """Text encoders by themselves; with two, the SDXL pair in either order. `family` overrides what their size says."""
    sources = [_lone_text(path) for path in paths]
    widths = [_width(source) for source in sources]
    if len(sources) == 1:
        name = family or _FAMILY_BY_WIDTH.get(widths[0], "sd15")
        part = "text_encoder_2" if name == "sdxl_refiner" else "text_encoder"
        return Clip((_as(sources[0], part, name),))
    if len(sources) != 2:
        raise WeightsError(f"{len(sources)} text encoders were given; models of the kinds known here have one or two.")
    (_, small), (_, large) = sorted(zip(widths, sources, strict=True), key=lambda pair: pair[0])
    return Clip((_as(small, "text_encoder", family or "sdxl"), _as(large, "text_encoder_2", family or "sdxl")))


def open_controlnet(path: Path) -> ControlNet:
    """A ControlNet or T2I-Adapter: a single file in either layout, or a folder."""
    if path.is_dir():
        if "adapter_type" in (config := modules.read_config(path, "controlnet")):
            family = "sdxl" if "xl" in str(config["adapter_type"]) else "sd15"
            return ControlNet(Source(path, _part_digest(path, "t2i_adapter"), "t2i_adapter", family))
        config = _folder_config(path, "controlnet")
        family = families.unet_family(config)
        return ControlNet(Source(path, _part_digest(path, "controlnet"), "controlnet", family))
    header = files.read_header(path)
    change = next((part for mark, part in MARKS.items() if mark in header.shapes), None)
    if change is not None:
        prefix = _prefix(header, CONTROL_PREFIXES, ("zero_convs.0.0.weight",))
        return ControlNet(Source(path, digest(path), change, "", (("prefix", prefix or ""),)))
    adapter = _prefix(header, ("", "adapter."), ("body.0.block1.weight", "body.0.resnets.0.block1.weight"))
    if adapter is not None:
        source = Source(path, digest(path), "t2i_adapter")
        kind = modules.adapter_weights(source).config["adapter_type"]
        return ControlNet(_as(source, "t2i_adapter", "sdxl" if kind == "full_adapter_xl" else "sd15"))
    signs = ("zero_convs.0.0.weight", "controlnet_down_blocks.0.weight")
    found = _prefix(header, CONTROL_PREFIXES, signs)
    if found is None:
        raise WeightsError(f"{path} is not a ControlNet of a known kind. {_what(header)}")
    # Nothing in the file says so, but what the shuffle net finds has no place in the picture.
    pooled = (("pooled", True),) if "shuffle" in path.stem.lower() else ()
    source = Source(path, digest(path), "controlnet", "", (("prefix", found), *pooled))
    config = modules.controlnet_weights(source).config
    return ControlNet(_as(source, "controlnet", families.unet_family(config)))


def _from_file(path: Path) -> Checkpoint:
    header = files.read_header(path)
    content = digest(path)
    model = _unet_in(header, content)
    family = model.source.family
    texts = [
        Source(path, content, part, families.text_family(family), (("prefix", prefix), *_own_tokenizer(header, part)))
        for prefix, part in TEXT_PARTS
        if any(n.startswith(prefix) for n in header.shapes)
    ]
    return Checkpoint(model, Clip(tuple(texts)) if texts else None, _vae_in(header, content, family))


def _vae_in(header: Header, digest: str, family: str) -> Vae | None:
    prefix = _prefix(header, VAE_PREFIXES[:-1], ("decoder.conv_in.weight",))
    return None if prefix is None else Vae(Source(header.path, digest, "vae", family, (("prefix", prefix),)))


def _own_tokenizer(header: Header, part: str) -> tuple[tuple[str, str], ...]:
    """The option that names a file's own tokenizer, where it has one."""
    key = TOKENIZER_KEY + part
    return (("tokenizer", key),) if key in header.metadata else ()


def _unet_in(header: Header, digest: str) -> Model:
    found = _prefix(header, UNET_PREFIXES, ("input_blocks.0.0.weight", "conv_in.weight"))
    if found is None:
        raise WeightsError(f"{header.path} holds no diffusion model of a known kind. {_what(header)}")
    source = Source(header.path, digest, "unet", "", (("prefix", found),))
    config = modules.unet_weights(source).config
    facts = _facts_of_file(header, families.unet_family(config), found)
    options = (("prefix", found), *sorted(facts.items()))
    return Model(Source(header.path, digest, "unet", families.unet_family(config), options))


def _facts_of_file(header: Header, family: str, prefix: str) -> dict[str, Any]:
    """What a single file says of how it predicts: marker tensors, metadata, and for SD 2.x a tell-tale tensor."""
    facts = _said_facts(header)
    if "v_pred" in header.shapes:
        facts["kind"] = "v"
    if "ztsnr" in header.shapes:
        facts["zero_snr"] = True
    if EDM_V[0] in header.shapes:
        facts |= {"kind": "v", "levels": "edm", **_continuous(header)}
    if said := _KINDS.get(header.metadata.get("modelspec.prediction_type", "")):
        facts.setdefault("kind", said)
    if family == "sd2" and "kind" not in facts and _looks_like_velocity(header, prefix):
        facts["kind"] = "v"
    return facts


def _continuous(header: Header) -> dict[str, float]:
    """The ends of a continuous range of noise levels, as a file keeps them in tensors."""
    there = {name: name.removeprefix("edm_vpred.") for name in EDM_V if name in header.shapes}
    return {name: float(tensor.float().max()) for name, tensor in files.read_tensors(header.path, there)}


def _said_facts(header: Header) -> dict[str, Any]:
    """What a file that was saved here says of its model, as far as it is of the kind expected."""
    text = header.metadata.get(FACTS_KEY)
    said = {} if text is None else modules.json_object(text, header.path)
    facts = {name: said[name] for name in _FACTS if isinstance(said.get(name), _FACTS[name])}
    if facts.get("kind") not in (None, *_KINDS.values()):
        del facts["kind"]
    if facts.get("levels") not in (None, "edm"):
        del facts["levels"]
    if "preview" in said:
        facts["preview"] = _preview_factors(said["preview"], header.path)
    return facts


def _looks_like_velocity(header: Header, prefix: str) -> bool:
    """Whether an SD 2.x UNet predicts v: nothing in the file says so, but this tensor's spread always has."""
    name = prefix + _VELOCITY_SIGN
    if name not in header.shapes:
        return False
    _, tensor = next(files.read_tensors(header.path, {name: name}))
    return float(tensor.float().std(correction=0)) > _VELOCITY_SPREAD


def _from_folder(path: Path) -> Checkpoint:
    if not (path / "unet").is_dir():
        raise WeightsError(f"{path} is no diffusers folder with a UNet: it has no 'unet' folder in it.")
    family = families.unet_family(_folder_config(path, "unet"))
    if family == "sd2" and modules.read_config(path, "text_encoder").get("hidden_act") == "quick_gelu":
        family = "sd15"  # linear projections, but the text encoder of SD 1.x
    unet = Source(path, _part_digest(path, "unet"), "unet", family, _facts_of_folder(path))
    texts = [_folder_text(path, part, family) for part in ("text_encoder", "text_encoder_2") if (path / part).is_dir()]
    has_vae = (path / "vae").is_dir()
    return Checkpoint(
        Model(unet),
        Clip(tuple(texts)) if texts else None,
        Vae(Source(path, _part_digest(path, "vae"), "vae", family)) if has_vae else None,
    )


def _folder_text(path: Path, part: str, family: str) -> Source:
    tokenizer = part.replace("text_encoder", "tokenizer")
    own = (path / tokenizer / "vocab.json").is_file()
    options = (("tokenizer", tokenizer),) if own else ()
    content = _part_digest(path, part, *([tokenizer] if own else []))
    return Source(path, content, part, families.text_family(family), options)


def _facts_of_folder(path: Path) -> tuple[tuple[str, Any], ...]:
    """What a folder's scheduler and VAE say of how its UNet predicts and in which space."""
    scheduler = modules.read_config(path, "scheduler") if (path / "scheduler").is_dir() else {}
    vae = modules.read_config(path, "vae") if (path / "vae").is_dir() else {}
    facts: dict[str, Any] = {}
    if kind := _KINDS.get(str(scheduler.get("prediction_type", ""))):
        facts["kind"] = kind
    if scheduler.get("rescale_betas_zero_snr"):
        facts["zero_snr"] = True
    for name, key in (("beta_start", "beta_start"), ("beta_end", "beta_end")):
        if isinstance(scheduler.get(key), float):
            facts[name] = scheduler[key]
    if isinstance(scale := vae.get("scaling_factor"), int | float):
        facts["scale"] = float(scale)
    if isinstance(shift := vae.get("shift_factor"), int | float):
        facts["shift"] = float(shift)
    if isinstance(channels := vae.get("block_out_channels"), list):
        facts["downscale"] = 2 ** (len(channels) - 1)
    if (file := path / PREVIEW_FILE).is_file():
        facts["preview"] = _preview_factors(modules.read_json(file).get("factors"), file)
    return tuple(sorted(facts.items()))


def _preview_factors(rows: Any, file: Path) -> tuple[tuple[float, ...], ...]:
    """The linear map to colours that a model brings for previews."""
    try:
        return tuple(tuple(float(value) for value in row) for row in rows)
    except (TypeError, ValueError):
        raise WeightsError(f'{file} must hold {{"factors": [[red, green, blue], ...]}}.') from None


def _folder_config(path: Path, part: str) -> Mapping[str, Any]:
    config = modules.read_config(path, part)
    if "down_block_types" not in config:
        raise WeightsError(f"{path / part} has no config.json that describes a UNet.")
    return config


def _part_digest(path: Path, *parts: str) -> str:
    """The digest of a folder's parts: their configurations and the weight files that would be used."""
    import hashlib  # noqa: PLC0415

    whole = hashlib.sha256()
    for part in parts:
        folder = path / part if (path / part).is_dir() else path
        small = sorted(p for p in folder.iterdir() if p.suffix in (".json", ".txt") and p.is_file())
        weights = () if part.startswith("tokenizer") else modules.part_files(path, part)
        for file in (*small, *weights):
            whole.update(f"{part}/{file.name}\0{digest(file)}\n".encode())
    return whole.hexdigest()


def _lone_text(path: Path) -> Source:
    if path.is_dir():
        return Source(path, _part_digest(path, "text_encoder"), "text_encoder")
    header = files.read_header(path)
    found = _prefix(
        header,
        _LONE_TEXT_PREFIXES,
        ("text_model.encoder.layers.0.mlp.fc1.weight", "transformer.resblocks.0.ln_1.weight",
         "encoder.layers.0.mlp.fc1.weight", "resblocks.0.ln_1.weight"),
    )  # fmt: skip
    if found is None:
        raise WeightsError(f"{path} is not a CLIP text encoder. {_what(header)}")
    # "transformer." also starts OpenCLIP's own names, and is then no prefix.
    prefix = "" if found == "transformer." and "transformer.resblocks.0.ln_1.weight" in header.shapes else found
    options = (("prefix", prefix), *_own_tokenizer(header, "text_encoder"))
    return Source(path, digest(path), "text_encoder", "", options)


def _width(source: Source) -> int:
    weights = modules.text_weights(source)
    return weights.shapes["text_model.embeddings.token_embedding.weight"][1]


def _as(source: Source, part: str, family: str) -> Source:
    return Source(source.path, source.digest, part, family, source.options)


def _prefix(header: Header, prefixes: Sequence[str], signs: Sequence[str]) -> str | None:
    """The first prefix under which one of the tell-tale tensors is."""
    return next((p for p in prefixes for sign in signs if p + sign in header.shapes), None)


def _what(header: Header) -> str:
    """What a file seems to be instead, as a sentence."""
    names = header.shapes
    if any(n.startswith(("lora_", "lycoris_")) or ".lora_" in n for n in names):
        return "It looks like a LoRA: use a LoRA loader."
    if any(n.startswith("control_model.") or n.startswith("controlnet_") for n in names):
        return "It looks like a ControlNet: use the ControlNet loader."
    if any(n.startswith(("model.diffusion_model.input_blocks.", "down_blocks.", "input_blocks.")) for n in names):
        return "It looks like a diffusion model."
    if any(n.startswith(("double_blocks.", "model.diffusion_model.double_blocks.")) for n in names):
        return "It looks like Flux, which is not supported."
    if ldm.vae_names(list(names)).values() and any(n.startswith("decoder.") for n in names):
        return "It looks like a VAE: use the VAE loader."
    if any("text_model." in n or "resblocks." in n for n in names):
        return "It looks like a text encoder."
    few = ", ".join(list(names)[:3])
    return f"Its first tensors are {few}." if few else "It holds no tensors."
