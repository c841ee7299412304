"""ZIP and gzip files that no tool would write: made byte by byte, so that every size and every name can lie."""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from tests.hostile.seeds import FORMS, gzipped, zipped

__all__ = ["GZIPS", "ZIPS"]

_ROWS = b'{"instruction": "What is hypertension?", "input": "", "output": "A lasting rise of blood pressure."}\n'
_MIB = 2**20
_LINK = 0o120777 << 16
_FOLDER = 0o040755 << 16


@dataclass(frozen=True)
class _Member:
    """A member as the archive describes it; None: as it is."""

    name: bytes
    data: bytes
    method: int = 8
    flags: int = 0
    crc: int | None = None
    size: int | None = None
    packed_size: int | None = None
    attributes: int = 0
    packed: bytes | None = None
    at: int | None = None  # where the table of contents says that it begins


def _archive(members: list[_Member], *, n_members: int | None = None, comment: bytes = b"") -> bytes:
    out, directory = bytearray(), bytearray()
    for member in members:
        packed = member.packed if member.packed is not None else _deflated(member.data) if member.method == 8 else member.data
        crc = zlib.crc32(member.data) if member.crc is None else member.crc
        sizes = (
            member.packed_size if member.packed_size is not None else len(packed),
            member.size if member.size is not None else len(member.data),
        )
        shared = struct.pack("<HHHHHIIIHH", 20, member.flags, member.method, 0, 0x21, crc, *sizes, len(member.name) & 0xFFFF, 0)
        at = len(out) if member.at is None else member.at
        directory += b"PK\x01\x02\x14\x03" + shared + struct.pack("<HHHII", 0, 0, 0, member.attributes, at) + member.name
        if member.at is None:
            out += b"PK\x03\x04" + shared + member.name + packed
    count = min(len(members) if n_members is None else n_members, 0xFFFF)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(out), len(comment))
    return bytes(out + directory) + b"PK\x05\x06" + end + comment


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


@functools.cache
def _many(chunk: bytes, n_times: int) -> tuple[bytes, int]:
    """A chunk packed as often, without packing it more than once: (deflate stream, CRC of all)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    once = packer.compress(chunk) + packer.flush(zlib.Z_FULL_FLUSH)
    crc = 0
    for _ in range(n_times):
        crc = zlib.crc32(chunk, crc)
    return once * n_times + packer.flush(), crc


def _gigabyte(rng: Random, name: bytes = b"rows.jsonl") -> _Member:
    """1 GB of zeros, of letters or of good rows."""
    chunk = rng.choice((bytes(_MIB), b"A" * _MIB, _ROWS * (_MIB // len(_ROWS)), b"{}\n" * (_MIB // 3)))
    packed, crc = _many(chunk, 1000)
    return _Member(name, b"", crc=crc, size=len(chunk) * 1000, packed=packed)


def _ways_out(rng: Random, mark: str) -> bytes:
    """Names that lead out of the folder, or are none."""
    names = (
        f"../../{mark}.jsonl",
        f"/tmp/{mark}.jsonl",
        f"C:\\{mark}.jsonl",
        f"..\\..\\{mark}.jsonl",
        f"a/../../../{mark}.jsonl",
        f"~/{mark}.jsonl",
        f"\\\\server\\share\\{mark}.jsonl",
        f"{mark}\0.jsonl",
        f"{mark}/" + "n" * 5_000 + ".jsonl",
        f"{mark}/" * 1_000 + "a.jsonl",
        f"{mark}\n\r\t.jsonl",
        f"\u202e{mark}\u200b.jsonl",
        "/etc/passwd",
        "CON.jsonl",
        "....//....//x.jsonl",
        "/",
        "",
    )
    chosen = rng.sample(names, rng.randint(1, len(names)))
    flags = rng.choice((0, 0x800))
    return _archive([_Member(name.encode(), _ROWS, flags=flags) for name in chosen])


def _members_lie(rng: Random, mark: str) -> bytes:
    """Wrong sizes, wrong sums, methods that nobody knows, encrypted, the same bytes for many members."""
    good = _Member(b"rows.jsonl", _ROWS * 50)
    wrong = rng.choice(
        (
            replace(good, crc=1),
            replace(good, size=10),
            replace(good, size=0xFFFFFFFE),
            replace(good, packed_size=0xFFFFFFFE),
            replace(good, packed_size=5),
            replace(good, flags=1),
            replace(good, flags=0x41),
            replace(good, method=99),
            replace(good, method=12),
            replace(good, method=14),
            replace(good, method=9),
            replace(good, method=0),
            replace(good, at=0x7FFFFFFF),
            replace(good, packed=_deflated(good.data)[:-20]),
            replace(good, name=b"rows.jsonl" * 2, at=0),
        )
    )
    return _archive(
        [good, wrong, good][rng.randint(0, 1) :], comment=rng.choice((b"", b"PK\x05\x06" + b"\0" * 18, b"c" * 60_000))
    )


def _links(rng: Random, mark: str) -> bytes:
    """Links to files outside, and files that go through a link."""
    link = _Member(b"link", rng.choice((b"/etc/passwd", b"/tmp", b"../..", b".")), attributes=_LINK)
    behind = _Member(f"link/{mark}.jsonl".encode(), _ROWS)
    return _archive(
        [link, behind, _Member(b"rows.jsonl", b"/etc/passwd", attributes=_LINK), _Member(b"folder/", b"", attributes=_FOLDER)]
    )


def _many_members(rng: Random, mark: str) -> bytes:
    return _hundred_thousand() if rng.random() < 0.7 else _archive([_Member(b"rows.jsonl", _ROWS)] * 3_000)


@functools.cache
def _hundred_thousand() -> bytes:
    return _archive([_Member(b"%d.jsonl" % index, b"", method=0) for index in range(100_000)])


def _bomb(rng: Random, mark: str) -> bytes:
    """1 GB, honest or not about it."""
    big = _gigabyte(rng)
    return _archive([rng.choice((big, replace(big, size=1000), replace(big, packed_size=0xFFFFFF0)))])


def _nested_bomb(rng: Random, mark: str) -> bytes:
    """Sixteen archives in each, five levels deep; or forty levels of one, as one that contains itself would have."""
    if rng.random() < 0.4:
        data = _ROWS
        for _ in range(40):
            data = zipped({"rows.zip" if data[:2] == b"PK" else "rows.jsonl": data})
        return data
    data = _archive([_gigabyte(rng)])
    for _ in range(rng.randint(1, 5)):
        data = zipped({f"{index}.zip": data for index in range(16)})
    return data


def _overlapping(rng: Random, mark: str) -> bytes:
    """Members that share one body: its size counts for each."""
    chunk = _ROWS * 1_000
    packed, crc = _many(chunk, 9)
    first = _Member(b"0.jsonl", b"", crc=crc, size=len(chunk) * 9, packed=packed)
    return _archive([first, *(replace(first, name=b"%d.jsonl" % index, at=0) for index in range(1, rng.choice((30, 900))))])


def _directory(rng: Random, mark: str) -> bytes:
    """A table of contents that claims what is not there, or is missing."""
    data = _archive([_Member(b"rows.jsonl", _ROWS)], n_members=rng.choice((0, 1, 0xFFFF)))
    at = data.rfind(b"PK\x05\x06")
    zip64 = (
        b"PK\x06\x06"
        + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 2**40, 2**40, 2**40, 0)
        + b"PK\x06\x07"
        + struct.pack("<IQI", 0, at, 1)
    )
    return rng.choice(
        (
            data[:at],
            data[at:],
            b"#!/bin/sh\n" + data,
            data[:at] + zip64 + data[at:],
            data[: at + 12] + struct.pack("<II", 0xFFFFFFF0, 0) + data[at + 20 :],
            data[: at + 16] + struct.pack("<I", 0xFFFFFFF0) + data[at + 20 :],
            data + data,
            b"PK\x05\x06" + bytes(18),
        )
    )


def _others_inside(rng: Random, mark: str) -> bytes:
    """A good file of every format, and some that are none."""
    files = {f"{index}{form.suffix}": form.pack(form.write(form.records(rng))) for index, form in enumerate(FORMS.values())}
    files |= {"run.sh": b"rm -rf /\n", "picture.png": b"\x89PNG\r\n\x1a\n", "__MACOSX/._a": b"\0", "empty.jsonl": b""}
    return zipped(dict(rng.sample(sorted(files.items()), rng.randint(2, 6))))


ZIPS: dict[str, Callable[[Random, str], bytes]] = {
    "ways out": _ways_out,
    "lies": _members_lie,
    "links": _links,
    "many members": _many_members,
    "bomb": _bomb,
    "nested bomb": _nested_bomb,
    "overlapping": _overlapping,
    "directory": _directory,
    "others inside": _others_inside,
}


def _gzip_bomb(rng: Random, mark: str) -> bytes:
    """1 GB, or the same packed again and again to 10 kB."""
    big = _gigabyte(rng)
    assert big.packed is not None and big.crc is not None and big.size is not None
    data = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + big.packed + struct.pack("<II", big.crc, big.size & 0xFFFFFFFF)
    for _ in range(rng.choice((0, 1, 1, 2, 20))):
        data = gzipped(data)
    return data


def _gzip_lies(rng: Random, mark: str) -> bytes:
    """Wrong sums, names of ways out, several members, something behind the end."""
    good = gzipped(_ROWS * 50)
    named = good[:3] + b"\x08" + good[4:10] + f"../../{mark}.jsonl\0".encode() + good[10:]
    wrong = (
        good[:-8] + b"\0" * 8,
        good[:-4] + b"\0" * 4,
        good[:-8],
        good * 100,
        good + b"behind",
        named,
        good[:3] + b"\xff" + good[4:],
        good[:10],
    )
    return rng.choice(wrong)


GZIPS: dict[str, Callable[[Random, str], bytes]] = {"bomb": _gzip_bomb, "lies": _gzip_lies}
