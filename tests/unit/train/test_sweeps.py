"""Sweeps: every combination once, all checked before one is queued, a group with one best, and what more rows would bring."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from studio.access import Actor
from studio.data.service import ImportSpec
from studio.errors import ConfigError, NotFoundError, StudioError
from studio.ids import now
from studio.jobs.tables import checkpoints, jobs, runs, sweeps
from studio.models.catalogue import Base
from studio.services import Services
from studio.train.spec import TrainSpec
from studio.train.sweeps import AXES, DATA_SIZES, MAX_RUNS, doubling

Write = Callable[..., Path]


@pytest.fixture
def spec(services: Services, actor: Actor, tiny_base: Base, write_rows: Write) -> TrainSpec:
    turns = [{"role": "user", "content": "Well?"}, {"role": "assistant", "content": "Well."}]
    path = write_rows([{"messages": turns, "split": split} for split in ["train"] * 8 + ["validation"]])
    upload = services.data.stage(actor, path)
    made = services.data.import_upload(actor, ImportSpec(upload=upload, file_name=path.name, dataset_name="d"))
    asked = {"name": "rates", "base": tiny_base.id, "dataset": made.dataset_id, "max_seq_len": 128}
    return services.train.complete(actor, asked)


def n_rows(services: Services, table: sa.Table) -> int:
    with services.db.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def test_a_grid_is_every_combination_with_its_values_as_the_fields_read_them(
    services: Services, actor: Actor, spec: TrainSpec
) -> None:
    sweep_id = services.sweeps.start(actor, spec, {"learning_rate": ["1e-4", "0.0003"], "bits": ["16", "4"]})
    sweep = services.sweeps.get(actor, sweep_id)
    assert sweep.axes == {"learning_rate": [1e-4, 3e-4], "bits": [16, 4]}
    assert [tuple(item.values.values()) for item in sweep.runs] == [(1e-4, 16), (1e-4, 4), (3e-4, 16), (3e-4, 4)]
    for item in sweep.runs:
        own = item.run.spec
        assert item.values.items() <= own.items()
        swept = {"name": "", "learning_rate": 0, "bits": 0, "method": ""}
        assert own | swept == spec.as_dict() | swept
        assert own["method"] == ("lora" if own["bits"] == 16 else "qlora")
    assert [job.name for job in services.jobs.active(actor)] == [item.run.name for item in sweep.runs]
    assert {services.sweeps.of_run(actor, item.run.id) for item in sweep.runs} == {sweep_id}
    assert set(services.sweeps.list(actor).values()) == {(sweep_id, "rates")}


def test_a_sweep_over_methods_takes_along_what_each_asks_for(services: Services, actor: Actor, spec: TrainSpec) -> None:
    grid = services.sweeps.specs(actor, spec, {"method": ["lora", "qlora", "dora", "full"]})
    told = {one.method: (one.bits, one.learning_rate / spec.learning_rate) for one, _ in grid}
    assert told == {"lora": (16, 1), "qlora": (4, 1), "dora": (16, 1), "full": (16, pytest.approx(0.05))}
    assert [one.problems() for one, _ in grid] == [[]] * 4


def test_the_same_wish_is_one_sweep(services: Services, actor: Actor, spec: TrainSpec) -> None:
    twice = [services.sweeps.start(actor, spec, {"seed": [1, 2]}, request_id="r") for _ in range(2)]
    assert twice[0] == twice[1]
    assert (n_rows(services, sweeps), n_rows(services, jobs)) == (1, 2)


@pytest.mark.parametrize(
    ("axes", "key"),
    [
        ({}, "error.train.choose_axis"),
        ({"": ["1", "2"]}, "error.train.choose_axis"),
        ({"name": ["a", "b"]}, "error.train.no_axis"),
        ({"nothing": ["a", "b"]}, "error.train.no_axis"),
        ({"lora_rank": ["8"]}, "error.train.one_value"),
        ({"lora_rank": ["8", "8"]}, "error.train.one_value"),
        ({"lora_rank": ["8", "many"]}, "error.config.invalid"),
        ({"lora_rank": ["8", "0"]}, "error.config.invalid"),
        ({"seed": [str(n) for n in range(MAX_RUNS + 1)]}, "error.train.sweep_size"),
        ({"max_seq_len": ["128", "16"]}, "error.train.no_rows"),
    ],
)
def test_one_that_cannot_be_is_refused_and_none_of_it_is_queued(
    services: Services, actor: Actor, spec: TrainSpec, axes: dict[str, list[str]], key: str
) -> None:
    with pytest.raises(StudioError) as caught:
        services.sweeps.start(actor, spec, axes)
    assert caught.value.key == key
    assert [n_rows(services, table) for table in (sweeps, runs, jobs)] == [0, 0, 0]


def test_a_name_that_is_taken_queues_nothing(services: Services, actor: Actor, spec: TrainSpec) -> None:
    services.sweeps.start(actor, spec, {"seed": [1, 2]})
    with pytest.raises(ConfigError) as caught:
        services.sweeps.start(actor, spec, {"seed": [3, 4]})
    assert caught.value.key == "error.train.name_taken"
    assert n_rows(services, jobs) == 2


def test_the_best_is_the_lowest_validation_loss_and_stopping_stops_all(
    services: Services, actor: Actor, spec: TrainSpec
) -> None:
    sweep_id = services.sweeps.start(actor, spec, {"seed": [1, 2, 3]})
    sweep = services.sweeps.get(actor, sweep_id)
    assert sweep.best is None
    facts = {"path": "x", "bytes": 1, "created_at": now()}
    with services.db.write() as connection:
        for item, losses in zip(sweep.runs, ((2.0, 1.5), (1.8, 1.2)), strict=False):
            for step, loss in enumerate(losses):
                row = {"run_id": item.run.id, "step": step, "val_loss": loss, "best": step == 1}
                connection.execute(checkpoints.insert().values(**row, **facts))
    sweep = services.sweeps.get(actor, sweep_id)
    assert [item.loss for item in sweep.runs] == [1.5, 1.2, None]
    assert sweep.best is not None
    assert sweep.best.run.id == sweep.runs[1].run.id
    assert not sweep.has_ended
    services.sweeps.stop(actor, sweep_id)
    assert services.sweeps.get(actor, sweep_id).has_ended


def test_losses_are_compared_when_all_have_finished(services: Services, actor: Actor, spec: TrainSpec) -> None:
    sweep_id = services.sweeps.start(actor, spec, {"train_share": list(DATA_SIZES)})
    sweep = services.sweeps.get(actor, sweep_id)
    assert sweep.is_curve
    with services.db.write() as connection:
        for loss, item in enumerate(sweep.runs, 1):
            facts = {"path": "x", "bytes": 1, "created_at": now(), "best": True, "step": 1, "val_loss": float(loss)}
            connection.execute(checkpoints.insert().values(run_id=item.run.id, **facts))
    assert services.sweeps.get(actor, sweep_id).losses == []
    with services.db.write() as connection:
        connection.execute(jobs.update().values(state="finished"))
    assert services.sweeps.get(actor, sweep_id).losses == [1.0, 2.0, 3.0]
    with services.db.write() as connection:
        connection.execute(jobs.update().where(jobs.c.id == sweep.runs[0].run.job.id).values(state="stopped"))
    assert services.sweeps.get(actor, sweep_id).losses == []


def test_an_unknown_sweep_is_said(services: Services, actor: Actor) -> None:
    with pytest.raises(NotFoundError):
        services.sweeps.get(actor, "swp_nothing")


def test_axes_are_settings_alone() -> None:
    assert AXES[0] == "learning_rate"
    assert {"name", "base", "dataset", "kind", "then", "own_probes"}.isdisjoint(AXES)
    assert {"lora_rank", "train_share", "bits", "seed"} <= set(AXES)


@pytest.mark.parametrize("exponent", [0.1, 0.35, 1.0])
def test_the_next_doubling_of_a_power_law_is_foretold_exactly(exponent: float) -> None:
    def loss(n: float) -> float:
        return 1.2 + 2.0 * n**-exponent

    found = doubling([loss(25), loss(50), loss(100)])
    assert found is not None
    assert found.last == pytest.approx(loss(50) - loss(100))
    assert found.next == pytest.approx(loss(100) - loss(200))
    assert found.is_worth_it == (found.next > 0.01 * loss(100))


@pytest.mark.parametrize("losses", [[2.0, 2.0, 1.9], [2.0, 1.9, 1.95], [2.0, 1.9]])
def test_nothing_is_foretold_where_more_rows_have_not_helped(losses: list[float]) -> None:
    assert doubling(losses) is None


def test_a_curve_that_steepens_is_not_foretold_to_steepen_further() -> None:
    found = doubling([2.0, 1.9, 1.6])
    assert found is not None
    assert found.next == pytest.approx(0.3)
