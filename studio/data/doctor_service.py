"""What people may do with the doctor: have a dataset examined, read what was found, mend it, set it aside for a person."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.access import Actor, allows
from studio.data import examinations, revisions, store
from studio.data.bulk import MAX_TICKED, Applied, BulkSpec
from studio.data.checks import CHECKS, check_of
from studio.data.checks.base import Check, RowCheck, RowView, Spot
from studio.data.doctor import after_mend, found_in
from studio.data.doctor_job import DoctorSpec, examine_dataset
from studio.data.edits import EditService
from studio.data.examinations import Examined, Found
from studio.data.filters import Filter
from studio.data.operations import Delete, Flag, Mend
from studio.data.rows import NewRow
from studio.data.store import StoredRow
from studio.data.templates import context_of
from studio.db import Database
from studio.errors import DataError, StudioError
from studio.jobs.queue import insert_job
from studio.settings import Settings

__all__ = ["Cluster", "DoctorService", "Example", "Line", "Told"]

#: Rows changed since the examination that are looked at again, a check; of more, "left" says so.
_LOOKED_AGAIN = 5_000
_BATCH = 500
_KEPT_COUNTS = 200

#: Rows of a cluster that are shown.
_SHOWN_OF_CLUSTER = 8


@dataclass(frozen=True)
class Line:
    """What one check found. `n_left` are rows of which it still holds; `n_settled` of those the mend would change."""

    check: Check
    n_rows: int
    n_groups: int
    n_left: int
    n_settled: int
    saving: float | None = None

    @property
    def key(self) -> str:
        return self.check.key

    @property
    def share_saved(self) -> int:
        """Tokens that the mend saves, in percent of those of the rows found."""
        return round(100 * (self.saving or 0))


@dataclass(frozen=True)
class Told:
    """The newest examination of a dataset. `is_current`: the rows are those that were examined, maybe again after an undo."""

    examined: Examined
    revision: int
    is_current: bool
    lines: list[Line]
    clean: list[Check]
    not_run: dict[str, str]

    @property
    def summary(self) -> dict[str, Any]:
        return self.examined.summary


@dataclass(frozen=True)
class Example:
    """A row that was found, as it is now. `after` is what the mend would put in its place; None: a person decides."""

    row: StoredRow
    spots: Sequence[Spot]
    after: list[NewRow] | None


@dataclass(frozen=True)
class Cluster:
    """Rows that belong together; `kept_id` names the one that stays."""

    number: int
    rows: list[StoredRow]
    kept_id: int | None
    n_rows: int
    unsettled: frozenset[int] = field(default_factory=frozenset)


class DoctorService:
    def __init__(self, db: Database, settings: Settings, edits: EditService) -> None:
        self._db = db
        self._settings = settings
        self._edits = edits
        self._counting = threading.Lock()
        self._counts: OrderedDict[tuple[object, ...], tuple[int, int]] = OrderedDict()

    # 1 Examining

    @allows("dataset.write")
    def examine(self, actor: Actor, spec: DoctorSpec, *, request_id: str | None = None) -> str:
        """Queue the examination; returns the job."""
        info = store.dataset_info(self._db, spec.dataset)
        context_of(self._settings, spec.base, spec.max_seq_len)  # raises for a base that is not here
        with self._db.write() as connection:
            return insert_job(connection, spec=spec.as_dict(), name=info.name, author=actor.user_id, request_id=request_id)

    @allows("dataset.write")
    def examine_here(
        self, actor: Actor, spec: DoctorSpec, *, on_row: Callable[[int, int], None] = lambda n, total: None
    ) -> Told:
        """The same in this thread: for a shell, where somebody waits for nothing else. `on_row` as in `examine_dataset`."""
        examine_dataset(self._db, self._settings, spec, actor.user_id, on_row=on_row)
        told = self.report(actor, spec.dataset)
        assert told is not None
        return told

    # 2 Reading

    @allows("dataset.read")
    def report(self, actor: Actor, dataset_id: str) -> Told | None:
        """None for a dataset that nobody has had examined. Checks that found something come first, the most rows first."""
        info = store.dataset_info(self._db, dataset_id)
        found = examinations.newest(self._db, dataset_id)
        if found is None:
            return None
        is_current = info.content_hash == found.content_hash
        lines, clean = [], []
        not_run = found.summary["not_run"]
        for key, counts in found.summary["checks"].items():
            if key not in CHECKS:
                continue  # of a check that has gone since
            check = self._check(found, key)
            if counts["n_rows"]:
                lines.append(self._line(found, check, counts, None if info.revision == found.revision else info.revision))
            elif key not in not_run:
                clean.append(check)
        lines.sort(key=lambda line: (line.n_left == 0, -line.n_rows))
        return Told(found, info.revision, is_current, lines, clean, not_run)

    def _line(self, found: Examined, check: Check, counts: dict[str, Any], revision: int | None) -> Line:
        """`revision` where something was written since: an accepted row says the same, and is settled."""
        n_left, n_settled = counts["n_rows"], counts["n_mends"]
        if revision is not None:
            n_left, n_settled = self._left(found, check, revision)
        saving = None
        if counts["tokens_before"] and counts["tokens_after"]:  # rows that go save nothing that anybody wanted
            saving = 1 - counts["tokens_after"] / counts["tokens_before"]
        return Line(check, counts["n_rows"], counts["n_groups"], n_left, n_settled, saving)

    def _left(self, found: Examined, check: Check, revision: int) -> tuple[int, int]:
        """(rows of which the finding still holds, those of them that the mend would change), at a later revision."""
        key = (found.id, check.key, revision)
        with self._counting:
            if key not in self._counts:
                self._counts[key] = self._count_left(found, check, revision)
                if len(self._counts) > _KEPT_COUNTS:
                    self._counts.popitem(last=False)
            return self._counts[key]

    def _count_left(self, found: Examined, check: Check, revision: int) -> tuple[int, int]:
        standing = list(self._standing(found, check, revision))
        return len(standing), sum(mends for _, mends in standing)

    def _standing(self, found: Examined, check: Check, revision: int) -> Iterator[tuple[int, bool]]:
        """(row version, whether the mend would change it), of the rows of which the finding still holds."""
        its = examinations.of_check(self._db, found.id, check.key)
        alive = examinations.now_at(self._db, found.id, check.key, found.dataset_id, revision)
        for one in its:
            if one.row_id in alive and (one.kept_id is None or one.kept_id in alive):
                yield alive[one.row_id], one.mends
        if not isinstance(check, RowCheck):
            return
        changed = [one.position for one in its if one.row_id not in alive][:_LOOKED_AGAIN]
        for at in range(0, len(changed), _BATCH):
            for row in revisions.rows_at(self._db, found.dataset_id, revision, changed[at : at + _BATCH]):
                if found_in(check, RowView(row.as_new())):
                    yield row.id, check.has_mend and after_mend(check, row.as_new()) is not None

    @allows("dataset.read")
    def examples(self, actor: Actor, dataset_id: str, key: str, *, after: int = -1, limit: int = 5) -> list[Example]:
        """Rows that a check has found and that are still as it says, behind a position."""
        found, info = self._newest(dataset_id), store.dataset_info(self._db, dataset_id)
        check = self._check(found, key)
        assert isinstance(check, RowCheck)
        told: list[Example] = []
        while len(told) < limit:
            its = examinations.of_check(self._db, found.id, key, after=after, limit=4 * limit)
            if not its:
                break
            for row in revisions.rows_at(self._db, dataset_id, info.revision, [one.position for one in its]):
                spots = found_in(check, RowView(row.as_new()))
                if spots and len(told) < limit:
                    told.append(Example(row, spots, after_mend(check, row.as_new()) if check.has_mend else None))
            after = its[-1].position
        return told

    @allows("dataset.read")
    def clusters(self, actor: Actor, dataset_id: str, key: str, *, after: int = -1, limit: int = 5) -> list[Cluster]:
        """What a check that compares rows has put together and that still stands as it did, behind a group's number."""
        found, info = self._newest(dataset_id), store.dataset_info(self._db, dataset_id)
        alive = examinations.now_at(self._db, found.id, key, dataset_id, info.revision)
        its = examinations.of_check(self._db, found.id, key, after=after, by_group=True)
        told: list[Cluster] = []
        for number, members in itertools.groupby(its, key=lambda one: one.group_no):
            cluster = self._cluster(dataset_id, info.revision, int(number or 0), list(members), alive)
            if cluster is not None:
                told.append(cluster)
            if len(told) == limit:
                break
        return told

    def _cluster(
        self, dataset_id: str, revision: int, number: int, members: list[Found], alive: dict[int, int]
    ) -> Cluster | None:
        """`alive`: which version stands there now, by the one that was examined."""
        kept = members[0].kept_id
        left = [one for one in members if one.row_id in alive]
        if not left or (kept is not None and kept not in alive):
            return None
        kept_id = None if kept is None else alive[kept]
        ids = ([kept_id] if kept_id is not None else []) + [alive[one.row_id] for one in left]
        shown = {row.id: row for row in revisions.rows_by_id(self._db, dataset_id, ids[:_SHOWN_OF_CLUSTER], revision)}
        unsettled = frozenset(alive[one.row_id] for one in left if not one.mends)
        return Cluster(number, [shown[id_] for id_ in ids if id_ in shown], kept_id, len(ids), unsettled)

    @allows("dataset.read")
    def found(self, actor: Actor, dataset_id: str, key: str, *, limit: int | None = None) -> list[Found]:
        """The rows that a check has found, in their order, as they were examined."""
        return examinations.of_check(self._db, self._newest(dataset_id).id, key, limit=limit)

    @allows("dataset.read")
    def n_aside(self, actor: Actor, dataset_id: str, key: str) -> int:
        """Rows found by a check that wait in the review queue already."""
        found, info = self._newest(dataset_id), store.dataset_info(self._db, dataset_id)
        return examinations.n_aside(self._db, found.id, key, dataset_id, info.revision)

    # 3 Doing

    @allows("dataset.read")
    def mend_spec(self, actor: Actor, dataset_id: str, key: str) -> BulkSpec:
        """The mend of a check as a bulk change of the rows that it has found, to be looked at or done."""
        found = self._newest(dataset_id)
        operation = Mend(check=key, base=found.base_id, max_seq_len=found.max_seq_len)
        return BulkSpec(dataset=dataset_id, filter=Filter(finding=f"{found.id}.{key}"), operation=operation)

    @allows("dataset.write")
    def mend(self, actor: Actor, dataset_id: str, key: str, *, request_id: str) -> Applied:
        """Mend what the newest examination has found and what can be mended without a person, as one revision."""
        return self._edits.apply(actor, self.mend_spec(actor, dataset_id, key), request_id=request_id)

    @allows("dataset.write")
    def set_aside(self, actor: Actor, dataset_id: str, key: str, why: str, *, request_id: str) -> Applied:
        """Flag the rows of which the finding still holds, so that they wait in the review queue."""
        found, info = self._newest(dataset_id), store.dataset_info(self._db, dataset_id)
        ids = [row_id for row_id, _ in self._standing(found, self._check(found, key), info.revision)]
        asks = Flag(flag=why, check=key)
        if len(ids) <= MAX_TICKED:
            spec = BulkSpec(dataset=dataset_id, rows=ids, operation=asks)
        else:
            spec = BulkSpec(dataset=dataset_id, filter=Filter(finding=f"{found.id}.{key}"), operation=asks)
        return self._edits.apply(actor, spec, request_id=request_id)

    @allows("dataset.write")
    def keep(self, actor: Actor, dataset_id: str, key: str, group: int, row_id: int, *, request_id: str) -> Applied:
        """Of a cluster, keep one row and remove the others. Raises DataError for one that is not as it was examined."""
        found, info = self._newest(dataset_id), store.dataset_info(self._db, dataset_id)
        alive = examinations.now_at(self._db, found.id, key, dataset_id, info.revision)
        members = [one for one in examinations.of_check(self._db, found.id, key, by_group=True) if one.group_no == group]
        examined = {one.row_id for one in members} | {one.kept_id for one in members if one.kept_id is not None}
        ids = {alive.get(id_) for id_ in examined}
        if row_id not in ids or None in ids:
            raise DataError("error.doctor.changed", field="row")
        others = sorted(id_ for id_ in ids if id_ is not None and id_ != row_id)
        spec = BulkSpec(dataset=dataset_id, rows=others, operation=Delete())
        return self._edits.apply(actor, spec, request_id=request_id)

    # 4 Beside it

    def _newest(self, dataset_id: str) -> Examined:
        found = examinations.newest(self._db, dataset_id)
        if found is None:
            raise DataError("error.doctor.gone", field="dataset")
        return found

    def _check(self, found: Examined, key: str) -> Check:
        if key not in CHECKS:
            raise DataError("error.doctor.no_check", field="check", found=key)
        try:
            return check_of(key, context_of(self._settings, found.base_id, found.max_seq_len))
        except StudioError:  # its base has gone since: the rows stand there all the same
            return check_of(key)
