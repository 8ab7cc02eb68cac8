"""What a worker says of the machine it is on, and how it makes sure not to outlive the server. No torch is loaded."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_LIKELY_VICTIM = "700"


def die_with(parent: int) -> None:
    """Have the system end this process when its parent ends, however it ends (Linux; elsewhere the pipe tells).

    Ends it at once when the parent has ended already.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if sys.platform != "win32" and os.getppid() != parent:
        os._exit(1)


def be_the_victim() -> None:
    """When memory runs out, the system is to end this process, not the server (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_LIKELY_VICTIM, "ascii")


def limit_memory(limit_bytes: int) -> None:
    """Make what goes beyond this a MemoryError in the node that asks for it (where the system can)."""
    if limit_bytes and sys.platform != "win32":
        import resource  # noqa: PLC0415 -- POSIX only

        resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))


def rss_bytes() -> int:
    """Memory that this process holds; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def host_memory() -> tuple[int, int]:
    """All of the machine's memory and what is free of it, in bytes; zeros where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        found = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines) if rest}
        return found["MemTotal"], found["MemAvailable"]
    except (OSError, KeyError, ValueError):
        pass
    with contextlib.suppress(OSError, ValueError, AttributeError):
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    return 0, 0


def cpu_device() -> dict[str, Any]:
    """The processor as an entry of `/system_stats`."""
    total, free = host_memory()
    return {
        "name": "cpu",
        "type": "cpu",
        "index": None,
        "vram_total": total,
        "vram_free": free,
        "torch_vram_total": total,
        "torch_vram_free": free,
    }


def has_accelerator() -> bool:
    """Whether it is worth asking torch for a device: a driver's file is there, or this is a Mac."""
    return sys.platform in ("darwin", "win32") or any(
        Path(path).exists() for path in ("/dev/nvidiactl", "/dev/kfd", "/proc/driver/nvidia/version")
    )


def load_for(device: str) -> None:
    """Import what `device_entry` will need; the device itself is left alone."""
    if not _is_cpu(device):
        importlib.import_module("torch")


def _is_cpu(device: str) -> bool:
    return device.startswith("cpu") or (device == "auto" and not has_accelerator())


def device_entry(name: str) -> Mapping[str, Any]:
    """The worker's device as an entry of `/system_stats`. The CPU's costs no torch; others' do."""
    if _is_cpu(name):
        return cpu_device()
    import torch  # noqa: PLC0415 -- a worker on an accelerator needs it anyway

    from nodes.diffusion.device import pick_device  # noqa: PLC0415 -- costs torch

    device = pick_device(name)
    if device.type != "cuda":
        return {**cpu_device(), "name": str(device), "type": device.type}
    free, total = torch.cuda.mem_get_info(device)
    return {
        "name": f"{device} {torch.cuda.get_device_name(device)}",
        "type": "cuda",
        "index": device.index,
        "vram_total": total,
        "vram_free": free,
        "torch_vram_total": torch.cuda.memory_reserved(device),
        "torch_vram_free": torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device),
    }
