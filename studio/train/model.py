"""The base with what is trained on it, on the device and in the numbers that the spec asks for."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from studio.errors import ConfigError
from studio.settings import Settings
from studio.train.spec import Bits, Precision, TrainSpec

__all__ = ["Device", "adapted_model", "device_of", "load_base"]

log = logging.getLogger("studio.train")


@dataclass(frozen=True)
class Device:
    name: str
    bf16: bool

    @property
    def dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.bf16 else torch.float32


def device_of(settings: Settings, precision: Precision) -> Device:
    """Where a training computes, and in which numbers. Raises ConfigError for what the machine does not have."""
    if settings.device != "cpu" and torch.cuda.is_available():
        device = Device("cuda", torch.cuda.is_bf16_supported(including_emulation=False))
        if precision == Precision.BFLOAT16 and not device.bf16:
            raise ConfigError("error.train.no_bfloat16", field="precision")
    elif settings.device == "cuda":
        raise ConfigError("error.train.no_cuda", field="device")
    else:  # a CPU without the instructions computes bfloat16 as well, slowly
        device = Device("cpu", bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()))
    if precision == Precision.AUTO:
        return device
    return Device(device.name, precision == Precision.BFLOAT16)


def adapted_model(folder: Path, spec: TrainSpec, device: Device, steps: int = 1) -> Any:
    """The base of `folder` with what the spec's method trains on it; `steps` are the optimizer updates to come."""
    return spec.how.applied(load_base(folder, spec, device), spec, steps)


def load_base(folder: Path, spec: TrainSpec, device: Device) -> Any:
    """The base of `folder`, in the numbers that the spec asks for."""
    from transformers import AutoModelForCausalLM

    quantised = {} if spec.bits == Bits.PLAIN else _quantised(spec.bits, device)
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=device.dtype, local_files_only=True, use_safetensors=True, trust_remote_code=False, **quantised
    )
    model.config.use_cache = False
    _keep_trainable(model)
    # PEFT's prepare_model_for_kbit_training is left out: PEFT freezes what it adapts, and a base whose embeddings and head are
    # cast to float32 takes more memory than its 4-bit layers save; LoRA's own weights are float32 already.
    log.info("%s, %s, %d bits", spec.method, device, spec.bits)
    return model


def _quantised(bits: Bits, device: Device) -> dict[str, Any]:
    """How `from_pretrained` is asked for 8 bits, or for 4: NF4 with quantised scales (QLoRA, section 3), computed in
    `device.dtype`.
    """
    from transformers import BitsAndBytesConfig

    if bits == Bits.INT8:
        config = BitsAndBytesConfig(load_in_8bit=True)
    else:
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=device.dtype,
        )
    return {"quantization_config": config, "device_map": {"": device.name if device.name == "cpu" else 0}}


def _keep_trainable(model: Any) -> None:
    """Bar bitsandbytes from repacking 4-bit weights for inference.

    On a CPU with AVX512-BF16 its first pass in eval mode would do so for good: the packed product has no gradient towards its
    input, so a training after an evaluation would silently learn in the last layer only.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
