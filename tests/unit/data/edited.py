"""Small datasets, looked at from all sides, for tests of what changes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st

from studio.data import revisions, store
from studio.data.bulk import BulkSpec
from studio.data.filters import Filter
from studio.data.revisions import Editor
from studio.data.rows import NewRow
from studio.data.store import StoredRow
from studio.data.tables import datasets
from studio.data.tables import revisions as revision_table
from studio.data.totals import Totals
from studio.db import Database
from studio.ids import new_id, now

#: Position, text and split of each row.
State = list[tuple[int, str, str | None]]


def plain(text: str, split: str | None = None) -> NewRow:
    return NewRow("text", {"text": text}, split=split)


def dataset(db: Database, new: Sequence[NewRow], name: str = "") -> str:
    with db.write() as connection:
        dataset_id = store.create_dataset(connection, name or new_id("ds"), "usr_a")
        store.open_first_revision(connection, dataset_id, "usr_a", {"key": "data.revision.import", "params": {"files": "f"}})
    totals = store.write_rows(db, dataset_id, new, "usr_a")
    store.commit_first_revision(db, dataset_id, totals, {"n_good": len(new)})
    return dataset_id


def at(db: Database, dataset_id: str, revision: int) -> list[StoredRow]:
    return list(store.iter_rows(db, dataset_id, revision))


def now_at(db: Database, dataset_id: str) -> list[StoredRow]:
    return at(db, dataset_id, store.dataset_info(db, dataset_id).revision)


def texts(found: Sequence[StoredRow]) -> list[str]:
    return [row.content["text"] for row in found]


def numbers(db: Database, dataset_id: str) -> list[int]:
    """Of committed revisions, newest first."""
    return [revision.number for revision in revisions.history(db, dataset_id)]


def from_scratch(found: Sequence[StoredRow]) -> dict[str, Any]:
    totals = Totals()
    for row in found:
        totals.add(row.position, row.content_hash, row.split)
    return totals.as_values()


def kept(db: Database, dataset_id: str, number: int) -> dict[str, Any]:
    this = sa.and_(revision_table.c.dataset_id == dataset_id, revision_table.c.number == number)
    with db.read() as connection:
        query = sa.select(revision_table.c.row_sum, revision_table.c.counts, revision_table.c.content_hash).where(this)
        return dict(connection.execute(query).mappings().one())


def lock(db: Database, dataset_id: str) -> None:
    with db.write() as connection:
        connection.execute(datasets.update().where(datasets.c.id == dataset_id).values(locked_at=now(), locked_by="usr_a"))


def said(*words: str, system: str | None = None) -> list[dict[str, Any]]:
    turns = [{"role": ("user", "assistant")[at % 2], "content": word} for at, word in enumerate(words)]
    return turns if system is None else [{"role": "system", "content": system}, *turns]


def chat(*words: str, system: str | None = None, **fields: Any) -> NewRow:
    return NewRow("chat", {"messages": said(*words, system=system)}, **fields)


def spec(dataset_id: str, *, rows: list[int] | None = None, filter: dict[str, Any] | None = None, **values: Any) -> BulkSpec:
    return BulkSpec(dataset=dataset_id, rows=rows, filter=Filter(**filter or {}), operation=values)  # type: ignore[arg-type]


def questions(rows: list[NewRow]) -> list[list[str]]:
    return [[message["content"] for message in row.content["messages"] if message["role"] == "user"] for row in rows]


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[str, list[tuple[str, int, str, str | None]]]]:
    part = st.tuples(
        st.sampled_from(["replace", "remove", "add", "between"]),
        st.integers(0, 6),
        st.sampled_from("abc"),
        st.sampled_from([None, "train", "test"]),
    )
    step = st.sampled_from(["edit", "edit", "fail", "undo", "undo", "redo", "restore"])
    return draw(st.lists(st.tuples(step, st.lists(part, max_size=4)), max_size=9))


def changed(edit: Editor, found: list[StoredRow], parts: list[tuple[str, int, str, str | None]]) -> State:
    """Do it in the block, and in a list."""
    state = {row.position: (row.content["text"], row.split) for row in found}
    last = max([row.position for row in found], default=0)
    left = list(found)
    for what, which, text, split in parts:
        if what == "add":
            state[edit.add(plain(text, split))] = (text, split)
        elif what == "between" and last + 1 + which not in state:
            state[edit.add(plain(text, split), last + 1 + which)] = (text, split)
        elif what in ("replace", "remove") and left:
            row = left.pop(which % len(left))
            if what == "remove":
                edit.remove(row)
                del state[row.position]
            else:
                edit.replace(row, plain(text, split))
                state[row.position] = (text, split)
    return [(position, *state[position]) for position in sorted(state)]
