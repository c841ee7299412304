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

__all__ = [
    "Device",
    "DeviceState",
    "computes_bfloat16",
    "device_states",
    "devices",
    "free_disk_bytes",
    "free_memory_bytes",
    "oom_kills",
]

#: Since Ampere, a card computes bfloat16 itself.
_BFLOAT16_CAPABILITY = (8, 0)

#: Instructions with which a CPU computes bfloat16 at full speed, as Linux names them.
_BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")


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


@functools.cache
def computes_bfloat16(device: Device) -> bool:
    """Whether a training on `device` takes bfloat16 by itself, as `studio/train/model.py` asks torch in the job."""
    if device.kind == "cuda":
        import pynvml

        capability = pynvml.nvmlDeviceGetCudaComputeCapability(pynvml.nvmlDeviceGetHandleByIndex(device.index))
        return bool(tuple(capability) >= _BFLOAT16_CAPABILITY)
    facts = Path("/proc/cpuinfo")
    flags = facts.read_text() if facts.exists() else ""
    return any(flag in flags for flag in _BFLOAT16_FLAGS)


@dataclass(frozen=True)
class DeviceState:
    """How busy a device is now. `load` in [0, 1]; `used_bytes` of its own memory, by whomever; None where it does not say."""

    device: Device
    load: float | None
    used_bytes: int
    celsius: int | None


def device_states(settings: Settings) -> list[DeviceState]:
    return [_card_state(device) if device.kind == "cuda" else _cpu_state(device) for device in devices(settings)]


def _cpu_state(device: Device) -> DeviceState:
    memory = psutil.virtual_memory()
    return DeviceState(device, psutil.cpu_percent(interval=None) / 100, int(memory.total - memory.available), None)


def _card_state(device: Device) -> DeviceState:
    import pynvml

    handle = pynvml.nvmlDeviceGetHandleByIndex(device.index)
    used = int(pynvml.nvmlDeviceGetMemoryInfo(handle).used)
    try:
        load: float | None = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
        celsius: int | None = int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    except pynvml.NVMLError:  # a slice of a card (MIG) does not say
        load = celsius = None
    return DeviceState(device, load, used, celsius)


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
