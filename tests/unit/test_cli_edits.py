"""Changes of a dataset from a shell: seen before they are made, listed, compared and taken back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from studio.access import Actor
from studio.cli import app
from studio.data import store
from studio.services import Services
from studio.settings import Settings
from tests.unit.data.edited import dataset, now_at, plain, texts

Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("undo", "d")`: a command on the test's own home."""
    monkeypatch.setenv("STUDIO_HOME", str(settings.home))
    monkeypatch.delenv("LANG", raising=False)
    return lambda *words: CliRunner().invoke(app, list(words))


@pytest.fixture
def letters(services: Services) -> str:
    return dataset(services.db, [plain("青光眼\nsame", "train"), plain("b"), plain("眼压", "train")], "letters")


def said(done: Result) -> Any:
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_a_replacement_is_shown_before_it_is_made(services: Services, run: Run, letters: str) -> None:
    options = ("replace", "letters", "--find", "眼", "--put", "目")
    shown = run(*options, "--dry-run")
    assert shown.stdout.splitlines() == [
        "2 of 3 rows would change.",
        "",
        "Row 1",
        "  青光[-眼-]{+目+}",
        "",
        "Row 3",
        "  [-眼-]{+目+}压",
    ]
    assert said(run(*options, "--dry-run", "--json"))["changed"] == 2
    assert store.dataset_info(services.db, letters).revision == 1
    made = run(*options, "-m", "spelling", "--lang", "zh")
    assert made.stdout.strip().endswith("在 2 行中把“眼”替换为“目”  spelling")
    assert texts(now_at(services.db, letters)) == ["青光目\nsame", "b", "目压"]
    assert said(run(*options, "--json"))["revision"] is None


def test_rows_that_stay_as_they_are_are_told(run: Run, letters: str) -> None:
    done = run("replace", "letters", "--find", "b", "--put", "")
    assert "1 rows stay as they are" in done.stdout
    assert "No row had to be changed." in done.stdout


def test_only_rows_of_the_split_change(services: Services, run: Run, letters: str) -> None:
    said(run("replace", "letters", "--find", ".", "--put", "x", "--regex", "--split", "none", "--json"))
    assert texts(now_at(services.db, letters)) == ["青光眼\nsame", "x", "眼压"]


def test_changes_are_listed_taken_back_made_again_and_restored(services: Services, run: Run, letters: str, actor: Actor) -> None:
    run("replace", "letters", "--find", "b", "--put", "c")
    assert said(run("undo", letters, "--json"))["action"] == "undo"
    assert said(run("redo", "letters", "--json"))["action"] == "redo"
    assert said(run("restore-revision", "letters", "1", "--json"))["number"] == 5
    services.edits.name_revision(actor, letters, 5, "good")
    listed = said(run("history", "letters", "--json", "--limit", "4"))["revisions"]
    assert [item["number"] for item in listed] == [5, 4, 3, 2]
    assert [item["name"] for item in listed] == ["good", None, None, None]
    assert listed[3]["what"] == "Replaced “b” by “c” in 1 rows"
    assert len(run("history", "letters").stdout.splitlines()) == 5
    assert texts(now_at(services.db, letters))[1] == "b"


def test_revisions_are_compared_row_by_row(run: Run, letters: str) -> None:
    run("replace", "letters", "--find", "same", "--put", "other")
    run("replace", "letters", "--find", "b", "--put", "c")
    assert run("diff", "letters").stdout.splitlines() == [
        "From revision 2 to 3: 0 rows added, 0 removed, 1 changed.",
        "",
        "Row 2",
        "  [-b-]{+c+}",
    ]
    told = said(run("diff", "letters", "3", "1", "--json"))
    assert (told["counts"]["changed"], told["rows"][0]) == (2, {"row": "1", "lines": ["[-other-]{+same+}"]})
    assert "--limit" in run("diff", "letters", "1", "--limit", "1").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("undo", "letters"), "nothing to undo"),
        (("redo", "letters"), "nothing to redo"),
        (("history", "nobody"), "nobody"),
        (("restore-revision", "letters", "7"), "7"),
        (("replace", "letters", "--find", "(", "--put", "x", "--regex"), "("),
        (("replace", "letters", "--find", "a", "--put", "x", "--where", "nowhere"), "where"),
        (("diff", "letters", "1", "9"), "9"),
    ],
)
def test_what_cannot_be_done_is_told_in_words(run: Run, letters: str, words: tuple[str, ...], told: str) -> None:
    done = run(*words)
    assert done.exit_code == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
