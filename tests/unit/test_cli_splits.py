"""Splits, locks and mixes from a shell: words for people, one JSON object for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from studio.cli import app
from studio.data.locks import locked_digests
from studio.services import Services
from studio.settings import Settings
from tests.unit.data.made import chat, dataset, rows_of

Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, services: Services, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command on the test's own home."""
    monkeypatch.setenv("STUDIO_HOME", str(settings.home))
    monkeypatch.delenv("LANG", raising=False)
    return lambda *words: CliRunner().invoke(app, [*words])


@pytest.fixture
def eyes(services: Services) -> str:
    return dataset(services.db, [chat(f"Eye {n}?") for n in range(20)], "Eyes=1")


def told(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    return dict(json.loads(result.stdout))


def test_rows_are_assigned_by_name_with_the_shares_that_are_given(run: Run, services: Services, eyes: str) -> None:
    done = told(run("split", "Eyes=1", "--validation", "0.2", "--test", "0.3", "--json"))
    assert done == {"dataset": eyes, "revision": 2, "splits": {"test": 6, "train": 10, "validation": 4}}
    again = run("split", eyes, "--validation", "0.2", "--test", "0.3")
    assert again.stdout == "“Eyes=1” now has 10 rows to train on, 4 to validate on and 6 to test on.\n"


def test_warnings_are_said_and_kept_out_of_what_a_program_reads(run: Run, services: Services) -> None:
    dataset(services.db, [chat(f"Eye {n}?", group_key="ab"[n % 2]) for n in range(4)], "Two")
    done = run("split", "Two", "--by", "group", "--json")
    assert "2 groups" in done.stderr
    assert told(done)["splits"] == {"train": 4}


def test_a_share_that_cannot_be_is_refused_with_its_name(run: Run, eyes: str) -> None:
    done = run("split", eyes, "--test", "0.7")
    assert done.exit_code == 1
    assert "test_share" in done.stderr


def test_a_test_set_is_locked_and_unlocked(run: Run, services: Services, eyes: str) -> None:
    assert "no test rows" in run("lock", eyes).stderr
    run("split", eyes)
    assert told(run("lock", eyes, "--json")) == {"dataset": eyes, "locked": True, "rows": 2}
    assert len(locked_digests(services.db)) == 2
    assert told(run("unlock", eyes, "--json")) == {"dataset": eyes, "locked": False}
    assert locked_digests(services.db) == frozenset()


def test_a_mix_is_made_of_names_with_weights(run: Run, services: Services, eyes: str) -> None:
    dataset(services.db, [chat(f"Ear {n}?") for n in range(10)], "Ears")
    done = told(run("mix", "Both", "--part", "Eyes=1", "--part", "Ears=2", "--json"))
    assert (done["rows"], done["splits"]) == (40, {"train": 40})
    assert len(rows_of(services.db, done["dataset"])) == 40
    assert [(part["name"], part["weight"]) for part in done["mix"]["parts"]] == [("Eyes=1", 1.0), ("Ears", 2.0)]


def test_the_shares_of_a_mix_are_said_before_it_is_made(run: Run, eyes: str) -> None:
    done = run("mix", "Half", "--part", f"{eyes}=0.5")
    assert "Eyes=1: 10 rows to train on, 100.0 % of the rows and 100.0 % of the characters" in done.stdout
    assert "Mixed “Half”: 10 rows" in done.stdout


def test_a_part_that_is_not_there_is_named(run: Run) -> None:
    done = run("mix", "Half", "--part", "Nowhere=0.5")
    assert done.exit_code == 1
    assert "Nowhere" in done.stderr
