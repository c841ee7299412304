"""Rows as tensors: rendered once, batched with neighbours in length, padded on the right. Knows nothing of the model."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

import torch
from torch.utils.data import Dataset, Sampler

from studio.data.refusal import is_locked, rendered_or_refused
from studio.data.render import Template
from studio.data.snapshot import SnapshotRow

__all__ = ["IGNORED", "LengthBatches", "TokenRow", "TokenRows", "collate", "render_rows", "share_of_rows"]

#: Label of a token whose loss does not count, as torch's cross entropy spells it.
IGNORED = -100

#: Batches whose rows are sorted by length together: enough to save padding, few enough to keep the order random.
_MEGA = 16


@dataclass(frozen=True)
class TokenRow:
    row_id: int
    ids: list[int]
    labels: list[int]

    @property
    def n_targets(self) -> int:
        """Predicted tokens whose loss counts; the first token of a row is never predicted."""
        return sum(label != IGNORED for label in self.labels[1:])


class TokenRows(Dataset[TokenRow]):
    def __init__(self, rows: Sequence[TokenRow]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> TokenRow:
        return self.rows[index]


def render_rows(
    rows: Iterable[SnapshotRow], template: Template, max_seq_len: int, locked: Set[bytes] = frozenset()
) -> tuple[list[TokenRow], Counter[str]]:
    """Rows that can be trained on, and the reasons (message keys) why others cannot. `locked` are the prompt hashes of locked
    test sets.
    """
    good: list[TokenRow] = []
    refused: Counter[str] = Counter()
    for row in rows:
        is_test = is_locked(row.split, row.prompt_hash, locked)
        rendered, reason = rendered_or_refused(row.kind, row.content, template, max_seq_len, is_locked=is_test)
        if rendered is None:
            refused[str(reason)] += 1
            continue
        labels = [token if counts else IGNORED for token, counts in zip(rendered.ids, rendered.loss_mask, strict=True)]
        good.append(TokenRow(row.id, rendered.ids, labels))
    return good, refused


def share_of_rows(rows: Sequence[TokenRow], n_rows: int) -> list[TokenRow]:
    """`n_rows` of `rows`, in their order: always the same ones, and a smaller share lies within every larger one."""
    drawn = sorted(rows, key=lambda row: hashlib.sha256(str(row.row_id).encode()).digest())[:n_rows]
    kept = {row.row_id for row in drawn}
    return [row for row in rows if row.row_id in kept]


def collate(rows: Sequence[TokenRow], pad_id: int) -> dict[str, torch.Tensor]:
    """`input_ids`, `labels` (B, T), the dataset's `rows` (B), and `attention_mask` only where a row is padded: without it SDPA
    takes its causal path.
    """
    width = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), width), pad_id)
    labels = torch.full((len(rows), width), IGNORED)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row.ids)] = torch.tensor(row.ids)
        labels[index, : len(row.labels)] = torch.tensor(row.labels)
        mask[index, : len(row.ids)] = 1
    batch = {"input_ids": ids, "labels": labels, "rows": torch.tensor([row.row_id for row in rows])}
    if not bool(mask.all()):
        batch["attention_mask"] = mask
    return batch


class LengthBatches(Sampler[int]):
    """Row indices in an order in which each run of `batch_size` has similar lengths; the same seed and epoch, the same order.

        shuffled rows ─► groups of 16 batches ─► each sorted by length ─► its batches in random order
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        order = torch.randperm(len(self._lengths), generator=generator).tolist()
        group = self._batch_size * _MEGA
        batches: list[list[int]] = []
        for start in range(0, len(order), group):
            nearby = sorted(order[start : start + group], key=lambda index: self._lengths[index], reverse=True)
            batches += [nearby[at : at + self._batch_size] for at in range(0, len(nearby), self._batch_size)]
        # A short last batch stays last: the loader cuts the stream into runs of `batch_size`.
        full = [batch for batch in batches if len(batch) == self._batch_size]
        rest = [batch for batch in batches if len(batch) < self._batch_size]
        shuffled = [full[index] for index in torch.randperm(len(full), generator=generator).tolist()]
        for batch in shuffled + rest:
            yield from batch
