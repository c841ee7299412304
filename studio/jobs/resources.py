"""What the machine has: devices, memory, disk. Asks the driver (NVML) and the system, never torch."""

from __future__ import annotations

import functools
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from studio.settings import Settings

__all__ = ["Device", "devices", "free_disk_bytes", "free_memory_bytes", "oom_kills"]


@dataclass(frozen=True)
class Device:
    """One place where a training or an engine can live. Bytes are of its own memory: the card's, or the machine's."""

    kind: Literal["cpu", "cuda"]
    index: int
    name: str
    total_bytes: int


@functools.cache
def _cards() -> tuple[Device, ...]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    found = []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    for index in range(pynvml.nvmlDeviceGetCount()):
        if visible is not None and str(index) not in visible.split(","):
            continue
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        found.append(Device("cuda", index, str(pynvml.nvmlDeviceGetName(handle)), int(memory.total)))
    return tuple(found)


def devices(settings: Settings) -> tuple[Device, ...]:
    """The slots that device jobs run in: every card, or the CPU as one."""
    if settings.device != "cpu" and _cards():
        return _cards()
    return (Device("cpu", 0, f"{os.cpu_count()} CPU cores", psutil.virtual_memory().total),)


def free_memory_bytes() -> int:
    return int(psutil.virtual_memory().available)


def free_disk_bytes(path: Path) -> int:
    return shutil.disk_usage(path).free


def oom_kills() -> int:
    """Processes that the system has killed since its start because memory ran out; 0 where it does not say."""
    counters = Path("/proc/vmstat")
    if not counters.exists():
        return 0
    found = (line.split() for line in counters.read_text().splitlines() if line.startswith("oom_kill "))
    return sum(int(count) for _, count in found)
