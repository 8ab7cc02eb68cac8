"""What travels along links: frozen values over tensors, with checked shapes.

Importing this module costs no torch; tensors are named for the type checker only. Each class says with `socket` under
which name the field knows it (ComfyUI's type names), so a node's signature is all that has to be written down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


class NodeError(Exception):
    """A node cannot do what it was asked, for a reason its user can act on: one or two plain sentences."""


class Provided:
    """Base of what a worker hands to nodes by type: a parameter so annotated is no socket."""


def _check(what: str, tensor: Tensor, dims: str) -> None:
    """Raise ValueError unless `tensor` has one axis for each letter of `dims`."""
    if tensor.ndim != len(dims):
        raise ValueError(f"{what}: a tensor of shape {tuple(tensor.shape)}; it must be [{','.join(dims)}].")


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """Pictures: float32 [B,H,W,C] in 0..1, sRGB, on the CPU; C is 3, or 4 with alpha."""

    socket: ClassVar[str] = "IMAGE"
    pixels: Tensor

    def __post_init__(self) -> None:
        _check("Image", self.pixels, "BHWC")


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """Selections: float32 [B,H,W], 1 where selected."""

    socket: ClassVar[str] = "MASK"
    values: Tensor

    def __post_init__(self) -> None:
        _check("Mask", self.values, "BHW")


@dataclass(frozen=True, slots=True, eq=False)
class Latent:
    """Samples in the VAE's own space (not scaled), float32 [B,C,h,w] on the CPU.

    `noise_mask` is [B,1,H,W] at latent or pixel resolution, 1 where noise may act. `batch_index` names the place of
    each sample in the batch that its noise was drawn for, so that one picture of a batch can be drawn again.
    """

    socket: ClassVar[str] = "LATENT"
    samples: Tensor
    noise_mask: Tensor | None = None
    batch_index: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.samples.ndim not in (4, 5):
            _check("Latent", self.samples, "BChw")


@dataclass(frozen=True, slots=True)
class Area:
    """Where a conditioning acts: in latent pixels, or in fractions of the picture when `relative`."""

    height: float
    width: float
    y: float
    x: float
    relative: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ControlHint:
    """One ControlNet's part in a conditioning: the net, its picture [B,H,W,C], how strongly and when."""

    net: ControlNet
    image: Tensor
    strength: float = 1.0
    start_percent: float = 0.0
    end_percent: float = 1.0
    vae: Vae | None = None
    extras: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, eq=False)
class Cond:
    """One piece of conditioning: text tokens [B,T,D] and how, where and when they act.

    Sizes in pixels. Percentages count from the start of sampling (0) to its end (1). `extras` holds what only some
    families read (ComfyUI's key names: "guidance", "aesthetic_score", ...).
    """

    tokens: Tensor | None
    pooled: Tensor | None = None
    strength: float = 1.0
    area: Area | None = None
    mask: Tensor | None = None
    mask_strength: float = 1.0
    set_area_to_bounds: bool = False
    start_percent: float = 0.0
    end_percent: float = 1.0
    controls: tuple[ControlHint, ...] = ()
    concat_latent: Tensor | None = None
    concat_mask: Tensor | None = None
    extras: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def having(self, **changes: Any) -> Cond:
        """A copy with these fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, eq=False)
class Conditioning:
    """What to draw: pieces that are evaluated each and mixed. Empty is legal: no condition."""

    socket: ClassVar[str] = "CONDITIONING"
    parts: tuple[Cond, ...]

    def each(self, **changes: Any) -> Conditioning:
        """A copy in which every piece has these fields changed."""
        return Conditioning(tuple(part.having(**changes) for part in self.parts))

    def __iter__(self) -> Iterator[Cond]:
        return iter(self.parts)


@dataclass(frozen=True, slots=True)
class Source:
    """Which weights: a file or diffusers folder, its content's digest, and the part of it that is meant.

    `part` is "unet", "text_encoder", "vae", "controlnet", ...; `digest` identifies the content, so that a replaced file
    is another source. `family` is the architecture's name ("sd15", "sd2", "sdxl", ...).
    """

    path: Path
    digest: str
    part: str
    family: str = ""
    options: tuple[tuple[str, Any], ...] = ()


@runtime_checkable
class Patch(Protocol):
    """A change to weights that can be named, so that the same list of patches gives the same weights.

    `key` identifies content and strength; the diffusion library knows what each kind of patch does.
    """

    @property
    def key(self) -> str: ...


@runtime_checkable
class Scalable(Patch, Protocol):
    """A patch that can be had at another strength."""

    def scaled(self, factor: float) -> Scalable:
        """The same change, so many times as strong."""
        ...


@dataclass(frozen=True, slots=True)
class Keyframe:
    """From which part of sampling on a hook has which strength, and for how many steps at least."""

    strength: float
    start_percent: float = 0.0
    steps: int = 1


@dataclass(frozen=True, slots=True)
class HookKeyframes:
    """How the strength of hooks goes with sampling, sorted by time."""

    socket: ClassVar[str] = "HOOK_KEYFRAMES"
    frames: tuple[Keyframe, ...] = ()


@dataclass(frozen=True, slots=True)
class Hook:
    """A change to a model and its text encoders that a conditioning brings along."""

    unet: Scalable | None = None
    text: Scalable | None = None
    keyframes: tuple[Keyframe, ...] = ()


@dataclass(frozen=True, slots=True)
class WeightHooks:
    """Changes to weights that act together, for the conditionings that have them."""

    socket: ClassVar[str] = "HOOKS"
    hooks: tuple[Hook, ...] = ()


@dataclass(frozen=True, slots=True)
class TimestepsRange:
    """A part of sampling, from 0 to 1."""

    socket: ClassVar[str] = "TIMESTEPS_RANGE"
    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True, slots=True)
class ClipHooks:
    """Hooks that a text encoder works under: whether its conditionings bring them along, and follow their keyframes."""

    hooks: WeightHooks
    on_conditionings: bool = True
    scheduled: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """A handle to a denoising network: which weights, under which patches, sampled how.

    Frozen: applying a LoRA gives another handle and leaves this one as it was. `options` holds named sampling facts
    and hooks (values comparable, e.g. a prediction override, a guidance function with its parameters).
    """

    socket: ClassVar[str] = "MODEL"
    source: Source
    patches: tuple[Patch, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()

    def patched(self, *patches: Patch) -> Model:
        """This model with more patches applied after those it has."""
        return replace(self, patches=(*self.patches, *patches))

    def option(self, name: str, default: Any = None) -> Any:
        """The last value set for `name`, or the default."""
        return dict(self.options).get(name, default)

    def with_option(self, name: str, value: Any) -> Model:
        """This model with an option set, replacing an earlier value."""
        return replace(self, options=(*((k, v) for k, v in self.options if k != name), (name, value)))


@dataclass(frozen=True, slots=True)
class Clip:
    """A handle to one or more text encoders. `stop_at_layer` counts from the end (-1 is the last layer)."""

    socket: ClassVar[str] = "CLIP"
    sources: tuple[Source, ...]
    patches: tuple[Patch, ...] = ()
    stop_at_layer: int | None = None
    hooks: ClipHooks | None = None

    def patched(self, *patches: Patch) -> Clip:
        """This text encoder with more patches applied after those it has."""
        return replace(self, patches=(*self.patches, *patches))


@dataclass(frozen=True, slots=True)
class Vae:
    """A handle to an image autoencoder."""

    socket: ClassVar[str] = "VAE"
    source: Source


@dataclass(frozen=True, slots=True)
class ControlNet:
    """A handle to a ControlNet or T2I-Adapter."""

    socket: ClassVar[str] = "CONTROL_NET"
    source: Source
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ClipVision:
    """A handle to a CLIP image encoder."""

    socket: ClassVar[str] = "CLIP_VISION"
    source: Source


@dataclass(frozen=True, slots=True, eq=False)
class ClipVisionOutput:
    """What a CLIP image encoder says of pictures: [B,T,D] hidden states and [B,E] embeddings."""

    socket: ClassVar[str] = "CLIP_VISION_OUTPUT"
    last_hidden_state: Tensor
    penultimate_hidden_states: Tensor
    image_embeds: Tensor


@dataclass(frozen=True, slots=True)
class StyleModel:
    """A handle to a style model."""

    socket: ClassVar[str] = "STYLE_MODEL"
    source: Source


@dataclass(frozen=True, slots=True)
class Gligen:
    """A handle to GLIGEN's grounding weights."""

    socket: ClassVar[str] = "GLIGEN"
    source: Source


@dataclass(frozen=True, slots=True)
class UpscaleModel:
    """A handle to a picture upscaling network."""

    socket: ClassVar[str] = "UPSCALE_MODEL"
    source: Source


@dataclass(frozen=True, slots=True)
class Sampler:
    """A sampling algorithm by its name, with its parameters."""

    socket: ClassVar[str] = "SAMPLER"
    name: str
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Sigmas:
    """Noise levels, float32 [n+1], decreasing."""

    socket: ClassVar[str] = "SIGMAS"
    values: Tensor

    def __post_init__(self) -> None:
        _check("Sigmas", self.values, "n")


@dataclass(frozen=True, slots=True)
class Noise:
    """Where a sampler's first noise comes from: a seed, or nothing at all."""

    socket: ClassVar[str] = "NOISE"
    seed: int = 0
    kind: Literal["random", "none"] = "random"


@dataclass(frozen=True, slots=True, eq=False)
class Guider:
    """How predictions under several conditionings become one: its kind by name, the model, and what it needs."""

    socket: ClassVar[str] = "GUIDER"
    model: Model
    kind: str
    conditionings: Mapping[str, Conditioning]
    options: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Preview:
    """A small picture of what is being made: encoded bytes and their MIME type."""

    data: bytes
    mime: Literal["image/jpeg", "image/png"] = "image/jpeg"


Progress = Callable[[int, int, Preview | None], None]
"""Called as (step, steps, preview) after each step; raises to cancel."""
