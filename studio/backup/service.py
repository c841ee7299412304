"""What `python -m studio backup` and `restore` do: the whole studio into one file, and out of it into an empty home.

A training may go on meanwhile. The database is read first and the files afterwards, and in each folder the files before the
folders in it: an event file may be ahead of the database, which takes in the rest later, but never behind it.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import sqlalchemy as sa
from sqlalchemy.engine import Connection

import studio
from studio.access import Actor, allows
from studio.access.trail import Entry, record, recording
from studio.backup.archive import ArchiveReader, ArchiveWriter, Manifest, check_target, is_packed, new_archive, open_archive
from studio.backup.tables import (
    drop_everything,
    dump_tables,
    has_tables,
    load_table,
    number_on,
    schema_tables,
)
from studio.db import Database, schema_head
from studio.engine.tables import answers, engines
from studio.errors import ConfigError, DataError, JobError
from studio.ids import now, time_text
from studio.jobs.queue import ACTIVE, ENDED
from studio.jobs.resources import free_disk_bytes
from studio.jobs.tables import jobs, workers
from studio.models.catalogue import base_folder
from studio.models.tables import bases
from studio.settings import Settings

__all__ = ["BackupService", "Moved", "Progress"]

_CHUNK = 1 << 20

#: Folders of the home that hold nothing that lasts: what is being made, the tokens of engines that live here and now, and
#: search indexes, which are made again from the rows.
_PASSING_FOLDERS = ("tmp", "engines", "search")
_PASSING_SUFFIXES = (".part", ".tmp", ".lock")

#: Called with the bytes done and the bytes there are in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Moved:
    """What was saved or restored. `bytes` are those of the files and the rows; `models` are base models with their weights."""

    file: str
    home: str
    schema: str
    created_at: str
    datasets: int
    rows: int
    runs: int
    models: int
    files: int
    bytes: int
    seconds: float


class BackupService:
    """Opens databases of its own, and records in them: when a home is restored there are no services yet."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        file = sa.make_url(settings.url).database if settings.url.startswith("sqlite") else None
        # With -wal and -shm. A studio that moved to PostgreSQL may still have its old file.
        self._databases = ("studio.db", Path(file or "studio.db").name)

    # 1 Into a file

    @allows("backup.save")
    def save(
        self, actor: Actor, file: Path, *, with_models: bool = True, on_progress: Progress = lambda done, total: None
    ) -> Moved:
        """Everything that lasts into `file`, which only its owner may read: the keys are in it.

        Raises ConfigError when the file is there already, lies in the home, or does not fit on its disk.
        """
        started = time.monotonic()
        file = file.expanduser().absolute()
        check_target(file)
        home = self._settings.home
        if file.parent.resolve().is_relative_to(home):
            raise ConfigError("error.backup.inside_home", path=str(file), home=str(home))
        with ExitStack() as opened, new_archive(file) as archive:
            db = Database(self._settings.url)
            opened.callback(db.close)
            if db.schema_revision() == schema_head():  # an older one may have no trail yet
                opened.enter_context(recording(db, Entry(actor, "backup.save", file.name)))
            schema, dumps = dump_tables(db, file.parent, opened)
            total = sum(dump.n_bytes for dump in dumps) + self._size_of_files(with_models)
            if not is_packed(file) and total > free_disk_bytes(file.parent):
                raise ConfigError("error.backup.no_disk", needed_bytes=total, free_bytes=free_disk_bytes(file.parent))
            manifest = Manifest(
                studio=studio.__version__,
                schema=schema,
                created_at=time_text(now()),
                with_models=with_models,
                tables={dump.table: dump.n_rows for dump in dumps},
                bytes=total,
            )
            archive.begin(manifest)
            archive.on_bytes = lambda n_bytes: on_progress(n_bytes, total)
            for dump in dumps:
                archive.add(f"database/{dump.table}.jsonl", dump.file, dump.n_bytes)
            for path in self._files(with_models):
                self._add_file(archive, path)
        return self._moved(file, manifest, archive, started)

    def _files(self, with_models: bool) -> Iterator[Path]:
        """Files that last. Links are followed (weights may lie on another disk), but no folder is walked twice."""
        home, seen = self._settings.home, set()
        for folder, names, files in os.walk(home, followlinks=True):
            here = Path(folder)
            known = here.stat() if here.exists() else None
            if known is None or (known.st_dev, known.st_ino) in seen:
                names.clear()
                continue
            seen.add((known.st_dev, known.st_ino))
            names[:] = sorted(name for name in names if not self._passes((here / name).relative_to(home), with_models))
            yield from (here / name for name in sorted(files) if not self._passes((here / name).relative_to(home), with_models))

    def _passes(self, path: Path | PurePosixPath, with_models: bool = True) -> bool:
        """Whether a path under the home stays out of a backup."""
        top, name = path.parts[0], path.name
        if top in _PASSING_FOLDERS or name.endswith(_PASSING_SUFFIXES) or name.startswith(".saving-"):
            return True
        if top == "models" and path.suffix == ".safetensors" and not with_models:
            return True
        return len(path.parts) == 1 and name.startswith(self._databases)

    def _size_of_files(self, with_models: bool) -> int:
        total = 0
        for path in self._files(with_models):
            try:
                total += path.stat().st_size
            except OSError:
                continue  # gone since it was listed
        return total

    def _add_file(self, archive: ArchiveWriter, path: Path) -> None:
        """A file as it is when it is opened. One that is gone by then is left out, as if the backup had begun later.

        Raises ConfigError for a file that may not be read: a backup with a hole would be found out too late.
        """
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                return
            file = _opened(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ConfigError("error.backup.not_read", path=str(path), reason=error.strerror or str(error)) from error
        with file:
            facts = os.fstat(file.fileno())
            name = f"home/{path.relative_to(self._settings.home).as_posix()}"
            archive.add(name, file, facts.st_size, mode=facts.st_mode, mtime=facts.st_mtime)

    # 2 Out of a file

    @allows("backup.restore")
    def restore(self, actor: Actor, file: Path, *, on_progress: Progress = lambda done, total: None) -> Moved:
        """Make this home, and its database, out of a backup. What was going on when it was made is not going on here.

        Raises ConfigError when the home or the database holds something; DataError for a file that is no backup, is cut off
        or damaged, or comes from a newer studio. Whatever is raised, nothing is left behind.
        """
        started = time.monotonic()
        home = self._settings.home
        if _holds_files(home):
            raise ConfigError("error.backup.home_not_empty", home=str(home))
        with open_archive(file.expanduser()) as archive, ExitStack() as undo:
            self._check(file, archive.manifest)
            archive.on_bytes = lambda n_bytes: on_progress(n_bytes, archive.manifest.bytes)
            own_disk = os.path.ismount(home)  # a folder that is mounted cannot be renamed over: it is filled from inside
            (home if own_disk else home.parent).mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(prefix=f".{home.name}.", suffix=".restoring", dir=home if own_disk else home.parent))
            undo.callback(shutil.rmtree, work, ignore_errors=True)
            staged = self._settings.model_copy(update={"home": work / "home"}).ready()
            db = Database(staged.url)
            undo.callback(db.close)
            if has_tables(db):
                raise ConfigError("error.backup.database_not_empty", database=db.place)
            try:
                self._fill(db, staged, archive)
                record(db, Entry(actor, "backup.restore", file.name), "done")
                db.close()  # SQLite puts its log into the file with the last connection
                _move_in(staged.home, home, own_disk)
            except BaseException:
                if staged.database_url:  # any other one goes with the folder
                    drop_everything(db)
                raise
        return self._moved(file, archive.manifest, archive, started)

    def _check(self, file: Path, manifest: Manifest) -> None:
        if manifest.schema > schema_head():
            raise DataError("error.backup.newer", path=str(file), found=manifest.studio)
        self._settings.home.parent.mkdir(parents=True, exist_ok=True)
        free = free_disk_bytes(self._settings.home.parent)
        if manifest.bytes > free:
            raise ConfigError("error.backup.no_disk", needed_bytes=manifest.bytes, free_bytes=free)

    def _fill(self, db: Database, staged: Settings, archive: ArchiveReader) -> None:
        db.upgrade(archive.manifest.schema)
        with db.read() as connection:
            tables = {table.name: table for table in schema_tables(connection)}
        for info in archive.members():
            room, _, rest = info.name.partition("/")
            with archive.open(info) as source:
                if room == "database" and rest.removesuffix(".jsonl") in tables:
                    load_table(db, tables[rest.removesuffix(".jsonl")], source)
                elif room == "home" and rest and not self._passes(PurePosixPath(rest)):
                    _extract(info, rest, source, staged.home)
                else:
                    raise DataError("error.backup.unsafe", name=info.name)
        number_on(db, tables.values())
        db.migrate(staged)
        with db.write() as connection:
            _let_go(connection)
            _miss_weights(connection, staged)

    def _moved(
        self, file: Path, manifest: Manifest, archive: ArchiveReader | ArchiveWriter, started: float
    ) -> Moved:
        counts = manifest.tables
        return Moved(
            file=str(file),
            home=str(self._settings.home),
            schema=manifest.schema,
            created_at=manifest.created_at,
            datasets=counts.get("datasets", 0),
            rows=counts.get("rows", 0),
            runs=counts.get("runs", 0),
            models=counts.get("bases", 0) if manifest.with_models else 0,
            files=archive.n_files,
            bytes=archive.n_bytes,
            seconds=round(time.monotonic() - started, 1),
        )


def _opened(path: Path) -> IO[bytes]:
    """For reading, without a trace where the system allows it: the cleaning tells by the last reading what is in use."""
    try:
        return os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOATIME", 0)), "rb")
    except PermissionError:
        return path.open("rb")  # somebody else's file, which may be read all the same


def _holds_files(home: Path) -> bool:
    """Empty folders are no reason to refuse a home."""
    return home.is_file() or any(files for _, _, files in os.walk(home))


def _extract(info: tarfile.TarInfo, rest: str, source: IO[bytes], home: Path) -> None:
    """Write one file below the home. Raises DataError for a name that leads out of it or comes twice."""
    try:
        safe = tarfile.data_filter(info.replace(name=rest, deep=False), str(home))
        target = home / safe.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            shutil.copyfileobj(source, file, _CHUNK)
        target.chmod(safe.mode if safe.mode is not None else 0o600)
        os.utime(target, (safe.mtime, safe.mtime))
    except (tarfile.FilterError, FileExistsError) as error:
        raise DataError("error.backup.unsafe", name=info.name) from error
    except OSError as error:
        raise ConfigError("error.backup.not_written", path=rest, reason=error.strerror or str(error)) from error


def _move_in(staged: Path, home: Path, own_disk: bool) -> None:
    """The finished home takes its place; folders there are known to be empty."""
    for folder, _, _ in list(os.walk(home, topdown=False)):
        if Path(folder) not in (home, staged.parent) and not Path(folder).is_relative_to(staged):
            Path(folder).rmdir()
    if not own_disk:
        staged.replace(home)
        return
    for path in staged.iterdir():
        path.replace(home / path.name)


def _let_go(connection: Connection) -> None:
    """Nothing of what went on when the backup was made goes on in this home, even where the original still runs beside it."""
    connection.execute(workers.delete())
    connection.execute(engines.update().values(state="ended"))
    nobody = {"host": None, "pid": None, "pid_created": None, "worker_id": None, "lease_until": None}
    engine_jobs = jobs.update().where(jobs.c.job_class == "engine", jobs.c.state.not_in(ENDED))
    connection.execute(engine_jobs.values(state="stopped", ended_at=now(), **nobody))
    reason = JobError("error.job.restored").as_dict()
    active = jobs.update().where(jobs.c.state.in_(ACTIVE))
    connection.execute(active.values(state="lost", ended_at=now(), eta_s=None, error=reason, **nobody))
    connection.execute(answers.update().where(answers.c.state == "running").values(state="interrupted"))


def _miss_weights(connection: Connection, staged: Settings) -> None:
    """A base whose weights stayed out of the backup is to be fetched again."""
    for base_id in connection.execute(sa.select(bases.c.id).where(bases.c.state == "ready")).scalars().all():
        if not any(base_folder(staged, base_id).glob("*.safetensors")):
            connection.execute(bases.update().where(bases.c.id == base_id).values(state="failed"))
