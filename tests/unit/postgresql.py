"""A PostgreSQL server for the tests, of Debian's package: in a folder of its own, on the loopback address, gone afterwards."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pg8000.dbapi
from sqlalchemy.engine import make_url

USER, PASSWORD = "studio", "open sesame"

#: What a crash would leave behind does not matter here, and waiting for the disk is most of what a server does.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "60",
    "shared_buffers": "64MB",
}


class Missing(Exception):
    """Why there can be no server on this machine."""


def _binaries() -> Path:
    """The folder of the newest `initdb` and `postgres`. Raises Missing."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).resolve().parent)
    usable = [folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()]
    if not usable:
        raise Missing("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return usable[-1]


def _owner() -> dict[str, Any]:
    """Whom the server runs as, in the words of `subprocess`: it refuses to run as root. Raises Missing."""
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        raise Missing("PostgreSQL refuses to run as root, and there is no user postgres") from None
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """A running server and a connection that makes and drops databases."""

    def __init__(self, folder: Path, binaries: Path, owner: dict[str, Any]) -> None:
        self.owner = owner
        self.port = _free_port()
        self._numbers = itertools.count(1)
        (folder / "password").write_text(PASSWORD)
        if owner:
            for path in (folder, folder / "password"):
                os.chown(path, owner["user"], owner["group"])
        data = str(folder / "data")
        options = ["--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        made = subprocess.run(
            [binaries / "initdb", "-D", data, "-U", USER, *options], cwd=folder, capture_output=True, text=True, **owner
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr}")
        self._log = folder / "log"
        flags = [flag for name, value in SETTINGS.items() for flag in ("-c", f"{name}={value}")]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-p", str(self.port), *flags], cwd=folder, stdout=log, stderr=log, **owner
            )
        try:
            self._admin = self._connected()
        except BaseException:
            self.stop()
            raise

    def _connected(self) -> pg8000.dbapi.Connection:
        """Waits until the server lets us in; fails when it has ended instead."""
        while True:
            try:
                connection = pg8000.dbapi.connect(USER, "127.0.0.1", "postgres", self.port, PASSWORD)
            except pg8000.dbapi.Error:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(0.02)
                    raise RuntimeError(f"PostgreSQL ended: {self._log.read_text()}") from None
            else:
                connection.autocommit = True
                return connection

    def ask(self, statement: str) -> Any:
        """Run a statement in the server's own database, in no transaction; the rows, if it has any."""
        cursor = self._admin.cursor()
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None

    def new_url(self) -> str:
        """The URL of a database that is not there yet, as the owner of a server would write it."""
        return self.url(f"test_{next(self._numbers)}")

    def url(self, name: str) -> str:
        return f"postgresql://{USER}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/{name}"

    def create(self, url: str, template: str = "template1") -> None:
        self.ask(f"CREATE DATABASE {make_url(url).database} TEMPLATE {template}")

    def drop(self, url: str) -> None:
        self.ask(f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)  # at once: roll back, disconnect, shut down
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def running() -> Iterator[PostgresServer]:
    """Raises Missing where there can be no server."""
    binaries, owner = _binaries(), _owner()
    folder = Path(tempfile.mkdtemp(prefix="studio-postgresql-"))  # pytest's folders are closed to other users
    try:
        server = PostgresServer(folder, binaries, owner)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
