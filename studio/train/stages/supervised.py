"""Supervised fine-tuning: answers are learned as they stand; the loss is −log p of every target token, in nats."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from studio.data.examples import Purpose
from studio.train.stages.base import Parts, Stage

if TYPE_CHECKING:
    from studio.train.spec import TrainSpec

__all__ = ["SUPERVISED", "Supervised"]

log = logging.getLogger("studio.train")


class Supervised(Stage):
    name: Purpose = "sft"

    def trainer(self, spec: TrainSpec, parts: Parts, **options: Any) -> Any:
        from studio.train.arguments import training_arguments
        from studio.train.rows import pad_id
        from studio.train.trainer import StudioTrainer

        more = options.pop("more", None) or {}
        model = spec.how.applied(parts.model, spec, spec.planned_steps(len(parts.train_rows)))
        if parts.start is not None:
            spec.how.start(model, parts.start)
        trainer = StudioTrainer(
            model=model,
            args=training_arguments(spec, parts, more),
            train_dataset=parts.train_rows,
            eval_dataset=parts.validation_rows if len(parts.validation_rows) else None,
            pad_id=pad_id(parts.template),
            spec=spec,
            **options,
        )
        fast = trainer.choose_loss(parts.train_rows)
        log.info("head and loss on target positions only: %s", "yes" if fast else "no, this head is not a plain product")
        return trainer


SUPERVISED = Supervised()
