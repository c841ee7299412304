"""The doctor from a shell: a report for people and for programs, a mend that can be undone, a rule that is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from studio.cli import app
from studio.data import store
from studio.services import Services
from studio.settings import Settings
from tests.unit.data.edited import chat, dataset, now_at

Run = Callable[..., Result]

COPY = ("What is a stye?", "An infected gland of the eyelid. It heals by itself.")


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("doctor", "eyes")`: a command on the test's own home."""
    monkeypatch.setenv("STUDIO_HOME", str(settings.home))
    monkeypatch.delenv("LANG", raising=False)
    return lambda *words: CliRunner().invoke(app, list(words))


@pytest.fixture
def eyes(services: Services) -> str:
    rows = [
        chat(*COPY, split="train"),
        chat(*COPY, split="train"),
        chat("Was ist das?", "<p>A cataract is a clouded lens.</p>", split="train"),
        chat("近视怎么办？", "少看⼿机，多到户外去。", split="train"),
        chat("Why?", "A.", split="train"),
        chat("Why?", "B.", split="train"),
    ]
    return dataset(services.db, rows, "eyes")


def said(done: Result) -> Any:
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_a_program_gets_the_rules_the_counts_and_the_rows(services: Services, run: Run, eyes: str) -> None:
    told = said(run("doctor", "eyes", "--json"))
    rows = [row.id for row in now_at(services.db, eyes)]
    by_rule = {one["rule"]: one for one in told["checks"]}
    assert {rule: one["rows"] for rule, one in by_rule.items()} == {
        "exact_duplicates": [rows[1]],
        "html": [rows[2]],
        "radicals": [rows[3]],
        "contradictions": rows[4:],
    }
    assert all(one["count"] == len(one["rows"]) and "{" not in one["says"] for one in told["checks"])
    assert by_rule["contradictions"]["mends"] == 0
    assert set(told["not_run"]) == {"leakage", "too_long"}
    assert told["n_rows"] == 6 and set(told["health"]["areas"]) >= {"quality", "bias"}


def test_people_read_sentences_and_the_numbers_of_rows(run: Run, eyes: str) -> None:
    words = run("doctor", "eyes").stdout
    assert "html: " in words and "rows 3" in words
    assert "mend --rule radicals" in words
    assert "行号 2" in run("doctor", "eyes", "--lang", "zh").stdout


@pytest.mark.parametrize("rule", ["html", "exact_duplicates"])
def test_a_mend_is_shown_made_and_taken_back(services: Services, run: Run, eyes: str, rule: str) -> None:
    before = store.dataset_info(services.db, eyes).content_hash
    assert said(run("mend", "eyes", "--rule", rule, "--dry-run", "--json"))["changed"] == 1
    assert store.dataset_info(services.db, eyes).revision == 1
    made = said(run("mend", "eyes", "--rule", rule, "-m", "from the web", "--json"))
    assert (made["revision"], made["refused"]) == (2, {})
    assert store.dataset_info(services.db, eyes).content_hash != before
    assert "from the web" in run("history", "eyes").stdout
    assert said(run("mend", "eyes", "--rule", rule, "--json"))["revision"] is None
    run("undo", "eyes")
    assert store.dataset_info(services.db, eyes).content_hash == before


def test_a_rule_that_is_none_is_told_with_the_closest(run: Run, eyes: str) -> None:
    done = run("mend", "eyes", "--rule", "radical")
    assert done.exit_code == 1
    assert "“radicals”" in done.stderr and "exact_duplicates" in done.stderr
    assert run("mend", "eyes", "--rule", "contradictions").exit_code == 1


def test_a_finding_can_fail_a_build(run: Run, eyes: str) -> None:
    assert run("doctor", "eyes", "--fail-on", "html,mojibake").exit_code == 1
    assert run("doctor", "eyes", "--fail-on", "mojibake").exit_code == 0
