"""Examinations in the database: written while a job runs, read when it is over. No actor, no words."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from studio.data.doctor import Finding
from studio.data.holding import holds
from studio.data.review import is_settled
from studio.data.store import DatasetInfo
from studio.data.tables import examinations, findings, rows
from studio.db import Database
from studio.ids import new_id, now

__all__ = [
    "Examined",
    "Found",
    "begin",
    "discard",
    "discard_all",
    "finish",
    "n_aside",
    "newest",
    "now_at",
    "of_check",
    "settled",
    "write_findings",
]

#: Findings a transaction inserts: about 10 ms on SQLite.
_BATCH = 2_000

_NEWEST_FIRST = (examinations.c.finished_at.desc(), examinations.c.id.desc())

#: Of a dataset so many are kept: a link into the one before still opens.
_KEPT = 2


@dataclass(frozen=True)
class Examined:
    """An examination that is over."""

    id: str
    dataset_id: str
    revision: int
    content_hash: str
    base_id: str
    max_seq_len: int
    author: str
    finished_at: datetime
    summary: dict[str, Any]


_COLUMNS = [examinations.c[name] for name in Examined.__dataclass_fields__]


def begin(db: Database, info: DatasetInfo, base_id: str, max_seq_len: int, author: str, job_id: str | None) -> str:
    """An examination of a dataset as it is now. What an earlier attempt of the same job has left is taken back."""
    with db.read() as connection:
        left = sa.select(examinations.c.id).where(examinations.c.job_id == job_id, examinations.c.finished_at.is_(None))
        earlier = list(connection.execute(left).scalars()) if job_id is not None else []
    for examination in earlier:
        discard(db, examination)
    made = new_id("exm")
    values = {"id": made, "dataset_id": info.id, "revision": info.revision, "content_hash": info.content_hash}
    meant = {"base_id": base_id, "max_seq_len": max_seq_len, "author": author, "job_id": job_id, "created_at": now()}
    with db.write() as connection:
        connection.execute(examinations.insert().values(**values | meant))
    return made


def write_findings(db: Database, examination_id: str, found: Iterable[Finding]) -> None:
    batches = iter(found)
    while batch := list(itertools.islice(batches, _BATCH)):
        values = [
            {
                "examination_id": examination_id,
                "check_key": one.check,
                "position": one.position,
                "row_id": one.row_id,
                "group_no": one.group_no,
                "kept_id": one.kept_id,
                "mends": one.mends,
            }
            for one in batch
        ]
        with db.write() as connection:
            connection.execute(findings.insert(), values)


def finish(db: Database, examination_id: str, dataset_id: str, summary: dict[str, Any]) -> None:
    """From now on it can be read; the oldest of the dataset go."""
    this = examinations.c.id == examination_id
    mine = sa.and_(examinations.c.dataset_id == dataset_id, examinations.c.finished_at.is_not(None))
    with db.write() as connection:
        connection.execute(examinations.update().where(this).values(summary=summary, finished_at=now()))
        newest_first = sa.select(examinations.c.id).where(mine).order_by(*_NEWEST_FIRST)
        old = list(connection.execute(newest_first.offset(_KEPT)).scalars())
    for examination in old:
        discard(db, examination)


def discard(db: Database, examination_id: str) -> None:
    """A batch a transaction, so that nobody waits for a large one."""
    mine = findings.c.examination_id == examination_id
    some = sa.select(findings.c.check_key, findings.c.position).where(mine).limit(_BATCH)
    while True:
        with db.write() as connection:
            keys = connection.execute(some).all()
            if not keys:
                connection.execute(examinations.delete().where(examinations.c.id == examination_id))
                return
            for check_key, its in itertools.groupby(sorted(tuple(key) for key in keys), key=lambda key: key[0]):
                places = [position for _, position in its]
                connection.execute(
                    findings.delete().where(mine, findings.c.check_key == check_key, findings.c.position.in_(places))
                )


def discard_all(db: Database, dataset_id: str) -> None:
    """Of a dataset that loses rows for good: what was said of them goes with them."""
    with db.read() as connection:
        known = list(connection.execute(sa.select(examinations.c.id).where(examinations.c.dataset_id == dataset_id)).scalars())
    for examination in known:
        discard(db, examination)


# --- reading ----------------------------------------------------------------------------------------------------------


def newest(db: Database, dataset_id: str) -> Examined | None:
    """The last that was finished."""
    query = sa.select(*_COLUMNS).where(examinations.c.dataset_id == dataset_id, examinations.c.finished_at.is_not(None))
    with db.read() as connection:
        row = connection.execute(query.order_by(*_NEWEST_FIRST).limit(1)).mappings().first()
    return None if row is None else Examined(**row)


@dataclass(frozen=True)
class Found:
    """A finding as it is stored."""

    position: int
    row_id: int
    group_no: int | None
    kept_id: int | None
    mends: bool


_FOUND = [findings.c[name] for name in Found.__dataclass_fields__]


def of_check(
    db: Database, examination_id: str, check: str, *, after: int = -1, limit: int | None = None, by_group: bool = False
) -> list[Found]:
    """What a check found, in the order of the rows or of the groups, behind a position or a group's number."""
    query = sa.select(*_FOUND).where(findings.c.examination_id == examination_id, findings.c.check_key == check)
    place = findings.c.group_no if by_group else findings.c.position
    query = query.where(place > after).order_by(place, findings.c.position)
    with db.read() as connection:
        return [Found(**row) for row in connection.execute(query if limit is None else query.limit(limit)).mappings()]


def now_at(db: Database, examination_id: str, check: str, dataset_id: str, revision: int) -> dict[int, int]:
    """Of the row versions that the check found, or that stay when others go: which version stands there at the revision, if it
    still says the same in the same split. A flag or a tag changes nothing about what was found. Rows that a person has accepted
    since are left out.
    """
    its = _of(examination_id, check)
    kept = sa.select(findings.c.kept_id).where(its, findings.c.kept_id.is_not(None))
    named = sa.union(sa.select(findings.c.row_id).where(its), kept)
    then = rows.alias()
    same = sa.and_(then.c.content_hash == rows.c.content_hash, then.c.split.is_not_distinct_from(rows.c.split))
    query = sa.select(then.c.id, rows.c.id, rows.c.origin, rows.c.content_hash).where(
        then.c.id.in_(named), holds(dataset_id, revision), rows.c.position == then.c.position, same
    )
    with db.read() as connection:
        told = connection.execute(query).all()
    return {found: now for found, now, origin, says in told if not is_settled(origin, check, says)}


def n_aside(db: Database, examination_id: str, check: str, dataset_id: str, revision: int) -> int:
    """Rows that stand where the check found one, and that wait in the review queue by a flag."""
    places = sa.select(findings.c.position).where(_of(examination_id, check))
    query = sa.select(sa.func.count()).where(holds(dataset_id, revision), rows.c.flag.is_not(None), rows.c.position.in_(places))
    with db.read() as connection:
        return connection.execute(query).scalar() or 0


def _of(examination_id: str, check: str) -> sa.ColumnElement[bool]:
    return sa.and_(findings.c.examination_id == examination_id, findings.c.check_key == check)


def settled(db: Database, finding: str, dataset_id: str, revision: int) -> set[int]:
    """Of a check that compares rows: those that its mend may change at the revision, by their versions there. A row that says
    something else since it was found, or whose kept row does, is another matter now.
    """
    examination_id, _, check = finding.partition(".")
    alive = now_at(db, examination_id, check, dataset_id, revision)
    return {
        alive[one.row_id]
        for one in of_check(db, examination_id, check)
        if one.mends and one.row_id in alive and (one.kept_id is None or one.kept_id in alive)
    }
