"""What is known before a training starts: each thing that stops it or asks, on a case that has it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.access import Actor
from studio.data.service import ImportSpec
from studio.jobs.resources import Device
from studio.models.catalogue import Base
from studio.services import Services
from studio.train.preflight import Preflight

Write = Callable[..., Path]


def chat(question: str, answer: str, split: str = "train") -> dict[str, Any]:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": turns, "split": split}


@pytest.fixture
def ahead_of(services: Services, actor: Actor, tiny_base: Base, write_rows: Write) -> Callable[..., Preflight]:
    """Of a training on these records, with the tiny base."""

    def look(records: list[dict[str, Any]], **values: Any) -> Preflight:
        path = write_rows(records)
        upload = services.data.stage(actor, path)
        name = f"rows {len(services.data.list(actor))}"
        made = services.data.import_upload(actor, ImportSpec(upload=upload, file_name=path.name, dataset_name=name))
        asked = {"name": "a", "base": tiny_base.id, "dataset": made.dataset_id, "max_seq_len": 128} | values
        return services.train.preflight(actor, services.train.complete(actor, asked))

    return look


SOUND = [chat(f"Question {n}?", f"Answer {n}.") for n in range(20)] + [chat("Well?", "Well.", "validation")]


def keys(found: list[dict[str, Any]]) -> list[str]:
    return [item["key"] for item in found]


def test_sound_rows_raise_nothing_and_the_outlook_is_told(ahead_of: Callable[..., Preflight]) -> None:
    ahead = ahead_of(SOUND)
    assert (ahead.errors, ahead.warnings) == ([], [])
    assert ahead.outlook is not None
    assert 0 < ahead.outlook.footprint.low <= ahead.outlook.footprint.total <= ahead.outlook.footprint.high


def test_an_answer_with_a_strange_end_token_asks(ahead_of: Callable[..., Preflight], services: Services, tiny_base: Base) -> None:
    """The chat template of a base that closes no turn: what is trained ends with the text."""
    folder = services.settings.home / "models" / tiny_base.id
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    template = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}\n{% endfor %}"
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"chat_template": template}), "utf-8")
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    (folder / "tokenizer.json").touch()
    warnings = ahead_of(SOUND).warnings
    assert keys(warnings) == ["train.warning.no_end"]
    assert warnings[0]["params"]["n"] == 20


def test_a_base_without_a_template_stops(ahead_of: Callable[..., Preflight], services: Services, tiny_base: Base) -> None:
    folder = services.settings.home / "models" / tiny_base.id
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    config.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    (folder / "tokenizer.json").touch()
    assert keys(ahead_of(SOUND).errors) == ["error.train.no_template"]


def test_a_question_of_the_test_split_in_training_asks(ahead_of: Callable[..., Preflight]) -> None:
    warnings = ahead_of([*SOUND, chat("Question 3?", "Another answer.", "test"), chat("Unseen?", "Yes.", "test")]).warnings
    assert keys(warnings) == ["train.warning.leaked"]
    assert warnings[0]["params"]["n"] == 1


def test_no_validation_rows_and_rows_over_the_limit_ask(ahead_of: Callable[..., Preflight]) -> None:
    warnings = ahead_of([*SOUND[:20], chat("Long?", "word " * 200)]).warnings
    assert keys(warnings) == ["train.warning.no_validation", "train.warning.refused"]
    assert warnings[1]["params"] == {"n": 1, "reason": "data.refused.too_long"}


@pytest.mark.parametrize(
    ("share", "errors", "warnings"), [(0.5, ["error.train.no_memory"], []), (1.02, [], ["train.warning.tight"])]
)
def test_memory_stops_where_it_cannot_be_enough_and_asks_where_it_is_tight(
    ahead_of: Callable[..., Preflight], monkeypatch: pytest.MonkeyPatch, share: float, errors: list[str], warnings: list[str]
) -> None:
    """On a card, whose memory nobody else uses: `share` of what is foretold as the least or as the middle."""
    outlook = ahead_of(SOUND).outlook
    assert outlook is not None
    needed = outlook.footprint.low if share < 1 else outlook.footprint.total
    monkeypatch.setattr("studio.train.fit.free_memory_bytes", lambda: round(share * needed))
    monkeypatch.setattr("studio.train.fit.devices", lambda settings: (Device("cpu", 0, "small", 1),))
    ahead = ahead_of(SOUND)
    assert (keys(ahead.errors), keys(ahead.warnings)) == (errors, warnings)
