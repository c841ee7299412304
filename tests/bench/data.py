"""A chat dataset of a million rows: brought in, paged, searched, edited, undone; raw sqlite3, `datasets` and pandas beside it.

    rows ──► import (a process of its own, votes written meanwhile) ──► index in the background ──► pages, searches, edits, undo
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from studio.access import local_admin
from studio.data import store
from studio.data.bulk import BulkSpec, apply_bulk
from studio.data.edits import RowChanges
from studio.data.filters import Filter
from studio.data.index_job import update_index
from studio.data.rows import NewRow
from studio.data.store import PackedRow, packed_row
from studio.db import Database, metadata
from studio.services import Services, build_services
from studio.settings import ROOT, Settings
from tests.bench.chat_rows import COMMON, RARE, write_chats
from tests.bench.report import Report

ACTOR = local_admin()

_ROWS, _SMALL_ROWS = 1_000_000, 25_000
_REPEATS = 60

#: Seconds between two votes, and the longest that one may wait.
_VOTE_EVERY_S, _VOTE_MS = 0.05, 200

_IMPORT = """
import sys
from pathlib import Path
from studio.data.jobs import ImportSpec, import_rows
from studio.data.uploads import stage
from studio.db import Database
from studio.settings import Settings
settings = Settings(home=Path(sys.argv[1]))
upload = stage(settings, Path(sys.argv[2]))
spec = ImportSpec(files=[{"upload": upload, "name": "chats.jsonl"}], dataset_name="chats")
print(import_rows(Database(settings.url), settings, spec, "usr_bench"))
"""


def run(*, small: bool) -> Report:
    report = Report("data")
    n_rows = _SMALL_ROWS if small else _ROWS
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chats.jsonl"
        size = write_chats(file, n_rows)
        report.add("file", size / 1e6, "MB")
        raw_s = _raw_insert(file, Path(folder) / "raw.db")
        settings = Settings(home=Path(folder) / "home").ready()
        services = build_services(settings)
        services.db.migrate(settings)
        dataset_id = _import(report, services, file, raw_s)
        _index(report, services, dataset_id)
        _reading(report, services, dataset_id, n_rows, repeats=3 if small else _REPEATS)
        _changing(report, services, dataset_id, repeats=3 if small else _REPEATS)
        services.close()
        _beside(report, file)
    return report


# --- in ---------------------------------------------------------------------------------------------------------------


def _records(file: Path) -> Iterator[PackedRow]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            record = json.loads(line)
            origin = {"type": "file", "ref": "chats.jsonl", "line": number}
            row = NewRow("chat", {"messages": record["messages"]}, split="train", topic=record["topic"], origin=origin)
            yield packed_row(row, "ds_" + "0" * 26, 1, number * store.GAP, "usr_bench")


def _raw_insert(file: Path, target: Path) -> float:
    """Seconds that sqlite3 alone needs for the parsed rows: the same columns and indexes, all in one transaction."""
    engine = sa.create_engine(f"sqlite:///{target}")
    metadata.create_all(engine)
    engine.dispose()
    connection = sqlite3.connect(target, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    names = ", ".join(f'"{name}"' for name in PackedRow._fields)
    into = f"INSERT INTO rows ({names}) VALUES ({', '.join('?' * len(PackedRow._fields))})"
    seconds = 0.0
    connection.execute("BEGIN")
    records = _records(file)
    while batch := list(itertools.islice(records, 20_000)):
        seconds += _timed(functools.partial(connection.executemany, into, batch))
    seconds += _timed(functools.partial(connection.execute, "COMMIT"))
    connection.close()
    target.unlink()
    return seconds


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@dataclass
class _Votes:
    """Somebody who votes twenty times a second while others work, and how long each vote waited, in seconds."""

    db: Database
    waits: list[float] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> _Votes:
        self._thread = threading.Thread(target=self._vote, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _vote(self) -> None:
        while not self._over.wait(_VOTE_EVERY_S):
            self.waits.append(_timed(self._once))

    def _once(self) -> None:
        with self.db.write() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = version_num"))


def _import(report: Report, services: Services, file: Path, raw_s: float) -> str:
    command = [sys.executable, "-c", _IMPORT, str(services.settings.home), str(file)]
    with _Votes(services.db) as votes:
        began = time.perf_counter()
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        dataset_id = child.stdout.read().strip()
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - began
    if status:
        raise RuntimeError(f"the import ended with {status}")
    report.add("raw sqlite3: insert", raw_s, "s")
    report.add("import", seconds, "s")
    report.add("import / raw insert", seconds / raw_s, "", 6.0)
    report.add("import: resident", used.ru_maxrss / 1024, "MB", 700)
    report.add("import: longest wait of a vote", max(votes.waits) * 1000, "ms", _VOTE_MS)
    return dataset_id


def _index(report: Report, services: Services, dataset_id: str) -> None:
    with _Votes(services.db) as votes:
        seconds = _timed(lambda: update_index(services.db, services.settings, dataset_id))
    report.add("search index, in the background", seconds, "s")
    report.add("search index: longest wait of a vote", max(votes.waits, default=0.0) * 1000, "ms", _VOTE_MS)


# --- reading ----------------------------------------------------------------------------------------------------------


def _spread(report: Report, name: str, goal_ms: float, works: list[Callable[[], Any]]) -> None:
    """Median and 95th percentile in milliseconds; the goal holds for both. One of each goes first, uncounted."""
    works[0]()
    times = sorted(_timed(work) * 1000 for work in works)
    report.add(f"{name}: median", statistics.median(times), "ms", goal_ms)
    report.add(f"{name}: p95", times[min(len(times) - 1, round(0.95 * len(times)))], "ms", goal_ms)


def _reading(report: Report, services: Services, dataset_id: str, n_rows: int, repeats: int) -> None:
    draw = random.Random(7)

    def page(wanted: Filter, **place: Any) -> Callable[[], Any]:
        return lambda: services.data.find(ACTOR, dataset_id, wanted, limit=100, **place)

    everywhere = [page(Filter(), at=draw.randint(1, n_rows) * store.GAP) for _ in range(repeats)]
    _spread(report, "page anywhere", 100, everywhere)
    for split in ("train", "test"):
        places = [page(Filter(split=split), at=draw.randint(1, n_rows) * store.GAP) for _ in range(repeats)]
        _spread(report, f"page of split {split}", 100, places)
    _spread(report, "page of one topic", 100, [page(Filter(topic=f"t{draw.randint(0, 39)}")) for _ in range(repeats)])
    _spread(report, "page by length", 100, [page(Filter(), sort="longest")] * repeats)
    words = {
        "two Chinese characters, frequent": COMMON[:1],
        "two Chinese characters, rare": RARE[:1],
        "three Chinese characters, frequent": COMMON[1:2],
        "three Chinese characters, rare": RARE[1:2],
        "a Latin word, frequent": COMMON[2:],
        "a Latin word, rare": RARE[2:],
        "a word that is nowhere": ("无此词语", "nowhere else", "zq"),
    }
    for name, some in words.items():
        _spread(report, f"search, {name}", 500, [page(Filter(text=some[at % len(some)])) for at in range(repeats)])


# --- changing ---------------------------------------------------------------------------------------------------------


def _changing(report: Report, services: Services, dataset_id: str, repeats: int) -> None:
    draw = random.Random(11)
    info = services.data.get(ACTOR, dataset_id)

    def edit(number: int) -> Callable[[], Any]:
        found = services.data.find(ACTOR, dataset_id, Filter(), at=draw.randint(1, info.n_rows) * store.GAP, limit=1).rows[0]
        turns = [dict(turn) for turn in found.content["messages"]]
        turns[-1]["content"] += f" ({number})"
        return lambda: services.edits.save_row(ACTOR, dataset_id, found.id, RowChanges(content={"messages": turns}))

    _spread(report, "cell edit", 50, [edit(number) for number in range(repeats)])
    # A tenth of the rows: 100,000 of a million.
    spec = BulkSpec(dataset=dataset_id, filter=Filter(split="validation"), operation={"do": "tag", "add": ["x"], "remove": []})
    with _Votes(services.db) as votes:
        began = time.perf_counter()
        n_changed = apply_bulk(services.db, services.settings, spec, "usr_bench").changes["changed"]
        report.add(f"change {n_changed} rows", time.perf_counter() - began, "s")
        undone = [_timed(lambda: services.edits.undo(ACTOR, dataset_id))]
        for _ in range(2):
            services.edits.redo(ACTOR, dataset_id)
            undone.append(_timed(lambda: services.edits.undo(ACTOR, dataset_id)))
    report.add(f"undo of {n_changed} rows: median", statistics.median(undone), "s", 3.0)
    report.add(f"undo of {n_changed} rows: slowest", max(undone), "s", 3.0)
    report.add("changes: longest wait of a vote", max(votes.waits) * 1000, "ms", _VOTE_MS)


# --- beside it --------------------------------------------------------------------------------------------------------

_PEERS = {
    "datasets.load_dataset": "from datasets import load_dataset; d = load_dataset('json', data_files=sys.argv[1], split='train')",
    "pandas.read_json": "import pandas; d = pandas.read_json(sys.argv[1], lines=True)",
}


def _beside(report: Report, file: Path) -> None:
    """Seconds and memory until the same file is loaded; neither keeps it, indexes it, or can undo."""
    for name, code in _PEERS.items():
        with tempfile.TemporaryDirectory() as cache:
            environment = os.environ | {"HF_HOME": cache, "HF_HUB_OFFLINE": "1"}
            began = time.perf_counter()
            child = subprocess.Popen([sys.executable, "-c", f"import sys; {code}; print(len(d))", str(file)], env=environment)
            _, status, used = os.wait4(child.pid, 0)
            if status:
                raise RuntimeError(f"{name} ended with {status}")
            report.add(name, time.perf_counter() - began, "s")
            report.add(f"{name}: resident", used.ru_maxrss / 1024, "MB")
