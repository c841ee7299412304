"""What a backup and a restore refuse, in plain words, and that nothing is left of it."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from studio.access import Actor
from studio.backup import BackupService
from studio.backup.archive import open_archive
from studio.db import Database
from studio.errors import AccessError, StudioError
from studio.services import Services
from studio.settings import Settings
from tests.unit.backups import SECRET, refusal, rewritten


@pytest.fixture
def other(tmp_path: Path) -> Settings:
    """A home that is not there yet."""
    return Settings(home=tmp_path / "elsewhere" / "home", device="cpu")


@pytest.fixture
def small(db: Database, settings: Settings, actor: Actor, tmp_path: Path) -> Path:
    """A backup of a studio that nobody has used yet; it has its keys."""
    (settings.home / "keys" / "cookie").write_bytes(SECRET)
    file = tmp_path / "small.tar"
    BackupService(settings).save(actor, file)
    return file


# --- saving -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "key"),
    [("home/in.tar", "inside_home"), ("there.tar", "exists"), ("no/folder.tar", "not_written"), ("all.zip", "suffix")],
)
def test_a_place_that_cannot_be_is_refused(
    services: Services, actor: Actor, tmp_path: Path, name: str, key: str
) -> None:
    (tmp_path / "there.tar").write_text("precious")
    with pytest.raises(StudioError) as caught:
        BackupService(services.settings).save(actor, tmp_path / name)
    assert caught.value.key == f"error.backup.{key}"
    assert (tmp_path / "there.tar").read_text() == "precious"
    assert list(tmp_path.rglob("*.part")) == []


def test_a_file_that_may_not_be_read_is_named_and_nothing_is_left(
    services: Services, actor: Actor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (services.settings.home / "keys" / "locked").write_text("x")

    def refuse(path: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("studio.backup.service._opened", refuse)
    with pytest.raises(StudioError) as caught:
        BackupService(services.settings).save(actor, tmp_path / "all.tar")
    assert caught.value.key == "error.backup.not_read"
    assert [path.name for path in tmp_path.iterdir() if "tar" in path.name] == []


def test_a_full_disk_is_said_before_anything_is_written(
    services: Services, actor: Actor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Path, other: Settings
) -> None:
    monkeypatch.setattr("studio.backup.service.free_disk_bytes", lambda path: 10)
    with pytest.raises(StudioError) as caught:
        BackupService(services.settings).save(actor, tmp_path / "more.tar")
    assert caught.value.key == "error.backup.no_disk"
    assert list(tmp_path.glob("more*")) == []
    assert refusal(other, actor, small) == "error.backup.no_disk"


# --- restoring --------------------------------------------------------------------------------------------------------


def test_a_home_that_holds_something_is_left_alone(small: Path, actor: Actor, other: Settings) -> None:
    (other.home / "keys").mkdir(parents=True)
    (other.home / "keys" / "mine").write_text("mine")
    assert refusal(other, actor, small) == "error.backup.home_not_empty"
    assert (other.home / "keys" / "mine").read_text() == "mine"


def test_a_home_of_empty_folders_is_empty(small: Path, actor: Actor, other: Settings) -> None:
    other.ready()
    assert BackupService(other).restore(actor, small).files > 0


@pytest.mark.parametrize("on_its_own_disk", [False, True])
def test_a_mounted_home_is_filled_from_inside(
    small: Path, actor: Actor, other: Settings, monkeypatch: pytest.MonkeyPatch, on_its_own_disk: bool
) -> None:
    other.ready()
    inode = other.home.stat().st_ino
    monkeypatch.setattr(os.path, "ismount", lambda path: on_its_own_disk)
    BackupService(other).restore(actor, small)
    assert (other.home.stat().st_ino == inode) is on_its_own_disk
    assert (other.home / "studio.db").is_file()
    assert [path.name for path in other.home.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("content", [b"", b"plain words" * 100, b"\x1f\x8b\x08broken"])
def test_a_file_that_is_no_tar_is_no_backup(actor: Actor, other: Settings, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.tar"
    file.write_bytes(content)
    assert refusal(other, actor, file) == "error.backup.no_backup"


def test_somebody_elses_tar_is_no_backup(actor: Actor, other: Settings, tmp_path: Path) -> None:
    file = tmp_path / "x.tar"
    with tarfile.open(file, "w") as tar:
        tar.addfile(tarfile.TarInfo("manifest.json"))
    assert refusal(other, actor, file) == "error.backup.no_backup"
    assert refusal(other, actor, tmp_path / "nowhere.tar") == "error.backup.not_read"


@pytest.mark.parametrize("name", ["all.tar", "all.tgz"])
def test_a_cut_off_file_is_recognised_wherever_it_is_cut(
    services: Services, actor: Actor, other: Settings, tmp_path: Path, name: str
) -> None:
    services.data.import_sample(actor, "eyes")
    BackupService(services.settings).save(actor, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    cut = tmp_path / f"cut-{name}"
    for length in (len(whole) // 3, len(whole) * 2 // 3, len(whole) - 10_241, len(whole) - 13_000):
        cut.write_bytes(whole[:length])
        assert refusal(other, actor, cut) == "error.backup.cut_off", length


def test_a_file_cut_between_two_members_is_recognised(small: Path, actor: Actor, other: Settings) -> None:
    def without_end(name: str, data: bytes) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        if name != "end.json":
            yield tarfile.TarInfo(name), data

    assert refusal(other, actor, rewritten(small, without_end)) == "error.backup.cut_off"


def test_one_flipped_bit_is_noticed(small: Path, actor: Actor, other: Settings) -> None:
    data = bytearray(small.read_bytes())
    data[data.index(SECRET)] ^= 1
    small.write_bytes(data)
    assert refusal(other, actor, small) == "error.backup.cut_off"


def test_a_failed_restore_empties_the_postgresql_database_again(
    small: Path, actor: Actor, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgresql")
    url = server.new_url()
    server.create(url)
    try:
        cut = tmp_path / "cut.tar"
        whole = small.read_bytes()
        cut.write_bytes(whole[: whole.index(b"end.json")])
        team = Settings(home=tmp_path / "elsewhere" / "team", device="cpu", database_url=url)
        assert refusal(team, actor, cut) == "error.backup.cut_off"
        db = Database(team.url)
        with db.read() as connection:
            assert sa.inspect(connection).get_table_names() == []
        db.close()
    finally:
        server.drop(url)


@pytest.mark.parametrize("change", [{"schema": "9999"}, {"version": 2}])
def test_a_backup_of_a_newer_studio_is_refused(small: Path, actor: Actor, other: Settings, change: dict[str, Any]) -> None:
    def newer(name: str, data: bytes) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        if name == "manifest.json":
            data = json.dumps(json.loads(data) | change).encode()
        yield tarfile.TarInfo(name), data

    assert refusal(other, actor, rewritten(small, newer)) == "error.backup.newer"


def _link(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize(
    "bad",
    [
        tarfile.TarInfo("home/../../escaped"),
        tarfile.TarInfo("home/x/../../../escaped"),
        tarfile.TarInfo("../escaped"),
        tarfile.TarInfo("/escaped"),
        tarfile.TarInfo("home/studio.db"),
        tarfile.TarInfo("home/studio.db-wal"),
        tarfile.TarInfo("home/tmp/escaped"),
        tarfile.TarInfo("home/keys/cookie"),
        tarfile.TarInfo("database/nobodys.jsonl"),
        _link("home/link", tarfile.SYMTYPE),
        _link("home/link", tarfile.LNKTYPE),
        _link("home/device", tarfile.CHRTYPE),
    ],
    ids=lambda info: f"{info.name} {info.type.decode()}",
)
def test_nothing_is_written_that_no_studio_would_write(
    small: Path, actor: Actor, other: Settings, tmp_path: Path, bad: tarfile.TarInfo
) -> None:
    def with_bad(name: str, data: bytes) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        if name == "end.json":
            yield bad, b""
        yield tarfile.TarInfo(name), data

    assert refusal(other, actor, rewritten(small, with_bad)) == "error.backup.unsafe"
    assert list(tmp_path.rglob("escaped")) == []


def test_an_absolute_path_stays_below_the_home(small: Path, actor: Actor, other: Settings, tmp_path: Path) -> None:
    """The data filter strips the slash; then the sum of the files differs from what the end says."""

    def with_absolute(name: str, data: bytes) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        if name == "end.json":
            yield tarfile.TarInfo(f"home/{tmp_path}/escaped"), b""
        yield tarfile.TarInfo(name), data

    assert refusal(other, actor, rewritten(small, with_absolute)) == "error.backup.cut_off"
    assert list(tmp_path.rglob("escaped")) == []


def test_rows_that_do_not_fit_are_told_with_their_table(small: Path, actor: Actor, other: Settings) -> None:
    def broken(name: str, data: bytes) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        yield tarfile.TarInfo(name), b'{"id": 1, "colour": "red"}\n' if name == "database/rows.jsonl" else data

    assert refusal(other, actor, rewritten(small, broken)) == "error.backup.row_refused"


def test_only_an_admin_may(viewer: Actor, settings: Settings, tmp_path: Path) -> None:
    service = BackupService(settings)
    for work in (service.save, service.restore):
        with pytest.raises(AccessError):
            work(viewer, tmp_path / "x.tar")


def test_the_manifest_is_read_without_the_rest(small: Path) -> None:
    with open_archive(small) as archive:
        assert archive.manifest.tables["datasets"] == 0
