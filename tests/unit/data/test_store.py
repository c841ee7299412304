"""Rows in revisions: pending ones are nobody's, pages go by keyset, hashes say what is the same."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import sqlalchemy as sa

from studio.data import store
from studio.data.rows import NewRow, content_hash, prompt_hash
from studio.data.store import StoredRow
from studio.data.tables import datasets, revisions, rows
from studio.data.totals import Totals
from studio.db import Database
from studio.errors import DataError, NotFoundError

pytestmark = pytest.mark.backends("sqlite", "postgresql")

SPLITS = ("train", "train", "validation", "test", None)


def chat(number: int) -> NewRow:
    turns = [{"role": "user", "content": f"问题 {number}"}, {"role": "assistant", "content": f"答案 {number}"}]
    return NewRow("chat", {"messages": turns}, split=SPLITS[number % len(SPLITS)], topic=f"t{number}", extra={"n": number})


def pending(db: Database, n_rows: int, name: str = "a") -> tuple[str, Totals]:
    with db.write() as connection:
        dataset_id = store.create_dataset(connection, name, "usr_a")
        store.open_first_revision(connection, dataset_id, "usr_a", {"key": "data.revision.import", "params": {"files": name}})
    return dataset_id, store.write_rows(db, dataset_id, (chat(number) for number in range(n_rows)), "usr_a")


def committed(db: Database, n_rows: int, name: str = "a") -> tuple[str, int]:
    dataset_id, totals = pending(db, n_rows, name)
    store.commit_first_revision(db, dataset_id, totals, {"n_good": n_rows})
    return dataset_id, 1


def numbers(found: list[StoredRow]) -> list[int]:
    return [row.extra["n"] for row in found if row.extra is not None]


def key(row: StoredRow) -> tuple[int, int]:
    return row.position, row.id


def count(db: Database, table: sa.Table) -> int:
    with db.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


# --- revisions --------------------------------------------------------------------------------------------------------


def test_a_dataset_is_not_there_before_its_first_revision_is_committed(db: Database) -> None:
    dataset_id, totals = pending(db, 5)
    with pytest.raises(NotFoundError) as caught:
        store.dataset_info(db, dataset_id)
    assert caught.value.key == "error.data.unknown_dataset"
    store.commit_first_revision(db, dataset_id, totals, {})
    assert store.dataset_info(db, dataset_id).revision == 1


def test_a_committed_dataset_knows_its_rows_by_split(db: Database) -> None:
    info = store.dataset_info(db, committed(db, 12)[0])
    assert info.counts == {"train": 6, "validation": 2, "test": 2, "none": 2}
    assert (info.n_rows, info.name, info.report) == (12, "a", {"n_good": 12})
    assert info.committed_at >= info.created_at


def test_rows_come_in_the_order_of_their_file_across_batches(db: Database) -> None:
    dataset_id, revision = committed(db, 2_300)  # more than two of the batches that a transaction takes
    assert numbers(list(store.iter_rows(db, dataset_id, revision))) == list(range(2_300))


def test_a_stored_row_is_the_row_that_came_with_its_hashes(db: Database) -> None:
    dataset_id, revision = committed(db, 3)
    row = store.read_page(db, dataset_id, revision)[2]
    given = chat(2)
    assert (row.kind, row.content, row.split, row.topic, row.tags) == ("chat", given.content, "validation", "t2", [])
    assert row.content_hash == content_hash(given.content)
    assert row.prompt_hash == prompt_hash("chat", given.content)
    assert store.row_of(db, row.id) == row


def test_an_unknown_row_is_not_found(db: Database) -> None:
    with pytest.raises(NotFoundError) as caught:
        store.row_of(db, 12345)
    assert (caught.value.key, caught.value.params) == ("error.data.unknown_row", {"row": 12345})


def test_the_content_hash_is_of_rows_and_splits_and_not_of_names(db: Database) -> None:
    hashes = [store.dataset_info(db, committed(db, n, name)[0]).content_hash for n, name in ((4, "a"), (4, "b"), (5, "c"))]
    assert hashes[0] == hashes[1] != hashes[2]
    dataset_id, _ = pending(db, 0, "d")
    totals = store.write_rows(db, dataset_id, [replace(chat(number), split="train") for number in range(4)], "usr_a")
    store.commit_first_revision(db, dataset_id, totals, {})
    assert store.dataset_info(db, dataset_id).content_hash != hashes[0]


def test_a_discarded_dataset_leaves_no_row_and_gives_its_name_back(db: Database) -> None:
    dataset_id, _ = pending(db, 5)
    store.discard_dataset(db, dataset_id)
    assert [count(db, table) for table in (datasets, revisions, rows)] == [0, 0, 0]
    committed(db, 1)


@pytest.mark.parametrize(
    ("name", "error"),
    [("a", "error.data.name_taken"), (" ", "error.data.no_name"), ("眼" * 121, "error.data.name_too_long")],
)
def test_a_name_is_a_name_and_belongs_to_one_dataset(db: Database, name: str, error: str) -> None:
    committed(db, 1)
    with pytest.raises(DataError) as caught, db.write() as connection:
        store.create_dataset(connection, name, "usr_a")
    assert (caught.value.key, caught.value.field) == (error, "name")


def test_the_longest_names_have_room_in_every_database(db: Database) -> None:
    """PostgreSQL counts the characters of a column, SQLite does not."""
    dataset_id, _ = pending(db, 0, name="眼" * 120)
    store.write_rows(db, dataset_id, [replace(chat(1), topic="题" * 200, group_key="组" * 200)], "usr_a")
    with db.read() as connection:
        assert tuple(connection.execute(sa.select(rows.c.topic, rows.c.group_key)).one()) == ("题" * 200, "组" * 200)


# --- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", [None, "train", "test"])
@pytest.mark.parametrize("limit", [1, 7, 20, 100])
def test_pages_forward_and_back_are_the_whole_list(db: Database, split: str | None, limit: int) -> None:
    dataset_id, revision = committed(db, 43)
    whole = [n for n in range(43) if split in (None, SPLITS[n % len(SPLITS)])]
    forward: list[StoredRow] = []
    after = None
    while page := store.read_page(db, dataset_id, revision, split=split, after=after, limit=limit):
        forward += page
        after = key(page[-1])
    backward: list[StoredRow] = []
    before = (2**40, 0)
    while page := store.read_page(db, dataset_id, revision, split=split, before=before, limit=limit):
        backward = page + backward
        before = key(page[0])
    assert numbers(forward) == whole
    assert backward == forward


def test_pages_are_right_where_rows_share_a_position(db: Database) -> None:
    dataset_id, revision = committed(db, 9)
    with db.write() as connection:
        connection.execute(rows.update().values(position=1))
    first = store.read_page(db, dataset_id, revision, limit=4)
    second = store.read_page(db, dataset_id, revision, after=key(first[-1]), limit=4)
    assert numbers(first + second) == list(range(8))
    assert store.read_page(db, dataset_id, revision, before=key(second[0]), limit=4) == first


@pytest.mark.parametrize("split", [None, "train"])
def test_the_number_of_rows_in_front_is_the_place_in_the_list(db: Database, split: str | None) -> None:
    dataset_id, revision = committed(db, 23)
    found = store.read_page(db, dataset_id, revision, split=split, limit=100)
    places = [store.count_before(db, dataset_id, revision, split, key(row)) for row in found]
    assert places == list(range(len(found)))


def test_gaps_between_positions_leave_room_for_a_row_in_between(db: Database) -> None:
    dataset_id, revision = committed(db, 3)
    positions = [row.position for row in store.read_page(db, dataset_id, revision)]
    assert all(later - earlier > 1 for earlier, later in itertools.pairwise(positions))
