"""The routes behind the rows panel: who may, what comes back, how a refusal looks, what a request does that comes twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from components.data_words import known_names
from components.rows_panel import rows_words
from studio.access import local_admin
from studio.data import store
from studio.data.revisions import Editor
from studio.data.rows import NewRow
from studio.settings import ROOT
from studio.text import LANGS, text
from tests.served import Served, add_people, served

WISH = "0123456789abcdef"
_N = 120


class Desk:
    """A dataset of its own for each test, and a browser for each role."""

    def __init__(self, app: Served) -> None:
        self.app = app
        self.editor, self.viewer = app.sign_in("editor"), app.sign_in("viewer")
        self.editor_zh = app.sign_in("editor")
        self.editor_zh.headers["accept-language"] = "zh"
        self.n = 0

    def dataset(self, *rows: NewRow) -> str:
        """120 conversations; `rows` behind them in a revision of their own."""
        self.n += 1
        services = self.app.services
        with services.db.write() as connection:
            ds = store.create_dataset(connection, f"data {self.n}", "usr_a")
            store.open_first_revision(connection, ds, "usr_a", {"key": "data.revision.import", "params": {"files": "x.csv"}})
        totals = store.write_rows(services.db, ds, [chat(f"question {n}", f"answer {n}") for n in range(_N)], "usr_a")
        store.commit_first_revision(services.db, ds, totals, {})
        with Editor(services.db, services.settings, ds, author="usr_a", action="edit") as edit:
            for row in rows:
                edit.add(row)
        return ds

    def rows(self, ds: str, **query: Any) -> dict[str, Any]:
        answer = self.editor.get(f"/data/{ds}/rows", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def first(self, ds: str) -> dict[str, Any]:
        row_id = self.rows(ds, limit=1)["rows"][0]["id"]
        return self.editor.get(f"/data/{ds}/row/{row_id}").json()["row"]

    def post(self, ds: str, what: str, body: Any, browser: httpx.Client | None = None) -> httpx.Response:
        return (browser or self.editor).post(f"/data/{ds}/{what}", json=body)

    def answer_with(self, row: dict[str, Any], words: str) -> dict[str, Any]:
        messages = [*row["content"]["messages"][:-1], {"role": "assistant", "content": words}]
        return {"changes": {"content": {"messages": messages}}}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with served(tmp_path_factory.mktemp("data") / "home") as app:
        add_people(app.services)
        yield Desk(app)


def chat(question: str, answer: str, **more: Any) -> NewRow:
    return NewRow("chat", {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}, **more)


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_search_shows_the_place_that_it_found(desk: Desk) -> None:
    deep = "before " * 20 + "the Cornea\nis clear" + " behind" * 20
    ds = desk.dataset(chat("short", "none of it"), chat("asked", deep))
    (row,) = desk.rows(ds, text="cornea")["rows"]
    assert row["hit"] == ["… before the ", "Cornea", " is clear" + (" behind" * 20)[:31] + "…"]
    assert all(row["hit"] is None for row in desk.rows(ds)["rows"])


def test_a_page_tells_of_its_rows_and_leads_to_the_next(desk: Desk) -> None:
    ds = desk.dataset()
    page = desk.rows(ds)
    assert [row["no"] for row in page["rows"]] == [str(n) for n in range(1, 101)]
    assert (page["n_rows"], page["has_before"], page["has_after"], page["may_write"]) == (_N, False, True, True)
    assert desk.rows(ds, after=page["next"])["rows"][0]["no"] == "101"


def test_a_page_can_begin_at_a_number(desk: Desk) -> None:
    ds = desk.dataset()
    assert desk.rows(ds, at="51", limit=1)["rows"][0]["no"] == "51"


def test_a_page_holds_the_row_that_a_link_names(desk: Desk) -> None:
    ds = desk.dataset()
    row_id = desk.rows(ds, at="110", limit=1)["rows"][0]["id"]
    assert row_id in [row["id"] for row in desk.rows(ds, around=row_id)["rows"]]


def test_two_chinese_characters_are_found(desk: Desk) -> None:
    ds = desk.dataset(chat("结膜炎会传染吗？", "会。"))
    assert [row["question"] for row in desk.rows(ds, text="结膜")["rows"]] == ["结膜炎会传染吗？"]


def test_filters_that_do_not_exist_are_left_out(desk: Desk) -> None:
    """An old link, or one that somebody has mistyped, opens all the same."""
    ds = desk.dataset(chat("q", "a", tags=["mine"]))
    assert len(desk.rows(ds, tag="mine", split="nowhere", min_chars="many")["rows"]) == 1


def test_a_pattern_that_is_none_is_refused_at_its_field(desk: Desk) -> None:
    answer = desk.editor.get(f"/data/{desk.dataset()}/rows", params={"text": "(", "regex": "true"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "text")


def test_an_unknown_dataset_is_not_found(desk: Desk) -> None:
    answer = desk.editor_zh.get("/data/ds_nowhere/rows")
    assert answer.status_code == 404
    assert answer.json()["error"]["text"] == text("zh", "error.data.unknown_dataset", dataset="ds_nowhere")


def test_an_old_versions_id_opens_the_newest(desk: Desk) -> None:
    ds = desk.dataset()
    old = desk.first(ds)
    new = desk.post(ds, f"row/{old['id']}", desk.answer_with(old, "Better.")).json()["row"]
    assert new["id"] != old["id"]
    assert desk.editor.get(f"/data/{ds}/row/{old['id']}").json()["row"]["id"] == new["id"]


def test_a_row_of_another_dataset_is_not_found(desk: Desk) -> None:
    one, other = desk.dataset(), desk.dataset()
    row_id = desk.first(one)["id"]
    assert desk.editor.get(f"/data/{other}/row/{row_id}").status_code == 404


@pytest.mark.parametrize(
    ("origin", "en", "zh"),
    [
        ({"type": "file", "ref": "students.csv", "line": 12}, "students.csv, line 12", "students.csv，第 12 行"),
        ({"type": "document", "file": "guide.pdf", "page": 3}, "guide.pdf, page 3", "guide.pdf，第 3 页"),
        ({"type": "edit", "author": "usr_a"}, "a person", "人工编写"),
        (None, "", ""),
    ],
)
def test_where_a_row_came_from_is_told_in_words(desk: Desk, origin: dict[str, Any] | None, en: str, zh: str) -> None:
    ds = desk.dataset(chat("q", "a", origin=origin))
    row_id = desk.rows(ds, sort="newest", limit=1)["rows"][0]["id"]
    told = [browser.get(f"/data/{ds}/row/{row_id}").json()["row"]["source"] for browser in (desk.editor, desk.editor_zh)]
    assert told == [en, zh]


# --- one row ----------------------------------------------------------------------------------------------------------


def test_a_saved_row_comes_back_as_it_is_now(desk: Desk) -> None:
    ds = desk.dataset()
    row = desk.first(ds)
    saved = desk.post(ds, f"row/{row['id']}", {"changes": {"tags": ["a", "b"], "flag": "look"}}).json()["row"]
    assert (saved["tags"], saved["flag"], saved["content"]) == (["a", "b"], "look", row["content"])
    assert desk.rows(ds)["can"] == {"undo": True, "redo": False}


def test_a_row_that_is_saved_twice_is_one_change(desk: Desk) -> None:
    ds = desk.dataset()
    row = desk.first(ds)
    first, again = (desk.post(ds, f"row/{row['id']}", desk.answer_with(row, "Once.")) for _ in range(2))
    assert first.json() == again.json()


def test_a_refusal_names_its_field(desk: Desk) -> None:
    ds = desk.dataset()
    row = desk.first(ds)
    answer = desk.post(ds, f"row/{row['id']}", desk.answer_with(row, " "), desk.editor_zh)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "messages[1].content")
    assert answer.json()["error"]["text"] == text("zh", "error.data.empty_answer", where="messages[1].content")


def test_who_comes_second_is_told_and_shown_both(desk: Desk) -> None:
    ds = desk.dataset()
    row = desk.first(ds)
    desk.post(ds, f"row/{row['id']}", desk.answer_with(row, "theirs"), desk.app.sign_in("admin"))
    answer = desk.post(ds, f"row/{row['id']}", desk.answer_with(row, "mine"))
    told = answer.json()
    assert answer.status_code == 409
    assert told["theirs"]["content"]["messages"][-1]["content"] == "theirs"
    assert [part["pieces"] for part in told["parts"]] == [[["gone", "theirs"], ["new", "mine"]]]


def test_who_saves_a_row_that_has_gone_is_told(desk: Desk) -> None:
    ds = desk.dataset()
    row = desk.first(ds)
    desk.post(ds, "bulk/apply", {"rows": [row["id"]], "operation": {"do": "delete"}, "request_id": WISH + "g"})
    answer = desk.post(ds, f"row/{row['id']}", desk.answer_with(row, "mine"))
    assert (answer.status_code, answer.json()["theirs"]) == (409, None)
    assert desk.editor.get(f"/data/{ds}/row/{row['id']}").status_code == 404


def test_a_new_row_that_is_sent_twice_is_added_once(desk: Desk) -> None:
    ds = desk.dataset()
    body = {"row": {"kind": "chat", "content": chat("new?", "new.").content}, "request_id": WISH + "add"}
    first, again = (desk.post(ds, "add", body) for _ in range(2))
    assert first.json()["row"]["id"] == again.json()["row"]["id"]
    assert desk.rows(ds)["n_rows"] == _N + 1


# --- many rows --------------------------------------------------------------------------------------------------------


def test_a_bulk_change_is_looked_at_then_done_once(desk: Desk) -> None:
    ds = desk.dataset(chat("Is it a stye?", "A stye heals by itself."), chat("A stye again", "See a doctor."))
    spec = {"filter": {"text": "stye", "edited": True}, "operation": {"do": "replace", "find": "stye", "put": "hordeolum"}}
    look = desk.post(ds, "bulk/preview", spec).json()
    assert (look["n_matching"], look["n_changed"], look["warnings"], look["may"]) == (2, 2, [], True)
    assert ["gone", "stye"] in look["examples"][0]["parts"][0]["pieces"]
    done, again = (desk.post(ds, "bulk/apply", spec | {"request_id": WISH + "b"}).json() for _ in range(2))
    assert done["changes"] == {"added": 0, "removed": 0, "changed": 2}
    assert again["revision"] == done["revision"]


def test_an_operation_that_nobody_knows_is_refused(desk: Desk) -> None:
    answer = desk.post(desk.dataset(), "bulk/preview", {"operation": {"do": "explode"}})
    assert (answer.status_code, answer.json()["error"]["key"]) == (422, "error.rows.unreadable")


# --- back and forth ---------------------------------------------------------------------------------------------------


def test_undo_takes_back_what_the_person_saw_and_only_once(desk: Desk) -> None:
    ds = desk.dataset()
    row = desk.first(ds)
    desk.post(ds, f"row/{row['id']}", {"changes": {"topic": "t"}})
    seen = desk.rows(ds)["revision"]
    body = {"revision": seen, "request_id": WISH + "u"}
    done, again = (desk.post(ds, "undo", body) for _ in range(2))
    assert done.json() == again.json()
    assert done.json()["revision"] == seen + 1
    assert desk.first(ds)["topic"] == row["topic"]


def test_nobody_undoes_what_they_have_not_seen(desk: Desk) -> None:
    ds = desk.dataset()
    seen = desk.rows(ds)["revision"]
    desk.post(ds, f"row/{desk.first(ds)['id']}", {"changes": {"topic": "t"}})
    answer = desk.post(ds, "undo", {"revision": seen, "request_id": WISH + "n"})
    assert (answer.status_code, answer.json()["error"]["key"]) == (409, "error.rows.moved_on")
    assert desk.first(ds)["topic"] == "t"


def test_the_history_tells_what_was_done_and_by_whom(desk: Desk) -> None:
    ds = desk.dataset()
    desk.post(ds, f"row/{desk.first(ds)['id']}", {"changes": {"topic": "t"}})
    told = desk.editor.get(f"/data/{ds}/history").json()["revisions"]
    assert told[0]["who"] == text("en", "rows.you")
    assert told[1]["who"] == text("en", "rows.somebody")
    assert (told[0]["newest"], told[0]["before"], told[-1]["before"]) == (True, told[1]["number"], None)
    named = desk.post(ds, "name", {"number": told[0]["number"], "name": "after the review"})
    assert named.status_code == 200
    assert desk.editor.get(f"/data/{ds}/history").json()["revisions"][0]["name"] == "after the review"


def test_without_accounts_everybody_is_you() -> None:
    """Nobody else gets in: what another browser of this computer did, you did."""
    alone = known_names(local_admin("usr_a"), {})
    assert alone("usr_a") == alone("usr_b") == text("en", "rows.you")
    assert known_names(local_admin("usr_a"), {"usr_c": "Ana"})("usr_b") == text("en", "rows.somebody")


def test_a_comparison_shows_what_is_in_and_out(desk: Desk) -> None:
    ds = desk.dataset()
    row = desk.first(ds)
    desk.post(ds, f"row/{row['id']}", desk.answer_with(row, "short"))
    now = desk.rows(ds)["revision"]
    told = desk.editor.get(f"/data/{ds}/compare", params={"older": now - 1, "newer": now}).json()
    assert told["counts"] == {"added": 0, "removed": 0, "changed": 1}
    [change] = told["changes"]
    assert (change["no"], change["what"]) == ("1", "changed")
    assert change["parts"][0]["pieces"] == [["gone", "answer 0"], ["new", "short"]]


def test_an_earlier_state_can_be_restored(desk: Desk) -> None:
    ds = desk.dataset()
    desk.post(ds, f"row/{desk.first(ds)['id']}", {"changes": {"topic": "t"}})
    answer = desk.post(ds, "restore", {"number": 1, "request_id": WISH + "r"})
    assert answer.status_code == 200
    assert desk.first(ds)["topic"] != "t"


# --- who and what -----------------------------------------------------------------------------------------------------


def test_a_viewer_reads_and_changes_nothing(desk: Desk) -> None:
    ds = desk.dataset()
    row = desk.first(ds)
    assert desk.viewer.get(f"/data/{ds}/rows").json()["may_write"] is False
    assert desk.post(ds, f"row/{row['id']}", desk.answer_with(row, "no"), desk.viewer).status_code == 403
    assert desk.first(ds) == row


@pytest.mark.parametrize("body", ["{", "[]", '{"changes": {"author": "me"}}', '{"changes": 7}', '{}', '{"changes": {}, "x": 1}'])
def test_what_the_panel_would_not_send_is_refused(desk: Desk, body: str) -> None:
    ds = desk.dataset()
    answer = desk.editor.post(f"/data/{ds}/row/{desk.first(ds)['id']}", content=body)
    assert (answer.status_code, answer.json()["error"]["key"]) == (422, "error.rows.unreadable")


@pytest.mark.parametrize("path", ["row/x", "row/1e9", "rows?limit=x", "compare?older=1", "history?before=x", "rows?around=x"])
def test_an_address_that_makes_no_sense_is_refused(desk: Desk, path: str) -> None:
    assert desk.editor.get(f"/data/{desk.dataset()}/{path}").status_code == 422


def test_what_goes_wrong_inside_is_an_incident_and_no_traceback(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("/home/secret")

    ds = desk.dataset()
    monkeypatch.setattr(desk.app.services.edits, "history", fail)
    answer = desk.editor.get(f"/data/{ds}/history")
    assert answer.status_code == 500
    assert "secret" not in answer.text


# --- words ------------------------------------------------------------------------------------------------------------

_SCRIPTS = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "assets" / "js" / "data").glob("*.js"))}
#: `t("name"`, `tn("name"`, and both words of `t(is ? "one" : "other"`.
_CALL = re.compile(r"\btn?\(([^()`{]*)")
_NAME = re.compile(r"(?:^|[?:])\s*\"(\w+)\"")
#: Said by the names of what they stand for.
_BY_VALUE = {"chosen", "rejected", "no_answer"}
_MADE = re.compile(r"\btn?\(\s*`(\w*)\$\{")


def _named() -> set[str]:
    return {name for source in _SCRIPTS.values() for call in _CALL.findall(source) for name in _NAME.findall(call)}


def _prefixes() -> set[str]:
    return {prefix for source in _SCRIPTS.values() for prefix in _MADE.findall(source)}


@pytest.mark.parametrize("lang", LANGS)
def test_every_word_that_the_script_says_is_there(lang: Any) -> None:
    words = rows_words(lang)
    assert len(_named()) > 150
    assert sorted(_named() - set(words)) == []
    assert [prefix for prefix in _prefixes() if not any(word.startswith(prefix) for word in words)] == []


def test_every_word_that_is_handed_over_is_said() -> None:
    """By the script, or by the routes, which name theirs in full."""
    python = "".join(path.read_text("utf-8") for path in (ROOT / "components").glob("data_*.py"))
    said = _named() | set(re.findall(r"rows\.(\w+)", python)) | _BY_VALUE
    prefixes = tuple(_prefixes() | set(re.findall(r"rows\.(\w+_)\{", python)))
    spare = [word for word in rows_words("en") if word.removesuffix("_one") not in said and not word.startswith(prefixes)]
    assert spare == []


def test_the_script_writes_no_markup() -> None:
    """What people wrote is shown as text, whatever it is."""
    for name, source in _SCRIPTS.items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", source), name
