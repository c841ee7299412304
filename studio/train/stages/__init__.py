"""The stages of training by name: one file and one line each (and its fields, where it has any of its own)."""

from __future__ import annotations

from studio.train.stages.base import Parts, Stage
from studio.train.stages.dpo import DPO, DpoFields, PreferenceFields
from studio.train.stages.grpo import GRPO, GrpoFields
from studio.train.stages.kto import KTO, KtoFields
from studio.train.stages.supervised import SUPERVISED
from studio.train.stages.text import TEXT

__all__ = ["STAGES", "Parts", "Stage", "StageFields"]

STAGES: dict[str, Stage] = {stage.name: stage for stage in (SUPERVISED, TEXT, DPO, KTO, GRPO)}


class StageFields(PreferenceFields, DpoFields, KtoFields, GrpoFields):
    """What the stages' fields are in all."""
