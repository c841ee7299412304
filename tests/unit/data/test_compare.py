"""What differs: between two revisions row by row, and between two texts word by word."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.access import Actor, local_admin
from studio.data import compare, revisions, store
from studio.data.compare import Piece, message_diff, row_number, text_diff
from studio.data.edits import EditService
from studio.data.revisions import Editor
from studio.data.store import GAP
from studio.db import Database
from studio.errors import NotFoundError
from studio.settings import Settings
from tests.unit.data.edited import at, changed, dataset, now_at, plain, said, stories

pytestmark = pytest.mark.backends("sqlite", "postgresql")


@pytest.fixture
def edits(db: Database, settings: Settings) -> EditService:
    return EditService(db, settings)


# --- rows -------------------------------------------------------------------------------------------------------------


def test_added_removed_and_changed_rows_are_told_in_order_with_both_sides(
    db: Database, settings: Settings, edits: EditService, actor: Actor
) -> None:
    dataset_id = dataset(db, [plain("a"), plain("b"), plain("c"), plain("d")])
    a, b, _, d = now_at(db, dataset_id)
    with Editor(db, settings, dataset_id, author="usr_b", action="edit") as edit:
        edit.replace(d, replace(d.as_new(), tags=["t"]))
        edit.remove(b)
        edit.add(plain("e"))
        edit.add(plain("a2"), a.position + 1)
    told = edits.compare(actor, dataset_id, 1, 2)
    assert (told.counts, told.is_exact, told.next) == ({"added": 2, "removed": 1, "changed": 1}, True, None)
    sides = [[side and side.content["text"] for side in (change.before, change.after)] for change in told.changes]
    assert sides == [[None, "a2"], ["b", None], ["d", "d"], [None, "e"]]
    assert [change.position for change in told.changes] == [GAP + 1, 2 * GAP, 4 * GAP, 5 * GAP]
    back = edits.compare(actor, dataset_id, 2, 1)
    assert back.counts == {"added": 1, "removed": 2, "changed": 1}
    assert [(change.after, change.before) for change in back.changes] == [
        (change.before, change.after) for change in told.changes
    ]


@pytest.mark.parametrize(
    "field",
    [
        {"split": "train"},
        {"tags": ["t"]},
        {"topic": "t"},
        {"flag": "f"},
        {"group_key": "g"},
        {"references": ["r"]},
        {"rule": {"a": 1}},
        {"origin": {"type": "edit"}},
        {"extra": {"a": 1}},
    ],
)
def test_a_row_that_differs_in_one_field_is_changed(
    db: Database, settings: Settings, edits: EditService, actor: Actor, field: dict[str, Any]
) -> None:
    dataset_id = dataset(db, [plain("a")])
    row = now_at(db, dataset_id)[0]
    with Editor(db, settings, dataset_id, author="usr_b", action="edit") as edit:
        edit.replace(row, replace(row.as_new(), **field))
    assert edits.compare(actor, dataset_id, 1, 2).counts == {"added": 0, "removed": 0, "changed": 1}


def test_what_was_undone_does_not_differ(db: Database, settings: Settings, edits: EditService, actor: Actor) -> None:
    dataset_id = dataset(db, [plain("a"), plain("b")])
    with Editor(db, settings, dataset_id, author="usr_b", action="edit") as edit:
        edit.replace(now_at(db, dataset_id)[0], plain("A"))
    revisions.undo(db, settings, dataset_id, "usr_a")
    assert edits.compare(actor, dataset_id, 1, 3).changes == []
    assert edits.compare(actor, dataset_id, 2, 3).counts["changed"] == 1
    assert edits.compare(actor, dataset_id, 2, 2).changes == []


def test_pages_of_a_comparison_are_the_whole_of_it(
    db: Database, settings: Settings, edits: EditService, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is too large to be counted: then windows follow each other."""
    dataset_id = dataset(db, [plain(str(i)) for i in range(60)])
    with Editor(db, settings, dataset_id, author="usr_b", action="edit") as edit:
        for i, row in enumerate(now_at(db, dataset_id)):
            if i % 4 == 1:
                edit.remove(row)
            elif i % 4 == 2:
                edit.replace(row, plain(f"{i}!"))
            elif i % 4 == 3:
                edit.add(plain(f"{i}+"), row.position + 1)
    whole = edits.compare(actor, dataset_id, 1, 2, limit=1_000)
    assert len(whole.changes) == 45
    for window in (100_000, 7):
        monkeypatch.setattr(compare, "_WINDOW", window)
        fresh = EditService(db, settings)
        found, after = [], None
        while True:
            page = fresh.compare(actor, dataset_id, 1, 2, after=after, limit=4)
            found += page.changes
            assert page.is_exact == (window > 7)
            assert sum(page.counts.values()) <= 45
            assert page.counts == whole.counts or window == 7
            if (after := page.next) is None:
                break
        assert found == whole.changes


def test_revisions_that_are_not_there_cannot_be_compared(db: Database, edits: EditService, actor: Actor) -> None:
    dataset_id = dataset(db, [plain("a")])
    for pair in ((1, 2), (0, 1)):
        with pytest.raises(NotFoundError) as caught:
            edits.compare(actor, dataset_id, *pair)
        assert caught.value.key == "error.data.unknown_revision"


@given(story=stories())
@hypothesis_settings(max_examples=12, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_two_revisions_differ_as_their_rows_do(db: Database, settings: Settings, story: list[Any]) -> None:
    dataset_id = dataset(db, [plain("a", "train"), plain("b"), plain("c", "test")])
    last = 1
    for step, parts in story:
        if step in ("edit", "fail"):
            with Editor(db, settings, dataset_id, author="usr_a", action="edit") as edit:
                changed(edit, at(db, dataset_id, last), parts)
            last = edit.revision or last
        elif step == "undo" and last > 1 and revisions.undo_target(db, dataset_id, revisions.newest(db, dataset_id)):
            last = revisions.undo(db, settings, dataset_id, "usr_a")
    numbers = sorted({1, last, (1 + last) // 2})
    states = {n: {row.position: row for row in at(db, dataset_id, n)} for n in numbers}
    for older in numbers:
        for newer in numbers:
            told = EditService(db, settings).compare(local_admin(), dataset_id, older, newer)
            expected = [
                (place, states[older].get(place), states[newer].get(place))
                for place in sorted(states[older].keys() | states[newer].keys())
                if _plain(states[older].get(place)) != _plain(states[newer].get(place))
            ]
            assert [(change.position, change.before, change.after) for change in told.changes] == expected


def _plain(row: store.StoredRow | None) -> Any:
    return row and row.as_new()


@pytest.mark.parametrize(
    ("position", "number"),
    [(GAP, "1"), (51 * GAP, "51"), (51 * GAP + 512, "51.5"), (1_000_000 * GAP, "1000000"), (GAP + 1, "1.001")],
)
def test_a_row_has_a_number_for_people(position: int, number: str) -> None:
    assert row_number(position) == number


# --- texts ------------------------------------------------------------------------------------------------------------


def joined(pieces: list[Piece], *kinds: str) -> str:
    return "".join(text for kind, text in pieces if kind in kinds)


@pytest.mark.parametrize(
    ("before", "after", "pieces"),
    [
        ("", "", []),
        ("same", "same", [("same", "same")]),
        ("", "new", [("new", "new")]),
        ("a red eye.", "a dry eye.", [("same", "a "), ("gone", "red"), ("new", "dry"), ("same", " eye.")]),
        ("眼压高", "眼压低", [("same", "眼压"), ("gone", "高"), ("new", "低")]),
        ("青光眼会损害", "青光眼可能会损害", [("same", "青光眼"), ("new", "可能"), ("same", "会损害")]),
        ("one two three", "uno dos three", [("gone", "one two"), ("new", "uno dos"), ("same", " three")]),
        ("a\nb", "a\r\nb", [("same", "a"), ("gone", "\n"), ("new", "\r\n"), ("same", "b")]),
    ],
)
def test_texts_differ_by_whole_words_and_by_single_chinese_characters(before: str, after: str, pieces: list[Piece]) -> None:
    assert text_diff(before, after) == pieces


WORDS = st.lists(st.sampled_from(["a", "b", " ", "\n", "眼", "压", ".", "ß", "́", "👁️"]), max_size=30).map("".join)


@given(before=WORDS, after=WORDS)
@hypothesis_settings(max_examples=300, deadline=None, database=None)
def test_the_pieces_make_up_both_texts(before: str, after: str) -> None:
    pieces = text_diff(before, after)
    assert (joined(pieces, "same", "gone"), joined(pieces, "same", "new")) == (before, after)
    assert all(text for _, text in pieces)


def longest_common(one: str, other: str) -> int:
    """The textbook's table of the longest common subsequence."""
    line = [0] * (len(other) + 1)
    for a in one:
        left, line_before = 0, line
        line = [0]
        for at_, b in enumerate(other):
            left = line_before[at_] + 1 if a == b else max(left, line_before[at_ + 1])
            line.append(left)
    return line[-1]


@given(before=st.text("眼压高", max_size=25), after=st.text("眼压高", max_size=25))
@hypothesis_settings(max_examples=200, deadline=None, database=None)
def test_no_shorter_way_leads_from_one_text_to_the_other(before: str, after: str) -> None:
    assert len(joined(text_diff(before, after), "same")) == longest_common(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a " * 60_000 + "end", "b " + "a " * 59_000),
        ("眼" * 30_000, "压" * 30_000),
        (" ".join(map(str, range(9_000))), " ".join(map(str, range(9_000, 0, -1)))),
        ("".join(f"x{i} y\n" for i in range(15_000)), "".join(f"x{i} z\n" for i in range(15_000))),
        ("".join(f"x{i} u{i % 7} " for i in range(4_000)), "".join(f"x{i} v{i % 5} " for i in range(4_000))),
    ],
)
def test_long_texts_and_texts_with_nothing_in_common_take_no_longer(before: str, after: str) -> None:
    began = time.process_time()
    pieces = text_diff(before, after)
    assert time.process_time() - began < 3
    assert (joined(pieces, "same", "gone"), joined(pieces, "same", "new")) == (before, after)


def test_a_long_text_is_compared_by_lines() -> None:
    lines = [f"line {i} of many\n" for i in range(6_000)]
    pieces = text_diff("".join(lines), "".join([*lines[:3_000], "another\n", *lines[3_001:]]))
    assert [kind for kind, _ in pieces] == ["same", "gone", "new", "same"]
    assert pieces[1:3] == [("gone", "line 3000 of many\n"), ("new", "another\n")]


def test_conversations_differ_message_by_message() -> None:
    before, after = said("Hi", "Hello there", "Bye", "Good bye"), said("Hi", "Hello you", "Bye", "Good bye", "More?", "No")
    told = message_diff(before, after)
    assert [(diff.role, diff.before is None, diff.after is None) for diff in told] == [
        ("user", False, False),
        ("assistant", False, False),
        ("user", False, False),
        ("assistant", False, False),
        ("user", True, False),
        ("assistant", True, False),
    ]
    assert told[1].pieces == [("same", "Hello "), ("gone", "there"), ("new", "you")]
    assert told[5].pieces == [("new", "No")]


def test_a_message_never_becomes_one_of_another_role() -> None:
    told = message_diff([{"role": "system", "content": "a"}, *said("q", "r")], said("q2", "r"))
    assert [(diff.role, diff.before and diff.before["content"], diff.after and diff.after["content"]) for diff in told] == [
        ("system", "a", None),
        ("user", "q", "q2"),
        ("assistant", "r", "r"),
    ]


MESSAGES = st.lists(
    st.builds(lambda role, text: {"role": role, "content": text}, st.sampled_from(["user", "assistant"]), st.sampled_from("abc")),
    max_size=8,
)


@given(before=MESSAGES, after=MESSAGES)
@hypothesis_settings(max_examples=200, deadline=None, database=None)
def test_the_messages_of_a_difference_are_those_of_both_conversations(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    told = message_diff(before, after)
    assert [diff.before for diff in told if diff.before] == before
    assert [diff.after for diff in told if diff.after] == after
    assert all(diff.before["role"] == diff.after["role"] for diff in told if diff.before and diff.after)


def test_a_change_in_a_tool_call_is_a_change() -> None:
    call = {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}
    (told,) = message_diff([call], [call | {"tool_calls": [{"id": "2"}]}])
    assert told.before != told.after
