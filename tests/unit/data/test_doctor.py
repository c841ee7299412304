"""An examination says what it found, stays right when rows change under it, mends what it says, and every mend can be undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from studio.access import Actor, Role
from studio.data import examinations, store
from studio.data.bulk import BulkSpec
from studio.data.checks import CHECKS, check_of
from studio.data.doctor import AREAS, health
from studio.data.doctor_job import DoctorSpec, examine_dataset, run_doctor
from studio.data.doctor_service import Line, Told
from studio.data.edits import RowChanges
from studio.data.filters import Filter
from studio.data.operations import Accept
from studio.data.rows import NewRow
from studio.data.tables import examinations as examination_table
from studio.data.tables import findings
from studio.db import Database
from studio.errors import AccessError, DataError, ModelError
from studio.ids import new_id
from studio.jobs.context import JobContext, StoppedByRequest
from studio.jobs.queue import select_jobs
from studio.models.catalogue import Base
from studio.purge import Wanted
from studio.services import Services
from studio.settings import Settings
from studio.text import LANGS, catalogue, text
from tests.unit.data.edited import chat, dataset, lock, now_at

pytestmark = pytest.mark.backends("sqlite", "postgresql")

Context = Callable[..., JobContext]

COPY = ("What is a stye?", "An infected gland of the eyelid. It heals by itself.")
LENSES = ("How often should contact lenses be changed?", "Daily lenses every day. Monthly ones after thirty days.")
HTML = ("Was ist das?", "<p>A cataract is a clouded lens.</p><p>It can be operated on.</p>")


def rows() -> list[NewRow]:
    """Eight rows: two copies, one of markup, one with a look-alike character and markup, one leak, and three that are well."""
    return [
        chat(*COPY, split="train"),
        chat(*COPY, split="train"),
        chat(*HTML, split="train"),
        chat("近视怎么办？", "⼀年查⼀次视力。<br>少看⼿机，多到户外去。", split="train"),
        chat(*LENSES, split="train"),
        chat("How often should the contact lenses be changed?", "It depends: ask your doctor.", split="test"),
        chat("What is glaucoma?", "A disease of the optic nerve. It is mostly without pain.", split="train"),
        chat("散光是什么？", "角膜的弯曲不均匀，看远看近都会模糊。", split="validation"),
    ]


def examined(services: Services, actor: Actor, dataset_id: str) -> Told:
    return services.doctor.examine_here(actor, DoctorSpec(dataset=dataset_id))


def line(told: Told | None, key: str) -> Line:
    return next(line for line in some(told).lines if line.key == key)


def some(told: Told | None) -> Told:
    assert told is not None
    return told


def found(db: Database, told: Told, key: str) -> list[int]:
    """Numbers of the rows, from 1 as people count."""
    return [one.position // store.GAP for one in examinations.of_check(db, told.examined.id, key)]


def state(db: Database, dataset_id: str) -> tuple[str, Sequence[Any]]:
    info = store.dataset_info(db, dataset_id)
    return info.content_hash, [(row.position, row.as_new()) for row in now_at(db, dataset_id)]


# --- finding ----------------------------------------------------------------------------------------------------------


def test_every_check_has_its_words_in_every_language() -> None:
    for lang in LANGS:
        for key in CHECKS:
            check = check_of(key)
            words = text(lang, f"check.{key}.rule", **check.params)
            assert "{" not in words and words
            for name in ("name", "why", *(["mend"] if check.has_mend else [])):
                assert text(lang, f"check.{key}.{name}")
            for name in ("found", *(["done"] if check.has_mend else [])):
                assert "3" in text(lang, f"check.{key}.{name}", n=3)
            assert check.area in AREAS
            assert (f"check.{key}.mend" in catalogue(lang)) == check.has_mend


def test_it_tells_which_rows_which_check_found(services: Services, actor: Actor, db: Database) -> None:
    told = examined(services, actor, dataset(db, rows()))
    assert {line.key: found(db, told, line.key) for line in told.lines} == {
        "exact_duplicates": [2],
        "html": [3, 4],
        "radicals": [4],
        "leakage": [5],
    }
    assert {check.key for check in told.clean} | {line.key for line in told.lines} | told.not_run.keys() == CHECKS.keys()
    assert told.not_run == {"too_long": "doctor.not_run.no_base"}
    assert told.is_current


def test_examples_show_the_places_and_what_the_mend_would_make_of_them(services: Services, actor: Actor, db: Database) -> None:
    dataset_id = dataset(db, rows())
    examined(services, actor, dataset_id)
    one, other = services.doctor.examples(actor, dataset_id, "html")
    assert one.row.content["messages"][1]["content"] == HTML[1]
    assert {spot.where for spot in one.spots} == {"messages[1].content"}
    assert one.after is not None and other.after is not None
    assert one.after[0].content["messages"][1]["content"] == "A cataract is a clouded lens.\n\nIt can be operated on."
    assert "⼀年" in other.after[0].content["messages"][1]["content"]  # another check's
    assert services.doctor.examples(actor, dataset_id, "html", after=one.row.position) == [other]
    (cluster,) = services.doctor.clusters(actor, dataset_id, "exact_duplicates")
    assert [row.position // store.GAP for row in cluster.rows] == [1, 2]
    assert cluster.kept_id == cluster.rows[0].id


def test_what_was_found_can_be_asked_for_like_any_other_rows(services: Services, actor: Actor, db: Database) -> None:
    dataset_id = dataset(db, rows())
    told = examined(services, actor, dataset_id)
    page = services.data.find(actor, dataset_id, Filter(finding=f"{told.examined.id}.html"))
    assert [row.position // store.GAP for row in page.rows] == [3, 4]
    assert services.data.count(actor, dataset_id, Filter(finding=f"{told.examined.id}.html", text="cataract")) == (1, True)


def test_tokens_saved_are_those_of_the_base(services: Services, actor: Actor, db: Database, tiny_base: Base) -> None:
    told = services.doctor.examine_here(actor, DoctorSpec(dataset=dataset(db, rows()), base=tiny_base.id, max_seq_len=64))
    saving = line(told, "radicals").saving
    assert saving is not None and 0 < saving < 1
    assert told.not_run.keys() == set()


# --- mending ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["exact_duplicates", "html", "radicals", "leakage"])
def test_a_mend_leaves_nothing_of_what_was_found_and_undone_gives_back_the_same_bytes(
    services: Services, actor: Actor, db: Database, key: str
) -> None:
    dataset_id = dataset(db, rows())
    before = state(db, dataset_id)
    n = len(found(db, examined(services, actor, dataset_id), key))
    made = services.doctor.mend(actor, dataset_id, key, request_id=new_id("job"))
    assert made.changes["changed"] + made.changes["removed"] == n
    assert state(db, dataset_id) != before
    told = services.doctor.report(actor, dataset_id)
    assert (line(told, key).n_left, line(told, key).n_rows) == (0, n)
    assert not [line for line in examined(services, actor, dataset_id).lines if line.key == key]
    services.edits.undo(actor, dataset_id)
    assert state(db, dataset_id) == before


def test_two_mends_of_one_row_do_not_take_each_other_back(services: Services, actor: Actor, db: Database) -> None:
    dataset_id = dataset(db, rows())
    examined(services, actor, dataset_id)
    services.doctor.mend(actor, dataset_id, "radicals", request_id=new_id("job"))
    assert line(services.doctor.report(actor, dataset_id), "html").n_left == 2  # row 4 is another version, and still broken
    services.doctor.mend(actor, dataset_id, "html", request_id=new_id("job"))
    assert now_at(db, dataset_id)[3].content["messages"][1]["content"] == "一年查一次视力。\n少看手机，多到户外去。"


def test_the_same_wish_twice_is_one_mend(services: Services, actor: Actor, db: Database) -> None:
    dataset_id = dataset(db, rows())
    examined(services, actor, dataset_id)
    wish = new_id("job")
    one, other = (services.doctor.mend(actor, dataset_id, "html", request_id=wish) for _ in range(2))
    assert one == other
    assert store.dataset_info(db, dataset_id).revision == 2


def test_a_copy_whose_original_was_edited_meanwhile_is_not_removed(services: Services, actor: Actor, db: Database) -> None:
    dataset_id = dataset(db, rows())
    examined(services, actor, dataset_id)
    first = now_at(db, dataset_id)[0]
    services.edits.save_row(actor, dataset_id, first.id, RowChanges(content=chat("Other?", "Other.").content))
    assert line(services.doctor.report(actor, dataset_id), "exact_duplicates").n_left == 0
    made = services.doctor.mend(actor, dataset_id, "exact_duplicates", request_id=new_id("job"))
    assert made.revision is None
    assert len(now_at(db, dataset_id)) == 8


def test_a_row_that_a_person_mended_is_counted_as_mended(services: Services, actor: Actor, db: Database) -> None:
    dataset_id = dataset(db, rows())
    examined(services, actor, dataset_id)
    broken = now_at(db, dataset_id)[2]
    services.edits.save_row(actor, dataset_id, broken.id, RowChanges(content=chat(HTML[0], "A clouded lens.").content))
    told = line(services.doctor.report(actor, dataset_id), "html")
    assert (told.n_rows, told.n_left, told.n_settled) == (2, 1, 1)


def test_of_a_cluster_a_person_keeps_the_row_that_they_choose(services: Services, actor: Actor, db: Database) -> None:
    dataset_id = dataset(db, rows())
    examined(services, actor, dataset_id)
    (cluster,) = services.doctor.clusters(actor, dataset_id, "exact_duplicates")
    chosen = cluster.rows[1]
    services.doctor.keep(actor, dataset_id, "exact_duplicates", cluster.number, chosen.id, request_id=new_id("job"))
    assert [row.position // store.GAP for row in now_at(db, dataset_id)] == [2, 3, 4, 5, 6, 7, 8]
    with pytest.raises(DataError, match=r"error\.doctor\.changed"):
        services.doctor.keep(actor, dataset_id, "exact_duplicates", cluster.number, chosen.id, request_id=new_id("job"))


def test_set_aside_the_rows_wait_for_review(services: Services, actor: Actor, db: Database) -> None:
    dataset_id = dataset(db, rows())
    examined(services, actor, dataset_id)
    services.doctor.set_aside(actor, dataset_id, "html", "HTML", request_id=new_id("job"))
    waiting = services.data.find(actor, dataset_id, Filter(waiting=True)).rows
    assert [(row.position // store.GAP, row.flag) for row in waiting] == [(3, "HTML"), (4, "HTML")]


def test_a_flag_changes_nothing_about_what_was_found(services: Services, actor: Actor, db: Database) -> None:
    dataset_id = dataset(db, rows())
    examined(services, actor, dataset_id)
    before = {line.key: line.n_left for line in some(services.doctor.report(actor, dataset_id)).lines}
    (cluster,) = services.doctor.clusters(actor, dataset_id, "exact_duplicates")
    for row in now_at(db, dataset_id):
        services.edits.save_row(actor, dataset_id, row.id, RowChanges(flag="look"))
    assert {line.key: line.n_left for line in some(services.doctor.report(actor, dataset_id)).lines} == before
    (again,) = services.doctor.clusters(actor, dataset_id, "exact_duplicates")
    assert [row.position for row in again.rows] == [row.position for row in cluster.rows]
    services.doctor.mend(actor, dataset_id, "exact_duplicates", request_id=new_id("job"))
    assert len(now_at(db, dataset_id)) == 7


@pytest.mark.parametrize("key", ["html", "leakage"])
def test_what_a_person_has_accepted_is_settled_as_long_as_it_says_the_same(
    services: Services, actor: Actor, db: Database, key: str
) -> None:
    dataset_id = dataset(db, rows())
    n_found = line(examined(services, actor, dataset_id), key).n_rows
    services.doctor.set_aside(actor, dataset_id, key, "why", request_id=new_id("job"))
    assert services.doctor.n_aside(actor, dataset_id, key) == n_found
    first, *others = services.data.find(actor, dataset_id, Filter(waiting=True)).rows
    services.edits.apply(actor, BulkSpec(dataset=dataset_id, rows=[first.id], operation=Accept()), request_id=new_id("job"))
    assert line(services.doctor.report(actor, dataset_id), key).n_left == n_found - 1
    services.doctor.mend(actor, dataset_id, "html", request_id=new_id("job"))
    settled = next(row for row in now_at(db, dataset_id) if row.position == first.position)
    assert settled.content == first.content or key != "html"
    again = examined(services, actor, dataset_id)
    assert first.position // store.GAP not in found(db, again, key)
    # Written anew, it is asked about again; its words are broken as before, and another row's answer.
    words = chat(first.content["messages"][0]["content"], "Another <b>one</b><br>altogether.").content
    services.edits.save_row(actor, dataset_id, settled.id, RowChanges(content=words))
    assert first.position // store.GAP in found(db, examined(services, actor, dataset_id), key)
    assert len(others) == n_found - 1


def test_only_what_still_holds_is_set_aside(services: Services, actor: Actor, db: Database) -> None:
    dataset_id = dataset(db, rows())
    examined(services, actor, dataset_id)
    broken = now_at(db, dataset_id)[2]
    services.edits.save_row(actor, dataset_id, broken.id, RowChanges(content=chat(HTML[0], "A clouded lens.").content))
    services.doctor.set_aside(actor, dataset_id, "html", "HTML", request_id=new_id("job"))
    waiting = services.data.find(actor, dataset_id, Filter(waiting=True)).rows
    assert [row.position // store.GAP for row in waiting] == [4]


def test_a_locked_test_row_is_found_and_left(services: Services, actor: Actor, db: Database) -> None:
    broken = [replace(row, split="test") for row in rows()[2:4]]
    dataset_id = dataset(db, [*broken, *rows()[6:]])
    lock(db, dataset_id)
    before = state(db, dataset_id)
    examined(services, actor, dataset_id)
    made = services.doctor.mend(actor, dataset_id, "html", request_id=new_id("job"))
    assert made.refused == {"data.bulk.refused.locked": 2}
    assert state(db, dataset_id) == before


# --- health -----------------------------------------------------------------------------------------------------------


def test_health_is_the_share_of_rows_without_a_finding() -> None:
    """By hand: 90 of 100 rows well in quality, 500 training rows: log10(500)/3 = 0.8997."""
    told = health(1_000, 500, {"quality": 100, "bias": 1})
    assert told["areas"] == {"quality": 90, "diversity": 100, "quantity": 89, "consistency": 100, "bias": 99}
    assert told["score"] == 95  # (0.9 + 1 + 0.8997 + 1 + 0.999) / 5 = 0.9597
    assert health(2_000, 2_000, {}) == {"score": 100, "areas": dict.fromkeys(AREAS, 100)}
    assert health(0, 0, {})["score"] == 0


# --- jobs, and who may ------------------------------------------------------------------------------------------------


def test_the_job_leaves_the_same_report(services: Services, actor: Actor, db: Database, job_context: Context) -> None:
    dataset_id = dataset(db, rows())
    job_id = services.doctor.examine(actor, DoctorSpec(dataset=dataset_id), request_id="wish-1")
    assert services.doctor.examine(actor, DoctorSpec(dataset=dataset_id), request_id="wish-1") == job_id
    with db.read() as connection:
        (job,) = connection.execute(select_jobs()).mappings()
    assert (job["kind"], job["job_class"]) == ("doctor", "light")
    assert services.doctor.report(actor, dataset_id) is None
    made = run_doctor(job_context(job["spec"]))
    told = services.doctor.report(actor, dataset_id)
    assert told is not None and told.examined.id == made["examination"]
    assert line(told, "html").n_rows == 2


def test_a_stopped_examination_leaves_nothing(db: Database, settings: Settings) -> None:
    dataset_id = dataset(db, rows())

    def stop(n: int, total: int) -> None:
        if n == 4:
            raise StoppedByRequest

    with pytest.raises(StoppedByRequest):
        examine_dataset(db, settings, DoctorSpec(dataset=dataset_id), "usr_a", on_row=stop)
    with db.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(examination_table)).scalar() == 0
        assert connection.execute(sa.select(sa.func.count()).select_from(findings)).scalar() == 0


def test_only_the_last_two_examinations_are_kept(services: Services, actor: Actor, db: Database) -> None:
    dataset_id = dataset(db, rows())
    made = [examined(services, actor, dataset_id).examined.id for _ in range(4)]
    with db.read() as connection:
        assert set(connection.execute(sa.select(examination_table.c.id)).scalars()) == set(made[2:])
        assert set(connection.execute(sa.select(findings.c.examination_id)).scalars()) == set(made[2:])


def test_a_viewer_reads_and_mends_nothing(services: Services, actor: Actor, db: Database) -> None:
    dataset_id = dataset(db, rows())
    examined(services, actor, dataset_id)
    viewer = Actor("usr_v", Role.VIEWER, "en")
    assert services.doctor.report(viewer, dataset_id) is not None
    for act in (
        lambda: services.doctor.examine(viewer, DoctorSpec(dataset=dataset_id)),
        lambda: services.doctor.mend(viewer, dataset_id, "html", request_id="x"),
        lambda: services.doctor.set_aside(viewer, dataset_id, "html", "", request_id="x"),
        lambda: services.doctor.keep(viewer, dataset_id, "html", 1, 1, request_id="x"),
    ):
        with pytest.raises(AccessError):
            act()


def test_wishes_that_cannot_be_are_refused_in_words(services: Services, actor: Actor, db: Database) -> None:
    dataset_id = dataset(db, rows())
    with pytest.raises(DataError, match=r"error\.doctor\.gone"):
        services.doctor.mend(actor, dataset_id, "html", request_id="x")
    with pytest.raises(ModelError):
        services.doctor.examine(actor, DoctorSpec(dataset=dataset_id, base="nowhere"))
    examined(services, actor, dataset_id)
    for key in ("nothing", "contradictions"):
        with pytest.raises(DataError, match=r"error\.doctor\.no_mend"):
            services.doctor.mend(actor, dataset_id, key, request_id="x")
    with pytest.raises(DataError, match=r"error\.doctor\.no_check"):
        services.doctor.examples(actor, dataset_id, "nothing")


def test_what_was_said_of_rows_goes_when_rows_are_purged(services: Services, actor: Actor, db: Database) -> None:
    """A report repeats how rows begin; the rows of one person may be a third of them."""
    dataset_id = dataset(db, [*rows(), chat("Maria Huber asks", "She has a stye.", split="train")])
    examined(services, actor, dataset_id)
    services.purge.run(actor, Wanted(phrase="Maria Huber"), delete_checkpoints=False, confirm="Maria Huber")
    assert services.doctor.report(actor, dataset_id) is None
    with db.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(findings)).scalar() == 0
