"""One operation for many rows: what it does to each, what it says before, what it leaves behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from studio.access import Actor
from studio.data import bulk, pending, revisions, store
from studio.data.bulk import Applied, BulkSpec, apply_bulk, preview_bulk, run_bulk_edit
from studio.data.edits import EditService
from studio.data.revisions import Editor
from studio.data.rows import NewRow
from studio.data.store import GAP
from studio.db import Database
from studio.errors import DataError, NotFoundError
from studio.jobs.context import JobContext, StoppedByRequest
from studio.jobs.queue import select_jobs
from studio.settings import ROOT, Settings
from studio.text import LANGS, text
from tests.unit.data.edited import chat, dataset, from_scratch, kept, lock, now_at, numbers, plain, questions, said, spec, texts

pytestmark = pytest.mark.backends("sqlite", "postgresql")

Context = Callable[..., JobContext]


# --- looking and doing ------------------------------------------------------------------------------------------------


def test_a_preview_says_what_is_then_done(db: Database, settings: Settings) -> None:
    dataset_id = dataset(db, [plain(f"cat {i}" if i % 2 else f"dog {i}") for i in range(50)])
    wish = spec(dataset_id, do="replace", find="cat", put="cow")
    told = preview_bulk(db, settings, wish)
    assert (told.n_matching, told.is_exact, told.n_changed, told.refused) == (50, True, 25, {})
    assert len(told.examples) == 20
    assert [(old.content["text"], new and new.content["text"]) for old, new in told.examples[:2]] == [
        ("cat 1", "cow 1"),
        ("cat 3", "cow 3"),
    ]
    assert numbers(db, dataset_id) == [1]
    made = apply_bulk(db, settings, wish, "usr_b")
    assert made == Applied(dataset_id, 2, None, {"added": 0, "removed": 0, "changed": 25}, {})
    assert texts(now_at(db, dataset_id)) == [f"cow {i}" if i % 2 else f"dog {i}" for i in range(50)]
    summary = revisions.newest(db, dataset_id).summary or {}
    assert (summary["key"], summary["params"]) == ("data.revision.replace", {"find": "cat", "put": "cow", "n": 25})
    assert revisions.newest(db, dataset_id).action == "replace"


def test_only_rows_that_fit_the_filter_change(db: Database, settings: Settings) -> None:
    dataset_id = dataset(db, [plain("a", "train"), plain("b", "test"), plain("ab", "train")])
    apply_bulk(db, settings, spec(dataset_id, filter={"text": "a", "split": "train"}, do="tag", add=["t"]), "usr_b")
    assert [row.tags for row in now_at(db, dataset_id)] == [["t"], [], ["t"]]


def test_rows_ticked_by_hand_change_unless_somebody_was_faster(db: Database, settings: Settings) -> None:
    dataset_id = dataset(db, [plain(word) for word in "abcd"])
    other = dataset(db, [plain("z")])
    a, b, c, _ = now_at(db, dataset_id)
    with Editor(db, settings, dataset_id, author="usr_c", action="edit") as edit:
        edit.replace(b, plain("B"))
        edit.remove(c)
    wish = spec(dataset_id, rows=[a.id, a.id, b.id, c.id, now_at(db, other)[0].id], do="delete")
    assert preview_bulk(db, settings, wish).refused == {"data.bulk.refused.changed": 3}
    made = apply_bulk(db, settings, wish, "usr_b")
    assert (made.changes["removed"], made.refused) == (1, {"data.bulk.refused.changed": 3})
    assert texts(now_at(db, dataset_id)) == ["B", "d"]
    assert texts(now_at(db, other)) == ["z"]


def test_rows_that_would_be_no_rows_any_more_stay_as_they_are_and_are_counted(db: Database, settings: Settings) -> None:
    pair = {"messages": said("q"), "chosen": said("", "ab")[1:], "rejected": said("", "b")[1:]}
    choice = {"question": "?", "options": ["ab", "b"], "answer": 0}
    new = [chat("a", "b"), chat("b", "a"), chat("ba", "ba"), plain("a"), NewRow("preference", pair), NewRow("choice", choice)]
    dataset_id = dataset(db, new)
    wish = spec(dataset_id, do="replace", find="a", put="")
    refused = {
        f"data.bulk.refused.{why}": 1 for why in ("empty_question", "empty_answer", "empty_text", "same_answers", "same_options")
    }
    told = preview_bulk(db, settings, wish)
    assert (told.n_matching, told.n_changed, told.refused) == (6, 1, refused)
    made = apply_bulk(db, settings, wish, "usr_b")
    assert (made.changes["changed"], made.refused) == (1, refused)
    assert [row.content for row in now_at(db, dataset_id)] == [
        chat("b", "b").content if row is new[2] else row.content for row in new
    ]
    for lang in LANGS:
        assert all("1" in text(lang, key, n=1) for key in refused)


def test_rows_of_a_locked_test_set_are_told_of_before_and_left_as_they_are(db: Database, settings: Settings) -> None:
    dataset_id = dataset(db, [plain("a", "test"), plain("a", "train")])
    lock(db, dataset_id)
    wish = spec(dataset_id, do="replace", find="a", put="b")
    told = preview_bulk(db, settings, wish)
    assert (told.n_changed, told.refused) == (1, {"data.bulk.refused.locked": 1})
    assert apply_bulk(db, settings, wish, "usr_b").refused == told.refused
    assert texts(now_at(db, dataset_id)) == ["a", "b"]
    onto = spec(dataset_id, do="split", split="test")
    assert preview_bulk(db, settings, onto).n_changed == 0


def test_parts_of_a_cut_conversation_stand_where_it_stood(db: Database, settings: Settings) -> None:
    long = chat(*map(str, range(6)))
    dataset_id = dataset(db, [long, chat("x", "y"), long])
    wish = spec(dataset_id, do="cut", max_turns=1)
    told = preview_bulk(db, settings, wish)
    assert (told.n_changed, [old.position for old, _ in told.examples]) == (2, [GAP, 3 * GAP])
    made = apply_bulk(db, settings, wish, "usr_b")
    assert made.changes == {"added": 4, "removed": 0, "changed": 2}
    found = now_at(db, dataset_id)
    assert questions([row.as_new() for row in found]) == [["0"], ["2"], ["4"], ["x"], ["0"], ["2"], ["4"]]
    assert [row.group_key for row in found] == [f"row-{GAP}"] * 3 + [None] + [f"row-{3 * GAP}"] * 3
    assert [row.position for row in found][0::3] == [GAP, 2 * GAP, 3 * GAP + 2 * GAP]
    assert from_scratch(found) == kept(db, dataset_id, 2)
    assert (revisions.newest(db, dataset_id).summary or {})["params"] == {"turns": 1, "n": 2}


def test_a_conversation_with_more_parts_than_there_is_room_for_is_left(db: Database, settings: Settings) -> None:
    dataset_id = dataset(db, [chat(*map(str, range(2 * GAP + 2))), chat("x", "y")])
    wish = spec(dataset_id, do="cut", max_turns=1)
    refused = {"data.bulk.refused.no_room": 1}
    assert preview_bulk(db, settings, wish).refused == refused
    made = apply_bulk(db, settings, wish, "usr_b")
    assert (made.revision, made.refused) == (None, refused)


# --- merge ------------------------------------------------------------------------------------------------------------


def test_rows_of_other_datasets_come_behind_all_rows_once_and_say_where_they_are_from(db: Database, settings: Settings) -> None:
    mine = dataset(db, [plain("a"), plain("b")], "mine")
    old = {"type": "edit", "dataset": "first", "dataset_id": "ds_x"}
    other = dataset(db, [plain("b"), replace(plain("c", "test"), origin={"type": "file", "line": 3})], "other")
    third = dataset(db, [plain("c"), replace(plain("d"), origin=old)], "third")
    wish = spec(mine, do="merge", datasets=[other, third, other])
    told = preview_bulk(db, settings, wish)
    assert (told.n_matching, told.n_changed, told.refused) == (4, 2, {"data.bulk.refused.duplicate": 2})
    made = apply_bulk(db, settings, wish, "usr_b")
    assert (made.changes, made.refused) == ({"added": 2, "removed": 0, "changed": 0}, told.refused)
    found = now_at(db, mine)
    assert texts(found) == ["a", "b", "c", "d"]
    assert (found[2].split, found[2].origin) == ("test", {"type": "file", "line": 3, "dataset": "other", "dataset_id": other})
    assert found[3].origin == old
    assert (revisions.newest(db, mine).summary or {})["params"] == {"datasets": "other, third", "n": 2}
    assert apply_bulk(db, settings, wish, "usr_b").revision is None


def test_a_dataset_is_not_merged_into_itself_nor_with_one_that_is_not_there(db: Database, settings: Settings) -> None:
    mine = dataset(db, [plain("a")])
    for work in (preview_bulk, lambda *args: apply_bulk(*args, "usr_b")):
        with pytest.raises(DataError) as itself:
            work(db, settings, spec(mine, do="merge", datasets=[mine]))
        assert (itself.value.key, itself.value.field) == ("error.data.merged_into_itself", "datasets")
        with pytest.raises(NotFoundError):
            work(db, settings, spec(mine, do="merge", datasets=["ds_none"]))


# --- twice, large, stopped, killed ------------------------------------------------------------------------------------


def test_the_same_request_twice_is_one_change(db: Database, settings: Settings, actor: Actor) -> None:
    dataset_id = dataset(db, [plain("a"), plain("b")])
    wish = spec(dataset_id, do="replace", find="a", put="aa")
    first = EditService(db, settings).apply(actor, wish, request_id="r1")
    again = EditService(db, settings).apply(actor, wish, request_id="r1")  # after a restart
    assert again == first
    assert texts(now_at(db, dataset_id)) == ["aa", "b"]
    assert EditService(db, settings).apply(actor, wish, request_id="r2").revision == 3
    assert texts(now_at(db, dataset_id)) == ["aaaa", "b"]


def test_a_large_change_is_a_job_once(db: Database, settings: Settings, actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_SMALL", 2)
    dataset_id = dataset(db, [plain(word) for word in "aab"], "letters")
    edits = EditService(db, settings)
    small = edits.apply(actor, spec(dataset_id, filter={"text": "a"}, do="tag", add=["t"]), request_id="r1")
    assert (small.revision, small.job_id) == (2, None)
    wish = spec(dataset_id, do="replace", find="a", put="aa")
    large = edits.apply(actor, wish, request_id="r2")
    assert edits.apply(actor, wish, request_id="r2") == large
    with db.read() as connection:
        (job,) = connection.execute(select_jobs()).mappings()
    assert (job["id"], job["kind"], job["job_class"], job["name"]) == (large.job_id, "bulk_edit", "light", "letters")
    assert BulkSpec.model_validate(job["spec"]) == wish
    assert texts(now_at(db, dataset_id)) == ["a", "a", "b"]


def test_the_job_does_what_it_says_and_done_again_finds_what_it_has_made(db: Database, job_context: Context) -> None:
    dataset_id = dataset(db, [plain(f"a{i}") for i in range(1_200)])
    context = job_context(spec(dataset_id, do="replace", find="a", put="aa").as_dict())
    made = run_bulk_edit(context)
    assert (made["revision"], made["changes"]["changed"], made["refused"]) == (2, 1_200, {})
    assert run_bulk_edit(context) == made
    assert texts(now_at(db, dataset_id)) == [f"aa{i}" for i in range(1_200)]
    assert revisions.newest(db, dataset_id).number == 2


def test_a_job_that_is_stopped_leaves_the_revision_before_it_whole(
    db: Database, job_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_id = dataset(db, [plain(f"a{i}") for i in range(1_200)])
    before = now_at(db, dataset_id)
    context = job_context(spec(dataset_id, do="delete").as_dict())
    monkeypatch.setattr(context, "progress", lambda done, *args, **more: context.stop.set() if done >= 1_000 else None)
    with pytest.raises(StoppedByRequest):
        run_bulk_edit(context)
    assert now_at(db, dataset_id) == before
    assert numbers(db, dataset_id) == [1]


def test_a_job_waits_for_the_change_before_it(
    db: Database, settings: Settings, job_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "_WAIT_S", 0.05)
    dataset_id = dataset(db, [plain("a")])
    context = job_context(spec(dataset_id, do="tag", add=["t"]).as_dict())
    waited = []
    with Editor(db, settings, dataset_id, author="usr_c", action="edit") as edit:
        edit.replace(now_at(db, dataset_id)[0], plain("b"))
        monkeypatch.setattr(context.stop, "wait", lambda seconds: (waited.append(seconds), context.stop.set()))
        with pytest.raises(StoppedByRequest):
            run_bulk_edit(context)
    assert len(waited) == 1
    context.stop.clear()
    assert run_bulk_edit(context)["revision"] == 3
    assert [(row.content["text"], row.tags) for row in now_at(db, dataset_id)] == [("b", ["t"])]


KILLED = """
import os, signal, sys, json
from types import SimpleNamespace
from studio.data import bulk
from studio.db import Database
from studio.settings import Settings

home, url, spec, job_id = sys.argv[1:]
settings = Settings(home=home, database_url=url)
count = 0

def check_stop():
    global count
    count += 1
    if count == 900:
        os.kill(os.getpid(), signal.SIGKILL)

bulk.run_bulk_edit(SimpleNamespace(
    db=Database(settings.url), settings=settings, spec=json.loads(spec), job_id=job_id, author="usr_a",
    phase=print, progress=lambda *args, **more: None, check_stop=check_stop))
"""


def test_a_job_that_is_killed_leaves_the_revision_before_it_whole_and_begins_again(
    db: Database, settings: Settings, job_context: Context
) -> None:
    dataset_id = dataset(db, [plain(f"a{i}") for i in range(1_200)])
    before = now_at(db, dataset_id)
    wish = spec(dataset_id, do="replace", find="a", put="aa")
    context = job_context(wish.as_dict())
    arguments = [str(settings.home), settings.database_url, wish.model_dump_json(by_alias=True), context.job_id]
    ended = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert now_at(db, dataset_id) == before
    run_bulk_edit(context)
    found = now_at(db, dataset_id)
    assert texts(found) == [f"aa{i}" for i in range(1_200)]
    assert from_scratch(found) == kept(db, dataset_id, store.dataset_info(db, dataset_id).revision)
