"""What people may look at as tokens: any row of a dataset under any base that is here, and any text of theirs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from studio.access import Actor, allows
from studio.data import store
from studio.data.lens import Lens, Seen, lens, seen
from studio.data.rows import check_storable
from studio.data.store import StoredRow
from studio.data.tables import rows
from studio.data.templates import template_of
from studio.db import Database
from studio.errors import DataError, NotFoundError
from studio.settings import Settings

__all__ = ["LensService", "Place"]

#: What is drawn: a page of more tokens is slow, and nobody reads it.
_MOST_TOKENS = 3_000
_MOST_TYPED_TOKENS = 1_000

#: Characters of a text that is looked at while it is typed: up to 50 ms.
_MOST_TYPED = 20_000

#: Characters and messages of a row: up to 0.35 s, and twice that under two bases. A template is run anew for every answer.
_MOST_CHARS = 150_000
_MOST_MESSAGES = 300


@dataclass(frozen=True)
class Place:
    """A row as it is now, and its neighbours' ids for whoever wants to step."""

    row: StoredRow
    previous: int | None
    next: int | None


class LensService:
    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings

    @allows("dataset.read")
    def row(self, actor: Actor, dataset_id: str, row_id: int, base_id: str, max_seq_len: int) -> Seen:
        """The newest version of a row as this base sees it. Raises as `place` does, DataError as `seen` does and for a row
        that is too long to be looked at, ModelError while the base is not fetched.
        """
        row = self._place(dataset_id, row_id).row
        n_chars, n_messages = len(json.dumps(row.content, ensure_ascii=False)), len(row.content.get("messages", ()))
        if n_chars > _MOST_CHARS or n_messages > _MOST_MESSAGES:
            limits: dict[str, Any] = {"most_chars": _MOST_CHARS, "most_messages": _MOST_MESSAGES}
            raise DataError("error.data.lens_row_too_long", chars=n_chars, messages=n_messages, **limits)
        return seen(row.kind, row.content, template_of(self._settings, base_id), max_seq_len, most=_MOST_TOKENS)

    @allows("dataset.read")
    def first_row(self, actor: Actor, dataset_id: str) -> int | None:
        """The id of the first row; None where there is none."""
        info = store.dataset_info(self._db, dataset_id)
        found = store.read_page(self._db, info.id, info.revision, limit=1)
        return found[0].id if found else None

    @allows("dataset.read")
    def place(self, actor: Actor, dataset_id: str, row_id: int) -> Place:
        """What holds now of the row that some version's id names, and its neighbours.

        Raises NotFoundError for a row that never was in this dataset, and for one that has gone.
        """
        return self._place(dataset_id, row_id)

    def _place(self, dataset_id: str, row_id: int) -> Place:
        info = store.dataset_info(self._db, dataset_id)
        query = sa.select(rows.c.position).where(rows.c.id == row_id, rows.c.dataset_id == info.id)
        with self._db.read() as connection:
            position = connection.execute(query).scalar()
        if position is None:
            raise NotFoundError("error.data.unknown_row", row=row_id)
        here = (position, 0)
        found = store.read_page(self._db, info.id, info.revision, after=here, limit=2)
        if not found or found[0].position != position:
            raise NotFoundError("error.rows.gone")
        before = store.read_page(self._db, info.id, info.revision, before=here, limit=1)
        return Place(found[0], before[0].id if before else None, found[1].id if len(found) > 1 else None)

    @allows("dataset.read")
    def text(self, actor: Actor, text: str, base_id: str) -> Lens:
        """A text as this base's tokenizer cuts it. Raises DataError over 20,000 characters."""
        if len(text) > _MOST_TYPED:
            raise DataError("error.data.lens_too_long", field="text", n=len(text), limit=_MOST_TYPED)
        check_storable(text, "text")
        return lens(text, template_of(self._settings, base_id), most=_MOST_TYPED_TOKENS)
