"""Splits: what belongs together stays together, the shares are of groups, and a revision has only what has changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.access import Actor
from studio.data import revisions, splits, store
from studio.data.revisions import Editor
from studio.data.rows import NewRow, prompt_hash
from studio.data.split import split_rule
from studio.data.splits import SplitSpec, run_split
from studio.db import Database
from studio.errors import AccessError, ConfigError, DataError, NotFoundError
from studio.jobs.context import JobContext, StoppedByRequest
from studio.jobs.spec import checked
from studio.services import Services
from tests.unit.data.made import chat, dataset, question, rows_of

pytestmark = pytest.mark.backends("sqlite", "postgresql")

Context = Callable[..., JobContext]


def sides(db: Database, dataset_id: str, of: Callable[[store.StoredRow], Any]) -> dict[Any, set[str | None]]:
    """The splits in which the rows of each group stand."""
    found: dict[Any, set[str | None]] = {}
    for row in rows_of(db, dataset_id):
        found.setdefault(of(row), set()).add(row.split)
    return found


def one_side(found: dict[Any, set[str | None]]) -> bool:
    return all(len(splits) == 1 for splits in found.values())


def counts(db: Database, dataset_id: str) -> dict[str, int]:
    return store.dataset_info(db, dataset_id).counts


def warned(services: Services, actor: Actor, spec: SplitSpec) -> dict[str, dict[str, Any]]:
    prefix = "data.split.warning."
    return {told["key"].removeprefix(prefix): told["params"] for told in services.splits.preview(actor, spec).warnings}


# --- groups -----------------------------------------------------------------------------------------------------------


def test_by_question_it_is_the_split_that_an_import_draws(services: Services, actor: Actor) -> None:
    new = [chat(f"Question {n % 40}?", f"Answer {n}.") for n in range(100)]
    made = dataset(services.db, new)
    rule = split_rule((prompt_hash(row.kind, row.content) for row in new), validation_share=0.2, test_share=0.1, seed=5)
    done = services.splits.assign(actor, SplitSpec(dataset=made, validation_share=0.2, test_share=0.1, seed=5))
    assert done.revision == 2
    assert [row.split for row in rows_of(services.db, made)] == [rule.split_of(prompt_hash(row.kind, row.content)) for row in new]
    prompts = Counter(next(iter(found)) for found in sides(services.db, made, question).values())
    assert prompts == {"train": 28, "validation": 8, "test": 4}


@pytest.mark.backends("sqlite")
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from([None, "", "a", "b", "c"]), st.sampled_from([None, "train", "test"])),
        min_size=1,
        max_size=30,
    ),
    by=st.sampled_from(["prompt", "group", "near_duplicate"]),
    shares=st.tuples(st.floats(0, 0.49), st.floats(0, 0.49)),
    seed=st.integers(0, 2**31),
)
@hypothesis_settings(
    database=None, deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_group_ever_stands_on_two_sides(
    services: Services,
    actor: Actor,
    rows: list[tuple[int, str | None, str | None]],
    by: Any,
    shares: tuple[float, float],
    seed: int,
) -> None:
    new = [chat(f"Does number {n} hurt?", split=split, group_key=group) for n, group, split in [*rows, (0, "a", None)]]
    made = dataset(services.db, new)
    spec = SplitSpec(dataset=made, by=by, seed=seed, validation_share=shares[0], test_share=shares[1])
    preview = services.splits.preview(actor, spec)
    done = services.splits.assign(actor, spec)
    of_group = {
        "prompt": question,
        "near_duplicate": question,
        "group": lambda row: row.group_key or question(row),
    }
    assert one_side(sides(services.db, made, of_group[by]))
    assert counts(services.db, made) == preview.after
    assert done.changes["changed"] == preview.n_changed
    assert None not in {row.split for row in rows_of(services.db, made)}
    assert services.splits.assign(actor, spec).revision is None


def test_a_column_that_the_file_brought_can_hold_groups_together(services: Services, actor: Actor) -> None:
    new = [chat(f"Question {n}?", extra={"patient": n % 10, "page": n}) for n in range(60)]
    made = dataset(services.db, new)
    spec = SplitSpec(dataset=made, by="group", column="patient", validation_share=0.2, test_share=0.3)
    assert services.splits.preview(actor, spec).n_groups == 10
    services.splits.assign(actor, spec)
    by_patient = sides(services.db, made, lambda row: (row.extra or {})["patient"])
    assert Counter(next(iter(found)) for found in by_patient.values()) == {"train": 5, "validation": 2, "test": 3}
    assert one_side(by_patient)


def test_a_column_that_no_row_has_is_refused_by_name(services: Services, actor: Actor) -> None:
    made = dataset(services.db, [chat(f"Question {n}?", extra={"page": n}) for n in range(5)])
    for column, named in (("patient", "patient"), (None, "group_key")):
        with pytest.raises(DataError) as caught:
            services.splits.preview(actor, SplitSpec(dataset=made, by="group", column=column))
        assert (caught.value.key, caught.value.params) == ("error.data.no_groups", {"column": named})


def test_rows_without_a_group_stay_together_by_question_and_are_counted(services: Services, actor: Actor) -> None:
    new = [chat(f"Question {n % 6}?", f"Answer {n}.", group_key="g" if n > 8 else None) for n in range(12)]
    spec = SplitSpec(dataset=dataset(services.db, new), by="group")
    assert warned(services, actor, spec)["without_group"] == {"n": 9}
    assert services.splits.preview(actor, spec).n_groups == 7


def test_similar_questions_stand_on_one_side(services: Services, actor: Actor) -> None:
    ends = ["now", "here", "then", "later", "again"]
    topics = [
        "glaucoma and its drops",
        "a dry eye in winter",
        "reading with a squint",
        "a stye on the lid",
        "floating spots",
        "contact lenses at night",
        "sudden loss of sight",
        "red eyes of a baby",
        "colour blindness at work",
        "a torn retina",
    ]
    new = [chat(f"Could you please explain to me what I should know about {topic}, {end}?") for topic in topics for end in ends]
    made = dataset(services.db, new)
    spec = SplitSpec(dataset=made, by="near_duplicate", validation_share=0.2, test_share=0.2)
    assert services.splits.preview(actor, spec).n_groups == 10
    services.splits.assign(actor, spec)
    assert one_side(sides(services.db, made, lambda row: question(row).rpartition(",")[0]))
    assert counts(services.db, made) == {"train": 30, "validation": 10, "test": 10}


def test_row_by_row_equal_questions_may_part(services: Services, actor: Actor) -> None:
    made = dataset(services.db, [chat("The same?", f"Answer {n}.") for n in range(50)])
    services.splits.assign(actor, SplitSpec(dataset=made, by="row", validation_share=0.1, test_share=0.2))
    assert counts(services.db, made) == {"train": 35, "validation": 5, "test": 10}


# --- what is written --------------------------------------------------------------------------------------------------


def test_only_rows_that_move_are_written(services: Services, actor: Actor) -> None:
    made = dataset(services.db, [chat(f"Question {n}?") for n in range(50)])
    before = {row.position: row for row in rows_of(services.db, made)}
    done = services.splits.assign(actor, SplitSpec(dataset=made))
    after = rows_of(services.db, made)
    moved = [row for row in after if row.split != "train"]
    assert done.changes == {"added": 0, "removed": 0, "changed": 10}
    assert {row.position for row in after if row.id != before[row.position].id} == {row.position for row in moved}
    assert all(row.as_new() == replace(before[row.position].as_new(), split=row.split) for row in after)


def test_it_is_one_revision_that_says_what_was_asked_for(services: Services, actor: Actor) -> None:
    made = dataset(services.db, [chat(f"Question {n}?") for n in range(50)])
    services.splits.assign(actor, SplitSpec(dataset=made, validation_share=0.125, test_share=0.3, seed=9, by="row"))
    newest = revisions.history(services.db, made)[0]
    assert (newest.action, newest.author) == ("split", actor.user_id)
    assert newest.summary == {"key": "data.revision.split_row", "params": {"validation": 12.5, "test": 30.0, "seed": 9}}
    assert revisions.undo(services.db, services.settings, made, actor.user_id) == 3
    assert counts(services.db, made) == {"train": 50}


def test_rows_that_have_a_split_keep_it_and_others_of_their_group_follow(services: Services, actor: Actor) -> None:
    old = [chat(f"Question {n}?", split=split) for n, split in enumerate(["test", "validation", "train"])]
    new = [chat(f"Question {n % 23}?", "Again.", split=None) for n in range(60)]
    made = dataset(services.db, [*old, *new])
    services.splits.assign(actor, SplitSpec(dataset=made, keep=True, validation_share=0.2, test_share=0.1))
    found = sides(services.db, made, question)
    assert one_side(found)
    assert [found[f"Question {n}?"] for n in range(3)] == [{"test"}, {"validation"}, {"train"}]
    drawn = Counter(next(iter(found[f"Question {n}?"])) for n in range(3, 23))  # shares are of the 20 groups that are free
    assert drawn == {"train": 14, "validation": 4, "test": 2}


def test_a_group_that_stands_on_two_sides_already_is_told_and_its_new_rows_are_not_held_out(
    services: Services, actor: Actor
) -> None:
    made = dataset(services.db, [chat("A?", split="test"), chat("A?", split="train"), chat("A?", "Again.", split=None)])
    spec = SplitSpec(dataset=made, keep=True)
    assert warned(services, actor, spec)["two_sides"] == {"n": 1}
    services.splits.assign(actor, spec)
    assert [row.split for row in rows_of(services.db, made)] == ["test", "train", "train"]


# --- the preview ------------------------------------------------------------------------------------------------------


def test_a_preview_counts_rows_before_and_after_and_changes_nothing(services: Services, actor: Actor) -> None:
    made = dataset(services.db, [chat(f"Question {n % 20}?", f"{n}.", split="train" if n else None) for n in range(40)])
    seen = services.splits.preview(actor, SplitSpec(dataset=made, validation_share=0.1, test_share=0.25))
    assert (seen.before, seen.after) == ({"none": 1, "train": 39}, {"train": 26, "validation": 4, "test": 10})
    assert (seen.n_groups, seen.largest_group, seen.warnings) == (20, 2, [])
    assert store.dataset_info(services.db, made).revision == 1


def test_too_few_groups_are_told_before_a_side_is_empty(services: Services, actor: Actor) -> None:
    made = dataset(services.db, [chat(f"Question {n}?", group_key="ab"[n % 2]) for n in range(10)])
    told = warned(services, actor, SplitSpec(dataset=made, by="group"))
    assert told == {"no_validation": {"n": 2}, "no_test": {"n": 2}, "large_group": {"n": 5, "total": 10}}


def test_a_preview_compares_only_the_first_questions_and_says_so(
    services: Services, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dataset(services.db, [chat(f"{word}?") for word in ("glaucoma", "cataract", "squint", "stye", "glaucoma!")])
    spec = SplitSpec(dataset=made, by="near_duplicate")
    monkeypatch.setattr(splits, "_PREVIEWED_PROMPTS", 4)
    assert warned(services, actor, spec)["compared_first"] == {"n": 4}
    assert services.splits.preview(actor, spec).n_groups == 5
    monkeypatch.setattr(splits, "_PREVIEWED_PROMPTS", 6)
    assert "compared_first" not in warned(services, actor, spec)
    assert services.splits.preview(actor, spec).n_groups == 4


def test_more_groups_than_are_counted_are_drawn_one_by_one_and_still_as_wholes(
    services: Services, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 800 groups and p = 0.2 the standard deviation is 11.3 groups."""
    monkeypatch.setattr(splits, "_EXACT_GROUPS", 100)
    made = dataset(services.db, [chat(f"Question {n % 800}?", f"{n}.") for n in range(1_000)])
    spec = SplitSpec(dataset=made, validation_share=0.2, test_share=0.2)
    seen = services.splits.preview(actor, spec)
    assert (seen.n_groups, seen.largest_group) == (None, None)
    services.splits.assign(actor, spec)
    found = sides(services.db, made, question)
    assert one_side(found)
    drawn = Counter(next(iter(each)) for each in found.values())
    assert 115 < drawn["validation"] < 205
    assert 115 < drawn["test"] < 205


@pytest.mark.parametrize("values", [{"validation_share": 0.5}, {"test_share": -0.1}, {"by": "luck"}, {"seed": -1}])
def test_a_spec_that_cannot_be_is_refused_with_the_field(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        checked(SplitSpec, {"dataset": "ds_1"} | values)
    assert caught.value.field == next(iter(values))


# --- locked test sets -------------------------------------------------------------------------------------------------


def test_a_locked_test_set_stays_as_it_is_and_grows_no_more(services: Services, actor: Actor) -> None:
    made = dataset(services.db, [chat(f"Question {n}?", split="test" if n < 7 else "train") for n in range(50)])
    services.splits.lock(actor, made)
    spec = SplitSpec(dataset=made, validation_share=0.2, test_share=0.4)
    assert "locked" in warned(services, actor, spec)
    services.splits.assign(actor, spec)
    assert {question(row) for row in rows_of(services.db, made) if row.split == "test"} == {f"Question {n}?" for n in range(7)}
    assert counts(services.db, made) == {"test": 7, "validation": 9, "train": 34}  # round(0.2 · 43)


def test_a_row_whose_group_is_locked_cannot_be_assigned(services: Services, actor: Actor) -> None:
    made = dataset(services.db, [chat("A?", split="test"), chat("A?", "Again."), chat("B?"), chat("C?"), chat("D?")])
    services.splits.lock(actor, made)
    for call in (services.splits.preview, services.splits.assign):
        with pytest.raises(DataError) as caught:
            call(actor, SplitSpec(dataset=made))
        assert caught.value.key == "error.data.locked_test"
    assert store.dataset_info(services.db, made).revision == 1


# --- the job ----------------------------------------------------------------------------------------------------------


def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "SMALL_ROWS", 10)


def test_many_rows_are_assigned_by_one_job_however_often_it_is_asked_for(
    services: Services, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(monkeypatch)
    made = dataset(services.db, [chat(f"Question {n}?") for n in range(20)], "Eyes")
    spec = SplitSpec(dataset=made)
    first, second = (services.splits.assign(actor, spec, request_id="r1") for _ in range(2))
    assert first == second
    assert first.job_id is not None
    job = services.jobs.get(actor, first.job_id)
    assert (job.kind, job.job_class, job.name, job.spec) == ("split", "light", "Eyes", spec.as_dict())


def test_the_job_makes_the_same_split_as_the_request(services: Services, actor: Actor, job_context: Context) -> None:
    new = [chat(f"Question {n}?") for n in range(80)]
    here, there = dataset(services.db, new), dataset(services.db, new)
    services.splits.assign(actor, SplitSpec(dataset=here))
    context = job_context(SplitSpec(dataset=there).as_dict())
    result = run_split(context)
    assert result == {"revision": 2, "changes": {"added": 0, "removed": 0, "changed": 16}}
    assert [row.split for row in rows_of(services.db, here)] == [row.split for row in rows_of(services.db, there)]
    assert run_split(context) == result  # killed between the revision and its result
    assert store.dataset_info(services.db, there).revision == 2


def test_a_job_that_is_stopped_leaves_the_rows_as_they_were(services: Services, actor: Actor, job_context: Context) -> None:
    made = dataset(services.db, [chat(f"Question {n}?") for n in range(600)])
    context = job_context(SplitSpec(dataset=made).as_dict())
    asked = 0

    def stop_late() -> None:
        nonlocal asked
        asked += 1
        if asked == 1_100:  # while the rows are written
            raise StoppedByRequest

    context.check_stop = stop_late  # type: ignore[method-assign]
    with pytest.raises(StoppedByRequest):
        run_split(context)
    assert counts(services.db, made) == {"train": 600}
    assert services.splits.assign(actor, SplitSpec(dataset=made)).changes["changed"] == 120


# --- who and when -----------------------------------------------------------------------------------------------------


def test_nobody_assigns_while_somebody_else_changes_the_rows(
    services: Services, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dataset(services.db, [chat(f"Question {n}?") for n in range(5)])
    with (
        Editor(services.db, services.settings, made, author="usr_b", action="edit"),
        pytest.raises(DataError, match=r"error\.data\.busy"),
    ):
        services.splits.assign(actor, SplitSpec(dataset=made))


def test_a_viewer_looks_and_does_not_assign(services: Services, viewer: Actor) -> None:
    made = dataset(services.db, [NewRow("text", {"text": f"{n}"}) for n in range(5)])
    spec = SplitSpec(dataset=made)
    assert services.splits.preview(viewer, spec).n_changed == 5
    for refused in (
        lambda: services.splits.assign(viewer, spec),
        lambda: services.splits.lock(viewer, made),
        lambda: services.splits.unlock(viewer, made),
    ):
        with pytest.raises(AccessError):
            refused()


def test_a_dataset_that_is_not_there_is_said_so(services: Services, actor: Actor) -> None:
    for call in (services.splits.preview, services.splits.assign):
        with pytest.raises(NotFoundError):
            call(actor, SplitSpec(dataset="ds_none"))
