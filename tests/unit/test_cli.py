"""The CLI: the same services, words for people, one JSON object for programs, exit status 1 with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from studio.access import Actor
from studio.cli import app
from studio.data.service import SAMPLE_FILE
from studio.models.catalogue import Base
from studio.services import Services
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


# --- what asks before a training --------------------------------------------------------------------------------------


@pytest.fixture
def doubtful(run: Run, services: Services, tiny_base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The spec of a training whose dataset has no validation rows. No worker: what is queued waits."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"question": "a?", "answer": "b", "split": "train"}\n' * 4, "utf-8")
    assert run("import", rows, "--name", "all to train").exit_code == 0
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"name: a\nbase: {tiny_base.id}\ndataset: all to train\n", "utf-8")
    monkeypatch.setattr("studio.cli._Shell.need_worker", lambda shell: None)
    return spec


@pytest.mark.parametrize(("words", "is_terminal", "typed", "starts"), [
    ((), False, "", True),
    ((), True, "n\n", False),
    ((), True, "y\n", True),
    (("--yes",), True, "", True),
])
def test_a_warning_is_said_and_asked_about_at_a_terminal(
    doubtful: Path, services: Services, actor: Actor, monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...], is_terminal: bool, typed: str, starts: bool,
) -> None:
    monkeypatch.setattr("studio.cli._is_at_terminal", lambda: is_terminal)
    done = CliRunner().invoke(app, ["train", str(doubtful), "--detach", *words], input=typed)
    assert "no validation rows" in done.stderr
    assert (done.exit_code == 0) is starts
    assert len(services.train.list(actor)) == starts
