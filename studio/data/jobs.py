"""The import: from a staged file to revision 1 of a new dataset. The same function serves the request's thread and the job."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from studio.data import store
from studio.data.importer import Inspection, Refused, inspect_file, read_rows
from studio.data.rows import NewRow, prompt_hash
from studio.data.split import SplitRule, split_rule
from studio.db import Database
from studio.errors import DataError
from studio.jobs.context import JobContext
from studio.jobs.spec import Spec, checked
from studio.settings import Settings

__all__ = ["ImportSpec", "import_rows", "run_import"]

_KEPT_REFUSALS = 50


class ImportSpec(Spec):
    """From a staged upload to a dataset. Shares count only when the file itself names no split."""

    kind: str = "import"
    upload: str = Field(pattern="^[0-9a-f]{64}$", description="sha256 of the uploaded file")
    file_name: str
    dataset_name: str
    note: str = ""
    mapping: dict[str, str | None] | None = None
    validation_share: float = Field(0.1, ge=0, lt=0.5)
    test_share: float = Field(0.1, ge=0, lt=0.5)
    seed: int = 42


class _Refusals:
    """Counts every refused row and keeps the first ones."""

    def __init__(self) -> None:
        self.by_key: Counter[str] = Counter()
        self.kept: list[Refused] = []

    def add(self, row: Refused) -> None:
        self.by_key[row.key] += 1
        if len(self.kept) < _KEPT_REFUSALS:
            self.kept.append(row)


def import_rows(
    db: Database,
    settings: Settings,
    spec: ImportSpec,
    author: str,
    *,
    on_row: Callable[[int], None] = lambda n_rows: None,
) -> str:
    """Write the good rows of a staged file as revision 1 of a new dataset; what was refused is kept in its report.

    Returns the dataset's id. Raises DataError, and leaves no dataset behind, when the file cannot be read or holds no
    good row.
    """
    path = settings.folder("uploads") / spec.upload
    look = inspect_file(path, spec.file_name, mapping=spec.mapping)
    if look.n_good == 0:
        raise DataError("error.data.no_good_rows", name=spec.file_name, refused=look.n_refused)
    rule = None if look.splits else _rule(path, spec)
    with db.write() as connection:
        dataset_id = store.create_dataset(connection, spec.dataset_name, author, spec.note)
        revision = store.open_revision(connection, dataset_id, author, f"import {spec.file_name}")
    refusals = _Refusals()
    try:
        good = _good_rows(path, spec, rule, refusals, on_row)
        n_good = store.write_rows(db, dataset_id, revision, good, author)
        store.commit_revision(db, dataset_id, revision, _report(spec, look, n_good, refusals))
    except BaseException:
        store.discard_dataset(db, dataset_id)
        raise
    return dataset_id


def _rule(path: Path, spec: ImportSpec) -> SplitRule:
    prompts = (
        prompt_hash(row.kind, row.content)
        for row in read_rows(path, spec.file_name, mapping=spec.mapping)
        if isinstance(row, NewRow)
    )
    return split_rule(
        prompts, validation_share=spec.validation_share, test_share=spec.test_share, seed=spec.seed
    )


def _good_rows(
    path: Path, spec: ImportSpec, rule: SplitRule | None, refusals: _Refusals, on_row: Callable[[int], None]
) -> Iterator[NewRow]:
    for number, row in enumerate(read_rows(path, spec.file_name, mapping=spec.mapping), start=1):
        on_row(number)
        if isinstance(row, Refused):
            refusals.add(row)
        elif row.split is None:
            split = "train" if rule is None else rule.split_of(prompt_hash(row.kind, row.content))
            yield dataclasses.replace(row, split=split)
        else:
            yield row


def _report(spec: ImportSpec, look: Inspection, n_good: int, refusals: _Refusals) -> dict[str, Any]:
    return {
        "file": spec.file_name,
        "format": look.file_format,
        "encoding": look.encoding,
        "shape": look.shape,
        "n_good": n_good,
        "n_refused": refusals.by_key.total(),
        "refused_by_key": dict(refusals.by_key),
        "refused": [dataclasses.asdict(row) for row in refusals.kept],
    }


def run_import(context: JobContext) -> dict[str, Any]:
    """The job `import`, for files too large for a request's thread."""
    spec = checked(ImportSpec, context.spec)
    context.phase("importing")

    def on_row(n_rows: int) -> None:
        context.check_stop()
        if n_rows % 1000 == 0:
            context.progress(n_rows, 0, "rows")

    dataset_id = import_rows(context.db, context.settings, spec, context.author, on_row=on_row)
    return {"dataset_id": dataset_id}
