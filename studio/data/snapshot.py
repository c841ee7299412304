"""Immutable Arrow snapshots of a revision: what a job reads. Cached by content hash, so equal revisions share one file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.data import store
from studio.db import Database
from studio.settings import Settings

__all__ = ["SnapshotRow", "ensure_snapshot", "read_snapshot"]

_BATCH = 1000


@dataclass(frozen=True)
class SnapshotRow:
    """A row as a job reads it."""

    id: int
    kind: str
    split: str | None
    content: dict[str, Any]
    prompt_hash: str


def ensure_snapshot(db: Database, settings: Settings, dataset_id: str, revision: int, content_hash: str) -> Path:
    """The Arrow file of a revision, written by rename when it is not there yet.

    Raises DataError when the revision is no longer the one of this hash, because rows of it were purged.
    """
    import pyarrow as pa

    store.check_hash(db, dataset_id, revision, content_hash)
    path = settings.folder("snapshots") / f"{content_hash}.arrow"
    if path.exists():
        return path
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("kind", pa.string()),
            ("split", pa.string()),
            ("content", pa.string()),
            ("prompt_hash", pa.string()),
        ]
    )
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in _batches(store.iter_rows(db, dataset_id, revision)):
            columns = {
                "id": [row.id for row in batch],
                "kind": [row.kind for row in batch],
                "split": [row.split for row in batch],
                "content": [json.dumps(row.content, ensure_ascii=False) for row in batch],
                "prompt_hash": [row.prompt_hash for row in batch],
            }
            writer.write_batch(pa.record_batch(columns, schema=schema))
    temporary.replace(path)
    return path


def _batches(rows: Iterator[store.StoredRow]) -> Iterator[list[store.StoredRow]]:
    batch: list[store.StoredRow] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def read_snapshot(path: Path) -> Iterator[SnapshotRow]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source)
        for index in range(table.num_record_batches):
            for record in table.get_batch(index).to_pylist():
                yield SnapshotRow(**record | {"content": json.loads(record["content"])})
