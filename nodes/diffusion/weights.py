"""Which weights are in memory and on the device: loaded when asked for, moved out when others need the room."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import torch

from nodes.diffusion import checkpoint, control_lora, families, modules, options, preview
from nodes.diffusion.controlnet import ActiveControls, AdapterModel, ControlModel
from nodes.diffusion.device import Precision, budget_bytes, free_bytes, pick_device, pick_precisions
from nodes.diffusion.files import WeightsError
from nodes.diffusion.patches import Target, WeightPatch
from nodes.diffusion.resident import Resident
from nodes.diffusion.unet import UNet
from nodes.diffusion.vae import PIXEL_SPACE, Autoencoder, PixelSpace, TinyAutoencoder, is_out_of_memory
from nodes.digests import digest
from nodes.types import Provided, Source

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from nodes.diffusion.families import Family
    from nodes.diffusion.preview import Factors
    from nodes.diffusion.text_model import TextEncoder
    from nodes.types import Clip, Conditioning, ControlNet, Model, Patch, Vae

    Load = Callable[[Source, torch.dtype], nn.Module]

_log = logging.getLogger(__name__)
_TINY_DECODERS = {
    "sd15": "taesd_decoder",
    "sd2": "taesd_decoder",
    "sdxl": "taesdxl_decoder",
    "sdxl_refiner": "taesdxl_decoder",
}
_KEPT_FREE_ON_HOST = 1 << 30


class Weights(Provided):
    """Owns the weights of one worker: what is loaded, what is on the device, and with which patches.

    What does not fit the budget is moved out, least recently used first; a module too large for the whole budget goes
    to the device layer by layer while it computes. Use in any thread: a module serves one at a time.
    """

    def __init__(
        self,
        device: str | torch.device = "auto",
        precision: Precision = "auto",
        *,
        budget: int | None = None,
        vae_approx: Sequence[Path] = (),
    ) -> None:
        """`budget` bounds the bytes of weights on the device; left out, it is read from the device when needed.

        `vae_approx` are folders in which small decoders for previews may be (taesd_decoder.safetensors, ...).
        """
        self.device = pick_device(device) if isinstance(device, str) else device
        self.precisions = pick_precisions(self.device, precision)
        self._host = torch.device("cpu")
        self._budget = budget
        self._vae_approx = tuple(vae_approx)
        self._residents: dict[tuple[Source, torch.dtype], list[Resident]] = {}
        self._stamps: dict[int, float] = {}
        self._colours: dict[str, Factors] = {}
        self._changed = threading.Condition()

    @contextmanager
    def network(self, model: Model) -> Iterator[UNet]:
        """The model's UNet on the device with its patches applied, for as long as the context lasts."""
        source = model.source
        dtype = options.dtype(model) or self.precisions.unet
        if source.family == "sd2" and dtype == torch.float16:
            dtype = torch.bfloat16 if self.precisions.vae == torch.bfloat16 else torch.float32  # fp16 overflows in it
        family = families.with_facts(families.family_named(source.family), dict(source.options))
        with ExitStack() as stack:
            approximate = stack.enter_context(self._approximate(source.family))
            resident = stack.enter_context(self._dressed(source, dtype, modules.load_unet, model.patches))
            yield UNet(
                resident.module,
                family,
                self.device,
                dtype,
                approximate=approximate,
                colours=lambda: self._colours_of(source, family),
                wear=resident.wear,
            )

    @contextmanager
    def text(self, clip: Clip) -> Iterator[list[TextEncoder]]:
        """The text encoders on the device with their patches applied, in the handle's order."""
        with ExitStack() as stack:
            loaded = [
                stack.enter_context(self._use(source, self.precisions.text, modules.load_text, clip.patches))
                for source in clip.sources
            ]
            yield cast("list[TextEncoder]", loaded)

    @contextmanager
    def vae(self, vae: Vae) -> Iterator[Autoencoder | PixelSpace]:
        """The autoencoder on the device."""
        if vae == PIXEL_SPACE:
            yield PixelSpace()
            return
        if vae.source.part == "tiny_vae":
            with self._use(vae.source, self.precisions.vae, modules.load_tiny_vae) as module:
                scale = dict(vae.source.options)["scale"]
                yield TinyAutoencoder(module, self.device, self.precisions.vae, scale)
            return
        with self._use(vae.source, self.precisions.vae, modules.load_vae) as module:
            yield Autoencoder(module, self.device, self.precisions.vae)

    @contextmanager
    def controlnet(self, net: ControlNet, model: Model | None = None) -> Iterator[ControlModel | AdapterModel]:
        """The ControlNet or T2I-Adapter on the device, for the model that it is to steer.

        Raises WeightsError when it is made for another family.
        """
        _check_family(net, model)
        if net.source.part in control_lora.MARKS.values():
            with self._changed_unet(net, model) as module:
                yield ControlModel(module, self.device, self.precisions.unet, net.source.path.name)
            return
        if net.source.part == "t2i_adapter":
            with self._use(net.source, self.precisions.unet, modules.load_adapter) as module:
                yield AdapterModel(module, self.device, self.precisions.unet)
            return
        with self._use(net.source, self.precisions.unet, modules.load_controlnet) as module:
            yield ControlModel(module, self.device, self.precisions.unet, net.source.path.name)

    @contextmanager
    def controls(
        self, conditionings: Iterable[Conditioning], model: Model | None = None
    ) -> Iterator[ActiveControls | None]:
        """All ControlNets that these conditionings name, on the device, for this model; None when they name none."""
        nets = {hint.net: None for one in conditionings for cond in one for hint in cond.controls if hint.strength}
        if not nets:
            yield None
            return
        with ExitStack() as stack:
            yield ActiveControls({net: stack.enter_context(self.controlnet(net, model)) for net in nets})

    @contextmanager
    def _changed_unet(self, net: ControlNet, model: Model | None) -> Iterator[nn.Module]:
        """A ControlNet that is told as a change to a UNet: the one it was loaded with, or the one it steers."""
        base, patches = dict(net.source.options).get("base"), ()
        if base is None:
            if model is None:
                raise WeightsError(f"The ControlNet {net.source.path.name} is a change to a model, and there is none.")
            base, patches = model.source, model.patches
        source = replace(net.source, family=base.family, options=(*net.source.options, ("base", base)))
        # Its trunk has the UNet's names, so what changes the UNet changes it too.
        with self._dressed(source, self.precisions.unet, control_lora.load, patches, part="unet") as resident:
            yield resident.module

    @contextmanager
    def module(self, source: Source, load: Load, dtype: torch.dtype | None = None) -> Iterator[nn.Module]:
        """A network of another kind on the device: `load(source, dtype)` makes it when it is not in memory.

        It is made in float32 unless told otherwise.
        """
        with self._use(source, dtype or torch.float32, load) as module:
            yield module

    @property
    def loaded_bytes(self) -> int:
        """Bytes of weights in memory, wherever they are, without those that are kept aside."""
        return sum(r.nbytes for r in self._each())

    @property
    def spare_bytes(self) -> int:
        """Bytes of patched weights that are kept aside, in case they are wanted again."""
        return sum(r.spare_bytes for r in self._each())

    @property
    def device_bytes(self) -> int:
        """Bytes of weights on the device."""
        return sum(r.nbytes for r in self._each() if r.device == self.device and not r.streams)

    def free(self, *, forget: bool = False) -> None:
        """Move what nobody uses off the device; with `forget`, out of memory altogether."""
        with self._changed:
            for resident in [r for r in self._each() if not r.users]:
                if forget or self.device == self._host:
                    self._drop(resident)
                else:
                    resident.withdraw()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _colours_of(self, source: Source, family: Family) -> Factors | None:
        """The map to colours of a model's own latent space, fitted once on its VAE; None for the well-known spaces."""
        usual = families.family_named(family.name).latent_format
        if family.latent_format.scale == usual.scale or (vae := checkpoint.vae_beside(source.path)) is None:
            return None
        if source.digest not in self._colours:
            with self.vae(vae) as autoencoder:
                self._colours[source.digest] = preview.fit(autoencoder.encode, family.latent_format)
        return self._colours[source.digest]

    @contextmanager
    def _approximate(self, family: str) -> Iterator[Callable[[Tensor], Tensor] | None]:
        """A family's small decoder, where one of the folders has it."""
        name = _TINY_DECODERS.get(family, "")
        path = next((p for folder in self._vae_approx if (p := folder / f"{name}.safetensors").is_file()), None)
        if path is None:
            yield None
            return
        source = Source(path, digest(path), "tiny_decoder", family)
        with self._use(source, torch.float32, modules.load_tiny_decoder) as decoder:

            def approximate(x0: Tensor) -> Tensor:
                with torch.no_grad():
                    return (
                        ((decoder(x0[:1].to(self.device, torch.float32)) + 1) / 2).clamp(0, 1)[0].movedim(0, -1).cpu()
                    )

            yield approximate

    @contextmanager
    def _use(
        self, source: Source, dtype: torch.dtype, load: Load, patches: Sequence[Patch] = ()
    ) -> Iterator[nn.Module]:
        with self._dressed(source, dtype, load, patches) as resident:
            yield resident.module

    @contextmanager
    def _dressed(
        self, source: Source, dtype: torch.dtype, load: Load, patches: Sequence[Patch] = (), *, part: str = ""
    ) -> Iterator[Resident]:
        wanted = [p for p in patches if isinstance(p, WeightPatch)]
        resident = self._acquire(source, dtype, load, tuple(p.key for p in wanted))
        try:
            with self._numbers(resident):
                self._place(resident)
                target = Target(part or source.part, source.family, resident.shapes(), resident.originals)
                resident.apply(wanted, target, keep=self._fits(resident.patched_on, resident.nbytes))
                yield resident
        finally:
            try:
                resident.settle()
                if resident.spare_bytes and not self._fits(resident.patched_on, 0):
                    resident.settle(keep=False)
            finally:
                self._release(resident)

    def _acquire(self, source: Source, dtype: torch.dtype, load: Load, keys: tuple[str, ...]) -> Resident:
        """A module of this source that nobody else uses, marked as used; loads it when there is none.

        A thread that uses it already under other patches gets a second copy, so that two models that differ by a LoRA
        can work side by side.
        """
        with self._changed:
            while True:
                copies = self._residents.setdefault((source, dtype), [])
                mine = [r for r in copies if r.used_by_me()]
                free = [r for r in copies if not r.users]
                found = next((r for r in mine if r.applied == keys), None) or next(
                    (r for r in free if r.applied == keys), free[0] if free else None
                )
                if found is None and copies and not mine:
                    self._changed.wait()
                    continue
                if found is None:
                    found = self._load(source, dtype, load)
                    copies.append(found)
                found.users += 1
                found.owner = threading.get_ident()
                self._stamps[id(found)] = time.monotonic()
                return found

    def _release(self, resident: Resident) -> None:
        with self._changed:
            resident.users -= 1
            self._stamps[id(resident)] = time.monotonic()
            self._changed.notify_all()

    def _load(self, source: Source, dtype: torch.dtype, load: Load) -> Resident:
        if source.path.is_file() and digest(source.path) != source.digest:
            raise WeightsError(f"{source.path} has changed since it was opened. Run the workflow again.")
        self._make_room(self._host, modules.elements(source) * dtype.itemsize)
        started = time.monotonic()
        with torch.inference_mode(False), torch.no_grad():
            resident = Resident(source, load(source, dtype))
        took = time.monotonic() - started
        _log.info(
            "Loaded %s of a %s model, %.0f MB in %.1f s.", source.part, source.family, resident.nbytes / 1e6, took
        )
        return resident

    def _place(self, resident: Resident) -> None:
        if self.device in (self._host, resident.device):
            return
        with self._changed:
            fits = self._make_room(self.device, resident.nbytes)
            if not fits:
                _log.warning(
                    "%s (%.0f MB) does not fit the %.0f MB there are; its layers go to the device one by one.",
                    resident.source.path.name, resident.nbytes / 1e6, self._limit(self.device) / 1e6,
                )  # fmt: skip
            resident.place(self.device, stream=not fits)

    def _make_room(self, device: torch.device, size: int) -> bool:
        """Move unused modules out, least recently used first, until `size` bytes fit. Says whether they do."""
        idle = sorted((r for r in self._each() if not r.users), key=lambda r: self._stamps.get(id(r), 0.0))
        for resident in idle:
            if self._fits(device, size):
                break
            resident.settle(keep=False)
        for resident in idle:
            if self._fits(device, size):
                break
            if device == self._host:
                self._drop(resident)
            elif resident.device == device:
                resident.withdraw()
        return self._fits(device, size)

    def _fits(self, device: torch.device, size: int) -> bool:
        """Whether there is room for `size` bytes more, beside what is kept aside."""
        return self._taken(device) + size <= self._limit(device)

    def _taken(self, device: torch.device) -> int:
        if device == self._host:
            return self.loaded_bytes + self.spare_bytes
        return self.device_bytes + sum(r.spare_bytes for r in self._each() if r.patched_on == device)

    def _limit(self, device: torch.device) -> int:
        """How many bytes of weights may be there, with what is there now."""
        if device == self.device and self._budget is not None:
            return self._budget
        if device == self._host:
            return self.loaded_bytes + max(free_bytes(self._host) - _KEPT_FREE_ON_HOST, 0)
        return self.device_bytes + budget_bytes(device)

    def _drop(self, resident: Resident) -> None:
        for copies in self._residents.values():
            if resident in copies:
                copies.remove(resident)
        self._stamps.pop(id(resident), None)

    def _each(self) -> list[Resident]:
        return [r for copies in self._residents.values() for r in copies]

    @contextmanager
    def _numbers(self, resident: Resident) -> Iterator[None]:
        """Turn an out-of-memory error that no fallback caught into a sentence with figures."""
        try:
            yield
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise WeightsError(
                f"Out of memory on {self.device} while using {resident.source.path.name}: {_gb(self.device_bytes)} of "
                f"weights are loaded and {_gb(free_bytes(self.device))} are free. Use a smaller picture or batch."
            ) from error


def _check_family(net: ControlNet, model: Model | None) -> None:
    made_for = net.source.family
    if model is not None and made_for and made_for != model.source.family:
        titles = [families.family_named(name).title for name in (made_for, model.source.family)]
        raise WeightsError(
            f"The ControlNet {net.source.path.name} is made for {titles[0]}; the model here is {titles[1]}."
        )


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
