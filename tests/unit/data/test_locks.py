"""Locked test sets: what is locked, since when, and that no training view counts what asks it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from studio.access import Actor
from studio.data import locks, store
from studio.data.examples import Reading
from studio.data.locks import lock_state, locked_digests
from studio.data.refusal import is_locked
from studio.data.revisions import Editor
from studio.data.rows import NewRow, prompt_hash
from studio.db import Database
from studio.errors import DataError, NotFoundError
from studio.models.catalogue import Base
from studio.services import Services
from tests.unit.data.made import chat, dataset, rows_of

pytestmark = pytest.mark.backends("sqlite", "postgresql")


def digest(row: NewRow) -> bytes:
    return bytes.fromhex(prompt_hash(row.kind, row.content))


def with_test_rows(db: Database, *questions: str) -> str:
    return dataset(db, [chat("Trained?"), *(chat(question, split="test") for question in questions)])


def refused(services: Services, actor: Actor, dataset_id: str) -> dict[str, int]:
    return services.data.training_view(actor, dataset_id, "tiny", Reading(max_seq_len=256)).refused


# --- lock and unlock --------------------------------------------------------------------------------------------------


def test_what_the_test_rows_ask_is_locked_and_nothing_else(services: Services, actor: Actor) -> None:
    made = with_test_rows(services.db, "A?", "B?", "B?")
    info = services.splits.lock(actor, made)
    assert locked_digests(services.db) == {digest(chat("A?")), digest(chat("B?"))}
    assert info.locked_by == actor.user_id
    assert info.locked_at is not None


def test_a_lock_makes_no_revision(services: Services, actor: Actor) -> None:
    made = with_test_rows(services.db, "A?")
    assert services.splits.lock(actor, made).revision == 1


def test_a_dataset_without_test_rows_has_nothing_to_lock(services: Services, actor: Actor) -> None:
    made = dataset(services.db, [chat("A?")], "Eyes")
    with pytest.raises(DataError) as caught:
        services.splits.lock(actor, made)
    assert (caught.value.key, caught.value.params) == ("error.data.no_test_rows", {"name": "Eyes"})
    assert store.dataset_info(services.db, made).locked_at is None


def test_locked_rows_do_not_change_until_they_are_unlocked(services: Services, actor: Actor) -> None:
    made = with_test_rows(services.db, "A?")
    services.splits.lock(actor, made)
    row = rows_of(services.db, made)[1]

    def move() -> None:
        with Editor(services.db, services.settings, made, author="usr_a", action="edit") as edit:
            edit.replace(row, dataclasses.replace(row.as_new(), split="train"))

    with pytest.raises(DataError, match=r"error\.data\.locked_test"):
        move()
    assert services.splits.unlock(actor, made).locked_at is None
    move()
    assert [row.split for row in rows_of(services.db, made)] == ["train", "train"]


def test_unlocked_nothing_is_locked_any_more_and_a_new_lock_holds_the_rows_of_now(services: Services, actor: Actor) -> None:
    made, other = with_test_rows(services.db, "A?"), with_test_rows(services.db, "Other?")
    services.splits.lock(actor, made)
    services.splits.lock(actor, other)
    services.splits.unlock(actor, made)
    assert locked_digests(services.db) == {digest(chat("Other?"))}
    with Editor(services.db, services.settings, made, author="usr_a", action="edit") as edit:
        edit.remove(rows_of(services.db, made)[1])
        edit.add(chat("New?", split="test"))
    services.splits.lock(actor, made)
    assert locked_digests(services.db) == {digest(chat("Other?")), digest(chat("New?"))}


def test_locking_twice_is_locking_once(services: Services, actor: Actor) -> None:
    made = with_test_rows(services.db, "A?")
    first = services.splits.lock(actor, made)
    assert services.splits.lock(actor, made) == first
    services.splits.unlock(actor, made)
    assert services.splits.unlock(actor, made).locked_at is None


def test_a_dataset_that_is_not_there_cannot_be_locked(services: Services, actor: Actor) -> None:
    for call in (services.splits.lock, services.splits.unlock):
        with pytest.raises(NotFoundError):
            call(actor, "ds_none")


def test_nothing_is_locked_while_somebody_changes_the_rows(services: Services, actor: Actor) -> None:
    made = with_test_rows(services.db, "A?")
    with (
        Editor(services.db, services.settings, made, author="usr_b", action="edit"),
        pytest.raises(DataError, match=r"error\.data\.busy"),
    ):
        services.splits.lock(actor, made)
    assert lock_state(services.db) == ()


def test_a_lock_that_broke_off_half_way_is_none_and_the_next_one_is_whole(
    services: Services, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = with_test_rows(services.db, "A?", "B?", "C?")
    with monkeypatch.context() as patch:
        patch.setattr(locks, "_BATCH", 1)
        patch.setattr(locks, "now", lambda: 1 / 0)  # where the moment of the lock is written, behind all prompts
        with pytest.raises(ZeroDivisionError):
            services.splits.lock(actor, made)
    assert locked_digests(services.db) == frozenset()
    assert lock_state(services.db) == ()
    services.splits.lock(actor, made)
    assert len(locked_digests(services.db)) == 3


def test_many_prompts_are_locked_and_unlocked_in_batches(
    services: Services, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_BATCH", 7)
    made = with_test_rows(services.db, *(f"Question {n}?" for n in range(50)))
    services.splits.lock(actor, made)
    assert len(locked_digests(services.db)) == 50
    services.splits.unlock(actor, made)
    services.splits.lock(actor, with_test_rows(services.db, "A?"))
    assert len(locked_digests(services.db)) == 1


# --- refused for training ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "expected"), [("train", True), ("validation", True), ("test", False), (None, False)]
)
def test_what_a_training_would_read_is_refused(split: str | None, expected: bool) -> None:
    row = chat("A?")
    assert is_locked(split, digest(row).hex(), {digest(row)}) is expected
    assert is_locked(split, digest(row).hex(), {digest(chat("B?"))}) is False
    assert is_locked(split, digest(row).hex(), frozenset()) is False


def test_a_view_counts_what_a_lock_keeps_out_in_every_dataset(services: Services, actor: Actor, tiny_base: Base) -> None:
    prompt: dict[str, Any] = {"messages": [{"role": "user", "content": "B?"}], "answer": "No."}
    held = dataset(
        services.db,
        [chat("A?", split="test"), NewRow("prompt", prompt, split="test"), chat("A?", "A copy."), chat("Mine?")],
    )
    other = dataset(services.db, [chat("B?", "Yes."), chat("A?", split="validation"), chat("Free?"), chat("A?", split=None)])
    before = refused(services, actor, other)
    assert before == {}
    services.splits.lock(actor, held)
    assert refused(services, actor, other) == {"data.refused.locked_test": 2}
    own = services.data.training_view(actor, held, "tiny", Reading(max_seq_len=256))
    assert own.refused["data.refused.locked_test"] == 1
    assert own.counts == {"test": 2, "train": 1}, "a prompt with its answer is learned as well"
    services.splits.unlock(actor, held)
    assert refused(services, actor, other) == {}
