"""Models as single files: LDM's names, the stored precision, and in the metadata what names and shapes cannot say."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import torch

from nodes.diffusion import checkpoint, families, ldm, modules, options, stored
from nodes.diffusion.files import WeightsError
from nodes.diffusion.stored import Stored
from nodes.diffusion.tokenizer import clips_own, read_vocabulary
from nodes.diffusion.vae import PIXEL_SPACE

if TYPE_CHECKING:
    from torch import Tensor

    from nodes.types import Clip, Model, Source, Vae

Metadata = dict[str, str]
Report = Callable[[int, int], None]
"""Called as (tensor, tensors); may raise to cancel."""

_WIDTHS: Mapping[str, int] = {
    **dict.fromkeys(("F64", "I64"), 8),
    **dict.fromkeys(("F32", "I32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16"), 2),
}
_ARCHITECTURES: Mapping[str, str] = {
    "sd15": "stable-diffusion-v1",
    "sd2": "stable-diffusion-v2",
    "sdxl": "stable-diffusion-xl-v1-base",
    "sdxl_refiner": "stable-diffusion-xl-v1-refiner",
    "sd_x4": "stable-diffusion-x4-upscaler",
}
_TEXT_PREFIXES: Mapping[tuple[str, str], str] = {
    ("sd15", "text_encoder"): "cond_stage_model.transformer.",
    ("sd2", "text_encoder"): "cond_stage_model.model.",
    ("sdxl", "text_encoder"): "conditioner.embedders.0.transformer.",
    ("sdxl", "text_encoder_2"): "conditioner.embedders.1.model.",
    ("sdxl_refiner", "text_encoder_2"): "conditioner.embedders.0.model.",
}
_LONE_NAMES: Mapping[str, str] = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}
_NOT_SAID = frozenset({"prefix", "tokenizer", "stored"})
_UNSAVED = ("position_ids", "logit_scale")


@dataclass(frozen=True, slots=True)
class Document:
    """What is to be written into one file."""

    tensors: Mapping[str, Stored]
    metadata: Mapping[str, str]

    def write(self, file: BinaryIO, report: Report | None = None) -> None:
        """Write it as safetensors, reading and computing one tensor at a time."""
        # Wide dtypes first, so that every tensor is aligned to its width.
        names = sorted(self.tensors, key=lambda n: (-_WIDTHS.get(self.tensors[n].dtype, 1), n))
        header: dict[str, Any] = {"__metadata__": dict(self.metadata)} if self.metadata else {}
        at = 0
        for name in names:
            entry = self.tensors[name]
            size = _WIDTHS.get(entry.dtype, 1) * torch.Size(entry.shape).numel()
            header[name] = {"dtype": entry.dtype, "shape": list(entry.shape), "data_offsets": [at, at + size]}
            at += size
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        file.write(struct.pack("<Q", len(text)) + text)
        for i, name in enumerate(names):
            file.write(_bytes_of(self.tensors[name].read()))
            if report:
                report(i + 1, len(names))


def checkpoint_document(
    model: Model, clip: Clip | None = None, vae: Vae | None = None, metadata: Mapping[str, str] | None = None
) -> Document:
    """A checkpoint of these parts. Loaded again they are the same in the precision that their files are stored in."""
    tensors = {f"model.diffusion_model.{n}": s for n, s in _unet(model).items()}
    said = {**(metadata or {}), **_spec(model), **_config(model.source, "unet")}
    marks, facts = _facts(model)
    tensors |= marks
    said[checkpoint.FACTS_KEY] = json.dumps(facts)
    if clip is not None:
        for source in clip.sources:
            prefix = _text_prefix(model.source.family, source)
            tensors |= {prefix + n: s for n, s in _text(source, clip, open_clip=prefix.endswith(".model.")).items()}
            said |= {**_config(source, source.part), **_tokenizer(source, source.part)}
    if vae is not None:
        tensors |= {f"first_stage_model.{n}": s for n, s in _vae(vae).items()}
        said |= _config(vae.source, "vae")
    return Document(tensors, said)


def vae_document(vae: Vae, metadata: Mapping[str, str] | None = None) -> Document:
    """A VAE by itself, under LDM's names."""
    return Document(_vae(vae), {**(metadata or {}), **_config(vae.source, "vae")})


def clip_documents(clip: Clip, metadata: Mapping[str, str] | None = None) -> dict[str, Document]:
    """Each text encoder by itself, under Hugging Face's names, by the name that people know it by ("clip_l", ...)."""
    return {
        _lone_name(source): Document(
            _text(source, clip, open_clip=False),
            {**(metadata or {}), **_lone_facts(source)},
        )
        for source in clip.sources
    }


def _lone_facts(source: Source) -> Metadata:
    # Which of a model's encoders it is depends on who loads it.
    configs = [_config(source, part) for part in _LONE_NAMES]
    return {**configs[0], **configs[1], **_tokenizer(source, "text_encoder")}


def _lone_name(source: Source) -> str:
    return "clip_h" if source.family == "sd2" else _LONE_NAMES[source.part]


def _unet(model: Model) -> dict[str, Stored]:
    found = stored.tensors(model.source, model.patches)
    originals = ldm.unet_originals(list(found))
    if unknown := sorted(found.keys() - originals.keys()):
        raise WeightsError(
            f"{model.source.path.name} has {len(unknown)} tensors that a single file has no name for, "
            f"the first is {unknown[0]}."
        )
    return {originals[name]: tensor for name, tensor in found.items()}


def _vae(vae: Vae) -> dict[str, Stored]:
    if vae.source.part != "vae" or vae == PIXEL_SPACE:
        raise WeightsError(f"{vae.source.path.name} is no VAE that can be saved.")
    found = stored.tensors(vae.source)
    originals = ldm.vae_originals(list(found))
    return {originals[name]: _as_convolution(originals[name], tensor) for name, tensor in found.items()}


def _as_convolution(name: str, tensor: Stored) -> Stored:
    """LDM's VAE writes its attention's matrices as 1x1 convolutions."""
    if ".attn_1." not in name or len(tensor.shape) != 2:
        return tensor
    return Stored(tensor.dtype, (*tensor.shape, 1, 1), lambda: tensor.read()[..., None, None])


def _text(source: Source, clip: Clip, *, open_clip: bool) -> dict[str, Stored]:
    found = stored.tensors(source, clip.patches)
    kept = {name: tensor for name, tensor in found.items() if not name.endswith(_UNSAVED)}
    if not open_clip:
        return kept
    return {
        name: _turned(kept[parts[0]]) if name == "text_projection" else _joined([kept[part] for part in parts])
        for name, parts in ldm.open_clip_originals(list(kept)).items()
    }


def _turned(tensor: Stored) -> Stored:
    return Stored(tensor.dtype, tensor.shape[::-1], lambda: tensor.read().T)


def _joined(parts: Sequence[Stored]) -> Stored:
    if len(parts) == 1:
        return parts[0]
    shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
    return Stored(parts[0].dtype, shape, lambda: torch.cat([part.read() for part in parts]))


def _text_prefix(family: str, source: Source) -> str:
    prefix = _TEXT_PREFIXES.get((families.text_family(family), source.part))
    if prefix is None:
        raise WeightsError(
            f"{source.path.name} is a text encoder that the model's family has no place for; "
            "give the one that belongs to the model."
        )
    return prefix


def _spec(model: Model) -> Metadata:
    """What the published convention for metadata wants to know of a model (modelspec)."""
    kind = options.parametrization(model).kind
    said = {"eps": "epsilon", "v": "v"}.get(kind)
    spec = {"modelspec.sai_model_spec": "1.0.0", "modelspec.architecture": _ARCHITECTURES[model.source.family]}
    if said is None:
        return spec
    return {**spec, "modelspec.prediction_type": said, "modelspec.predict_key": said}


def _facts(model: Model) -> tuple[dict[str, Stored], dict[str, Any]]:
    """What a checkpoint says of how its UNet predicts: tensors of no length that others look for, and our own words."""
    found = {k: v for k, v in model.source.options if k not in _NOT_SAID}
    predicts = options.parametrization(model)
    values: dict[str, Tensor] = {}
    if predicts.kind == "v" and predicts.levels == "edm":
        ends = (predicts.sigma_max, predicts.sigma_min)
        found |= {"kind": "v", "levels": "edm", "sigma_max": ends[0], "sigma_min": ends[1]}
        values = {name: torch.tensor(end) for name, end in zip(checkpoint.EDM_V, ends, strict=True)}
    elif predicts.kind in ("eps", "v") and predicts.levels is None:
        found |= {"kind": predicts.kind, "zero_snr": predicts.zero_snr}
        usual = families.family_named(model.source.family).parametrization.kind
        marks = {"v_pred": predicts.kind == "v" != usual, "ztsnr": predicts.zero_snr}
        values = {name: torch.zeros(0) for name, is_so in marks.items() if is_so}
    return {n: Stored("F32", tuple(t.shape), lambda t=t: t) for n, t in values.items()}, found


def _config(source: Source, part: str) -> Metadata:
    """A part's configuration, where it was said and not read off shapes."""
    weights = modules.weights_of(source)
    if not weights.said:
        return {}
    plain = {k: v for k, v in weights.config.items() if not k.startswith("_") and v is not None}
    return {modules.CONFIG_KEY + part: json.dumps(plain)}


def _tokenizer(source: Source, part: str) -> Metadata:
    """A tokenizer that is not CLIP's."""
    name = dict(source.options).get("tokenizer")
    if name is None:
        return {}
    own = read_vocabulary(source.path, name)
    return {} if own.words == clips_own().words else {checkpoint.TOKENIZER_KEY + part: own.as_json()}


def _bytes_of(tensor: Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if len(flat) else b""
