"""What people may do with trainings: look ahead, start, watch, stop."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from studio.access import Actor, allows
from studio.data.service import DataService, TrainingView, together
from studio.db import Database
from studio.errors import ConfigError, JobError, NotFoundError, StudioError
from studio.ids import new_id, now
from studio.jobs.queue import Job, JobService, insert_job, job_of_row, select_jobs
from studio.jobs.spec import checked
from studio.jobs.tables import checkpoints, jobs, points, run_datasets, runs
from studio.models.catalogue import ModelService
from studio.settings import Settings
from studio.train.methods import MethodFields
from studio.train.preflight import Preflight, look_ahead
from studio.train.spec import MAX_NAME, BaseRef, DatasetRef, Preset, TrainSpec, method_of, preset_values
from studio.train.stages import STAGES

__all__ = ["Checkpoint", "Curves", "Run", "TrainService", "answers_as", "insert_run", "name_among"]

#: Points a series may have on a page (CONTRACTS 5).
_MAX_POINTS = 1000


@dataclass(frozen=True)
class Run:
    """A training: what was asked for, and the job that does it."""

    id: str
    name: str
    dataset_id: str
    base_id: str
    spec: dict[str, Any]
    created_at: datetime
    job: Job

    @property
    def method(self) -> str:
        return method_of(self.spec).name

    @property
    def stage(self) -> str:
        return str(self.spec.get("stage", "sft"))

    @property
    def watched(self) -> Sequence[str]:
        """Charts beside those of every training."""
        return STAGES[self.stage].watched if self.stage in STAGES else ()

    @property
    def rank(self) -> int | None:
        """None where the method has none."""
        return self.spec.get("lora_rank") if "lora_rank" in method_of(self.spec).fields else None


@dataclass(frozen=True)
class Origin:
    """The checkpoint that a run began with, by its run and step: it may be gone, its run is there."""

    run: Run
    step: int


@dataclass(frozen=True)
class Checkpoint:
    """Weights of a run at a step. `val_loss` is in nats per token; None where nothing was evaluated.

    A `pinned` one stays whatever comes after it.
    """

    run_id: str
    run_name: str
    base_id: str
    step: int
    path: str
    bytes: int
    val_loss: float | None
    best: bool
    pinned: bool
    created_at: datetime
    note: str | None = None
    tags: list[str] | None = None

    @property
    def name(self) -> str:
        """By which jobs, links and addresses know it."""
        return answers_as(self.run_id, self.step)


@dataclass(frozen=True)
class Curves:
    """Series by name, each a list of [step, value]; `cursor` moves when there is something new."""

    cursor: int
    series: dict[str, list[list[float | None]]]


def answers_as(run_id: str, step: int | None = None) -> str:
    """The name under which an engine answers with a run's best checkpoint, or with the one of a step."""
    return run_id if step is None else f"{run_id}@{step}"


class TrainService:
    def __init__(self, db: Database, settings: Settings, data: DataService, models: ModelService, jobs: JobService) -> None:
        self._db = db
        self._settings = settings
        self._data = data
        self._models = models
        self._jobs = jobs

    # 1 Before

    @allows("run.read")
    def complete(self, actor: Actor, values: dict[str, Any]) -> TrainSpec:
        """A complete spec from a form's or a file's values.

        `base` and `dataset` may be ids; a preset fills what is not given. Raises ConfigError naming the field at fault.
        """
        values = dict(values)
        weights = str(values.pop("also_weights", None) or "")
        if unknown := sorted(set(values) - set(TrainSpec.model_fields) - {"schema"}):
            raise ConfigError("error.config.unknown_fields", field=unknown[0], fields=", ".join(unknown))
        for name in ("base", "dataset"):
            if not values.get(name):
                raise ConfigError(f"error.train.choose_{name}", field=name)
        preset = checked_preset(values.get("preset") or Preset.QUICK)
        full = preset_values(preset, str(values.get("method") or "lora"), str(values.get("stage") or "sft"))
        full |= {name: value for name, value in values.items() if value is not None}
        if isinstance(full["base"], str):
            base = self._models.get(actor, full["base"])
            full["base"] = BaseRef(id=base.id, revision=base.revision)
        if isinstance(full["dataset"], str):
            info = self._data.get(actor, full["dataset"])
            full["dataset"] = DatasetRef(id=info.id, revision=info.revision, hash=info.content_hash)
        full["also"] = self._shares(actor, full.get("also") or [], weights)
        full["then"] = [self._follower(actor, full, item) for item in full.get("then") or []]
        return checked(TrainSpec, full)

    def _follower(self, actor: Actor, first: dict[str, Any], item: Any) -> Any:
        """A training that goes on where the first one ends, from what a file says of it; any other job stays as it is."""
        if not isinstance(item, dict) or item.get("kind", "train") != "train":
            return item
        base = first["base"].id if isinstance(first["base"], BaseRef) else first["base"]["id"]
        inherited = {"base": base, "dataset": first["dataset"], "preset": first.get("preset"), "start_from": "best"}
        inherited |= {name: first[name] for name in MethodFields.model_fields if name in first}
        inherited |= {name: first[name] for name in ("method", "bits", "max_seq_len", "precision") if name in first}
        spec = self.complete(actor, inherited | {"name": f"{first['name']} → {item.get('stage', 'sft')}"} | item)
        return spec.as_dict()

    def _shares(self, actor: Actor, also: Any, weights: str) -> list[Any]:
        """More datasets by their ids, or as a spec has them; `weights` in the order of those that are ids, 1 where none is left.

        Raises ConfigError for a weight that is no number.
        """
        parts = [part for part in re.split(r"[,，;；、\s]+", weights) if part]
        found: list[Any] = []
        for item in also if isinstance(also, list) else [also]:
            if not isinstance(item, str):
                found.append(item)
                continue
            info = self._data.get(actor, item)
            try:
                weight = float(parts.pop(0)) if parts else 1.0
            except ValueError:
                raise ConfigError("error.train.weights", field="also_weights", weights=weights) from None
            found.append({"id": info.id, "revision": info.revision, "hash": info.content_hash, "weight": weight})
        return found

    @allows("run.read")
    def goal_of(self, actor: Actor, dataset_id: str) -> str:
        """The stage that a dataset's rows are made for; answers where they are of several kinds."""
        kinds = self._data.kinds(actor, dataset_id)
        return next((stage.name for stage in STAGES.values() if kinds and set(kinds) <= set(stage.made_for)), "sft")

    @allows("run.read")
    def begin_from(self, actor: Actor, name: str) -> dict[str, Any]:
        """Values for a run that goes on from a checkpoint: its base, and all that its adapter's shape depends on. Empty for "".

        Raises NotFoundError where it is gone.
        """
        if not name:
            return {"start_from": ""}
        run_id, _, step = name.partition("@")
        run = self.get(actor, run_id)
        if all(str(saved.step) != step for saved in self.checkpoints(actor, run_id)):
            raise NotFoundError("error.run.no_checkpoint", step=step)
        method = method_of(run.spec)
        taken = {field: run.spec[field] for field in method.fields if field in run.spec}
        return {"start_from": name, "base": run.base_id, "method": method.name, "bits": run.spec.get("bits", 16)} | taken

    @allows("run.read")
    def origin(self, actor: Actor, start_from: str) -> Origin | None:
        """What a spec's `start_from` names; None for a run that begins with its base, and where that run has been purged."""
        run_id, _, step = start_from.partition("@")
        try:
            return Origin(self.get(actor, run_id), int(step)) if step else None
        except NotFoundError:
            return None

    @allows("run.read")
    def preflight(self, actor: Actor, spec: TrainSpec) -> Preflight:
        """Everything that can be known without a model in memory; renders the rows."""
        base = self._models.get(actor, spec.base.id)
        if base.state != "ready":
            return Preflight(errors=[StudioError("error.model.not_ready", field="base", base=base.name).as_dict()])
        dataset = self._data.get(actor, spec.dataset.id)
        ahead = look_ahead(spec, base, dataset, self.view(actor, spec), self._settings)
        return dataclasses.replace(ahead, errors=[*ahead.errors, *self._start_errors(actor, spec)])

    def _start_errors(self, actor: Actor, spec: TrainSpec) -> list[dict[str, Any]]:
        """Where it begins with a checkpoint of another base, method or shape."""
        if not spec.start_from:
            return []
        if spec.start_from == "best":
            return [ConfigError("error.train.best_of_what", field="start_from").as_dict()]
        try:
            needed = self.begin_from(actor, spec.start_from)
        except NotFoundError as error:
            return [error.as_dict()]
        given = spec.model_dump(mode="json") | {"base": spec.base.id}
        odd = [name for name, value in needed.items() if given[name] != value and name != "lora_dropout"]
        return [
            ConfigError("error.train.start_differs", field=name, setting=name, value=str(needed[name])).as_dict() for name in odd
        ]

    @allows("run.read")
    def view(self, actor: Actor, spec: TrainSpec) -> TrainingView:
        """How the rows of all its datasets would be used, each as often as its weight says."""
        views = [
            (self._data.training_view(actor, share.id, spec.base.id, spec.reading), share.weight) for share in spec.datasets
        ]
        return together(views)

    @allows("run.read")
    def free_name(self, actor: Actor, wanted: str) -> str:
        """`wanted`, or `wanted 2`, `wanted 3` … when it is taken; after `first 2`, where there is a `first`, comes `first 3`.
        Cut to the characters that a run's name may have.
        """
        wanted = wanted[:MAX_NAME]
        with self._db.read() as connection:
            same_start = sa.select(runs.c.name).where(runs.c.name.startswith(_stem(wanted), autoescape=True))
            return name_among(wanted, set(connection.execute(same_start).scalars()))

    @allows("run.start")
    def start(self, actor: Actor, spec: TrainSpec, *, request_id: str | None = None) -> str:
        """Queue a training and return its run's id; the same `request_id` gives the same run.

        Raises the first error of the preflight, so nothing starts that is known to fail.
        """
        with self._db.read() as connection:
            if known := self._run_of_request(connection, request_id):
                return known
        problems = self.preflight(actor, spec).errors
        if problems:
            raise StudioError.from_dict(problems[0])
        with self._db.write() as connection:
            if known := self._run_of_request(connection, request_id):  # the second click of two at the same moment
                return known
            return insert_run(connection, spec, actor.user_id, request_id=request_id)

    @staticmethod
    def _run_of_request(connection: sa.Connection, request_id: str | None) -> str | None:
        if request_id is None:
            return None
        return connection.execute(sa.select(jobs.c.run_id).where(jobs.c.request_id == request_id)).scalar()

    # 2 Meanwhile and after

    @allows("run.read")
    def list(self, actor: Actor, limit: int = 100) -> list[Run]:
        """Newest first."""
        query = sa.select(runs).order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(limit)
        with self._db.read() as connection:
            found = connection.execute(query).mappings().all()
            by_run = self._jobs_of(connection, [row["id"] for row in found])
        return [self._run(row, by_run[row["id"]]) for row in found]

    @allows("run.read")
    def get(self, actor: Actor, run_id: str) -> Run:
        with self._db.read() as connection:
            row = connection.execute(sa.select(runs).where(runs.c.id == run_id)).mappings().first()
            if row is None:
                raise NotFoundError("error.run.unknown", run=run_id)
            by_run = self._jobs_of(connection, [run_id])
        return self._run(row, by_run[run_id])

    @staticmethod
    def _jobs_of(connection: sa.Connection, run_ids: Sequence[str]) -> dict[str, Job]:
        found = connection.execute(select_jobs().where(jobs.c.run_id.in_(run_ids))).mappings()
        return {str(row["run_id"]): job_of_row(row) for row in found}

    @staticmethod
    def _run(row: RowMapping, job: Job) -> Run:
        names = ("id", "name", "dataset_id", "base_id", "spec", "created_at")
        return Run(**{name: row[name] for name in names}, job=job)

    @allows("run.stop")
    def stop(self, actor: Actor, run_id: str) -> Run:
        """Ask a run to stop; it saves a checkpoint first."""
        run = self.get(actor, run_id)
        if run.job.has_ended:
            raise JobError("error.job.has_ended", name=run.name)
        self._jobs.stop(actor, run.job.id)
        return self.get(actor, run_id)

    @allows("run.resume")
    def resume(self, actor: Actor, run_id: str) -> Run:
        """Let a run that was stopped, failed or got lost go on from its last good checkpoint; twice is the same as once."""
        self._jobs.resume(actor, self.get(actor, run_id).job.id)
        return self.get(actor, run_id)

    @allows("run.read")
    def curves(self, actor: Actor, run_id: str, names: Sequence[str] | None = None) -> Curves:
        """The series of a run, or those of `names` that it has, with at most 1,000 points each.

        Buckets are powers of two of steps, so they stay where they are as a run grows.
        """
        cursor = self.cursor(actor, run_id)  # first: what comes in meanwhile is new at the next look
        with self._db.read() as connection:
            wanted = _series_names(connection, run_id) if names is None else names
            found = {name: _curve(connection, run_id, name) for name in wanted}
        return Curves(cursor, {name: series for name, series in found.items() if series})

    @allows("run.read")
    def cursor(self, actor: Actor, run_id: str) -> int:
        """What `curves` would call its cursor, for the price of one index look-up."""
        with self._db.read() as connection:
            return int(connection.execute(sa.select(sa.func.max(points.c.seq)).where(points.c.run_id == run_id)).scalar() or 0)

    @allows("run.read")
    def checkpoints(self, actor: Actor, run_id: str | None = None) -> Sequence[Checkpoint]:
        """Of one run by step, or of all runs, newest run first."""
        query = (
            sa.select(checkpoints, runs.c.name.label("run_name"), runs.c.base_id)
            .join(runs, runs.c.id == checkpoints.c.run_id)
            .order_by(runs.c.created_at.desc(), checkpoints.c.step)
        )
        if run_id is not None:
            query = query.where(checkpoints.c.run_id == run_id)
        with self._db.read() as connection:
            found = connection.execute(query).mappings()
            return [Checkpoint(**{name: row[name] for name in Checkpoint.__dataclass_fields__}) for row in found]

    @allows("run.pin")
    def pin(self, actor: Actor, run_id: str, step: int, keep: bool) -> None:
        """Keep the checkpoint of a step whatever comes after it, or let it go with the others again.

        Raises NotFoundError for one that is not there (any more).
        """
        this = checkpoints.update().where(checkpoints.c.run_id == run_id, checkpoints.c.step == step)
        with self._db.write() as connection:
            if connection.execute(this.values(pinned=keep)).rowcount == 0:
                raise NotFoundError("error.run.no_checkpoint", step=step)


def _stem(name: str) -> str:
    """Without the number at its end, and with room for one."""
    numbered = re.fullmatch(r"(.+) \d{1,4}", name, re.DOTALL)
    return (numbered[1] if numbered else name)[: MAX_NAME - len(" 9999")]


def name_among(wanted: str, taken: Container[str]) -> str:
    """`wanted`, or the first with a number behind it that is free (see `TrainService.free_name`)."""
    wanted = wanted[:MAX_NAME]
    start = _stem(wanted)
    if start not in taken:
        start = wanted[: MAX_NAME - len(" 9999")]
    number, name = 2, wanted
    while name in taken:
        name, number = f"{start} {number}", number + 1
    return name


def insert_run(connection: sa.Connection, spec: TrainSpec, author: str, *, request_id: str | None = None) -> str:
    """A run and its job, queued, inside the caller's transaction. Raises ConfigError when the name is taken."""
    if connection.execute(sa.select(runs.c.id).where(runs.c.name == spec.name)).first():
        raise ConfigError("error.train.name_taken", field="name", name=spec.name)
    run_id = new_id("run")
    connection.execute(
        runs.insert().values(
            id=run_id,
            name=spec.name,
            dataset_id=spec.dataset.id,
            dataset_revision=spec.dataset.revision,
            base_id=spec.base.id,
            spec=spec.as_dict(),
            author=author,
            created_at=now(),
        )
    )
    for share in spec.datasets:
        values = {"dataset_id": share.id, "revision": share.revision, "weight": share.weight}
        connection.execute(run_datasets.insert().values(run_id=run_id, **values))
    insert_job(connection, spec=spec.as_dict(), name=spec.name, author=author, request_id=request_id, run_id=run_id)
    return run_id


def checked_preset(value: str) -> Preset:
    """Raises ConfigError for a preset that does not exist."""
    try:
        return Preset(value)
    except ValueError:
        raise ConfigError("error.train.unknown_preset", field="preset", preset=value, known=", ".join(Preset)) from None


def _series_names(connection: sa.Connection, run_id: str) -> list[str]:
    """One look-up in the index for each; DISTINCT would read all the points."""
    names: list[str] = []
    query = sa.select(sa.func.min(points.c.name)).where(points.c.run_id == run_id)
    while name := connection.execute(query.where(points.c.name > names[-1]) if names else query).scalar():
        names.append(name)
    return names


def _curve(connection: sa.Connection, run_id: str, name: str, most: int = _MAX_POINTS) -> list[list[float | None]]:
    """The points of a series; where they are more than `most`, means over buckets of 2^k steps with the smallest k that
    leaves at most `most` buckets.
    """
    here = sa.and_(points.c.run_id == run_id, points.c.name == name, points.c.superseded.is_(False))
    raw = connection.execute(sa.select(points.c.step, points.c.value).where(here).order_by(points.c.step).limit(most + 1)).all()
    if len(raw) <= most:
        return [[step, value] for step, value in raw]
    first, last = raw[0].step, connection.execute(sa.select(sa.func.max(points.c.step)).where(here)).scalar_one()
    width = 1
    while last // width - first // width >= most:
        width *= 2
    while width > 1 and _are_few(connection, _buckets(here, width // 2), most):  # only where steps are missing
        width //= 2
    buckets = _buckets(here, width)
    inside = sa.and_(here, points.c.step >= buckets.c.step, points.c.step < buckets.c.step + width)
    mean = sa.select(sa.func.avg(points.c.value)).where(inside).correlate(buckets).scalar_subquery()
    found = connection.execute(sa.select(buckets.c.step, mean).where(buckets.c.step.is_not(None)))
    return [[step, value] for step, value in found if value is not None and not math.isnan(value)]


def _buckets(here: sa.ColumnElement[bool], width: int) -> sa.CTE:
    """The first step of every bucket that has a point, in order, and null behind the last one.

    Each is one look-up in the index from the one before it; GROUP BY would sort all the points, which takes twice as long.
    """
    lowest = sa.select(sa.func.min(points.c.step)).where(here)
    found = sa.select((lowest.scalar_subquery() // width * width).label("step")).cte("buckets", recursive=True)
    following = lowest.where(points.c.step >= found.c.step + width).correlate(found).scalar_subquery()
    return found.union_all(sa.select(following // width * width).select_from(found).where(found.c.step.is_not(None)))


def _are_few(connection: sa.Connection, buckets: sa.CTE, most: int) -> bool:
    query = sa.select(buckets.c.step).where(buckets.c.step.is_not(None)).limit(most + 1)
    return len(connection.execute(query).all()) <= most
