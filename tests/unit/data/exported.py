"""What tests of exports share: rows of every kind, and datasets made of rows without a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from studio.data import store
from studio.data.export import ExportedDataset, ExportSpec
from studio.data.rows import NewRow
from studio.data.tables import datasets
from studio.db import Database


def chat(question: str = "Q?", answer: str = "A.", system: str | None = None, **more: Any) -> NewRow:
    turns = [] if system is None else [{"role": "system", "content": system}]
    turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return NewRow("chat", {"messages": turns}, **more)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


#: One plain row of each kind.
ROWS = {
    "chat": chat(),
    "preference": NewRow("preference", {"messages": [user("Q?")], "chosen": [assistant("yes")], "rejected": [assistant("no")]}),
    "feedback": NewRow("feedback", {"messages": [user("Q?"), assistant("A.")], "label": True}),
    "text": NewRow("text", {"text": "Some words."}),
    "prompt": NewRow("prompt", {"messages": [user("Q?")], "answer": "A."}),
    "choice": NewRow("choice", {"question": "Q?", "options": ["one", "two"], "answer": 1}),
    "label": NewRow("label", {"text": "Fine.", "label": "good"}),
}


def spec_of(dataset_id: str = "ds_0", revision: int = 1, **more: Any) -> ExportSpec:
    return ExportSpec(dataset=ExportedDataset(id=dataset_id, revision=revision), **more)


def make_dataset(db: Database, rows: Iterable[NewRow], name: str = "eyes", card: dict[str, Any] | None = None) -> str:
    with db.write() as connection:
        dataset_id = store.create_dataset(connection, name, "usr_local")
        store.open_first_revision(connection, dataset_id, "usr_local", {"key": "data.history.import", "params": {"file": "a"}})
        if card is not None:
            connection.execute(datasets.update().where(datasets.c.id == dataset_id).values(card=card))
    totals = store.write_rows(db, dataset_id, rows, "usr_local")
    store.commit_first_revision(db, dataset_id, totals, {})
    return dataset_id
