"""The doctor on 100,000 rows, beside what others would do for one of its eighteen checks: the near-duplicate search of datasketch
and of rensa, as their documentation shows it.

    rows in a database ─► all checks, the picture, the findings in the database          the doctor
    the same texts     ─► shingles ─► MinHash of 128 ─► LSH at 0.7 ─► candidates         bare MinHash, nothing else
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from studio.access import local_admin
from studio.data import examinations, store
from studio.data.checks import CHECKS, alike, check_of
from studio.data.checks.base import Context, RowCheck, RowView
from studio.data.doctor_job import DoctorSpec, examine_dataset
from studio.data.render import Template
from studio.data.rows import NewRow
from studio.models.catalogue import base_folder
from studio.services import Services, build_services
from studio.settings import Settings
from tests.bench.report import Report
from tests.planted.clean import clean_rows
from tests.tiny import enter_base, make_tiny_base

_ROWS, _SMALL_ROWS = 100_000, 3_000
_REPEATS = 3
_GOAL = 3.0

#: Tokens, of which a Chinese character is about three with the tests' tokenizer: one row in twenty is longer.
_LIMIT = 1_536
_SOURCES = 1_500


def run(*, small: bool) -> Report:
    report = Report("doctor")
    n_rows, repeats = (_SMALL_ROWS, 1) if small else (_ROWS, _REPEATS)
    rows = make_rows(n_rows)
    with tempfile.TemporaryDirectory() as folder:
        services, dataset_id = _dataset(Path(folder) / "home", rows)
        texts = [f"{view.question} {view.answer}" for view in map(RowView, rows)]
        report.add("rows", n_rows, "rows")
        report.add("characters a row", statistics.mean(map(len, texts)), "characters")
        took: dict[str, list[float]] = {"doctor": [], "datasketch": [], "rensa": []}
        for _ in range(repeats):  # alternating: what slows the machine slows all
            took["doctor"].append(_timed(lambda: _examine(services, dataset_id)))
            took["datasketch"].append(_timed(lambda: _with_datasketch(texts)))
            took["rensa"].append(_timed(lambda: _with_rensa(texts)))
        doctor, datasketch, rensa = (statistics.median(took[name]) for name in took)
        report.add("datasketch's bare MinHash", datasketch, "s")
        report.add("rensa's bare MinHash", rensa, "s")
        report.add("the doctor, all checks", doctor, "s")
        report.add("the doctor / datasketch's bare MinHash", doctor / datasketch, "times", _GOAL)
        report.add("the doctor / rensa's bare MinHash", doctor / rensa, "times")
        _each(report, rows, Template.load(base_folder(services.settings, "tiny")))
        services.close()
    return report


def make_rows(n: int) -> list[NewRow]:
    """Half Chinese, half English: questions and two answers of clean rows, mixed anew; 2 % are copies, 2 % nearly so."""
    chance = random.Random(7)
    parts = []
    for lang in ("en", "zh"):
        said = [row["content"]["messages"][-2:] for row in clean_rows(lang, _SOURCES, 5)]
        parts.append([(asked["content"], answered["content"]) for asked, answered in said])
    rows: list[NewRow] = []
    for number in range(n):
        draw = chance.random()
        if rows and draw < 0.02:
            rows.append(chance.choice(rows))
        elif rows and draw < 0.04:
            asked, answered = (turn["content"] for turn in chance.choice(rows).content["messages"])
            rows.append(_row(asked, answered + "!", number))
        else:
            pool = parts[number % 2]
            one, other, third = (chance.choice(pool) for _ in range(3))
            rows.append(_row(f"{one[0]} ({number})", f"{one[1]}\n\n{other[1]}\n\n{third[1]}", number))
    return rows


def _row(asked: str, answered: str, number: int) -> NewRow:
    split = "test" if number % 20 == 0 else "validation" if number % 20 == 1 else "train"
    said = [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    return NewRow("chat", {"messages": said}, split=split)


def _dataset(home: Path, rows: list[NewRow]) -> tuple[Services, str]:
    settings = Settings(home=home).ready()
    services = build_services(settings)
    services.db.migrate(settings)
    folder = base_folder(settings, "tiny")
    folder.mkdir(parents=True)
    make_tiny_base(folder)
    enter_base(services.db, folder)
    author = local_admin().user_id
    with services.db.write() as connection:
        dataset_id = store.create_dataset(connection, "bench", author)
        store.open_first_revision(connection, dataset_id, author, {"key": "data.revision.import", "params": {"files": "bench"}})
    totals = store.write_rows(services.db, dataset_id, rows, author)
    store.commit_first_revision(services.db, dataset_id, totals, {"n_good": len(rows)})
    return services, dataset_id


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _examine(services: Services, dataset_id: str) -> None:
    spec = DoctorSpec(dataset=dataset_id, base="tiny", max_seq_len=_LIMIT)
    made = examine_dataset(services.db, services.settings, spec, "usr_bench")
    found = examinations.newest(services.db, dataset_id)
    assert found is not None and found.id == made and found.summary["checks"]["near_duplicates"]["n_rows"] > 0


def _with_datasketch(texts: list[str]) -> int:
    from datasketch import MinHash, MinHashLSH

    lsh = MinHashLSH(threshold=0.7, num_perm=128)
    n_found = 0
    for number, text in enumerate(texts):
        minhash = MinHash(num_perm=128)
        minhash.update_batch([shingle.encode() for shingle in alike.of_rows(text)])
        n_found += len(lsh.query(minhash))
        lsh.insert(str(number), minhash)
    return n_found


def _with_rensa(texts: list[str]) -> int:
    from rensa import RMinHash, RMinHashLSH

    lsh = RMinHashLSH(threshold=0.7, num_perm=128, num_bands=16)
    n_found = 0
    for number, text in enumerate(texts):
        minhash = RMinHash(num_perm=128, seed=42)
        minhash.update(list(alike.of_rows(text)))
        n_found += len(lsh.query(minhash))
        lsh.insert(number, minhash)
    return n_found


def _each(report: Report, rows: list[NewRow], template: Template) -> None:
    """What each check of single rows takes, in microseconds a row."""
    views = [RowView(row) for row in rows[: min(len(rows), 10_000)]]
    for view in views:
        assert view.words
    for key in CHECKS:
        check = check_of(key, Context("tiny", template, _LIMIT))
        if isinstance(check, RowCheck):
            took = _timed(lambda check=check: [check.spots(view) for view in views])  # type: ignore[misc]
            report.add(f"{key}, a row", 1e6 * took / len(views), "µs")
