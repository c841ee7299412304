"""What a training is: one typed spec. The form, the CLI, the YAML and the help texts follow from these fields.

`group` says where a field stands in the form, `level` whether it is shown at once or folded under "More settings".
Its words are `field.TrainSpec.<name>.label` and `.help` in the catalogues. Fields of methods are declared with these.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from studio.data.examples import Reading
from studio.errors import ConfigError, StudioError
from studio.jobs.spec import Spec
from studio.train.methods import METHODS, Method, MethodFields, shown
from studio.train.stages import STAGES, Stage, StageFields

__all__ = [
    "MAX_NAME",
    "MAX_OWN_PROBES",
    "PRESETS",
    "BaseRef",
    "Bits",
    "DatasetRef",
    "DatasetShare",
    "Optimizer",
    "Precision",
    "Preset",
    "Probes",
    "TrainSpec",
    "method_of",
    "preset_values",
]


#: Characters of a run's name.
MAX_NAME = 120

#: Datasets of one training.
MAX_DATASETS = 8

#: Questions of one's own that a run answers at every evaluation.
MAX_OWN_PROBES = 40


class Preset(StrEnum):
    QUICK = "quick"
    STANDARD = "standard"
    THOROUGH = "thorough"


class Precision(StrEnum):
    """The numbers that the base is held and computed in; the adapter is float32 always."""

    AUTO = "auto"  # bfloat16 where the device computes it
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class Bits(IntEnum):
    """Bits a weight of the frozen base: 16 is as `precision` says, 8 is LLM.int8() (arXiv:2208.07339), 4 is NF4 (QLoRA,
    arXiv:2305.14314).
    """

    PLAIN = 16
    INT8 = 8
    NF4 = 4


class Optimizer(StrEnum):
    """AdamW keeps two moments of each weight, Lion one (Chen et al. 2023, arXiv:2302.06675), Adafactor row and column sums
    (Shazeer & Stern 2018, arXiv:1804.04235), SGD nothing; in float32, or in 8 bits by blocks (Dettmers et al. 2021,
    arXiv:2110.02861). Paged ones move to the machine's memory when the card's is short.
    """

    ADAMW = "adamw"
    ADAMW_8BIT = "adamw_8bit"
    PAGED_ADAMW = "paged_adamw"
    PAGED_ADAMW_8BIT = "paged_adamw_8bit"
    LION = "lion"
    LION_8BIT = "lion_8bit"
    ADAFACTOR = "adafactor"
    SGD = "sgd"


class Probes(StrEnum):
    """How many of the general questions in `assets/probes` a run answers at its start and at every evaluation."""

    NONE = "none"
    FEW = "few"
    ALL = "all"


class BaseRef(BaseModel):
    """A base model at one state of its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    revision: str


class DatasetRef(BaseModel):
    """A dataset at one revision; `hash` is the content hash of that revision."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    revision: int
    hash: str


class DatasetShare(DatasetRef):
    """`weight`: how often a pass over the data takes its training rows: 2 twice, 0.5 the same half of them each time."""

    weight: float = Field(1.0, gt=0, le=100)


_method = shown("what", basic=True) | {"enum": "Method", "choices": tuple(METHODS)}


_stage = shown("what", basic=True) | {"enum": "Stage", "choices": tuple(STAGES)}


class TrainSpec(MethodFields, StageFields, Spec):  # type: ignore[misc] # what pydantic's plugin makes of so many bases
    """A fine-tune of one base model on one dataset revision. Complete: the same spec gives the same numbers."""

    kind: str = "train"
    name: str = Field(min_length=1, max_length=MAX_NAME)
    base: BaseRef
    dataset: DatasetRef
    preset: Preset = Preset.QUICK
    also: list[DatasetShare] = Field(default_factory=list, max_length=MAX_DATASETS - 1)
    stage: str = Field("sft", json_schema_extra=_stage)
    method: str = Field("lora", json_schema_extra=_method)
    start_from: str = Field("", pattern=r"^$|^best$|^run_[0-9a-z]{26}@[1-9][0-9]*$")
    seed: int = Field(42, ge=0, lt=2**31, json_schema_extra=shown("steps"))

    epochs: float = Field(2.0, gt=0, le=100, json_schema_extra=shown("steps", basic=True))
    learning_rate: float = Field(2e-3, gt=0, le=1, json_schema_extra=shown("steps", basic=True))
    max_seq_len: int = Field(512, ge=16, le=131072, json_schema_extra=shown("data", basic=True))

    bits: Bits = Field(Bits.PLAIN, json_schema_extra=shown("adapter"))
    precision: Precision = Field(Precision.AUTO, json_schema_extra=shown("adapter"))
    per_device_batch_size: int = Field(8, ge=1, le=1024, json_schema_extra=shown("steps"))
    gradient_accumulation_steps: int = Field(1, ge=1, le=1024, json_schema_extra=shown("steps"))
    max_steps: int = Field(0, ge=0, description="0: as many as the epochs take", json_schema_extra=shown("steps"))
    warmup_share: float = Field(0.05, ge=0, lt=1, json_schema_extra=shown("steps"))
    optimizer: Optimizer = Field(Optimizer.ADAMW, json_schema_extra=shown("steps"))
    gradient_checkpointing: bool = Field(False, json_schema_extra=shown("steps"))
    weight_decay: float = Field(0.0, ge=0, le=1, json_schema_extra=shown("steps"))
    max_grad_norm: float = Field(1.0, gt=0, le=100, json_schema_extra=shown("steps"))
    evaluations: int = Field(6, ge=1, le=100, json_schema_extra=shown("evaluation"))
    patience: int = Field(3, ge=0, le=100, json_schema_extra=shown("evaluation"))
    train_share: float = Field(1.0, gt=0, le=1, json_schema_extra=shown("data"))
    system_prompt: str = Field("", max_length=8000, json_schema_extra=shown("data"))
    packing: bool = Field(False, json_schema_extra=shown("data"))
    group_by_length: bool = Field(True, json_schema_extra=shown("data"))
    neftune_alpha: float = Field(0.0, ge=0, le=100, json_schema_extra=shown("data"))
    probes: Probes = Field(Probes.FEW, json_schema_extra=shown("evaluation"))
    own_probes: list[str] = Field(default_factory=list, max_length=MAX_OWN_PROBES, json_schema_extra=shown("evaluation"))

    @field_validator("own_probes", mode="before")
    @classmethod
    def _lines(cls, given: Any) -> Any:
        """A form gives them as lines of one text."""
        return [line.strip() for line in given.splitlines() if line.strip()] if isinstance(given, str) else given

    @model_validator(mode="before")
    @classmethod
    def _named_by_its_bits(cls, given: Any) -> Any:
        """LoRA on a quantised base is QLoRA, by whichever of the two it is asked for."""
        if not isinstance(given, dict):
            return given
        method, bits = given.get("method") or "lora", given.get("bits")
        if method == "qlora" and bits is None:
            return given | {"bits": Bits.NF4}
        if method == "lora" and bits is not None and str(bits) in (str(int(Bits.NF4)), str(int(Bits.INT8))):
            return given | {"method": "qlora"}
        return given

    @field_validator("method", "stage")
    @classmethod
    def _known(cls, given: str, about: ValidationInfo) -> str:
        known: Iterable[str] = METHODS if about.field_name == "method" else STAGES
        if given not in known:
            near = next(iter(difflib.get_close_matches(given, list(known), 1)), next(iter(known)))
            raise ConfigError(
                f"error.train.unknown_{about.field_name}", field=about.field_name, given=given, near=near, known=", ".join(known)
            )
        return given

    @property
    def how(self) -> Method:
        """The method by its name."""
        return METHODS[self.method]

    @property
    def to_what(self) -> Stage:
        """The stage by its name."""
        return STAGES[self.stage]

    @property
    def reading(self) -> Reading:
        """How its rows are read."""
        return Reading(self.to_what.name, self.max_seq_len, self.system_prompt.strip())

    @property
    def datasets(self) -> list[DatasetShare]:
        """All that it trains on, the first one with weight 1."""
        return [DatasetShare(**self.dataset.model_dump()), *self.also]

    @staticmethod
    def silent(method: str, stage: str) -> set[str]:
        """Fields that say nothing where this method trains to this end."""
        how, to_what = METHODS.get(method, METHODS["lora"]), STAGES.get(stage, STAGES["sft"])
        return (set(MethodFields.model_fields) | set(StageFields.model_fields)) - {*how.fields, *to_what.fields}

    def problems(self) -> list[StudioError]:
        """Fields that do not go together."""
        twice = len({share.id for share in self.datasets}) < len(self.datasets)
        return [
            *self.how.problems(self),
            *self.to_what.problems(self),
            *([ConfigError("error.train.dataset_twice", field="also")] if twice else []),
        ]

    def rows_of_share(self, n_rows: int) -> int:
        """Training rows that are taken of `n_rows`: at least one where there is one."""
        return min(n_rows, max(1, math.ceil(self.train_share * n_rows)))

    def planned_steps(self, n_rows: int) -> int:
        """Optimizer updates that the spec asks for on `n_rows` training rows."""
        if self.max_steps:
            return self.max_steps
        batches = math.ceil(n_rows * self.to_what.answers_of(self) / self.per_device_batch_size)
        return max(1, math.ceil(math.ceil(batches / self.gradient_accumulation_steps) * self.epochs))


def method_of(spec: dict[str, Any]) -> Method:
    """Of a run's spec as it lies in the database: those of earlier studios knew LoRA only, and said its bits."""
    return METHODS.get(str(spec.get("method")), METHODS["lora" if spec.get("bits", 16) == Bits.PLAIN else "qlora"])


def preset_values(preset: Preset, method: str, stage: str) -> dict[str, Any]:
    """What a preset changes where this method trains to this end: its learning rate is in proportion to that of LoRA on
    answers.
    """
    values = dict(PRESETS[preset])
    factor = (METHODS[method].rate if method in METHODS else 1.0) * (STAGES[stage].rate if stage in STAGES else 1.0)
    values["learning_rate"] = float(f"{values['learning_rate'] * factor:.3g}")
    return values


#: What each preset changes. Quick shows that it works, Standard is a sound default, Thorough takes its time and stops early.
PRESETS: dict[Preset, dict[str, Any]] = {
    Preset.QUICK: {"epochs": 1.5, "learning_rate": 2e-3, "lora_rank": 16, "lora_alpha": 32, "evaluations": 3, "patience": 0},
    Preset.STANDARD: {"epochs": 3.0, "learning_rate": 4e-4, "lora_rank": 16, "lora_alpha": 32, "evaluations": 9, "patience": 3},
    Preset.THOROUGH: {"epochs": 6.0, "learning_rate": 2e-4, "lora_rank": 32, "lora_alpha": 64, "evaluations": 18, "patience": 4},
}
