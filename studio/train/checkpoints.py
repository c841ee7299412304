"""Checkpoints on the disk: whole or not at all. Knows no torch, so a job's process can ask before it loads anything.

    .saving-<step>/  files, then checkpoint.json, all synced
      └─► renamed to checkpoint-<step>/ ─► told by an event ─► those no longer kept are deleted

Whatever a killed attempt leaves lies in one of these places, and the next one knows which: a staging folder and a folder
that an event took back are swept; a whole one that was not told yet is told.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from studio.errors import JobError, StorageError
from studio.jobs.context import JobContext
from studio.jobs.events import Event, read_events
from studio.jobs.resources import free_disk_bytes
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import checkpoints, jobs
from studio.train.faults import is_disk_full

__all__ = ["MANIFEST", "CheckpointStore", "Manifest", "newest_whole", "resume_step", "told_checkpoints"]

log = logging.getLogger("studio.train")

MANIFEST = "checkpoint.json"

#: Newest checkpoints that are kept whatever they are worth (CONTRACTS 4).
_LAST = 2


class FileFacts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    size: NonNegativeInt
    sha256: str


class Manifest(BaseModel):
    """What `checkpoint.json` says. `bytes` is the sum of `files`; `val_loss` in nats per token, None without an evaluation."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, ser_json_inf_nan="strings")

    schema_version: Literal[1] = Field(1, alias="schema")
    step: PositiveInt
    attempt: NonNegativeInt
    val_loss: float | None
    best: bool
    bytes: NonNegativeInt
    files: dict[str, FileFacts]


@dataclass(frozen=True)
class Told:
    """What an event said of a checkpoint; `manifest` is the sha256 of its manifest, empty where the event had none."""

    manifest: str
    best: bool


# 1 What is there


def resume_step(folder: RunFolder) -> int:
    """The step of the newest checkpoint that is whole; 0: from the beginning. Changes nothing."""
    if not folder.events_file.exists():
        return 0
    found = newest_whole(folder, [event for event, _ in read_events(folder.events_file)])
    return 0 if found is None else found.step


def newest_whole(folder: RunFolder, events: Sequence[Event]) -> Manifest | None:
    """The newest checkpoint whose files are those of its manifest, and whose manifest is the one that was told.

    One that no event tells of counts when it is newer than all that were told: its attempt died between rename and event.
    """
    told = told_checkpoints(events)
    untold = {step for step in _steps_there(folder) if step > max(told, default=0)}
    for step in sorted(told.keys() | untold, reverse=True):
        path = folder.checkpoint(step)
        manifest = _whole(path)
        if manifest is None or manifest.step != step:
            continue
        if step in told and _sha256(path / MANIFEST) != told[step].manifest:
            continue
        if step in untold and _is_superseded(manifest, events):
            continue
        return manifest
    return None


def told_checkpoints(events: Iterable[Event]) -> dict[int, Told]:
    """By step, what the events say is there: told, not taken back, and not done again by a later attempt."""
    told: dict[int, Told] = {}
    for event in events:
        body = event.body
        if event.kind == "attempt_started":
            told = {step: facts for step, facts in told.items() if step <= int(body.get("resumed_from_step", 0))}
        elif event.kind == "checkpoint_saved":
            told[int(body["step"])] = Told(body.get("manifest", ""), bool(body["best"]))
            for step in body.get("removed", ()):
                told.pop(int(step), None)
    return told


def _is_superseded(manifest: Manifest, events: Iterable[Event]) -> bool:
    """Whether an attempt after the one that wrote it has gone on from before it."""
    later = [event for event in events if event.kind == "attempt_started" and event.attempt > manifest.attempt]
    return any(int(event.body.get("resumed_from_step", 0)) < manifest.step for event in later)


def _steps_there(folder: RunFolder) -> list[int]:
    names = (re.fullmatch(r"checkpoint-(\d+)", path.name) for path in folder.path.glob("checkpoint-*"))
    return sorted(int(name[1]) for name in names if name)


def _whole(path: Path) -> Manifest | None:
    """The manifest of a checkpoint folder whose files are all there and as it says; None for any other folder."""
    try:
        manifest = Manifest.model_validate_json((path / MANIFEST).read_bytes())
        for name, facts in manifest.files.items():
            if (path / name).stat().st_size != facts.size or _sha256(path / name) != facts.sha256:
                log.warning("%s: %s is not what its manifest says", path.name, name)
                return None
    except (OSError, ValueError) as error:
        log.warning("%s is not a whole checkpoint: %s", path.name, error)
        return None
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# 2 Writing


class CheckpointStore:
    """The checkpoints of one attempt: what it found, what it writes, what it forgets."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._folder = context.folder
        self._told = told_checkpoints(context.history)

    def begin(self) -> None:
        """Before anything is computed: warn of what cannot be read, sweep what nobody tells of, tell what was not told."""
        used = self._context.resumed_from_step
        for step in sorted(step for step in self._told if step > used):
            self._context.warn("train.warned.checkpoint_corrupt", {"step": step, "used": used})
        self._told = {step: facts for step, facts in self._told.items() if step <= used}
        for path in self._folder.path.glob(".saving-*"):
            shutil.rmtree(path)
        for step in _steps_there(self._folder):
            if step not in self._told and step != used:
                shutil.rmtree(self._folder.checkpoint(step))
        if used and used not in self._told:
            manifest = Manifest.model_validate_json((self._folder.checkpoint(used) / MANIFEST).read_bytes())
            self._tell(manifest)

    def save(self, step: int, *, val_loss: float | None, best: bool, fill: Callable[[Path], None]) -> None:
        """Keep what `fill` writes into the folder that it is given.

        Raises JobError when the disk is full; the checkpoints before this one are as they were.
        """
        staging = self._folder.path / f".saving-{step}"
        try:
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir()
            fill(staging)
            manifest = self._sealed(staging, step, val_loss, best)
            # The steps up to here are on the disk before the checkpoint is: it never goes on from what nobody knows.
            _sync(self._folder.events_file)
            staging.rename(self._folder.checkpoint(step))
            _sync(self._folder.path)
        except Exception as error:
            full = is_disk_full(error, self._folder.path)
            shutil.rmtree(staging, ignore_errors=True)  # makes room for the event that tells of the failure
            if full:
                raise JobError("error.job.disk_full", free_bytes=free_disk_bytes(self._folder.path)) from error
            raise
        self._tell(manifest)

    def _sealed(self, staging: Path, step: int, val_loss: float | None, best: bool) -> Manifest:
        """Sync every file and write the manifest beside them."""
        files = {}
        for path in sorted(path for path in staging.rglob("*") if path.is_file()):
            _sync(path)
            files[path.relative_to(staging).as_posix()] = FileFacts(size=path.stat().st_size, sha256=_sha256(path))
        manifest = Manifest(
            step=step,
            attempt=self._context.attempt,
            val_loss=val_loss,
            best=best,
            bytes=sum(facts.size for facts in files.values()),
            files=files,
        )
        (staging / MANIFEST).write_text(manifest.model_dump_json(by_alias=True, indent=1), "utf-8")
        _sync(staging / MANIFEST)
        for folder in [*(path for path in staging.rglob("*") if path.is_dir()), staging]:
            _sync(folder)
        return manifest

    def _tell(self, manifest: Manifest) -> None:
        """Write the event, then delete what it takes back: an event never names what is gone already."""
        path = self._folder.checkpoint(manifest.step)
        sha256 = _sha256(path / MANIFEST)
        self._told[manifest.step] = Told(sha256, manifest.best)
        removed = sorted(self._told.keys() - set(self._kept()))
        for step in removed:
            del self._told[step]
        self._context.events.write(
            "checkpoint_saved",
            step=manifest.step,
            path=self._context.settings.relative(path),
            bytes=manifest.bytes,
            val_loss=manifest.val_loss,
            best=manifest.best,
            removed=removed,
            manifest=sha256,
        )
        for step in removed:
            shutil.rmtree(self._folder.checkpoint(step), ignore_errors=True)  # what stays is swept by the next attempt

    def _kept(self) -> Iterator[int]:
        """The best (a later best one is a better one), the last two, and those that somebody pinned."""
        yield from sorted(self._told)[-_LAST:]
        yield from sorted(step for step, facts in self._told.items() if facts.best)[-1:]
        run_id = sa.select(jobs.c.run_id).where(jobs.c.id == self._context.job_id).scalar_subquery()
        pinned = sa.select(checkpoints.c.step).where(checkpoints.c.run_id == run_id, checkpoints.c.pinned)
        try:
            with self._context.db.read() as connection:
                yield from connection.execute(pinned).scalars()
        except (sa.exc.SQLAlchemyError, StorageError):
            log.exception("the database did not say what is pinned: everything is kept for now")
            yield from self._told


def _sync(path: Path) -> None:
    """Have a file's content, or a folder's entries, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
