"""From a file to a dataset: what is counted, what is left when it fails, and the snapshot that a job reads."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from studio.access import Actor
from studio.data import store
from studio.data.jobs import run_import
from studio.data.service import SAMPLE_FILE, Imported, ImportSpec
from studio.data.snapshot import ensure_snapshot, read_snapshot
from studio.data.tables import datasets, revisions, rows
from studio.errors import ConfigError, DataError
from studio.ids import now
from studio.jobs.context import JobContext, StoppedByRequest
from studio.services import Services
from studio.settings import ROOT, Settings

pytestmark = pytest.mark.backends("sqlite", "postgresql")

Write = Callable[..., Path]


def question(number: int, **more: Any) -> dict[str, Any]:
    return {"instruction": f"Question {number}?", "input": "", "output": f"Answer {number}."} | more


def spec_of(services: Services, actor: Actor, path: Path, name: str = "a", **more: Any) -> ImportSpec:
    upload = services.data.stage(actor, path)
    return ImportSpec(upload=upload, file_name=path.name, dataset_name=name, **more)


def imported(services: Services, actor: Actor, path: Path, name: str = "a", **more: Any) -> store.DatasetInfo:
    made = services.data.import_upload(actor, spec_of(services, actor, path, name, **more))
    assert made.dataset_id is not None
    return services.data.get(actor, made.dataset_id)


def nothing_is_left(services: Services) -> bool:
    with services.db.read() as connection:
        return not any(connection.execute(sa.select(table)).first() for table in (datasets, revisions, rows))


# --- staging ----------------------------------------------------------------------------------------------------------


def test_an_upload_is_kept_once_under_its_sha256(services: Services, actor: Actor, write_rows: Write) -> None:
    path = write_rows([question(1)])
    digest = services.data.stage(actor, path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert services.data.stage(actor, path) == digest
    assert [file.name for file in (services.settings.home / "uploads").iterdir()] == [digest]


def test_an_upload_over_the_limit_is_refused(services: Services, actor: Actor, tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    with path.open("wb") as file:
        file.truncate(services.settings.max_upload_mb * 2**20 + 1)  # a hole: takes no room
    with pytest.raises(DataError) as caught:
        services.data.stage(actor, path)
    assert caught.value.key == "error.data.upload_too_large"
    assert caught.value.params == {"size_bytes": 512 * 2**20 + 1, "limit_bytes": 512 * 2**20}


@pytest.mark.parametrize("upload", ["0" * 64, "../studio.db", "0" * 63])
def test_an_upload_that_was_never_staged_is_unknown(services: Services, actor: Actor, upload: str) -> None:
    with pytest.raises(DataError) as caught:
        services.data.inspect(actor, upload, "a.jsonl")
    assert caught.value.key == "error.data.unknown_upload"


# --- importing --------------------------------------------------------------------------------------------------------


def test_good_rows_are_imported_and_refused_ones_are_counted_with_their_reasons(
    services: Services, actor: Actor, write_rows: Write
) -> None:
    broken = [{"instruction": "", "input": "", "output": "x"}, {"instruction": "Q?", "input": "", "output": ""}]
    info = imported(services, actor, write_rows([question(1), *broken, question(2), question(3)]))
    assert info.n_rows == 3
    report = info.report
    assert (report["n_good"], report["n_refused"]) == (3, 2)
    assert [(file["name"], file["format"]) for file in report["files"]] == [("rows.jsonl", "jsonl")]
    assert report["refused_by_key"] == {"error.data.empty_question": 1, "error.data.empty_answer": 1}
    assert [row["line"] for row in report["refused"]] == [2, 3]


def test_the_sample_has_the_splits_that_its_readme_names(services: Services, actor: Actor) -> None:
    """assets/sample/README.md: 350 rows, 256 train, 32 validation, 62 test."""
    first = services.data.import_sample(actor, "sample")
    info = services.data.get(actor, first)
    assert info.counts == {"train": 256, "validation": 32, "test": 62}
    assert (info.report["n_refused"], info.report["files"][0]["name"]) == (0, SAMPLE_FILE.name)
    assert services.data.import_sample(actor, "sample") == first
    assert len(services.data.list(actor)) == 1


def test_splits_that_the_file_names_are_honoured_and_shares_are_then_ignored(
    services: Services, actor: Actor, write_rows: Write
) -> None:
    records = [question(1, split="test"), question(2, split="val"), question(3, split="train"), question(4)]
    info = imported(services, actor, write_rows(records), validation_share=0.4, test_share=0.4)
    assert info.counts == {"test": 1, "validation": 1, "train": 2}


def test_without_splits_in_the_file_the_shares_draw_them_by_prompt(
    services: Services, actor: Actor, write_rows: Write
) -> None:
    twins = [question(n, output=f"Answer {n}, {way}.") for n in range(20) for way in ("short", "long")]
    info = imported(services, actor, write_rows(twins), validation_share=0.2, test_share=0.1)
    assert info.counts == {"train": 28, "validation": 8, "test": 4}  # 20 prompts: 14, 4 and 2, two rows each
    sides: dict[str, set[str | None]] = {}
    for row in store.iter_rows(services.db, info.id, info.revision):
        sides.setdefault(row.prompt_hash, set()).add(row.split)
    assert len(sides) == 20
    assert all(len(found) == 1 for found in sides.values())


def test_the_same_file_and_seed_give_the_same_dataset(services: Services, actor: Actor, write_rows: Write) -> None:
    path = write_rows([question(n) for n in range(30)])
    hashes = [imported(services, actor, path, name, seed=seed).content_hash for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_name_that_is_taken_is_refused_and_the_other_dataset_kept(
    services: Services, actor: Actor, write_rows: Write
) -> None:
    first = imported(services, actor, write_rows([question(1)]))
    with pytest.raises(DataError) as caught:
        imported(services, actor, write_rows([question(2)], "other.jsonl"))
    assert (caught.value.key, caught.value.field, caught.value.params) == ("error.data.name_taken", "name", {"name": "a"})
    assert [info.id for info in services.data.list(actor)] == [first.id]


def test_a_file_without_a_good_row_leaves_no_dataset(services: Services, actor: Actor, write_rows: Write) -> None:
    path = write_rows([{"instruction": "", "input": "", "output": "x"}])
    with pytest.raises(DataError) as caught:
        imported(services, actor, path)
    assert caught.value.key == "error.data.no_good_rows"
    assert caught.value.params == {"name": "rows.jsonl", "refused": 1}
    assert nothing_is_left(services)


@pytest.mark.parametrize("share", [0.5, -0.1, 1.0])
def test_a_share_that_leaves_less_than_nothing_to_train_on_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="test_share"):
        ImportSpec(upload="0" * 64, file_name="a", dataset_name="a", test_share=share)


def test_an_import_that_breaks_in_the_middle_leaves_no_dataset(
    services: Services, actor: Actor, write_rows: Write, job_context: Callable[..., JobContext]
) -> None:
    """The wish to stop comes after the first batch of rows was written."""
    path = write_rows([question(n, split="train") for n in range(2_500)])
    context = job_context(spec_of(services, actor, path).as_dict())
    asked_after = iter(range(2_000))

    class StopLater:
        @staticmethod
        def is_set() -> bool:
            return next(asked_after, None) is None

    context.stop = StopLater()  # type: ignore[assignment]
    with pytest.raises(StoppedByRequest):
        run_import(context)
    assert nothing_is_left(services)


def test_while_an_import_runs_nobody_sees_its_dataset(
    services: Services, actor: Actor, write_rows: Write, job_context: Callable[..., JobContext]
) -> None:
    path = write_rows([question(n, split="train") for n in range(1_500)])
    context = job_context(spec_of(services, actor, path).as_dict())
    seen: list[int] = []

    def look(done: float, total: float, unit: str, eta_s: float | None = None) -> None:
        seen.append(len(services.data.list(actor)))

    context.progress = look  # type: ignore[method-assign]
    made = run_import(context)
    assert seen == [0]
    assert [info.id for info in services.data.list(actor)] == [made["dataset_id"]]


def test_a_large_file_becomes_a_job_and_a_double_click_is_one(
    services: Services, actor: Actor, write_rows: Write
) -> None:
    path = write_rows([question(n, output="x" * 1_000) for n in range(5_200)])
    spec = spec_of(services, actor, path)
    first = services.data.import_upload(actor, spec, request_id="wish")
    second = services.data.import_upload(actor, spec, request_id="wish")
    assert first.dataset_id is None
    assert first == second
    assert [job.id for job in services.jobs.active(actor)] == [first.job_id]


def test_a_double_click_on_a_small_file_is_one_dataset(services: Services, actor: Actor, write_rows: Write) -> None:
    spec = spec_of(services, actor, write_rows([question(n) for n in range(5)]))
    with ThreadPoolExecutor(2) as clicks:
        made = [click.result() for click in [clicks.submit(click_import, services, actor, spec) for _ in range(2)]]
    assert made[0] == made[1]
    assert len(services.data.list(actor)) == 1


def click_import(services: Services, actor: Actor, spec: ImportSpec) -> Imported:
    return services.data.import_upload(actor, spec, request_id="wish")


#: An import in a request's thread, killed while it writes: 1,500 rows are one batch and a half.
KILLED = """
import os, signal, sys
from pathlib import Path
from studio.data import store
from studio.data.jobs import ImportSpec, import_rows
from studio.db import Database
from studio.settings import ROOT, Settings

home, url, upload = sys.argv[1:]
settings = Settings(home=Path(home), database_url=url)
store.commit_first_revision = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
spec = ImportSpec(upload=upload, file_name="half.jsonl", dataset_name="half")
import_rows(Database(settings.url), settings, spec, "usr_a")
"""


def test_what_a_killed_import_left_is_taken_back_at_the_next_start(
    services: Services, settings: Settings, actor: Actor, write_rows: Write
) -> None:
    kept = imported(services, actor, write_rows([question(n) for n in range(5)]), name="whole")
    upload = services.data.stage(actor, write_rows([question(n) for n in range(1500)]))
    killed = subprocess.run([sys.executable, "-c", KILLED, str(settings.home), settings.database_url, upload], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    with services.db.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar() == 1505
    assert services.data.recover() == 1
    assert [info.id for info in services.data.list(actor)] == [kept.id]
    with services.db.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar() == 5
    assert imported(services, actor, write_rows([question(n) for n in range(5)]), name="half").n_rows == 5


def test_what_another_host_still_imports_is_left_alone_for_ten_minutes(
    services: Services, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with services.db.write() as connection:
        store.create_dataset(connection, "theirs", "usr_b")
    assert services.data.recover() == 0
    monkeypatch.setattr("studio.data.making.now", lambda: now() + timedelta(minutes=11))
    assert services.data.recover() == 1


def test_a_spec_with_unknown_fields_is_refused_by_the_job(job_context: Callable[..., JobContext]) -> None:
    with pytest.raises(ConfigError) as caught:
        run_import(job_context({"kind": "import", "files": [{"upload": "x"}], "secret": 1}))
    assert caught.value.key == "error.config.invalid"
    assert all(name in caught.value.params["problems"] for name in ("files.0.upload", "files.0.name", "dataset_name", "secret"))


# --- reading ----------------------------------------------------------------------------------------------------------


def test_pages_of_the_service_say_how_many_rows_stand_in_front(services: Services, actor: Actor) -> None:
    dataset_id = services.data.import_sample(actor, "sample")
    first, none_before = services.data.page(actor, dataset_id, split="validation", limit=20)
    last = (first[-1].position, first[-1].id)
    second, before = services.data.page(actor, dataset_id, split="validation", after=last, limit=20)
    assert (len(first), none_before, len(second), before) == (20, 0, 12, 20)
    back, _ = services.data.page(actor, dataset_id, split="validation", before=(second[0].position, second[0].id), limit=20)
    assert back == first


def test_a_snapshot_is_the_revision_row_by_row(services: Services, settings: Settings, actor: Actor) -> None:
    info = services.data.get(actor, services.data.import_sample(actor, "sample"))
    path = ensure_snapshot(services.db, settings, info.id, info.revision, info.content_hash)
    expected = [
        (row.id, row.kind, row.split, row.content, row.prompt_hash)
        for row in store.iter_rows(services.db, info.id, info.revision)
    ]
    found = [(row.id, row.kind, row.split, row.content, row.prompt_hash) for row in read_snapshot(path)]
    assert len(found) == 350
    assert found == expected


def test_a_snapshot_is_written_once_for_all_revisions_with_the_same_rows(
    services: Services, settings: Settings, actor: Actor
) -> None:
    first, second = (services.data.get(actor, services.data.import_sample(actor, name)) for name in ("a", "b"))
    path = ensure_snapshot(services.db, settings, first.id, first.revision, first.content_hash)
    written = path.stat().st_mtime_ns
    assert ensure_snapshot(services.db, settings, second.id, second.revision, second.content_hash) == path
    assert path.stat().st_mtime_ns == written
    assert [file.name for file in (settings.home / "snapshots").iterdir()] == [f"{first.content_hash}.arrow"]
