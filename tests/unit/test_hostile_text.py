"""What people and models write is text, wherever it is shown: it adds no element and no attribute, and is shown as it was
written. And names that everybody sees cannot pass for other names.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace as Some
from typing import Any
from urllib.parse import quote_plus

import pytest
import sqlalchemy as sa

from components.page import ASSETS, _as_shown, render
from studio.access import Actor, Role
from studio.data import store
from studio.data.checks import check_of
from studio.data.checks.base import Context, RowView
from studio.data.doctor import health
from studio.data.picture import Picture
from studio.data.rows import NewRow
from studio.data.tables import datasets
from studio.db import Database
from studio.errors import DataError, ModelError, StudioError
from studio.models.catalogue import Base, ModelService
from studio.services import Services
from studio.settings import ROOT, Settings
from studio.text import LANGS, Lang, error_text, is_plain
from studio.train.preflight import look_ahead
from studio.train.spec import BaseRef, DatasetRef, TrainSpec
from tests.unit.pages_of_training import training_pages

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "end of a script": "</script></style></title></textarea><script>alert(1)</script>",
    "event handler": "<img src=x onerror=alert(1)>",
    "svg": "<svg/onload=alert(1)>",
    "out of an attribute": '" onmouseover="alert(1)" x="',
    "out of another attribute": "' autofocus onfocus='alert(1)",
    "without quotes": "x onmouseover=alert(1)",
    "link": "javascript:alert(1)//",
    "markdown link": "[click](javascript:alert(1)) ![](https://evil.example/x.png)",
    "remote image": '<img src="https://evil.example/seen.png">',
    "style": "</p><style>*{display:none}</style>",
    "frame": '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    "comment": "<!-- --><b>",
    "cdata": "<![CDATA[<b>]]>",
    "escaped already": "&lt;b&gt; &amp; &#60;i&#62;",
    "half a tag": "<a href=",
    "address": "x&tab=people#<b>?a=b c",
    "turned round": "abc\u202egnp.exe\u2066\u200f",
    "jinja": "{{ 7 * 7 }}{% raw %}{# #}",
    "template string": "${7*7} `x` {0} {name} %s",
    "handlebars": "{{{this}}} {{#each}} <%= x %>",
    "terminal": "\x1b[31mred\x1b[0m\x07",
    "null byte": "a\x00<b\x00>c",
    "line breaks": "a\r\nSet-Cookie: x\u2028b",
}

#: Takes the place of what is hostile in the page that it is compared with.
PLAIN = "aplainword"

_AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


# --- realistic values, with one word wherever people or models write ------------------------------------------------------


def doctor(w: str) -> dict[str, Any]:
    """A report whose open finding has examples, spots, differences and a cluster."""
    line = Some(check=check_of("html"), key="html", n_rows=2, n_groups=1, n_left=2, n_settled=1, share_saved=3)
    spots = [{"label": "user", "what": w, "pieces": [["same", w], ["hit", w]]}]
    part = {"label": "user", "role": "user", "pieces": [["gone", w], ["new", w], ["same", w]]}
    example = {"no": "1", "id": 1, "spots": spots, "n_more": 2, "after": None, "fate": ""}
    member = {"id": 1, "no": "1", "question": w, "answer": w, "split": "train", "is_kept": False, "is_unsettled": True}
    picture_of = picture(w)
    summary = {"n_rows": 9, "seconds": 1.0, "health": health(9, 9, {}), "picture": picture_of}
    examined = Some(id="exm_a", revision=1, base_id=w, max_seq_len=512, finished_at=_AT)
    told = Some(examined=examined, revision=2, is_current=False, lines=[line], clean=[], not_run={}, summary=summary)
    return {
        "told": told,
        "line": line,
        "detail": {
            "examples": [example, example | {"after": [part], "fate": w}],
            "clusters": [{"number": 1, "n_more": 1, "rows": [member, member | {"is_kept": True}]}],
            "next": 5,
            "first": False,
        },
        "last": {"number": 2, "before": 1, "words": w, "step": "undo"},
        "wish": "a" * 32,
        "rule_words": lambda check: check.key,
    }


def job(w: str, **more: Any) -> Some:
    error = {"key": "error.data.name_taken", "field": "name", "params": {"name": w}}
    result = {"base_loss": 2.0, "best_loss": 1.0, "best_step": 8, "seconds": 61.0, "early_stopped": True, "steps": 8}
    values: dict[str, Any] = {
        "id": "job_a",
        "name": w,
        "kind": "train",
        "state": "failed",
        "run_id": w,
        "phase": "training",
        "total": 10,
        "done": 3,
        "share_done": 0.3,
        "eta_s": 5.0,
        "is_active": True,
        "has_ended": True,
        "can_resume": True,
        "deaths": 0,
        "error": error,
        "started_at": _AT,
        "device": w,
        "result": result | {"planned_steps": 10},
    }
    return Some(**values | more)


def run(w: str) -> Some:
    what = {"method": "qlora", "rank": 8, "stage": "dpo", "watched": ("rewards",)}
    return Some(id=w, name=w, job=job(w), created_at=_AT, **what, spec={"preset": "quick"})


def base(w: str, **more: Any) -> Some:
    values = {"id": w, "name": w, "state": "ready", "parameters": 135_000_000, "context": 2048, "licence": w}
    return Some(**values | {"dequantised_from": w} | more)


def account(w: str) -> Some:
    values = {"id": w, "name": w, "role": "editor", "active": False, "has_password": True, "invited_until": None}
    return Some(**values, created_at=_AT, last_login_at=_AT)


def picture(w: str) -> dict[str, Any]:
    """Of two rows, with the word wherever a picture holds words."""
    made = Picture(Context(w))
    for _ in range(2):
        messages = [{"role": "user", "content": "A question?"}, {"role": "assistant", "content": "An answer."}]
        made.add(RowView(NewRow("chat", {"messages": messages}, topic="eyes")))
    told = made.as_json()
    told["openings"]["user"]["top"] = told["balance"]["topic"]["classes"] = [[w, 2]]
    return told | {"said": [{"key": "picture.said.begin_user", "params": {"share": 80, "words": w}}]}


def draft(w: str, found: Some) -> dict[str, Any]:
    """Two brought files, the second of which cannot be read."""
    problem = {"key": "error.data.name_taken", "params": {"name": w}}
    more = {"mapping": None, "is_away": False, "remote": None, "split": "test"}
    file, bad = Some(name=w, chosen=True, problem=None, **more), Some(name=w, chosen=False, problem=problem, **more)
    look = Some(found=found, problem=problem)
    return {"draft": Some(id=w, files=[file, bad]), "at": 0, "file": file, "looks": {0: look}, "first": look, "now": look}


def tokens(w: str) -> dict[str, dict[str, Any]]:
    """A row and a text under one base that takes them, and a row under one that does not."""
    piece = {"edge": True, "marks": "y", "ids": "1 2", "parts": [(True, "·"), (False, w)]}
    counts = {"n_tokens": 9, "n_targets": 4, "limit": 8, "is_cut": True, "is_read": True, "n_left_out": 1}
    said, share = {"well": w, "ends": [w], "faults": [w], "unread": w}, Some(tokens=1, trained=2, beyond=3)
    seen = {"name": w, "seen": Some(**counts), "turns": [(w, [piece])], "shares": [(w, "user", share)]} | said
    refused = {"name": w, "seen": None, "problem": {"key": "error.data.name_taken", "params": {"name": w}}}
    place = Some(row=Some(id=1, split="test"), previous=None, next=2)
    lens = Some(n_tokens=2, n_chars=1, tokens_per_char=2.0, n_left_out=1)
    row = {"dataset": w, "n_bases": 2, "place": place, "problem": None, "no": "1", "views": [seen, refused], "difference": w}
    views = [{"name": w, "lens": lens, "pieces": [piece]}]
    return {"tokens_row": row, "tokens_lens": {"problem": refused["problem"], "difference": w, "views": views}}


def samples(w: str) -> dict[str, dict[str, Any]]:
    """For each template what it is drawn with."""
    refused = [{"line": 3, "key": "error.data.name_taken", "params": {"name": w}, "excerpt": w}]
    written = {"n_seen": 2, "n_fit": 1, "unfit": {"data.unfit.kind": 1}}
    report = {"n_refused": 1, "refused": refused}
    info = Some(id=w, name=w, note=w, n_rows=2, revision=3, created_at=_AT, counts={"train": 2}, report=report)
    info.locked_at = _AT
    messages = [{"role": "user", "content": w}, {"role": "assistant", "content": w}]
    row = Some(id=1, kind="chat", position=1024, split="train", content={"messages": messages}, origin={"ref": w, "line": 3})
    found = Some(
        file_format="csv",
        shape="question_answer",
        encoding="gb18030",
        n_good=1,
        n_refused=1,
        n_read=2,
        splits={"train": 1},
        truncated=True,
        refused=refused,
        preview=[row],
        columns=(w, "b"),
        records=[{w: w}],
        reasons=[Some(key="data.file.no_header", params={"found": w})],
        detection=Some(is_sure=False, reasons=[]),
    )
    guest_link = Some(
        id=w, name=w, state="open", visits=1, max_visits=2, expires_at=_AT, target={"models": [w, "run_a"]}, has_password=True
    )
    guest_link.questions_per_hour, guest_link.tokens_per_day = 60, 50_000
    use = Some(questions=1, guests=1, tokens=5, last_asked_at=_AT, thumbs={w: Some(up=1, down=0)})
    line = Some(id=1, at=_AT, user_id=w, user_name=w, role="editor", link_id=w, link_name=w, address=w, action="run.start")
    line.outcome, line.target, line.detail = "failed", w, {"error": w, w: 1}
    page = {"other": "zh", "kept": {"next": w, "k": w}}
    cleaned = Some(by_kind={"snapshots": 1}, bytes=5)
    item = Some(id=w, name=w, bytes=5)
    return {
        "account_detail": {"user": account(w), "is_me": True},
        "told": {"key": "accounts.logged_out"},
        "account_made": {"address": f"http://127.0.0.1/invite?k={w}", "is_local": True},
        "accounts": {"users": [account(w)], "chosen": account(w), "me": w},
        "accounts_new": {},
        "activity": {"lines": [(line, w)], "older": 7, "is_first": False, "names": {w: w}},
        "bases": {"bases": [base(w), base(w, id="b", state="failed")], "active": {}, "failed": {"b": job(w)}},
        "chat_examples": {"questions": [w], "n_checkpoints": 0},
        "chat_foot": {"answer": Some(state="failed", tokens=5, ttft_ms=9, finish_reason="length"), "speed": 1.5},
        "chat_note": {"waits": True, "busy": [job(w)], "engine": None},
        "chats": {"chats": [(w, w, _AT)], "chosen": w},
        "data_empty": {},
        "dataset": {
            "info": info,
            "view": Some(refused={"error.data.no_name": 1}, longest=9, n_seen=1, n_rows=2),
            "base": base(w),
            "limit": 512,
            "views": ["rows", "split"],
            "chosen_view": "rows",
            "runs": [run(w)],
        },
        "datasets": {"working": [job(w, kind="import")], "datasets": [info], "chosen": w, "elsewhere": {"row": ""}},
        "demo": page | {"name": w, "is_blind": True},
        "demo_password": page | {"name": w, "wrong": w},
        "doctor_picture": {"picture": picture(w)},
        "draft": draft(w, found) | {"job": job(w, kind="bring")},
        "draft_rows": {"found": found, "split": "test"},
        "doctor_empty": {"info": info, "is_working": False, "may_write": True},
        "doctor_report": doctor(w) | {"info": info, "is_working": False, "may_write": True, "n_aside": 1},
        "export_found": {
            "found": Some(first={"chat": w}, n_rows=9, n_seen=5, n_fit=4, unfit={"chat": {"data.unfit.tools": 1}})
        },
        "export_made": {"job": None, "name": w, "href": f"/exports/{quote_plus(w)}", "counts": written},
        "header": {"active": [job(w, state="running")] * 3, "worker": "died", "me": account(w), "role": "editor"},
        "mix_found": {
            "found": Some(
                n_rows=2,
                unit="tokens",
                warnings=[],
                parts=[
                    Some(
                        dataset_id=w,
                        name=w,
                        rows_taken=1,
                        rows_available=2,
                        share_rows=0.5,
                        share_tokens=0.5,
                        held_out=1,
                        n_sampled=2,
                    )
                ],
            )
        },
        "link_detail": {"link_": guest_link, "use": use, "names": {"run_a": w}},
        "link_made": {"address": f"http://127.0.0.1/demo/x/?k={w}", "is_local": True},
        "links": {"links": [guest_link], "chosen": guest_link, "use": {w: use}},
        "links_new": {},
        "links_warning": {},
        "people": {"is_open": False, "sections": [], "chosen": "", "me": account(w)},
        "plain": page,
        "plain_account": page
        | {"me": account(w), "done": "", "wrong": w, "sessions": [Some(agent=w, address=w, seen_at=_AT, is_this=True)]},
        "plain_login": page | {"wanted": w, "name": w, "wrong": w},
        "plain_message": page | {"title": w, "words": w, "login": True},
        "plain_password": page | {"purpose": "invite", "name": w, "token": w, "wrong": w},
        "purge": {
            "done": False,
            "delete_checkpoints": False,
            "found": Some(
                is_empty=False,
                datasets=[Some(name=w, n_rows=1)],
                runs=[Some(name=w, checkpoints=1, bytes=5)],
                examples=[w],
                **dict.fromkeys(("chats", "questions", "ratings", "uploads", "snapshots", "texts", "records"), 1),
            ),
        },
        "refusals": {"refused": refused, "n_refused": 2},
        "row_parts": {"row": row},
        "rows_panel": {"info": info, "view": w},
        "run_resume": {"last_step": 8},
        "runs_empty": {"datasets": [info]},
        "saved": {"name": "hub"},
        "settings": {
            "report": Some(
                devices=[Some(kind="cpu", name=w, total_bytes=5)],
                free_memory_bytes=1,
                total_memory_bytes=2,
                free_disk_bytes=3,
                settings=Some(home=w),
                database=w,
                versions={w: w},
            ),
            "worker": True,
            "engines": [Some(base_name=w, is_ready=True, memory_bytes=5, device=w)],
        },
        "settings_disk": {
            "use": Some(total_bytes=9, free_bytes=9, kinds=[("runs", 5)], datasets=[item], runs=[item], models=[item]),
            "cleanable": cleaned,
            "removed": cleaned,
        },
        "split_found": {
            "found": Some(before={"train": 2}, after={"test": 2}, n_changed=2, n_groups=2, largest_group=1, warnings=[])
        },
        "split_lock": {"info": info},
        "start": {"dataset": info, "run": None, "done": None, "base": None, "fetching": None, "failed": job(w)},
        **tokens(w),
        **training_pages(w, run(w), base(w), job(w)),
    }


#: Templates that show nothing that anybody wrote.
WITHOUT_TEXT = {"told", "accounts_new", "chat_foot", "data_empty", "doctor_empty", "links_new", "links_warning", "run_resume"}
WITHOUT_TEXT = WITHOUT_TEXT | {"memory_bar", "models_empty", "pushed", "runs_empty", "saved", "split_found", "split_lock"}


# --- templates --------------------------------------------------------------------------------------------------------


class Parsed(HTMLParser):
    """A page as a browser takes it: elements with their attributes in order, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[Any] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append(("element", tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.parts.append(("end", tag))

    def handle_comment(self, data: str) -> None:
        self.parts.append(("comment", data))

    def handle_decl(self, decl: str) -> None:
        self.parts.append(("declaration", decl))

    def unknown_decl(self, data: str) -> None:
        self.parts.append(("declaration", data))

    def handle_pi(self, data: str) -> None:
        self.parts.append(("instruction", data))

    def handle_data(self, data: str) -> None:
        if self.parts and self.parts[-1][0] == "text":
            data = self.parts.pop()[1] + data
        self.parts.append(("text", data))


def with_plain_word(parts: list[Any], hostile: str) -> list[Any]:
    """The same with PLAIN wherever the hostile text stands as it was written, or quoted as a part of an address."""

    def plain(value: str | None) -> str | None:
        return None if value is None else value.replace(hostile, PLAIN).replace(quote_plus(hostile), PLAIN)

    return [
        (kind, name, [(key, plain(value)) for key, value in rest[0]]) if kind == "element" else (kind, plain(name))
        for kind, name, *rest in parts
    ]


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("template", sorted(samples(PLAIN)))
def test_hostile_text_is_shown_as_it_was_written_and_changes_nothing_else(template: str, lang: Lang) -> None:
    expected = Parsed(render(template, lang, **samples(PLAIN)[template])).parts
    for kind, hostile in HOSTILE.items():
        shown = Parsed(render(template, lang, **samples(hostile)[template]))
        assert with_plain_word(shown.parts, hostile) == expected, kind


def test_every_template_is_tried() -> None:
    assert sorted(samples(PLAIN)) == sorted(path.stem for path in (ASSETS / "html").glob("*.html"))


@pytest.mark.parametrize("template", sorted(set(samples(PLAIN)) - WITHOUT_TEXT))
def test_the_values_reach_the_page(template: str) -> None:
    """Guards the test above, which would pass where nothing is shown."""
    assert PLAIN in render(template, "en", **samples(PLAIN)[template])


def test_the_parser_sees_what_is_not_escaped() -> None:
    """Guards it as well: each of these would be found."""
    for hostile in (HOSTILE["script"], HOSTILE["event handler"], HOSTILE["style"], HOSTILE["comment"]):
        assert with_plain_word(Parsed(f"<p>{hostile}</p>").parts, hostile) != Parsed(f"<p>{PLAIN}</p>").parts
    hostile = HOSTILE["out of an attribute"]
    assert with_plain_word(Parsed(f'<p title="{hostile}">').parts, hostile) != Parsed(f'<p title="{PLAIN}">').parts


@pytest.mark.parametrize("template", sorted((ASSETS / "html").glob("*.html")), ids=lambda path: path.stem)
def test_no_template_turns_the_escaping_off(template: Path) -> None:
    words = template.read_text("utf-8")
    assert [sign for sign in ("|safe", "| safe", "autoescape", "Markup", "srcdoc", "javascript:") if sign in words] == []


# --- toasts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("kind", list(HOSTILE))
def test_an_error_on_the_page_is_text(kind: str, lang: Lang) -> None:
    """Gradio shows the message of an error as HTML."""
    error = DataError("error.data.name_taken", field="name", name=HOSTILE[kind])
    assert Parsed(_as_shown(error, lang).message).parts == [("text", error_text(lang, error))]


def test_a_defect_shows_a_number_and_nothing_of_what_it_says() -> None:
    shown = _as_shown(ValueError("<b>marker</b>"), "en").message
    assert "marker" not in shown


def calls_in(path: Path) -> set[str]:
    """The last words of what is called: `gr.Error(…)` is "Error"."""
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    return {call.attr for call in calls if isinstance(call, ast.Attribute)}


def test_nothing_else_is_put_into_a_toast() -> None:
    """What is said on the page goes through the one place that escapes."""
    toasts = {"Error", "Info", "Warning"}
    found = {path.name for path in (ROOT / "components").rglob("*.py") if toasts & calls_in(path)}
    assert found == {"page.py"}


# --- names ------------------------------------------------------------------------------------------------------------

REFUSED_IN_NAMES = [*"\n\r\t\x00\x1b\x7f\x85\u2028\u2029\u061c\u200b\u200e\u200f\ufeff\ud800"]
REFUSED_IN_NAMES += [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]

PLAIN_NAMES = ["eyes 2", "眼睛 – 问答", "Ærøskøbing", "می\u200cخواهم", "👩\u200d💻", "<b>", "{{ x }}", "O'Brien; --"]


@pytest.mark.parametrize("char", REFUSED_IN_NAMES, ids=lambda char: f"U+{ord(char):04X}")
@pytest.mark.parametrize("make", [lambda c: c, lambda c: f"a{c}b", lambda c: f"ab{c}"], ids=["alone", "within", "at the end"])
def test_what_is_not_seen_or_turns_the_line_round_is_not_plain(char: str, make: Callable[[str], str]) -> None:
    assert not is_plain(make(char))


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_names_of_every_language_are_plain(name: str) -> None:
    assert is_plain(name)


@pytest.mark.parametrize("name", ["a\u202eb", "a\nb", "a\x00b"])
def test_a_dataset_cannot_have_such_a_name(db: Database, name: str) -> None:
    with db.write() as connection, pytest.raises(DataError) as caught:
        store.create_dataset(connection, name, "usr_local")
    assert (caught.value.key, caught.value.field) == ("error.name.not_plain", "name")


def test_a_dataset_may_have_any_name_that_is_plain(db: Database) -> None:
    with db.write() as connection:
        for name in PLAIN_NAMES:
            store.create_dataset(connection, name, "usr_local")
    with db.read() as connection:
        assert set(connection.execute(sa.select(datasets.c.name)).scalars()) == set(PLAIN_NAMES)


def named(name: str) -> TrainSpec:
    return TrainSpec(name=name, base=BaseRef(id="b", revision=""), dataset=DatasetRef(id="ds_a", revision=1, hash=""))


def problems_of(name: str, settings: Settings) -> list[tuple[str, str]]:
    model = Base("b", "b", "hub", "a/b", "", "ready", "", 1, 1, 0, "", "")
    counted = {"n_rows": 1, "n_seen": 1, "n_examples": 1, "tokens": 1, "unended": 0, "leaked": 0}
    view: Any = Some(counts={"train": 1, "validation": 1}, refused={}, **counted)
    ahead = look_ahead(named(name), model, Some(counts={}, name="d"), view, settings)  # type: ignore[arg-type]
    return [(error["key"], error["field"]) for error in ahead.errors]


def test_a_run_cannot_be_started_under_such_a_name(settings: Settings) -> None:
    assert ("error.name.not_plain", "name") in problems_of("a\u202eb", settings)
    assert ("error.name.not_plain", "name") not in problems_of("眼睛 2", settings)


def test_a_run_that_has_such_a_name_already_is_still_read() -> None:
    """It was started before there was the rule."""
    assert named("a\u202eb").name == "a\u202eb"


def test_a_base_from_a_folder_cannot_have_such_a_name(db: Database, settings: Settings, actor: Actor, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        ModelService(db, settings).add(actor, str(tmp_path / "a\u202eb"))
    assert caught.value.key == "error.name.not_plain"


@pytest.mark.parametrize("name", ["a\u202eb", "a\nb", "a\x00b"])
def test_an_account_cannot_have_such_a_name(services: Services, actor: Actor, name: str) -> None:
    with pytest.raises(StudioError) as caught:
        services.users.add(actor, name, Role.ADMIN, password="a long password")
    assert caught.value.field == "name"
