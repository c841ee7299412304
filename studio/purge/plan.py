"""What a purge would take: every place where a phrase, a dataset or a person's chats have left something. Changes nothing."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
import yaml
from sqlalchemy.engine import Connection

from studio.access.tables import audit, links
from studio.data.export import EXPORTED_NAME
from studio.data.holding import Spans
from studio.data.importer import read_rows
from studio.data.rows import NewRow, content_hash
from studio.data.tables import datasets, drafts, revisions, rows
from studio.db import Database
from studio.engine.tables import answers, chats, thumbs, turns
from studio.errors import ConfigError, DataError, NotFoundError
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import checkpoints, events, jobs, run_datasets, runs
from studio.models.tables import bases
from studio.purge.phrase import PURGED, Phrase, leaves
from studio.settings import Settings

__all__ = ["MIN_CHARS", "Found", "FoundDataset", "FoundRun", "Plan", "Planner", "Record", "Wanted", "in_batches"]

MIN_CHARS = 3

_EXAMPLES = 5
_EXAMPLE_CHARS = 100
_PAGE = 1_000
_SAMPLE_ROWS = 20

_TEXTS = (".yaml", ".json", ".jsonl", ".txt", ".log")

#: Where words of people stand beside what they are kept for: there the phrase is blanked and the rest stays.
_RECORDED: tuple[tuple[sa.Table, tuple[str, ...]], ...] = (
    (datasets, ("name", "note", "card")),
    (revisions, ("message", "report", "name", "summary")),
    (drafts, ("files",)),
    (runs, ("name", "spec")),
    (jobs, ("name", "spec", "result", "error")),
    (events, ("body",)),
    (links, ("name", "target")),
    (audit, ("target", "detail")),
)

@dataclass(frozen=True)
class Wanted:
    """What shall go, one of: a phrase of at least `MIN_CHARS` characters wherever it stands, a whole dataset by its id, or
    all chats and thumbs of a person (a user's or a guest's id) or of a link's guests.
    """

    phrase: str = field(default="", repr=False)
    dataset: str = ""
    person: str = ""
    link: str = ""


class FoundDataset(NamedTuple):
    """`n_rows` are row versions, over all revisions."""

    id: str
    name: str
    n_rows: int


class FoundRun(NamedTuple):
    """A run that was trained on a revision which loses rows, or goes on from one that was."""

    id: str
    name: str
    checkpoints: int
    bytes: int


@dataclass(frozen=True)
class Found:
    """`uploads` are files as they were brought, temporary and exported copies too; `texts` are files of run and job folders
    and `records` entries of the database (names, notes, reports, events) in which only the phrase is blanked. `examples`
    show it among the words around it: for eyes only, never for a log.
    """

    datasets: tuple[FoundDataset, ...] = ()
    chats: int = 0
    questions: int = 0
    ratings: int = 0
    uploads: int = 0
    snapshots: int = 0
    runs: tuple[FoundRun, ...] = ()
    texts: int = 0
    records: int = 0
    examples: tuple[str, ...] = field(default=(), repr=False)

    @property
    def n_rows(self) -> int:
        return sum(item.n_rows for item in self.datasets)

    @property
    def n_checkpoints(self) -> int:
        return sum(run.checkpoints for run in self.runs)

    @property
    def is_empty(self) -> bool:
        return not any(getattr(self, item.name) for item in fields(self))

    def as_dict(self) -> dict[str, Any]:
        named = {"datasets": [item._asdict() for item in self.datasets], "runs": [item._asdict() for item in self.runs]}
        return asdict(self) | named | {"rows": self.n_rows}


class Record(NamedTuple):
    """One row of a table in which something is blanked: its key, and the columns as they shall be."""

    table: sa.Table
    key: tuple[Any, ...]
    values: dict[str, Any]


@dataclass
class Plan:
    """What a look has found, as its parts are called in the database and on the disk."""

    phrase: Phrase | None = None
    rows: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))  # by dataset; empty for one that goes whole
    revisions: set[tuple[str, int]] = field(default_factory=set)  # that lose rows
    chats: list[str] = field(default_factory=list)
    questions: int = 0
    ratings: list[tuple[str, str]] = field(default_factory=list)
    uploads: list[Path] = field(default_factory=list)
    snapshots: list[Path] = field(default_factory=list)
    hashes: set[str] = field(default_factory=set)  # under which snapshots of the affected datasets lie
    runs: list[FoundRun] = field(default_factory=list)
    texts: dict[Path, str] = field(default_factory=dict)  # what they shall hold
    records: list[Record] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    def show(self, text: str) -> None:
        if len(self.examples) < _EXAMPLES:
            shown = self.phrase.excerpt(text) if self.phrase else " ".join(text[:_EXAMPLE_CHARS].split())
            if shown and shown not in self.examples:
                self.examples.append(shown)


class Planner:
    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings

    def name_of(self, dataset_id: str) -> str:
        """Raises NotFoundError for a dataset that is not there."""
        with self._db.read() as connection:
            name = connection.execute(sa.select(datasets.c.name).where(datasets.c.id == dataset_id)).scalar()
        if name is None:
            raise NotFoundError("error.data.unknown_dataset", dataset=dataset_id)
        return str(name)

    def plan(self, wanted: Wanted) -> Plan:
        if sum(bool(value) for value in (wanted.phrase, wanted.dataset, wanted.person, wanted.link)) != 1:
            raise ConfigError("error.purge.one_thing", field="phrase")
        if wanted.phrase:
            return self._plan_phrase(checked(wanted.phrase))
        return self._plan_dataset(wanted.dataset) if wanted.dataset else self._plan_person(wanted)

    def _plan_phrase(self, phrase: Phrase) -> Plan:
        plan = Plan(phrase)
        self._find_rows(plan, phrase)
        self._find_chats(plan, phrase)
        for table, names in _RECORDED:
            self._find_records(plan, phrase, table, names)
        for path in _files(self._settings.home, "uploads", "exports", "tmp"):
            if path.suffix != ".lock" and phrase.is_in_file(path):
                plan.uploads.append(path)
        plan.snapshots = [path for path in _files(self._settings.home, "snapshots") if phrase.is_in_file(path)]
        for folder in _folders(self._settings.home):
            for path in sorted(path for path in folder.iterdir() if path.suffix in _TEXTS and path.is_file()):
                blanked = phrase.blanked_file(path)
                if blanked is not None:
                    plan.texts[path] = blanked
                elif path.name == "events.jsonl" and PURGED in path.read_text("utf-8", "replace"):
                    plan.texts[path] = ""  # blanked by one that was killed, perhaps before the cursor followed
        self._find_copies(plan)
        return plan

    def _find_rows(self, plan: Plan, phrase: Phrase) -> None:
        names = ("content", "references", "origin", "extra", "tags", "rule", "group_key", "topic", "flag", "search_text")
        raw = [sa.type_coerce(rows.c[name], sa.Text).label(name) for name in names]
        query = sa.select(rows.c.id, rows.c.dataset_id, rows.c.since, rows.c.until, *raw)
        found: dict[str, list[tuple[int, int, int | None]]] = defaultdict(list)
        for row in self._pages(query, (rows.c.id,)):
            texts: list[str] = [text for text in tuple(row)[4:] if text]
            together = _plain("\n".join(texts))
            if not (phrase.is_in(together) or "\\u" in together):
                continue  # seen at once, without taking it apart
            text = _speaking(phrase, row)
            if text is not None:
                plan.rows[row.dataset_id].append(row.id)
                found[row.dataset_id].append((row.id, row.since, row.until))
                plan.show(text)
        with self._db.read() as connection:
            spans = {dataset_id: Spans.of(connection, dataset_id) for dataset_id in found}
        lives = {
            dataset_id: {(since, spans[dataset_id].ends(row_id, until)) for row_id, since, until in versions}
            for dataset_id, versions in found.items()
        }
        plan.revisions |= {
            (dataset_id, number)
            for dataset_id, number in self._all_revisions()
            if any(spans[dataset_id].hold(*life, number) for life in lives.get(dataset_id, ()))
        }

    def _all_revisions(self) -> list[tuple[str, int]]:
        with self._db.read() as connection:
            return [(row[0], row[1]) for row in connection.execute(sa.select(revisions.c.dataset_id, revisions.c.number))]

    def _find_chats(self, plan: Plan, phrase: Phrase) -> None:
        found: dict[str, None] = {}
        parts = (
            (sa.select(chats.c.id, chats.c.title), (chats.c.id,)),
            (sa.select(turns.c.chat_id, turns.c.question, turns.c.number), (turns.c.chat_id, turns.c.number)),
            (sa.select(answers.c.chat_id, answers.c.text, answers.c.id), (answers.c.id,)),
            (sa.select(answers.c.chat_id, sa.type_coerce(answers.c.error, sa.Text), answers.c.id), (answers.c.id,)),
        )
        for query, key in parts:
            for row in self._pages(query, key):
                if row[1] and phrase.is_in(row[1]):
                    found[row[0]] = None
                    plan.show(row[1])
        plan.chats = list(found)
        plan.questions = self._count_questions(plan.chats)

    def _count_questions(self, ids: Sequence[str]) -> int:
        count = sa.select(sa.func.count()).select_from(turns)
        with self._db.read() as connection:
            return sum(
                int(connection.execute(count.where(turns.c.chat_id.in_(batch))).scalar_one()) for batch in in_batches(ids, 100)
            )

    def _find_records(self, plan: Plan, phrase: Phrase, table: sa.Table, names: Sequence[str]) -> None:
        key = tuple(table.primary_key.columns)
        for row in self._pages(sa.select(*key, *(table.c[name] for name in names)), key):
            values = dict(zip(names, row[len(key) :], strict=True))
            blanked = {name: _blanked(phrase, table.c[name], value) for name, value in values.items()}
            changed = {name: value for name, value in blanked.items() if value != values[name]}
            if not changed:
                continue
            if "name" in changed and table in (datasets, runs):  # which must stay its own
                changed["name"] = f"{changed['name'][:100]} {row[0][-6:]}"
            plan.records.append(Record(table, tuple(row[: len(key)]), changed))

    def _plan_dataset(self, dataset_id: str) -> Plan:
        self.name_of(dataset_id)  # raises for one that is not there
        plan = Plan()
        query = sa.select(rows.c.id, sa.func.substr(rows.c.search_text, 1, _EXAMPLE_CHARS))
        for row in self._pages(query.where(rows.c.dataset_id == dataset_id), (rows.c.id,)):
            plan.rows[dataset_id].append(row[0])
            plan.show(row[1])
        plan.revisions = {item for item in self._all_revisions() if item[0] == dataset_id}
        plan.rows.setdefault(dataset_id, [])
        # The import that made it tells the file's and the dataset's name, and the note.
        imports = sa.select(jobs.c.id, jobs.c.folder, jobs.c.spec).join(datasets, datasets.c.job_id == jobs.c.id)
        with self._db.read() as connection:
            for job in connection.execute(imports.where(datasets.c.id == dataset_id)).all():
                spec = job.spec | {name: PURGED for name in ("file_name", "dataset_name", "note") if job.spec.get(name)}
                spec |= {"files": [file | {"name": PURGED} for file in spec["files"]]} if "files" in spec else {}
                if spec != job.spec:
                    plan.records.append(Record(jobs, (job.id,), {"name": dataset_id, "spec": spec}))
                folder = RunFolder(self._settings.home / job.folder)
                if folder.spec_file.exists() and folder.read_spec() != spec:
                    plan.texts[folder.spec_file] = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True)
        self._find_copies(plan)
        return plan

    def _plan_person(self, wanted: Wanted) -> Plan:
        plan = Plan()
        whose = chats.c.owner == wanted.person if wanted.person else chats.c.link_id == wanted.link
        with self._db.read() as connection:
            for row in connection.execute(sa.select(chats.c.id, chats.c.title).where(whose).order_by(chats.c.id)):
                plan.chats.append(row.id)
                plan.show(row.title)
            if wanted.person:
                given = sa.select(thumbs.c.answer_id, thumbs.c.user_id).where(thumbs.c.user_id == wanted.person)
                plan.ratings = [(row[0], row[1]) for row in connection.execute(given)]
        plan.questions = self._count_questions(plan.chats)
        return plan

    def _find_copies(self, plan: Plan) -> None:
        """Snapshots and uploads of the datasets that lose rows, and the runs that were trained on them."""
        home, affected = self._settings.home, set(plan.rows)
        if not affected:
            return
        uploads: set[str] = set()
        query = sa.select(revisions.c.dataset_id, revisions.c.content_hash, revisions.c.report)
        with self._db.read() as connection:
            for row in connection.execute(query.where(revisions.c.dataset_id.in_(affected))):
                plan.hashes |= {row.content_hash} - {None}
                report = row.report or {}
                if "files" in report:
                    uploads.update(name for file in report["files"] for name in (file["upload"], file.get("archive")) if name)
                elif "upload" in report:
                    uploads.add(report["upload"])
                elif plan.phrase is None and report:
                    uploads.update(self._uploads_of(connection, row.dataset_id, report.get("file", "")))
            of_run = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(checkpoints.c.bytes), 0))
            used = sa.select(runs.c.id, runs.c.name, run_datasets.c.dataset_id, run_datasets.c.revision)
            trained = used.join(run_datasets, run_datasets.c.run_id == runs.c.id).order_by(runs.c.id)
            rows_of = connection.execute(trained.where(run_datasets.c.dataset_id.in_(affected))).all()
            direct = {run.id for run in rows_of if (run.dataset_id, run.revision) in plan.revisions}
            for run_id, name in _with_descendants(connection, direct):
                if run_id not in {known.id for known in plan.runs}:
                    n, size = connection.execute(of_run.where(checkpoints.c.run_id == run_id)).one()
                    plan.runs.append(FoundRun(run_id, name, int(n), int(size)))
        plan.snapshots += [
            path for path in _files(home, "snapshots") if path.name.split(".")[0] in plan.hashes and path not in plan.snapshots
        ]
        # Packed as they are, nobody sees what is in them; they can be made again.
        exported = [path for path in _files(home, "exports") if EXPORTED_NAME.fullmatch(path.name)]
        plan.uploads += [path for path in exported if path not in plan.uploads]
        sizes = {path.stat().st_size for path in (home / "uploads" / name for name in uploads) if path.exists()}
        for path in _files(home, "uploads", "tmp"):
            with contextlib.suppress(OSError):
                is_copy = path.name in uploads or (path.stat().st_size in sizes and _sha256(path) in uploads)
                if is_copy and path not in plan.uploads:
                    plan.uploads.append(path)

    def _uploads_of(self, connection: Connection, dataset_id: str, file_name: str) -> Iterator[str]:
        """Uploads whose first rows are the dataset's: for imports that have not yet noted which one was theirs."""
        for path in _files(self._settings.home, "uploads"):
            try:
                good = (row for row in read_rows(path, file_name) if isinstance(row, NewRow))
                first = list(itertools.islice(good, _SAMPLE_ROWS))
            except (DataError, OSError):
                continue
            same = rows.c.content_hash.in_([content_hash(row.content) for row in first])
            if connection.execute(sa.select(rows.c.id).where(rows.c.dataset_id == dataset_id, same).limit(1)).first():
                yield path.name

    def _pages(self, query: sa.Select[Any], key: tuple[sa.ColumnElement[Any], ...]) -> Iterator[Any]:
        """Every row by keyset, a page a transaction. `key` is among the selected columns."""
        names = [str(column.key) for column in key]
        after: tuple[Any, ...] | None = None
        while True:
            page = query.order_by(*key).limit(_PAGE)
            if after is not None:
                page = page.where(sa.tuple_(*key) > after if len(key) > 1 else key[0] > after[0])
            with self._db.read() as connection:
                found = connection.execute(page).all()
            yield from found
            if len(found) < _PAGE:
                return
            after = tuple(found[-1]._mapping[name] for name in names)

    def found(self, plan: Plan) -> Found:
        with self._db.read() as connection:
            named = sa.select(datasets.c.id, datasets.c.name).where(datasets.c.id.in_(plan.rows)).order_by(datasets.c.id)
            losing = tuple(FoundDataset(row.id, row.name, len(plan.rows[row.id])) for row in connection.execute(named).all())
        return Found(
            datasets=losing,
            chats=len(plan.chats),
            questions=plan.questions,
            ratings=len(plan.ratings),
            uploads=len(plan.uploads),
            snapshots=len(plan.snapshots),
            runs=tuple(plan.runs),
            texts=sum(bool(content) for content in plan.texts.values()),
            records=len(plan.records),
            examples=tuple(plan.examples),
        )


def checked(text: str) -> Phrase:
    """Raises ConfigError for one that is too short to mean anything, or that every purge leaves behind."""
    phrase = Phrase(text)
    if phrase.n_chars < MIN_CHARS:
        raise ConfigError("error.purge.phrase_short", field="phrase", limit=MIN_CHARS)
    if phrase.is_in(PURGED):
        raise ConfigError("error.purge.phrase_own", field="phrase", word=PURGED)
    return phrase


def in_batches(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    return (list(items[at : at + size]) for at in range(0, len(items), size))


def _plain(raw: str) -> str:
    """JSON without its escapes, but for `\\u`. Plain replacing, because each row passes here; no row holds a NUL."""
    if "\\" in raw:
        raw = raw.replace("\\\\", "\0")
        for escape, sign in (("\\n", " "), ("\\r", " "), ("\\t", " "), ("\\f", " "), ("\\b", "\b"), ('\\"', '"')):
            raw = raw.replace(escape, sign)
        raw = raw.replace("\0", "\\")
    return raw


def _speaking(phrase: Phrase, row: Any) -> str | None:
    """The first text of a row that holds the phrase. Names of fields and roles are the studio's, those in `extra` the file's."""
    for name in ("content", "references", "origin", "extra", "tags", "rule"):
        value = json.loads(getattr(row, name) or "null")
        skip = {"content": ("role",), "origin": ("type",)}.get(name, ())
        for text in leaves(value, skip=skip, names=name == "extra"):
            if phrase.is_in(text):
                return text
    return next((text for text in (row.group_key, row.topic, row.flag, row.search_text) if text and phrase.is_in(text)), None)


def _blanked(phrase: Phrase, column: sa.Column[Any], value: Any) -> Any:
    """A value of `_RECORDED` as it shall be."""
    if column.name == "report" and value:
        quoted = [_unquoted(phrase, row) for row in value.get("refused", ())]
        value = value | ({"refused": quoted} if quoted else {})
    if not isinstance(value, str):
        return phrase.blank_value(value)
    blanked = phrase.blank(value)
    return blanked[: getattr(column.type, "length", None)]


def _unquoted(phrase: Phrase, row: dict[str, Any]) -> dict[str, Any]:
    """A refused line is a row that never became one: it goes as a whole, like the rows."""
    if not phrase.is_in_value([row.get("excerpt"), row.get("params")]):
        return row
    params = {name: PURGED if isinstance(value, str) else value for name, value in row.get("params", {}).items()}
    return row | {"excerpt": PURGED, "params": params}


def _files(home: Path, *names: str) -> list[Path]:
    """Every file below these folders of the home."""
    found = (Path(here, name) for folder in names for here, _, inner in os.walk(home / folder) for name in inner)
    return sorted(path for path in found if not path.is_symlink())


def _folders(home: Path) -> list[Path]:
    """Of runs and of other jobs."""
    return sorted(path for name in ("runs", "jobs") for path in (home / name).iterdir() if path.is_dir())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _with_descendants(connection: sa.Connection, direct: set[str]) -> list[tuple[str, str]]:
    """These runs, and all that began with a checkpoint of theirs or were trained on a model which one was merged into."""
    known = connection.execute(sa.select(runs.c.id, runs.c.name, runs.c.base_id, runs.c.spec).order_by(runs.c.id)).all()
    merged = {row.id: row.ref for row in connection.execute(sa.select(bases.c.id, bases.c.ref).where(bases.c.source == "merged"))}
    found, before = set(direct), -1
    while len(found) > before:
        before = len(found)
        for run in known:
            parents = (run.spec.get("start_from", ""), merged.get(run.base_id, ""))
            if any(parent.partition("@")[0] in found for parent in parents):
                found.add(run.id)
    return [(run.id, run.name) for run in known if run.id in found]
