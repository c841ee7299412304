"""Examining a dataset: in the background as the job `doctor`, or here and now for a shell."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pydantic import Field

from studio.data import examinations, store
from studio.data.doctor import Examination
from studio.data.templates import context_of
from studio.db import Database
from studio.jobs.context import JobContext
from studio.jobs.spec import Spec, checked
from studio.settings import Settings

__all__ = ["DoctorSpec", "examine_dataset", "run_doctor"]

#: Of the time that an examination takes, the part in which rows are read; the rest compares them.
_READING = 0.8


class DoctorSpec(Spec):
    """Examine the newest revision of a dataset, for a base (its id; "" for none) and a limit in tokens."""

    kind: str = "doctor"
    dataset: str
    base: str = ""
    max_seq_len: int = Field(512, ge=16, le=1_048_576)


def examine_dataset(
    db: Database,
    settings: Settings,
    spec: DoctorSpec,
    author: str,
    *,
    job_id: str | None = None,
    on_row: Callable[[int, int], None] = lambda n, total: None,
    on_step: Callable[[], None] = lambda: None,
) -> str:
    """Run every check, keep what they find, and return the examination's id. `on_row` hears (rows looked at, of how many);
    what it or `on_step` raises ends the examination, which then leaves nothing.
    """
    info = store.dataset_info(db, spec.dataset)
    examination = Examination(context_of(settings, spec.base, spec.max_seq_len))
    made = examinations.begin(db, info, spec.base, spec.max_seq_len, author, job_id)
    try:
        rows = store.iter_rows(db, info.id, info.revision)
        found = examination.findings(rows, lambda n: on_row(n, info.n_rows), on_step)
        examinations.write_findings(db, made, found)
        examinations.finish(db, made, info.id, examination.report())
    except BaseException:
        examinations.discard(db, made)
        raise
    return made


def run_doctor(context: JobContext) -> dict[str, Any]:
    """The job `doctor`. One that was killed begins again; what it had found is taken back."""
    spec = checked(DoctorSpec, context.spec)
    context.phase("examining")
    began = time.monotonic()

    def on_row(n: int, total: int) -> None:
        context.check_stop()
        if n and n % 500 == 0:
            eta_s = (time.monotonic() - began) / n * (total / _READING - n)
            context.progress(n * _READING, total, "rows", eta_s=eta_s)

    made = examine_dataset(
        context.db, context.settings, spec, context.author, job_id=context.job_id, on_row=on_row, on_step=context.check_stop
    )
    return {"examination": made}
