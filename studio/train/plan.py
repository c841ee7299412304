"""What helps before a training starts: a recipe, whether it fits, a pilot, the spec as a file, the same once more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import yaml

from studio.access import Actor, allows
from studio.data.service import DataService
from studio.data.templates import template_of
from studio.db import Database
from studio.errors import ConfigError, StudioError
from studio.jobs.queue import Job, insert_job, job_of_row, select_jobs
from studio.jobs.resources import Device, devices
from studio.jobs.spec import checked
from studio.jobs.tables import jobs
from studio.models.catalogue import ModelService, base_folder
from studio.settings import Settings
from studio.train.estimates import shapes_of
from studio.train.fit import Fitted, make_fit, outlook_of, worst_batch
from studio.train.pilot import PilotSpec, digest_of
from studio.train.recipe import Answers, Recipe, recommend, what_is_known
from studio.train.service import TrainService
from studio.train.spec import TrainSpec
from studio.train.stages import STAGES

__all__ = ["Known", "PlanService", "shares_as_form"]

#: Pilots that are looked through for one of the same spec.
_REMEMBERED = 200

#: Fields that a file says first, in this order; what is not a person's wish is left out.
_FIRST = ("name", "base", "dataset", "preset")
_NOT_WISHED = ("kind", "schema", "then")

#: Fields that a file says only where they say something.
_UNSAID = ("also", "also_weights", "start_from", "system_prompt", "target_modules")

#: Stands in for the name that a file need not give.
_UNNAMED = "-"


@dataclass(frozen=True)
class Known:
    """Answers that the studio knows itself, and from what: rows that train, the device, and the base's name."""

    answers: dict[str, str]
    n_rows: int
    device: Device
    base: str


class PlanService:
    def __init__(
        self, db: Database, settings: Settings, data: DataService, models: ModelService, train: TrainService
    ) -> None:
        self._db = db
        self._settings = settings
        self._data = data
        self._models = models
        self._train = train

    # 1 A recipe

    @allows("run.read")
    def known(self, actor: Actor, base_id: str, dataset_id: str) -> Known:
        """What need not be asked."""
        base = self._models.get(actor, base_id)
        n_rows = self._data.get(actor, dataset_id).counts.get("train", 0)
        here = devices(self._settings)
        has_template = template_of(self._settings, base_id).chat_template is not None
        answers = what_is_known(n_rows, here, has_template)
        return Known({name: str(value) for name, value in answers.items()}, n_rows, here[0], base.name)

    @allows("run.read")
    def recipe(self, actor: Actor, base_id: str, answers: Mapping[str, str], stage: str = "sft") -> Recipe:
        """Its learning rate is in proportion to that of answers. Raises ConfigError for an answer that is none."""
        factor = STAGES[stage].rate if stage in STAGES else 1.0
        return recommend(checked(Answers, dict(answers)), self._models.get(actor, base_id).parameters, factor)

    # 2 Will it fit

    @allows("run.read")
    def make_fit(self, actor: Actor, spec: TrainSpec) -> Fitted:
        """The spec with as little changed as it takes. Raises ConfigError where the base's files do not say its shapes."""
        shapes = shapes_of(base_folder(self._settings, spec.base.id))
        if shapes is None:
            raise ConfigError("error.train.no_shapes", field="base")
        lengths = self._train.view(actor, spec).lengths

        def predict(changed: TrainSpec) -> Any:
            return outlook_of(changed, shapes, worst_batch(changed, lengths), self._settings)

        return make_fit(spec, predict, lengths)

    @allows("run.start")
    def start_pilot(self, actor: Actor, spec: TrainSpec, *, request_id: str | None = None) -> str:
        """Queue a few real steps of this training in front of what waits, and return the job's id.

        One that waits or runs for the same memory and time is taken instead. Raises what surely stops the training itself,
        but not too little memory: that is what a pilot finds out.
        """
        known = self.pilot_of(actor, spec)
        if known is not None and not known.has_ended:
            return known.id
        stops = [error for error in self._train.preflight(actor, spec).errors if error["key"] != "error.train.no_memory"]
        if stops:
            raise StudioError.from_dict(stops[0])
        pilot = PilotSpec(train=spec, digest=digest_of(spec))
        with self._db.write() as connection:
            return insert_job(
                connection, spec=pilot.as_dict(), name=spec.name, author=actor.user_id, request_id=request_id, first=True
            )

    @allows("run.read")
    def pilot_of(self, actor: Actor, spec: TrainSpec) -> Job | None:
        """The newest pilot whose memory and time are this spec's; None where there was none."""
        digest = digest_of(spec)
        newest = select_jobs().where(jobs.c.kind == "pilot").order_by(jobs.c.id.desc()).limit(_REMEMBERED)
        with self._db.read() as connection:
            found = (job_of_row(row) for row in connection.execute(newest).mappings())
            return next((job for job in found if job.spec["digest"] == digest), None)

    # 3 The spec as a file, and once more

    @allows("run.read")
    def as_yaml(self, actor: Actor, values: Mapping[str, Any]) -> str:
        """A form's values as the file that `python -m studio train` takes; base and dataset by their ids."""
        wished = {name: _plain(value) for name, value in values.items() if name not in _NOT_WISHED and value is not None}
        wished = {name: value for name, value in wished.items() if name not in _UNSAID or value}
        order = [*(name for name in _FIRST if name in wished), *(name for name in wished if name not in _FIRST)]
        return yaml.safe_dump({name: wished[name] for name in order}, sort_keys=False, allow_unicode=True, width=120)

    @allows("run.read")
    def from_yaml(self, actor: Actor, text: str) -> dict[str, Any]:
        """Values for the form, checked: the whole spec that they lead to must be sound.

        Raises ConfigError that names the line which is no YAML, or the fields at fault.
        """
        try:
            values = yaml.safe_load(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark else 1
            raise ConfigError("error.train.bad_yaml", line=line, reason=getattr(error, "problem", None) or str(error)) from error
        if not isinstance(values, dict):
            raise ConfigError("error.train.bad_yaml", line=1, reason=type(values).__name__)
        values = {name: value for name, value in values.items() if name not in _NOT_WISHED}
        for name in ("base", "dataset"):
            if isinstance(values.get(name), dict):  # as a run's own spec has it
                values[name] = values[name].get("id")
        by_name = {info.name: info.id for info in self._data.list(actor)}
        values["dataset"] = by_name.get(str(values.get("dataset")), values.get("dataset"))
        if isinstance(values.get("also"), list):
            values["also"] = [by_name.get(item, item) if isinstance(item, str) else item for item in values["also"]]
        spec = self._train.complete(actor, {"name": _UNNAMED} | values)
        found = spec.model_dump(mode="json", exclude={"kind", "schema_version", "then"}) | shares_as_form(spec)
        return found | {"base": spec.base.id, "dataset": spec.dataset.id, "name": values.get("name") or ""}

    @allows("run.read")
    def again(self, actor: Actor, run_id: str) -> TrainSpec:
        """The spec of a run under a name that is free: the same rows, the same seed, and so the same numbers."""
        run = self._train.get(actor, run_id)
        return checked(TrainSpec, run.spec | {"name": self._train.free_name(actor, run.name)})


def shares_as_form(spec: TrainSpec) -> dict[str, Any]:
    """More datasets as a form has them: ids, and their weights where these are not all 1."""
    weights = [f"{share.weight:g}" for share in spec.also]
    shown = ", ".join(weights) if set(weights) - {"1"} else ""
    return {"also": [share.id for share in spec.also], "also_weights": shown}


def _plain(value: Any) -> Any:
    """As YAML writes it without tags."""
    return value.value if isinstance(value, Enum) else value
