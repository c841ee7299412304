"""The rows of a training as tokens: from the snapshot of its dataset revision, locked and refused ones left out and counted."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.data.locks import locked_digests
from studio.data.refusal import is_locked
from studio.data.render import Template
from studio.data.snapshot import SnapshotRow, ensure_snapshot, read_snapshot
from studio.errors import DataError
from studio.jobs.context import JobContext
from studio.jobs.runfolder import write_by_rename
from studio.models.catalogue import base_folder
from studio.train.spec import TrainSpec

if TYPE_CHECKING:
    from studio.train.batches import TokenRows

__all__ = ["pad_id", "rows_of"]

log = logging.getLogger("studio.train")

#: In the run's folder: prompt hashes of the rows that locked test sets keep out of it, one a line.
_LOCKED_FILE = "locked_prompts.txt"


def rows_of(context: JobContext, spec: TrainSpec) -> tuple[TokenRows, TokenRows, Template]:
    """Token rows of the train and the validation split. Test rows are not even looked at."""
    from studio.train.batches import TokenRows, render_rows, share_of_rows  # torch: only once there is something to train

    template = Template.load(base_folder(context.settings, spec.base.id))
    home = context.db, context.settings
    sources = [(share, ensure_snapshot(*home, share.id, share.revision, share.hash)) for share in spec.datasets]
    locked = _locked(context, [snapshot for _, snapshot in sources])
    by_split = {}
    for split in ("train", "validation"):
        taken: list[Any] = []
        refused: Counter[str] = Counter()
        for share, snapshot in sources:
            good, odd = render_rows(_of_split(snapshot, split), template, spec.reading, locked)
            refused += odd
            if split == "train":
                wanted = share.weight * (spec.rows_of_share(len(good)) if spec.train_share < 1 else len(good))
                good = [*good * int(wanted // len(good)), *share_of_rows(good, round(wanted % len(good)))] if good else []
            taken += good
        for reason, count in refused.items():
            context.warn("train.warned.rows_refused", {"split": split, "reason": reason, "n": count})
        by_split[split] = TokenRows(taken)
        tokens, targets = sum(row.n_tokens for row in taken), sum(row.n_targets for row in taken)
        log.info("%s: %d rows, %d tokens, %d of them targets", split, len(taken), tokens, targets)
    if not by_split["train"].rows:
        raise DataError("error.train.no_rows", field="dataset", max_seq_len=spec.max_seq_len)
    return by_split["train"], by_split["validation"], template


def _of_split(snapshot: Path, split: str) -> Iterator[SnapshotRow]:
    return (row for row in read_snapshot(snapshot) if row.split == split)


def _locked(context: JobContext, snapshots: Sequence[Path]) -> frozenset[bytes]:
    """Prompts among these rows that stood in a locked test set when the run began: kept in its folder, so that every attempt
    trains on the same rows, whatever is locked or unlocked in between.
    """
    path = context.folder.path / _LOCKED_FILE
    if not path.exists():
        # A run that has checkpoints, but not this file, began before test sets could be locked.
        locked = frozenset() if context.resumed_from_step else locked_digests(context.db)
        rows = (row for snapshot in snapshots for row in read_snapshot(snapshot)) if locked else ()
        found = {row.prompt_hash for row in rows if is_locked(row.split, row.prompt_hash, locked)}
        write_by_rename(path, "".join(f"{prompt_hash}\n" for prompt_hash in sorted(found)))
    return frozenset(bytes.fromhex(line) for line in path.read_text("utf-8").split())


def pad_id(template: Template) -> int:
    """Padding is masked everywhere, so any token serves where the tokenizer names none."""
    token = template.special_tokens.get("pad_token") or template.special_tokens.get("eos_token", "")
    return template.tokenizer.token_to_id(token) or 0
