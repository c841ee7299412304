"""The whole studio into one file and out of it: nothing lost, nothing going on twice, nothing left of a failure."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result
from typer.testing import CliRunner

from studio.access import Actor, Role, stranger
from studio.access.links import LinkSpec
from studio.access.tables import attempts
from studio.backup import BackupService
from studio.backup.archive import ArchiveWriter
from studio.cli import app
from studio.data.drafts import DraftFile, enter
from studio.data.store import DatasetInfo
from studio.data.tables import datasets, ended_again, examinations, findings, locked_prompts, rows, undone
from studio.db import Database, metadata, schema_head
from studio.engine.tables import answers, chats, engines, thumbs, turns
from studio.ids import new_id, now
from studio.jobs.events import EventWriter, read_events
from studio.jobs.ingest import ingest
from studio.jobs.processes import myself
from studio.jobs.queue import insert_job
from studio.jobs.runfolder import RunFolder
from studio.jobs.tables import events, jobs, points, sweep_runs, sweeps, workers
from studio.models.catalogue import Base
from studio.models.tables import bases
from studio.services import Services, build_services
from studio.settings import Settings
from tests.unit.backups import SECRET, refusal

Table = list[dict[str, Any]]

#: What a restore changes, by table; everything else must be as it was.
CHANGED = {
    "workers": None,
    "engines": {"state"},
    "jobs": {"state", "error", "ended_at", "eta_s", "host", "pid", "pid_created", "worker_id", "lease_until"},
    "answers": {"state"},
}

def all_rows(db: Database) -> dict[str, Table]:
    """But for the trail of saving and restoring, which every one of them lengthens."""
    with db.read() as connection:
        found = {
            table.name: [dict(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key)).mappings()]
            for table in metadata.sorted_tables
        }
    found["audit"] = [row for row in found["audit"] if not row["action"].startswith("backup.")]
    return found


def unchanged(found: dict[str, Table]) -> dict[str, Table]:
    """The rows without what a restore changes."""
    return {
        name: [{key: value for key, value in row.items() if key not in (CHANGED.get(name) or ())} for row in table]
        for name, table in found.items()
        if CHANGED.get(name, ()) is not None
    }


def files_of(home: Path) -> dict[str, bytes]:
    """Every file that is to last, by its path."""
    found = {path.relative_to(home).as_posix(): path for path in home.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in found.items()
        if name.split("/")[0] not in ("tmp", "engines") and not name.startswith("studio.db")
    }


@pytest.fixture
def dataset(services: Services, actor: Actor) -> DatasetInfo:
    return services.data.get(actor, services.data.import_sample(actor, "眼科 eyes", note="a note\nwith “quotes”"))


@pytest.fixture
def run_id(services: Services, actor: Actor, settings: Settings, tiny_base: Base, dataset: DatasetInfo) -> str:
    """A training in the middle: this process seems to do it, and the database has taken in half of its events."""
    services.data.stage(actor, settings.home / "models" / "tiny" / "config.json")
    spec = services.train.complete(actor, {"name": "r", "base": tiny_base.id, "dataset": dataset.id, "max_seq_len": 256})
    run_id = services.train.start(actor, spec)
    pid, created = myself()
    alive = {"worker_id": "wrk_a", "host": socket.gethostname(), "pid": pid, "pid_created": created}
    with services.db.write() as connection:
        leased = {"state": "running", "attempt": 1, "lease_until": now() + timedelta(seconds=30), "eta_s": 12.5}
        connection.execute(jobs.update().values(started_at=now(), **leased, **alive))
        worker = {"id": "wrk_a", "host": alive["host"], "pid": pid, "pid_created": created}
        connection.execute(workers.insert().values(**worker, started_at=now(), lease_until=now()))
    folder = RunFolder(settings.home / "runs" / run_id)
    folder.create(spec.as_dict())
    writer = EventWriter(folder.events_file, 1)
    writer.write("attempt_started", resumed_from_step=0)
    for step in (1, 2):
        writer.write("step_finished", step=step, loss=2.5 if step == 1 else float("inf"), lr=1e-4)
    (folder.checkpoint(2) / "deep").mkdir(parents=True)
    (folder.checkpoint(2) / "adapter_model.safetensors").write_bytes(os.urandom(3_000))
    (folder.checkpoint(2) / "deep" / "état.json").write_text("{}")
    path = settings.relative(folder.checkpoint(2))
    writer.write("checkpoint_saved", step=2, path=path, bytes=3_000, val_loss=1.25, best=True, removed=[])
    ingest(services.db, settings, services.train.get(actor, run_id).job)
    writer.write("step_finished", step=3, loss=2.0, lr=1e-4)
    writer.close()
    with folder.events_file.open("ab") as file:
        file.write(b'{"schema":1,"seq":6,"at"')
    return run_id


@pytest.fixture
def lived_in(services: Services, actor: Actor, settings: Settings, run_id: str, tiny_base: Base) -> Services:
    """A studio in use: a training and an engine go on, an answer grows, and there are keys, leftovers and locks."""
    home = settings.home
    with services.db.write() as connection:
        spec = {"kind": "engine", "engine": "eng_a", "base": "tiny"}
        job_id = insert_job(connection, spec=spec, name="tiny", author="usr_local")
        connection.execute(jobs.update().where(jobs.c.id == job_id).values(state="running", attempt=1, pid=1, host="h"))
        engine = {"id": "eng_a", "backend": "transformers", "base_id": "tiny", "token_file": "engines/eng_a/token"}
        connection.execute(engines.insert().values(**engine, state="ready", job_id=job_id, created_at=now(), last_used=now()))
        chat_id = new_id("cht")
        connection.execute(
            chats.insert().values(id=chat_id, owner="u", base_id="tiny", models=["base"], title="干眼", created_at=now())
        )
        connection.execute(turns.insert().values(chat_id=chat_id, number=1, question="为什么？", created_at=now()))
        for column, state in enumerate(("done", "running")):
            answer = {"id": new_id("ans"), "chat_id": chat_id, "turn": 1, "column": column, "model": "base", "state": state}
            connection.execute(answers.insert().values(**answer, text="因为", seed=2**40, decoding={}, created_at=now()))
    user = services.users.add(actor, "Ana", Role.ADMIN, password="correct horse battery")
    services.users.invite(actor, services.users.add(actor, "Bo", Role.EDITOR).id)
    services.users.login(stranger(), "Ana", "correct horse battery", agent="a browser")
    spec = LinkSpec(scope="demo", name="眼科", target={"base_id": "tiny", "models": ["base"]})
    link, token = services.links.create(actor, spec, warned=True)
    services.links.enter(stranger(), link.id, token, None)
    enter(services.db, user.id, [DraftFile(name="患者.csv", upload="0" * 64)])
    with services.db.write() as connection:
        dataset_id = connection.execute(sa.select(datasets.c.id)).scalars().first()
        connection.execute(locked_prompts.insert().values(dataset_id=dataset_id, prompt_hash="0" * 64))
        connection.execute(undone.insert().values(dataset_id=dataset_id, number=2, since=3))
        first_row = sa.select(rows.c.id, sa.literal(4), rows.c.dataset_id).where(rows.c.dataset_id == dataset_id).limit(1)
        connection.execute(ended_again.insert().from_select(["row_id", "number", "dataset_id"], first_row))
        connection.execute(attempts.insert().values(target="ana", address="192.0.2.1", at=now()))
        connection.execute(thumbs.insert().values(answer_id=answer["id"], user_id=user.id, value=1, created_at=now()))
        about = {"id": new_id("exm"), "dataset_id": dataset_id, "revision": 1, "content_hash": "0" * 64, "base_id": "tiny"}
        said = {"max_seq_len": 512, "author": user.id, "created_at": now(), "finished_at": now(), "summary": {"score": 91}}
        connection.execute(examinations.insert().values(**about | said))
        sweep = {"id": new_id("swp"), "name": "rates", "axes": {"learning_rate": [1e-4, 2e-4]}, "author": user.id}
        connection.execute(sweeps.insert().values(**sweep, created_at=now()))
        in_sweep = {"run_id": run_id, "sweep_id": sweep["id"], "position": 0, "values": {"learning_rate": 1e-4}}
        connection.execute(sweep_runs.insert().values(**in_sweep))
        finding = {"examination_id": about["id"], "check_key": "html", "position": 1024, "row_id": 1, "mends": True}
        connection.execute(findings.insert().values(**finding))
    for name in ("engines/eng_a/token", "tmp/worker.lock", "tmp/half", "uploads/x.tmp", "models/.b.part/model.safetensors"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("passing")
    (home / "runs" / run_id / ".saving-3").mkdir()
    (home / "runs" / run_id / ".saving-3" / "adapter_model.safetensors").write_text("half")
    (home / "keys" / "cookie").write_bytes(SECRET)
    (home / "keys" / "cookie").chmod(0o600)
    (home / "studio.env").write_text("STUDIO_HUB=modelscope\n")
    return services


@pytest.fixture
def other(tmp_path: Path) -> Settings:
    """A home that is not there yet."""
    return Settings(home=tmp_path / "elsewhere" / "home", device="cpu")


@pytest.fixture
def saved(lived_in: Services, actor: Actor, tmp_path: Path) -> Path:
    file = tmp_path / "all.tar"
    BackupService(lived_in.settings).save(actor, file)
    return file


# --- there and back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["all.tar", "all.tar.gz"])
def test_everything_comes_back(lived_in: Services, actor: Actor, other: Settings, tmp_path: Path, name: str) -> None:
    before, files = all_rows(lived_in.db), files_of(lived_in.settings.home)
    told = BackupService(lived_in.settings).save(actor, tmp_path / name)
    back = BackupService(other).restore(actor, tmp_path / name)
    db = Database(other.url)
    after = all_rows(db)
    db.check_schema()
    db.close()
    assert unchanged(after) == unchanged(before)
    assert {name for name in before if not before[name]} == set(), "a table without a row would prove nothing"
    kept = {name: data for name, data in files.items() if not any(part in name for part in (".tmp", ".part", ".saving-"))}
    assert files_of(other.home) == kept
    assert (told.datasets, told.rows, told.runs, told.models) == (back.datasets, back.rows, back.runs, back.models)
    assert (back.datasets, back.rows, back.runs, back.models) == (1, 350, 1, 1)
    assert (back.bytes, back.files) == (told.bytes, told.files)
    assert stat.S_IMODE((other.home / "keys" / "cookie").stat().st_mode) == 0o600
    assert stat.S_IMODE((other.home / "keys").stat().st_mode) == 0o700
    assert sorted(path.name for path in other.home.parent.iterdir()) == ["home"]


def test_what_was_going_on_is_not_going_on_in_the_copy(
    lived_in: Services, saved: Path, actor: Actor, other: Settings, run_id: str
) -> None:
    """This very process stands in the backup as the training's: alive, on this host, and still not to be adopted."""
    BackupService(other).restore(actor, saved)
    copy = build_services(other)
    try:
        job = copy.train.get(actor, run_id).job
        assert (job.state, job.error and job.error["key"]) == ("lost", "error.job.restored")
        with copy.db.read() as connection:
            nobody = sa.select(jobs.c.host, jobs.c.pid, jobs.c.pid_created, jobs.c.worker_id, jobs.c.lease_until)
            assert {tuple(row) for row in connection.execute(nobody)} == {(None,) * 5}
            assert connection.execute(sa.select(jobs.c.state).where(jobs.c.kind == "engine")).scalar() == "stopped"
            assert connection.execute(sa.select(engines.c.state)).scalars().all() == ["ended"]
            assert connection.execute(sa.select(workers)).all() == []
            shown = sa.select(answers.c.state).order_by(answers.c.column)
            assert connection.execute(shown).scalars().all() == ["done", "interrupted"]
        assert copy.train.resume(actor, run_id).job.state == "queued"
        assert lived_in.train.get(actor, run_id).job.state == "running"
        # The event file was ahead of the database, which takes in the rest exactly once.
        assert ingest(copy.db, other, job) == 1
        with copy.db.read() as connection:
            losses = sa.select(points.c.step, points.c.value).where(points.c.name == "train/loss").order_by(points.c.step)
            assert [tuple(row) for row in connection.execute(losses)] == [(1, 2.5), (2, float("inf")), (3, 2.0)]
    finally:
        copy.close()


def test_ids_go_on_behind_the_restored_ones(saved: Path, actor: Actor, other: Settings) -> None:
    BackupService(other).restore(actor, saved)
    copy = build_services(other)
    try:
        with copy.db.read() as connection:
            last = connection.execute(sa.select(sa.func.max(rows.c.id))).scalar_one()
        copy.data.import_sample(actor, "again")
        with copy.db.read() as connection:
            assert connection.execute(sa.select(sa.func.count()).where(rows.c.id > last)).scalar_one() == 350
    finally:
        copy.close()


def test_from_sqlite_to_postgresql_and_back(
    lived_in: Services, saved: Path, actor: Actor, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgresql")
    url = server.new_url()
    server.create(url)
    try:
        team = Settings(home=tmp_path / "team", device="cpu", database_url=url)
        BackupService(team).restore(actor, saved)
        db = Database(team.url)
        try:
            assert unchanged(all_rows(db)) == unchanged(all_rows(lived_in.db))
            second = team.model_copy(update={"home": tmp_path / "second"})
            assert refusal(second, actor, saved) == "error.backup.database_not_empty"
            copy = build_services(team)
            copy.data.import_sample(actor, "again")  # the sequence stands behind the ids that were inserted
            copy.close()
            BackupService(team).save(actor, tmp_path / "team.tar")
            home = Settings(home=tmp_path / "single", device="cpu")
            BackupService(home).restore(actor, tmp_path / "team.tar")
            single = Database(home.url)
            assert all_rows(single) == all_rows(db)
            single.close()
            assert not list((tmp_path / "team").glob("studio.db*"))
        finally:
            db.close()
    finally:
        server.drop(url)


def test_a_backup_of_the_first_schema_is_brought_up_to_date(
    actor: Actor, settings: Settings, other: Settings, tmp_path: Path
) -> None:
    db = Database(settings.url)
    db.upgrade("0001")
    moment = "2026-01-31 12:00:00.123000"
    with db.write() as connection:
        connection.execute(sa.text("INSERT INTO datasets VALUES ('ds_a', 'old', '', 'usr_a', :at)"), {"at": moment})
        job = {"id": "job_a", "kind": "import", "job_class": "light", "state": "running", "name": "n", "spec": "{}"}
        job |= {"folder": "jobs/job_a", "author": "usr_a", "created_at": moment, "attempt": 1, "pid": 7, "pid_created": 1.5}
        job |= {"ingested_seq": 0, "ingested_bytes": 0}
        names = ", ".join(job)
        connection.execute(sa.text(f"INSERT INTO jobs ({names}) VALUES (:{', :'.join(job)})"), job)
    db.close()
    told = BackupService(settings).save(actor, tmp_path / "old.tar")
    assert (told.schema, schema_head() > "0001") == ("0001", True)
    BackupService(other).restore(actor, tmp_path / "old.tar")
    db = Database(other.url)
    db.check_schema()
    found = all_rows(db)
    db.close()
    assert [(row["name"], row["created_at"].isoformat()) for row in found["datasets"]] == [
        ("old", "2026-01-31T12:00:00.123000+00:00")
    ]
    assert [(row["state"], row["pid"], row["pid_created"]) for row in found["jobs"]] == [("lost", None, None)]


def test_without_models_the_weights_stay_and_the_base_asks_to_be_fetched(
    lived_in: Services, actor: Actor, other: Settings, tmp_path: Path, run_id: str
) -> None:
    told = BackupService(lived_in.settings).save(actor, tmp_path / "small.tar", with_models=False)
    assert told.models == 0
    BackupService(other).restore(actor, tmp_path / "small.tar")
    assert list((other.home / "models").rglob("*.safetensors")) == []
    assert (other.home / "models" / "tiny" / "tokenizer.json").is_file()
    assert (other.home / "runs" / run_id / "checkpoint-2" / "adapter_model.safetensors").is_file()
    db = Database(other.url)
    with db.read() as connection:
        assert connection.execute(sa.select(bases.c.state)).scalars().all() == ["failed"]
    db.close()


# --- the file ---------------------------------------------------------------------------------------------------------


def test_only_its_owner_may_read_it(lived_in: Services, actor: Actor, tmp_path: Path) -> None:
    file = tmp_path / "all.tar"
    left = tmp_path / "all.tar.part"
    left.write_text("of a killed backup")
    left.chmod(0o644)
    before = os.umask(0)
    try:
        BackupService(lived_in.settings).save(actor, file)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SECRET in file.read_bytes()
    assert not left.exists()


def test_it_says_first_what_it_is_and_last_that_it_is_whole(saved: Path) -> None:
    with tarfile.open(saved) as tar:
        names = tar.getnames()
        first = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
    assert (names[0], names[-1]) == ("manifest.json", "end.json")
    assert (first["schema"], first["tables"]["rows"]) == (schema_head(), 350)
    tables = {f"database/{table.name}.jsonl" for table in metadata.sorted_tables}
    assert {name for name in names if name.startswith("database/")} == tables
    assert names.index("database/rows.jsonl") < min(names.index(name) for name in names if name.startswith("home/"))


@pytest.fixture
def changing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[Path], None]]:
    """By a file's name, what happens to it between its opening and the copying."""
    happens: dict[str, Callable[[Path], None]] = {}
    really = ArchiveWriter.add

    def add(self: ArchiveWriter, name: str, source: Any, size: int, **facts: Any) -> None:
        path = settings.home / name.removeprefix("home/")
        if name.startswith("home/") and path.name in happens:
            happens.pop(path.name)(path)
        really(self, name, source, size, **facts)

    monkeypatch.setattr(ArchiveWriter, "add", add)
    return happens


def test_files_that_grow_shrink_or_vanish_meanwhile(
    lived_in: Services, actor: Actor, other: Settings, tmp_path: Path, run_id: str, changing: dict[str, Callable[[Path], None]]
) -> None:
    """As in a training: events and logs grow, a half line is cut off, a checkpoint is deleted while its folder is read."""
    folder = lived_in.settings.home / "runs" / run_id
    (folder / "log.txt").write_bytes(b"x" * 2_000_000)
    whole = (folder / "events.jsonl").read_bytes()

    def grow(path: Path) -> None:
        with path.open("ab") as file:
            file.write(b"more" * 500_000)

    changing["spec.yaml"] = lambda path: path.unlink()  # open already: its content is there
    changing["events.jsonl"] = lambda path: os.truncate(path, len(whole) - 10)
    changing["config.json"] = grow
    vanishing = folder / "checkpoint-2" / "adapter_model.safetensors"

    def grow_and_lose_a_neighbour(path: Path) -> None:
        grow(path)
        vanishing.unlink()

    changing["log.txt"] = grow_and_lose_a_neighbour
    size = (lived_in.settings.home / "models" / "tiny" / "config.json").stat().st_size

    BackupService(lived_in.settings).save(actor, tmp_path / "all.tar")
    BackupService(other).restore(actor, tmp_path / "all.tar")
    copy = other.home / "runs" / run_id
    assert changing == {}
    assert (copy / "log.txt").stat().st_size == 2_000_000
    assert (other.home / "models" / "tiny" / "config.json").stat().st_size == size
    assert (copy / "spec.yaml").is_file()
    assert not (copy / "checkpoint-2" / "adapter_model.safetensors").exists()
    assert (copy / "events.jsonl").stat().st_size == len(whole)
    assert [event.seq for event, _ in read_events(copy / "events.jsonl")] == [1, 2, 3, 4, 5]


def test_the_database_is_read_before_the_files(
    lived_in: Services, actor: Actor, other: Settings, tmp_path: Path, run_id: str, changing: dict[str, Callable[[Path], None]]
) -> None:
    """What happens while files are copied may be in the files and not in the database; never the other way."""
    settings, job = lived_in.settings, lived_in.train.get(actor, run_id).job
    changing["cookie"] = lambda path: None if ingest(lived_in.db, settings, job) else pytest.fail("nothing was taken in")
    BackupService(settings).save(actor, tmp_path / "all.tar")
    BackupService(other).restore(actor, tmp_path / "all.tar")
    db = Database(other.url)
    with db.read() as connection:
        taken = sa.select(jobs.c.ingested_bytes, jobs.c.ingested_seq).where(jobs.c.run_id == run_id)
        cursor, seq = connection.execute(taken).one()
        assert connection.execute(sa.select(sa.func.max(events.c.seq))).scalar() == seq == 4
    db.close()
    assert cursor < (other.home / "runs" / run_id / "events.jsonl").stat().st_size


def test_links_to_other_disks_are_followed_once(lived_in: Services, actor: Actor, other: Settings, tmp_path: Path) -> None:
    models = lived_in.settings.home / "models"
    (models / "tiny").rename(tmp_path / "disk")
    (models / "tiny").symlink_to(tmp_path / "disk")
    (models / "loop").symlink_to(lived_in.settings.home)
    (models / "nowhere").symlink_to(tmp_path / "nowhere")
    os.mkfifo(models / "pipe")
    BackupService(lived_in.settings).save(actor, tmp_path / "all.tar")
    BackupService(other).restore(actor, tmp_path / "all.tar")
    assert sorted(path.name for path in (other.home / "models").iterdir()) == ["tiny"]
    weights = "model.safetensors"
    assert (other.home / "models" / "tiny" / weights).read_bytes() == (tmp_path / "disk" / weights).read_bytes()


def test_a_backup_leaves_no_trace_of_having_read(services: Services, actor: Actor, settings: Settings, tmp_path: Path) -> None:
    """The cleaning tells by the last reading what is in use; a nightly backup must not keep everything for ever."""
    upload = settings.home / "uploads" / hashlib.sha256(b"x").hexdigest()
    upload.write_bytes(b"x")
    os.utime(upload, (1_000_000_000, 1_000_000_000))
    BackupService(settings).save(actor, tmp_path / "all.tar")
    assert upload.stat().st_atime == 1_000_000_000


# --- the commands -----------------------------------------------------------------------------------------------------


def shell(home: Path, monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> Result:
    monkeypatch.setenv("STUDIO_HOME", str(home))
    monkeypatch.delenv("LANG", raising=False)
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_commands_say_what_they_did_in_numbers(
    services: Services, actor: Actor, other: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.data.import_sample(actor, "eyes")
    home, file = services.settings.home, tmp_path / "all.tar.gz"
    saved = json.loads(shell(home, monkeypatch, "backup", file, "--json").stdout)
    assert (saved["datasets"], saved["rows"], saved["runs"], saved["models"]) == (1, 350, 0, 0)
    assert saved["bytes"] > 100_000
    done = shell(other.home, monkeypatch, "restore", file)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "rows 350" in done.stdout
    assert str(other.home) in done.stdout
    assert json.loads(shell(other.home, monkeypatch, "disk", "--json").stdout)["datasets"][0]["name"] == "eyes"
    again = shell(other.home, monkeypatch, "restore", file, "--lang", "zh")
    assert (again.exit_code, again.stdout) == (1, "")
    assert "已有内容" in again.stderr


def test_a_large_home_tells_how_far_it_is(
    services: Services, other: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.cli._TELL_S", 0.0)
    (services.settings.home / "exports" / "x").write_bytes(b"x" * 2_000_000)
    done = shell(services.settings.home, monkeypatch, "backup", tmp_path / "all.tar", "--json")
    assert "1.91 MiB of 1.91 MiB" in done.stderr
    done = shell(other.home, monkeypatch, "restore", tmp_path / "all.tar")
    assert "1.91 MiB of 1.91 MiB" in done.stdout
