"""What unit tests share: a home of their own, a migrated database, the services, a tiny random base, patience without a clock."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.access import Actor, Role, local_admin
from studio.db import Database
from studio.ids import new_id
from studio.jobs.context import JobContext
from studio.jobs.events import EventWriter
from studio.jobs.runfolder import RunFolder
from studio.models.catalogue import Base
from studio.services import Services, build_services
from studio.settings import Settings
from tests.tiny import enter_base, make_tiny_base
from tests.unit.postgresql import Missing, PostgresServer, running


@pytest.fixture(scope="session", autouse=True)
def plain_environment() -> Iterator[None]:
    """No test sees what the machine's owner set; requests to the loopback address go through no proxy."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("STUDIO_")]:
            patch.delenv(name)
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield


# --- databases --------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "backends(*names): databases a test runs on; without it, sqlite alone")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests of storage say `pytestmark = pytest.mark.backends("sqlite", "postgresql")`, and each that uses `settings`, `db`
    or `services` runs on both. The mark of a single test wins over the file's.
    """
    mark = metafunc.definition.get_closest_marker("backends")
    if mark is not None and "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", mark.args)


@pytest.fixture
def backend() -> str:
    """The kind of database under the test: "sqlite" or "postgresql"."""
    return "sqlite"


@pytest.fixture
def settings(tmp_path: Path, backend: str, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """A home of the test's own, and the name of a database that is not there before `db` or `empty_db` makes it."""
    if backend == "sqlite":
        yield Settings(home=tmp_path / "home", device="cpu").ready()
        return
    server: PostgresServer = request.getfixturevalue("postgresql")
    url = server.new_url()
    yield Settings(home=tmp_path / "home", device="cpu", database_url=url).ready()
    server.drop(url)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server with the database `migrated`, to be copied; skips where PostgreSQL is not installed."""
    try:
        with running() as server:
            home = Settings(home=tmp_path_factory.mktemp("migrated"), database_url=server.url("migrated")).ready()
            server.create(home.database_url)
            db = Database(home.url)
            db.migrate(home)
            db.close()
            yield server
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database at the newest schema, to be copied: running the migrations takes longer than most tests."""
    home = Settings(home=tmp_path_factory.mktemp("migrated")).ready()
    db = Database(home.url)
    db.migrate(home)
    db.close()
    return home.home / "studio.db"


@pytest.fixture
def empty_db(settings: Settings, backend: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database without any table."""
    if backend == "postgresql":
        request.getfixturevalue("postgresql").create(settings.database_url)
    database = Database(settings.url)
    yield database
    database.close()


@pytest.fixture
def db(settings: Settings, backend: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database at the newest schema, without rows."""
    if backend == "postgresql":
        request.getfixturevalue("postgresql").create(settings.database_url, template="migrated")
    else:
        shutil.copyfile(request.getfixturevalue("migrated_file"), settings.home / "studio.db")
    database = Database(settings.url)
    yield database
    database.close()


# --- who asks, and for what -------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk() -> Iterator[Callable[..., Path]]:
    """`small_disk(n_bytes)` mounts a disk of that size and gives its folder, or mounts it at a folder that is named.

    Skips where nobody may mount one.
    """
    mounted: list[Path] = []

    def mount(n_bytes: int, folder: Path | None = None) -> Path:
        place = folder or Path(tempfile.mkdtemp(prefix="studio-small-disk-"))
        place.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a small disk needs the right to mount one (root)")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


@pytest.fixture
def actor() -> Actor:
    return local_admin()


@pytest.fixture
def viewer() -> Actor:
    return Actor("usr_viewer", Role.VIEWER)


@pytest.fixture
def services(settings: Settings, db: Database) -> Iterator[Services]:
    """All services on the migrated database."""
    built = build_services(settings)
    yield built
    built.close()


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    """`wait_until(condition, timeout_s)` asks until the answer is true and gives it back; fails when that takes too long."""
    pause = threading.Event()

    def wait(condition: Callable[[], Any], timeout_s: float = 30.0) -> Any:
        give_up = time.monotonic() + timeout_s
        while not (value := condition()):
            if time.monotonic() > give_up:
                pytest.fail(f"in vain for {timeout_s} s: {condition}")
            pause.wait(0.02)
        return value

    return wait


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[..., Path]:
    """Writes records as a JSONL file and gives its path."""

    def write(records: list[dict[str, Any]], name: str = "rows.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
        return path

    return write


@pytest.fixture
def job_context(settings: Settings, db: Database) -> Iterator[Callable[..., JobContext]]:
    """`job_context(spec)` is what a job's function is called with; it has a folder and an event file, but no process."""
    made: list[EventWriter] = []

    def make(spec: dict[str, Any], using: Settings | None = None) -> JobContext:
        job_id = new_id("job")
        folder = RunFolder(settings.home / "jobs" / job_id)
        folder.create(spec)
        made.append(EventWriter(folder.events_file, 1))
        return JobContext(job_id, 1, "usr_local", spec, folder, using or settings, db, made[-1])

    yield make
    for writer in made:
        writer.close()


# --- a tiny random base -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def tiny_base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny-base")
    make_tiny_base(folder)
    return folder


@pytest.fixture
def tiny_base(settings: Settings, services: Services, actor: Actor, tiny_base_folder: Path) -> Base:
    """The tiny base in the home, fetched and ready."""
    shutil.copytree(tiny_base_folder, settings.home / "models" / "tiny")
    enter_base(services.db, tiny_base_folder)
    return services.models.get(actor, "tiny")
