"""A module in memory: its weights kept on the host, shown to the device while it is used."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from nodes.diffusion.patches import Target, WeightPatch, patched

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.hooks import RemovableHandle

    from nodes.types import Source

_MOST_KEPT = 3
"""Sets of patched weights that a run may go back and forth between without computing them again."""

_KEPT_BETWEEN_RUNS = 1
"""As many stay when a run is over: the next run often goes back to what the last one took off."""


class Resident:
    """A loaded module. The originals of its weights stay on the host, untouched.

    Placing, patching and withdrawing only change which tensor a parameter points to, so taking a patch back is exact,
    and so is putting on what was taken off last: its tensors are kept.

    Patches go into the weights. A LoRA could instead be a branch of each layer while it computes, which costs nothing
    to put on, but 3 % more arithmetic in each step of SD 1.5 at rank 32 and twice that in time; the sum is made in the
    time that one or two such steps lose, and then has the numbers that everybody's merged weights have.
    """

    def __init__(self, source: Source, module: nn.Module) -> None:
        self.source = source
        self.module = module
        self.originals: dict[str, Tensor] = {name: p.data for name, p in module.named_parameters()}
        self.originals |= {name: b.data for name, b in module.named_buffers()}
        self.nbytes = sum(t.nbytes for t in self.originals.values())
        self.device = torch.device("cpu")
        self.users = 0
        self.owner = 0
        self._slots = dict(module.named_parameters()) | dict(module.named_buffers())
        self._applied: tuple[str, ...] = ()
        self._changed: dict[str, Tensor] = {}
        self._own: tuple[WeightPatch, ...] = ()
        self._target: Target | None = None
        self._kept: dict[tuple[str, ...], dict[str, Tensor]] = {}
        self._hooks: list[RemovableHandle] = []

    @property
    def streams(self) -> bool:
        """Whether layers go to the device one at a time, as the whole does not fit."""
        return bool(self._hooks)

    @property
    def patched_on(self) -> torch.device:
        """Where its patched weights are."""
        return torch.device("cpu") if self.streams else self.device

    @property
    def applied(self) -> tuple[str, ...]:
        """The keys of the patches that the weights now have."""
        return self._applied

    @property
    def spare_bytes(self) -> int:
        """Bytes of patched weights that are kept and not in use."""
        return sum(t.nbytes for kept in self._kept.values() for t in kept.values())

    def used_by_me(self) -> bool:
        """Whether the calling thread uses it."""
        return self.users > 0 and self.owner == threading.get_ident()

    def place(self, device: torch.device, *, stream: bool = False) -> None:
        """Put the weights on the device; with `stream`, each layer's only while it computes."""
        if self.device == device and self.streams == stream:
            return
        self.withdraw()
        if device == self.device and not stream:
            return
        self.device = device
        if stream:
            self._stream(device)
            return
        try:
            for name, tensor in self.originals.items():
                self._slots[name].data = tensor.to(device)
        except BaseException:
            self.withdraw()  # half a network on the device would answer nobody
            raise

    def withdraw(self) -> None:
        """Give the device's memory back: point at the originals on the host, without patches."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._changed, self._applied = {}, ()
        self._kept.clear()
        for name, tensor in self.originals.items():
            self._slots[name].data = tensor
        self.device = torch.device("cpu")

    def apply(self, patches: Sequence[WeightPatch], target: Target, *, keep: bool = True) -> None:
        """Make the weights those of exactly these patches. Does nothing when they are.

        What they were is kept where `keep` says that there is room for it beside the new ones.
        """
        self._own, self._target = tuple(patches), target
        try:
            self._dress(self._own, keep=keep)
        except BaseException:
            self._own = ()  # what cannot be put on is not tried again when it is settled
            raise

    def wear(self, patches: Sequence[WeightPatch]) -> None:
        """Make the weights those of these patches after the ones that were applied, until told otherwise.

        The sets worn last are kept, so that going back and forth between them computes nothing.
        """
        self._dress((*self._own, *patches))

    def settle(self, *, keep: bool = True) -> None:
        """Take off what was worn beside the patches that were applied; with `keep`, what was worn last is kept."""
        self._dress(self._own)
        self._forget(_KEPT_BETWEEN_RUNS if keep else 0)

    def _dress(self, patches: Sequence[WeightPatch], *, keep: bool = True) -> None:
        keys = tuple(patch.key for patch in patches)
        if keys == self._applied or self._target is None:
            return
        known = self._kept.pop(keys, None)
        if self._changed:
            self._kept[self._applied] = self._changed
        self._forget(_MOST_KEPT - 1 if keep else 0)
        for name in self._changed:
            self._slots[name].data = self.originals[name] if self.streams else self.originals[name].to(self.device)
        self._changed, self._applied = {}, ()
        self._changed = patched(self.originals, patches, self._target, self.patched_on) if known is None else known
        self._applied = keys
        for name, tensor in self._changed.items():
            self._slots[name].data = tensor

    def _forget(self, but: int) -> None:
        """Drop the sets that are not in use, those used longest ago first, until there are so many."""
        while len(self._kept) > but:
            del self._kept[next(iter(self._kept))]

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shapes of its tensors by name."""
        return {name: tuple(tensor.shape) for name, tensor in self.originals.items()}

    def _stream(self, device: torch.device) -> None:
        """Hook every module that has tensors of its own, so that they are on the device during its call only."""
        for prefix, module in self.module.named_modules():
            # This one reads its child's weights without calling the child.
            whole = isinstance(module, torch.nn.MultiheadAttention)
            own = [name for name, _ in module.named_parameters(recurse=whole)]
            own += [name for name, _ in module.named_buffers(recurse=whole)]
            names = [f"{prefix}.{name}" if prefix else name for name in own]
            if names:
                self._hooks.append(module.register_forward_pre_hook(self._bring(names, device)))
                self._hooks.append(module.register_forward_hook(self._take(names), always_call=True))

    def _bring(self, names: Sequence[str], device: torch.device):
        def hook(_module: nn.Module, _args: object) -> None:
            for name in names:
                self._slots[name].data = self._host(name).to(device, non_blocking=True)

        return hook

    def _take(self, names: Sequence[str]):
        def hook(_module: nn.Module, _args: object, _output: object) -> None:
            for name in names:
                self._slots[name].data = self._host(name)

        return hook

    def _host(self, name: str) -> Tensor:
        return self._changed.get(name, self.originals[name])
