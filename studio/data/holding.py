"""Which row versions hold at which revision.

A version is made by one change and mostly ended by another. It holds at the revisions that count the first and not the second:
those from `since` on and before `until`, as long as nobody takes a change back. Undo, redo and restore write no rows. They say
of whole changes that they do not count from here on (`undone`), or count again. A version whose end does not count may be
changed in another way: it is then ended a second time, by another change (`ended_again`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from studio.data.tables import ended_again, revisions, rows, undone

__all__ = ["Spans", "alive", "differing", "holds", "is_continued", "move", "wrote_rows"]


def holds(dataset_id: str, revision: int) -> sa.ColumnElement[bool]:
    """Of `rows`: the version belongs to the dataset and holds at the revision. Of a position, one version does."""
    return sa.and_(rows.c.dataset_id == dataset_id, alive(dataset_id, revision))


def alive(dataset_id: str, revision: int) -> sa.ColumnElement[bool]:
    """The same for row versions that are known to be the dataset's."""
    aside = _undone_at(dataset_id, revision)
    again = sa.exists().where(
        ended_again.c.row_id == rows.c.id, ended_again.c.number <= revision, ended_again.c.number.not_in(aside)
    )
    return sa.and_(
        # By an expression: nearly all rows fulfil it, and SQLite would rather look for them by `since` than by their position.
        rows.c.since + 0 <= revision,
        rows.c.since.not_in(aside),
        sa.or_(rows.c.until.is_(None), rows.c.until > revision, sa.and_(rows.c.until.in_(aside), ~again)),
    )


def differing(dataset_id: str, here: int, there: int) -> sa.ColumnElement[bool]:
    """Of `rows`: the version holds at the revision `here` and not `there`. Found by the changes, and not by looking at all."""
    one, other = _counted_at(dataset_id, here), _counted_at(dataset_id, there)
    number = revisions.c.number
    apart = sa.select(number).where(
        revisions.c.dataset_id == dataset_id,
        sa.or_(sa.and_(number.in_(one), number.not_in(other)), sa.and_(number.in_(other), number.not_in(one))),
    )
    mine = rows.c.dataset_id == dataset_id
    candidates = sa.union(
        sa.select(rows.c.id).where(mine, rows.c.since.in_(apart)),
        sa.select(rows.c.id).where(mine, rows.c.until.in_(apart)),
        sa.select(ended_again.c.row_id).where(ended_again.c.dataset_id == dataset_id, ended_again.c.number.in_(apart)),
    )
    return sa.and_(rows.c.id.in_(candidates), alive(dataset_id, here), ~alive(dataset_id, there))


def wrote_rows() -> sa.ColumnElement[bool]:
    """Of `revisions`: it made and ended row versions, and is not one that counts others again."""
    return revisions.c.action.not_in(("undo", "redo", "restore"))


def is_continued(connection: Connection, dataset_id: str, older: int, newer: int) -> bool:
    """Whether what holds at `newer` and not at `older` was all written after it: no change before was taken back or made
    again in between.
    """
    then, now = (set(connection.execute(_undone_at(dataset_id, number)).scalars()) for number in (older, newer))
    return older <= newer and then == {number for number in now if number <= older}


def move(connection: Connection, dataset_id: str, number: int, *, base: int, target: int) -> None:
    """From the revision `number` on, made upon `base`, the changes count that count at `target`, and no others."""
    now, then = _counted_at(dataset_id, base), _counted_at(dataset_id, target)
    going = sa.select(revisions.c.dataset_id, revisions.c.number, sa.literal(number)).where(
        revisions.c.dataset_id == dataset_id, revisions.c.number.in_(now), revisions.c.number.not_in(then)
    )
    coming = sa.and_(undone.c.dataset_id == dataset_id, undone.c.until.is_(None), undone.c.number.in_(then))
    connection.execute(undone.update().where(coming).values(until=number))
    connection.execute(undone.insert().from_select(["dataset_id", "number", "since"], going))


def _undone_at(dataset_id: str, revision: int) -> sa.Select[Any]:
    return sa.select(undone.c.number).where(
        undone.c.dataset_id == dataset_id,
        undone.c.since <= revision,
        sa.or_(undone.c.until.is_(None), undone.c.until > revision),
    )


def _counted_at(dataset_id: str, revision: int) -> sa.Select[Any]:
    return sa.select(revisions.c.number).where(
        revisions.c.dataset_id == dataset_id,
        revisions.c.state == "committed",
        wrote_rows(),
        revisions.c.number <= revision,
        revisions.c.number.not_in(_undone_at(dataset_id, revision)),
    )


@dataclass(frozen=True)
class Spans:
    """The same rule for row versions that have been read: what `undone` and `ended_again` say of one dataset."""

    undone: dict[int, list[tuple[int, int | None]]]
    again: dict[int, list[int]]

    @classmethod
    def of(cls, connection: Connection, dataset_id: str) -> Spans:
        spans: dict[int, list[tuple[int, int | None]]] = defaultdict(list)
        again: dict[int, list[int]] = defaultdict(list)
        aside = sa.select(undone.c.number, undone.c.since, undone.c.until).where(undone.c.dataset_id == dataset_id)
        for number, since, until in connection.execute(aside):
            spans[number].append((since, until))
        ends = sa.select(ended_again.c.row_id, ended_again.c.number).where(ended_again.c.dataset_id == dataset_id)
        for row_id, number in connection.execute(ends):
            again[row_id].append(number)
        return cls(dict(spans), dict(again))

    def ends(self, row_id: int, until: int | None) -> frozenset[int]:
        """The changes that ended a version; one that counts is enough."""
        return frozenset(self.again.get(row_id, ())) | ({until} if until is not None else set())

    def hold(self, since: int, ends: frozenset[int], revision: int) -> bool:
        """Whether versions with this beginning and these ends hold at the revision."""
        return self._counts(since, revision) and not any(self._counts(end, revision) for end in ends)

    def _counts(self, number: int, revision: int) -> bool:
        aside = self.undone.get(number, [])
        return number <= revision and not any(since <= revision and (until is None or revision < until) for since, until in aside)
