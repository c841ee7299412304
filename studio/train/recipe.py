"""Four questions lead to a recipe, and each of its values has its reason. Pure: answers in, values and reasons out.

Where the numbers come from: LoRA learning rates of 1e-4 to 2e-4 for models of some billions (QLoRA, arXiv:2305.14314, section 4
and appendix B), higher ones for smaller models, as measured on the starter model; 1 to 3 epochs and an effective batch of 16 to
64 where there are rows enough; more passes over few rows, with the best checkpoint kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from studio.jobs.resources import Device
from studio.train.spec import Bits, Preset

__all__ = ["Answers", "BaseKind", "Goal", "Machine", "Reason", "Recipe", "Rows", "recommend", "what_is_known"]


class Goal(StrEnum):
    BEHAVIOUR = "behaviour"  # how to answer: tone, form, steps
    FACTS = "facts"  # what to answer: a domain's knowledge


class Rows(StrEnum):
    FEW = "few"  # under 200
    SOME = "some"  # under 2,000
    MANY = "many"  # under 20,000
    LOTS = "lots"


class Machine(StrEnum):
    CPU = "cpu"
    SMALL_CARD = "small_card"  # up to 16 GB
    LARGE_CARD = "large_card"


class BaseKind(StrEnum):
    CHAT = "chat"  # has learnt to answer, with its own template
    BASE = "base"  # goes on with a text


class Answers(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    goal: Goal = Goal.BEHAVIOUR
    rows: Rows = Rows.SOME
    machine: Machine = Machine.CPU
    base_kind: BaseKind = BaseKind.CHAT


@dataclass(frozen=True)
class Reason:
    """Why some fields have their values: `recipe.reason.<key>` in the catalogues."""

    key: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """`values` are fields of TrainSpec."""

    values: dict[str, Any]
    reasons: list[Reason]

    def as_values(self) -> dict[str, Any]:
        """Plain numbers and words, for a form or a file."""
        return {name: value.value if isinstance(value, Enum) else value for name, value in self.values.items()}


#: Upper bounds of rows, a billion parameters, bytes of a small card.
_BOUNDS = ((200, Rows.FEW), (2_000, Rows.SOME), (20_000, Rows.MANY))
_BILLION = 1_000_000_000
_SMALL_CARD_BYTES = 17_000_000_000

#: Passes over the rows, and evaluations in all.
_EPOCHS = {Rows.FEW: 5.0, Rows.SOME: 3.0, Rows.MANY: 2.0, Rows.LOTS: 1.0}
_EVALUATIONS = {Rows.FEW: 10, Rows.SOME: 9, Rows.MANY: 12, Rows.LOTS: 12}
_EFFECTIVE_BATCH = {Rows.FEW: 8, Rows.SOME: 16, Rows.MANY: 16, Rows.LOTS: 32}


def what_is_known(n_rows: int, devices: Sequence[Device], has_template: bool) -> dict[str, StrEnum]:
    """Answers that need no person: the rows are counted, the device is here, and a base with a chat template is one for chat."""
    rows = next((name for most, name in _BOUNDS if n_rows < most), Rows.LOTS)
    first = devices[0]
    small = first.total_bytes <= _SMALL_CARD_BYTES
    machine = Machine.CPU if first.kind == "cpu" else Machine.SMALL_CARD if small else Machine.LARGE_CARD
    return {"rows": rows, "machine": machine, "base_kind": BaseKind.CHAT if has_template else BaseKind.BASE}


def recommend(answers: Answers, parameters: int, factor: float = 1.0) -> Recipe:
    """For a base of so many parameters; `factor` is how the goal's learning rate relates to that of answers."""
    billions = parameters / _BILLION
    rate = factor * (1e-3 if billions < 0.3 else 4e-4 if billions < 1 else 2e-4)
    reasons = [Reason("rate", {"rate": rate, "billions": round(billions, 2)})]
    rank = 16
    if answers.goal == Goal.FACTS:
        rank = 32
        reasons.append(Reason("facts", {"rank": rank}))
    else:
        reasons.append(Reason("behaviour", {"rank": rank}))
    if answers.base_kind == BaseKind.BASE:
        rank = max(rank, 32)
        reasons.append(Reason("base_few" if answers.rows in (Rows.FEW, Rows.SOME) else "base", {"rank": rank}))
    else:
        reasons.append(Reason("chat"))
    epochs, batch = _EPOCHS[answers.rows], _EFFECTIVE_BATCH[answers.rows]
    reasons.append(Reason(f"rows_{answers.rows}", {"epochs": epochs, "batch": batch}))
    values = {
        "preset": Preset.STANDARD,
        "epochs": epochs,
        "learning_rate": rate,
        "lora_rank": rank,
        "lora_alpha": 2 * rank,
        "lora_dropout": 0.05 if answers.rows == Rows.FEW else 0.0,
        "evaluations": _EVALUATIONS[answers.rows],
        "patience": 3,
        "warmup_share": 0.05,
        "bits": Bits.PLAIN,
        "gradient_checkpointing": False,
    }
    values |= _of_machine(answers, batch, billions, reasons)
    return Recipe(values | {"method": "lora" if values["bits"] == Bits.PLAIN else "qlora"}, reasons)


def _of_machine(answers: Answers, batch: int, billions: float, reasons: list[Reason]) -> dict[str, Any]:
    if answers.machine == Machine.CPU:
        reasons.append(Reason("cpu_large" if billions > 1 else "cpu"))
        return {"per_device_batch_size": 8, "gradient_accumulation_steps": max(1, batch // 8), "max_grad_norm": 1.0}
    small = answers.machine == Machine.SMALL_CARD
    if billions > (3 if small else 14):
        reasons.append(Reason("qlora", {"gigabytes": round(2 * billions)}))
        rows = 2 if small else 4
        bound = {"bits": Bits.NF4, "gradient_checkpointing": True, "max_grad_norm": 0.3}
        return bound | {"per_device_batch_size": rows, "gradient_accumulation_steps": max(1, batch // rows)}
    reasons.append(Reason("card"))
    rows = min(batch, 4 if small else 8)
    return {"per_device_batch_size": rows, "gradient_accumulation_steps": batch // rows, "max_grad_norm": 1.0}
