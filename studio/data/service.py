"""What people may do with datasets: stage a file, look into it, import it, read its rows, see them as tokens."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from studio.access import Actor, allows
from studio.data import find, index_job, store
from studio.data.card import Card
from studio.data.examples import Reading, examples_or_refused
from studio.data.filters import Filter
from studio.data.holding import holds
from studio.data.importer import Inspection, inspect_file
from studio.data.jobs import ImportFile, ImportSpec, import_rows
from studio.data.locks import lock_state, locked_digests
from studio.data.making import Once, sweep
from studio.data.refusal import is_locked
from studio.data.render import Piece, Template, pieces, render
from studio.data.tables import datasets, rows
from studio.data.templates import template_of
from studio.data.uploads import stage, upload_path
from studio.db import Database
from studio.jobs.queue import insert_job
from studio.jobs.spec import checked
from studio.settings import ROOT, Settings

__all__ = ["DataService", "ImportSpec", "Imported", "TrainingView", "together"]

#: Up to this size a file is imported in the request's thread; a larger one by a job (CONTRACTS 4).
_SMALL_BYTES = 5_000_000

#: Rows that a training view renders; more would make the page wait.
_VIEW_ROWS = 2_000
_KEPT_VIEWS = 16

#: Rows by whose kinds a dataset is known.
_LOOKED_AT = 1_000

SAMPLE_FILE = ROOT / "assets" / "sample" / "eye-care.jsonl"


@dataclass(frozen=True)
class Imported:
    """A dataset that is there, or the job that makes it."""

    dataset_id: str | None = None
    job_id: str | None = None


@dataclass(frozen=True)
class TrainingView:
    """How a dataset's rows would be used with one base and one limit. `refused` counts rows by reason; `lengths` are the
    training rows' (tokens, targets), the longest first; `unended` counts those whose last trained token ends no answer, `leaked`
    those whose question stands in the test split of the same dataset; `n_examples` is what the training rows come to, of which
    a long text makes several.
    """

    counts: dict[str, int]
    refused: dict[str, int]
    tokens: int
    target_tokens: int
    longest: int
    n_seen: int
    n_rows: int
    refused_rows: list[tuple[int, str]] = field(default_factory=list)
    lengths: list[tuple[int, int]] = field(default_factory=list)
    unended: int = 0
    leaked: int = 0
    n_examples: int = 0


def together(views: Sequence[tuple[TrainingView, float]]) -> TrainingView:
    """Several datasets as one: training rows by their weights, all the others once."""
    if len(views) == 1 and views[0][1] == 1:
        return views[0][0]
    counts: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for view, weight in views:
        refused += Counter(view.refused)
        counts += Counter({split: round(n * weight) if split == "train" else n for split, n in view.counts.items()})

    def summed(name: str) -> int:
        return int(sum(getattr(view, name) for view, _ in views))

    def weighted(name: str) -> int:
        return round(float(sum(getattr(view, name) * weight for view, weight in views)))

    return TrainingView(
        counts=dict(counts),
        refused=dict(refused),
        tokens=weighted("tokens"),
        target_tokens=weighted("target_tokens"),
        longest=max(view.longest for view, _ in views),
        n_seen=summed("n_seen"),
        n_rows=summed("n_rows"),
        refused_rows=[row for view, _ in views for row in view.refused_rows],
        lengths=sorted((item for view, _ in views for item in view.lengths), reverse=True),
        unended=summed("unended"),
        leaked=summed("leaked"),
        n_examples=weighted("n_examples"),
    )


class DataService:
    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._views: dict[tuple[object, ...], TrainingView] = {}
        self._once = Once()

    # 1 In

    @allows("dataset.look")
    def stage(self, actor: Actor, path: Path) -> str:
        """Keep an upload under its sha256 and return that. Raises DataError over the size limit."""
        return stage(self._settings, path)

    @allows("dataset.look")
    def inspect(
        self, actor: Actor, upload: str, file_name: str, mapping: Mapping[str, str | None] | None = None
    ) -> Inspection:
        """What a staged file holds, before anything is imported."""
        return inspect_file(upload_path(self._settings, upload), file_name, mapping=mapping)

    @allows("dataset.import")
    def import_upload(self, actor: Actor, spec: ImportSpec, *, request_id: str | None = None) -> Imported:
        """Import the good rows of staged files: at once when they are small, as a job otherwise."""
        size = sum(upload_path(self._settings, file.upload).stat().st_size for file in spec.files)
        self.recover()  # a killed import may hold the name
        if size <= _SMALL_BYTES:
            make = functools.partial(import_rows, self._db, self._settings, spec, actor.user_id)
            return Imported(dataset_id=self._once(request_id, make))
        with self._db.write() as connection:
            store.check_name(connection, spec.dataset_name)
            job_id = insert_job(
                connection, spec=spec.as_dict(), name=spec.dataset_name, author=actor.user_id, request_id=request_id
            )
        return Imported(job_id=job_id)

    @allows("dataset.import")
    def import_sample(self, actor: Actor, name: str, note: str = "") -> str:
        """The sample that ships with the studio. Taken twice, it is the same dataset."""
        with self._db.read() as connection:
            known = connection.execute(sa.select(datasets.c.id).where(datasets.c.name == name)).scalar()
        if known is not None:
            return str(known)
        digest = self.stage(actor, SAMPLE_FILE)
        spec = ImportSpec(files=[ImportFile(upload=digest, name=SAMPLE_FILE.name)], dataset_name=name, note=note)
        return import_rows(self._db, self._settings, spec, actor.user_id)

    def recover(self) -> int:
        """Take back what killed imports have left; returns how many datasets. Safe at any time."""
        return sweep(self._db, self._settings)

    # 2 Out

    @allows("dataset.read")
    def list(self, actor: Actor) -> list[store.DatasetInfo]:
        """Newest first."""
        with self._db.read() as connection:
            found = connection.execute(store.select_datasets().order_by(datasets.c.created_at.desc())).mappings()
            return [store.DatasetInfo(**row) for row in found]

    @allows("dataset.read")
    def get(self, actor: Actor, dataset_id: str) -> store.DatasetInfo:
        return store.dataset_info(self._db, dataset_id)

    @allows("dataset.read")
    def page(
        self,
        actor: Actor,
        dataset_id: str,
        *,
        split: str | None = None,
        after: tuple[int, int] | None = None,
        before: tuple[int, int] | None = None,
        limit: int = 20,
    ) -> tuple[Sequence[store.StoredRow], int]:
        """A page of the newest revision, and how many rows stand in front of it."""
        info = store.dataset_info(self._db, dataset_id)
        found = store.read_page(self._db, dataset_id, info.revision, split=split, after=after, before=before, limit=limit)
        first = (found[0].position, found[0].id) if found else (0, 0)
        return found, store.count_before(self._db, dataset_id, info.revision, split, first)

    @allows("dataset.read")
    def kinds(self, actor: Actor, dataset_id: str) -> Sequence[str]:
        """The kinds of the first rows; a file has one kind, a merged dataset may have several."""
        info = store.dataset_info(self._db, dataset_id)
        first = sa.select(rows.c.kind).where(holds(info.id, info.revision)).order_by(rows.c.position, rows.c.id)
        found = first.limit(_LOOKED_AT).subquery()
        with self._db.read() as connection:
            return sorted(connection.execute(sa.select(found.c.kind).distinct()).scalars())

    @allows("dataset.read")
    def card(self, actor: Actor, dataset_id: str) -> Card:
        """What people say about the dataset; empty where nobody has."""
        return Card(**(store.dataset_info(self._db, dataset_id).card or {}))

    @allows("dataset.write")
    def set_card(self, actor: Actor, dataset_id: str, said: Mapping[str, str]) -> Card:
        """Raises ConfigError that names the fields which are too long or unknown."""
        card = checked(Card, dict(said))
        store.dataset_info(self._db, dataset_id)  # raises for one that is not there
        kept = {name: words for name, words in card.model_dump().items() if words.strip()}
        with self._db.write() as connection:
            connection.execute(datasets.update().where(datasets.c.id == dataset_id).values(card=kept or None))
        return card

    @allows("dataset.read")
    def find(
        self,
        actor: Actor,
        dataset_id: str,
        wanted: Filter,
        *,
        sort: find.Sort = "position",
        after: find.Cursor | None = None,
        before: find.Cursor | None = None,
        at: int | None = None,
        limit: int = 100,
        revision: int | None = None,
    ) -> find.Page:
        """A page of the rows that match (`find.page`), with their number where it is known anyway.

        A dataset that is searched and has no index gets one in the background.
        """
        info = store.dataset_info(self._db, dataset_id)
        if not wanted.is_empty or sort != "position":
            index_job.wanted(self._db, self._settings, dataset_id, author=actor.user_id)
        page = find.page(
            self._db,
            self._settings,
            info,
            wanted,
            sort=sort,
            after=after,
            before=before,
            at=at,
            limit=limit,
            revision=revision,
        )
        total = find.known_count(info.counts, wanted) if revision in (None, info.revision) else None
        return dataclasses.replace(page, total=total)

    @allows("dataset.read")
    def count(
        self, actor: Actor, dataset_id: str, wanted: Filter, *, revision: int | None = None, budget_s: float = 1.0
    ) -> tuple[int, bool]:
        """How many rows match, and whether that is all: False where the seconds were not enough to look at every row."""
        number = store.dataset_info(self._db, dataset_id).revision if revision is None else revision
        return find.count(self._db, self._settings, dataset_id, number, wanted, budget_s)

    @allows("dataset.read")
    def row(self, actor: Actor, row_id: int) -> store.StoredRow:
        return store.row_of(self._db, row_id)

    @allows("dataset.read")
    def row_as_tokens(self, actor: Actor, row_id: int, base_id: str) -> Sequence[Piece]:
        """A row as this base will see it: its tokens, and which of them are trained."""
        row = store.row_of(self._db, row_id)
        template = template_of(self._settings, base_id)
        return pieces(render(row.kind, row.content, template), template)

    @allows("dataset.read")
    def training_view(
        self, actor: Actor, dataset_id: str, base_id: str, reading: Reading, *, limit: int = _VIEW_ROWS
    ) -> TrainingView:
        """Render up to `limit` rows as training would, and count what trains and what is refused, and why.

        Kept per revision, base and limits: pages ask for it at every change of a form.
        """
        info = store.dataset_info(self._db, dataset_id)
        template = template_of(self._settings, base_id)
        key = (dataset_id, info.revision, info.content_hash, lock_state(self._db), id(template), reading, limit)
        if key not in self._views:
            if len(self._views) >= _KEPT_VIEWS:
                self._views.pop(next(iter(self._views)))
            self._views[key] = self._view(info, template, reading, limit)
        return self._views[key]

    def _view(self, info: store.DatasetInfo, template: Template, reading: Reading, limit: int) -> TrainingView:
        counts: Counter[str] = Counter()
        refused: Counter[str] = Counter()
        refused_rows: list[tuple[int, str]] = []
        lengths: list[tuple[int, int]] = []
        tokens = targets = longest = seen = unended = n_examples = 0
        locked = locked_digests(self._db)
        for row in store.iter_rows(self._db, info.id, info.revision):
            if seen >= limit:
                break
            seen += 1
            is_test = is_locked(row.split, row.prompt_hash, locked)
            found, reason = examples_or_refused(row.kind, row.content, template, reading, is_locked=is_test)
            if found is None:
                assert reason is not None
                refused[reason] += 1
                refused_rows.append((row.id, reason))
                continue
            counts[row.split or "none"] += 1
            longest = max(longest, *(example.width for example in found))
            if row.split == "train":
                n_examples += len(found)
                tokens += sum(example.n_tokens for example in found)
                targets += sum(example.n_targets for example in found)
                lengths += [(example.width, example.n_targets) for example in found]
                ends = [example.last_target for example in found if reading.purpose not in ("text", "grpo")]
                unended += any(end not in template.end_ids for end in ends)
        return TrainingView(
            counts=dict(counts),
            refused=dict(refused),
            tokens=tokens,
            target_tokens=targets,
            longest=longest,
            n_seen=seen,
            n_rows=info.n_rows,
            refused_rows=refused_rows[:50],
            lengths=sorted(lengths, reverse=True),
            unended=unended,
            n_examples=n_examples,
            leaked=self._leaked(info) if info.counts.get("test") else 0,
        )

    def _leaked(self, info: store.DatasetInfo) -> int:
        """Training rows that ask what a test row asks."""
        here = holds(info.id, info.revision)
        tested = sa.select(rows.c.prompt_hash).where(here, rows.c.split == "test")
        query = sa.select(sa.func.count()).where(here, rows.c.split == "train", rows.c.prompt_hash.in_(tested))
        with self._db.read() as connection:
            return int(connection.execute(query).scalar_one())
