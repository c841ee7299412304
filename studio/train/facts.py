"""What a training was done with, and what it took: device, versions, memory. Part of its lineage."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
from typing import Any

import torch

import studio
from studio.train.model import Device

__all__ = ["device_bytes", "facts_of", "peak_bytes"]

_PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "bitsandbytes")


def facts_of(device: Device, model: Any) -> dict[str, Any]:
    """`trainable` and `parameters` are counts; of 4-bit weights, two lie in a byte."""
    name = torch.cuda.get_device_name() if device.name == "cuda" else f"{os.cpu_count()} CPU cores"
    trainable, parameters = _counts(model)
    versions = {package: importlib.metadata.version(package) for package in _PACKAGES}
    return {
        "device": name,
        "precision": "bfloat16" if device.bf16 else "float32",
        "trainable": trainable,
        "parameters": parameters,
        "versions": {"finetune-studio": studio.__version__, "python": platform.python_version()} | versions,
    }


def _counts(model: Any) -> tuple[int, int]:
    """Trained parameters, and all but the frozen copy of an adapter that TRL compares with ("ref")."""
    if hasattr(model, "get_nb_trainable_parameters"):
        trained, all_ = model.get_nb_trainable_parameters()
        copied = sum(parameter.numel() for name, parameter in model.named_parameters() if "ref" in name.split("."))
        return int(trained), int(all_) - copied
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, has_gradient in sizes if has_gradient), sum(size for size, _ in sizes)


def device_bytes() -> int | None:
    """Of the card; None on the CPU, which shares the machine's memory with others."""
    return int(torch.cuda.get_device_properties(0).total_memory) if torch.cuda.is_available() else None


def peak_bytes() -> int:
    """Most memory that this process had: allocated on its card, resident on the CPU."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
