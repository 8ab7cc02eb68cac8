"""Which device computes, in which precision, and how much memory there is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch

Precision = Literal["auto", "bf16", "fp16", "fp32"]
PRECISIONS: tuple[Precision, ...] = ("auto", "bf16", "fp16", "fp32")

_FAST_BF16 = frozenset({"avx512_bf16", "amx_bf16"})
_HALF_SINCE = (7, 0)
_BFLOAT_SINCE = (8, 0)
_KEPT_FREE = 1 << 30


def pick_device(name: str = "auto") -> torch.device:
    """The device of this name; "auto" is CUDA, else Apple's MPS, else the CPU.

    Raises ValueError when it is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")
    if name == "cpu":
        return torch.device("cpu")
    if name == "mps" and torch.backends.mps.is_available():
        return torch.device("mps")
    if (m := re.fullmatch(r"cuda(?::(\d+))?", name)) and int(m[1] or 0) < torch.cuda.device_count():
        return torch.device(f"cuda:{int(m[1] or 0)}")
    there = ["cpu", *(["mps"] if torch.backends.mps.is_available() else [])]
    there += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    raise ValueError(f"Device {name!r} is not there; this machine has {', '.join(there)}.")


@dataclass(frozen=True, slots=True)
class Precisions:
    """The dtype each kind of network computes in."""

    unet: torch.dtype
    text: torch.dtype
    vae: torch.dtype


def pick_precisions(device: torch.device, precision: Precision = "auto") -> Precisions:
    """What the device does well, or what was asked for.

    Text encoders stay in float32 unless asked otherwise: they run once, and their rounding shows. So does the VAE on
    a CPU, and wherever only float16 is fast, because the SDXL VAE overflows in it.
    """
    if precision == "fp32":
        return Precisions(torch.float32, torch.float32, torch.float32)
    if precision == "bf16":
        return Precisions(torch.bfloat16, torch.float32, torch.bfloat16)
    if precision == "fp16":
        return Precisions(torch.float16, torch.float32, torch.float32)
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        unet = torch.float16 if capability >= _HALF_SINCE else torch.float32
        return Precisions(unet, torch.float32, torch.bfloat16 if capability >= _BFLOAT_SINCE else torch.float32)
    if device.type == "mps":
        return Precisions(torch.float16, torch.float32, torch.float32)
    fast = bool(_FAST_BF16 & cpu_flags())
    return Precisions(torch.bfloat16 if fast else torch.float32, torch.float32, torch.float32)


def cpu_flags() -> frozenset[str]:
    """What the CPU says it can do (Linux; empty elsewhere)."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return frozenset()
    line = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return frozenset(line[1].split()) if line else frozenset()


def free_bytes(device: torch.device) -> int:
    """How much memory the device could still give to this process."""
    if device.type == "cuda":
        free, _ = cast("tuple[int, int]", torch.cuda.mem_get_info(device))
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + cached
    return _free_host_bytes()


def budget_bytes(device: torch.device) -> int:
    """How many bytes of weights the device may hold: what is free now, less what computing needs."""
    free = free_bytes(device)
    return max(free - _KEPT_FREE, free // 2)


def _free_host_bytes() -> int:
    """Memory that can be had without swapping, within the control group's limit where there is one."""
    free = _meminfo().get("MemAvailable") or _total_host_bytes() // 2
    limit, used = _cgroup_number("memory.max"), _cgroup_number("memory.current")
    return min(free, max(limit - used, 0)) if limit is not None and used is not None else free


def _meminfo() -> dict[str, int]:
    try:
        lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
    except OSError:
        return {}
    return {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines) if rest}


def _total_host_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 8 << 30


def _cgroup_number(name: str) -> int | None:
    try:
        text = (Path("/sys/fs/cgroup") / name).read_text("utf-8").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
