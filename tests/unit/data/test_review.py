"""What a model wrote, and what somebody flagged, waits until a person has said yes; nothing of a draft is trained on before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.access import Actor
from studio.data import find, store
from studio.data.bulk import apply_bulk, preview_bulk
from studio.data.edits import RowChanges
from studio.data.examples import Reading
from studio.data.filters import Filter
from studio.data.jobs import ImportFile, ImportSpec
from studio.data.mix import MixPart, MixSpec
from studio.data.review import accepted, drafted, is_draft
from studio.data.splits import SplitSpec
from studio.db import Database
from studio.errors import DataError
from studio.models.catalogue import Base
from studio.services import Services
from studio.settings import Settings
from tests.unit.data.edited import chat, dataset, now_at, spec

pytestmark = pytest.mark.backends("sqlite", "postgresql")


def mixed(db: Database) -> str:
    """Two rows of a person's, two of a model's, one of each flagged."""
    rows = [
        chat("a?", "A.", split="train"),
        chat("b?", "B.", split="train", flag="odd"),
        drafted(chat("c?", "C.", origin={"file": 'x"type":"file".jsonl', "line": 3})),
        replace(drafted(chat("d?", "D.")), flag="odd"),
    ]
    return dataset(db, rows)


def matching(db: Database, settings: Settings, dataset_id: str, **wanted: Any) -> list[str]:
    revision = store.dataset_info(db, dataset_id).revision
    found = find.matching(db, settings, dataset_id, revision, Filter(**wanted))
    return [row.content["messages"][0]["content"] for row in found]


def test_what_waits_is_flagged_or_a_draft(db: Database, settings: Settings) -> None:
    dataset_id = mixed(db)
    assert matching(db, settings, dataset_id, waiting=True) == ["b?", "c?", "d?"]
    assert matching(db, settings, dataset_id, waiting=False) == ["a?"]


def test_accepted_it_waits_no_longer_and_a_draft_is_trained_on(db: Database, settings: Settings) -> None:
    dataset_id = mixed(db)
    made = apply_bulk(db, settings, spec(dataset_id, filter={"waiting": True}, do="accept"), "usr_b")
    assert made.changes["changed"] == 3
    assert matching(db, settings, dataset_id, waiting=True) == []
    rows = now_at(db, dataset_id)
    assert [row.split for row in rows] == ["train"] * 4
    assert [row.flag for row in rows] == [None] * 4
    assert not any(is_draft(row.origin) for row in rows)
    assert rows[2].origin == {"file": 'x"type":"file".jsonl', "line": 3, "type": "model", "reviewed": True}


def test_accepting_twice_is_accepting_once() -> None:
    row = accepted(drafted(chat("a?", "A.")))
    assert accepted(row) == row
    held_out = chat("a?", "A.", split="test")
    assert accepted(held_out) == held_out


def test_no_change_puts_a_draft_into_a_split(services: Services, actor: Actor, db: Database, settings: Settings) -> None:
    dataset_id = mixed(db)
    draft = now_at(db, dataset_id)[2]
    with pytest.raises(DataError, match=r"error\.data\.unreviewed"):
        services.edits.save_row(actor, dataset_id, draft.id, RowChanges(split="train"))
    told = preview_bulk(db, settings, spec(dataset_id, do="split", split="train"))
    assert told.refused == {"data.bulk.refused.unreviewed": 2}
    apply_bulk(db, settings, spec(dataset_id, do="split", split="validation"), "usr_b")
    assert [row.split for row in now_at(db, dataset_id)] == ["validation", "validation", None, None]


def test_a_split_leaves_drafts_where_they_are_and_says_so(services: Services, actor: Actor, db: Database) -> None:
    rows = [chat(f"q{at}?", "A.") for at in range(20)] + [drafted(chat(f"d{at}?", "D.")) for at in range(5)]
    dataset_id = dataset(db, rows)
    wish = SplitSpec(dataset=dataset_id, validation_share=0.2, test_share=0.2)
    told = services.splits.preview(actor, wish)
    assert told.after == {"train": 12, "validation": 4, "test": 4, "none": 5}
    assert {"key": "data.split.warning.drafts", "params": {"n": 5}} in told.warnings
    services.splits.assign(actor, wish)
    assert store.dataset_info(db, dataset_id).counts == told.after


def test_a_mix_takes_no_drafts(services: Services, actor: Actor, db: Database) -> None:
    dataset_id = mixed(db)
    made = services.mixes.make(actor, MixSpec(dataset_name="mixed", parts=[MixPart(dataset=dataset_id)]))
    assert made.dataset_id is not None
    assert sorted(row.content["messages"][0]["content"] for row in now_at(db, made.dataset_id)) == ["a?", "b?"]


def test_a_file_that_a_model_wrote_is_imported_as_drafts_whatever_splits_it_names(
    services: Services, actor: Actor, db: Database, tmp_path: Path
) -> None:
    path = tmp_path / "made.jsonl"
    lines = [{"messages": chat(f"q{at}?", "A.").content["messages"], "split": "train"} for at in range(30)]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    file = ImportFile(upload=services.data.stage(actor, path), name=path.name, split="train")
    made = services.data.import_upload(actor, ImportSpec(files=[file], dataset_name="made", drafts=True))
    assert made.dataset_id is not None
    assert store.dataset_info(db, made.dataset_id).counts == {"none": 30}
    assert all(is_draft(row.origin) for row in now_at(db, made.dataset_id))
    assert now_at(db, made.dataset_id)[4].origin == {"type": "model", "ref": "made.jsonl", "line": 5}


def test_drafts_are_in_no_training(services: Services, actor: Actor, db: Database, tiny_base: Base) -> None:
    dataset_id = mixed(db)
    seen = services.data.training_view(actor, dataset_id, tiny_base.id, Reading(max_seq_len=512))
    assert seen.counts == {"train": 2, "none": 2}
