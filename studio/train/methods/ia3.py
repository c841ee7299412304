"""(IA)³: keys, values and the MLP's inner activations are scaled by learned vectors, all 1 at the start (Liu et al. 2022,
arXiv:2205.05638). The fewest parameters of all: three vectors a layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studio.errors import ConfigError
from studio.train.methods.base import Method

if TYPE_CHECKING:
    from studio.train.estimates import Shapes
    from studio.train.spec import TrainSpec

__all__ = ["IA3"]

#: Last parts of the names of keys, values and the matrix that leads out of the MLP, in the families that are known.
_SCALED = ("k_proj", "v_proj", "key", "value", "query_key_value", "qkv_proj", "c_attn")
_INNER = ("down_proj", "dense_4h_to_h", "fc2", "fc_out", "mlp.c_proj")


class _Ia3(Method):
    name = "ia3"
    rate = 4.0

    def sizes(self, spec: TrainSpec, shapes: Shapes) -> list[int]:
        inner = [inputs for _, inputs in shapes.named(_INNER)]
        return [outputs for outputs, _ in shapes.named(_SCALED)] + inner

    def config(self, model: Any, spec: TrainSpec, steps: int) -> Any:
        from peft import IA3Config

        names = [name for name, _ in model.named_modules()]
        there = [part for part in (*_SCALED, *_INNER) if any(name.endswith(part) for name in names)]
        if not there:
            raise ConfigError("error.train.ia3_unknown", field="method", base=spec.base.id)
        inner = [part for part in there if part in _INNER]
        return IA3Config(target_modules=there, feedforward_modules=inner, task_type="CAUSAL_LM")


IA3 = _Ia3()
