"""One operation for many rows: what it would do, and doing it, in a request's thread or as the job `bulk_edit`.

What an operation does to a row stands in `operations`. Start at `preview_bulk` and `apply_bulk`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from pydantic import Field

from studio.data import examinations, find, revisions, store
from studio.data.filters import Filter
from studio.data.holding import holds
from studio.data.operations import Mend, Merge, Operation
from studio.data.revisions import Editor, checked, moves_test
from studio.data.rows import NewRow
from studio.data.store import DatasetInfo, StoredRow
from studio.data.tables import revisions as revision_table
from studio.data.tables import rows
from studio.db import Database
from studio.errors import DataError
from studio.jobs.context import JobContext
from studio.jobs.spec import Spec
from studio.jobs.spec import checked as checked_spec
from studio.settings import Settings

__all__ = ["MAX_TICKED", "Applied", "BulkPreview", "BulkSpec", "apply_bulk", "is_small", "preview_bulk", "run_bulk_edit"]

#: Up to so many rows are changed in the request's thread: about 2 s; more by a job (CONTRACTS 4).
_SMALL = 10_000
#: Rows of a dataset that others are merged into in the request's thread: each is compared with.
_SMALL_TARGET = 100_000
#: So long a request looks how many rows there are; what cannot be counted in it is not small.
_COUNT_S = 1.0

_PREVIEW_S = 2.0
_EXAMPLES = 20
_PAGE = 200

#: Rows ticked by hand.
MAX_TICKED = 10_000

#: Revisions in which a request that comes again is looked for.
_REMEMBERED = 100

#: Pause of a job whose dataset somebody else is changing; the change itself waits some seconds each time.
_AGAIN_S = 0.5

#: Why a row is left as it is, by what it would be refused for. The messages have the parameter {n}.
_REFUSED = {
    "error.data.unreviewed": "data.bulk.refused.unreviewed",
    "error.data.empty_question": "data.bulk.refused.empty_question",
    "error.data.empty_answer": "data.bulk.refused.empty_answer",
    "error.data.empty_text": "data.bulk.refused.empty_text",
    "error.data.same_answers": "data.bulk.refused.same_answers",
    "error.data.same_options": "data.bulk.refused.same_options",
}
_NO_ROOM = "data.bulk.refused.no_room"
_CHANGED = "data.bulk.refused.changed"
_DUPLICATE = "data.bulk.refused.duplicate"
_LOCKED = "data.bulk.refused.locked"


class BulkSpec(Spec):
    """One operation for the rows that fit the filter, or for those ticked by hand: `rows` are ids of row versions."""

    kind: str = "bulk_edit"
    dataset: str
    filter: Filter = Field(default_factory=Filter)
    rows: list[int] | None = Field(None, max_length=MAX_TICKED)
    message: str = ""
    operation: Operation


@dataclass(frozen=True)
class BulkPreview:
    """What an operation would do. Without `is_exact` the counts are of the rows looked at in time: "at least".

    `refused` counts rows that would be left as they are, by message key; those of a locked test set are among them.
    `examples` are the first rows that would change, with what would stand in their place (the first part of one that is cut;
    None for one that goes).
    """

    n_matching: int = 0
    is_exact: bool = True
    n_changed: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    examples: list[tuple[StoredRow, NewRow | None]] = field(default_factory=list)


@dataclass(frozen=True)
class Applied:
    """The revision that was made (None: nothing changed), or the job that makes it. `refused` as in `BulkPreview`."""

    dataset_id: str
    revision: int | None = None
    job_id: str | None = None
    changes: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)


def is_small(db: Database, settings: Settings, spec: BulkSpec, info: DatasetInfo) -> bool:
    """Whether a request's thread may do it."""
    if isinstance(spec.operation, Merge):
        n_rows = sum(other.n_rows for other in _others(db, spec))
        return n_rows <= _SMALL and info.n_rows <= _SMALL_TARGET
    if spec.rows is not None or info.n_rows <= _SMALL:
        return True
    n, is_exact = find.count(db, settings, info.id, info.revision, spec.filter, _COUNT_S)
    return n <= _SMALL and is_exact


def _others(db: Database, spec: BulkSpec) -> list[DatasetInfo]:
    """Raises DataError for a dataset that is merged into itself, NotFoundError for one that is not there."""
    assert isinstance(spec.operation, Merge)
    if spec.dataset in spec.operation.datasets:
        raise DataError("error.data.merged_into_itself", field="datasets")
    return [store.dataset_info(db, dataset_id) for dataset_id in dict.fromkeys(spec.operation.datasets)]


# --- one row ----------------------------------------------------------------------------------------------------------


def _after(operate: Callable[[StoredRow], list[NewRow]], old: StoredRow) -> tuple[list[NewRow], str]:
    """What stands in the place of a row, and why it is left as it is, or "". Raises DataError for what no row could bear."""
    before = old.as_new()
    new = operate(old)
    if new == [before]:
        return new, ""
    try:
        for row in new:
            checked(row)
    except DataError as error:
        if error.key not in _REFUSED:
            raise
        return [before], _REFUSED[error.key]
    return new, ""


def _settled(db: Database, spec: BulkSpec, revision: int) -> set[int] | None:
    """The row versions that a mend may touch whose check compares rows; None for any other operation: all."""
    if not isinstance(spec.operation, Mend) or not spec.operation.compares_rows:
        return None
    if not (spec.filter.finding or "").endswith(f".{spec.operation.check}"):
        raise DataError("error.doctor.not_examined", field="finding", check=spec.operation.check)
    return examinations.settled(db, spec.filter.finding or "", spec.dataset, revision)


def _positions(db: Database, dataset_id: str, revision: int, position: int, n: int) -> list[int]:
    """`n` free positions between a row and the next one, evenly; [] where there is no room for as many."""
    later = sa.select(rows.c.position).where(holds(dataset_id, revision), rows.c.position > position)
    with db.read() as connection:
        following = connection.execute(later.order_by(rows.c.position).limit(1)).scalar()
    step = store.GAP if following is None else (following - position) // (n + 1)
    return [position + step * at for at in range(1, n + 1)] if step else []


# --- looking ----------------------------------------------------------------------------------------------------------


def preview_bulk(db: Database, settings: Settings, spec: BulkSpec) -> BulkPreview:
    """Counts and examples, within about two seconds; a merge reads all of what it compares."""
    info = store.dataset_info(db, spec.dataset)
    if isinstance(spec.operation, Merge):
        return _preview_merge(db, spec, info)
    n_matching = n_changed = 0
    refused: Counter[str] = Counter()
    examples: list[tuple[StoredRow, NewRow | None]] = []
    is_exact = True
    deadline = time.monotonic() + _PREVIEW_S
    operate = spec.operation.ready(settings)
    concerned = _settled(db, spec, info.revision)
    for old in _first(db, settings, spec, info, deadline):
        if old is None:
            is_exact = False
            break
        n_matching += 1
        if concerned is not None and old.id not in concerned:
            continue
        new, why = _after(operate, old)
        if not why and len(new) > 1:
            why = "" if _positions(db, info.id, info.revision, old.position, len(new) - 1) else _NO_ROOM
        if not why and info.locked_at is not None and moves_test(old, new):
            why = _LOCKED
        if why:
            refused[why] += 1
        elif new != [old.as_new()]:
            n_changed += 1
            if len(examples) < _EXAMPLES:
                examples.append((old, new[0] if new else None))
    if spec.rows is not None and is_exact and (n_stale := len(set(spec.rows)) - n_matching):
        refused[_CHANGED] = n_stale
    if not is_exact:
        counted, _ = find.count(db, settings, info.id, info.revision, spec.filter, _COUNT_S)
        n_matching = max(n_matching, counted)
    return BulkPreview(n_matching, is_exact, n_changed, dict(refused), examples)


def _first(
    db: Database, settings: Settings, spec: BulkSpec, info: DatasetInfo, deadline: float
) -> Iterator[StoredRow | None]:
    """The rows concerned, in order; None when the time was over before the last."""
    if spec.rows is not None:
        yield from revisions.rows_by_id(db, info.id, spec.rows, info.revision)
        return
    after: str | None = None
    while True:
        page = find.page(db, settings, info, spec.filter, after=after, limit=_PAGE, revision=info.revision)
        yield from page.rows
        if page.next is None:
            return
        if time.monotonic() > deadline:
            yield None
            return
        after = page.next


def _preview_merge(db: Database, spec: BulkSpec, info: DatasetInfo) -> BulkPreview:
    others = _others(db, spec)
    known = _hashes(db, info.id, info.revision)
    examples: list[tuple[StoredRow, NewRow | None]] = []
    n_changed = 0
    refused: Counter[str] = Counter()
    for old, new in _merged(db, others, known):
        if new is None or (info.locked_at is not None and new.split == "test"):
            refused[_DUPLICATE if new is None else _LOCKED] += 1
            continue
        n_changed += 1
        if len(examples) < _EXAMPLES:
            examples.append((old, new))
    return BulkPreview(sum(other.n_rows for other in others), True, n_changed, dict(refused), examples)


# --- doing ------------------------------------------------------------------------------------------------------------


def apply_bulk(
    db: Database,
    settings: Settings,
    spec: BulkSpec,
    author: str,
    *,
    job_id: str | None = None,
    request_id: str | None = None,
    on_row: Callable[[int], None] = lambda n_rows: None,
) -> Applied:
    """One revision with the operation done to every row concerned; the same request or job again finds what it has made.

    Raises DataError as `revisions.Editor` does, and for a pattern that takes too long; then nothing has changed.
    """
    key, params = spec.operation.summary()
    options: dict[str, Any] = {"author": author, "action": spec.operation.do, "message": spec.message, "job_id": job_id}
    refused: Counter[str] = Counter()
    with Editor(db, settings, spec.dataset, **options) as edit:
        if (made := _made(db, spec.dataset, job_id, request_id)) is not None:
            return made
        if isinstance(spec.operation, Merge):
            params["datasets"] = _merge(db, spec, edit, refused, on_row)
        else:
            _change(db, settings, spec, edit, refused, on_row)
        n = edit.changes["added"] if isinstance(spec.operation, Merge) else edit.changes["changed"] + edit.changes["removed"]
        told = {"request": request_id} if request_id else {}
        edit.summary = {"key": key, "params": params | {"n": n}, "refused": dict(refused)} | told
    return Applied(spec.dataset, edit.revision, None, edit.changes, dict(refused))


def _made(db: Database, dataset_id: str, job_id: str | None, request_id: str | None) -> Applied | None:
    """What this request or job did before: it came twice, or was killed before it could tell."""
    columns = (revision_table.c[name] for name in ("number", "job_id", "summary", "changes"))
    query = sa.select(*columns).where(revision_table.c.dataset_id == dataset_id, revision_table.c.state == "committed")
    with db.read() as connection:
        for row in connection.execute(query.order_by(revision_table.c.number.desc()).limit(_REMEMBERED)):
            summary = row.summary or {}
            if (job_id is not None and row.job_id == job_id) or (request_id and summary.get("request") == request_id):
                return Applied(dataset_id, row.number, None, row.changes, summary.get("refused", {}))
    return None


def _change(
    db: Database, settings: Settings, spec: BulkSpec, edit: Editor, refused: Counter[str], on_row: Callable[[int], None]
) -> None:
    if spec.rows is None:
        concerned = find.matching(db, settings, spec.dataset, edit.base, spec.filter)
    else:
        ticked = revisions.rows_by_id(db, spec.dataset, spec.rows, edit.base)
        if n_stale := len(set(spec.rows)) - len(ticked):
            refused[_CHANGED] = n_stale
        concerned = iter(ticked)
    operate = spec.operation.ready(settings)
    settled = _settled(db, spec, edit.base)
    for n, old in enumerate(concerned, start=1):
        on_row(n)
        if settled is not None and old.id not in settled:
            continue
        new, why = _after(operate, old)
        places = _positions(db, spec.dataset, edit.base, old.position, len(new) - 1) if len(new) > 1 else []
        if not why and len(new) > len(places) + 1:
            why = _NO_ROOM
        if not why and edit.is_locked and moves_test(old, new):
            why = _LOCKED
        if why:
            refused[why] += 1
        elif not new:
            edit.remove(old)
        else:
            edit.replace(old, new[0])
            for row, position in zip(new[1:], places, strict=True):
                edit.add(row, position)


def _merge(db: Database, spec: BulkSpec, edit: Editor, refused: Counter[str], on_row: Callable[[int], None]) -> str:
    others = _others(db, spec)
    known = _hashes(db, spec.dataset, edit.base)
    for n, (_, new) in enumerate(_merged(db, others, known), start=1):
        on_row(n)
        if new is None or (edit.is_locked and new.split == "test"):
            refused[_DUPLICATE if new is None else _LOCKED] += 1
        else:
            edit.add(new)
    return ", ".join(other.name for other in others)[:60]


def _hashes(db: Database, dataset_id: str, revision: int) -> set[bytes]:
    """Of the contents that a revision holds: about 100 bytes of memory a row."""
    with db.read() as connection:
        found = connection.execute(sa.select(rows.c.content_hash).where(holds(dataset_id, revision)))
        return {bytes.fromhex(value) for value in found.scalars()}


def _merged(db: Database, others: list[DatasetInfo], known: set[bytes]) -> Iterator[tuple[StoredRow, NewRow | None]]:
    """Rows of other datasets as they will be here, with the dataset that they first came from; None for what is known."""
    for other in others:
        for old in store.iter_rows(db, other.id, other.revision):
            digest = bytes.fromhex(old.content_hash)
            if digest in known:
                yield old, None
                continue
            known.add(digest)
            origin = {"dataset": other.name, "dataset_id": other.id} | (old.origin or {})
            yield old, replace(old.as_new(), origin=origin)


def run_bulk_edit(context: JobContext) -> dict[str, Any]:
    """The job `bulk_edit`. One that was stopped or killed leaves the revision before it whole, and can begin again."""
    spec = checked_spec(BulkSpec, context.spec)
    db, settings = context.db, context.settings
    info = store.dataset_info(db, spec.dataset)
    context.phase("editing")
    if isinstance(spec.operation, Merge):
        total = sum(other.n_rows for other in _others(db, spec))
    else:
        total, _ = find.count(db, settings, info.id, info.revision, spec.filter, _COUNT_S)
    began = time.monotonic()

    def on_row(n_rows: int) -> None:
        context.check_stop()
        if n_rows % 500 == 0:
            expected = max(total, n_rows)
            context.progress(n_rows, expected, "rows", eta_s=(time.monotonic() - began) / n_rows * (expected - n_rows))

    while True:
        try:
            made = apply_bulk(db, settings, spec, context.author, job_id=context.job_id, on_row=on_row)
        except DataError as error:
            if error.key != "error.data.busy":
                raise
            context.stop.wait(_AGAIN_S)
            context.check_stop()
        else:
            return {"dataset_id": spec.dataset, "revision": made.revision, "changes": made.changes, "refused": made.refused}
