"""The revision that is being written: whose it is, how it becomes visible, and how it is taken back.

    begin ─► rows ended and made, a batch a transaction ─► commit
       └────────────────► abandon: by its own process, or, if that was killed, by whoever changes the dataset next

One at a time per dataset. Knows nothing of what is changed or why: that is `revisions`.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from studio.data.holding import holds, move
from studio.data.store import PURGING
from studio.data.tables import datasets, ended_again, revisions, rows
from studio.data.totals import Totals
from studio.db import Database
from studio.errors import DataError, NotFoundError
from studio.ids import is_id, now, time_text
from studio.jobs.queue import ENDED
from studio.jobs.tables import jobs
from studio.settings import Settings

__all__ = ["Pending", "abandon", "alone", "begin", "commit", "totals_of"]

#: Rows that a transaction takes back: of 1 kB each, about 15 ms (CONTRACTS 3: at most 100 ms).
_BATCH = 400

#: How long a change waits for the one before it. A saved row takes milliseconds; what takes longer is a bulk change.
_WAIT_S = 2.0

#: A pending revision that neither a lock of this host nor a living job explains is nobody's after this long.
_FOREIGN = timedelta(minutes=10)


@dataclass
class Pending:
    """The revision that is being written, and what it is written upon. `moves_test`: rows of the test set change with it."""

    number: int
    base: int
    base_hash: str
    totals: Totals
    is_locked: bool
    moves_test: bool = False

    def touch_test(self) -> None:
        """Raises DataError where the test set is locked."""
        if self.is_locked:
            raise DataError("error.data.locked_test", field="split")
        self.moves_test = True


@contextlib.contextmanager
def alone(settings: Settings, dataset_id: str) -> Iterator[IO[str]]:
    """The dataset's lock on this host, held as long as a change and its process live. The file names the pending revision.

    Raises DataError where another change holds it for longer than a saved row takes.
    """
    if not is_id(dataset_id, "ds"):
        raise NotFoundError("error.data.unknown_dataset", dataset=dataset_id)
    deadline = time.monotonic() + _WAIT_S
    with (settings.folder("tmp") / f"edit-{dataset_id}.lock").open("a+") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DataError("error.data.busy", field="dataset") from None
                time.sleep(0.02)
        yield lock


def _note(lock: IO[str], words: str) -> None:
    lock.truncate(0)
    lock.write(words)
    lock.flush()


def _mark(number: int, begun: datetime) -> str:
    """Names a pending revision for good: numbers of what wrote nothing are given again."""
    return f"{number} {time_text(begun)}"


def begin(db: Database, lock: IO[str], dataset_id: str, values: dict[str, Any]) -> Pending:
    """Open the next revision upon the newest one. Raises DataError where one is being written from another host."""
    _clear(db, lock, dataset_id, values["job_id"])
    mine = revisions.c.dataset_id == dataset_id
    base_query = sa.select(revisions.c.number, revisions.c.state_of, revisions.c.content_hash).where(
        mine, revisions.c.state == "committed"
    )
    with db.write() as connection:
        base = connection.execute(base_query.order_by(revisions.c.number.desc()).limit(1)).first()
        if base is None:
            raise NotFoundError("error.data.unknown_dataset", dataset=dataset_id)
        if connection.execute(sa.select(revisions.c.number).where(mine, revisions.c.state == "pending")).first():
            raise DataError("error.data.busy", field="dataset")
        number = 1 + connection.execute(sa.select(sa.func.max(revisions.c.number)).where(mine)).scalar_one()
        whole = {"dataset_id": dataset_id, "number": number, "state": "pending", "created_at": (begun := now())}
        states = {"state_of": number, "parent": base.state_of}
        connection.execute(revisions.insert().values(**states | whole | values))
        _note(lock, _mark(number, begun))  # before the commit: whoever is killed after it has said whose the revision is
    with db.read() as connection:
        is_locked = connection.execute(sa.select(datasets.c.locked_at).where(datasets.c.id == dataset_id)).scalar() is not None
        totals = totals_of(connection, dataset_id, base.number)
    return Pending(number, base.number, base.content_hash, totals, is_locked)


def _clear(db: Database, lock: IO[str], dataset_id: str, job_id: str | None) -> None:
    """Take back what a killed change left; whoever holds the lock knows that nobody writes it any more on this host.

    A job takes back what its own earlier attempt wrote, on whatever host that was.
    """
    at_work = sa.exists().where(jobs.c.id == revisions.c.job_id, jobs.c.state.not_in(ENDED))
    query = sa.select(revisions.c.number, revisions.c.created_at, revisions.c.job_id, at_work.label("at_work")).where(
        revisions.c.dataset_id == dataset_id, revisions.c.state == "pending", revisions.c.number > 1
    )
    with db.read() as connection:
        left = connection.execute(query).all()
    lock.seek(0)
    ours = lock.read().strip()
    for row in left:
        is_old = now() - row.created_at > _FOREIGN and not row.at_work
        if _mark(row.number, row.created_at) == ours or is_old or (job_id is not None and row.job_id == job_id):
            abandon(db, dataset_id, row.number)


def abandon(db: Database, dataset_id: str, number: int) -> None:
    """Take back a pending revision: rows that it made go, rows that it ended hold on. One that wrote nothing is forgotten."""
    made = sa.select(rows.c.id).where(rows.c.dataset_id == dataset_id, rows.c.since == number).limit(_BATCH)
    ended = sa.select(rows.c.id).where(rows.c.dataset_id == dataset_id, rows.c.until == number).limit(_BATCH)
    again = sa.select(ended_again.c.row_id).where(ended_again.c.dataset_id == dataset_id, ended_again.c.number == number)
    total = 0
    for statement in (
        rows.delete().where(rows.c.id.in_(made)),
        rows.update().where(rows.c.id.in_(ended)).values(until=None),
        ended_again.delete().where(ended_again.c.number == number, ended_again.c.row_id.in_(again.limit(_BATCH))),
    ):
        count = 1
        while count:
            with db.write() as connection:  # a batch a transaction, so that nobody waits for a large one
                count = connection.execute(statement).rowcount
            total += count
    this = sa.and_(revisions.c.dataset_id == dataset_id, revisions.c.number == number, revisions.c.state == "pending")
    with db.write() as connection:
        end = revisions.update().values(state="abandoned") if total else revisions.delete()
        connection.execute(end.where(this))


def commit(
    db: Database, dataset_id: str, pending: Pending, changes: dict[str, int], *, target: int | None = None, **values: Any
) -> None:
    """The one update that makes it all visible. With a `target`, a revision, the rows of that one hold from now on.

    Raises DataError where the rows below were purged meanwhile, or locked.
    """
    mine = revisions.c.dataset_id == dataset_id
    base = sa.select(revisions.c.report, revisions.c.content_hash).where(mine, revisions.c.number == pending.base)
    whole = pending.totals.as_values() | {"state": "committed", "committed_at": now(), "changes": changes}
    with db.write() as connection:
        below = connection.execute(base).one()
        if below.content_hash != pending.base_hash:
            raise DataError("error.data.busy", field="dataset")
        if pending.moves_test:
            locked_at = connection.execute(sa.select(datasets.c.locked_at).where(datasets.c.id == dataset_id)).scalar()
            pending.is_locked = locked_at is not None
            pending.touch_test()
        whole["report"] = below.report  # of the import: it belongs to the dataset's page
        this = sa.and_(mine, revisions.c.number == pending.number, revisions.c.state == "pending")
        if connection.execute(revisions.update().where(this).values(**whole | values)).rowcount == 0:
            raise DataError("error.data.busy", field="dataset")  # taken for dead and taken back
        if target is not None:
            move(connection, dataset_id, pending.number, base=pending.base, target=target)


def totals_of(connection: Connection, dataset_id: str, number: int) -> Totals:
    """Of a committed revision; read from its rows where it was made before sums were kept, or has lost rows to a purge."""
    this = sa.and_(revisions.c.dataset_id == dataset_id, revisions.c.number == number)
    kept = connection.execute(sa.select(revisions.c.row_sum, revisions.c.counts, revisions.c.content_hash).where(this)).one()
    if kept.row_sum is not None and not kept.content_hash.startswith(PURGING):
        return Totals(int(kept.row_sum, 16), Counter(kept.counts))
    totals = Totals()
    query = sa.select(rows.c.position, rows.c.content_hash, rows.c.split).where(holds(dataset_id, number))
    for position, content_hash, split in connection.execute(query):
        totals.add(position, content_hash, split)
    return totals
