"""ZIP and gzip to the files in them, one by one, with every size counted while it is unpacked and no name used as a path.

Knows no format and no row. Start at `expand`.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import stat
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from studio.data.readers.sniff import archive_of, check_directory
from studio.errors import DataError
from studio.text import is_plain

__all__ = ["Unpacked", "archive_of", "expand"]

MAX_MEMBERS = 1_000
MAX_TOTAL_BYTES = 2 * 2**30
#: Text packs to a tenth, a table of zeros to a hundredth; what unpacks to more was made to fill a disk.
MAX_RATIO = 200
_RATIO_FROM_BYTES = 10_000_000
#: An archive in an archive is opened; one in that is not.
_MAX_DEPTH = 1

_CHUNK_BYTES = 1 << 20
_MAX_LABEL = 200

Into = Callable[[str, Path, str], object]
"""Takes a member: its label (never a path), a file with its bytes that is removed afterwards unless it was moved away, and
their sha256."""


@dataclass
class Unpacked:
    """What came out: files handed over, and those that were left aside because they are no data (hidden ones, folders' notes)."""

    n_files: int = 0
    n_skipped: int = 0
    n_bytes: int = 0
    packed_bytes: int = 0


def expand(path: Path, name: str, into: Into, *, folder: Path, limit_bytes: int = MAX_TOTAL_BYTES) -> Unpacked:
    """Hand every file of an archive to `into`, in the archive's order. `folder` is where each is unpacked in its turn.

    Raises DataError for what is no archive, damaged, encrypted, nested too deeply or too large; members that came before it
    have been handed over by then. An error of `into` goes through.
    """
    done = Unpacked(packed_bytes=path.stat().st_size)
    _expand(path, name, into, folder, min(limit_bytes, MAX_TOTAL_BYTES), 0, done)
    if not done.n_files:
        raise DataError("error.data.archive_empty", field="file", name=name, n_skipped=done.n_skipped)
    return done


@dataclass(frozen=True)
class _Member:
    label: str
    packed_bytes: int
    open: Callable[[], IO[bytes]]


def _expand(path: Path, name: str, into: Into, folder: Path, limit_bytes: int, depth: int, done: Unpacked) -> None:
    kind = archive_of(path)
    if kind is None:
        raise DataError("error.data.archive_broken", field="file", name=name, reason="no ZIP and no gzip")
    if depth > _MAX_DEPTH:
        raise DataError("error.data.archive_nested", field="file", name=name)
    if kind == "gzip":
        inner = _Member(_inner_name(name), path.stat().st_size, lambda: _gunzipped(path))
        _take(inner, name, into, folder, limit_bytes, depth, done)
        return
    try:
        check_directory(path, name)
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise _broken(name, error) from None
    with archive:
        for member in _members(archive, path, name, done):
            _take(member, name, into, folder, limit_bytes, depth, done)


def _gunzipped(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.GzipFile(path))


def _members(archive: zipfile.ZipFile, path: Path, name: str, done: Unpacked) -> Iterator[_Member]:
    labels: dict[str, int] = {}
    for info in archive.infolist():
        label = _label(info)
        is_link = stat.S_ISLNK(info.external_attr >> 16)
        if info.filename.endswith("/"):  # is_dir fails over an empty name
            continue
        if is_link or _is_hidden(label):
            done.n_skipped += 1
            continue
        if info.flag_bits & 1:
            raise DataError("error.data.archive_encrypted", field="file", name=name, member=label)
        if info.header_offset < 0:
            raise DataError("error.data.archive_broken", field="file", name=name, reason="a member begins before the file")
        labels[label] = labels.get(label, 0) + 1
        if labels[label] > 1:
            label = f"{label} ({labels[label]})"
        # What the archive says of itself is no measure, but more than the archive has is not packed in it.
        yield _Member(label, min(info.compress_size, path.stat().st_size), lambda info=info: archive.open(info))  # type: ignore[misc]


def _take(member: _Member, name: str, into: Into, folder: Path, limit_bytes: int, depth: int, done: Unpacked) -> None:
    """Unpack one member and hand it over, or what is in it."""
    if done.n_files >= MAX_MEMBERS:
        raise DataError("error.data.archive_members", field="file", name=name, limit=MAX_MEMBERS)
    unpacked = folder / f"{uuid.uuid4().hex}.tmp"
    try:
        digest = _unpack(member, name, unpacked, limit_bytes, done)
        if archive_of(unpacked):
            _expand(unpacked, member.label, into, folder, limit_bytes, depth + 1, done)
        else:
            done.n_files += 1
            into(member.label, unpacked, digest)
    finally:
        unpacked.unlink(missing_ok=True)


_BROKEN = (zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile, NotImplementedError, RuntimeError, ValueError, IndexError)


def _unpack(member: _Member, name: str, target: Path, limit_bytes: int, done: Unpacked) -> str:
    digest = hashlib.sha256()
    n_bytes = 0
    try:
        with member.open() as source, target.open("wb") as file:
            while chunk := source.read(_CHUNK_BYTES):
                n_bytes += len(chunk)
                done.n_bytes += len(chunk)
                if done.n_bytes > limit_bytes:
                    raise DataError("error.data.archive_too_large", field="file", name=name, limit_bytes=limit_bytes)
                # Members may claim the same bytes for all of them: the sum counts as well.
                if _is_bomb(n_bytes, member.packed_bytes) or _is_bomb(done.n_bytes, done.packed_bytes):
                    raise DataError("error.data.archive_bomb", field="file", name=name, member=member.label, n=MAX_RATIO)
                digest.update(chunk)
                file.write(chunk)
    except DataError:
        raise
    except _BROKEN as error:
        raise _broken(name, error) from None
    return digest.hexdigest()


def _is_bomb(n_bytes: int, packed_bytes: int) -> bool:
    return n_bytes > _RATIO_FROM_BYTES and n_bytes > MAX_RATIO * packed_bytes


def _broken(name: str, error: BaseException) -> DataError:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return DataError("error.data.archive_broken", field="file", name=name, reason=reason)


# --- names ------------------------------------------------------------------------------------------------------------


def _label(info: zipfile.ZipInfo) -> str:
    """What people call a member: never a way out of a folder, one line, at most 200 characters."""
    parts = [part for part in re.split(r"[/\\]", _decoded(info)) if not re.fullmatch(r"\.{0,2}|[A-Za-z]:", part)]
    plain = "".join(sign for sign in "/".join(parts) if is_plain(sign))
    return plain[-_MAX_LABEL:] or "file"


def _decoded(info: zipfile.ZipInfo) -> str:
    """A member's name. Without the flag for UTF-8 the format knows only the signs of the first PC; Chinese systems write GBK."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        data = info.filename.encode("cp437")
    except UnicodeEncodeError:
        return info.filename
    for encoding in ("utf-8", "gbk"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return info.filename


def _is_hidden(label: str) -> bool:
    """Notes that systems leave in folders: `__MACOSX/…`, `.DS_Store`, `Thumbs.db`."""
    parts = label.split("/")
    return any(part.startswith(".") or part == "__MACOSX" for part in parts) or parts[-1].lower() in ("thumbs.db", "desktop.ini")


def _inner_name(name: str) -> str:
    stem = re.sub(r"(?i)\.(gz|gzip)$", "", name)
    return stem if stem and stem != name else f"{name}.data"
