"""Locked test sets: their prompts are kept as hashes, and a row that asks one of them is trained on nowhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import sqlalchemy as sa

from studio.data import store
from studio.data.holding import holds
from studio.data.revisions import Editor
from studio.data.tables import datasets, locked_prompts, rows
from studio.db import Database
from studio.errors import DataError
from studio.ids import now
from studio.settings import Settings

__all__ = ["lock_state", "lock_test_rows", "locked_digests", "unlock_test_rows"]

#: Prompts a transaction writes or deletes; 1,000 took up to 100 ms on a busy machine, which is all that CONTRACTS 3 allows.
_BATCH = 400


def locked_digests(db: Database) -> frozenset[bytes]:
    """Prompt hashes of all locked test sets, 32 bytes each: read once for all rows that are to be looked at."""
    query = sa.select(locked_prompts.c.prompt_hash).join(datasets, datasets.c.id == locked_prompts.c.dataset_id)
    with db.read() as connection:
        found = connection.execute(query.where(datasets.c.locked_at.is_not(None))).scalars()
        return frozenset(bytes.fromhex(prompt_hash) for prompt_hash in found)


def lock_state(db: Database) -> tuple[tuple[str, str], ...]:
    """What is locked, and since when: equal states have equal digests."""
    query = sa.select(datasets.c.id, datasets.c.locked_at).where(datasets.c.locked_at.is_not(None)).order_by(datasets.c.id)
    with db.read() as connection:
        return tuple((row.id, row.locked_at.isoformat()) for row in connection.execute(query))


def lock_test_rows(db: Database, settings: Settings, dataset_id: str, author: str) -> None:
    """Keep the prompts of the dataset's test rows as they are now; from then on these rows do not change.

    Does nothing where they are locked already. Raises DataError: `no_test_rows` where there are none, `busy` while the rows
    are being changed.
    """
    # A change that changes nothing: as long as it is open, nobody else changes the rows that are read here.
    with Editor(db, settings, dataset_id, author=author, action="lock"):
        info = store.dataset_info(db, dataset_id)
        if info.locked_at is not None:
            return
        if not info.counts.get("test"):
            raise DataError("error.data.no_test_rows", field="dataset", name=info.name)
        _forget_prompts(db, dataset_id)
        for batch in _batches(_test_prompts(db, info)):
            with db.write() as connection:
                values = [{"dataset_id": dataset_id, "prompt_hash": prompt_hash} for prompt_hash in batch]
                connection.execute(db.insert_new(locked_prompts, "dataset_id", "prompt_hash"), values)
        # Last: prompts count from here on, so a lock that was killed half-way is none.
        with db.write() as connection:
            is_locked = {"locked_at": now(), "locked_by": author}
            connection.execute(datasets.update().where(datasets.c.id == dataset_id).values(**is_locked))


def unlock_test_rows(db: Database, dataset_id: str) -> None:
    """Let the test rows change again, and be trained on where somebody moves them. Does nothing where they are not locked."""
    with db.write() as connection:
        values = {"locked_at": None, "locked_by": None}
        connection.execute(datasets.update().where(datasets.c.id == dataset_id).values(**values))
    _forget_prompts(db, dataset_id)


def _test_prompts(db: Database, info: store.DatasetInfo) -> Iterator[str]:
    query = sa.select(rows.c.prompt_hash).distinct().where(holds(info.id, info.revision), rows.c.split == "test")
    with db.read() as connection:
        yield from connection.execute(query).scalars().all()


def _forget_prompts(db: Database, dataset_id: str) -> None:
    mine = sa.select(locked_prompts.c.prompt_hash).where(locked_prompts.c.dataset_id == dataset_id).limit(_BATCH)
    this = sa.and_(locked_prompts.c.dataset_id == dataset_id, locked_prompts.c.prompt_hash.in_(mine))
    count = 1
    while count:
        with db.write() as connection:  # a batch a transaction, so that nobody waits for a large one
            count = connection.execute(locked_prompts.delete().where(this)).rowcount


def _batches(prompts: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(prompts)
    while batch := list(itertools.islice(rest, _BATCH)):
        yield batch
