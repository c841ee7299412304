"""Datasets made of rows, without a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from studio.data import store
from studio.data.rows import NewRow
from studio.data.store import StoredRow
from studio.db import Database
from studio.ids import new_id


def chat(question: str, answer: str = "Yes.", split: str | None = "train", **more: Any) -> NewRow:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return NewRow("chat", {"messages": turns}, split=split, **more)


def dataset(db: Database, new: Iterable[NewRow], name: str = "") -> str:
    """A whole dataset of these rows; its id."""
    with db.write() as connection:
        dataset_id = store.create_dataset(connection, name or new_id("ds"), "usr_a")
        store.open_first_revision(connection, dataset_id, "usr_a", {"key": "data.revision.import", "params": {"files": "f"}})
    totals = store.write_rows(db, dataset_id, new, "usr_a")
    store.commit_first_revision(db, dataset_id, totals, {"n_good": totals.counts.total(), "refused": []})
    return dataset_id


def rows_of(db: Database, dataset_id: str) -> list[StoredRow]:
    """Of the newest revision, in order."""
    return list(store.iter_rows(db, dataset_id, store.dataset_info(db, dataset_id).revision))


def question(row: StoredRow | NewRow) -> str:
    return str(row.content["messages"][0]["content"])


def answer(row: StoredRow | NewRow) -> str:
    return str(row.content["messages"][-1]["content"])
