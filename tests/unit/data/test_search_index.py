"""The search index: a file that follows the rows in the background, and can be thrown away at any time."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from studio.access import Actor
from studio.data import find, index_job, revisions, search_index, search_tokens, store
from studio.data.filters import Filter
from studio.data.index_job import IndexSpec, run_index, update_index, wanted
from studio.data.revisions import Editor
from studio.data.rows import NewRow
from studio.db import Database
from studio.errors import StorageError
from studio.jobs.context import JobContext, StoppedByRequest
from studio.jobs.kinds import KINDS
from studio.jobs.tables import jobs
from studio.purge.plan import Wanted
from studio.services import Services
from studio.settings import Settings
from tests.unit.data.finding import change, made_dataset, made_row, naive

pytestmark = pytest.mark.backends("sqlite", "postgresql")


def rows_of(n_rows: int, seed: int = 1) -> list[NewRow]:
    draw = random.Random(seed)
    return [made_row(draw) for _ in range(n_rows)]


def state(settings: Settings, dataset_id: str) -> search_index.State | None:
    with search_index.open_index(settings, dataset_id) as index:
        return None if index is None else index.state


def check_found(db: Database, settings: Settings, dataset_id: str) -> None:
    """What the index gives is what a look at every row gives."""
    info = store.dataset_info(db, dataset_id)
    rows = list(store.iter_rows(db, dataset_id, info.revision))
    for asked in (Filter(text="眼"), Filter(text="привет"), Filter(split="test"), Filter(flagged=True, text="a")):
        found = find.page(db, settings, info, asked, limit=500)
        assert [row.id for row in found.rows] == naive(rows, asked)


# --- building and following -------------------------------------------------------------------------------------------


def test_an_index_follows_the_revisions_of_its_dataset(db: Database, settings: Settings) -> None:
    dataset_id = made_dataset(db, rows_of(50))
    assert update_index(db, settings, dataset_id) == 1
    files = search_index.files(settings, dataset_id)
    for _ in range(3):
        change(db, settings, dataset_id, random.Random(2))
    assert update_index(db, settings, dataset_id) == 4
    found = state(settings, dataset_id)
    assert found is not None and (found.revision, found.floor) == (4, 1)
    assert search_index.files(settings, dataset_id) == files, "it was added to, not made anew"
    check_found(db, settings, dataset_id)


def test_an_index_of_rows_that_mostly_hold_no_more_is_made_anew(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_job, "MIN_ROWS", 0)
    dataset_id = made_dataset(db, rows_of(20))
    update_index(db, settings, dataset_id)
    for flag in "abc":
        with Editor(db, settings, dataset_id, author="usr_a", action="edit") as edit:
            for row in list(store.iter_rows(db, dataset_id, store.dataset_info(db, dataset_id).revision)):
                edit.replace(row, replace(row.as_new(), flag=flag))
    update_index(db, settings, dataset_id)
    found = state(settings, dataset_id)
    assert found is not None and (found.n_docs, found.floor) == (20, 4)
    assert [path.name for path in search_index.files(settings, dataset_id)] == [f"{dataset_id}.2.db"]
    check_found(db, settings, dataset_id)


def test_a_change_made_again_that_the_index_never_saw_is_found(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_job, "MIN_ROWS", 0)
    dataset_id = made_dataset(db, rows_of(30))
    change(db, settings, dataset_id, random.Random(2))
    revisions.undo(db, settings, dataset_id, "usr_a")
    assert update_index(db, settings, dataset_id) == 3
    check_found(db, settings, dataset_id)
    revisions.redo(db, settings, dataset_id, "usr_a")
    check_found(db, settings, dataset_id)
    assert index_job.wanted(db, settings, dataset_id, author="usr_a") is not None
    update_index(db, settings, dataset_id)
    found = state(settings, dataset_id)
    assert found is not None and (found.revision, found.floor) == (4, 4)
    check_found(db, settings, dataset_id)


def test_an_index_from_before_a_change_is_good_for_undoing_it(db: Database, settings: Settings) -> None:
    dataset_id = made_dataset(db, rows_of(100))
    update_index(db, settings, dataset_id)
    for seed, step in enumerate((revisions.undo, revisions.redo, revisions.undo)):
        if step is revisions.undo:
            change(db, settings, dataset_id, random.Random(seed))
            update_index(db, settings, dataset_id)
        step(db, settings, dataset_id, "usr_a")
        check_found(db, settings, dataset_id)
    assert index_job.wanted(db, settings, dataset_id, author="usr_a") is None
    update_index(db, settings, dataset_id)
    found = state(settings, dataset_id)
    assert found is not None and (found.revision, found.floor) == (6, 1)
    check_found(db, settings, dataset_id)


def test_many_rows_between_two_make_room_by_a_new_index(db: Database, settings: Settings) -> None:
    dataset_id = made_dataset(db, rows_of(3))
    update_index(db, settings, dataset_id)
    with Editor(db, settings, dataset_id, author="usr_a", action="edit") as edit:
        for number, row in enumerate(rows_of(40, seed=2)):
            edit.add(row, store.GAP + 1 + number)
    update_index(db, settings, dataset_id)
    found = state(settings, dataset_id)
    assert found is not None and (found.n_docs, found.floor) == (43, 2)
    check_found(db, settings, dataset_id)


def test_a_pending_revision_is_not_taken_in(db: Database, settings: Settings) -> None:
    """Its rows may go again, and others may get their ids."""
    dataset_id = made_dataset(db, rows_of(10))
    update_index(db, settings, dataset_id)
    with pytest.raises(RuntimeError, match="enough"), Editor(db, settings, dataset_id, author="a", action="edit") as edit:
        for row in rows_of(300, seed=3):  # more than a batch: some of them are written
            edit.add(row)
        update_index(db, settings, dataset_id)
        raise RuntimeError("enough")
    found = state(settings, dataset_id)
    assert found is not None and (found.revision, found.n_docs) == (1, 10)
    change(db, settings, dataset_id, random.Random(4))
    update_index(db, settings, dataset_id)
    check_found(db, settings, dataset_id)


@given(n_chars=st.integers(0, 2**31 - 1))
@pytest.mark.backends("sqlite")
def test_steps_of_lengths_join_without_a_gap(n_chars: int) -> None:
    lengths = search_tokens.lengths_like(n_chars)
    steps = {search_tokens.length_step(item) for item in (lengths.start, n_chars, lengths.stop - 1)}
    assert n_chars in lengths and len(steps) == 1
    assert search_tokens.length_step(lengths.stop) in (steps.pop() + 1, search_tokens.length_step(2**31))


# --- the job ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_job, "_READ", 10)
    monkeypatch.setattr(index_job, "_CHUNK", 20)


def test_the_job_tells_how_far_it_is_and_what_it_made(
    db: Database, settings: Settings, job_context: Callable[..., JobContext], small_chunks: None
) -> None:
    dataset_id = made_dataset(db, rows_of(95))
    context = job_context(IndexSpec(dataset=dataset_id).as_dict())
    assert KINDS["index"].load()(context) == {"dataset_id": dataset_id, "revision": 1}
    told = [event for event in context.folder.events_file.read_text().splitlines() if '"progress"' in event]
    assert '"done":95,"total":95' in told[-1].replace(" ", "").replace(".0", "")


@pytest.mark.parametrize("is_first", [True, False], ids=["building", "following"])
def test_a_stopped_job_goes_on_where_it_was(
    db: Database,
    settings: Settings,
    job_context: Callable[..., JobContext],
    small_chunks: None,
    monkeypatch: pytest.MonkeyPatch,
    is_first: bool,
) -> None:
    dataset_id = made_dataset(db, rows_of(100))
    if not is_first:
        update_index(db, settings, dataset_id)
        with Editor(db, settings, dataset_id, author="usr_a", action="edit") as edit:
            for row in rows_of(100, seed=5):
                edit.add(row)
    context = job_context(IndexSpec(dataset=dataset_id).as_dict())
    looks = iter(range(5))  # two chunks, and half of one

    def check_stop() -> None:
        if next(looks, None) is None:
            raise StoppedByRequest

    monkeypatch.setattr(context, "check_stop", check_stop)
    with pytest.raises(StoppedByRequest):
        run_index(context)
    check_found(db, settings, dataset_id)
    half = search_index.state_of(search_index.files(settings, dataset_id)[-1])
    assert half.n_docs == (40 if is_first else 140)
    assert half.revision == (0 if is_first else 1), "nobody searches in it as if it were complete"

    read: list[int] = []
    name = "build" if is_first else "add"
    write = getattr(search_index.IndexWriter, name)

    def counted(writer: search_index.IndexWriter, rows: Sequence[Any], after: tuple[int, int]) -> None:
        read.append(len(rows))
        write(writer, rows, after)

    monkeypatch.setattr(search_index.IndexWriter, name, counted)
    run_index(job_context(IndexSpec(dataset=dataset_id).as_dict()))
    assert sum(read) == 60
    found = state(settings, dataset_id)
    assert found is not None and found.n_docs == (100 if is_first else 200)
    check_found(db, settings, dataset_id)


def test_a_full_disk_is_told_in_plain_words(
    db: Database, settings: Settings, small_disk: Callable[..., Path]
) -> None:
    draw = random.Random(1)
    dataset_id = made_dataset(db, [NewRow("text", {"text": draw.randbytes(1_000).hex()}) for _ in range(300)])
    small_disk(400_000, settings.home / "search")
    with pytest.raises(StorageError) as caught:
        update_index(db, settings, dataset_id)
    assert caught.value.key == "error.db.disk_full"
    check_found(db, settings, dataset_id)


def test_files_of_datasets_that_are_gone_go_with_the_next_job(
    db: Database, settings: Settings, job_context: Callable[..., JobContext]
) -> None:
    gone, kept = made_dataset(db, rows_of(3), "gone"), made_dataset(db, rows_of(3), "kept")
    update_index(db, settings, gone)
    store.discard_dataset(db, gone)
    run_index(job_context(IndexSpec(dataset=kept).as_dict()))
    assert {search_index.dataset_of(path) for path in settings.folder("search").glob("*")} == {kept}


# --- who needs one ----------------------------------------------------------------------------------------------------


def queued(db: Database) -> list[Any]:
    with db.read() as connection:
        return list(connection.execute(sa.select(jobs.c.spec).where(jobs.c.kind == "index")).scalars())


def test_a_dataset_gets_one_job_when_it_is_large_and_when_it_has_changed_much(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_job, "MIN_ROWS", 30)
    monkeypatch.setattr(index_job, "MAX_TAIL", 5)
    small, large = made_dataset(db, rows_of(30), "small"), made_dataset(db, rows_of(31), "large")
    assert wanted(db, settings, small, author="usr_a") is None
    first = wanted(db, settings, large, author="usr_a")
    assert first is not None and wanted(db, settings, large, author="usr_b") is None
    assert [spec["dataset"] for spec in queued(db)] == [large]

    update_index(db, settings, large)
    with db.write() as connection:
        connection.execute(jobs.update().values(state="finished"))
    assert wanted(db, settings, large, author="usr_a") is None
    change(db, settings, large, random.Random(1), n_rows=2)
    assert wanted(db, settings, large, author="usr_a") is None
    change(db, settings, large, random.Random(1), n_rows=20)
    assert wanted(db, settings, large, author="usr_a") not in (None, first)


def test_a_job_that_failed_is_not_tried_again_at_once(
    services: Services, actor: Actor, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_job, "MIN_ROWS", 3)
    dataset_id = made_dataset(services.db, rows_of(10))
    services.data.find(actor, dataset_id, Filter())
    assert queued(services.db) == [], "looking at the rows is no search"
    services.data.find(actor, dataset_id, Filter(text="眼"))
    (job,) = services.jobs.latest(actor, "index")
    services.jobs.stop(actor, job.id)
    services.data.find(actor, dataset_id, Filter(text="眼"))
    assert len(queued(services.db)) == 1


# --- what it leaves ---------------------------------------------------------------------------------------------------


def test_a_purge_drops_the_index_with_the_rows(services: Services, actor: Actor, settings: Settings) -> None:
    rows = [*rows_of(10), NewRow("text", {"text": "Xylocopa violacea"})]
    dataset_id, other = made_dataset(services.db, rows), made_dataset(services.db, rows_of(5), "other")
    update_index(services.db, settings, dataset_id)
    update_index(services.db, settings, other)
    services.purge.run(actor, Wanted(phrase="Xylocopa"), delete_checkpoints=False, confirm="Xylocopa")
    assert search_index.files(settings, dataset_id) == []
    assert not any(b"xyl" in path.read_bytes() for path in settings.folder("search").iterdir())
    assert len(search_index.files(settings, other)) == 1
    check_found(services.db, settings, dataset_id)


@pytest.mark.backends("sqlite")
def test_index_files_count_under_the_database_and_stay_out_of_backups(
    services: Services, actor: Actor, settings: Settings, tmp_path: Path
) -> None:
    dataset_id = made_dataset(services.db, rows_of(10))
    before = dict(services.storage.use(actor).kinds)
    update_index(services.db, settings, dataset_id)
    size = sum(path.stat().st_size for path in settings.folder("search").iterdir())
    services.storage._use = None
    after = dict(services.storage.use(actor).kinds)
    assert after.get("other", 0) == before.get("other", 0)
    assert after["database"] - before["database"] == pytest.approx(size, abs=100_000)
    assert not any("search" in path.parts for path in services.backup._files(with_models=True))


@pytest.mark.backends("sqlite")
def test_an_index_of_another_format_is_as_good_as_none(db: Database, settings: Settings) -> None:
    dataset_id = made_dataset(db, rows_of(10))
    update_index(db, settings, dataset_id)
    (path,) = search_index.files(settings, dataset_id)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=999")
    connection.close()
    assert state(settings, dataset_id) is None
    update_index(db, settings, dataset_id)
    assert state(settings, dataset_id) is not None and not path.exists()
