"""Undo, redo and restore: changes taken back as if they had never been."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from studio.data import revisions
from studio.data.compare import read_window
from studio.data.holding import Spans
from studio.data.revisions import Editor
from studio.data.rows import NewRow
from studio.data.tables import ended_again, rows
from studio.db import Database
from studio.errors import DataError, NotFoundError
from studio.settings import Settings
from tests.unit.data.edited import State, at, changed, dataset, from_scratch, kept, now_at, numbers, plain, stories, texts

pytestmark = pytest.mark.backends("sqlite", "postgresql")


@pytest.fixture
def editor(db: Database, settings: Settings) -> Callable[..., Editor]:
    def make(dataset_id: str, **options: Any) -> Editor:
        return Editor(db, settings, dataset_id, **{"author": "usr_b", "action": "edit"} | options)

    return make


Make = Callable[..., Editor]

# --- back and forth ---------------------------------------------------------------------------------------------------


def replaced(editor: Make, db: Database, dataset_id: str, text: str) -> None:
    with editor(dataset_id) as edit:
        edit.replace(now_at(db, dataset_id)[0], plain(text))


def test_undo_and_redo_walk_along_what_was_made(db: Database, settings: Settings, editor: Make) -> None:
    dataset_id = dataset(db, [plain("0"), plain("other")])
    for text in "123":
        replaced(editor, db, dataset_id, text)
    seen = []
    for step in "uururrr"[:6]:
        (revisions.undo if step == "u" else revisions.redo)(db, settings, dataset_id, "usr_a")
        seen.append(texts(now_at(db, dataset_id))[0])
    assert seen == ["2", "1", "2", "1", "2", "3"]
    with pytest.raises(DataError) as caught:
        revisions.redo(db, settings, dataset_id, "usr_a")
    assert (caught.value.key, caught.value.field) == ("error.data.nothing_to_redo", "dataset")


def test_what_was_imported_cannot_be_undone(db: Database, settings: Settings, editor: Make) -> None:
    dataset_id = dataset(db, [plain("0")])
    replaced(editor, db, dataset_id, "1")
    revisions.undo(db, settings, dataset_id, "usr_a")
    with pytest.raises(DataError) as caught:
        revisions.undo(db, settings, dataset_id, "usr_a")
    assert (caught.value.key, caught.value.field) == ("error.data.nothing_to_undo", "dataset")
    assert numbers(db, dataset_id) == [3, 2, 1]


def test_a_new_change_ends_what_could_be_redone(db: Database, settings: Settings, editor: Make) -> None:
    dataset_id = dataset(db, [plain("0")])
    replaced(editor, db, dataset_id, "1")
    revisions.undo(db, settings, dataset_id, "usr_a")
    replaced(editor, db, dataset_id, "2")
    with pytest.raises(DataError):
        revisions.redo(db, settings, dataset_id, "usr_a")
    revisions.undo(db, settings, dataset_id, "usr_a")
    revisions.redo(db, settings, dataset_id, "usr_a")
    assert texts(now_at(db, dataset_id)) == ["2"]


def test_an_older_revision_is_restored_and_that_can_be_undone(db: Database, settings: Settings, editor: Make) -> None:
    dataset_id = dataset(db, [plain("0"), plain("gone")])
    with editor(dataset_id) as edit:
        edit.remove(now_at(db, dataset_id)[1])
    replaced(editor, db, dataset_id, "1")
    assert revisions.restore(db, settings, dataset_id, 1, "usr_a") == 4
    assert texts(now_at(db, dataset_id)) == ["0", "gone"]
    made = revisions.newest(db, dataset_id)
    assert (made.action, made.changes) == ("restore", {"added": 1, "removed": 0, "changed": 1})
    assert made.summary == {"key": "data.revision.restore", "params": {"number": 1}}
    revisions.undo(db, settings, dataset_id, "usr_a")
    assert texts(now_at(db, dataset_id)) == ["1"]


def test_restoring_what_holds_anyway_is_told_and_makes_no_revision(db: Database, settings: Settings, editor: Make) -> None:
    dataset_id = dataset(db, [plain("0")])
    replaced(editor, db, dataset_id, "1")
    revisions.undo(db, settings, dataset_id, "usr_a")
    for number in (1, 3):
        with pytest.raises(DataError) as caught:
            revisions.restore(db, settings, dataset_id, number, "usr_a")
        assert (caught.value.key, caught.value.params) == ("error.data.nothing_to_restore", {"number": number})
    with pytest.raises(NotFoundError) as unknown:
        revisions.restore(db, settings, dataset_id, 17, "usr_a")
    assert unknown.value.key == "error.data.unknown_revision"
    assert numbers(db, dataset_id) == [3, 2, 1]


def test_an_undo_names_the_change_that_it_took_back(db: Database, settings: Settings, editor: Make) -> None:
    dataset_id = dataset(db, [plain("0")])
    replaced(editor, db, dataset_id, "1")
    replaced(editor, db, dataset_id, "2")
    for _ in range(2):
        revisions.undo(db, settings, dataset_id, "usr_a")
    revisions.redo(db, settings, dataset_id, "usr_a")
    told = [(made.action, (made.summary or {})["params"]["number"]) for made in revisions.history(db, dataset_id, limit=3)]
    assert told == [("redo", 2), ("undo", 2), ("undo", 3)]


def test_a_row_brought_back_is_the_row_that_was_there_with_all_its_fields(
    db: Database, settings: Settings, editor: Make
) -> None:
    full = NewRow(
        "chat",
        {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}], "tools": [{"name": "t"}]},
        split="test",
        group_key="g",
        tags=["a", "b"],
        topic="t",
        references=["r"],
        rule={"max": 3},
        origin={"type": "file", "line": 2},
        extra={"n": [1, None]},
        flag="f",
    )
    dataset_id = dataset(db, [full])
    with editor(dataset_id) as edit:
        edit.remove(now_at(db, dataset_id)[0])
    revisions.undo(db, settings, dataset_id, "usr_a")
    old, new = at(db, dataset_id, 1)[0], now_at(db, dataset_id)[0]
    assert new == old
    with db.read() as connection:
        assert set(connection.execute(sa.select(rows.c.search_text)).scalars()) == {"问\n答"}


def test_history_comes_newest_first_in_pages(db: Database, editor: Make) -> None:
    dataset_id = dataset(db, [plain("0")])
    for text in "1234":
        replaced(editor, db, dataset_id, text)
    first = revisions.history(db, dataset_id, limit=2)
    assert [made.number for made in first] == [5, 4]
    assert [made.number for made in revisions.history(db, dataset_id, before=4)] == [3, 2, 1]


# --- the law ----------------------------------------------------------------------------------------------------------


class Model:
    """The same as a list of states and a place in it: what undo and redo mean everywhere else. A state is a list of its own
    for each change, so that two which happen to be equal are two.
    """

    def __init__(self, state: State) -> None:
        self.states, self.at, self.can_redo = [state], 0, False
        self.committed: dict[int, State] = {1: state}

    @property
    def state(self) -> State:
        return self.states[self.at]

    def make(self, state: State, number: int) -> None:
        state = list(state)
        self.states = [*self.states[: self.at + 1], state]
        self.at += 1
        self.can_redo = False
        self.committed[number] = state

    def step(self, by: int, number: int) -> None:
        self.at += by
        self.can_redo = True
        self.committed[number] = self.state


def seen(db: Database, dataset_id: str, number: int) -> State:
    return [(row.position, row.content["text"], row.split) for row in at(db, dataset_id, number)]


@given(story=stories())
@hypothesis_settings(max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_edits_undo_redo_and_restore_do_what_a_list_of_states_does(
    db: Database, settings: Settings, editor: Make, story: list[Any]
) -> None:
    dataset_id = dataset(db, [plain("a", "train"), plain("b"), plain("c", "test")])
    model = Model(seen(db, dataset_id, 1))
    for step, parts in story:
        newest = revisions.newest(db, dataset_id).number
        if step == "edit":
            with editor(dataset_id) as edit:
                state = changed(edit, at(db, dataset_id, newest), parts)
            if edit.revision is not None:
                model.make(state, edit.revision)
        elif step == "fail":
            with pytest.raises(ZeroDivisionError), editor(dataset_id) as edit:
                changed(edit, at(db, dataset_id, newest), parts)
                raise ZeroDivisionError
        elif step == "restore":
            wanted = sorted(model.committed)[len(parts) % len(model.committed)]
            if model.committed[wanted] is model.state:
                with pytest.raises(DataError, match="nothing_to_restore"):
                    revisions.restore(db, settings, dataset_id, wanted, "usr_a")
            else:
                model.make(model.committed[wanted], revisions.restore(db, settings, dataset_id, wanted, "usr_a"))
        else:
            by, do = (-1, revisions.undo) if step == "undo" else (1, revisions.redo)
            can = model.at > 0 if step == "undo" else model.can_redo and model.at < len(model.states) - 1
            if can:
                model.step(by, do(db, settings, dataset_id, "usr_a"))
            else:
                with pytest.raises(DataError, match=f"nothing_to_{step}"):
                    do(db, settings, dataset_id, "usr_a")
    assert {number: seen(db, dataset_id, number) for number in numbers(db, dataset_id)} == model.committed
    hashes: dict[str, State] = {}
    for number, state in model.committed.items():
        assert kept(db, dataset_id, number) == from_scratch(at(db, dataset_id, number))
        assert hashes.setdefault(kept(db, dataset_id, number)["content_hash"], state) == state
    assert len({repr(state) for state in model.committed.values()}) == len(hashes)
    assert_versions_agree(db, dataset_id, model.committed)


def assert_versions_agree(db: Database, dataset_id: str, committed: dict[int, State]) -> None:
    """Whoever asks in another way what holds gets the same answer: a comparison with the newest, and rows that were read."""
    newest = max(committed)
    for older, newer in [*((number, newest) for number in committed), *((newest, number) for number in committed)]:
        before, after = ({row[0]: row[1:] for row in committed[number]} for number in (older, newer))
        places = sorted(before.keys() | after.keys())
        apart = [position for position in places if before.get(position) != after.get(position)]
        assert read_window(db, dataset_id, older, newer).positions == apart
    with db.read() as connection:
        spans = Spans.of(connection, dataset_id)
        mine = sa.select(rows.c.id, rows.c.since, rows.c.until).where(rows.c.dataset_id == dataset_id)
        versions = connection.execute(mine).all()
    for number in committed:
        held = [row for row in versions if spans.hold(row.since, spans.ends(row.id, row.until), number)]
        assert sorted(row.id for row in held) == sorted(row.id for row in at(db, dataset_id, number))


def test_a_row_is_changed_in_two_ways_and_both_can_be_had_again(db: Database, settings: Settings, editor: Make) -> None:
    dataset_id = dataset(db, [plain("0")])
    for text in ("1", "2", "3"):
        replaced(editor, db, dataset_id, text)
        revisions.undo(db, settings, dataset_id, "usr_a")
    with db.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar() == 4, "an undo writes no rows"
    for number, text in ((2, "1"), (4, "2"), (6, "3"), (5, "0")):
        revisions.restore(db, settings, dataset_id, number, "usr_a")
        assert texts(now_at(db, dataset_id)) == [text]


def test_what_was_ended_again_holds_on_when_the_change_fails(db: Database, settings: Settings, editor: Make) -> None:
    dataset_id = dataset(db, [plain("0"), plain("a")])
    replaced(editor, db, dataset_id, "1")
    revisions.undo(db, settings, dataset_id, "usr_a")
    with pytest.raises(ZeroDivisionError), editor(dataset_id) as edit:
        edit.replace(now_at(db, dataset_id)[0], plain("2"))
        edit._flush()
        raise ZeroDivisionError
    assert texts(now_at(db, dataset_id)) == ["0", "a"]
    with db.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(ended_again)).scalar() == 0


def test_a_row_is_ended_again_once_only(db: Database, settings: Settings, editor: Make) -> None:
    dataset_id = dataset(db, [plain("0")])
    replaced(editor, db, dataset_id, "1")
    revisions.undo(db, settings, dataset_id, "usr_a")
    old = now_at(db, dataset_id)[0]
    with pytest.raises(DataError, match="row_changed"), editor(dataset_id) as edit:
        edit.replace(old, plain("2"))
        edit._flush()
        edit.replace(old, plain("3"))
    replaced(editor, db, dataset_id, "4")
    with pytest.raises(DataError, match="row_changed"), editor(dataset_id) as edit:
        edit.replace(old, plain("5"))
    assert texts(now_at(db, dataset_id)) == ["4"]
