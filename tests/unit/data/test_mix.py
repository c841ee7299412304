"""Mixes: as many of each part as its weight says, shares in tokens, nothing locked, nothing twice, nothing half."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from studio.access import Actor
from studio.data import mix, revisions, store
from studio.data.making import sweep
from studio.data.mix import MixPart, MixPreview, MixShare, MixSpec, run_mix
from studio.data.render import render
from studio.data.revisions import Editor
from studio.data.rows import NewRow
from studio.data.store import StoredRow
from studio.data.tables import datasets, rows
from studio.data.templates import template_of
from studio.db import Database
from studio.errors import AccessError, ConfigError, DataError, NotFoundError
from studio.jobs.context import JobContext, StoppedByRequest
from studio.jobs.spec import checked
from studio.models.catalogue import Base
from studio.services import Services
from tests.unit.data.made import answer, chat, dataset, question, rows_of

pytestmark = pytest.mark.backends("sqlite", "postgresql")

Context = Callable[..., JobContext]


def spec_of(*parts: tuple[str, float], **values: Any) -> MixSpec:
    whole = {"dataset_name": "Mix", "parts": [MixPart(dataset=name, weight=weight) for name, weight in parts]}
    return MixSpec(**whole | values)


def made(services: Services, actor: Actor, spec: MixSpec) -> list[StoredRow]:
    done = services.mixes.make(actor, spec)
    assert done.dataset_id is not None
    return rows_of(services.db, done.dataset_id)


def questions(db: Database, n: int, word: str, split: str | None = "train", **more: Any) -> str:
    return dataset(db, [chat(f"{word} {number}?", f"{word} answer {number}.", split, **more) for number in range(n)])


def shares(preview: MixPreview) -> dict[str, MixShare]:
    return {share.dataset_id: share for share in preview.parts}


def warned(preview: MixPreview) -> dict[str, dict[str, Any]]:
    return {told["key"].removeprefix("data.mix.warning."): told["params"] for told in preview.warnings}


@pytest.fixture
def general(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten general rows in the place of those that ship with the studio."""
    path = tmp_path / "general.jsonl"
    records = [chat(f"General {n}?", f"General answer {n}.").content for n in range(10)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    monkeypatch.setattr(mix, "GENERAL_FILE", path)
    return path


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weight", "times"),
    [(1.0, {1: 20}), (0.25, {1: 5}), (2.0, {2: 20}), (2.5, {2: 10, 3: 10}), (0.01, {1: 1}), (20.0, {20: 20})],
)
def test_a_weight_is_how_often_each_row_is_taken(services: Services, actor: Actor, weight: float, times: dict[int, int]) -> None:
    part = questions(services.db, 20, "Eye")
    found = Counter(question(row) for row in made(services, actor, spec_of((part, weight))))
    assert Counter(found.values()) == times


def test_rows_that_are_held_out_are_taken_once_whatever_the_weight(services: Services, actor: Actor) -> None:
    new = [chat(f"Eye {n}?", split=split) for n, split in enumerate(["train"] * 4 + ["validation"] * 3 + ["test"] * 2 + [None])]
    found = made(services, actor, spec_of((dataset(services.db, new), 3)))
    assert Counter(row.split for row in found) == {"train": 12, "validation": 3, "test": 2, None: 3}


def test_the_seed_draws_which_rows_and_in_which_order(services: Services, actor: Actor) -> None:
    parts = [(questions(services.db, 40, word), 0.5) for word in ("Eye", "Ear")]

    def order(name: str, seed: int) -> list[str]:
        return [question(row) for row in made(services, actor, spec_of(*parts, dataset_name=name, seed=seed))]

    first = order("a", 1)
    assert first == order("b", 1)
    assert first != order("c", 2)
    assert set(first) != set(order("d", 2))
    assert len({text.split()[0] for text in first[:20]}) == 2  # the parts are shuffled into each other


# --- what a row becomes -----------------------------------------------------------------------------------------------


def test_a_row_keeps_all_it_has_and_says_where_it_comes_from(services: Services, actor: Actor) -> None:
    old = chat(
        "A?", tags=["x"], topic="eyes", references=["No."], rule={"max_words": 3}, extra={"page": 1}, flag="why",
        origin={"type": "file", "ref": "a.jsonl", "line": 4}, group_key="ward 3",
    )
    part = dataset(services.db, [old])
    (new,) = made(services, actor, spec_of((part, 1)))
    assert new.origin == {"type": "file", "ref": "a.jsonl", "line": 4, "dataset": part, "revision": 1}
    assert new.group_key == f"{part}:ward 3"
    assert (new.content, new.tags, new.topic, new.references) == (old.content, ["x"], "eyes", ["No."])
    assert (new.rule, new.extra, new.flag, new.split) == (old.rule, old.extra, "why", "train")


def test_equal_group_keys_of_two_parts_stay_two_groups_even_where_they_are_long(services: Services, actor: Actor) -> None:
    long = "g" * 200
    parts = [(questions(services.db, 3, word, group_key=long), 1) for word in ("Eye", "Ear")]
    keys = Counter(row.group_key for row in made(services, actor, spec_of(*parts)))
    assert sorted(keys.values()) == [3, 3]


def test_the_mix_is_of_the_revision_that_was_named(services: Services, actor: Actor) -> None:
    part = questions(services.db, 3, "Eye")
    with Editor(services.db, services.settings, part, author="usr_a", action="edit") as edit:
        edit.add(chat("New?"))
    old = spec_of((part, 1)).model_copy(update={"parts": [MixPart(dataset=part, revision=1)]})
    assert len(made(services, actor, old)) == 3
    assert len(made(services, actor, spec_of((part, 1), dataset_name="newest"))) == 4


def test_it_is_a_dataset_whose_history_and_report_name_its_parts(services: Services, actor: Actor) -> None:
    eyes, ears = (dataset(services.db, [chat(f"{name}?")], name) for name in ("Eyes", "Ears"))
    done = services.mixes.make(actor, spec_of((eyes, 2), (ears, 0.5), note="for Tuesday"))
    assert done.dataset_id is not None
    info = services.data.get(actor, done.dataset_id)
    assert (info.name, info.note, info.revision) == ("Mix", "for Tuesday", 1)
    newest = revisions.history(services.db, info.id)[0]
    assert newest.summary == {"key": "data.revision.mix", "params": {"names": "Eyes × 2, Ears × 0.5"}}
    parts = info.report["mix"]["parts"]
    assert [(part["name"], part["revision"], part["weight"], part["rows_taken"]) for part in parts] == [
        ("Eyes", 1, 2.0, 2),
        ("Ears", 1, 0.5, 1),
    ]


# --- what is left out -------------------------------------------------------------------------------------------------


def test_the_same_content_in_two_parts_counts_once_and_held_out_it_stays(services: Services, actor: Actor) -> None:
    first = dataset(services.db, [chat("A?"), chat("B?"), chat("C?"), chat("C?")])
    second = dataset(services.db, [chat("A?"), chat("A?", "Another answer."), chat("B?", split="test")])
    spec = spec_of((first, 1), (second, 1))
    preview = services.mixes.preview(actor, spec)
    assert [share.duplicates for share in preview.parts] == [1, 1]
    assert warned(preview) == {"duplicates": {"n": 2}}
    found = Counter((question(row), answer(row), row.split) for row in made(services, actor, spec))
    assert found == {
        ("A?", "Yes.", "train"): 1,
        ("A?", "Another answer.", "train"): 1,
        ("B?", "Yes.", "test"): 1,
        ("C?", "Yes.", "train"): 2,  # twice in one part: its own business
    }


def test_a_locked_question_is_left_out_of_what_trains_and_counted(services: Services, actor: Actor, general: Path) -> None:
    new = [chat("A?", split="test"), chat("General 3?", split="test"), chat("Free?")]
    services.splits.lock(actor, holder := dataset(services.db, new))
    other = dataset(services.db, [chat("A?", "Copied."), chat("A?", "Checked.", "validation"), chat("Also free?")])
    spec = spec_of((holder, 1), (other, 1), replay_share=0.5)
    preview = services.mixes.preview(actor, spec)
    assert {name: share.locked for name, share in shares(preview).items()} == {holder: 0, other: 2, "replay": 1}
    assert warned(preview)["locked"] == {"n": 3}
    found = made(services, actor, spec)
    assert {question(row) for row in found if row.split == "test"} == {"A?", "General 3?"}
    trained = {question(row) for row in found if row.split != "test"}
    assert {"Free?", "Also free?"} < trained
    assert not trained & {"A?", "General 3?"}


def test_a_training_row_that_asks_what_another_part_holds_out_is_told(services: Services, actor: Actor) -> None:
    first, second = dataset(services.db, [chat("A?", "One.", "test")]), dataset(services.db, [chat("A?", "Two."), chat("B?")])
    assert warned(services.mixes.preview(actor, spec_of((second, 1), (first, 1)))) == {"also_held_out": {"n": 1}}


# --- shares in tokens -------------------------------------------------------------------------------------------------


def test_shares_are_in_the_tokens_of_the_base_that_is_chosen(services: Services, actor: Actor, tiny_base: Base) -> None:
    """Every row of a part is as long as the others of it, so a sample's mean is exact."""
    short = dataset(services.db, [chat(f"Eye {n}?", "No.") for n in range(10, 40)])
    long = dataset(services.db, [chat(f"Eye {n}?", "It may hurt a little. " * 9) for n in range(50, 60)])
    template = template_of(services.settings, "tiny")
    length = {part: len(render("chat", rows_of(services.db, part)[0].content, template).ids) for part in (short, long)}
    preview = services.mixes.preview(actor, spec_of((short, 1), (long, 2)), "tiny")
    found = shares(preview)
    tokens = {short: 30 * length[short], long: 20 * length[long]}
    assert preview.unit == "tokens"
    assert {part: found[part].tokens for part in tokens} == tokens
    assert found[long].share_rows == pytest.approx(0.4)
    assert found[long].share_tokens == pytest.approx(tokens[long] / sum(tokens.values()))
    assert found[long].share_tokens > 0.6
    assert (found[short].rows_available, found[short].rows_taken, found[short].n_sampled) == (30, 30, 30)
    assert preview.n_rows == 50


def test_without_a_base_characters_are_counted_from_a_sample(
    services: Services, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mix, "SAMPLED_ROWS", 5)
    part = dataset(services.db, [NewRow("text", {"text": f"{n:08}"}, split="train") for n in range(50)])
    preview = services.mixes.preview(actor, spec_of((part, 0.5)))
    (share,) = preview.parts
    assert (preview.unit, share.n_sampled, share.rows_taken, share.tokens) == ("characters", 5, 25, 25 * 8)


def test_rows_that_no_template_renders_are_measured_by_their_words(services: Services, actor: Actor, tiny_base: Base) -> None:
    part = dataset(services.db, [NewRow("label", {"text": "It hurts.", "label": "eye"}, split="train")])
    (share,) = services.mixes.preview(actor, spec_of((part, 1)), "tiny").parts
    assert share.tokens == len(template_of(services.settings, "tiny").tokenizer.encode("It hurts.\neye").ids)


# --- replay -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [0.05, 0.2, 0.5])
def test_general_rows_get_the_share_of_tokens_that_was_asked_for(
    services: Services, actor: Actor, general: Path, tiny_base: Base, wanted: float
) -> None:
    """To within one general row, counted anew from what was written."""
    spec = spec_of((questions(services.db, 30, "Eye"), 1), replay_share=wanted, base="tiny")
    preview = services.mixes.preview(actor, spec)
    template = template_of(services.settings, "tiny")
    tokens: Counter[bool] = Counter()
    longest = 0
    for row in made(services, actor, spec):
        n = len(render(row.kind, row.content, template).ids)
        is_general = question(row).startswith("General")
        tokens[is_general] += n
        longest = max(longest, n if is_general else 0)
    assert abs(tokens[True] - wanted / (1 - wanted) * tokens[False]) <= longest
    assert shares(preview)["replay"].share_tokens == pytest.approx(tokens[True] / tokens.total(), abs=0.02)
    assert "replay_limited" not in warned(preview)


def test_general_rows_are_taken_four_times_at_most_and_the_preview_says_what_that_gives(
    services: Services, actor: Actor, general: Path
) -> None:
    spec = spec_of((questions(services.db, 300, "Eye"), 1), replay_share=0.5)
    preview = services.mixes.preview(actor, spec)
    told = warned(preview)["replay_limited"]
    assert (told["times"], told["wanted"]) == (4, 50.0)
    assert told["reached"] == round(100 * shares(preview)["replay"].share_tokens, 1) < 20
    found = Counter(question(row) for row in made(services, actor, spec))
    assert {found[f"General {n}?"] for n in range(10)} == {4}


def test_general_rows_are_trained_on_and_shuffled_among_the_others(services: Services, actor: Actor, general: Path) -> None:
    part = dataset(services.db, [*(chat(f"Eye {n}?") for n in range(20)), chat("Held?", split="test")])
    found = made(services, actor, spec_of((part, 1), replay_share=0.3))
    replayed = [number for number, row in enumerate(found) if question(row).startswith("General")]
    assert replayed
    assert {found[number].split for number in replayed} == {"train"}
    assert replayed != list(range(replayed[0], replayed[0] + len(replayed)))
    assert (found[replayed[0]].origin or {})["ref"] == "general.jsonl"


def test_the_general_rows_that_ship_can_be_mixed_in(services: Services, actor: Actor) -> None:
    part = questions(services.db, 50, "Eye")
    share = shares(services.mixes.preview(actor, spec_of((part, 1), replay_share=0.2)))["replay"]
    assert share.share_tokens == pytest.approx(0.2, abs=0.05)
    assert share.rows_available >= 100


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"parts": []},
        {"replay_share": 0.6},
        {"parts": [{"dataset": "a", "weight": 0}]},
        {"parts": [{"dataset": "a", "weight": 21}]},
    ],
)
def test_a_spec_that_cannot_be_is_refused_with_the_field(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        checked(MixSpec, {"dataset_name": "a", "parts": [{"dataset": "a"}]} | values)
    assert str(caught.value.field).startswith(next(iter(values)))


def test_a_mix_that_cannot_be_leaves_nothing_behind(services: Services, actor: Actor, viewer: Actor) -> None:
    part, empty = questions(services.db, 2, "Eye"), dataset(services.db, [])
    refused: list[tuple[type[Exception], Actor, MixSpec]] = [
        (DataError, actor, spec_of((part, 1), (part, 2))),
        (DataError, actor, spec_of((empty, 1))),
        (DataError, actor, spec_of((part, 1), dataset_name=" ")),
        (NotFoundError, actor, spec_of((part, 1), ("ds_none", 1))),
        (NotFoundError, actor, MixSpec(dataset_name="Mix", parts=[MixPart(dataset=part, revision=7)])),
        (AccessError, viewer, spec_of((part, 1))),
    ]
    for error, who, spec in refused:
        with pytest.raises(error):
            services.mixes.make(who, spec)
    assert {info.id for info in services.data.list(actor)} == {part, empty}


def test_a_double_click_makes_one_mix(services: Services, actor: Actor) -> None:
    spec = spec_of((questions(services.db, 2, "Eye"), 1))
    assert services.mixes.make(actor, spec, request_id="r1") == services.mixes.make(actor, spec, request_id="r1")
    with pytest.raises(DataError, match=r"error\.data\.name_taken"):
        services.mixes.make(actor, spec, request_id="r2")


# --- the job ----------------------------------------------------------------------------------------------------------


def test_a_large_mix_is_a_job_of_the_rows_as_they_were_when_it_was_asked_for(
    services: Services, actor: Actor, job_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mix, "SMALL_ROWS", 10)
    part = questions(services.db, 6, "Eye")
    assert services.mixes.make(actor, spec_of((part, 1))).dataset_id is not None
    done = services.mixes.make(actor, spec_of((part, 2), dataset_name="Large"), request_id="r1")
    assert done == services.mixes.make(actor, spec_of((part, 2), dataset_name="Large"), request_id="r1")
    assert done.job_id is not None
    job = services.jobs.get(actor, done.job_id)
    assert (job.kind, job.job_class, job.name) == ("mix", "light", "Large")
    with Editor(services.db, services.settings, part, author="usr_a", action="edit") as edit:
        edit.add(chat("New?"))
    context = job_context(job.spec)
    made_here = run_mix(context)["dataset_id"]
    assert len(rows_of(services.db, made_here)) == 12
    assert run_mix(context) == {"dataset_id": made_here}  # killed between the last row and the result


def test_a_mix_that_breaks_off_leaves_no_dataset_and_its_next_attempt_makes_it(
    services: Services, job_context: Context
) -> None:
    part = questions(services.db, 30, "Eye")
    context = job_context(spec_of((part, 20)).as_dict())
    asked = 0

    def stop_late() -> None:
        nonlocal asked
        asked += 1
        if asked == 550:
            raise StoppedByRequest

    context.check_stop = stop_late  # type: ignore[method-assign]
    with pytest.raises(StoppedByRequest):
        run_mix(context)
    with services.db.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(datasets)).scalar() == 1
        assert connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar() == 30
    context.check_stop = lambda: None  # type: ignore[method-assign]
    assert len(rows_of(services.db, run_mix(context)["dataset_id"])) == 600


def test_what_a_killed_mix_left_is_made_anew_by_its_next_attempt(
    services: Services, job_context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed: nobody took the half dataset back."""
    context = job_context(spec_of((questions(services.db, 30, "Eye"), 1)).as_dict())
    with monkeypatch.context() as patch:
        patch.setattr(store, "commit_first_revision", lambda *_: 1 / 0)
        patch.setattr(store, "discard_dataset", lambda *_: None)
        with pytest.raises(ZeroDivisionError):
            run_mix(context)
    assert store.dataset_of_job(services.db, context.job_id) is not None
    assert sweep(services.db, services.settings) == 0  # without its lock it may be one that another host writes
    assert len(rows_of(services.db, run_mix(context)["dataset_id"])) == 30
