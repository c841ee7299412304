"""The CLI: the same services, words for people, one JSON object for programs, exit status 1 with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from studio.cli import app
from studio.data.service import SAMPLE_FILE
from studio.settings import Settings

Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call a command on the test's own home, as a shell would."""
    monkeypatch.setenv("STUDIO_HOME", str(settings.home))
    monkeypatch.delenv("LANG", raising=False)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def test_import_prints_one_json_object(run: Run) -> None:
    done = run("import", SAMPLE_FILE, "--name", "eyes", "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert (told["name"], told["rows"]) == ("eyes", 350)
    assert told["splits"] == {"train": 256, "validation": 32, "test": 62}


def test_refused_rows_are_listed_beside_the_result(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "half.jsonl"
    path.write_text('{"question": "a?", "answer": "b"}\n{"question": "c?"\n', "utf-8")
    done = run("import", path, "--name", "half", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["rows"] == 1
    assert "line 2" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("import", "no-such-file.jsonl", "--name", "x"), "no-such-file.jsonl"),
        (("run", "no-such-spec.yaml"), "no-such-spec.yaml"),
        (("chat", "no-such-run", "-m", "hi"), "no-such-run"),
    ],
)
def test_a_failure_says_why_on_standard_error(run: Run, words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert done.exit_code == 1
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(("lang", "said"), [("en", "There is no file"), ("zh", "没有文件")])
def test_words_come_in_the_language_that_was_asked_for(run: Run, lang: str, said: str) -> None:
    assert said in run("import", "nowhere.csv", "--name", "x", "--lang", lang).stderr


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("- a list", "YAML"),
        ("kind: bake", "bake"),
        ("base: nothing\ndataset: nothing\nname: x", "nothing"),
        ("base: b\ncolour: red", "colour"),
        ("epochs: 2", "base model"),
    ],
    ids=["no mapping", "unknown kind", "unknown dataset", "unknown field", "no base"],
)
def test_a_spec_that_cannot_run_is_refused_before_anything_starts(run: Run, tmp_path: Path, yaml: str, said: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml, "utf-8")
    done = run("run", path)
    assert done.exit_code == 1
    assert said in done.stderr
    assert json.loads(run("runs", "--json").stdout) == {"runs": []}


def test_train_takes_only_trainings(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("kind: fetch\n", "utf-8")
    done = run("train", path)
    assert done.exit_code == 1
    assert "fetch" in done.stderr


def test_stop_asks_the_worker_and_says_so(run: Run) -> None:
    assert json.loads(run("stop", "--json").stdout) == {"stopping": True}
