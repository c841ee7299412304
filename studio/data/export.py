"""Rows out: to JSONL, JSON, CSV or Parquet, to a folder for LLaMA-Factory, to one for `datasets.load_dataset`.

    1 look at every row: which fit the shape that is wanted, why the others do not, which columns a table needs
    2 write those that fit, one at a time, one file per kind (and per split, in a folder)
    3 put them where they can be fetched, by rename: one file as it is, several as a zip with their card

Every row comes back by an import as it was, except `origin`: an import writes its own. Start at `export_rows`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import re
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from studio.data import formats, store
from studio.data.card import Card, CardInfo, FileFact, RevisionFact, Scripts, card_markdown, yaml_header
from studio.data.cells import MARK, escape_cell
from studio.data.export_files import FileFormat, Layout, Sink, cell_text, open_sink
from studio.data.export_llama import LLAMA_SHAPES, entry
from studio.data.export_shapes import SHAPES, Holds, Record, Shape, Unfit, shape_of
from studio.data.rows import KINDS, SPLITS, NewRow, search_text
from studio.data.tables import datasets, revisions
from studio.db import Database
from studio.errors import ConfigError, DataError, NotFoundError
from studio.jobs.context import JobContext
from studio.jobs.spec import Spec, checked
from studio.settings import Settings
from studio.text import Lang, is_plain

__all__ = [
    "EXPORTED_NAME",
    "ExportFormat",
    "ExportSpec",
    "ExportedDataset",
    "Source",
    "Survey",
    "beginning",
    "export_rows",
    "exported_rows",
    "run_export",
    "source_of",
    "survey",
    "write_files",
]

ExportFormat = Literal["jsonl", "json", "csv", "parquet", "llama_factory", "datasets_folder"]

#: How the names of this module's files end; others lie in the same folder and are not for everybody.
EXPORTED_NAME = re.compile(r"[\w-]+-r\d+-[0-9a-f]{8}\.(jsonl|json|csv|parquet|zip)")

_NAME_CHARS = 60  # of a dataset's name, in a file's name: 180 bytes at most
_KEPT_ORIGINS = 1_000


class ExportedDataset(BaseModel):
    """A dataset at one revision; `hash` is that revision's content hash, empty: whatever it has now."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    revision: int = Field(ge=1)
    hash: str = ""


class ExportSpec(Spec):
    """Which rows become which file. `shape` names one per kind of row; without a name it is the kind's own spelling."""

    kind: str = "export_data"
    dataset: ExportedDataset
    format: ExportFormat = "jsonl"
    shape: dict[str, str] = Field(default_factory=dict)
    split: Literal["train", "validation", "test", "none"] | None = None
    with_extra: bool = True
    lang: Lang = "en"  # of the card

    @property
    def file_format(self) -> FileFormat:
        """Of the files with the rows."""
        if self.format == "llama_factory":
            return "jsonl"
        return "parquet" if self.format == "datasets_folder" else self.format

    @property
    def is_folder(self) -> bool:
        return self.format in ("llama_factory", "datasets_folder")

    @property
    def is_table(self) -> bool:
        return self.file_format in ("csv", "parquet")

    def shape_of(self, kind: str) -> Shape:
        """Raises ConfigError for a shape that this kind does not have."""
        if self.format == "llama_factory":
            return LLAMA_SHAPES[kind]
        name = self.shape.get(kind, "auto")
        shape = shape_of(kind, name)
        if shape is None:
            known = ", ".join(shape.name for shape in SHAPES[kind])
            raise ConfigError("error.data.export_shape", field="shape", shape=name, kind=kind, known=known)
        return shape

    def check(self) -> None:
        """Raises ConfigError for shapes and kinds that nobody knows."""
        for kind in self.shape:
            if kind not in KINDS:
                raise ConfigError("error.data.unknown_kind", field="shape", where="shape", found=kind, expected=", ".join(KINDS))
            self.shape_of(kind)


@dataclass(frozen=True)
class Source:
    """The revision that is exported."""

    id: str
    name: str
    revision: int
    content_hash: str
    n_rows: int
    card: Card
    revisions: tuple[RevisionFact, ...]


def source_of(db: Database, wanted: ExportedDataset) -> Source:
    """Raises NotFoundError for a dataset or revision that is not there, DataError when its rows are no longer those of `hash`."""
    query = (
        sa.select(datasets.c.name.label("dataset"), datasets.c.card, revisions)
        .join(revisions, revisions.c.dataset_id == datasets.c.id)
        .where(datasets.c.id == wanted.id, revisions.c.state == "committed", revisions.c.number <= wanted.revision)
        .order_by(revisions.c.number)
    )
    with db.read() as connection:
        found = connection.execute(query).mappings().all()
    if not found or found[-1]["number"] != wanted.revision:
        raise NotFoundError("error.data.unknown_dataset", dataset=wanted.id)
    last = found[-1]
    store.check_hash(db, wanted.id, wanted.revision, wanted.hash or last["content_hash"])
    history = tuple(
        RevisionFact(row["number"], row["committed_at"], row["name"] or row["message"], row["summary"]) for row in found
    )
    n_rows = sum((last["counts"] or {}).values())
    card = Card.model_validate(last["card"] or {})
    return Source(wanted.id, last["dataset"], wanted.revision, last["content_hash"], n_rows, card, history)


def exported_rows(db: Database, spec: ExportSpec) -> Iterator[NewRow]:
    """The rows that the spec asks for, in their order."""
    split = spec.split if spec.split != "none" else None
    for row in store.iter_rows(db, spec.dataset.id, spec.dataset.revision, split):
        if spec.split != "none" or row.split is None:
            yield row.as_new()


# --- a row as a record ------------------------------------------------------------------------------------------------

_CARRIED: dict[str, Holds] = {
    "split": "text",
    "topic": "text",
    "tags": "words",
    "group_key": "text",
    "references": "texts",
    "flag": "text",
}


@functools.cache
def _taken_names() -> frozenset[str]:
    """Column names that mean something to an import: what a row carried under one of these goes into the column `extra`."""
    own = {name for shapes in SHAPES.values() for shape in shapes for name in shape.columns}
    return formats.known_columns() | own | set(_CARRIED) | {"extra", MARK}


def _is_column(name: str) -> bool:
    plain = name == name.strip() and 0 < len(name) <= 200 and is_plain(name)
    return plain and formats.column_name(name) not in _taken_names() and escape_cell(name) == name


def _columns_of(extra: dict[str, Any]) -> list[str]:
    """Keys of `extra` that can be columns of their own."""
    compared = Counter(map(formats.column_name, extra))
    return [name for name in extra if compared[formats.column_name(name)] == 1 and _is_column(name)]


def _record(row: NewRow, shape: Shape, spec: ExportSpec, flat: Iterable[str] | None = None) -> Record:
    """The record of a row. `flat` are the keys of `extra` that get columns; None: all that can.

    Raises Unfit where the shape cannot hold the row. LLaMA-Factory gets what it reads and no more: one value of another type
    in a column that it does not even look at would stop it.
    """
    record = {name: value for name, value in shape.record(row.content).items() if value is not None}
    if spec.format == "llama_factory":
        return record
    for name in _CARRIED:
        value = getattr(row, name)
        if value:
            record[name] = list(value) if name in ("tags", "references") else value
    extra = (row.extra or {}) if spec.with_extra else {}
    columns = set(_columns_of(extra) if flat is None else flat)
    inner = {name: value for name, value in extra.items() if name not in columns}
    record |= {name: value for name, value in extra.items() if name in columns}
    return record | {"extra": inner} if inner else record


# --- 1 look -----------------------------------------------------------------------------------------------------------


@dataclass
class KindSurvey:
    """What the rows of one kind have in common. `flat` are keys of `extra` that every row has, as a text."""

    shape: Shape
    fit: Counter[str | None] = field(default_factory=Counter)
    unfit: Counter[str] = field(default_factory=Counter)
    used: set[str] = field(default_factory=set)
    fields: dict[str, dict[str, None]] = field(default_factory=dict)
    flat: dict[str, None] | None = None
    has_inner: bool = False
    is_escaped: bool = False
    fractions: set[str] = field(default_factory=set)

    def add(self, row: NewRow, spec: ExportSpec) -> bool:
        """Whether the row fits."""
        try:
            record = _record(row, self.shape, spec)
        except Unfit as unfit:
            self.unfit[unfit.reason] += 1
            return False
        self.fit[row.split] += 1
        if spec.is_table:
            self._add_columns(record, spec)
        return True

    def record(self, row: NewRow, spec: ExportSpec) -> Record:
        """The record of a row as this file holds it, once all rows were added. Raises Unfit where it does not fit."""
        return _record(row, self.shape, spec, (self.flat or {}) if spec.is_table else None)

    def _add_columns(self, record: Record, spec: ExportSpec) -> None:
        known = self.shape.columns | _CARRIED
        self.used |= record.keys() & known.keys()
        for name, holds in self.shape.columns.items():
            if holds == "turns":
                self.fields.setdefault(name, {}).update(dict.fromkeys(key for turn in record[name] for key in turn))
            if holds == "number" and not isinstance(record.get(name, 0), int):
                self.fractions.add(name)
        more = {name: value for name, value in record.items() if name not in known}
        texts = {name: None for name, value in more.items() if isinstance(value, str)}
        before = texts if self.flat is None else self.flat
        self.flat = {name: None for name in before if name in texts}
        self.has_inner = self.has_inner or len(more) > len(self.flat) or len(before) > len(self.flat)
        if spec.format == "csv" and not self.is_escaped:
            cells = (cell_text(value, known.get(name, "text")) for name, value in record.items())
            self.is_escaped = any(escape_cell(text) != text for text in cells)

    def layout(self, note: str = "") -> Layout:
        own = {name: self._holds(name, holds) for name, holds in self.shape.columns.items()}
        columns = {name: holds for name, holds in (own | _CARRIED).items() if name in self.used}
        columns |= dict.fromkeys(self.flat or (), "text")
        if self.has_inner:
            columns["extra"] = "json"
        return Layout(columns, {name: tuple(keys) for name, keys in self.fields.items()}, self.is_escaped, note)

    def _holds(self, name: str, holds: Holds) -> Holds:
        return "whole" if holds == "number" and name not in self.fractions else holds


@dataclass
class Survey:
    """What became of the rows that were looked at: which fit, why others do not, what the card can tell of them."""

    kinds: dict[str, KindSurvey] = field(default_factory=dict)
    origins: Counter[str] = field(default_factory=Counter)
    scripts: Scripts = field(default_factory=Scripts)
    n_seen: int = 0

    @property
    def n_fit(self) -> int:
        return sum(kind.fit.total() for kind in self.kinds.values())

    @property
    def unfit(self) -> dict[str, int]:
        """Rows that do not fit, by reason (`data.unfit.*`)."""
        return dict(sum((kind.unfit for kind in self.kinds.values()), Counter[str]()))

    def written(self) -> list[str]:
        """Kinds with rows to write, in their usual order."""
        return [kind for kind in KINDS if kind in self.kinds and self.kinds[kind].fit]

    def add(self, row: NewRow, spec: ExportSpec) -> bool:
        """Whether the row fits the shape of its kind."""
        self.n_seen += 1
        if row.kind not in self.kinds:
            self.kinds[row.kind] = KindSurvey(spec.shape_of(row.kind))
        self.scripts.add(search_text(row.kind, row.content))
        origin = row.origin or {}
        ref = str(origin.get("ref") or origin.get("type") or "")
        if ref and (ref in self.origins or len(self.origins) < _KEPT_ORIGINS):
            self.origins[ref] += 1
        return self.kinds[row.kind].add(row, spec)


def survey(found: Iterable[NewRow], spec: ExportSpec) -> Survey:
    seen = Survey()
    for row in found:
        seen.add(row, spec)
    return seen


def beginning(db: Database, spec: ExportSpec, most: int, limit: int) -> tuple[Survey, dict[str, list[Record]]]:
    """A survey of the first `most` rows, and by kind the first `limit` records that fit."""
    seen = Survey()
    first: dict[str, list[NewRow]] = {kind: [] for kind in KINDS}
    for row in itertools.islice(exported_rows(db, spec), most):
        if seen.add(row, spec) and len(first[row.kind]) < limit:
            first[row.kind].append(row)
    return seen, {kind: [seen.kinds[kind].record(row, spec) for row in first[kind]] for kind in seen.written()}


# --- 2 write ----------------------------------------------------------------------------------------------------------


def _file_name(spec: ExportSpec, kind: str, split: str | None, seen: Survey) -> str:
    """Inside the folder. Rows without a split are the train split of a dataset that has no splits at all."""
    several = len(seen.written()) > 1
    if not spec.is_folder:
        return f"{kind}.{spec.file_format}"
    name = split or ("unassigned" if any(seen.kinds[kind].fit.keys() & set(SPLITS)) else "train")
    if spec.format == "llama_factory":
        return f"{kind}_{name}.jsonl" if several else f"{name}.jsonl"
    return f"data/{kind}/{name}-00000-of-00001.parquet" if several else f"data/{name}-00000-of-00001.parquet"


def write_files(found: Iterable[NewRow], spec: ExportSpec, seen: Survey, folder: Path, note: str = "") -> list[FileFact]:
    """Write the same rows again that `seen` has looked at: those that fit, in their order."""
    layouts = {kind: seen.kinds[kind].layout(note) for kind in seen.written()}
    sinks: dict[str, Sink] = {}
    facts: dict[str, tuple[str, str | None]] = {}
    counts: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:
        for row in found:
            try:
                record = seen.kinds[row.kind].record(row, spec)
            except Unfit:
                continue
            name = _file_name(spec, row.kind, row.split, seen)
            if name not in sinks:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                sinks[name] = open_sink(spec.file_format, folder / name, layouts[row.kind])
                stack.callback(sinks[name].close)
                facts[name] = (row.kind, row.split if spec.is_folder else None)
            sinks[name].write(record)
            counts[name] += 1
    return [FileFact(name, kind, split, counts[name]) for name, (kind, split) in facts.items()]


def _info(source: Source, spec: ExportSpec, seen: Survey, files: list[FileFact]) -> CardInfo:
    return CardInfo(
        name=source.name,
        revision=source.revision,
        content_hash=source.content_hash,
        counts={kind: dict(seen.kinds[kind].fit) for kind in seen.written()},
        origins=dict(seen.origins.most_common(20)),
        scripts=seen.scripts.shares(),
        revisions=source.revisions,
        files=tuple(files),
        unfit=seen.unfit,
        is_escaped=spec.format == "csv" and any(kind.is_escaped for kind in seen.kinds.values()),
    )


def _write_card(source: Source, spec: ExportSpec, info: CardInfo, folder: Path) -> None:
    header = yaml_header(source.card, info, with_configs=spec.format == "datasets_folder")
    (folder / "README.md").write_text(header + card_markdown(source.card, info, spec.lang), "utf-8")
    if spec.format == "llama_factory":
        names = {file.name: f"{_safe(source.name)}_{Path(file.name).stem}" for file in info.files}
        entries = {names[file.name]: entry(file.kind, file.name) for file in info.files}
        (folder / "dataset_info.json").write_text(json.dumps(entries, ensure_ascii=False, indent=2) + "\n", "utf-8")


# --- 3 put it there ---------------------------------------------------------------------------------------------------


def _safe(name: str) -> str:
    """A dataset's name as part of a file's: letters of any script, digits, dashes."""
    return re.sub(r"[^\w-]+", "-", name).strip("-")[:_NAME_CHARS] or "dataset"


def _stem(source: Source, spec: ExportSpec) -> str:
    """The same spec of the same rows gives the same name, another one never does."""
    wanted = spec.model_dump(mode="json", exclude={"then"}) | {"hash": source.content_hash}
    digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
    return f"{_safe(source.name)}-r{source.revision}-{digest[:8]}"


def _zip(folder: Path, path: Path, root: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                stored = zipfile.ZIP_STORED if file.suffix == ".parquet" else zipfile.ZIP_DEFLATED
                archive.write(file, f"{root}/{file.relative_to(folder).as_posix()}", stored)


@dataclass(frozen=True)
class Written:
    """A file under `exports/`, how many rows were looked at and are in it, and why others are not (`data.unfit.*`)."""

    path: Path
    n_seen: int
    n_fit: int
    unfit: dict[str, int]


def export_rows(
    db: Database, settings: Settings, spec: ExportSpec, *, on_row: Callable[[int], None] = lambda n_rows: None
) -> Written:
    """Write the rows that fit.

    `on_row` hears of every row twice. Raises DataError where no row is wanted or none fits, and when rows were purged
    meanwhile; then no file is left.
    """
    spec.check()
    source = source_of(db, spec.dataset)
    counter = itertools.count(1)

    def told() -> Iterator[NewRow]:
        for row in exported_rows(db, spec):
            on_row(next(counter))
            yield row

    seen = survey(told(), spec)
    _check_any(seen, source)
    stem = _stem(source, spec)
    note = json.dumps({"dataset": source.name, "revision": source.revision, "content_hash": source.content_hash})
    work = Path(tempfile.mkdtemp(prefix="export-", dir=settings.folder("tmp")))
    try:
        folder = work / "files"
        folder.mkdir()
        files = write_files(told(), spec, seen, folder, note)
        made = folder / files[0].name
        if spec.is_folder or len(files) > 1:
            _write_card(source, spec, _info(source, spec, seen, files), folder)
            made = work / "files.zip"
            _zip(folder, made, stem)
        store.check_hash(db, source.id, source.revision, source.content_hash)
        path = made.replace(settings.folder("exports") / f"{stem}{made.suffix}")
        return Written(path, seen.n_seen, seen.n_fit, seen.unfit)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check_any(seen: Survey, source: Source) -> None:
    if seen.n_seen == 0:
        raise DataError("error.data.export_empty", field="split", name=source.name)
    if seen.n_fit == 0:
        raise DataError("error.data.export_unfit", field="shape", name=source.name, n=seen.n_seen)


def run_export(context: JobContext) -> dict[str, Any]:
    """The job `export_data`, for datasets too large for a request's thread."""
    spec = checked(ExportSpec, context.spec)
    total = 2 * source_of(context.db, spec.dataset).n_rows
    context.phase("exporting")

    def on_row(n_rows: int) -> None:
        context.check_stop()
        if n_rows % 1000 == 0:
            context.progress(n_rows, total, "rows")

    made = export_rows(context.db, context.settings, spec, on_row=on_row)
    return {"file": made.path.name, "n_seen": made.n_seen, "n_fit": made.n_fit, "unfit": made.unfit}
