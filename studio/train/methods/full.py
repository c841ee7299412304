"""Full fine-tuning: every weight learns, held in float32, computed in the training's precision: 16 bytes a parameter."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.models.catalogue import TOKENIZER_FILES
from studio.train.methods.base import WEIGHTS_FILE, Method, fill

if TYPE_CHECKING:
    from studio.train.estimates import Shapes
    from studio.train.spec import TrainSpec

__all__ = ["FULL"]


class _Full(Method):
    """Its checkpoints are folders that transformers and vLLM load as they are."""

    name = "full"
    rate = 0.05
    merges = False  # it is whole already
    takes_quantised = False

    def sizes(self, spec: TrainSpec, shapes: Shapes) -> list[int]:
        return [*(outputs * inputs for outputs, inputs in shapes.linear), shapes.other_parameters]

    def prepared(self, model: Any, spec: TrainSpec) -> Any:
        model.float()  # an update is too small for bfloat16, and would be rounded away
        model.requires_grad_(True)
        return model

    def applied(self, model: Any, spec: TrainSpec, steps: int) -> Any:
        return self.prepared(model, spec)

    def start(self, model: Any, folder: Path) -> None:
        self.load(model, folder)

    def save(self, model: Any, folder: Path) -> None:
        base = Path(model.config.name_or_path)
        model.save_pretrained(folder, max_shard_size="1TB")
        for name in TOKENIZER_FILES:
            if (base / name).is_file():
                shutil.copyfile(base / name, folder / name)

    def load(self, model: Any, folder: Path) -> None:
        from safetensors.torch import load_file

        weights = load_file(folder / WEIGHTS_FILE)
        tied = {name for name in model.state_dict() if name not in weights}
        expected = {name: tensor for name, tensor in model.state_dict().items() if name not in tied}
        known = {tensor.data_ptr() for tensor in expected.values()}
        if any(model.state_dict()[name].data_ptr() not in known for name in tied):
            raise RuntimeError(f"{folder} is of another model: {sorted(tied)[:3]}")
        fill(expected, weights, folder)


FULL = _Full()
