"""A checkpoint is there whole or not at all, whenever its writer dies; what cannot be trusted is not gone on from."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from studio.db import Database
from studio.ids import now
from studio.jobs.context import JobContext
from studio.jobs.events import EventWriter, read_events
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import checkpoints
from studio.settings import ROOT, Settings
from studio.train.checkpoints import MANIFEST, CheckpointStore, Manifest, _sha256, newest_whole, resume_step, told_checkpoints
from tests.unit.train.runs import Training, largest_difference

New = Callable[..., Training]
Opens = Callable[[], CheckpointStore]

#: A checkpoint of a training is synced so often: 6 files, the manifest, its folder, the events, the run's folder.
SYNCS = 10


def is_whole(run: Training, step: int) -> bool:
    manifest = Manifest.model_validate_json((run.folder.checkpoint(step) / MANIFEST).read_bytes())
    found = {path.name for path in run.folder.checkpoint(step).iterdir()} - {MANIFEST}
    return found == set(manifest.files) and all(
        _sha256(run.folder.checkpoint(step) / name) == facts.sha256 for name, facts in manifest.files.items()
    )


# --- killed while one is written --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fate",
    [
        {"at": "filling", "step": 6},
        {"at": "sync", "n": SYNCS + 7},  # the manifest
        {"at": "sync", "n": SYNCS + 9},  # all of it is written, and the name is still the staging folder's
    ],
)
def test_killed_before_the_rename_it_is_not_there(fate: dict[str, Any], new_training: New, untouched: Training) -> None:
    run = new_training()
    run.killed(**fate)
    assert sorted(path.name for path in run.folder.path.iterdir() if path.is_dir()) == [".saving-6", "checkpoint-3"]
    assert is_whole(run, 3)
    assert resume_step(run.folder) == 3
    run.finished()
    assert largest_difference(run, untouched) == 0
    assert run.checkpoint_steps() == run.told_steps() == [9, 12]


@pytest.mark.parametrize("fate", [{"at": "sync", "n": SYNCS + 10}, {"at": "before", "kind": "checkpoint_saved", "step": 6}])
def test_killed_between_rename_and_event_it_is_taken_and_told(
    fate: dict[str, Any], new_training: New, untouched: Training
) -> None:
    run = new_training()
    run.killed(**fate)
    assert [body["step"] for body in run.bodies("checkpoint_saved")] == [3]
    assert resume_step(run.folder) == 6
    run.finished()
    second = [event for event in run.events if event.attempt == 2]
    assert [event.kind for event in second[:2]] == ["attempt_started", "checkpoint_saved"]
    expected = next(body for body in untouched.bodies("checkpoint_saved") if body["step"] == 6)
    differ = {name for name, value in second[1].body.items() if value != expected[name]}
    assert differ == {"path"}
    assert largest_difference(run, untouched) == 0


def test_killed_between_event_and_deletion_the_old_one_is_swept(new_training: New, untouched: Training) -> None:
    run = new_training()
    run.killed(at="after", kind="checkpoint_saved", step=9)  # it takes 3 back
    assert (run.checkpoint_steps(), run.told_steps()) == ([3, 6, 9], [6, 9])
    run.killed(at="after", kind="phase_changed", step=None)
    assert run.checkpoint_steps() == run.told_steps() == [6, 9]
    run.finished()
    assert largest_difference(run, untouched) == 0
    assert run.checkpoint_steps() == run.told_steps() == [9, 12]


def test_an_attempt_that_dies_before_it_tells_leaves_it_to_the_next(new_training: New, untouched: Training) -> None:
    run = new_training()
    run.killed(at="before", kind="checkpoint_saved", step=6)
    run.killed(at="event", n=1)  # knows that it goes on from 6, and dies
    assert resume_step(run.folder) == 6
    run.finished()
    assert [body["step"] for body in run.bodies("checkpoint_saved")] == [3, 6, 9, 12]
    assert largest_difference(run, untouched) == 0


# --- corrupt ----------------------------------------------------------------------------------------------------------


def flip_a_byte(folder: Path) -> None:
    path = folder / "optimizer.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def cut_a_file(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def lose_a_file(folder: Path) -> None:
    (folder / "rng_state.pth").unlink()


def lose_the_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def change_file_and_manifest(folder: Path) -> None:
    """Whole by itself, but not what was told."""
    flip_a_byte(folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["optimizer.pt"]["sha256"] = _sha256(folder / "optimizer.pt")
    (folder / MANIFEST).write_text(json.dumps(manifest))


def lose_the_folder(folder: Path) -> None:
    shutil.rmtree(folder)


DAMAGES = [flip_a_byte, cut_a_file, lose_a_file, lose_the_manifest, change_file_and_manifest, lose_the_folder]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_corrupt_one_is_skipped(damage: Callable[[Path], None], killed_at_8: Training, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    shutil.copytree(killed_at_8.folder.path, folder.path)
    assert resume_step(folder) == 6
    damage(folder.checkpoint(6))
    assert resume_step(folder) == 3
    damage(folder.checkpoint(3))
    assert resume_step(folder) == 0


def test_after_a_corrupt_one_the_training_goes_on_from_the_one_before_and_says_so(new_training: New, untouched: Training) -> None:
    run = new_training()
    run.killed(at="after", kind="step_finished", step=8)
    flip_a_byte(run.folder.checkpoint(6))
    run.killed(at="after", kind="step_finished", step=4)
    assert run.checkpoint_steps() == [3]
    run.finished()
    assert run.bodies("warned") == [{"key": "train.warned.checkpoint_corrupt", "params": {"step": 6, "used": 3}, "rows": []}]
    assert largest_difference(run, untouched) == 0


def test_without_a_good_one_it_begins_again(new_training: New, untouched: Training) -> None:
    run = new_training()
    run.killed(at="after", kind="step_finished", step=8)
    flip_a_byte(run.folder.checkpoint(6))
    lose_the_manifest(run.folder.checkpoint(3))
    run.finished()
    assert [body["params"] for body in run.bodies("warned")] == [{"step": 3, "used": 0}, {"step": 6, "used": 0}]
    assert largest_difference(run, untouched) == 0
    assert run.result["base_loss"] == untouched.result["base_loss"]


def test_looking_changes_nothing(killed_at_8: Training) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in killed_at_8.folder.path.rglob("*"))
    resume_step(killed_at_8.folder)
    assert sorted((path, path.stat().st_mtime_ns) for path in killed_at_8.folder.path.rglob("*")) == before


def test_a_run_that_never_began_starts_at_the_beginning(tmp_path: Path) -> None:
    assert resume_step(RunFolder(tmp_path)) == 0


def test_asking_where_to_go_on_needs_no_torch() -> None:
    code = "import studio.train.checkpoints, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


# --- pinned -----------------------------------------------------------------------------------------------------------


def test_a_pinned_one_is_kept(new_training: New, untouched: Training) -> None:
    run = new_training(entered=True)
    run.killed(at="after", kind="step_finished", step=4)
    db = Database(Settings(home=run.home).url)
    facts = {"path": "", "bytes": 1, "best": False, "pinned": True, "created_at": now()}
    with db.write() as connection:
        connection.execute(checkpoints.insert().values(run_id=run.name, step=3, **facts))
    db.close()
    run.finished()
    assert run.checkpoint_steps() == run.told_steps() == [3, 9, 12]


# --- the store by itself ----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(settings: Settings) -> RunFolder:
    made = RunFolder(settings.home / "runs" / "run_1")
    made.create({"kind": "train"})
    return made


@pytest.fixture
def opens(settings: Settings, db: Database, folder: RunFolder) -> Iterator[Opens]:
    """`opens()` is the store of one more attempt, which goes on from the newest checkpoint."""
    writers: list[EventWriter] = []

    def store() -> CheckpointStore:
        while writers:
            writers.pop().close()
        attempt = len(folder.path.joinpath("attempts").read_text()) + 1 if folder.path.joinpath("attempts").exists() else 1
        folder.path.joinpath("attempts").write_text("x" * attempt)
        writers.append(EventWriter(folder.events_file, attempt))
        events = writers[-1]
        step = resume_step(folder)
        events.write("attempt_started", resumed_from_step=step)
        context = JobContext(
            "job_1", attempt, "usr_local", {}, folder, settings, db, events, history=events.history, resumed_from_step=step
        )
        made = CheckpointStore(context)
        made.begin()
        return made

    yield store
    for writer in writers:
        writer.close()


def fill(folder: Path) -> None:
    (folder / "weights").write_bytes(b"w" * 1000)


def save(store: CheckpointStore, step: int, *, best: bool = False) -> None:
    store.save(step, val_loss=1.0 if best else None, best=best, fill=fill)


def steps_there(folder: RunFolder) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in folder.path.glob("checkpoint-*"))


def test_the_best_and_the_last_two_are_kept(opens: Opens, folder: RunFolder) -> None:
    store = opens()
    for step, best in ((1, True), (2, True), (3, False), (4, False), (5, False)):
        save(store, step, best=best)
    assert steps_there(folder) == sorted(told_checkpoints(event for event, _ in read_events(folder.events_file))) == [2, 4, 5]
    save(store, 6, best=True)
    assert steps_there(folder) == [5, 6]


def test_what_was_best_is_known_by_the_next_attempt(opens: Opens, folder: RunFolder) -> None:
    store = opens()
    for step in (1, 2, 3, 4):
        save(store, step, best=step == 1)
    store = opens()
    for step in (5, 6):
        save(store, step)
    assert steps_there(folder) == [1, 5, 6]


def test_when_the_database_does_not_answer_nothing_is_deleted(
    opens: Opens, folder: RunFolder, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opens()

    def silent() -> Any:
        raise sa.exc.OperationalError("select", {}, Exception("gone"))

    with monkeypatch.context() as patch:
        patch.setattr(db, "read", silent)
        for step in (1, 2, 3, 4):
            save(store, step)
    assert steps_there(folder) == [1, 2, 3, 4]
    save(store, 5)
    assert steps_there(folder) == [4, 5]


def test_an_event_names_only_what_is_there_and_comes_before_the_deletion(
    opens: Opens, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[int], list[int]]] = []
    write = EventWriter.write

    def watched(self: EventWriter, kind: Any, **body: Any) -> None:
        if kind == "checkpoint_saved":
            assert _sha256(folder.checkpoint(body["step"]) / MANIFEST) == body["manifest"]
            seen.append((steps_there(folder), body["removed"]))
        write(self, kind, **body)

    monkeypatch.setattr(EventWriter, "write", watched)
    store = opens()
    for step in (1, 2, 3):
        save(store, step)
    assert seen == [([1], []), ([1, 2], []), ([1, 2, 3], [1])]


def test_a_writer_that_fails_leaves_nothing(opens: Opens, folder: RunFolder) -> None:
    store = opens()
    save(store, 1)

    def fails(path: Path) -> None:
        fill(path)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.save(2, val_loss=None, best=False, fill=fails)
    assert sorted(path.name for path in folder.path.iterdir() if path.is_dir()) == ["checkpoint-1"]
    save(store, 2)
    assert steps_there(folder) == [1, 2]


def test_a_loss_that_is_no_number_is_told_and_read_back(opens: Opens, folder: RunFolder) -> None:
    opens().save(1, val_loss=float("nan"), best=False, fill=fill)
    manifest = newest_whole(folder, [event for event, _ in read_events(folder.events_file)])
    assert manifest is not None
    assert manifest.val_loss != manifest.val_loss
    opens()
    assert [event.body["val_loss"] for event, _ in read_events(folder.events_file) if event.kind == "checkpoint_saved"] == ["nan"]


def test_one_that_a_later_attempt_went_back_behind_is_not_taken_any_more(opens: Opens, folder: RunFolder, tmp_path: Path) -> None:
    """It turns up again, whole by itself: but not what was told, and what came of it was done again since."""
    store = opens()
    save(store, 1)
    save(store, 2)
    change = folder.checkpoint(2) / "weights"
    change.write_bytes(b"v" * 1000)
    manifest = json.loads((folder.checkpoint(2) / MANIFEST).read_text())
    manifest["files"]["weights"]["sha256"] = _sha256(change)
    (folder.checkpoint(2) / MANIFEST).write_text(json.dumps(manifest))
    shutil.copytree(folder.checkpoint(2), tmp_path / "again")
    opens()
    assert steps_there(folder) == [1]
    shutil.copytree(tmp_path / "again", folder.checkpoint(2))
    assert resume_step(folder) == 1
