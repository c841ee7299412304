"""On 10,000 planted rows a language: every check finds what it should and little else, and every mend undone leaves no trace."""

from __future__ import annotations

from typing import Any

import pytest

from studio.access import Actor
from studio.data import store
from studio.data.checks import CHECKS, check_of
from studio.data.doctor_job import DoctorSpec
from studio.db import Database
from studio.ids import new_id
from studio.models.catalogue import Base
from studio.services import Services
from tests.planted.plants import planted
from tests.planted.table import LANGS, new_row, scores, table
from tests.unit.data.edited import dataset, now_at

#: No check was ever looked at on these.
_SEEDS = (20_261_123, 20_261_124, 20_261_125)


@pytest.mark.parametrize("lang", LANGS)
def test_every_check_reaches_its_recall_and_its_precision(lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = scores(lang, *_SEEDS)
    with capsys.disabled():
        print("\n" + table(told))
    assert {one.key for one in told} - {"leakage_held_out"} == CHECKS.keys() - {"too_long"}  # that one is exact: test_too_long
    assert not [one for one in told if not one.is_good]


@pytest.mark.parametrize("lang", LANGS)
def test_every_mend_does_what_it_says_and_undone_gives_back_the_same_bytes(
    services: Services, actor: Actor, db: Database, tiny_base: Base, lang: str
) -> None:
    made = planted(lang, _SEEDS[0], n_clean=400)
    dataset_id = dataset(db, [new_row(row) for row in made.rows])
    told = services.doctor.examine_here(actor, DoctorSpec(dataset=dataset_id, base=tiny_base.id, max_seq_len=600))
    before = _state(db, dataset_id)
    mended = [line for line in told.lines if line.check.has_mend]
    assert {line.key for line in mended} >= {key for key in CHECKS if check_of(key).has_mend} - {"openings"}
    for line in mended:
        made_now = services.doctor.mend(actor, dataset_id, line.key, request_id=new_id("job"))
        assert made_now.revision is not None, line.key
        n = made_now.changes["changed"] + made_now.changes["removed"]
        assert n == line.n_settled, line.key
        left = next(one for one in services.doctor.report(actor, dataset_id).lines if one.key == line.key)  # type: ignore[union-attr]
        assert left.n_settled == 0, line.key
        assert left.n_left == line.n_rows - n, line.key
        services.edits.undo(actor, dataset_id)
        assert _state(db, dataset_id) == before, line.key


def _state(db: Database, dataset_id: str) -> tuple[str, list[Any]]:
    rows = [(row.id, row.position, row.as_new()) for row in now_at(db, dataset_id)]
    return store.dataset_info(db, dataset_id).content_hash, rows
