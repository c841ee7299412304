"""What a stage of training is: which rows it reads, what it makes better, and how a step of it is done.

A new one is a file with one instance, and a line in this package's `__init__`; its words are `enum.Stage.<name>` and `.help`.
Nothing here imports torch before a training does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.data.examples import Purpose
from studio.errors import ConfigError, StudioError

if TYPE_CHECKING:
    from studio.data.render import Template
    from studio.train.batches import TokenRows
    from studio.train.checkpoints import CheckpointStore
    from studio.train.model import Device
    from studio.train.spec import TrainSpec

__all__ = ["Parts", "Stage"]


@dataclass(frozen=True)
class Parts:
    """What a trainer is put together from: `model` is the bare base, `folder` the run's, `start` the checkpoint that it begins
    with.
    """

    device: Device
    model: Any
    template: Template
    base: Path
    train_rows: TokenRows
    validation_rows: TokenRows
    folder: Path
    start: Path | None = None


class Stage:
    """`fields` are those of the spec that it alone reads."""

    name: Purpose = "sft"
    fields: Sequence[str] = ()

    made_for: Sequence[str] = ()
    """Kinds of rows that ask for it where a dataset has no others."""

    rate = 1.0
    """Learning rates of presets are the supervised stage's; this one's are so many times as high."""

    sequences = 1
    """Of one row in a pass, each as long as the longest."""

    has_level = True
    """Its loss falls as the model learns; else it says nothing, and is not watched."""

    watched: Sequence[str] = ()
    """Charts that it needs beside those of every training."""

    def answers_of(self, spec: TrainSpec) -> int:
        """Sequences that a step counts for one row."""
        return 1

    def written(self, spec: TrainSpec) -> int:
        """Tokens that the model writes behind a row before it learns from them, at most."""
        return 0

    def problems(self, spec: TrainSpec) -> Iterator[StudioError]:
        """What of the spec it cannot do."""
        if spec.packing and self.name not in ("sft", "text"):
            yield ConfigError("error.train.not_packed", field="packing", stage=self.name)

    def trainer(
        self,
        spec: TrainSpec,
        parts: Parts,
        *,
        checkpoints: CheckpointStore | None = None,
        order_batch: int | None = None,
        in_order: bool = False,
        callbacks: Sequence[Any] = (),
        more: Mapping[str, Any] | None = None,
    ) -> Any:
        """A `Stepping` trainer. Without `checkpoints` it can only step; `more` goes over its arguments."""
        raise NotImplementedError
