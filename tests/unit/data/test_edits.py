"""Single rows as people edit them, two of them at once; what was done, named and taken back through the service."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import ValidationError

from studio.access import Actor
from studio.data import edits as edits_module
from studio.data import pending, revisions, store
from studio.data.edits import EditService, NewRowFields, RowChanges, RowConflictError
from studio.data.revisions import Editor
from studio.data.store import GAP
from studio.db import Database
from studio.errors import AccessError, DataError, NotFoundError
from studio.settings import Settings
from studio.text import LANGS, has_text, text
from tests.unit.data.edited import chat, dataset, from_scratch, kept, now_at, numbers, plain, said, spec, texts

pytestmark = pytest.mark.backends("sqlite", "postgresql")


@pytest.fixture
def edits(db: Database, settings: Settings) -> EditService:
    return EditService(db, settings)


def new_text(words: str, **fields: Any) -> NewRowFields:
    return NewRowFields(kind="text", content={"text": words}, **fields)


# --- saving -----------------------------------------------------------------------------------------------------------


def test_a_saved_row_holds_from_the_next_revision_on(db: Database, edits: EditService, actor: Actor) -> None:
    dataset_id = dataset(db, [chat("q", "a", split="train", tags=["t"], topic="x"), plain("b")])
    row = now_at(db, dataset_id)[0]
    content = {"messages": said("问", "答", system="s")}
    saved = edits.save_row(actor, dataset_id, row.id, RowChanges(content=content, topic=None, flag="look"))
    assert saved == now_at(db, dataset_id)[0]
    assert (saved.content, saved.position, saved.author, saved.since) == (content, row.position, actor.user_id, 2)
    assert (saved.split, saved.tags, saved.topic, saved.flag) == ("train", ["t"], None, "look")
    made = edits.history(actor, dataset_id)[0]
    assert (made.action, made.summary) == ("edit", {"key": "data.revision.edit", "params": {"row": "1"}})


def test_saving_what_is_there_already_makes_no_revision(db: Database, edits: EditService, actor: Actor) -> None:
    dataset_id = dataset(db, [plain("a")])
    row = now_at(db, dataset_id)[0]
    assert edits.save_row(actor, dataset_id, row.id, RowChanges()) == row
    assert edits.save_row(actor, dataset_id, row.id, RowChanges(content={"text": "a"}, split=None)) == row
    assert numbers(db, dataset_id) == [1]


def test_a_save_that_comes_twice_is_one_change(db: Database, edits: EditService, actor: Actor) -> None:
    """The answer was lost on its way, the page sends the same again with the row that it knows."""
    dataset_id = dataset(db, [plain("a")])
    row = now_at(db, dataset_id)[0]
    first = edits.save_row(actor, dataset_id, row.id, RowChanges(content={"text": "b"}))
    assert edits.save_row(actor, dataset_id, row.id, RowChanges(content={"text": "b"})) == first
    assert numbers(db, dataset_id) == [2, 1]


@pytest.mark.parametrize("theirs", [{"content": {"text": "theirs"}}, {"tags": ["theirs"]}])
def test_whoever_saves_second_is_told_and_shown_what_holds_now(
    db: Database, edits: EditService, actor: Actor, theirs: dict[str, Any]
) -> None:
    """Also where the two changed different fields: the person decides, not the studio."""
    dataset_id = dataset(db, [plain("a")])
    row = now_at(db, dataset_id)[0]
    other = edits.save_row(actor, dataset_id, row.id, RowChanges(**theirs))
    with pytest.raises(RowConflictError) as caught:
        edits.save_row(actor, dataset_id, row.id, RowChanges(content={"text": "mine"}))
    assert (caught.value.key, caught.value.field, caught.value.theirs) == ("error.data.row_changed", "row", other)
    assert now_at(db, dataset_id) == [other]
    saved = edits.save_row(actor, dataset_id, other.id, RowChanges(content={"text": "mine"}))
    assert (saved.content, saved.tags) == ({"text": "mine"}, theirs.get("tags", []))


def test_a_row_that_was_removed_meanwhile_cannot_be_saved(
    db: Database, settings: Settings, edits: EditService, actor: Actor
) -> None:
    dataset_id = dataset(db, [plain("a"), plain("b")])
    row = now_at(db, dataset_id)[0]
    with Editor(db, settings, dataset_id, author="usr_c", action="delete") as edit:
        edit.remove(row)
    with pytest.raises(RowConflictError) as caught:
        edits.save_row(actor, dataset_id, row.id, RowChanges(content={"text": "mine"}))
    assert (caught.value.key, caught.value.theirs) == ("error.data.row_gone", None)


def test_a_row_of_another_dataset_or_of_none_is_unknown(db: Database, edits: EditService, actor: Actor) -> None:
    dataset_id, other = dataset(db, [plain("a")]), dataset(db, [plain("b")])
    for row_id in (now_at(db, other)[0].id, 10**9):
        with pytest.raises(NotFoundError) as caught:
            edits.save_row(actor, dataset_id, row_id, RowChanges(content={"text": "mine"}))
        assert (caught.value.key, caught.value.params) == ("error.data.unknown_row", {"row": row_id})
    assert texts(now_at(db, other)) == ["b"]


def test_a_row_that_is_none_any_more_is_refused_with_the_field_at_fault(db: Database, edits: EditService, actor: Actor) -> None:
    dataset_id = dataset(db, [chat("q", "a")])
    row = now_at(db, dataset_id)[0]
    with pytest.raises(DataError) as caught:
        edits.save_row(actor, dataset_id, row.id, RowChanges(content={"messages": said("q", " ")}))
    assert (caught.value.key, caught.value.field) == ("error.data.empty_answer", "messages[1].content")
    assert numbers(db, dataset_id) == [1]
    with pytest.raises(ValidationError):
        RowChanges(author="somebody")  # type: ignore[call-arg]


def test_of_two_people_who_save_one_row_at_the_same_moment_one_is_told(
    db: Database, edits: EditService, actor: Actor
) -> None:
    dataset_id = dataset(db, [plain("a")])
    row = now_at(db, dataset_id)[0]
    both = threading.Barrier(2)

    def save(words: str) -> str:
        both.wait(10)
        try:
            return edits.save_row(actor, dataset_id, row.id, RowChanges(content={"text": words})).content["text"]
        except RowConflictError as error:
            assert error.theirs is not None
            return f"{words} < {error.theirs.content['text']}"

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(save, "xy"))
    assert told in (["x", "y < x"], ["x < y", "y"])
    assert len(now_at(db, dataset_id)) == 1


def test_a_bulk_change_under_way_makes_a_save_fail_in_plain_words(
    db: Database, settings: Settings, edits: EditService, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "_WAIT_S", 0.05)
    dataset_id = dataset(db, [plain("a"), plain("b")])
    a, b = now_at(db, dataset_id)
    with Editor(db, settings, dataset_id, author="usr_c", action="replace") as edit:
        edit.replace(a, plain("A"))
        with pytest.raises(DataError) as caught:
            edits.save_row(actor, dataset_id, b.id, RowChanges(content={"text": "B"}))
        assert caught.value.key == "error.data.busy"
    edits.save_row(actor, dataset_id, b.id, RowChanges(content={"text": "B"}))
    assert texts(now_at(db, dataset_id)) == ["A", "B"]


# --- adding -----------------------------------------------------------------------------------------------------------


def test_a_new_row_stands_at_the_end_or_behind_another_one(db: Database, edits: EditService, actor: Actor) -> None:
    dataset_id = dataset(db, [plain("a"), plain("b")])
    between = edits.add_row(actor, dataset_id, new_text("a2", tags=["t"]), after_position=GAP)
    last = edits.add_row(actor, dataset_id, new_text("c", split="test"), after_position=2 * GAP)
    end = edits.add_row(actor, dataset_id, new_text("d"))
    assert [row.position for row in (between, last, end)] == [GAP + GAP // 2, 3 * GAP, 4 * GAP]
    assert (between.tags, last.split, between.origin) == (["t"], "test", {"type": "edit"})
    assert texts(now_at(db, dataset_id)) == ["a", "a2", "b", "c", "d"]
    assert (edits.history(actor, dataset_id)[2].summary or {})["params"] == {"row": "1.5"}


def test_a_row_added_twice_by_one_request_is_one_row(db: Database, settings: Settings, edits: EditService, actor: Actor) -> None:
    dataset_id = dataset(db, [plain("a")])
    first = edits.add_row(actor, dataset_id, new_text("b"), request_id="r")
    assert EditService(db, settings).add_row(actor, dataset_id, new_text("b"), request_id="r") == first
    assert texts(now_at(db, dataset_id)) == ["a", "b"]


@pytest.mark.parametrize("is_chain", [True, False])
def test_there_is_always_room_for_one_more_row(db: Database, edits: EditService, actor: Actor, is_chain: bool) -> None:
    """Each behind the one before, or each behind the same: rows that follow move when the room is used up."""
    dataset_id = dataset(db, [plain("a"), plain("y"), plain("z")])
    expected, at = ["a", "y", "z"], GAP
    for n in range(30):
        made = edits.add_row(actor, dataset_id, new_text(str(n)), after_position=at)
        expected.insert(n + 1 if is_chain else 1, str(n))
        if is_chain:
            at = made.position
        assert texts(now_at(db, dataset_id)) == expected
    found = now_at(db, dataset_id)
    assert found[0].position == GAP
    assert len({row.position for row in found}) == 33
    assert from_scratch(found) == kept(db, dataset_id, store.dataset_info(db, dataset_id).revision)


def test_a_row_behind_one_that_is_gone_or_where_hundreds_would_move_is_refused(
    db: Database, edits: EditService, settings: Settings, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_id = dataset(db, [plain("a"), plain("z")])
    with pytest.raises(DataError) as gone:
        edits.add_row(actor, dataset_id, new_text("b"), after_position=GAP + 1)
    assert (gone.value.key, gone.value.field) == ("error.data.row_gone", "after_position")
    with Editor(db, settings, dataset_id, author="usr_c", action="edit") as edit:
        for n in range(1, 9):
            edit.add(plain(str(n)), GAP + n)
    monkeypatch.setattr(edits_module, "_MOST_MOVED", 5)
    with pytest.raises(DataError) as full:
        edits.add_row(actor, dataset_id, new_text("b"), after_position=GAP)
    assert (full.value.key, full.value.field) == ("error.data.no_room", "after_position")


@pytest.mark.parametrize(("kind", "content", "key"), [("text", None, "empty_text"), ("poem", {"text": "a"}, "unknown_kind")])
def test_a_new_row_must_be_one(
    db: Database, edits: EditService, actor: Actor, kind: str, content: dict[str, Any] | None, key: str
) -> None:
    dataset_id = dataset(db, [plain("a")])
    with pytest.raises(DataError) as caught:
        edits.add_row(actor, dataset_id, NewRowFields(kind=kind, content=content))
    assert caught.value.key in (f"error.data.{key}", "error.data.not_text")
    assert numbers(db, dataset_id) == [1]


# --- what was done ----------------------------------------------------------------------------------------------------


def test_the_buttons_know_what_can_be_taken_back_and_made_again(db: Database, edits: EditService, actor: Actor) -> None:
    dataset_id = dataset(db, [plain("a")])
    assert edits.can(actor, dataset_id) == (False, False)
    edits.save_row(actor, dataset_id, now_at(db, dataset_id)[0].id, RowChanges(content={"text": "b"}))
    assert edits.can(actor, dataset_id) == (True, False)
    assert (edits.undo(actor, dataset_id).action, texts(now_at(db, dataset_id))) == ("undo", ["a"])
    assert edits.can(actor, dataset_id) == (False, True)
    assert (edits.redo(actor, dataset_id).action, texts(now_at(db, dataset_id))) == ("redo", ["b"])
    assert (edits.restore(actor, dataset_id, 1).action, texts(now_at(db, dataset_id))) == ("restore", ["a"])
    assert edits.can(actor, dataset_id) == (True, False)


def test_a_row_that_was_open_during_an_undo_is_told(db: Database, edits: EditService, actor: Actor) -> None:
    dataset_id = dataset(db, [plain("a")])
    saved = edits.save_row(actor, dataset_id, now_at(db, dataset_id)[0].id, RowChanges(content={"text": "b"}))
    edits.undo(actor, dataset_id)
    with pytest.raises(RowConflictError) as caught:
        edits.save_row(actor, dataset_id, saved.id, RowChanges(content={"text": "c"}))
    assert caught.value.theirs is not None
    assert caught.value.theirs.content == {"text": "a"}


def test_a_revision_is_named_and_loses_its_name(db: Database, edits: EditService, actor: Actor) -> None:
    dataset_id = dataset(db, [plain("a")])
    assert edits.name_revision(actor, dataset_id, 1, " as it came ").name == "as it came"
    assert edits.history(actor, dataset_id)[0].name == "as it came"
    assert edits.name_revision(actor, dataset_id, 1, "  ").name is None
    with pytest.raises(NotFoundError):
        edits.name_revision(actor, dataset_id, 2, "x")
    with pytest.raises(DataError) as caught:
        edits.name_revision(actor, dataset_id, 1, "x" * 201)
    assert (caught.value.key, caught.value.field) == ("error.data.label_too_long", "name")


def test_a_viewer_reads_and_changes_nothing(db: Database, edits: EditService, viewer: Actor) -> None:
    dataset_id = dataset(db, [plain("a")])
    row = now_at(db, dataset_id)[0]
    wish = spec(dataset_id, do="delete")
    assert edits.preview(viewer, wish).n_changed == 1
    assert len(edits.history(viewer, dataset_id)) == 1
    assert edits.compare(viewer, dataset_id, 1, 1).changes == []
    for change in (
        lambda: edits.save_row(viewer, dataset_id, row.id, RowChanges(content={"text": "b"})),
        lambda: edits.add_row(viewer, dataset_id, new_text("b")),
        lambda: edits.apply(viewer, wish, request_id="r"),
        lambda: edits.undo(viewer, dataset_id),
        lambda: edits.redo(viewer, dataset_id),
        lambda: edits.restore(viewer, dataset_id, 1),
        lambda: edits.name_revision(viewer, dataset_id, 1, "x"),
    ):
        with pytest.raises(AccessError):
            change()
    assert numbers(db, dataset_id) == [1]


def test_every_revision_is_told_in_both_languages(db: Database, edits: EditService, actor: Actor) -> None:
    dataset_id = dataset(db, [plain("a")])
    edits.save_row(actor, dataset_id, now_at(db, dataset_id)[0].id, RowChanges(content={"text": "b"}))
    edits.add_row(actor, dataset_id, new_text("c"))
    edits.apply(actor, spec(dataset_id, do="tag", add=["t"]), request_id="r")
    edits.undo(actor, dataset_id)
    edits.redo(actor, dataset_id)
    edits.restore(actor, dataset_id, 1)
    told = revisions.history(db, dataset_id)
    assert [made.action for made in told] == ["restore", "redo", "undo", "tag", "add", "edit", "import"]
    for made in told:
        assert made.summary is not None
        assert has_text(made.summary["key"])
        for lang in LANGS:
            assert "{" not in text(lang, made.summary["key"], **made.summary["params"])
