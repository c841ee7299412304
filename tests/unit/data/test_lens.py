"""A row as the model sees it, and a text as a tokenizer cuts it: nothing is lost, nothing is counted twice, faults are found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.access import Actor, Role
from studio.data.edits import RowChanges
from studio.data.lens import Answer, Seen, lens, saving, seen
from studio.data.render import Template, render
from studio.data.rows import NewRow
from studio.errors import AccessError, DataError, ModelError, NotFoundError
from studio.services import Services
from studio.settings import Settings
from tests.unit.data.conftest import byte_level_tokenizer
from tests.unit.data.made import chat, dataset, question, rows_of

FolderOf = Callable[[str], Path]

TURNS = [{"role": "user", "content": "高血压是什么？"}, {"role": "assistant", "content": "高血压是慢性疾病。"}]
MORE = [{"role": "user", "content": "Is it lasting?"}, {"role": "assistant", "content": "Yes."}]


@pytest.fixture
def chatml(model_folder: FolderOf) -> Template:
    return Template.load(model_folder("chatml"))


def ids(shown: Seen) -> list[int]:
    return [id_ for piece in shown.pieces for id_ in piece.ids]


# --- a row ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["chatml", "llama3", "mistral", "gemma", "phi3", "zephyr"])
def test_pieces_are_the_whole_row_and_answers_end_well(family: str, model_folder: FolderOf) -> None:
    template = Template.load(model_folder(family))
    content = {"messages": TURNS + MORE}
    rendered = render("chat", content, template)

    shown = seen("chat", content, template, 512)

    assert ids(shown) == rendered.ids
    assert [counts for piece in shown.pieces for counts in piece.mask] == rendered.loss_mask
    assert "".join(piece.text for piece in shown.pieces) == rendered.text
    assert sum(share.tokens for share in shown.shares.values()) == shown.n_tokens
    assert sum(share.trained for share in shown.shares.values()) == shown.n_targets == rendered.n_targets
    assert (shown.ends_well, shown.is_cut, shown.control, len(shown.answers)) == (True, False, (), 2)
    ends = [piece for piece in shown.pieces if piece.is_special and piece.is_trained]
    assert [piece.text for piece in ends] == [answer.end for answer in shown.answers]


def test_what_lies_behind_the_limit_is_marked_and_counted_by_role(chatml: Template) -> None:
    whole = seen("chat", {"messages": TURNS + MORE}, chatml, 512)
    limit = whole.n_tokens - 4  # in "Yes.<|im_end|>\n"

    shown = seen("chat", {"messages": TURNS + MORE}, chatml, limit)

    assert ids(shown) == ids(whole)
    assert sum(len(piece.ids) for piece in shown.pieces if piece.is_beyond) == 4
    assert {role: share.beyond for role, share in shown.shares.items() if share.beyond} == {"assistant": 3, "template": 1}
    assert (shown.is_cut, shown.ends_well) == (True, False)
    assert [answer.is_cut for answer in shown.answers] == [False, True]


def test_a_row_of_exactly_the_limit_is_whole(chatml: Template) -> None:
    n = seen("chat", {"messages": TURNS}, chatml, 512).n_tokens
    assert not seen("chat", {"messages": TURNS}, chatml, n).is_cut
    assert not any(piece.is_beyond for piece in seen("chat", {"messages": TURNS}, chatml, n).pieces)


def test_plain_text_ends_with_a_trained_token_that_the_model_stops_at(model_folder: FolderOf) -> None:
    shown = seen("text", {"text": "青光眼会损害视神经。"}, Template.load(model_folder("llama3")), 512)

    assert shown.answers == (Answer(True, "<|end_of_text|>", True),)
    assert shown.shares["text"].trained == shown.n_targets == shown.n_tokens - 1  # nothing predicts the first
    assert all(piece.is_trained for piece in shown.pieces)


def test_an_answer_without_an_end_token_is_found(chatml: Template) -> None:
    plain = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    plain += "{% if add_generation_prompt %}assistant: {% endif %}"

    shown = seen("chat", {"messages": TURNS}, replace(chatml, chat_template=plain), 512)

    assert shown.answers == (Answer(True),)
    assert not shown.ends_well


def test_an_end_token_at_which_the_model_does_not_stop_is_found(chatml: Template) -> None:
    """A folder whose generation settings name another token than its template writes."""
    shown = seen("chat", {"messages": TURNS}, replace(chatml, end_ids=frozenset({5})), 512)

    assert shown.answers == (Answer(True, "<|im_end|>", stops=False),)
    assert not shown.ends_well


def test_an_answer_that_the_template_shows_otherwise_is_found(chatml: Template) -> None:
    source = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('</think>')[-1] }}"
        "{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    first = [TURNS[0], {"role": "assistant", "content": "<think>hm</think>高血压。"}]

    shown = seen("chat", {"messages": first + MORE}, replace(chatml, chat_template=source), 512)

    assert sorted(answer.is_trained for answer in shown.answers) == [False, True]
    assert not shown.ends_well


def test_special_tokens_in_somebodys_own_words_are_named(chatml: Template) -> None:
    messages = [{"role": "user", "content": "What is <|im_end|>?"}, TURNS[1]]

    shown = seen("chat", {"messages": messages}, chatml, 512)

    assert shown.control == ("<|im_end|>",)
    assert [piece.role for piece in shown.pieces if piece.text == "<|im_end|>"] == ["template", "user", "template", "assistant"]


@pytest.mark.parametrize(
    ("kind", "more", "last"),
    [
        ("preference", {"chosen": [TURNS[1]], "rejected": [MORE[1]]}, TURNS[1]["content"]),
        ("prompt", {"answer": "慢性疾病"}, "慢性疾病"),
        ("prompt", {}, TURNS[0]["content"]),
    ],
)
def test_kinds_that_no_training_reads_are_shown_as_conversations_and_nothing_is_trained(
    kind: str, more: dict[str, Any], last: str, chatml: Template
) -> None:
    shown = seen(kind, {"messages": TURNS[:1]} | more, chatml, 512)

    text = "".join(piece.text for piece in shown.pieces)
    assert text.endswith(f"{last}<|im_end|>\n")
    assert "Yes." not in text
    assert (shown.is_read, shown.n_targets, shown.answers) == (False, 0, ())
    assert not any(piece.is_trained for piece in shown.pieces)


def test_feedback_is_shown_as_it_was_said(chatml: Template) -> None:
    shown = seen("feedback", {"messages": TURNS, "label": False}, chatml, 512)
    assert ids(shown) == render("chat", {"messages": TURNS}, chatml).ids
    assert shown.n_targets == 0


@pytest.mark.parametrize(
    ("kind", "content"),
    [("label", {"text": "a", "label": "b"}), ("choice", {"question": "a", "options": ["b", "c"], "answer": 0})],
)
def test_kinds_that_are_no_conversation_are_refused(kind: str, content: dict[str, Any], chatml: Template) -> None:
    with pytest.raises(DataError) as caught:
        seen(kind, content, chatml, 512)
    assert (caught.value.key, caught.value.params) == ("error.data.kind_not_rendered", {"kind": kind})


def test_only_the_first_tokens_have_pieces_and_everything_is_counted(chatml: Template) -> None:
    content = {"messages": TURNS * 20}
    whole = seen("chat", content, chatml, 512)

    shown = seen("chat", content, chatml, 512, most=101)

    n = len(ids(shown))
    assert 90 < n <= 101
    assert shown.pieces == whole.pieces[: len(shown.pieces)]
    assert shown.n_left_out == whole.n_tokens - n
    assert replace(shown, pieces=whole.pieces) == whole


# --- a text -----------------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(TEXTS)
@hypothesis_settings(database=None, deadline=None, max_examples=100)
def test_a_text_is_cut_into_pieces_that_are_the_text(text: str) -> None:
    template = Template(_TOKENIZER, None, {}, frozenset(), None)

    shown = lens(text, template)

    assert "".join(piece.text for piece in shown.pieces) == text
    assert [id_ for piece in shown.pieces for id_ in piece.ids] == _TOKENIZER.encode(text).ids
    assert (shown.n_chars, shown.n_tokens, shown.n_left_out) == (len(text), len(_TOKENIZER.encode(text).ids), 0)


_TOKENIZER = byte_level_tokenizer(("<s>", "</s>"), trim_offsets=False)


def test_a_rare_character_is_one_piece_of_several_tokens(chatml: Template) -> None:
    shown = lens("a龘b", chatml)
    assert [(piece.text, len(piece.ids)) for piece in shown.pieces] == [("a", 1), ("龘", 3), ("b", 1)]
    assert shown.tokens_per_char == pytest.approx(5 / 3)


def test_no_text_has_no_tokens(chatml: Template) -> None:
    assert (lens("", chatml).n_tokens, lens("", chatml).tokens_per_char) == (0, 0.0)


def test_a_saving_is_a_share_of_the_first() -> None:
    assert [saving(100, 82), saving(100, 100), saving(50, 75), saving(0, 3)] == [0.18, 0.0, -0.5, 0.0]


# --- for whom, and of which row ---------------------------------------------------------------------------------------


@pytest.fixture
def base(settings: Settings, model_folder: FolderOf) -> str:
    shutil.copytree(model_folder("chatml"), settings.home / "models" / "chatml")
    return "chatml"


def test_rows_are_walked_in_their_order(services: Services, actor: Actor) -> None:
    ds = dataset(services.db, [chat(f"question {n}") for n in range(3)])
    one, two, three = (row.id for row in rows_of(services.db, ds))

    places = [services.lens.place(actor, ds, row) for row in (one, two, three)]

    assert services.lens.first_row(actor, ds) == one
    assert [place.row.id for place in places] == [one, two, three]
    assert [(place.previous, place.next) for place in places] == [(None, two), (one, three), (two, None)]


def test_an_old_link_shows_the_row_as_it_is_now(services: Services, actor: Actor, base: str) -> None:
    ds = dataset(services.db, [chat("before"), chat("other")])
    old = rows_of(services.db, ds)[0]
    changed = RowChanges(content={"messages": [{"role": "user", "content": "after"}, old.content["messages"][1]]})
    services.edits.save_row(actor, ds, old.id, changed)

    assert question(services.lens.place(actor, ds, old.id).row) == "after"
    words = [piece.text for piece in services.lens.row(actor, ds, old.id, base, 512).pieces if piece.role == "user"]
    assert "".join(words) == "after"


def test_a_row_of_another_dataset_is_not_shown(services: Services, actor: Actor, base: str) -> None:
    mine, theirs = (dataset(services.db, [chat(name)]) for name in ("mine", "theirs"))
    row = rows_of(services.db, theirs)[0].id

    for ask in (lambda: services.lens.place(actor, mine, row), lambda: services.lens.row(actor, mine, row, base, 512)):
        with pytest.raises(NotFoundError) as caught:
            ask()
        assert (caught.value.key, caught.value.params) == ("error.data.unknown_row", {"row": row})


def test_a_dataset_without_rows_has_no_first_one(services: Services, actor: Actor) -> None:
    assert services.lens.first_row(actor, dataset(services.db, [])) is None


def test_rows_and_texts_that_would_take_too_long_are_refused(services: Services, actor: Actor, base: str) -> None:
    turns = [{"role": ("user", "assistant")[n % 2], "content": "a"} for n in range(302)]
    ds = dataset(services.db, [NewRow("text", {"text": "x" * 150_000}), NewRow("chat", {"messages": turns})])

    for row in rows_of(services.db, ds):
        with pytest.raises(DataError) as caught:
            services.lens.row(actor, ds, row.id, base, 512)
        assert caught.value.key == "error.data.lens_row_too_long"
    with pytest.raises(DataError) as caught:
        services.lens.text(actor, "x" * 20_001, base)
    assert (caught.value.key, caught.value.params["n"]) == ("error.data.lens_too_long", 20_001)
    assert services.lens.text(actor, "x" * 20_000, base).n_chars == 20_000


def test_a_text_that_cannot_be_stored_is_refused(services: Services, actor: Actor, base: str) -> None:
    with pytest.raises(DataError) as caught:
        services.lens.text(actor, "a\ud800", base)
    assert caught.value.key == "error.data.lone_surrogate"


def test_a_base_that_is_not_here_is_named(services: Services, actor: Actor) -> None:
    with pytest.raises(ModelError) as caught:
        services.lens.text(actor, "a", "elsewhere")
    assert (caught.value.key, caught.value.params) == ("error.model.not_ready", {"base": "elsewhere"})


def test_viewers_look_and_guests_do_not(services: Services, viewer: Actor, base: str) -> None:
    ds = dataset(services.db, [chat("question")])
    row = services.lens.first_row(viewer, ds)
    assert row is not None
    assert services.lens.row(viewer, ds, row, base, 512).ends_well
    with pytest.raises(AccessError):
        services.lens.text(Actor("lnk_a", Role.DEMO), "a", base)
