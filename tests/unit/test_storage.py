"""Where the bytes are, and what may go: only what is old, and only what no job and no person is about to use."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from studio.access import Actor
from studio.cli import app
from studio.data.rows import search_text
from studio.data.service import ImportSpec
from studio.data.snapshot import ensure_snapshot
from studio.data.tables import rows
from studio.engine.tables import engines
from studio.errors import AccessError
from studio.ids import now
from studio.jobs.queue import ENDED, insert_job
from studio.jobs.tables import jobs
from studio.models.catalogue import Base
from studio.services import Services
from studio.settings import Settings
from studio.storage import RULES, DiskUse

DAY = 86_400
OLD = 2 * DAY
SHA = hashlib.sha256(b"an upload").hexdigest()

Put = Callable[..., Path]


@pytest.fixture
def put(settings: Settings) -> Put:
    """`put("uploads/x")` writes a file of 1,000 bytes that nobody has touched for `age_s`, and so are its folders."""

    def write(name: str, age_s: float = OLD, size: int = 1_000) -> Path:
        path = settings.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
        moment = time.time() - age_s
        for each in (path, path.parent):
            if each != settings.home:
                os.utime(each, (moment, moment))
        return path

    return write


def queue(services: Services, state: str = "running", **spec: Any) -> str:
    with services.db.write() as connection:
        job_id = insert_job(connection, spec=spec, name="a job", author="usr_a")
        connection.execute(jobs.update().where(jobs.c.id == job_id).values(state=state))
    return job_id


def end(services: Services, job_id: str) -> None:
    with services.db.write() as connection:
        connection.execute(jobs.update().where(jobs.c.id == job_id).values(state="finished"))


def engine(services: Services, base: Base, engine_id: str, state: str, job_state: str) -> None:
    job_id = queue(services, job_state, kind="engine", engine=engine_id, base=base.id)
    row = {"id": engine_id, "backend": "transformers", "base_id": base.id, "token_file": f"engines/{engine_id}/token"}
    with services.db.write() as connection:
        connection.execute(engines.insert().values(**row, state=state, job_id=job_id, created_at=now(), last_used=now()))


# --- what there is ----------------------------------------------------------------------------------------------------


@pytest.mark.backends("sqlite", "postgresql")
def test_every_byte_is_counted_once(services: Services, actor: Actor, put: Put, settings: Settings, backend: str) -> None:
    dataset_id = services.data.import_sample(actor, "眼科")
    info = services.data.get(actor, dataset_id)
    snapshot = ensure_snapshot(services.db, settings, dataset_id, info.revision, info.content_hash)
    put("models/tiny/model.safetensors", size=70_000)
    put("runs/run_a/checkpoint-1/adapter_model.safetensors", size=50_000)
    put("runs/run_a/events.jsonl", size=1_000)
    put("runs/run_b/events.jsonl", size=2_000)
    put("snapshots/" + "0" * 64 + ".arrow", size=3_000)
    for number, name in enumerate(("exports/a", "jobs/job_a/log.txt", "tmp/gradio/x", "engines/eng_a/token", "studio.env")):
        put(name, size=100 + number)
    use = services.storage.use(actor)
    kinds = dict(use.kinds)
    on_disk = sum(path.stat().st_size for path in settings.home.rglob("*") if path.is_file())
    if backend == "sqlite":
        assert use.total_bytes == pytest.approx(on_disk, abs=100_000)  # a reader may have moved SQLite's log meanwhile
    else:
        with services.db.read() as connection:
            there = connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one()
        assert use.total_bytes == on_disk + there
    with services.db.read() as connection:
        found = connection.execute(sa.select(rows.c.kind, rows.c.content, rows.c.origin, rows.c.extra, rows.c.references)).all()
    values = [value for row in found for value in row[1:] if value is not None]
    texts = [json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values]
    texts += [search_text(row.kind, row.content) for row in found]
    in_rows = sum(len(item.encode()) for item in texts)
    assert kinds.pop("database") > 0
    assert kinds.pop("uploads") == Path("assets/sample/eye-care.jsonl").stat().st_size
    assert kinds == {
        "models": 70_000,
        "runs": 53_000,
        "datasets": in_rows + snapshot.stat().st_size,
        "snapshots": 3_000,
        "exports": 100,
        "jobs": 101,
        "temporary": kinds["temporary"],
        "engines": 103,
        "other": 104,
    }
    assert [tuple(item) for item in use.runs] == [("run_a", "run_a", 51_000), ("run_b", "run_b", 2_000)]
    assert [tuple(item) for item in use.models] == [("tiny", "tiny", 70_000)]
    assert [(item.id, item.name, item.bytes) for item in use.datasets] == [(dataset_id, "眼科", kinds["datasets"])]
    assert [size for _, size in use.kinds] == sorted((size for _, size in use.kinds), reverse=True)


def test_it_is_measured_seldom_and_anew_after_a_cleaning(
    services: Services, actor: Actor, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1_000.0]
    monkeypatch.setattr("studio.storage.time.monotonic", lambda: clock[0])

    def temporary() -> int:
        return dict(services.storage.use(actor).kinds).get("temporary", 0)

    before = temporary()
    put("tmp/gradio/a/file", size=5_000)
    assert temporary() == before
    clock[0] += 121
    assert temporary() == before + 5_000
    services.storage.clean(actor)
    assert temporary() == before


def test_a_snapshot_of_two_datasets_is_the_older_ones(services: Services, actor: Actor, settings: Settings) -> None:
    first, second = (services.data.import_sample(actor, name) for name in ("first", "second"))
    info = services.data.get(actor, first)
    snapshot = ensure_snapshot(services.db, settings, first, info.revision, info.content_hash)
    sizes = {item.id: item.bytes for item in services.storage.use(actor).datasets}
    assert sizes[first] - sizes[second] == snapshot.stat().st_size


def test_an_empty_home_has_a_use(services: Services, actor: Actor) -> None:
    use = services.storage.use(actor)
    assert isinstance(use, DiskUse)
    assert (use.datasets, use.runs, use.models) == ((), (), ())
    assert use.free_bytes > 0


# --- what goes --------------------------------------------------------------------------------------------------------

#: Everything that cleaning may find, by kind; a run and an engine of these names have ended.
REMOVED = {
    "snapshots": ["snapshots/" + "a" * 64 + ".arrow"],
    "uploads": [f"uploads/{SHA}"],
    "exports": ["exports/eye-care-r1-0123abcd.jsonl"],
    "temporary": ["tmp/gradio/abc/photo.png", "tmp/half"],
    "leftovers": [
        f"uploads/{SHA}.tmp",
        "uploads/x.part",
        "snapshots/x.17.tmp",
        "snapshots/x.part",
        "models/.big.part/model.safetensors",
    ],
    "staging": ["runs/run_a/.saving-20/adapter_model.safetensors"],
    "engines": ["engines/eng_a/token"],
}

#: What looks alike and stays.
KEPT = [
    "tmp/worker-host.lock",
    "tmp/import-ds_a.lock",
    "uploads/readme.txt",
    "models/tiny/model.safetensors",
    "models/tiny/x.tmp",
    "runs/run_a/checkpoint-20/adapter_model.safetensors",
    "runs/run_a/events.jsonl",
    "jobs/worker.log",
    "exports/report.tmp",
    "keys/cookie",
    "studio.env",
]


@pytest.fixture
def messy(services: Services, tiny_base: Base, put: Put) -> dict[str, list[Path]]:
    for name in KEPT:
        if name != "models/tiny/model.safetensors":
            put(name)
    engine(services, tiny_base, "eng_a", "ended", "stopped")
    return {kind: [put(name) for name in names] for kind, names in REMOVED.items()}


def test_what_nobody_needs_goes_and_everything_else_stays(
    services: Services, actor: Actor, settings: Settings, messy: dict[str, list[Path]]
) -> None:
    foretold = services.storage.cleanable(actor)
    assert all(path.exists() for paths in messy.values() for path in paths), "to look is not to clean"
    cleaned = services.storage.clean(actor)
    assert cleaned == foretold
    assert {kind: tuple(amount) for kind, amount in cleaned.by_kind.items()} == {
        kind: (len(names), 1_000 * len(names)) for kind, names in REMOVED.items()
    }
    assert (cleaned.n, cleaned.bytes) == (12, 12_000)
    assert [path for paths in messy.values() for path in paths if path.exists()] == []
    assert [name for name in KEPT if not (settings.home / name).exists()] == []
    assert not (settings.home / "models" / ".big.part").exists()
    assert not (settings.home / "runs" / "run_a" / ".saving-20").exists()


def test_twice_is_the_same_as_once(services: Services, actor: Actor, messy: dict[str, list[Path]]) -> None:
    services.storage.clean(actor)
    assert services.storage.clean(actor).as_dict() == {"n": 0, "bytes": 0, "kinds": {}}
    assert services.storage.cleanable(actor).n == 0


def test_every_rule_has_its_case() -> None:
    assert {rule.kind for rule in RULES} == set(REMOVED)
    for rule in RULES:
        pattern = rule.pattern.replace("**/", "")
        paths = [path for name in REMOVED[rule.kind] for path in (Path(name), *Path(name).parents)]
        assert any(path.match(pattern) for path in paths), rule.pattern


@pytest.mark.parametrize("kind", ["snapshots", "uploads", "temporary", "leftovers"])
def test_what_was_touched_within_a_day_stays(services: Services, actor: Actor, put: Put, kind: str) -> None:
    young = [put(name, age_s=DAY - 600) for name in REMOVED[kind]]
    assert services.storage.clean(actor).n == 0
    assert all(path.exists() for path in young)


@pytest.mark.parametrize("name", [REMOVED["snapshots"][0], REMOVED["uploads"][0]])
def test_what_was_read_within_a_day_stays(services: Services, actor: Actor, put: Put, name: str) -> None:
    """An upload that is staged again is not written again, and a snapshot that is there is not made again."""
    path = put(name)
    facts = path.stat()
    os.utime(path, (time.time() - 60, facts.st_mtime))
    services.storage.clean(actor)
    assert path.exists()
    os.utime(path, (facts.st_mtime, facts.st_mtime))
    services.storage.clean(actor)
    assert not path.exists()


def test_an_import_in_a_requests_thread_keeps_its_upload(
    services: Services, actor: Actor, put: Put, write_rows: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page had been open for two days; the database knows nothing of the import before it has read the file."""
    file = write_rows([{"question": f"{number}?", "answer": "yes"} for number in range(20)])
    upload = services.data.stage(actor, file)
    path = services.settings.home / "uploads" / upload
    os.utime(path, (time.time() - OLD, time.time() - OLD))
    assert services.storage.cleanable(actor).n == 1
    from studio.data import jobs as data_jobs

    really, cleaned = data_jobs.inspect_file, []

    def look_then_clean(*args: Any, **kwargs: Any) -> Any:
        found = really(*args, **kwargs)
        os.utime(path, (time.time(), path.stat().st_mtime))  # what a mounted disk notes of the first reading
        cleaned.append(services.storage.clean(actor))
        return found

    monkeypatch.setattr(data_jobs, "inspect_file", look_then_clean)
    made = services.data.import_upload(actor, ImportSpec(upload=upload, file_name="rows.jsonl", dataset_name="d"))
    assert [done.n for done in cleaned] == [0]
    assert services.data.get(actor, str(made.dataset_id)).n_rows == 20


@pytest.mark.parametrize("state", ["queued", "paused", "starting", "running", "stopping"])
def test_what_a_job_needs_stays_until_it_has_ended(services: Services, actor: Actor, put: Put, state: str) -> None:
    kept = [put(name) for name in (REMOVED["snapshots"][0], REMOVED["uploads"][0], "models/.big.part/model.safetensors")]
    at_work = [
        queue(services, state, kind="train", dataset={"id": "ds_a", "revision": 1, "hash": "a" * 64}, note=""),
        queue(services, state, kind="import", upload=SHA),
        queue(services, state, kind="fetch", base="big"),
    ]
    assert services.storage.cleanable(actor).n == services.storage.clean(actor).n == 0
    for job_id in at_work:
        end(services, job_id)
    assert services.storage.clean(actor).n == 3
    assert [path for path in kept if path.exists()] == []


def test_what_a_job_leaves_to_the_next_one_stays(services: Services, actor: Actor, put: Put) -> None:
    put(REMOVED["snapshots"][0])
    queue(services, "running", kind="train", then=[{"kind": "train", "dataset": {"hash": "a" * 64}}])
    assert services.storage.clean(actor).n == 0


@pytest.mark.parametrize("state", ["queued", "running", *ENDED])
def test_a_half_written_checkpoint_goes_when_its_run_has_ended(
    services: Services, actor: Actor, put: Put, state: str
) -> None:
    """However young it is: nobody will go on with it."""
    staging = put("runs/run_x/.saving-5/adapter_model.safetensors", age_s=120).parent
    with services.db.write() as connection:
        job_id = insert_job(connection, spec={"kind": "train"}, name="r", author="usr_a")
        connection.execute(jobs.update().where(jobs.c.id == job_id).values(state=state, folder="runs/run_x"))
    services.storage.clean(actor)
    assert staging.exists() is (state not in ENDED)


def test_only_engines_that_have_ended_lose_their_token(services: Services, actor: Actor, tiny_base: Base, put: Put) -> None:
    lives = {"eng_queued": ("starting", "queued"), "eng_up": ("ready", "running"), "eng_idle": ("ended", "running")}
    dead = {"eng_done": ("ended", "finished"), "eng_killed": ("ready", "failed")}
    for name, states in (lives | dead).items():
        engine(services, tiny_base, name, *states)
    young = {name: put(f"engines/{name}/token", age_s=120).parent for name in [*lives, *dead, "eng_unknown"]}
    fresh = put("engines/eng_new/token", age_s=0).parent
    services.storage.clean(actor)
    assert {name for name, path in young.items() if path.exists()} == {*lives, "eng_unknown"}
    assert fresh.exists()


def test_a_download_that_still_grows_stays(services: Services, actor: Actor, put: Put) -> None:
    """The folder is as old as its first file; what counts is the youngest."""
    put("models/.big.part/one.safetensors")
    put("models/.big.part/two.safetensors", age_s=10)
    os.utime(services.settings.home / "models" / ".big.part", (time.time() - OLD, time.time() - OLD))
    assert services.storage.clean(actor).n == 0


def test_folders_that_are_empty_go_a_day_later_and_gradios_own_never(
    services: Services, actor: Actor, put: Put, settings: Settings
) -> None:
    photo = put("tmp/gradio/abc/photo.png")
    services.storage.clean(actor)
    assert photo.parent.exists()
    for folder in (photo.parent, photo.parent.parent):
        os.utime(folder, (time.time() - OLD, time.time() - OLD))
    services.storage.clean(actor)
    assert not photo.parent.exists()
    os.utime(settings.home / "tmp" / "gradio", (time.time() - OLD, time.time() - OLD))
    services.storage.clean(actor)
    assert (settings.home / "tmp" / "gradio").is_dir()


def test_what_cannot_be_removed_is_not_counted(
    services: Services, actor: Actor, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn, other = put("tmp/a"), put("tmp/b")
    really = Path.unlink

    def unlink(path: Path, *args: Any, **kwargs: Any) -> None:
        if path == stubborn:
            raise PermissionError(1, "Operation not permitted")
        really(path, *args, **kwargs)

    monkeypatch.setattr(Path, "unlink", unlink)
    assert services.storage.clean(actor).n == 1
    assert (stubborn.exists(), other.exists()) == (True, False)


def test_a_link_goes_and_what_it_points_to_stays(services: Services, actor: Actor, tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    link = settings.home / "models" / ".x.part"
    link.symlink_to(tmp_path / "precious")
    for path in (tmp_path / "precious" / "file", tmp_path / "precious"):
        os.utime(path, (time.time() - OLD, time.time() - OLD))
    os.utime(link, (time.time() - OLD, time.time() - OLD), follow_symlinks=False)
    services.storage.clean(actor)
    assert (tmp_path / "precious" / "file").exists()
    assert not link.is_symlink()


# --- who and when -----------------------------------------------------------------------------------------------------


def test_it_cleans_once_in_the_background(
    services: Services, actor: Actor, put: Put, wait_until: Callable[..., Any]
) -> None:
    path = put("tmp/half")
    later = services.storage.clean_later(actor, after_s=0.01)
    wait_until(lambda: not later.is_alive())
    assert not path.exists()
    assert later.daemon
    waiting = services.storage.clean_later(actor)
    assert waiting.is_alive()
    waiting.cancel()


def test_a_cleaning_that_fails_in_the_background_is_only_logged(
    services: Services, actor: Actor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(rule: Any) -> Any:
        raise OSError("no disk")

    monkeypatch.setattr(services.storage, "_candidates", fail)
    services.storage.clean_later(actor, after_s=0).join()
    assert "the cleaning failed" in caplog.text


def test_all_may_look_and_only_an_admin_cleans(services: Services, viewer: Actor, put: Put) -> None:
    path = put("tmp/half")
    assert services.storage.use(viewer).total_bytes > 0
    assert services.storage.cleanable(viewer).n == 1
    for work in (services.storage.clean, services.storage.clean_later):
        with pytest.raises(AccessError):
            work(viewer)
    assert path.exists()


def test_the_commands_say_what_is_there_and_what_went(
    services: Services, actor: Actor, put: Put, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    services.data.import_sample(actor, "eyes")
    put("tmp/half", size=3_000_000)
    monkeypatch.setenv("STUDIO_HOME", str(settings.home))

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--lang", "en"])
        assert done.exit_code == 0, done.stderr
        return done.stdout

    told = json.loads(run("disk", "--json"))
    assert (told["datasets"][0]["name"], told["cleanable"]["bytes"]) == ("eyes", 3_000_000)
    words = run("disk")
    assert "eyes" in words
    assert "would free 2.86 MiB" in words
    assert "Freed: 2.86 MiB" in run("clean")
    assert json.loads(run("clean", "--json")) == {"n": 0, "bytes": 0, "kinds": {}}
