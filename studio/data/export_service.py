"""What people may do with exports: see how one begins and what does not fit, make it, fetch it."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.access import Actor, allows
from studio.data import store
from studio.data.export import EXPORTED_NAME, ExportSpec, beginning, export_rows, source_of
from studio.data.export_files import text_sink
from studio.db import Database
from studio.errors import NotFoundError
from studio.jobs.queue import insert_job
from studio.jobs.spec import checked
from studio.settings import Settings

__all__ = ["ExportService", "ExportSpec", "Exported", "Preview"]

#: Up to so many rows are written in the request's thread (CONTRACTS 4), and looked at for a preview.
_SMALL_ROWS = 10_000


@dataclass(frozen=True)
class Exported:
    """A file that is there, by its name under `exports/`, with what is in it (`export.Written`), or the job that makes it."""

    dataset_id: str
    name: str | None = None
    job_id: str | None = None
    n_seen: int = 0
    n_fit: int = 0
    unfit: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Preview:
    """How the files would begin, by kind of row (Parquet is shown as JSON lines), and what does not fit.

    Counts are of the first `n_seen` rows. `unfit` counts rows by kind and reason, a message key `data.unfit.*`.
    """

    first: dict[str, str]
    n_rows: int
    n_seen: int
    n_fit: int
    unfit: dict[str, dict[str, int]]


class ExportService:
    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings

    @allows("dataset.read")
    def spec(self, actor: Actor, dataset_id: str, **options: Any) -> ExportSpec:
        """A spec of the newest revision with these options. Raises ConfigError for options that cannot be."""
        info = store.dataset_info(self._db, dataset_id)
        dataset = {"id": info.id, "revision": info.revision, "hash": info.content_hash}
        spec = checked(ExportSpec, {"dataset": dataset, "lang": actor.lang, **options})
        spec.check()
        return spec

    @allows("dataset.read")
    def preview(self, actor: Actor, spec: ExportSpec, *, limit: int = 3) -> Preview:
        """The first records of each kind as they would be written. Writes nothing."""
        spec.check()
        source = source_of(self._db, spec.dataset)
        seen, records = beginning(self._db, spec, _SMALL_ROWS, limit)
        first = {}
        for kind in seen.written():
            stream = _Kept()
            sink = text_sink(spec.file_format, stream, seen.kinds[kind].layout())
            for record in records[kind]:
                sink.write(record)
            sink.close()
            first[kind] = stream.kept
        unfit = {kind: dict(found.unfit) for kind, found in seen.kinds.items() if found.unfit}
        return Preview(first, source.n_rows, seen.n_seen, seen.n_fit, unfit)

    @allows("dataset.export")
    def export(self, actor: Actor, spec: ExportSpec, *, request_id: str | None = None) -> Exported:
        """Write the rows that fit: at once when there are few, as a job otherwise."""
        spec.check()
        source = source_of(self._db, spec.dataset)
        if source.n_rows <= _SMALL_ROWS:
            made = export_rows(self._db, self._settings, spec)
            return Exported(source.id, made.path.name, n_seen=made.n_seen, n_fit=made.n_fit, unfit=made.unfit)
        fixed = spec.model_copy(update={"dataset": spec.dataset.model_copy(update={"hash": source.content_hash})})
        with self._db.write() as connection:
            job_id = insert_job(
                connection, spec=fixed.as_dict(), name=source.name, author=actor.user_id, request_id=request_id
            )
        return Exported(source.id, job_id=job_id)

    @allows("dataset.export")
    def path(self, actor: Actor, name: str) -> Path:
        """The file of that name, to be fetched. Raises NotFoundError for whatever `export` did not make."""
        path = self._settings.folder("exports") / name
        if not EXPORTED_NAME.fullmatch(name) or not path.is_file():
            raise NotFoundError("error.data.unknown_export", name=name)
        return path


class _Kept(io.StringIO):
    """Remembers what was written when it is closed."""

    kept = ""

    def close(self) -> None:
        self.kept = self.getvalue()
        super().close()
