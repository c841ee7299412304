"""Where the disk's bytes are, and what of them nobody needs any more."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from studio.access import Actor, allows
from studio.data.tables import datasets, revisions, rows
from studio.db import Database
from studio.engine.tables import engines
from studio.jobs.queue import ENDED
from studio.jobs.resources import free_disk_bytes
from studio.jobs.tables import jobs, runs
from studio.models.tables import bases
from studio.settings import Settings

__all__ = ["RULES", "Cleaned", "DiskUse", "Item", "Rule", "StorageService"]

log = logging.getLogger("studio.storage")

#: Measured once, shown for so long: the sizes of 300,000 rows (180 MB) are added up in 0.7 s.
_KEPT_S = 120.0

#: Nothing younger is cleaned away: who uses it may not have told the database yet, or works in a request's thread.
_DAY_S = 86_400.0

#: For what says by itself that it has ended. Longer than it takes from making a folder to the row that tells of it.
_MINUTE_S = 60.0

_CLEAN_AFTER_S = 60.0

Kind = Literal[
    "models", "runs", "datasets", "database", "uploads", "snapshots", "exports", "jobs", "temporary", "engines", "other"
]

#: Folders of the home and the kind as which their bytes are counted; what lies elsewhere is "other".
_FOLDERS: dict[str, Kind] = {
    "models": "models",
    "runs": "runs",
    "uploads": "uploads",
    "snapshots": "snapshots",
    "exports": "exports",
    "search": "database",  # indexes over its rows
    "jobs": "jobs",
    "tmp": "temporary",
    "engines": "engines",
}

CleanKind = Literal["snapshots", "uploads", "exports", "temporary", "leftovers", "staging", "engines"]


# 1 What may go


@dataclass(frozen=True)
class Rule:
    """One kind of thing that cleaning removes: paths under the home that match `pattern`, untouched for `age_s`, unless
    their `owner` is at work. The owner is a name that the spec or the folder of every job that uses the thing contains.
    """

    kind: CleanKind
    pattern: str
    age_s: float
    owner: Callable[[Path], str]


def _named(path: Path) -> str:
    return path.name


def _stem(path: Path) -> str:
    return path.stem


def _nobody(path: Path) -> str:
    return ""


def _base_of_part(path: Path) -> str:
    return path.name.removeprefix(".").removesuffix(".part")


def _run(path: Path) -> str:
    return path.parent.name


#: What              | where                  | untouched for | unless a job that waits or runs names
RULES: tuple[Rule, ...] = (
    Rule("snapshots", "snapshots/*.arrow", _DAY_S, _stem),  # its content hash; made again when it is wanted
    Rule("uploads", "uploads/" + "[0-9a-f]" * 64, _DAY_S, _named),  # its sha256
    Rule("exports", "exports/*-r[0-9]*-????????.*", _DAY_S, _nobody),  # made again when they are wanted
    Rule("temporary", "tmp/**/*", _DAY_S, _nobody),  # files, and folders that are empty by now; never a lock
    Rule("leftovers", "uploads/*.tmp", _DAY_S, _stem),
    Rule("leftovers", "uploads/*.part", _DAY_S, _stem),
    Rule("leftovers", "snapshots/*.tmp", _DAY_S, _nobody),
    Rule("leftovers", "snapshots/*.part", _DAY_S, _nobody),
    Rule("leftovers", "models/.*.part", _DAY_S, _base_of_part),  # of a fetch; a folder
    Rule("staging", "runs/*/.saving-*", _MINUTE_S, _run),  # of a checkpoint; a folder
    Rule("engines", "engines/*", _MINUTE_S, _named),  # the token of an engine that has ended; a folder
)


class Amount(NamedTuple):
    n: int
    bytes: int


@dataclass(frozen=True)
class Cleaned:
    """What was removed, or what would be, by kind; kinds without anything are left out."""

    by_kind: dict[CleanKind, Amount]

    @property
    def n(self) -> int:
        return sum(amount.n for amount in self.by_kind.values())

    @property
    def bytes(self) -> int:
        return sum(amount.bytes for amount in self.by_kind.values())

    def as_dict(self) -> dict[str, Any]:
        kinds = {kind: amount._asdict() for kind, amount in self.by_kind.items()}
        return {"n": self.n, "bytes": self.bytes, "kinds": kinds}


# 2 What is there


class Item(NamedTuple):
    """A dataset, a run or a model with its bytes; `name` is its id where the database does not know it."""

    id: str
    name: str
    bytes: int


@dataclass(frozen=True)
class DiskUse:
    """Bytes by kind, which add up to `total_bytes`, and the single things; largest first.

    A dataset is the text of its rows in the database, of all revisions, without what indexes and pages add (those count as
    `database`), plus its snapshots; one that two datasets share is the older one's. A run and a model are their folders.
    """

    kinds: tuple[tuple[Kind, int], ...]
    datasets: tuple[Item, ...]
    runs: tuple[Item, ...]
    models: tuple[Item, ...]
    total_bytes: int
    free_bytes: int

    def as_dict(self) -> dict[str, Any]:
        things = {name: [item._asdict() for item in getattr(self, name)] for name in ("datasets", "runs", "models")}
        return {"kinds": dict(self.kinds), **things, "total_bytes": self.total_bytes, "free_bytes": self.free_bytes}


class StorageService:
    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._lock = threading.Lock()
        self._use: tuple[float, DiskUse] | None = None

    @allows("storage.read")
    def use(self, actor: Actor) -> DiskUse:
        """Where the bytes are; up to two minutes old."""
        with self._lock:
            if self._use is None or time.monotonic() - self._use[0] > _KEPT_S:
                self._use = (time.monotonic(), self._measure())
            return self._use[1]

    def _measure(self) -> DiskUse:
        home = self._settings.home
        kinds: Counter[Kind] = Counter()
        things: dict[str, Counter[str]] = defaultdict(Counter)  # the first two parts of a path → bytes
        database = _database_files(self._db)
        for path, size in _files(home):
            parts = path.relative_to(home).parts
            kind: Kind = "database" if path in database else _FOLDERS.get(parts[0], "other") if len(parts) > 1 else "other"
            kinds[kind] += size
            if len(parts) > 1:
                things[parts[0]][parts[1]] += size
        with self._db.read() as connection:
            if not self._db.is_sqlite:
                kinds["database"] += int(connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())
            in_rows = _row_bytes(connection)
            snapshots = _snapshot_owners(connection)
            names = {table.name: _names(connection, table) for table in (datasets, runs, bases)}
        per_dataset = Counter(dict.fromkeys(names["datasets"], 0))
        for dataset_id, size in in_rows.items():
            per_dataset[dataset_id] += size
            kinds["database"] -= size
        for file, size in things["snapshots"].items():
            if (owner := snapshots.get(Path(file).stem)) is not None:
                per_dataset[owner] += size
                kinds["snapshots"] -= size
        kinds["datasets"] = per_dataset.total()
        kinds["database"] = max(0, kinds["database"])
        largest = sorted(((kind, size) for kind, size in kinds.items() if size), key=lambda item: -item[1])
        return DiskUse(
            kinds=tuple(largest),
            datasets=_items(per_dataset, names["datasets"]),
            runs=_items(things["runs"], names["runs"]),
            models=_items(things["models"], names["bases"]),
            total_bytes=sum(size for _, size in largest),
            free_bytes=free_disk_bytes(home),
        )

    # 3 Cleaning

    @allows("storage.read")
    def cleanable(self, actor: Actor) -> Cleaned:
        """What `clean` would remove now."""
        found: dict[CleanKind, list[int]] = defaultdict(list)
        at_work = self._at_work()
        for rule in RULES:
            for path in self._candidates(rule):
                if rule.owner(path) not in at_work:
                    found[rule.kind].append(_size(path))
        return Cleaned({kind: Amount(len(sizes), sum(sizes)) for kind, sizes in found.items()})

    @allows("storage.clean")
    def clean(self, actor: Actor) -> Cleaned:
        """Remove what nobody needs, by `RULES`; twice is the same as once. What cannot be removed is left and logged."""
        removed: dict[CleanKind, list[int]] = defaultdict(list)
        for rule in RULES:
            for path in self._candidates(rule):
                # Asked for each thing anew: a job that is queued from now on needs a process before it looks for its files.
                owner = rule.owner(path)
                if owner and owner in self._at_work():
                    continue
                size = _size(path)
                if _remove(path):
                    removed[rule.kind].append(size)
        with self._lock:
            self._use = None
        cleaned = Cleaned({kind: Amount(len(sizes), sum(sizes)) for kind, sizes in removed.items()})
        log.info("cleaned %d things, %d bytes", cleaned.n, cleaned.bytes)
        return cleaned

    @allows("storage.clean")
    def clean_later(self, actor: Actor, after_s: float = _CLEAN_AFTER_S) -> threading.Timer:
        """Clean once in the background, for the web server's start; the timer that is given back can be cancelled."""

        def work() -> None:
            try:
                self.clean(actor)
            except Exception:
                log.exception("the cleaning failed")  # nobody waits for it, and the next start tries again

        timer = threading.Timer(after_s, work)
        timer.daemon = True
        timer.start()
        return timer

    def _candidates(self, rule: Rule) -> Iterator[Path]:
        """What a rule is about, whoever uses it. Folders come after what is in them."""
        home = self._settings.home
        for path in sorted(home.glob(rule.pattern), reverse=True):
            if rule.kind == "temporary" and not _is_passing(path, home / "tmp"):
                continue
            if rule.kind == "engines" and not self._has_ended(path.name) and _untouched_s(path) < _DAY_S:
                continue
            if _untouched_s(path) > rule.age_s:
                yield path

    def _at_work(self) -> set[str]:
        """Every name that a job which waits or runs has in its spec or its folder: datasets' hashes, uploads, bases, runs."""
        found: set[str] = set()
        with self._db.read() as connection:
            for folder, spec in connection.execute(sa.select(jobs.c.folder, jobs.c.spec).where(jobs.c.state.not_in(ENDED))):
                found.update((folder.rsplit("/", 1)[-1], *_words(spec)))
        return found - {""}

    def _has_ended(self, engine_id: str) -> bool:
        """By its own word, or because its job has. False for one that the database does not know (yet)."""
        query = sa.select(engines.c.state, jobs.c.state).outerjoin(jobs, jobs.c.id == engines.c.job_id)
        with self._db.read() as connection:
            row = connection.execute(query.where(engines.c.id == engine_id)).first()
        return row is not None and (row[0] == "ended" or row[1] in ENDED)


# --- files ------------------------------------------------------------------------------------------------------------


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """Every file below a folder with its bytes; what vanishes meanwhile is left out, links are not followed."""
    for here, _, names in os.walk(folder):
        for name in names:
            path = Path(here, name)
            try:
                yield path, path.lstat().st_size
            except OSError:
                continue


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(size for _, size in _files(path))
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _untouched_s(path: Path) -> float:
    """Seconds since it, or anything in it, was last written or read; 0 for what is gone.

    Read, because who stages the same upload again, or finds a snapshot made, writes nothing. Linux notes a reading at least
    once a day (relatime), and backups leave no trace. A listing is no use, so of a folder only the writing counts.
    """
    newest = 0.0
    try:
        for each in (path, *(inner for inner, _ in _files(path))):
            facts = each.lstat()
            newest = max(newest, facts.st_mtime, 0.0 if each.is_dir() else facts.st_atime)
    except OSError:
        return 0.0  # somebody else is at it
    return time.time() - newest


def _is_passing(path: Path, tmp: Path) -> bool:
    """Files that are no locks, and empty folders; those right under tmp/ are kept, because Gradio expects to find its own."""
    try:
        return path.suffix != ".lock" if not path.is_dir() else path.parent != tmp and not any(path.iterdir())
    except OSError:
        return False  # gone


def _remove(path: Path) -> bool:
    try:
        if not path.is_dir() or path.is_symlink():
            path.unlink()
        elif any(path.iterdir()):
            shutil.rmtree(path)
        else:
            path.rmdir()
    except OSError as error:
        log.warning("%s could not be removed: %s", path, error)
        return False
    return True


def _database_files(db: Database) -> set[Path]:
    file = db.engine.url.database if db.is_sqlite else None
    return {Path(file + suffix) for suffix in ("", "-wal", "-shm", "-journal")} if file else set()


# --- rows -------------------------------------------------------------------------------------------------------------


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _words(item)


def _row_bytes(connection: Connection) -> dict[str, int]:
    """The text of a dataset's rows in bytes of UTF-8, in one look at the table."""
    texts = (rows.c.content, rows.c.search_text, rows.c.extra, rows.c.origin, rows.c.rule, rows.c.references)
    total = sum((sa.func.coalesce(_octets(connection, column), 0) for column in texts), start=sa.literal(0))
    query = sa.select(rows.c.dataset_id, sa.func.sum(total)).group_by(rows.c.dataset_id)
    return {dataset_id: int(size) for dataset_id, size in connection.execute(query)}


def _octets(connection: Connection, column: sa.Column[Any]) -> sa.ColumnElement[int]:
    text = sa.type_coerce(column, sa.Text)
    if connection.dialect.name == "sqlite" and sqlite3.sqlite_version_info < (3, 43):  # has no octet_length yet
        return sa.func.length(sa.cast(text, sa.BLOB))
    return sa.func.octet_length(text)


def _snapshot_owners(connection: Connection) -> dict[str, str]:
    """By content hash, the oldest dataset that has such a revision."""
    query = (
        sa.select(revisions.c.content_hash, revisions.c.dataset_id)
        .where(revisions.c.content_hash.is_not(None))
        .order_by(revisions.c.dataset_id.desc())
    )
    return {row.content_hash: row.dataset_id for row in connection.execute(query)}


def _names(connection: Connection, table: sa.Table) -> dict[str, str]:
    return {row.id: row.name for row in connection.execute(sa.select(table.c.id, table.c.name))}


def _items(sizes: Counter[str], names: dict[str, str]) -> tuple[Item, ...]:
    return tuple(Item(key, names.get(key, key), size) for key, size in _largest(sizes.items()))


def _largest(sizes: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(sizes, key=lambda item: (-item[1], item[0]))
