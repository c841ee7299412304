"""The import: from a staged file to revision 1 of a new dataset. The same function serves the request's thread and the job."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from studio.data import index_job, store
from studio.data.formats import expected_shapes
from studio.data.importer import Inspection, Refused, inspect_file, read_rows
from studio.data.making import held, made_before
from studio.data.readers.base import ReadOptions
from studio.data.review import drafted
from studio.data.rows import NewRow, prompt_hash
from studio.data.split import SplitRule, split_rule, streamed_rule
from studio.data.uploads import upload_path
from studio.db import Database
from studio.errors import DataError
from studio.ids import new_id
from studio.jobs.context import JobContext
from studio.jobs.spec import Spec, checked
from studio.settings import Settings

__all__ = ["ImportFile", "ImportSpec", "import_rows", "run_import"]

_KEPT_REFUSALS = 50
_MAX_NAMES = 120


class ImportFile(BaseModel):
    """A staged file and how it is read: `mapping` as in `formats.mapped`, `options` as in `readers.ReadOptions`. `archive` is
    the sha256 of the archive that it came in, `split` that of all rows that name none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    upload: str = Field(pattern="^[0-9a-f]{64}$", description="sha256 of the uploaded file")
    name: str
    mapping: dict[str, str | None] | None = None
    options: dict[str, Any] | None = None
    archive: str | None = None
    split: Literal["train", "validation", "test"] | None = None


class ImportSpec(Spec):
    """From staged files, one after the other, to one dataset. Shares count only for rows whose file names no split."""

    kind: str = "import"
    files: list[ImportFile] = Field(min_length=1)
    dataset_name: str
    note: str = ""
    validation_share: float = Field(0.1, ge=0, lt=0.5)
    test_share: float = Field(0.1, ge=0, lt=0.5)
    seed: int = 42
    drafts: bool = Field(False, description="a model wrote the rows: they wait in the review queue")

    @model_validator(mode="before")
    @classmethod
    def _one_file(cls, values: Any) -> Any:
        """Before imports could take several files, the only one stood in the spec itself."""
        if not isinstance(values, dict) or "upload" not in values:
            return values
        rest = dict(values)
        file = {"upload": rest.pop("upload"), "name": rest.pop("file_name", None), "mapping": rest.pop("mapping", None)}
        return rest | {"files": [file]}

    @property
    def names(self) -> str:
        return ", ".join(file.name for file in self.files)


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
    job_id: str | None = None,
    on_row: Callable[[int], None] = lambda n_rows: None,
) -> str:
    """Write the good rows of a staged file as revision 1 of a new dataset; what was refused is kept in its report.

    Returns the dataset's id. Raises DataError, and leaves no dataset behind, when the file cannot be read or holds no
    good row. A killed one leaves a dataset that nobody sees; `sweep` takes it back.
    """
    prompts: list[set[str]] = [set() for _ in spec.files]
    looks = [_look(settings, file, into) for file, into in zip(spec.files, prompts, strict=True)]
    for look in looks:
        if not look.shape:
            columns = ", ".join(look.columns[:40])
            raise DataError("error.data.unknown_shape", field="file", columns=columns, shapes=expected_shapes())
    if not any(look.n_good for look in looks):
        raise DataError("error.data.no_good_rows", name=spec.names, refused=sum(look.n_refused for look in looks))
    rule = _rule(spec, looks, prompts)
    dataset_id = new_id("ds")
    with held(settings, dataset_id):
        with db.write() as connection:
            store.create_dataset(
                connection, spec.dataset_name, author, spec.note, dataset_id=dataset_id, job_id=job_id
            )
            summary = {"key": "data.revision.import", "params": {"files": shortened(spec.names)}}
            store.open_first_revision(connection, dataset_id, author, summary)
        refusals = _Refusals()
        try:
            good = _good_rows(settings, spec, looks, refusals, on_row)
            totals = store.write_rows(db, dataset_id, good, author, split_of=rule.split_of)
            store.commit_first_revision(db, dataset_id, totals, _report(spec, looks, totals.counts.total(), refusals))
        except BaseException:
            store.discard_dataset(db, dataset_id)
            raise
    return dataset_id


def _look(settings: Settings, file: ImportFile, prompts: set[str]) -> Inspection:
    """What the file holds. `prompts` gets the hashes of what its rows ask: of a small file, of all."""

    def on_good(row: NewRow) -> None:
        prompts.add(prompt_hash(row.kind, row.content))

    return inspect_file(upload_path(settings, file.upload), file.name, on_good=on_good, **_how(file))


def _how(file: ImportFile) -> dict[str, Any]:
    """What a person has decided about the file's reading."""
    decided: dict[str, Any] = {"mapping": file.mapping}
    return decided if file.options is None else decided | {"options": ReadOptions(**file.options)}


def shortened(names: str) -> str:
    """A list of names that fits a line of the history."""
    return names if len(names) <= _MAX_NAMES else names[: _MAX_NAMES - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _rule(spec: ImportSpec, looks: list[Inspection], prompts: list[set[str]]) -> SplitRule:
    """Exact shares where the files are small enough to be looked at whole; of a large one each prompt is drawn by itself, which
    comes within a fraction of a percent.
    """
    shares = {"validation_share": spec.validation_share, "test_share": spec.test_share}
    if any(look.truncated for look in looks):
        return streamed_rule(**shares, seed=spec.seed)
    files = zip(spec.files, looks, prompts, strict=True)
    drawn = (found for file, look, found in files if _rest(file, look) is None)
    return split_rule(itertools.chain.from_iterable(drawn), **shares, seed=spec.seed)


def _rest(file: ImportFile, look: Inspection) -> str | None:
    """Where rows go that name no split. None: they are drawn. Of a file that names splits, or was put into one, none is left to
    be drawn.
    """
    return file.split or ("train" if look.splits else None)


def _rows(settings: Settings, spec: ImportSpec, looks: list[Inspection]) -> Iterator[NewRow | Refused]:
    for file, look in zip(spec.files, looks, strict=True):
        rest = _rest(file, look)
        found = read_rows(upload_path(settings, file.upload), file.name, **_how(file))
        placed = found if rest is None else (_in_split(row, rest) for row in found)
        yield from (drafted(row) if spec.drafts and isinstance(row, NewRow) else row for row in placed)


def _in_split(row: NewRow | Refused, split: str) -> NewRow | Refused:
    return dataclasses.replace(row, split=split) if isinstance(row, NewRow) and row.split is None else row


def _good_rows(
    settings: Settings, spec: ImportSpec, looks: list[Inspection], refusals: _Refusals, on_row: Callable[[int], None]
) -> Iterator[NewRow]:
    for number, row in enumerate(_rows(settings, spec, looks), start=1):
        on_row(number)
        if isinstance(row, Refused):
            refusals.add(row)
        else:
            yield row


def _report(spec: ImportSpec, looks: list[Inspection], n_good: int, refusals: _Refusals) -> dict[str, Any]:
    files = [
        file.model_dump(include={"name", "upload", "archive"})
        | {"format": look.file_format, "encoding": look.encoding, "shape": look.shape}
        for file, look in zip(spec.files, looks, strict=True)
    ]
    return {
        "files": files,
        "n_good": n_good,
        "n_refused": refusals.by_key.total(),
        "refused_by_key": dict(refusals.by_key),
        "refused": [dataclasses.asdict(row) for row in refusals.kept],
    }


def run_import(context: JobContext) -> dict[str, Any]:
    """The job `import`, for files too large for a request's thread. A later attempt goes on with nothing half."""
    spec = checked(ImportSpec, context.spec)
    if (earlier := made_before(context)) is not None:
        return {"dataset_id": earlier}
    context.phase("importing")

    def on_row(n_rows: int) -> None:
        context.check_stop()
        if n_rows % 1000 == 0:
            context.progress(n_rows, 0, "rows")

    dataset_id = import_rows(
        context.db, context.settings, spec, context.author, job_id=context.job_id, on_row=on_row
    )
    index_job.wanted(context.db, context.settings, dataset_id, author=context.author)
    return {"dataset_id": dataset_id}
