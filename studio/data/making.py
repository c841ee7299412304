"""Datasets while they are made, by an import or a mix: held by a lock, made once per wish, taken back when they were killed."""

from __future__ import annotations

import contextlib
import fcntl
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from studio.data import store
from studio.data.tables import datasets, revisions
from studio.db import Database
from studio.ids import now
from studio.jobs.context import JobContext
from studio.jobs.queue import ENDED
from studio.jobs.tables import jobs
from studio.settings import Settings

__all__ = ["Once", "held", "made_before", "sweep"]

#: An unfinished dataset without a lock on this host is nobody's after this long.
_FOREIGN = timedelta(minutes=10)

#: Job kinds that make datasets.
_KINDS = ("import", "mix")


class Once:
    """Makes one dataset per wish. A double click arrives as two threads of this process: the second finds what the first has
    made.
    """

    def __init__(self) -> None:
        self._making = threading.Lock()
        self._made: dict[str, str] = {}

    def __call__(self, request_id: str | None, make: Callable[[], str]) -> str:
        with self._making:
            if request_id is None:
                return make()
            if request_id not in self._made:
                self._made[request_id] = make()
            return self._made[request_id]


def made_before(context: JobContext) -> str | None:
    """The dataset that an earlier attempt of this job made whole, killed between the last row and the result. A half one is
    taken back.
    """
    earlier = store.dataset_of_job(context.db, context.job_id)
    if earlier is None:
        return None
    dataset_id, whole = earlier
    if not whole:
        store.discard_dataset(context.db, dataset_id)
        return None
    return dataset_id


@contextlib.contextmanager
def held(settings: Settings, dataset_id: str) -> Iterator[None]:
    """A lock that lasts as long as the import and its process: free again and still there, it says that it was killed."""
    path = _lock_path(settings, dataset_id)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink()


def _lock_path(settings: Settings, dataset_id: str) -> Path:
    return settings.folder("tmp") / f"import-{dataset_id}.lock"


def sweep(db: Database, settings: Settings) -> int:
    """Take back datasets whose first import was killed, so that their names are free; returns how many.

    Leaves alone what an import still writes, in a job or in some process's thread, on this host or another one.
    """
    whole = sa.select(revisions.c.dataset_id).where(revisions.c.state == "committed")
    at_work = sa.select(jobs.c.id).where(jobs.c.kind.in_(_KINDS), jobs.c.state.not_in(ENDED))
    left = sa.select(datasets.c.id, datasets.c.created_at).where(
        datasets.c.id.not_in(whole), sa.or_(datasets.c.job_id.is_(None), datasets.c.job_id.not_in(at_work))
    )
    with db.read() as connection:
        found = connection.execute(left).all()
    gone = [row.id for row in found if _was_killed(settings, row.id, row.created_at)]
    for dataset_id in gone:
        store.discard_dataset(db, dataset_id)
        _lock_path(settings, dataset_id).unlink(missing_ok=True)
    return len(gone)


def _was_killed(settings: Settings, dataset_id: str, created_at: datetime) -> bool:
    try:
        with _lock_path(settings, dataset_id).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return now() - created_at > _FOREIGN  # made on another host: its lock is not to be seen from here
