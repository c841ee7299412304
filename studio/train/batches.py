"""Rows as tensors: rendered once, batched with neighbours in length, padded on the right. Knows nothing of the model."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset, Sampler

from studio.data.examples import Example, Reading, examples_or_refused
from studio.data.refusal import is_locked
from studio.data.render import Template
from studio.data.snapshot import SnapshotRow

__all__ = [
    "IGNORED",
    "AnyOrder",
    "ExampleRow",
    "LengthBatches",
    "TokenRow",
    "TokenRows",
    "collate",
    "pack",
    "render_rows",
    "share_of_rows",
]

#: Label of a token whose loss does not count, as torch's cross entropy spells it.
IGNORED = -100

#: Batches whose rows are sorted by length together: enough to save padding, few enough to keep the order random.
_MEGA = 16


@dataclass(frozen=True)
class ExampleRow:
    """A row as its stage reads it."""

    row_id: int
    example: Example

    @property
    def width(self) -> int:
        return self.example.width

    @property
    def n_tokens(self) -> int:
        return self.example.n_tokens

    @property
    def n_targets(self) -> int:
        return self.example.n_targets


@dataclass(frozen=True)
class TokenRow:
    """A single sequence with its targets."""

    row_id: int
    ids: list[int]
    labels: list[int]

    @property
    def width(self) -> int:
        return len(self.ids)

    @property
    def n_tokens(self) -> int:
        return len(self.ids)

    @property
    def n_targets(self) -> int:
        """Predicted tokens whose loss counts; the first token of a row is never predicted."""
        return sum(label != IGNORED for label in self.labels[1:])


class TokenRows(Dataset[Any]):
    def __init__(self, rows: Sequence[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return self.rows[index]


def render_rows(
    rows: Iterable[SnapshotRow], template: Template, reading: Reading, locked: Set[bytes] = frozenset()
) -> tuple[list[Any], Counter[str]]:
    """Rows that can be trained on, and the reasons (message keys) why others cannot. `locked` are the prompt hashes of locked
    test sets.
    """
    good: list[Any] = []
    refused: Counter[str] = Counter()
    for row in rows:
        is_test = is_locked(row.split, row.prompt_hash, locked)
        examples, reason = examples_or_refused(row.kind, row.content, template, reading, is_locked=is_test)
        if examples is None:
            refused[str(reason)] += 1
            continue
        good += [_row(row.id, example) for example in examples]
    return good, refused


def _row(row_id: int, example: Example) -> TokenRow | ExampleRow:
    if example.mask is None:
        return ExampleRow(row_id, example)
    (ids,) = example.answers
    return TokenRow(row_id, ids, [token if counts else IGNORED for token, counts in zip(ids, example.mask, strict=True)])


def share_of_rows(rows: Sequence[Any], n_rows: int) -> list[Any]:
    """`n_rows` of `rows`, in their order: always the same ones, and a smaller share lies within every larger one."""
    drawn = sorted(rows, key=lambda row: hashlib.sha256(str(row.row_id).encode()).digest())[:n_rows]
    kept = {row.row_id for row in drawn}
    return [row for row in rows if row.row_id in kept]


def collate(rows: Sequence[TokenRow], pad_id: int, *, packed: bool = False) -> dict[str, torch.Tensor]:
    """`input_ids`, `labels` (B, T), the dataset's `rows` (B), and `attention_mask` only where a row is padded: without it SDPA
    takes its causal path. `packed`: as `pack` gives them.
    """
    if packed and len(rows) > 1:
        return pack(rows)
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


def pack(rows: Sequence[TokenRow]) -> dict[str, torch.Tensor]:
    """All rows end to end in one, without padding. Positions begin anew with each row, by which transformers knows that none may
    look into another; the first token of a row is predicted by nothing.

        input_ids      a0 a1 a2 | b0 b1 | c0 c1 c2 c3
        position_ids    0  1  2 |  0  1 |  0  1  2  3
        labels          –  a1 a2|  –  b1|  –  c1 c2 c3     (those that count)
    """
    ids = torch.tensor([token for row in rows for token in row.ids])
    labels = torch.tensor([label for row in rows for label in (IGNORED, *row.labels[1:])])
    positions = torch.cat([torch.arange(len(row.ids)) for row in rows])
    numbers = torch.tensor([row.row_id for row in rows])
    return {"input_ids": ids[None], "labels": labels[None], "position_ids": positions[None], "rows": numbers}


class AnyOrder(Sampler[int]):
    """Row indices in random order; the same seed and epoch, the same order."""

    def __init__(self, n_rows: int, seed: int) -> None:
        self._n_rows = n_rows
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return self._n_rows

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        yield from torch.randperm(self._n_rows, generator=generator).tolist()


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
