"""Rows without what they say: a few columns of all rows of a revision, for work that looks at every one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from studio.data.holding import holds
from studio.data.tables import rows
from studio.db import Database

__all__ = ["light_rows"]

_PAGE = 2_000


def light_rows(
    db: Database, dataset_id: str, revision: int, *names: str, where: sa.ColumnElement[bool] | None = None
) -> Iterator[Any]:
    """The named columns of the rows of a revision, `id` and `position` always, in order, a page at a time, so that no read
    transaction stays open for long.
    """
    query = sa.select(rows.c.id, rows.c.position, *(rows.c[name] for name in names)).where(holds(dataset_id, revision))
    if where is not None:
        query = query.where(where)
    query = query.order_by(rows.c.position, rows.c.id).limit(_PAGE)
    key = sa.tuple_(rows.c.position, rows.c.id)
    after = (-1, -1)
    while True:
        with db.read() as connection:
            page = connection.execute(query.where(key > after)).all()
        yield from page
        if len(page) < _PAGE:
            return
        after = (page[-1].position, page[-1].id)
