"""The fine-tuning methods by name: one file and one line each (and its fields, where it has any of its own)."""

from __future__ import annotations

from studio.train.methods.adalora import ADALORA, AdaLoraFields
from studio.train.methods.base import ADAPTER_FILE, WEIGHTS_FILE, Method, shown
from studio.train.methods.dora import DORA
from studio.train.methods.full import FULL
from studio.train.methods.ia3 import IA3
from studio.train.methods.lora import LORA, LoraFields
from studio.train.methods.lora_plus import LORA_PLUS, LoraPlusFields
from studio.train.methods.p_tuning import P_TUNING
from studio.train.methods.prefix_tuning import PREFIX_TUNING
from studio.train.methods.prompt_tuning import PROMPT_TUNING
from studio.train.methods.qlora import QLORA
from studio.train.methods.rslora import RSLORA
from studio.train.methods.virtual import VirtualFields

__all__ = ["ADAPTER_FILE", "METHODS", "WEIGHTS_FILE", "Method", "MethodFields", "shown"]

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        LORA, QLORA, DORA, RSLORA, LORA_PLUS, ADALORA, IA3, PREFIX_TUNING, PROMPT_TUNING, P_TUNING, FULL,
    )
}


class MethodFields(LoraFields, LoraPlusFields, AdaLoraFields, VirtualFields):
    """What the methods' fields are in all."""
