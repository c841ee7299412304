"""The curves of a long run, 100,000 steps and seven series in SQLite, against reading all points and thinning in Python."""

from __future__ import annotations

import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from studio.access import local_admin
from studio.data.tables import datasets
from studio.db import Database
from studio.ids import now
from studio.jobs.tables import points, runs
from studio.models.tables import bases
from studio.services import Services, build_services
from studio.settings import Settings
from tests.bench.report import Report
from tests.unit.train.test_curves import thinned

_N_STEPS = 100_000
_ROUNDS = 7
_SERIES = ("train/loss", "train/lr", "train/grad_norm", "train/tokens", "train/target_tokens", "train/seconds", "train/mem_bytes")
_RUN = "run_long"


def run(*, small: bool) -> Report:
    report = Report("curves")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home").ready()
        services = build_services(settings)
        services.db.migrate(settings)
        try:
            _fill(services.db, _N_STEPS // (10 if small else 1))
            _measure(report, services, 1 if small else _ROUNDS)
        finally:
            services.close()
    return report


def _measure(report: Report, services: Services, rounds: int) -> None:
    ours, one, naive = [], [], []
    actor = local_admin()
    for _ in range(rounds):  # alternating: what else the machine does falls on all of them
        naive.append(_timed(lambda: _naively(services.db)))
        ours.append(_timed(lambda: services.train.curves(actor, _RUN).series))
        one.append(_timed(lambda: services.train.curves(actor, _RUN, _SERIES[:1]).series))
    seconds = [statistics.median(took for took, _ in times) for times in (ours, one, naive)]
    drawn, expected = ours[0][1], naive[0][1]
    assert sorted(drawn) == sorted(expected)
    for name, series in drawn.items():
        assert all(
            step == other and math.isclose(value, mean, rel_tol=1e-9)
            for (step, value), (other, mean) in zip(series, expected[name], strict=True)
        )
    report.add("all seven series", seconds[0] * 1e3, "ms", 150)
    report.add("one series", seconds[1] * 1e3, "ms")
    report.add("all points read and thinned in Python", seconds[2] * 1e3, "ms")
    report.add("ratio", seconds[0] / seconds[2], "", 0.2)
    report.add("points sent", sum(len(series) for series in drawn.values()), "")
    report.add("JSON sent", len(json.dumps(drawn, separators=(",", ":"))) / 1e3, "kB")


def _timed(work: Callable[[], dict[str, Any]]) -> tuple[float, dict[str, Any]]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def _naively(db: Database) -> dict[str, Any]:
    query = (
        sa.select(points.c.name, points.c.step, points.c.value)
        .where(points.c.run_id == _RUN, points.c.superseded.is_(False))
        .order_by(points.c.step)
    )
    found: dict[str, list[tuple[int, float | None]]] = {}
    with db.read() as connection:
        for name, step, value in connection.execute(query):
            found.setdefault(name, []).append((step, value))
    return {name: thinned(series) for name, series in found.items()}


def _fill(db: Database, n_steps: int) -> None:
    """In the order in which a worker takes them in: all series of a step, then the next step."""
    by = {"author": "usr_a", "created_at": now()}
    reference = {"dataset_id": "ds_a", "dataset_revision": 1, "base_id": "b", "spec": {}}
    with db.write() as connection:
        connection.execute(datasets.insert().values(id="ds_a", name="d", note="", **by))
        connection.execute(bases.insert().values(id="b", name="b", source="hub", ref="a/b", state="ready", **by))
        connection.execute(runs.insert().values(id=_RUN, name="long", **reference, **by))
    plain = {"run_id": _RUN, "attempt": 1, "superseded": False}
    for first in range(1, n_steps + 1, 10_000):
        rows = [
            plain | {"step": step, "name": name, "seq": step, "value": at + math.exp(-step / 2e4) + math.sin(step * (at + 1)) / 9}
            for step in range(first, min(first + 10_000, n_steps + 1))
            for at, name in enumerate(_SERIES)
        ]
        with db.write() as connection:
            connection.execute(points.insert(), rows)
