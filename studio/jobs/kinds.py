"""Job kinds by name. The strings are resolved in the job's own process, so this room knows none of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from studio.errors import JobError

if TYPE_CHECKING:
    from studio.jobs.context import JobContext
    from studio.jobs.runfolder import RunFolder
    from studio.settings import Settings

__all__ = ["KINDS", "JobClass", "JobKind", "kind_of"]

JobClass = Literal["light", "device", "engine"]


@dataclass(frozen=True)
class JobKind:
    """What can be done in the background.

    entry        names `function(context) -> result`, where the result is what `result.json` keeps
    restarts     a job of this kind whose process dies is started again by itself: its function can be called twice
    eases        names `function(folder, settings) -> bool`, asked once memory was not enough: whether the next attempt asks for
                 less by itself; without it a person is asked
    follows      names `function(connection, spec, job, request_id)` that queues such a job behind `job`, under whose `then` it
                 stands; without it: as it stands there
    resume_step  names `function(folder) -> step`, the step from which the next attempt goes on; without it: 0
    """

    name: str
    job_class: JobClass
    entry: str
    restarts: bool = True
    resume_step: str = ""
    eases: str = ""
    follows: str = ""

    def load(self) -> Callable[[JobContext], dict[str, Any]]:
        function: Callable[[JobContext], dict[str, Any]] = _attribute(self.entry)
        return function

    def resumes_from(self, folder: RunFolder) -> int:
        """The last step whose outcome is safe on the disk."""
        if not self.resume_step:
            return 0
        function: Callable[[RunFolder], int] = _attribute(self.resume_step)
        return function(folder)

    def queue_behind(self, connection: Any, spec: dict[str, Any], job: Any, request_id: str) -> bool:
        """Whether it was queued in its kind's own way."""
        if self.follows:
            _attribute(self.follows)(connection, spec, job, request_id)
        return bool(self.follows)

    def asks_for_less(self, folder: RunFolder, settings: Settings) -> bool:
        """After an attempt that memory was not enough for: whether the next one is worth a try."""
        return bool(self.eases) and bool(_attribute(self.eases)(folder, settings))


def _attribute(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


KINDS: dict[str, JobKind] = {
    kind.name: kind
    for kind in (
        JobKind("import", "light", "studio.data.jobs:run_import"),
        JobKind("bulk_edit", "light", "studio.data.bulk:run_bulk_edit"),
        JobKind("index", "light", "studio.data.index_job:run_index"),
        JobKind("doctor", "light", "studio.data.doctor_job:run_doctor"),
        JobKind("split", "light", "studio.data.splits:run_split"),
        JobKind("mix", "light", "studio.data.mix:run_mix"),
        JobKind("export_data", "light", "studio.data.export:run_export"),
        JobKind("bring", "light", "studio.data.hub_data:run_bring"),
        JobKind("fetch", "device", "studio.models.fetch:run_fetch"),
        JobKind("merge", "device", "studio.models.merge:run_merge"),
        JobKind("push", "light", "studio.train.push:run_push"),
        JobKind(
            "train",
            "device",
            "studio.train.job:run_training",
            resume_step="studio.train.checkpoints:resume_step",
            eases="studio.train.fit:ease",
            follows="studio.train.chain:follow",
        ),
        JobKind("pilot", "device", "studio.train.pilot:run_pilot"),
        JobKind("engine", "engine", "studio.processes.engine:run_engine", restarts=False),
    )
}


def kind_of(name: str) -> JobKind:
    """Raises JobError for a name that nobody registered, with the ones that are."""
    if name not in KINDS:
        raise JobError("error.job.unknown_kind", field="kind", kind=name, known=", ".join(sorted(KINDS)))
    return KINDS[name]
