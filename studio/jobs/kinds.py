"""Job kinds by name. The strings are resolved in the job's own process, so this room knows none of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from studio.errors import JobError

if TYPE_CHECKING:
    from studio.jobs.context import JobContext

__all__ = ["KINDS", "JobClass", "JobKind", "kind_of"]

JobClass = Literal["light", "device", "engine"]


@dataclass(frozen=True)
class JobKind:
    """`entry` names `function(context) -> result`, where the result is what `result.json` keeps."""

    name: str
    job_class: JobClass
    entry: str

    def load(self) -> Callable[[JobContext], dict[str, Any]]:
        module, _, attribute = self.entry.partition(":")
        function: Callable[[JobContext], dict[str, Any]] = getattr(importlib.import_module(module), attribute)
        return function


KINDS: dict[str, JobKind] = {
    kind.name: kind
    for kind in (
        JobKind("import", "light", "studio.data.jobs:run_import"),
        JobKind("fetch", "device", "studio.models.fetch:run_fetch"),
        JobKind("train", "device", "studio.train.job:run_training"),
        JobKind("engine", "engine", "studio.processes.engine:run_engine"),
    )
}


def kind_of(name: str) -> JobKind:
    """Raises JobError for a name that nobody registered, with the ones that are."""
    if name not in KINDS:
        raise JobError("error.job.unknown_kind", field="kind", kind=name, known=", ".join(sorted(KINDS)))
    return KINDS[name]
