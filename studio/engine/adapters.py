"""What was trained on one base in memory: load, switch, forget, and say why one cannot be used.

    changes layers (LoRA, DoRA, IA³, …)    PEFT's modules in the base, switched on and off
    stands before the text                 the beginning of a cache (`ahead`)
    every weight                           the base's parameters point elsewhere (`weights`)

Knows no requests and no threads: the engine's thread is the only caller.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.engine.ahead import Ahead, ahead_of
from studio.engine.weights import Weights, is_whole_model
from studio.errors import EngineError

__all__ = ["Adapters", "InForce", "adapter_config", "reason_of"]

_Setting = tuple[dict[str, Any], dict[str, Any]]  # the attributes of a module, and what is to be set in them
_SWITCHED = ("_active_adapter", "_disable_adapters")  # all that PEFT's modules read when they compute (peft 0.21.2)

# These start training by changing the base's weights, and do so again when the adapter is loaded.
_INITS_THAT_CHANGE_THE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


@dataclass(frozen=True)
class InForce:
    """The model as a checkpoint makes it, and what stands before every text."""

    model: Any
    ahead: Ahead | None = None

    def cache(self) -> Any:
        """With which a text begins."""
        from transformers import DynamicCache

        cache = DynamicCache(config=self.model.config)
        if self.ahead is not None:
            self.ahead.fill(cache, self.model)
        return cache


class Adapters:
    """The base with its adapters, of which one or none is active. Adapters are known by their folder.

    PEFT holds one kind (LoRA, IA3, …) at a time; an adapter of another kind replaces those that are loaded, and they come
    back when they are asked for again: slow, but right.

    PEFT's own switch walks all modules and their gradients: 50 ms for 36 layers with 7 adapted matrices each, as long as
    a token of a small model. So PEFT switches once to each adapter, and what it set is put back in place later: 0.1 ms.
    """

    def __init__(self, base: Any) -> None:
        self._base = base
        self._weights = Weights(base)
        self._ahead: dict[Path, Ahead] = {}
        self._peft: Any = None
        self._slots: dict[Path, str] = {}  # PEFT's own names: a free name could contain a dot, which modules may not
        self._written: dict[Path, int] = {}  # when the weights were written: a run that goes on writes a step's folder anew
        self._active: str | None = None  # a slot, or None for the base
        self._switches: dict[str | None, list[_Setting]] = {}  # by slot, forgotten when modules come or go
        self._made = 0

    def activate(self, folder: Path | None) -> InForce:
        """The model with that adapter in force; returns at once when it already is. Raises EngineError if it cannot be.

        An adapter whose file was written again since is loaded again; one whose folder is gone is answered from memory.
        """
        if folder in self._written and _written(folder) not in (self._written[folder], None):
            self.forget(folder)
        if folder is not None and folder not in self._written:
            self._load(folder)
        self._weights.put(folder if folder is not None and self._weights.has(folder) else None)
        self._switch_to(None if folder is None else self._slots.get(folder))
        return InForce(self._base, None if folder is None else self._ahead.get(folder))

    def _switch_to(self, slot: str | None) -> None:
        if slot != self._active:
            if slot in self._switches:
                for attributes, values in self._switches[slot]:
                    attributes.update(values)
            else:
                self._switches[slot] = self._switch(slot)
            self._active = slot

    def _switch(self, slot: str | None) -> list[_Setting]:
        """Let PEFT switch; returns what it has set in which modules."""
        from peft.tuners.tuners_utils import BaseTunerLayer
        from peft.utils.other import AuxiliaryTrainingWrapper

        if slot is None:
            self._peft.base_model.disable_adapter_layers()
        else:
            self._peft.base_model.enable_adapter_layers()
            self._peft.set_adapter(slot, inference_mode=True)
        switched = [module for module in self._base.modules() if isinstance(module, BaseTunerLayer | AuxiliaryTrainingWrapper)]
        return [(vars(module), {name: getattr(module, name) for name in _SWITCHED}) for module in switched]

    def forget(self, folder: Path) -> None:
        self._written.pop(folder, None)
        self._ahead.pop(folder, None)
        self._weights.forget(folder)
        slot = self._slots.pop(folder, None)
        if slot is not None:
            self._delete(slot)

    def _load(self, folder: Path) -> None:
        written = _written(folder) or 0  # before it is read: what is written meanwhile is seen the next time
        try:
            if is_whole_model(folder):
                self._weights.put(folder)
            elif (ahead := ahead_of(folder)) is not None:
                with_cache = InForce(self._base, ahead)
                self._weights.put(None)
                self._switch_to(None)
                with_cache.cache()  # whether it fits
                self._ahead[folder] = ahead
            else:
                self._attach_to_layers(folder)
        except Exception as error:  # PEFT and safetensors raise whatever they like for a file that does not fit
            raise EngineError(
                "error.engine.adapter_unfit", name=f"{folder.parent.name}/{folder.name}", reason=reason_of(error)
            ) from error
        self._written[folder] = written

    def _attach_to_layers(self, folder: Path) -> None:
        config = adapter_config(folder)
        if self._peft is not None and config.peft_type != self._peft.peft_type:
            self._unload_all()
        slot = f"slot{self._made}"
        self._made += 1
        with warnings.catch_warnings():
            # Of AdaLoRA, whose pattern names tensors where PEFT looks for modules; it is loaded all the same.
            warnings.filterwarnings("ignore", message="The following rank_pattern keys")
            self._attach(folder, slot, config)
        self._slots[folder] = slot

    def _attach(self, folder: Path, slot: str, config: Any) -> None:
        from peft import PeftModel

        self._switches.clear()
        was_first = self._peft is None
        # AdaLoRA picks ranks out of tensors, which have to be there for it.
        how = {"low_cpu_mem_usage": config.peft_type != "ADALORA", "autocast_adapter_dtype": False}
        try:
            if was_first:
                self._peft = PeftModel(self._base, config, slot, **how)
                self._active = slot
            else:
                self._peft.add_adapter(slot, config, **how)
            result = self._peft.load_adapter(str(folder), slot, torch_device=str(self._base.device), **how)
            if result.missing_keys or result.unexpected_keys:
                odd = [*result.missing_keys, *result.unexpected_keys]
                raise ValueError(f"{len(odd)} tensors have no counterpart, the first is {odd[0]}")
        except Exception:
            if was_first:
                self._unload_all()
            elif slot in self._peft.peft_config:
                self._delete(slot)
            raise

    def _delete(self, slot: str) -> None:
        self._switches.clear()
        if len(self._peft.peft_config) == 1:
            self._unload_all()
            return
        if self._active == slot:
            other = next(name for name in self._peft.peft_config if name != slot)
            self._peft.set_adapter(other, inference_mode=True)
            self._active = other
        self._peft.delete_adapter(slot)

    def _unload_all(self) -> None:
        """Back to the bare base."""
        from peft.utils.other import AuxiliaryTrainingWrapper

        if self._peft is not None:
            for module in self._base.modules():
                if isinstance(module, AuxiliaryTrainingWrapper):
                    module.set_adapter([])  # else PEFT leaves the active adapter's `modules_to_save` in the base
            self._base = self._peft.base_model.unload()
        self._peft, self._active = None, None
        for folder in self._slots:
            self._written.pop(folder, None)
        self._slots.clear()
        self._switches.clear()


def _written(folder: Path) -> int | None:
    for name in ("adapter_model.safetensors", "model.safetensors"):
        if (folder / name).is_file():
            return (folder / name).stat().st_mtime_ns
    return None


def adapter_config(folder: Path) -> Any:
    """The adapter's PEFT configuration. Raises ValueError if it could not share the base with others."""
    from peft import PeftConfig

    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (folder / name).is_file():  # PEFT would look for it on the internet, or read a pickle
            raise ValueError(f"{name} is missing")
    config = PeftConfig.from_pretrained(str(folder))
    if config.is_prompt_learning or config.is_adaption_prompt:
        raise ValueError(f"{config.peft_type.value} changes the prompt, not the layers")
    if getattr(config, "bias", "none") != "none":
        raise ValueError(f"bias={config.bias!r} changes weights of the base, which others share")
    if str(getattr(config, "init_lora_weights", "")).startswith(_INITS_THAT_CHANGE_THE_BASE):
        raise ValueError(f"init_lora_weights={config.init_lora_weights!r} changes weights of the base, which others share")
    config.inference_mode = True
    return config


def reason_of(error: Exception) -> str:
    """The library's own words, cut to what a person may still read."""
    return f"{type(error).__name__}: {error}"[:500]
