"""A curve is thinned by the database as the plain function below does it, and what was drawn stays where it was."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.access import Actor
from studio.data.tables import datasets
from studio.ids import new_id, now
from studio.jobs.tables import points, runs
from studio.models.tables import bases
from studio.services import Services
from studio.train.service import _curve

pytestmark = pytest.mark.backends("sqlite", "postgresql")

Series = list[tuple[int, float | None]]


def thinned(series: Series, most: int = 1_000) -> list[list[float | None]]:
    """Means over buckets of 2^k steps, with the smallest k that leaves at most `most` points."""
    width = 1
    while len({step // width for step, _ in series}) > most:
        width *= 2
    if width == 1:
        return [[step, value] for step, value in series]
    buckets: dict[int, list[float]] = {}
    for step, value in series:
        if value is not None:
            buckets.setdefault(step // width, []).append(value)
    return [[bucket * width, sum(values) / len(values)] for bucket, values in sorted(buckets.items())]


@pytest.fixture
def run_id(services: Services) -> str:
    found, by = new_id("run"), {"author": "usr_a", "created_at": now()}
    with services.db.write() as connection:
        connection.execute(datasets.insert().values(id="ds_a", name="d", note="", **by))
        connection.execute(bases.insert().values(id="b", name="b", source="hub", ref="a/b", state="ready", **by))
        row = {"id": found, "name": "r", "dataset_id": "ds_a", "dataset_revision": 1, "base_id": "b", "spec": {}}
        connection.execute(runs.insert().values(**row, **by))
    return found


def put(
    services: Services, run_id: str, series: Iterable[tuple[int, float | None]], name: str = "train/loss", **more: object
) -> None:
    rows = [
        {"run_id": run_id, "attempt": 1, "step": step, "name": name, "value": value, "seq": step, "superseded": False} | more
        for step, value in series
    ]
    with services.db.write() as connection:
        connection.execute(points.insert(), rows)


def drawn(services: Services, run_id: str, most: int, name: str = "train/loss") -> list[list[float | None]]:
    with services.db.read() as connection:
        return _curve(connection, run_id, name, most)


def forget(services: Services) -> None:
    with services.db.write() as connection:
        connection.execute(points.delete())


on_one_database = hypothesis_settings(
    database=None, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


# --- against the plain function ---------------------------------------------------------------------------------------


@given(
    steps=st.sets(st.integers(0, 300), min_size=1, max_size=200) | st.sets(st.integers(0, 10**9), min_size=1, max_size=60),
    some=st.lists(st.floats(-1e3, 1e3) | st.none(), min_size=1, max_size=200),
    most=st.integers(1, 50),
)
@on_one_database
def test_the_database_thins_as_the_plain_function_does(
    services: Services, run_id: str, steps: set[int], some: list[float | None], most: int
) -> None:
    """Dense, sparse and with holes; values that are not numbers among them."""
    forget(services)
    series: Series = [(step, some[at % len(some)]) for at, step in enumerate(sorted(steps))]
    put(services, run_id, series)
    found, expected = drawn(services, run_id, most), thinned(series, most)
    assert [step for step, _ in found] == [step for step, _ in expected]
    assert [value for _, value in found] == [
        None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9) for _, value in expected
    ]


@given(n_before=st.integers(1, 200), n_more=st.integers(1, 400), most=st.integers(2, 40))
@on_one_database
def test_buckets_stay_where_they_are_as_a_run_grows(
    services: Services, run_id: str, n_before: int, n_more: int, most: int
) -> None:
    """Full buckets of a shorter run are there unchanged, or two of them have become one: none is ever cut anew."""
    forget(services)
    put(services, run_id, [(step, float(step)) for step in range(n_before)])
    before = drawn(services, run_id, most)
    put(services, run_id, [(step, float(step)) for step in range(n_before, n_before + n_more)])
    after = drawn(services, run_id, most)
    assert {step for step, _ in after} & set(range(n_before)) <= {step for step, _ in before}
    if len(before) > 1 and after[1][0] == before[1][0]:
        assert before[:-1] == after[: len(before) - 1]  # the last bucket may still have been filling


def test_a_mean_stands_for_its_bucket(services: Services, run_id: str) -> None:
    """Worked out by hand: buckets of 4 steps."""
    put(services, run_id, [(0, 1.0), (1, 3.0), (2, None), (5, 4.0), (6, 8.0), (9, None)])
    assert drawn(services, run_id, 3) == [[0, 2.0], [4, 6.0]]


def test_a_loss_beyond_all_numbers_is_no_mean_of_numbers(services: Services, run_id: str) -> None:
    put(services, run_id, [(0, 1.0), (1, float("inf")), (2, 1.0), (3, 2.0)])
    assert drawn(services, run_id, 2) == [[0, float("inf")], [2, 1.5]]
    put(services, run_id, [(4, float("-inf")), (5, float("inf"))])
    assert drawn(services, run_id, 3) == [[0, float("inf")], [2, 1.5]]


# --- what is asked for ------------------------------------------------------------------------------------------------


def test_a_sparse_series_of_a_long_run_is_drawn_point_by_point(services: Services, run_id: str, actor: Actor) -> None:
    put(services, run_id, [(step, 1.0) for step in range(1, 3_001)])
    put(services, run_id, [(step, 2.0) for step in range(100, 3_001, 100)], "validation/loss")
    series = services.train.curves(actor, run_id).series
    assert series["validation/loss"] == [[step, 2.0] for step in range(100, 3_001, 100)]
    assert [step for step, _ in series["train/loss"]] == list(range(0, 3_001, 4))


def test_only_the_series_that_are_asked_for_are_read(services: Services, run_id: str, actor: Actor) -> None:
    put(services, run_id, [(1, 1.0)])
    put(services, run_id, [(1, 0.1)], "train/lr")
    put(services, run_id, [(1, 2.0)], "validation/loss")
    assert list(services.train.curves(actor, run_id).series) == ["train/loss", "train/lr", "validation/loss"]
    some = services.train.curves(actor, run_id, ["validation/loss", "train/loss", "nothing"])
    assert some.series == {"validation/loss": [[1, 2.0]], "train/loss": [[1, 1.0]]}
    assert some.cursor == services.train.cursor(actor, run_id) == 1


def test_what_was_done_again_is_in_no_bucket(services: Services, run_id: str, actor: Actor) -> None:
    put(services, run_id, [(step, 9.0) for step in range(2_000)], superseded=True)
    put(services, run_id, [(step, 9.0) for step in range(5)], "train/lr", superseded=True)
    put(services, run_id, [(step, 1.0) for step in range(1_500)], attempt=2)
    assert services.train.curves(actor, run_id).series == {"train/loss": [[step, 1.0] for step in range(0, 1_500, 2)]}


@pytest.mark.backends("sqlite")
def test_a_curve_is_read_from_its_index_alone(services: Services, run_id: str) -> None:
    """Reading the rows too takes five times as long."""
    put(services, run_id, [(step, 1.0) for step in range(100)])
    asked: list[tuple[str, tuple[object, ...]]] = []
    sa.event.listen(services.db.engine, "before_cursor_execute", lambda *args: asked.append((args[2], args[3])))
    drawn(services, run_id, 10)
    selects = [(statement, values) for statement, values in asked if "FROM points" in statement]
    assert len(selects) == 4  # the first points, the last step, how many buckets, their means
    with services.db.read() as connection:
        for statement, values in selects:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            read = [step for step in plan if "points" in step]
            assert read
            assert all("COVERING INDEX ix_points_curve" in step for step in read)
