"""AdaLoRA: W·x + P·Λ·Q·x, where singular values of little importance are set to 0, so that the rank goes where it is needed
(Zhang et al. 2023, arXiv:2303.10512).

    1 first tenth of the steps    every matrix has the first rank
    2 until half of them          the budget falls to `lora_rank` on average
    3 the rest                    what is left is trained
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from studio.errors import ConfigError, StudioError
from studio.train.methods.base import shown
from studio.train.methods.lora import Lora, LoraFields, names_of

if TYPE_CHECKING:
    from studio.train.estimates import Shapes
    from studio.train.spec import TrainSpec

__all__ = ["ADALORA", "AdaLoraFields"]

#: PEFT's weight of the term that keeps P and Q orthogonal is 0.5; the paper's experiments use 0.1 to 0.5 (appendix E).
_ORTHOGONAL = 0.1

#: Names of what the rank allocator remembers, in a checkpoint.
_AVERAGES = ("ipt", "exp_avg_ipt", "exp_avg_unc")


class AdaLoraFields(BaseModel):
    first_rank: int = Field(24, ge=1, le=512, json_schema_extra=shown("adapter"))


class _AdaLora(Lora):
    name = "adalora"
    fields = (*LoraFields.model_fields, *AdaLoraFields.model_fields)
    in_vllm = False
    starts_from_own = False  # its ranks have been given away
    adapter_is_all = False  # its file leaves out what is pruned for now and may come back

    def sizes(self, spec: TrainSpec, shapes: Shapes) -> list[int]:
        found = []
        for outputs, inputs in shapes.matched(names_of(spec.target_modules)):
            found += [spec.first_rank * inputs, spec.first_rank, spec.first_rank * outputs]
        return found

    def problems(self, spec: TrainSpec) -> Iterator[StudioError]:
        yield from super().problems(spec)
        if spec.first_rank < spec.lora_rank:
            yield ConfigError("error.train.first_rank", field="first_rank", first=spec.first_rank, rank=spec.lora_rank)

    def config(self, model: Any, spec: TrainSpec, steps: int) -> Any:
        from peft import AdaLoraConfig

        first, last = steps // 10, steps // 2
        options = self.options(spec) | {"r": 8}  # not read; PEFT warns of any other number
        return AdaLoraConfig(
            **options,
            init_r=spec.first_rank,
            target_r=spec.lora_rank,
            tinit=first,
            tfinal=max(0, min(last, steps - first - 1)),
            total_step=max(1, steps),
            orth_reg_weight=_ORTHOGONAL,
        )

    def penalty(self, model: Any) -> Any:
        """(‖PᵀP − I‖ + ‖QQᵀ − I‖) over all matrices, equation 4: PEFT adds it to a loss that is not asked for here."""
        import torch

        terms = []
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and ("lora_A" in name or "lora_B" in name):
                gram = parameter @ parameter.T if "lora_A" in name else parameter.T @ parameter
                terms.append(torch.linalg.matrix_norm(gram - torch.eye(len(gram), device=gram.device)))
        return model.peft_config["default"].orth_reg_weight * torch.stack(terms).mean()

    def after_update(self, model: Any, step: int) -> None:
        model.base_model.update_and_allocate(step)

    def state(self, model: Any) -> dict[str, Any]:
        import torch

        allocator = model.base_model.rankallocator
        found = {f"{kind}:{name}": value for kind in _AVERAGES for name, value in getattr(allocator, kind).items()}
        pattern = model.peft_config["default"].rank_pattern or {}
        return found | {f"ranks:{name}": torch.tensor(kept, dtype=torch.uint8) for name, kept in pattern.items()}

    def restore(self, model: Any, state: dict[str, Any]) -> None:
        allocator = model.base_model.rankallocator
        for kind in _AVERAGES:
            found = {name.partition(":")[2]: value for name, value in state.items() if name.startswith(f"{kind}:")}
            setattr(allocator, kind, found)
        ranks = {name.partition(":")[2]: kept.bool().tolist() for name, kept in state.items() if name.startswith("ranks:")}
        model.peft_config["default"].rank_pattern = ranks or None


ADALORA = _AdaLora()
