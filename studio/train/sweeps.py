"""Sweeps: trainings that differ in a few fields, queued as one group, with one chart and one table.

A sweep over `train_share` is a data-size curve: it tells what more rows like these would bring.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from studio.access import Actor, allows
from studio.db import Database
from studio.errors import ConfigError, NotFoundError, StudioError
from studio.ids import new_id, now
from studio.jobs.queue import JobService
from studio.jobs.spec import checked
from studio.jobs.tables import sweep_runs, sweeps
from studio.train.methods import METHODS
from studio.train.service import Run, TrainService, insert_run
from studio.train.spec import MAX_NAME, TrainSpec

__all__ = ["AXES", "DATA_SIZES", "MAX_RUNS", "Doubling", "Sweep", "SweepRun", "SweepService", "doubling"]

#: Runs of one sweep.
MAX_RUNS = 24

#: Shares of a data-size curve, each twice the one before.
DATA_SIZES = (0.25, 0.5, 1.0)

#: Fields that a sweep cannot go over: they say what is compared, or are no single value.
_FIXED = ("kind", "schema_version", "then", "name", "base", "dataset", "preset", "own_probes")

#: Fields that a sweep can go over, the one that matters most first.
AXES = sorted((name for name in TrainSpec.model_fields if name not in _FIXED), key=lambda name: name != "learning_rate")

#: Fall of the validation loss, as a share of it, under which more rows are not worth the work.
_WORTH = 0.01


@dataclass(frozen=True)
class SweepRun:
    """`values` of the axes; `loss` is the best validation loss in nats per token, None while there is none."""

    run: Run
    values: dict[str, Any]
    loss: float | None


@dataclass(frozen=True)
class Sweep:
    """`axes` are the fields that differ, with their values; `runs` stand in the order of the grid."""

    id: str
    name: str
    axes: dict[str, list[Any]]
    created_at: datetime
    runs: list[SweepRun]

    @property
    def has_ended(self) -> bool:
        return all(item.run.job.has_ended for item in self.runs)

    @property
    def is_curve(self) -> bool:
        """Whether it measures what more rows bring."""
        return self.axes == {"train_share": list(DATA_SIZES)}

    @property
    def losses(self) -> list[float]:
        """Of all runs in their order, once all have finished; none before, nor where one has failed or was stopped."""
        found = [item.loss for item in self.runs if item.loss is not None and item.run.job.state == "finished"]
        return found if len(found) == len(self.runs) else []

    @property
    def best(self) -> SweepRun | None:
        """The one with the lowest validation loss."""
        return min((item for item in self.runs if item.loss is not None), key=lambda item: item.loss or 0.0, default=None)


@dataclass(frozen=True)
class Doubling:
    """What the last doubling of the rows has brought, and what the next one would bring: falls of the loss in nats per token."""

    last: float
    next: float
    is_worth_it: bool


class SweepService:
    def __init__(self, db: Database, train: TrainService, jobs: JobService) -> None:
        self._db = db
        self._train = train
        self._jobs = jobs

    @allows("run.start")
    def start(
        self, actor: Actor, spec: TrainSpec, axes: Mapping[str, Sequence[Any]], *, request_id: str | None = None
    ) -> str:
        """Queue one training for every combination of the axes' values and return the sweep's id.

        All of them are checked first, and none is queued if one is refused. The same `request_id` gives the same sweep.
        """
        with self._db.read() as connection:
            if known := _of_request(connection, request_id):
                return known
        specs = self.specs(actor, spec, axes)
        for one, _ in specs:
            if errors := self._train.preflight(actor, one).errors:
                raise StudioError.from_dict(errors[0])
        with self._db.write() as connection:
            if known := _of_request(connection, request_id):  # the second click of two at the same moment
                return known
            sweep_id = new_id("swp")
            read = {axis: list(dict.fromkeys(differs[axis] for _, differs in specs)) for axis in axes}
            values = {"id": sweep_id, "name": spec.name, "axes": read}
            if connection.execute(sa.select(sweeps.c.id).where(sweeps.c.name == spec.name)).first():
                raise ConfigError("error.train.name_taken", field="name", name=spec.name)
            who = {"request_id": request_id, "author": actor.user_id, "created_at": now()}
            connection.execute(sweeps.insert().values(**values, **who))
            for position, (one, differs) in enumerate(specs):
                run_id = insert_run(connection, one, actor.user_id)
                row = {"run_id": run_id, "sweep_id": sweep_id, "position": position, "values": differs}
                connection.execute(sweep_runs.insert().values(**row))
        return sweep_id

    @allows("run.read")
    def specs(
        self, actor: Actor, spec: TrainSpec, axes: Mapping[str, Sequence[Any]]
    ) -> list[tuple[TrainSpec, dict[str, Any]]]:
        """The trainings of a sweep, each with the values in which it differs, named after them.

        Raises ConfigError for a field that cannot be swept over, for a value that the field does not take, for too many runs.
        """
        if not axes or "" in axes:
            raise ConfigError("error.train.choose_axis")
        for name, found in axes.items():
            if name not in AXES:
                raise ConfigError("error.train.no_axis", field=name, name=name)
            if len({str(value) for value in found}) < 2:
                raise ConfigError("error.train.one_value", field=name, name=name)
        grid = list(itertools.product(*axes.values()))
        if len(grid) > MAX_RUNS:
            raise ConfigError("error.train.sweep_size", field=next(iter(axes)), n=len(grid), most=MAX_RUNS)
        specs = []
        for values in grid:
            differs = dict(zip(axes, values, strict=True))
            words = ", ".join(f"{name} {value}" for name, value in differs.items())
            name = f"{spec.name[: MAX_NAME - len(words) - 3]} · {words}"[:MAX_NAME]
            one = checked(TrainSpec, spec.as_dict() | _goes_along(spec, differs) | differs | {"name": name})
            specs.append((one, {axis: one.model_dump(mode="json")[axis] for axis in axes}))
        return specs

    @allows("run.read")
    def get(self, actor: Actor, sweep_id: str) -> Sweep:
        with self._db.read() as connection:
            row = connection.execute(sa.select(sweeps).where(sweeps.c.id == sweep_id)).mappings().first()
            query = sa.select(sweep_runs).where(sweep_runs.c.sweep_id == sweep_id).order_by(sweep_runs.c.position)
            found = connection.execute(query).mappings().all()
        if row is None:
            raise NotFoundError("error.sweep.unknown", sweep=sweep_id)
        best = {item.run_id: item.val_loss for item in self._train.checkpoints(actor) if item.best}
        runs = [SweepRun(self._train.get(actor, item["run_id"]), item["values"], best.get(item["run_id"])) for item in found]
        return Sweep(row["id"], row["name"], row["axes"], row["created_at"], runs)

    @allows("run.read")
    def of_run(self, actor: Actor, run_id: str) -> str | None:
        """The sweep that a run belongs to."""
        with self._db.read() as connection:
            return connection.execute(sa.select(sweep_runs.c.sweep_id).where(sweep_runs.c.run_id == run_id)).scalar()

    @allows("run.read")
    def list(self, actor: Actor) -> dict[str, tuple[str, str]]:
        """By run: the id and the name of the sweep that it belongs to."""
        query = sa.select(sweep_runs.c.run_id, sweeps.c.id, sweeps.c.name).join(sweeps, sweeps.c.id == sweep_runs.c.sweep_id)
        with self._db.read() as connection:
            return {run: (sweep, name) for run, sweep, name in connection.execute(query)}

    @allows("run.stop")
    def stop(self, actor: Actor, sweep_id: str) -> None:
        """Stop what has not ended: those that wait never begin, the one that runs saves a checkpoint first."""
        for item in reversed(self.get(actor, sweep_id).runs):
            if not item.run.job.has_ended:
                self._jobs.stop(actor, item.run.job.id)


def _of_request(connection: sa.Connection, request_id: str | None) -> str | None:
    if request_id is None:
        return None
    return connection.execute(sa.select(sweeps.c.id).where(sweeps.c.request_id == request_id)).scalar()


def _goes_along(spec: TrainSpec, differs: Mapping[str, Any]) -> dict[str, Any]:
    """What another method or other bits bring with them, unless the sweep goes over it as well."""
    if "method" in differs and differs["method"] in METHODS:
        method = METHODS[str(differs["method"])]
        return dict(method.suggests) | {"learning_rate": spec.learning_rate * method.rate / spec.how.rate}
    return {"method": "lora"} if "bits" in differs and spec.method == "qlora" else {}


def doubling(losses: Sequence[float]) -> Doubling | None:
    """From the losses at 25, 50 and 100 % of the rows. None where more rows have not lowered the loss yet.

    A loss that falls with a power of the rows towards a floor, a + b · n^-c (Hestness et al. 2017, arXiv:1712.00409), falls
    with every doubling by 2^-c times what it fell with the doubling before.
    """
    if len(losses) != len(DATA_SIZES):
        return None
    first, last = losses[0] - losses[1], losses[1] - losses[2]
    if first <= 0 or last <= 0:
        return None
    ahead = last * min(1.0, last / first)
    return Doubling(last, ahead, ahead > _WORTH * losses[2])
