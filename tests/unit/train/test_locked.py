"""What stands in a locked test set is trained on in no run, and a run keeps the rows that it began with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.access import local_admin
from studio.data.examples import Reading
from studio.data.rows import NewRow
from studio.data.snapshot import SnapshotRow
from studio.services import Services, build_services
from studio.settings import Settings
from tests.unit.data.made import chat, dataset
from tests.unit.train.conftest import COMMON
from tests.unit.train.runs import Attempts, Training, largest_difference

ACTOR = local_admin()

N_TRAIN, N_VALIDATION = 9, 3

New = Callable[[str], Training]


@pytest.fixture
def services(training_home: Path) -> Iterator[Services]:
    built = build_services(Settings(home=training_home, device="cpu"))
    yield built
    for info in built.data.list(ACTOR):
        built.splits.unlock(ACTOR, info.id)  # the home is shared
    built.close()


@pytest.fixture
def new_run(attempts: Attempts, training_home: Path, services: Services, request: pytest.FixtureRequest) -> New:
    """`new_run(dataset_id)`: a run that was never started; all of a test differ in nothing but their folders."""
    made = 0

    def make(dataset_id: str) -> Training:
        nonlocal made
        made += 1
        name = f"{request.node.name}-{made}"
        values = COMMON | {"name": request.node.name, "dataset": dataset_id, "evaluations": 3}
        return Training(attempts, training_home, name, services.train.complete(ACTOR, values).as_dict())

    return make


def rows(*, without: str = "") -> list[NewRow]:
    """Nine to train on and three to validate on, among the former one that the test set of `holder` asks as well."""
    split_of = ["train"] * N_TRAIN + ["validation"] * N_VALIDATION
    questions = [f"Does eye number {n} hurt?" for n in range(len(split_of))]
    return [chat(text, "It may. " * (n % 4 + 1), split_of[n]) for n, text in enumerate(questions) if text != without]


def holder(services: Services, *questions: str) -> str:
    return dataset(services.db, [chat("Anything else?"), *(chat(text, split="test") for text in questions)])


def refused(run: Training) -> list[dict[str, Any]]:
    told = [body for body in run.bodies("warned") if body["key"] == "train.warned.rows_refused"]
    return [body["params"] for body in told if body["params"]["reason"] == "data.refused.locked_test"]


def test_a_run_leaves_out_what_is_locked_and_says_how_many(services: Services, new_run: New) -> None:
    """Its numbers are those of a run on a dataset that never had the row."""
    locked = "Does eye number 4 hurt?"
    services.splits.lock(ACTOR, holder(services, locked, "Does eye number 10 hurt?"))
    run = new_run(dataset(services.db, rows()))
    run.finished()
    assert refused(run) == [
        {"split": "train", "reason": "data.refused.locked_test", "n": 1},
        {"split": "validation", "reason": "data.refused.locked_test", "n": 1},
    ]
    without = [row for row in rows(without=locked) if "number 10 " not in str(row.content)]
    clean = new_run(dataset(services.db, without))
    clean.finished()
    assert refused(clean) == []
    assert largest_difference(run, clean) == 0.0


def test_a_copy_of_a_test_row_is_refused_in_the_dataset_that_holds_the_lock(services: Services, new_run: New) -> None:
    made = dataset(services.db, [*rows(), chat("Does eye number 2 hurt?", "Yes.", "test")])
    services.splits.lock(ACTOR, made)
    run = new_run(made)
    run.killed(at="after", kind="step_finished", step=1)
    assert refused(run) == [{"split": "train", "reason": "data.refused.locked_test", "n": 1}]


@pytest.mark.parametrize("then", ["lock", "unlock"])
def test_a_run_that_goes_on_keeps_its_rows_whatever_was_locked_meanwhile(services: Services, new_run: New, then: str) -> None:
    first = holder(services, "Does eye number 1 hurt?")
    services.splits.lock(ACTOR, first)
    made = dataset(services.db, rows())
    whole, run = new_run(made), new_run(made)
    whole.finished()
    run.killed(at="after", kind="step_finished", step=whole.checkpoint_steps()[0] + 1)
    if then == "lock":
        services.splits.lock(ACTOR, holder(services, "Does eye number 6 hurt?"))
    else:
        services.splits.unlock(ACTOR, first)
    run.finished()
    assert largest_difference(run, whole) == 0.0
    assert refused(run) == [{"split": "train", "reason": "data.refused.locked_test", "n": 1}]


def test_rows_that_are_not_locked_are_rendered_beside_those_that_are(tiny_base_folder: Path) -> None:
    from studio.data.render import Template
    from studio.data.rows import prompt_hash
    from studio.train.batches import render_rows

    found = [SnapshotRow(n, row.kind, row.split, row.content, prompt_hash(row.kind, row.content)) for n, row in enumerate(rows())]
    locked = frozenset(bytes.fromhex(row.prompt_hash) for row in found[:2])
    good, reasons = render_rows(found, Template.load(tiny_base_folder), Reading(max_seq_len=256), locked)
    assert [row.row_id for row in good] == list(range(2, N_TRAIN + N_VALIDATION))
    assert reasons == {"data.refused.locked_test": 2}
