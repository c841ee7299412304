"""Train, validation and test: groups of rows drawn to one side, and test sets that are locked. Start at `SplitService`.

    rows ─► 1 the group of each row ─► 2 counted ─► 3 a rule that holds out the asked share of groups ─► 4 a revision

A group is drawn as a whole, so what belongs together never stands on both sides.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import Field

from studio.access import Actor, allows
from studio.data import locks, store
from studio.data.light_rows import light_rows
from studio.data.near_duplicates import asked, merged_prompts
from studio.data.review import are_drafts, is_draft
from studio.data.revisions import Editor
from studio.data.rows import SPLITS
from studio.data.split import SplitRule, drawn, rule_of_draws, streamed_rule
from studio.data.tables import revisions
from studio.db import Database
from studio.errors import DataError
from studio.jobs.context import JobContext
from studio.jobs.queue import insert_job
from studio.jobs.spec import Spec, checked
from studio.settings import Settings

__all__ = ["Assigned", "By", "SplitPreview", "SplitService", "SplitSpec", "run_split"]

By = Literal["prompt", "group", "near_duplicate", "row"]

#: Up to so many rows are assigned in the request's thread; more by a job (CONTRACTS 4).
SMALL_ROWS = 10_000

#: Up to so many groups exactly the asked share is held out. More are drawn each by itself, which comes within a fraction of a
#: percent and needs no list of them.
_EXACT_GROUPS = 200_000

#: A preview compares so many prompts with each other, so that a page need not wait for all.
_PREVIEWED_PROMPTS = 10_000

#: A preview says so when one group holds more than this share of the rows.
_LARGE_SHARE = 0.25


class SplitSpec(Spec):
    """How a dataset's rows are put on their sides.

    `validation_share` and `test_share` are shares of groups. `by` says what stays together: rows with the same `prompt`; rows
    with the same value of a `group` column (`column` names one of `extra`; without it the row's own `group_key`), where rows
    without a value stay together by prompt; prompts that are `near_duplicate`s; nothing (`row`). With `keep`, rows that have a
    split keep it, and others of their groups follow them.
    """

    kind: str = "split"
    dataset: str
    validation_share: float = Field(0.1, ge=0, lt=0.5)
    test_share: float = Field(0.1, ge=0, lt=0.5)
    by: By = "prompt"
    column: str | None = None
    seed: int = Field(42, ge=0, lt=2**63)
    keep: bool = False


@dataclass(frozen=True)
class SplitPreview:
    """Rows by split before and after ("none" without one). `n_groups` and `largest_group` are None for more groups than are
    counted. `warnings` are {key, params} as the catalogue knows them.
    """

    before: dict[str, int]
    after: dict[str, int]
    n_changed: int
    n_groups: int | None
    largest_group: int | None
    warnings: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Assigned:
    """What came of it: the new revision (None where every row stands where it stood), or the job that makes it."""

    revision: int | None = None
    job_id: str | None = None
    changes: dict[str, int] = field(default_factory=dict)


class SplitService:
    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._assigning = threading.Lock()

    @allows("dataset.read")
    def preview(self, actor: Actor, spec: SplitSpec) -> SplitPreview:
        """What `assign` would do. Of near duplicates only the first prompts are compared, and a warning says so."""
        info = store.dataset_info(self._db, spec.dataset)
        plan = _plan(self._db, info, spec, limit=_PREVIEWED_PROMPTS)
        after: Counter[str] = Counter()
        n_changed = 0
        for row in _light_rows(self._db, info, spec):
            split = plan.split_of(row)
            after[split] += 1
            if split != row.split:
                n_changed += 1
                if plan.is_locked and "test" in (split, row.split):
                    raise DataError("error.data.locked_test", field="split")
        n_drafts = info.n_rows - after.total()
        if n_drafts:
            after["none"] += n_drafts
        warnings = _warnings(plan, after, n_drafts)
        return SplitPreview(info.counts, dict(after), n_changed, plan.n_groups, plan.largest_group, warnings)

    @allows("dataset.write")
    def assign(self, actor: Actor, spec: SplitSpec, *, request_id: str | None = None) -> Assigned:
        """Give every row its split, as one revision: at once when there are few rows, as a job otherwise. Rows that stand right
        are not written, so doing it twice is doing it once.
        """
        info = store.dataset_info(self._db, spec.dataset)
        if info.n_rows <= SMALL_ROWS:
            with self._assigning:  # a double click comes in two threads
                return _assign(self._db, self._settings, spec, actor.user_id)
        with self._db.write() as connection:
            job = insert_job(connection, spec=spec.as_dict(), name=info.name, author=actor.user_id, request_id=request_id)
        return Assigned(job_id=job)

    @allows("dataset.lock")
    def lock(self, actor: Actor, dataset_id: str) -> store.DatasetInfo:
        """Lock the test rows as they are now: they do not change, and what they ask is trained on in no dataset."""
        locks.lock_test_rows(self._db, self._settings, dataset_id, actor.user_id)
        return store.dataset_info(self._db, dataset_id)

    @allows("dataset.lock")
    def unlock(self, actor: Actor, dataset_id: str) -> store.DatasetInfo:
        store.dataset_info(self._db, dataset_id)  # raises for one that is not there
        locks.unlock_test_rows(self._db, dataset_id)
        return store.dataset_info(self._db, dataset_id)


def run_split(context: JobContext) -> dict[str, Any]:
    """The job `split`, for datasets too large for a request's thread. A later attempt begins again: nothing half is left."""
    spec = checked(SplitSpec, context.spec)
    if (made := _made_by(context.db, spec.dataset, context.job_id)) is not None:
        return made  # killed between the last row and the result
    total = 2 * store.dataset_info(context.db, spec.dataset).n_rows

    def on_row(n_rows: int) -> None:
        context.check_stop()
        if n_rows % 1_000 == 0:
            context.progress(n_rows, total, "rows")

    context.phase("splitting")
    done = _assign(context.db, context.settings, spec, context.author, job_id=context.job_id, on_row=on_row)
    return {"revision": done.revision, "changes": done.changes}


def _made_by(db: Database, dataset_id: str, job_id: str) -> dict[str, Any] | None:
    query = sa.select(revisions.c.number, revisions.c.changes).where(revisions.c.dataset_id == dataset_id)
    with db.read() as connection:
        row = connection.execute(query.where(revisions.c.job_id == job_id, revisions.c.state == "committed")).first()
    return None if row is None else {"revision": row.number, "changes": row.changes}


def _assign(
    db: Database,
    settings: Settings,
    spec: SplitSpec,
    author: str,
    *,
    job_id: str | None = None,
    on_row: Callable[[int], None] = lambda n_rows: None,
) -> Assigned:
    """`on_row` hears of every row twice: when it is counted and when it is assigned."""
    summary = {"key": f"data.revision.split_{spec.by}", "params": _shown_shares(spec)}
    with Editor(db, settings, spec.dataset, author=author, action="split", summary=summary, job_id=job_id) as edit:
        info = store.dataset_info(db, spec.dataset)  # cannot change any more
        plan = _plan(db, info, spec, on_row=on_row)
        for number, row in enumerate(store.iter_rows(db, info.id, info.revision), start=info.n_rows + 1):
            on_row(number)
            if is_draft(row.origin):
                continue  # until a person has accepted it
            if (split := plan.split_of(row)) != row.split:
                edit.replace(row, dataclasses.replace(row.as_new(), split=split))
    return Assigned(edit.revision, changes=edit.changes)


def _shown_shares(spec: SplitSpec) -> dict[str, Any]:
    return {"validation": round(100 * spec.validation_share, 2), "test": round(100 * spec.test_share, 2), "seed": spec.seed}


# --- the plan ---------------------------------------------------------------------------------------------------------

#: Of a row: its position, prompt_hash, split, group_key and, where a column of `extra` groups, extra.
_Row = Any


@dataclass
class _Plan:
    """Which group a row is of, and on which side each group stands."""

    spec: SplitSpec
    n_rows: int
    is_locked: bool
    merged: dict[str, str]  # prompts that share a cluster with others, and the cluster's name
    compared: int | None = None  # prompts, where not all were compared
    rule: SplitRule = field(default_factory=lambda: SplitRule(0, 0, 0))  # until the groups are counted
    sides: dict[int, str] = field(default_factory=dict)  # of groups with rows that keep their split
    on_two_sides: set[int] = field(default_factory=set)
    n_without_group: int = 0
    n_groups: int | None = None
    largest_group: int | None = None

    def draw_of(self, row: _Row) -> int:
        return drawn(self._key_of(row), self.spec.seed)

    def _key_of(self, row: _Row) -> str:
        if self.spec.by == "row":
            return f"row:{row.position}"
        if self.spec.by == "group":
            value = self.group_of(row)
            return str(row.prompt_hash) if value is None else f"group:{value}"
        prompt_hash: str = row.prompt_hash
        return self.merged.get(prompt_hash, prompt_hash)

    def group_of(self, row: _Row) -> str | None:
        value = row.group_key if self.spec.column is None else (row.extra or {}).get(self.spec.column)
        if value is None or value == "":
            return None
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)

    def keeps(self, row: _Row) -> bool:
        """Whether the row stays on its side. The rows of a locked test set always do."""
        return row.split is not None and (self.spec.keep or (self.is_locked and row.split == "test"))

    def split_of(self, row: _Row) -> str:
        if self.keeps(row):
            return str(row.split)
        draw = self.draw_of(row)
        return self.sides.get(draw) or self.rule.split_of_draw(draw)


def _plan(
    db: Database,
    info: store.DatasetInfo,
    spec: SplitSpec,
    *,
    limit: int | None = None,
    on_row: Callable[[int], None] = lambda n_rows: None,
) -> _Plan:
    """Count the groups and draw the rule. `limit` bounds the prompts that are searched for near duplicates."""
    plan = _Plan(spec, info.n_rows, info.locked_at is not None, {})
    if spec.by == "near_duplicate":
        known: set[str] = set()
        plan.merged = merged_prompts(_prompts(db, info, known, limit), seed=spec.seed, on_step=lambda: on_row(0))
        plan.compared = limit if len(known) == limit else None
    sizes: Counter[int] = Counter()
    are_counted = True
    for number, row in enumerate(_light_rows(db, info, spec), start=1):
        on_row(number)
        draw = plan.draw_of(row)
        plan.n_without_group += spec.by == "group" and plan.group_of(row) is None
        if plan.keeps(row):
            _keep(plan, draw, row.split)
        if are_counted:
            sizes[draw] += 1
            if len(sizes) > _EXACT_GROUPS:
                are_counted = False
                sizes.clear()
    if spec.by == "group" and plan.n_without_group == info.n_rows:
        raise DataError("error.data.no_groups", field="column", column=spec.column or "group_key")
    shares = {"validation_share": spec.validation_share, "test_share": 0.0 if plan.is_locked else spec.test_share}
    if are_counted:
        plan.n_groups, plan.largest_group = len(sizes), max(sizes.values(), default=0)
        plan.rule = rule_of_draws(sizes.keys() - plan.sides.keys(), **shares, seed=spec.seed)
    else:
        plan.rule = streamed_rule(**shares, seed=spec.seed)
    return plan


def _keep(plan: _Plan, draw: int, split: str) -> None:
    """Of a group that stands on two sides already, new rows go to train: what is held out grows no further mixed."""
    before = plan.sides.setdefault(draw, split)
    if before != split:
        plan.on_two_sides.add(draw)
        plan.sides[draw] = min(before, split, key=SPLITS.index)


def _prompts(db: Database, info: store.DatasetInfo, known: set[str], limit: int | None) -> Iterator[tuple[str, str]]:
    """Each prompt of the dataset once, by its hash, with its words; entered into `known`."""
    for row in store.iter_rows(db, info.id, info.revision):
        if row.prompt_hash not in known:
            if len(known) == limit:
                return
            known.add(row.prompt_hash)
            yield row.prompt_hash, asked(row.kind, row.content)


def _light_rows(db: Database, info: store.DatasetInfo, spec: SplitSpec) -> Iterator[_Row]:
    names = ["prompt_hash", "split", "group_key", *(["extra"] if spec.column is not None else [])]
    return light_rows(db, info.id, info.revision, *names, where=~are_drafts())


def _warnings(plan: _Plan, after: Counter[str], n_drafts: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def warn(key: str, **params: Any) -> None:
        found.append({"key": key, "params": params})

    if n_drafts:
        warn("data.split.warning.drafts", n=n_drafts)
    if plan.is_locked:
        warn("data.split.warning.locked")
    if plan.spec.validation_share and not after["validation"]:
        warn("data.split.warning.no_validation", n=plan.n_groups)
    if plan.spec.test_share and not after["test"]:
        warn("data.split.warning.no_test", n=plan.n_groups)
    if plan.largest_group is not None and plan.largest_group > max(1, _LARGE_SHARE * plan.n_rows):
        warn("data.split.warning.large_group", n=plan.largest_group, total=plan.n_rows)
    if plan.n_without_group:
        warn("data.split.warning.without_group", n=plan.n_without_group)
    if plan.on_two_sides:
        warn("data.split.warning.two_sides", n=len(plan.on_two_sides))
    if plan.compared is not None:
        warn("data.split.warning.compared_first", n=plan.compared)
    return found
