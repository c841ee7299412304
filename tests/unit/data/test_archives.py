"""Archives are unpacked one file at a time, under limits, and no name in them is ever a path."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from studio.data import archives
from studio.data.archives import Unpacked, archive_of, expand
from studio.errors import DataError

from .files import xlsx


def zipped(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


class Taken:
    """What an archive handed over, and what it left in its folder."""

    def __init__(self, data: bytes, name: str, folder: Path) -> None:
        self.path, self.name, self.folder = folder / "brought", name, folder / "work"
        self.folder.mkdir()
        self.path.write_bytes(data)
        self.files: dict[str, bytes] = {}

    def run(self) -> Unpacked:
        return expand(self.path, self.name, self.take, folder=self.folder)

    def take(self, label: str, path: Path, digest: str) -> None:
        data = path.read_bytes()
        assert (path.parent, digest) == (self.folder, hashlib.sha256(data).hexdigest())
        assert label not in self.files
        self.files[label] = data

    def error(self) -> DataError:
        with pytest.raises(DataError) as caught:
            self.run()
        assert list(self.folder.iterdir()) == []
        return caught.value


def test_every_file_is_handed_over_in_order_and_nothing_stays(tmp_path: Path) -> None:
    taken = Taken(zipped({"b.csv": b"x", "data/a.jsonl": b"y", "data/": b""}), "a.zip", tmp_path)
    done = taken.run()
    assert list(taken.files.items()) == [("b.csv", b"x"), ("data/a.jsonl", b"y")]
    assert (done.n_files, done.n_skipped, done.n_bytes) == (2, 0, 2)
    assert list(taken.folder.iterdir()) == []


def test_gzip_gives_the_file_without_its_last_suffix(tmp_path: Path) -> None:
    taken = Taken(gzip.compress(b"line"), "a.jsonl.gz", tmp_path)
    taken.run()
    assert taken.files == {"a.jsonl": b"line"}


def test_an_archive_in_an_archive_is_opened_and_one_in_that_is_not(tmp_path: Path) -> None:
    inner = zipped({"a.csv": b"x"})
    taken = Taken(zipped({"inner.zip": inner, "b.csv.gz": gzip.compress(b"y")}), "outer.zip", tmp_path)
    taken.run()
    assert taken.files == {"a.csv": b"x", "b.csv": b"y"}
    (tmp_path / "deep").mkdir()
    error = Taken(zipped({"middle.zip": zipped({"inner.zip": inner})}), "outer.zip", tmp_path / "deep").error()
    assert (error.key, error.params) == ("error.data.archive_nested", {"name": "inner.zip"})


@pytest.mark.parametrize(
    ("name", "label"),
    [("../../etc/passwd", "etc/passwd"), ("/abs/a.csv", "abs/a.csv"), ("C:\\x\\a.csv", "x/a.csv"), ("a\u202evs.exe", "avs.exe")],
)
def test_names_are_labels_only(name: str, label: str, tmp_path: Path) -> None:
    taken = Taken(zipped({name: b"x"}), "a.zip", tmp_path)
    taken.run()
    assert list(taken.files) == [label]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["brought", "work"]


def test_two_members_of_one_name_get_two_labels(tmp_path: Path) -> None:
    taken = Taken(zipped({"a.csv": b"x", "./a.csv": b"y"}), "a.zip", tmp_path)
    taken.run()
    assert taken.files == {"a.csv": b"x", "a.csv (2)": b"y"}


def test_hidden_files_are_left_aside_and_counted(tmp_path: Path) -> None:
    members = {"__MACOSX/._a.csv": b"x", ".DS_Store": b"x", "data/.hidden/b": b"x", "Thumbs.db": b"x"}
    taken = Taken(zipped({**members, "a.csv": b"y"}), "a.zip", tmp_path)
    assert (taken.run().n_skipped, list(taken.files)) == (4, ["a.csv"])
    (tmp_path / "empty").mkdir()
    error = Taken(zipped(members), "b.zip", tmp_path / "empty").error()
    assert (error.key, error.params) == ("error.data.archive_empty", {"name": "b.zip", "n_skipped": 4})


def test_names_in_gbk_are_read_without_the_flag_for_utf8(tmp_path: Path) -> None:
    data = zipped({"PLACEHOLD": b"x"}).replace(b"PLACEHOLD", "数据A.c".encode("gbk") + b"sv")
    taken = Taken(data, "a.zip", tmp_path)
    taken.run()
    assert list(taken.files) == ["数据A.csv"]


def test_a_member_with_a_password_is_refused_in_words(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.csv": b"x"}))
    directory = data.index(b"PK\x01\x02")
    data[6] |= 1
    data[directory + 8] |= 1
    error = Taken(bytes(data), "a.zip", tmp_path).error()
    assert (error.key, error.params) == ("error.data.archive_encrypted", {"name": "a.zip", "member": "a.csv"})


@pytest.mark.parametrize("kind", ["zip", "gzip"])
def test_a_bomb_is_stopped_while_it_unpacks(kind: str, tmp_path: Path) -> None:
    zeros = bytes(30_000_000)
    data = zipped({"a.csv": zeros}) if kind == "zip" else gzip.compress(zeros)
    error = Taken(data, f"a.csv.{kind}", tmp_path).error()
    assert (error.key, error.params["n"]) == ("error.data.archive_bomb", 200)


def test_many_small_bombs_are_one(tmp_path: Path) -> None:
    error = Taken(zipped({f"{number}.csv": bytes(4_000_000) for number in range(4)}), "a.zip", tmp_path).error()
    assert error.key == "error.data.archive_bomb"


def test_sizes_are_counted_and_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", 1000)
    error = Taken(gzip.compress(b"0123456789" * 101), "a.gz", tmp_path).error()
    assert (error.key, error.params) == ("error.data.archive_too_large", {"name": "a.gz", "limit_bytes": 1000})


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    error = Taken(zipped({f"{number}.csv": b"x" for number in range(4)}), "a.zip", tmp_path).error()
    assert (error.key, error.params) == ("error.data.archive_members", {"name": "a.zip", "limit": 3})


@pytest.mark.parametrize("cut", [5, 30, -1, -30])
@pytest.mark.parametrize("kind", ["zip", "gzip"])
def test_truncated_archives_are_refused_in_words(kind: str, cut: int, tmp_path: Path) -> None:
    data = zipped({"a.csv": b"0123456789" * 9}) if kind == "zip" else gzip.compress(bytes(range(256)) * 4)
    error = Taken(data[:cut], "a.zip", tmp_path).error()
    assert (error.key, error.params["name"]) == ("error.data.archive_broken", "a.zip")


def test_a_member_that_begins_before_the_file_is_refused_in_words(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.csv": b"x"}))
    at = data.rindex(b"PK\x05\x06") + 16  # where the list of members begins, by the record at the end
    data[at : at + 4] = struct.pack("<I", struct.unpack("<I", data[at : at + 4])[0] + 7)
    error = Taken(bytes(data), "a.zip", tmp_path).error()
    assert (error.key, error.params["reason"]) == ("error.data.archive_broken", "a member begins before the file")


def test_an_office_document_is_no_archive(tmp_path: Path) -> None:
    book, plain, bundle = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    book.write_bytes(xlsx({"a": {"A1": "x"}}))
    plain.write_bytes(b"question,answer")
    bundle.write_bytes(zipped({"a.csv": b"x"}))
    assert [archive_of(path) for path in (book, plain, bundle)] == [None, None, "zip"]
