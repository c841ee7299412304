"""The purge: what an admin takes out of the studio for good, from every revision and every copy (CONTRACTS 3).

    plan ─► 1 checkpoints, files ─► 2 chats, records, rows ─► 3 revisions counted again ─► 4 the database's own file

Files go first: as long as the rows are there, they name the snapshots, uploads and runs that hold the same words. A purge
that is killed anywhere is finished by doing it again: each step looks for what is left and takes a batch at a time, and a
revision that loses rows carries a mark until it has been counted again.

Out of reach are backups, the free blocks of a disk, and what somebody has copied away. On PostgreSQL deleted rows are
invisible at once, but their bytes stay in the tables' files until its own vacuum, which runs by itself, has freed the space
and something else is written there; in its write-ahead log and in replicas they pass with time. Who needs them gone today
has the server's owner run `VACUUM FULL` on the tables.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from studio.access import Actor, allows
from studio.access.trail import Entry, record
from studio.data import examinations, search_index, store
from studio.data.pending import alone
from studio.data.revisions import count_again
from studio.data.tables import datasets, revisions, rows
from studio.db import Database
from studio.engine.manager import EngineManager
from studio.engine.tables import chats, thumbs
from studio.errors import ConfigError, JobError
from studio.jobs.queue import ENDED
from studio.jobs.runfolder import write_by_rename
from studio.jobs.tables import checkpoints, jobs, run_datasets, runs
from studio.models.catalogue import base_folder
from studio.models.tables import bases
from studio.purge.plan import Found, FoundRun, Plan, Planner, Wanted, in_batches
from studio.settings import Settings

__all__ = ["PurgeService"]

log = logging.getLogger("studio.purge")

#: What a transaction takes: far under the 100 ms of CONTRACTS 3, with rows of some kB and freed pages overwritten.
_ROWS = 100
_CHATS = 5
_RECORDS = 50

#: Readers that hold an old state of the file get so long to end before its log is cut.
_READERS_MS = 5_000


class PurgeService:
    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._planner = Planner(db, settings)
        self.between: Callable[[], None] = lambda: None  # called after each step that could be a process's last one

    @allows("purge.look")
    def look(self, actor: Actor, wanted: Wanted) -> Found:
        """What would go. Reads every row, chat and text file."""
        return self._planner.found(self._planner.plan(wanted))

    @allows("purge.run", tells=("delete_checkpoints",))
    def run(self, actor: Actor, wanted: Wanted, *, delete_checkpoints: bool, confirm: str) -> Found:
        """Take it out, and tell what went. Done again, it finishes what a killed one has left.

        `delete_checkpoints` is for now or never: once the rows are gone, nothing tells which runs have seen them. Raises
        ConfigError unless `confirm` repeats what is wanted (the phrase, the dataset's name, the id), and JobError while a
        job works with it, or somebody else purges.
        """
        name = self._planner.name_of(wanted.dataset) if wanted.dataset else wanted.phrase or wanted.person or wanted.link
        if confirm.strip() != name.strip():
            raise ConfigError("error.purge.confirm", field="confirm")
        with self._alone():
            plan = self._planner.plan(wanted)
            found = self._planner.found(plan)
            self._refuse_while_at_work(plan)
            if delete_checkpoints:
                self._delete_checkpoints(actor, found.runs)
            self._delete_files(plan)
            self._delete_chats(plan)
            self._blank_records(plan)
            with contextlib.ExitStack() as edits:  # a change made meanwhile would carry the words on
                for dataset_id in sorted(plan.rows):
                    edits.enter_context(alone(self._settings, dataset_id))
                self._delete_rows(plan)
                self._count_again()
            if wanted.dataset:
                self._entomb(wanted.dataset)
            self._compact()
            self._tell(actor, wanted, found, delete_checkpoints)
        return found

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._settings.folder("tmp") / "purge.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise JobError("error.purge.busy") from None
            yield

    def _refuse_while_at_work(self, plan: Plan) -> None:
        """A job that runs or waits would write the same words once more, or has the file open that is to be written anew."""
        trained = {run.id for run in plan.runs}
        folders = {self._settings.relative(path.parent) for path, content in plan.texts.items() if content}
        uploads = {path.name for path in plan.uploads}
        made = sa.select(datasets.c.job_id).where(datasets.c.id.in_(plan.rows))
        with self._db.read() as connection:
            imports = set(connection.execute(made).scalars())
            for job in connection.execute(sa.select(jobs).where(jobs.c.state.not_in(ENDED))):
                if job.run_id in trained or job.folder in folders or job.id in imports or uploads & _uploads_of(job.spec):
                    raise JobError("error.purge.at_work", name=job.name)

    def _tell(self, actor: Actor, wanted: Wanted, found: Found, delete_checkpoints: bool) -> None:
        """An entry of its own for what went, in numbers: the phrase is what must go."""
        counts = {item.name: getattr(found, item.name) for item in fields(found)}
        detail = {name: value for name, value in counts.items() if isinstance(value, int)}
        detail |= {"rows": found.n_rows, "runs": len(found.runs), "checkpoints": found.n_checkpoints * delete_checkpoints}
        record(self._db, Entry(actor, "purge.run", wanted.dataset or wanted.person or wanted.link, detail), "done")
        log.info("purged: %s", detail)

    # 1 Files

    def _delete_checkpoints(self, actor: Actor, found: tuple[FoundRun, ...]) -> None:
        """Rows, then folders: no page names what is gone. An engine that holds one of them in memory is asked to end."""
        for run in found:
            with self._write() as connection:
                connection.execute(checkpoints.delete().where(checkpoints.c.run_id == run.id))
            folder = self._settings.home / "runs" / run.id
            for path in [*folder.glob("checkpoint-*"), *folder.glob(".saving-*")]:
                shutil.rmtree(path)
                self.between()
            self._delete_merged(run.id)
        with self._db.read() as connection:
            trained = connection.execute(sa.select(runs.c.base_id).where(runs.c.id.in_([run.id for run in found])))
            bases = set(trained.scalars())
        engines = EngineManager(self._db, self._settings)
        for engine in engines.alive(actor):
            if engine.base_id in bases:
                engines.unload(actor, engine.id)

    def _delete_merged(self, run_id: str) -> None:
        """Models that a run's checkpoints were merged into: their weights go, their lines stay for the chats that name them."""
        of_run = sa.and_(bases.c.source == "merged", bases.c.ref.startswith(f"{run_id}@", autoescape=True))
        with self._write() as connection:
            made = list(connection.execute(sa.select(bases.c.id).where(of_run)).scalars())
            connection.execute(bases.update().where(of_run).values(state="failed"))
        for base_id in made:
            shutil.rmtree(base_folder(self._settings, base_id), ignore_errors=True)
            self.between()

    def _delete_files(self, plan: Plan) -> None:
        for path in (*plan.uploads, *plan.snapshots):
            path.unlink(missing_ok=True)
            self.between()
        for path, content in plan.texts.items():
            if content:
                with _held(path):
                    write_by_rename(path, content)
                self.between()
            if path.name == "events.jsonl":
                self._follow(path)

    def _follow(self, path: Path) -> None:
        """The worker reads on from the byte behind the last event it knows: that byte has moved."""
        this = jobs.c.folder == self._settings.relative(path.parent)
        with self._db.read() as connection:
            job = connection.execute(sa.select(jobs.c.id, jobs.c.ingested_seq).where(this, jobs.c.state.in_(ENDED))).first()
        if job is None:
            return
        with self._write() as connection:
            at = _end_of(path, job.ingested_seq)
            connection.execute(jobs.update().where(jobs.c.id == job.id).values(ingested_bytes=at))

    # 2 The database

    @contextlib.contextmanager
    def _write(self) -> Iterator[Connection]:
        """A short transaction after which SQLite overwrites what it frees, so that nothing is left in the file meanwhile."""
        with self._db.write() as connection:
            if not self._db.is_sqlite:
                yield connection
                return
            usual = connection.exec_driver_sql("PRAGMA secure_delete").scalar_one()
            connection.exec_driver_sql("PRAGMA secure_delete=ON").all()
            try:
                yield connection
            finally:  # of the connection, which goes back to the pool
                connection.exec_driver_sql(f"PRAGMA secure_delete={'FAST' if usual == 2 else usual}").all()

    def _delete_chats(self, plan: Plan) -> None:
        for batch in in_batches(plan.chats, _CHATS):
            with self._write() as connection:
                connection.execute(chats.delete().where(chats.c.id.in_(batch)))
            self.between()
        for batch in in_batches(plan.ratings, _RECORDS):
            with self._write() as connection:
                for answer_id, user_id in batch:
                    connection.execute(thumbs.delete().where(thumbs.c.answer_id == answer_id, thumbs.c.user_id == user_id))

    def _blank_records(self, plan: Plan) -> None:
        for batch in in_batches(plan.records, _RECORDS):
            with self._write() as connection:
                for table, key, values in batch:
                    this = (column == value for column, value in zip(table.primary_key.columns, key, strict=True))
                    connection.execute(table.update().where(*this).values(**values))
            self.between()

    def _delete_rows(self, plan: Plan) -> None:
        for dataset_id, number in sorted(plan.revisions):
            with self._write() as connection:
                is_new = store.mark_purging(connection, dataset_id, number)
            if is_new:
                self.between()
        these = rows.c.id.in_(sa.bindparam("ids", expanding=True, literal_execute=True))  # pg8000 is slow with many parameters
        for ids in plan.rows.values():
            for batch in in_batches(ids, _ROWS):
                with self._write() as connection:
                    connection.execute(rows.delete().where(these), {"ids": batch})
                self.between()
        for digest in plan.hashes:  # one that somebody has made since
            for path in self._settings.folder("snapshots").glob(f"{digest}.*"):
                path.unlink(missing_ok=True)

    # 3 What is left agrees with itself

    def _count_again(self) -> None:
        """Every revision that carries the mark, of a purge before this one too."""
        with self._db.read() as connection:
            marked = revisions.c.content_hash.startswith(store.PURGING)
            found = connection.execute(sa.select(revisions.c.dataset_id, revisions.c.number).where(marked)).all()
        for dataset_id in sorted({row.dataset_id for row in found}):
            search_index.drop(self._settings, dataset_id)  # the mark stays until it is gone
            examinations.discard_all(self._db, dataset_id)  # a report repeats words that many rows begin with
        for dataset_id, number in found:
            count_again(self._db, dataset_id, number)
            self.between()

    def _entomb(self, dataset_id: str) -> None:
        """A dataset without rows goes. One that runs refer to stays so that they can be read, under its id, and says nothing."""
        with self._write() as connection:
            used = sa.select(run_datasets.c.run_id).where(run_datasets.c.dataset_id == dataset_id)
            if connection.execute(used.limit(1)).first() is None:
                connection.execute(datasets.delete().where(datasets.c.id == dataset_id))
                return
            said: dict[str, Any] = {"message": "", "report": {}, "name": None, "summary": None}
            connection.execute(revisions.update().where(revisions.c.dataset_id == dataset_id).values(**said))
            connection.execute(datasets.update().where(datasets.c.id == dataset_id).values(name=dataset_id, note="", card=None))

    # 4 The file

    def _compact(self) -> None:
        """SQLite: write the whole file anew, then cut its log, so that what earlier changes left in free space is gone too.

        Holds the write lock as long as it takes to copy the file, the one exception to the 100 ms: writers wait meanwhile,
        readers do not. The copy lies in a file of SQLite's own, not in memory.
        """
        if not self._db.is_sqlite:
            return
        with self._db.engine.connect().execution_options(studio_plain=True) as connection:
            try:
                connection.exec_driver_sql("PRAGMA temp_store=FILE")
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql(f"PRAGMA busy_timeout={_READERS_MS}").all()
                busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            finally:
                connection.invalidate()
        if busy:
            log.warning("a reader held the database's log: its old pages go with the next checkpoint")


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Nobody begins to write an event file that is about to be replaced. Raises JobError while somebody does."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JobError("error.job.runs_already") from None
        yield


def _end_of(path: Path, seq: int) -> int:
    """The byte behind the event of this number; 0 where there is none up to it."""
    at = end = 0
    with path.open("rb") as file:
        for line in file:
            at += len(line)
            event: Any = None
            with contextlib.suppress(ValueError):
                event = json.loads(line)
            if line.endswith(b"\n") and isinstance(event, dict) and event.get("seq", seq + 1) <= seq:
                end = at
    return end


def _uploads_of(spec: dict[str, Any]) -> set[str]:
    """The staged files that an import reads; of one from before imports took several, the only one."""
    return {file["upload"] for file in spec.get("files", ()) if isinstance(file, dict) and "upload" in file} | (
        {spec["upload"]} if "upload" in spec else set()
    )
