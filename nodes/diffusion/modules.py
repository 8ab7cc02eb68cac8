"""Handles to weights become modules: built empty, then given the file's tensors, converted one at a time."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nodes.diffusion import families, ldm
from nodes.diffusion.files import Header, WeightsError, read_header, read_tensors

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from nodes.diffusion.text_model import TextEncoder
    from nodes.types import Source

    M = TypeVar("M", bound=nn.Module)

_WEIGHT_FILES = ("diffusion_pytorch_model", "model")
_OLD_TEXT_NAMES = ("cond_stage_model.", "transformer.")
_KEPT = ("text_model.", "text_projection.")
CONFIG_KEY = "sfumato.config."
"""In a single file's metadata, followed by a part's name: the configuration of its module, as JSON."""


@dataclass(frozen=True, slots=True)
class Weightset:
    """The tensors of one part of a model: where each is, and the name and shape it has in its module."""

    names: Mapping[Path, Mapping[str, str]]
    shapes: Mapping[str, tuple[int, ...]]
    config: Mapping[str, Any]
    dtypes: Mapping[str, str] = field(default_factory=dict[str, str])
    said: bool = False
    """Whether the configuration was written down with the weights, rather than read off their shapes."""

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """(name in the module, tensor), one at a time."""
        for path, names in self.names.items():
            yield from read_tensors(path, names)


def part_files(path: Path, part: str) -> tuple[Path, ...]:
    """The safetensors files of a part of a diffusers folder, or of the folder that is the part itself.

    Full precision is preferred to fp16 variants. Raises WeightsError when there are none.
    """
    folder = path / part if (path / part).is_dir() else path
    for stem in _WEIGHT_FILES:
        for end in ("", ".fp16", ".non_ema"):
            if (single := folder / f"{stem}{end}.safetensors").is_file():
                return (single,)
            if shards := sorted(folder.glob(f"{stem}{end}-*-of-*.safetensors")):
                return tuple(shards)
    if any(folder.glob("*.bin")):
        raise WeightsError(f"{folder} holds only pickles (*.bin), which can run code; convert them to safetensors.")
    raise WeightsError(f"{folder} holds no {' or '.join(s + '.safetensors' for s in _WEIGHT_FILES)}.")


def read_config(path: Path, part: str) -> dict[str, Any]:
    """The config.json of a part of a diffusers folder ({} where there is none)."""
    for name in ("config.json", "scheduler_config.json"):
        for folder in (path / part, path):
            if (file := folder / name).is_file():
                return read_json(file)
    return {}


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object in a file. Raises WeightsError naming the file."""
    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError):
        raise WeightsError(f"{file} is no readable JSON.") from None
    return json_object(text, file)


def json_object(text: str, file: Path) -> dict[str, Any]:
    """The JSON object that a text of a file is. Raises WeightsError naming the file."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise WeightsError(f"{file} is no readable JSON.") from None
    if not isinstance(content, dict):
        raise WeightsError(f"{file} must hold a JSON object.")
    return content


def unet_weights(source: Source) -> Weightset:
    """Where a UNet's tensors are, under diffusers' names, with its configuration."""
    found = _weightset(source, ldm.unet_names, families.unet_config)
    if found.config.get("class_embed_type") != "projection":
        return found

    # unCLIP's class labels share LDM's name with SDXL's sizes; the configuration says which they are.
    def label(name: str) -> str:
        return name.replace("add_embedding.", "class_embedding.", 1) if name.startswith("add_embedding.") else name

    names = {path: {old: label(new) for old, new in each.items()} for path, each in found.names.items()}
    shapes, dtypes = ({label(n): v for n, v in each.items()} for each in (found.shapes, found.dtypes))
    return replace(found, names=names, shapes=shapes, dtypes=dtypes)


def vae_weights(source: Source) -> Weightset:
    """Where a VAE's tensors are, under diffusers' names, with its configuration."""
    return _weightset(source, ldm.vae_names, families.vae_config)


def controlnet_weights(source: Source) -> Weightset:
    """Where a ControlNet's tensors are, under diffusers' names, with its configuration."""
    return _weightset(source, ldm.controlnet_names, families.controlnet_config)


def adapter_weights(source: Source) -> Weightset:
    """Where a T2I-Adapter's tensors are, under diffusers' names, with its configuration."""
    return _weightset(source, ldm.adapter_names, families.adapter_config)


def text_weights(source: Source) -> Weightset:
    """Where a CLIP text encoder's tensors are, under Hugging Face's names, with its configuration."""
    return _weightset(source, _text_names, families.text_config)


def tiny_decoder_weights(source: Source) -> Weightset:
    """Where TAESD's decoder's tensors are, under diffusers' names: its first layer, a clamp, is none there."""

    def rename(names: list[str]) -> dict[str, str]:
        found = {name: name.partition(".") for name in names}
        return {n: f"layers.{int(first) - 1}.{rest}" for n, (first, _, rest) in found.items() if first.isdigit()}

    return _weightset(source, rename, lambda _: {})


def weights_of(source: Source) -> Weightset:
    """Where the tensors of a source's part are. Raises WeightsError for a part of a kind that is not known here."""
    read = _PARTS.get(source.part.removesuffix("_2"))
    if read is None:
        raise WeightsError(f"{source.path} is no model of a known kind: {source.part}.")
    return read(source)


def elements(source: Source) -> int:
    """How many numbers a source's weights are, by its headers."""
    known = source.part.removesuffix("_2") in _PARTS
    shapes = weights_of(source).shapes if known else read_header(source.path).shapes
    return sum(math.prod(shape) for shape in shapes.values())


def _weightset(
    source: Source,
    rename: Callable[[list[str]], dict[str, str]],
    configure: Callable[[Mapping[str, tuple[int, ...]]], dict[str, Any]],
) -> Weightset:
    options = dict(source.options)
    prefix = options.get("prefix", "")
    folder = source.path.is_dir()
    files = part_files(source.path, source.part) if folder else (source.path,)
    names: dict[Path, dict[str, str]] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    dtypes: dict[str, str] = {}
    config = read_config(source.path, source.part) if folder else {}
    for file in files:
        header = read_header(file)
        config = config or _said_config(header, source.part)
        mine = [n.removeprefix(prefix) for n in header.shapes if n.startswith(prefix)]
        renamed = rename(mine) or {n: n for n in mine}
        names[file] = {prefix + old: new for old, new in renamed.items()}
        shapes |= {new: header.shapes[prefix + old] for old, new in renamed.items()}
        dtypes |= {new: header.dtypes[prefix + old] for old, new in renamed.items()}
    try:
        return Weightset(names, shapes, config or configure(shapes), dtypes, said=bool(config))
    except (WeightsError, KeyError) as error:
        reason = str(error) if isinstance(error, WeightsError) else f"Tensor {error} is missing."
        raise WeightsError(f"{source.path}: {reason}") from None


def _said_config(header: Header, part: str) -> dict[str, Any]:
    """The configuration that a file's metadata gives for a part ({} where there is none)."""
    text = header.metadata.get(CONFIG_KEY + part)
    return {} if text is None else json_object(text, header.path)


_PARTS: Mapping[str, Callable[[Source], Weightset]] = {
    "unet": unet_weights,
    "vae": vae_weights,
    "controlnet": controlnet_weights,
    "t2i_adapter": adapter_weights,
    "text_encoder": text_weights,
    "tiny_decoder": tiny_decoder_weights,
    "tiny_vae": tiny_decoder_weights,
}


def _text_names(names: list[str]) -> dict[str, str]:
    """Hugging Face's names for a text encoder, whoever wrote the file."""
    if any(".resblocks." in n for n in names):
        return ldm.open_clip_names(names)
    found: dict[str, str] = {}
    for name in names:
        plain = name if name.startswith(_KEPT) else "text_model." + name
        if not plain.endswith(("position_ids", "logit_scale")):
            found[name] = plain
    return found


def load_unet(source: Source, dtype: torch.dtype) -> nn.Module:
    """The UNet on the CPU in `dtype`, ready to be called."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel  # noqa: PLC0415 -- slow to import

    weights = unet_weights(source)
    module = _empty(lambda: UNet2DConditionModel(**_accepted(UNet2DConditionModel, weights.config)))
    tensors = ((name, rounded(tensor, source)) for name, tensor in weights.tensors())
    return filled(module, tensors, dtype, source.path)


def rounded(tensor: Tensor, source: Source) -> Tensor:
    """The tensor as it would be when kept in the smaller dtype that the handle asks for ("fp8_e4m3fn", ...)."""
    import torch  # noqa: PLC0415

    asked = dict(source.options).get("stored")
    small = {"fp8_e4m3fn": torch.float8_e4m3fn, "fp8_e5m2": torch.float8_e5m2}.get(asked or "")
    return tensor if small is None else tensor.to(small).to(tensor.dtype)


def load_vae(source: Source, dtype: torch.dtype) -> nn.Module:
    """The VAE on the CPU in `dtype`."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL  # noqa: PLC0415

    weights = vae_weights(source)
    module = _empty(lambda: AutoencoderKL(**_accepted(AutoencoderKL, weights.config)))
    tensors = ((ldm.vae_names([name])[name] if source.path.is_dir() else name, t) for name, t in weights.tensors())
    return filled(module, tensors, dtype, source.path)


def load_text(source: Source, dtype: torch.dtype) -> TextEncoder:
    """The text encoder on the CPU in `dtype`."""
    import torch  # noqa: PLC0415

    from nodes.diffusion.text_model import TextEncoder  # noqa: PLC0415 -- needs torch when imported

    weights = text_weights(source)
    projection = any(name.startswith("text_projection.") for name in weights.shapes)
    module = _empty(lambda: TextEncoder(weights.config, projection=projection))
    filled(module, _text_tensors(weights), dtype, source.path)
    places = module.text_model.embeddings
    places.position_ids = torch.arange(module.length).unsqueeze(0)
    return module


def _text_tensors(weights: Weightset) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in weights.tensors():
        yield from ldm.split_open_clip(name, tensor)


def load_controlnet(source: Source, dtype: torch.dtype) -> nn.Module:
    """The ControlNet on the CPU in `dtype`."""
    weights = controlnet_weights(source)
    pooled = {"global_pool_conditions": True} if dict(source.options).get("pooled") else {}
    return controlnet_of({**weights.config, **pooled}, weights.tensors(), dtype, source.path)


def controlnet_of(
    config: Mapping[str, Any], tensors: Iterator[tuple[str, Tensor]], dtype: torch.dtype, path: Path
) -> nn.Module:
    """The ControlNet of this configuration and these tensors, which come from `path`."""
    from diffusers.models.controlnets.controlnet import ControlNetModel  # noqa: PLC0415
    from diffusers.models.controlnets.controlnet_union import ControlNetUnionModel  # noqa: PLC0415
    from torch.nn import functional  # noqa: PLC0415

    union = "num_control_type" in config
    cls = ControlNetUnionModel if union else ControlNetModel
    module: Any = _empty(lambda: cls(**_accepted(cls, config)))
    filled(module, tensors, dtype, path)
    if union:
        # One more kind of picture than there are, of which nothing is said.
        module.task_embedding.data = functional.pad(module.task_embedding.data, (0, 0, 0, 1))
    return module


def load_adapter(source: Source, dtype: torch.dtype) -> nn.Module:
    """The T2I-Adapter on the CPU in `dtype`."""
    from diffusers.models.adapter import T2IAdapter  # noqa: PLC0415

    weights = adapter_weights(source)
    module = _empty(lambda: T2IAdapter(**_accepted(T2IAdapter, weights.config)))
    return filled(module, weights.tensors(), dtype, source.path)


def load_tiny_decoder(source: Source, dtype: torch.dtype) -> nn.Module:
    """TAESD's decoder on the CPU in `dtype`: from the network's latents to pictures in -1..1."""
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny  # noqa: PLC0415

    shapes = tiny_decoder_weights(source).shapes
    channels = shapes.get("layers.0.weight", (0, 4))[1]
    module = _empty(lambda: AutoencoderTiny(latent_channels=channels).decoder)
    return filled(module, tiny_decoder_weights(source).tensors(), dtype, source.path)


def load_tiny_vae(source: Source, dtype: torch.dtype) -> nn.Module:
    """TAESD on the CPU in `dtype`: its decoder is the source's file, its encoder the one that the option names."""
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny  # noqa: PLC0415

    encoder = Path(dict(source.options)["encoder"])
    shapes = tiny_decoder_weights(source).shapes
    module: Any = _empty(lambda: AutoencoderTiny(latent_channels=shapes["layers.0.weight"][1]))
    filled(module.decoder, tiny_decoder_weights(source).tensors(), dtype, source.path)
    names = {name: f"layers.{name}" for name in read_header(encoder).shapes}
    filled(module.encoder, read_tensors(encoder, names), dtype, encoder)
    return module


def _laid_out(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """A copy in this dtype, laid out as it computes best.

    In bfloat16 convolutions with their channels last take a seventh off a step of a UNet on a CPU; in float32 nothing.
    """
    import torch  # noqa: PLC0415

    last = tensor.ndim == 4 and dtype == torch.bfloat16
    layout = torch.channels_last if last else torch.contiguous_format
    return tensor.to(dtype, memory_format=layout, copy=True)


def _accepted(cls: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a configuration the class takes; folders of other versions hold more."""
    known = inspect.signature(cls).parameters
    return {k: tuple(v) if isinstance(v, list) else v for k, v in config.items() if k in known}


def _empty(build: Callable[[], M]) -> M:
    import torch  # noqa: PLC0415

    with torch.device("meta"):
        return build()


def filled(
    module: M,
    tensors: Iterator[tuple[str, Tensor]],
    dtype: torch.dtype,
    path: Path,
) -> M:
    """The module with every parameter taken from `tensors`, in `dtype`, for inference.

    Raises WeightsError naming the first tensor that is missing or has another shape.
    """
    wanted = {name: tuple(p.shape) for name, p in module.state_dict().items()}
    state: dict[str, Tensor] = {}
    for name, tensor in tensors:
        if name not in wanted:
            continue
        shaped = ldm.reshaped(tensor, wanted[name])
        if tuple(shaped.shape) != wanted[name]:
            raise WeightsError(
                f"{path}: tensor {name} has shape {list(tensor.shape)}; the model needs {list(wanted[name])}."
            )
        # A copy even when the dtype fits: tensors of a mapped file change or vanish with the file.
        state[name] = _laid_out(shaped, dtype) if shaped.is_floating_point() else shaped.clone()
    missing = sorted(wanted.keys() - state.keys())
    if missing:
        raise WeightsError(f"{path} lacks {len(missing)} tensors of its model, the first is {missing[0]}.")
    module.load_state_dict(state, assign=True)
    return module.requires_grad_(False).eval()
