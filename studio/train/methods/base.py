"""What a fine-tuning method is: which weights are trained, how they are made, kept, and put back.

A new one is a file with one instance, and a line in this package's `__init__`; the form, the CLI, YAML, the comparison of runs
and the memory bar follow from what it says of itself. Its words are `enum.Method.<name>` and `.help` in the catalogues.
Nothing here imports torch before a training does.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import ConfigError, StudioError

if TYPE_CHECKING:
    from studio.train.estimates import Shapes
    from studio.train.spec import TrainSpec

__all__ = ["ADAPTER_FILE", "TRAINED_FILE", "WEIGHTS_FILE", "Method", "shown"]

#: In a checkpoint: PEFT's adapter; the weights of a full fine-tune; trained tensors that PEFT's own file leaves out.
ADAPTER_FILE = "adapter_model.safetensors"
WEIGHTS_FILE = "model.safetensors"
TRAINED_FILE = "trained.safetensors"


def shown(group: str, *, basic: bool = False) -> Any:
    """Where the form shows a field, and whether at once."""
    return {"group": group, "level": "basic" if basic else "advanced"}


class Method:
    """`fields` are those of the spec that it reads, beside what all methods do; `suggests` what choosing it sets in a form."""

    name = ""
    fields: Sequence[str] = ()
    suggests: Mapping[str, Any] = {"bits": 16}

    rate = 1.0
    """Learning rates of presets and recipes are LoRA's; this one's are so many times as high."""

    starts_as_base = True
    """Before the first step it answers exactly as the base."""

    merges = True
    """It can be worked into the base's weights, after which nothing of it is left to load."""

    starts_from_own = True
    """Its checkpoints hold all that going on from them takes."""

    in_vllm = False
    """vLLM loads its checkpoints as they are; others are offered merged, where they can be."""

    takes_quantised = True
    packs = True
    """Rows may stand end to end."""

    recomputes = True
    """Activations may be thrown away and computed again (gradient checkpointing)."""

    adapter_is_all = True
    """The adapter's file is all that was trained; else the trained tensors lie beside it, for going on exactly."""

    # 1 Before anything is loaded

    def problems(self, spec: TrainSpec) -> Iterator[StudioError]:
        """What of the spec it cannot do."""
        if spec.bits < 16 and not self.takes_quantised:
            yield ConfigError("error.train.not_quantised", field="bits", method=self.name, bits=int(spec.bits))
        if spec.gradient_checkpointing and not self.recomputes:
            yield ConfigError("error.train.not_recomputed", field="gradient_checkpointing", method=self.name)
        if spec.packing and not self.packs:
            yield ConfigError("error.train.not_packed_by", field="packing", method=self.name)
        if spec.start_from and not self.starts_from_own:
            yield ConfigError("error.train.no_start", field="start_from", method=self.name)

    def sizes(self, spec: TrainSpec, shapes: Shapes) -> list[int]:
        """Elements of every tensor that is trained."""
        raise NotImplementedError

    # 2 The model

    def config(self, model: Any, spec: TrainSpec, steps: int) -> Any:
        """PEFT's configuration; `steps` are the optimizer updates to come."""
        raise NotImplementedError

    def prepared(self, model: Any, spec: TrainSpec) -> Any:
        """The base as it has to be before anything is put on it."""
        return model

    def applied(self, model: Any, spec: TrainSpec, steps: int) -> Any:
        """The base with what is trained on it; all else is frozen."""
        from peft import get_peft_model

        model = self.prepared(model, spec)
        adapted = get_peft_model(model, self.config(model, spec, steps))
        adapted.peft_config["default"].base_model_name_or_path = spec.base.id
        return adapted

    def start(self, model: Any, folder: Path) -> None:
        """Begin where a finished checkpoint of this method stands: its weights, and nothing of how it was trained."""
        from peft import load_peft_weights, set_peft_model_state_dict

        weights = load_peft_weights(str(folder), device="cpu")
        result = set_peft_model_state_dict(model, weights)
        missing = [name for name in result.missing_keys if ".default" in name]
        if missing or result.unexpected_keys:
            raise RuntimeError(f"{folder} is of another adapter: {[*missing, *result.unexpected_keys][:3]}")

    def groups(self, model: Any, spec: TrainSpec) -> list[dict[str, Any]] | None:
        """Parameters with settings of their own for the optimizer; None where all are alike."""
        return None

    def penalty(self, model: Any) -> Any:
        """A term of the objective beside the loss, as a scalar tensor; None without one."""
        return None

    def after_update(self, model: Any, step: int) -> None:
        """After the optimizer's update number `step`, counted from 0, while the gradients are still there."""

    # 3 Checkpoints

    def save(self, model: Any, folder: Path) -> None:
        """The adapter in PEFT's format.

        PEFT's own `save_pretrained` would ask the hub for a config under our id of the base at every save, and write a model
        card of blanks.
        """
        from peft import get_peft_model_state_dict
        from safetensors.torch import save_file

        weights = get_peft_model_state_dict(model, save_embedding_layers=False)
        save_file(_own(weights), folder / ADAPTER_FILE, metadata={"format": "pt"})
        config = copy.copy(model.peft_config["default"])
        config.inference_mode = True  # whoever loads it as it is gets no gradients
        config.save_pretrained(str(folder))
        if not self.adapter_is_all:
            save_file(_own(trained(model) | self.state(model)), folder / TRAINED_FILE)

    def load(self, model: Any, folder: Path) -> None:
        """Put a checkpoint's weights onto what `applied` made; each of them has to be there. Raises RuntimeError if not."""
        from peft import get_peft_model_state_dict, set_peft_model_state_dict
        from safetensors.torch import load_file

        if not self.adapter_is_all:
            state = load_file(folder / TRAINED_FILE)
            fill(trained(model), state, folder)
            self.restore(model, state)
            return
        weights = load_file(folder / ADAPTER_FILE)
        expected = get_peft_model_state_dict(model, save_embedding_layers=False)
        if weights.keys() != expected.keys() or any(weights[name].shape != expected[name].shape for name in expected):
            odd = sorted(weights.keys() ^ expected.keys())
            raise RuntimeError(f"{folder} is of another adapter: {odd[:3] or 'of other sizes'}")
        set_peft_model_state_dict(model, weights)

    def state(self, model: Any) -> dict[str, Any]:
        """Tensors beside the trained ones that the steps to come depend on."""
        return {}

    def restore(self, model: Any, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""


def trained(model: Any) -> dict[str, Any]:
    """Parameters with a gradient, by name."""
    return {name: parameter.data for name, parameter in model.named_parameters() if parameter.requires_grad}


def fill(tensors: Mapping[str, Any], values: Mapping[str, Any], folder: Path) -> None:
    """Copy `values` into `tensors` of the same names. Raises RuntimeError where one is missing or of another shape."""
    missing = sorted(name for name in tensors if name not in values or values[name].shape != tensors[name].shape)
    if missing:
        raise RuntimeError(f"{folder} is of another adapter: {missing[:3]}")
    for name, tensor in tensors.items():
        tensor.copy_(values[name])


def _own(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Each with memory of its own, as safetensors wants it."""
    return {name: tensor.detach().clone().contiguous() for name, tensor in weights.items()}
