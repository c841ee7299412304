"""The import: from a staged file to revision 1 of a new dataset. The same function serves the request's thread and the job."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import Field

from studio.data import store
from studio.data.importer import Inspection, Refused, inspect_file, read_rows
from studio.data.rows import NewRow, prompt_hash
from studio.data.split import SplitRule, split_rule
from studio.data.tables import datasets, revisions
from studio.db import Database
from studio.errors import DataError
from studio.ids import new_id, now
from studio.jobs.context import JobContext
from studio.jobs.queue import ENDED
from studio.jobs.spec import Spec, checked
from studio.jobs.tables import jobs
from studio.settings import Settings

__all__ = ["ImportSpec", "import_rows", "run_import", "sweep"]

_KEPT_REFUSALS = 50

#: An unfinished dataset without a lock on this host is nobody's after this long.
_FOREIGN = timedelta(minutes=10)


class ImportSpec(Spec):
    """From a staged upload to a dataset. Shares count only when the file itself names no split."""

    kind: str = "import"
    upload: str = Field(pattern="^[0-9a-f]{64}$", description="sha256 of the uploaded file")
    file_name: str
    dataset_name: str
    note: str = ""
    mapping: dict[str, str | None] | None = None
    validation_share: float = Field(0.1, ge=0, lt=0.5)
    test_share: float = Field(0.1, ge=0, lt=0.5)
    seed: int = 42


class _Refusals:
    """Counts every refused row and keeps the first ones."""

    def __init__(self) -> None:
        self.by_key: Counter[str] = Counter()
        self.kept: list[Refused] = []

    def add(self, row: Refused) -> None:
        self.by_key[row.key] += 1
        if len(self.kept) < _KEPT_REFUSALS:
            self.kept.append(row)


def import_rows(
    db: Database,
    settings: Settings,
    spec: ImportSpec,
    author: str,
    *,
    job_id: str | None = None,
    on_row: Callable[[int], None] = lambda n_rows: None,
) -> str:
    """Write the good rows of a staged file as revision 1 of a new dataset; what was refused is kept in its report.

    Returns the dataset's id. Raises DataError, and leaves no dataset behind, when the file cannot be read or holds no
    good row. A killed one leaves a dataset that nobody sees; `sweep` takes it back.
    """
    path = settings.folder("uploads") / spec.upload
    look = inspect_file(path, spec.file_name, mapping=spec.mapping)
    if look.n_good == 0:
        raise DataError("error.data.no_good_rows", name=spec.file_name, refused=look.n_refused)
    rule = None if look.splits else _rule(path, spec)
    dataset_id = new_id("ds")
    with _held(settings, dataset_id):
        with db.write() as connection:
            store.create_dataset(
                connection, spec.dataset_name, author, spec.note, dataset_id=dataset_id, job_id=job_id
            )
            summary = {"key": "data.revision.import", "params": {"files": spec.file_name}}
            store.open_first_revision(connection, dataset_id, author, summary)
        refusals = _Refusals()
        try:
            good = _good_rows(path, spec, rule, refusals, on_row)
            totals = store.write_rows(db, dataset_id, good, author)
            store.commit_first_revision(db, dataset_id, totals, _report(spec, look, totals.counts.total(), refusals))
        except BaseException:
            store.discard_dataset(db, dataset_id)
            raise
    return dataset_id


@contextlib.contextmanager
def _held(settings: Settings, dataset_id: str) -> Iterator[None]:
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
    at_work = sa.select(jobs.c.id).where(jobs.c.kind == "import", jobs.c.state.not_in(ENDED))
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


def _rule(path: Path, spec: ImportSpec) -> SplitRule:
    prompts = (
        prompt_hash(row.kind, row.content)
        for row in read_rows(path, spec.file_name, mapping=spec.mapping)
        if isinstance(row, NewRow)
    )
    return split_rule(
        prompts, validation_share=spec.validation_share, test_share=spec.test_share, seed=spec.seed
    )


def _good_rows(
    path: Path, spec: ImportSpec, rule: SplitRule | None, refusals: _Refusals, on_row: Callable[[int], None]
) -> Iterator[NewRow]:
    for number, row in enumerate(read_rows(path, spec.file_name, mapping=spec.mapping), start=1):
        on_row(number)
        if isinstance(row, Refused):
            refusals.add(row)
        elif row.split is None:
            split = "train" if rule is None else rule.split_of(prompt_hash(row.kind, row.content))
            yield dataclasses.replace(row, split=split)
        else:
            yield row


def _report(spec: ImportSpec, look: Inspection, n_good: int, refusals: _Refusals) -> dict[str, Any]:
    return {
        "file": spec.file_name,
        "upload": spec.upload,
        "format": look.file_format,
        "encoding": look.encoding,
        "shape": look.shape,
        "n_good": n_good,
        "n_refused": refusals.by_key.total(),
        "refused_by_key": dict(refusals.by_key),
        "refused": [dataclasses.asdict(row) for row in refusals.kept],
    }


def run_import(context: JobContext) -> dict[str, Any]:
    """The job `import`, for files too large for a request's thread. A later attempt goes on with nothing half."""
    spec = checked(ImportSpec, context.spec)
    if (earlier := store.dataset_of_job(context.db, context.job_id)) is not None:
        dataset_id, whole = earlier
        if whole:  # killed between the last row and the result
            return {"dataset_id": dataset_id}
        store.discard_dataset(context.db, dataset_id)
    context.phase("importing")

    def on_row(n_rows: int) -> None:
        context.check_stop()
        if n_rows % 1000 == 0:
            context.progress(n_rows, 0, "rows")

    dataset_id = import_rows(
        context.db, context.settings, spec, context.author, job_id=context.job_id, on_row=on_row
    )
    return {"dataset_id": dataset_id}
