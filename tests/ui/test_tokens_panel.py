"""What the view "What the model sees" says of a row and of a text: drawn by the panel's own handlers."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from components.shell import build_studio
from components.tokens_panel import visible
from studio.access import local_admin
from studio.data.rows import NewRow
from studio.ids import now
from studio.models.tables import bases
from studio.services import Services, build_services
from studio.settings import Settings
from studio.text import LANGS, Lang, text
from tests.tiny import CHATML, byte_tokenizer, sample_texts
from tests.unit.data.made import chat, dataset, rows_of

GIVEN = (None, None, 512, "")


class Panel:
    """A home with two bases, whose templates are alike and whose tokenizers are not, and the panel in both languages."""

    def __init__(self, services: Services) -> None:
        self.services = services
        for name, vocab_size in (("Coarse", 400), ("Fine", 2_000)):
            self.add_base(name, vocab_size)
        self.pages = {lang: build_studio(services, lang) for lang in LANGS}
        good, poor = ([{"role": "assistant", "content": words}] for words in ("Because.", "No."))
        pair = {"messages": [{"role": "user", "content": "Why?"}], "chosen": good, "rejected": poor}
        self.ds = dataset(
            services.db,
            [
                chat("Does <b>it</b> hurt?", "不疼。\n\nNot at all."),
                chat("Is it <|im_end|> long?", "word " * 600),
                NewRow("preference", pair),
                NewRow("label", {"text": "a", "label": "b"}),
                chat("Held out?", "Yes.", split="test"),
            ],
        )
        self.rows = [row.id for row in rows_of(services.db, self.ds)]

    def add_base(self, name: str, vocab_size: int) -> None:
        folder = self.services.settings.home / "models" / name.lower()
        folder.mkdir(parents=True)
        byte_tokenizer(sample_texts(), vocab_size).save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}), "utf-8")
        (folder / "chat_template.jinja").write_text(CHATML, "utf-8")
        values = {"id": name.lower(), "name": name, "source": "folder", "ref": "", "state": "ready", "author": "usr_a"}
        with self.services.db.write() as connection:
            connection.execute(bases.insert().values(**values, created_at=now()))

    def call(self, name: str, *given: Any, lang: Lang = "en", **query: Any) -> list[Any]:
        """What a handler of the panel writes; "open_panel" is the one that the opening button presses."""
        fns = [fn for fn in self.pages[lang].fns.values() if fn.name == name]
        fn = next(fn for fn in fns if any(getattr(block, "elem_id", "") == "tokens-cut" for block in fn.outputs))
        query = {"tab": "data", "view": "tokens", "dataset": self.ds} | {key: str(value) for key, value in query.items()}
        request = gr.Request(SimpleNamespace(state=SimpleNamespace(actor=local_admin(lang=lang)), query_params=query))
        assert fn.fn is not None
        written = fn.fn(*given, request)
        return list(written) if isinstance(written, tuple) else [written]

    def row(self, number: int, *given: Any, lang: Lang = "en") -> str:
        """The view of a row, by its number."""
        return str(self.call("open_panel", *(given or GIVEN), lang=lang, row=self.rows[number - 1])[-2])


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    settings = Settings(home=tmp_path_factory.mktemp("tokens") / "home").ready()
    services = build_services(settings)
    services.db.migrate(settings)
    yield Panel(services)
    services.close()


def words(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


@pytest.mark.parametrize("lang", LANGS)
def test_two_bases_stand_side_by_side_and_are_compared(panel: Panel, lang: Lang) -> None:
    shown = panel.row(1, lang=lang)
    assert re.findall(r'<b class="letter">(.)</b> (\w+)', shown) == [("A", "Coarse"), ("B", "Fine")]
    assert shown.count(text(lang, "tokens.ends_one")) == 2
    assert re.search(text(lang, "tokens.fewer", share="#").replace("#", r"\d+"), shown)


def test_ids_and_marks_are_those_of_the_row(panel: Panel) -> None:
    seen = panel.services.lens.row(local_admin(), panel.ds, panel.rows[0], "coarse", 512)
    drawn = re.findall(r'<span class="t ([ysx ]*)" data-ids="([\d ]+)">', panel.row(1, "coarse", "", 512, ""))
    assert [ids for _, ids in drawn] == [" ".join(map(str, piece.ids)) for piece in seen.pieces]
    assert ["y" in marks for marks, _ in drawn] == [piece.is_trained for piece in seen.pieces]


def test_without_b_one_base_stands_alone_and_with_the_same_base_twice_too(panel: Panel) -> None:
    for b in ("", "coarse"):
        assert panel.call("look", "coarse", b, 512, "", row=panel.rows[0])[0].count("<article") == 1


def test_what_is_wrong_with_a_row_is_said(panel: Panel) -> None:
    shown = words(panel.row(2))
    assert text("en", "tokens.fault_answer_cut") in shown
    assert "Behind the limit: Assistant" in shown
    assert text("en", "tokens.fault_control", tokens="<|im_end|>") in shown
    assert "trained ·" not in shown
    assert text("en", "tokens.edge", limit=512) in shown


@pytest.mark.parametrize("lang", LANGS)
def test_kinds_that_are_not_trained_are_shown_or_refused_in_plain_words(panel: Panel, lang: Lang) -> None:
    assert text(lang, "tokens.unread_preference") in panel.row(3, lang=lang)
    assert text(lang, "error.data.kind_not_rendered", kind=text(lang, "rows.kind_label")) in panel.row(4, lang=lang)


def test_a_row_that_no_training_learns_from_says_so(panel: Panel) -> None:
    assert text("en", "tokens.held_out") in panel.row(5)
    assert text("en", "tokens.held_out") not in panel.row(1)


def test_without_a_row_in_the_address_it_is_the_first_and_neighbours_are_links(panel: Panel) -> None:
    shown = panel.call("open_panel", *GIVEN)[-2]
    assert text("en", "doctor.row", no="1") in shown
    assert [f"row={row}" in shown for row in panel.rows[:3]] == [True, True, False]


@pytest.mark.parametrize("row", ["nonsense", "999999", "9" * 40])
def test_a_row_that_is_not_there_is_told_beside_a_way_back(panel: Panel, row: str) -> None:
    shown = panel.call("open_panel", *GIVEN, row=row)[-2]
    assert text("en", "error.data.unknown_row", row=int(row) if row == "999999" else row) in shown
    assert text("en", "tokens.first_row") in shown


def test_a_choice_stays_and_one_that_has_gone_does_not(panel: Panel) -> None:
    a, b, *_ = panel.call("open_panel", "fine", "gone", 512, "")
    assert (a["value"], b["value"], b["visible"]) == ("fine", "coarse", True)
    a, b, *_ = panel.call("open_panel", "fine", "", 512, "")
    assert (a["value"], b["value"]) == ("fine", "")


def test_a_limit_that_is_none_is_the_usual_one(panel: Panel) -> None:
    assert text("en", "tokens.edge", limit=16) in panel.row(1, "coarse", "", -5, "")
    assert "of 512" in panel.row(1, "coarse", "", None, "")


@pytest.mark.parametrize("lang", LANGS)
def test_a_text_is_cut_by_both_and_compared(panel: Panel, lang: Lang) -> None:
    (shown,) = panel.call("look_through", "coarse", "fine", 512, "Is <i>dilation</i> safe? 散瞳", lang=lang)
    n = panel.services.lens.text(local_admin(), "Is <i>dilation</i> safe? 散瞳", "coarse").n_tokens
    assert text(lang, "tokens.lens_facts", n=n, chars=27) in shown
    assert shown.count("<article") == 2
    assert "<i>dilation" not in shown
    assert panel.call("look_through", "coarse", "fine", 512, "") == [""]


def test_a_text_that_is_too_long_is_refused_where_it_is_typed(panel: Panel) -> None:
    (shown,) = panel.call("look_through", "coarse", "fine", 512, "x" * 20_001)
    assert text("en", "error.data.lens_too_long", n=20_001, limit=20_000) in shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a b", [(False, "a"), (True, "·"), (False, "b")]),
        ("\n", [(True, "↵\n")]),
        ("\t\r", [(True, "→"), (True, "␍")]),
        ("\u3000\u200b\u202e", [(True, "□"), (True, "U+200B"), (True, "U+202E")]),
        ("卡尔·马克思", [(False, "卡尔·马克思")]),
        ("👩\u200d💻", [(False, "👩\u200d💻")]),
        ("", []),
    ],
)
def test_white_space_is_shown_and_nothing_else_is_changed(written: str, shown: list[tuple[bool, str]]) -> None:
    assert list(visible(written)) == shown


def test_choices_that_come_later_do_not_bind_a_server_that_was_started_again(panel: Panel) -> None:
    names = ("tokens-base-a", "tokens-base-b")
    boxes = [block for block in panel.pages["en"].blocks.values() if getattr(block, "elem_id", "") in names]
    assert [box.preprocess("chosen long ago") for box in boxes if isinstance(box, gr.Dropdown)] == ["chosen long ago"] * 2


@pytest.mark.parametrize("lang", LANGS)
def test_with_one_base_b_is_hidden_and_with_none_it_is_said_how_to_get_one(panel: Panel, lang: Lang, tmp_path: Path) -> None:
    """Last in this file: it takes the bases away."""
    with panel.services.db.write() as connection:
        connection.execute(bases.delete().where(bases.c.id == "fine"))
    _, b, *_, row, _ = panel.call("open_panel", *GIVEN, lang=lang)
    assert b["visible"] is False
    assert text(lang, "tokens.second") in row

    with panel.services.db.write() as connection:
        connection.execute(bases.delete())
    _, _, form, more, row, cut = panel.call("open_panel", None, None, 512, "text", lang=lang)
    assert (form["visible"], more["visible"], cut) == (False, False, "")
    assert text(lang, "data.tile.no_base") in row
    shutil.rmtree(panel.services.settings.home / "models")
    for name, vocab_size in (("Coarse", 400), ("Fine", 2_000)):
        panel.add_base(name, vocab_size)
