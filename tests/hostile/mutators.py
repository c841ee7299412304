"""What is done to good files of any format. A generator decides how; the same generator does the same.

Three families, by what they take: records before they are written, the text inside a file or all of its bytes, and its name.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from random import Random
from typing import Any

from tests.hostile.seeds import FORMS, Form, Raw, Record

__all__ = ["BYTES", "NAMES", "RECORDS"]

# --- records ----------------------------------------------------------------------------------------------------------


def _with_value(value: Any) -> Callable[[Random, list[Record]], list[Record]]:
    """One cell of one record becomes `value(rng)`."""

    def change(rng: Random, records: list[Record]) -> list[Record]:
        row, column = rng.randrange(len(records)), rng.randrange(len(records[0]))
        record = records[row]
        name, _ = record[column]
        return [*records[:row], [*record[:column], (name, value(rng)), *record[column + 1 :]], *records[row + 1 :]]

    return change


def _huge(rng: Random) -> str:
    """30 MB in one cell, of one sign, of words or of Chinese."""
    n_bytes = rng.choice((7_900_000, 8_000_001, 30_000_000))
    unit = rng.choice(("A", "word ", "很长", '"', "\\", "a line of a long poem, " * 40 + "\n"))
    return unit * (n_bytes // len(unit.encode()))


def _deep(rng: Random) -> Raw:
    """100,000 brackets."""
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")))
    return Raw(opening * 100_000 + "1" + (closing * 100_000 if rng.random() < 0.7 else ""))


def _long_number(rng: Random) -> Raw:
    return Raw(rng.choice(("", "-", "0.", "1e")) + "7" * 1_000_000)


def _no_number(rng: Random) -> Raw:
    return Raw(
        rng.choice(("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "0x10", "01", "1_000", "nan", "+1", ".5"))
    )


def _surrogates(rng: Random) -> str:
    return rng.choice(("\ud800", "a\udfffb", "\udc00\ud800 turned round", "\ud83d", "text " * 20 + "\udbff"))


def _formula(rng: Random) -> str:
    return rng.choice(
        ("=cmd|' /C calc'!A0", '=HYPERLINK("http://evil.example","x")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\uff1d1+1")
    )


def _markup(rng: Random) -> str:
    return rng.choice(
        (
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "</textarea></p><svg/onload=alert(1)>",
            "{{ 7 * 7 }}{% include '/etc/passwd' %}",
            "\x1b[31mred\x1b[0m\x07\x08",
            "a\u202egnp.exe\u2066 zero\u200bwidth\ufeff",
            "%s%n{0}{name}{{}}",
        )
    )


def _many_columns(rng: Random, records: list[Record]) -> list[Record]:
    """100,000 columns or a few thousand; those of the record stand in front, or behind."""
    more = [(f"c{index}", "x") for index in range(rng.choice((2_000, 100_000)))]
    return [record + more if rng.random() < 0.5 else more + record for record in records[:1]]


def _double_names(rng: Random, records: list[Record]) -> list[Record]:
    """The same name twice, with the same or with another value, in every record or in one."""
    at = rng.randrange(len(records[0]))
    double = [
        [*record, (rng.choice((str, str.upper, "{} ".format))(record[at][0]), rng.choice((record[at][1], "other", "")))]
        for record in records
    ]
    return double if rng.random() < 0.7 else [double[0], *records[1:]] if len(records[0]) == 1 else double


_ODD = (
    "",
    " ",
    "\u200b",
    "\ufeffinstruction",
    "😀👩‍👩‍👧",
    "\u202enoitcurtsni",
    "a\nb",
    "a\0b",
    "column 1",
    "../../x",
    "__proto__",
    "<b>",
    "n" * 100_000,
    "=1",
)


def _odd_names(rng: Random, records: list[Record]) -> list[Record]:
    """Names of columns that are nothing, invisible, turned round, of two lines, of 100,000 signs."""
    at, name = rng.randrange(len(records[0])), rng.choice(_ODD)
    return [[*record[:at], (name, record[at][1]), *record[at + 1 :]] for record in records]


RECORDS: dict[str, Callable[[Random, list[Record]], list[Record]]] = {
    "huge field": _with_value(_huge),
    "deep nesting": _with_value(_deep),
    "million digits": _with_value(_long_number),
    "no number": _with_value(_no_number),
    "lone surrogates": _with_value(_surrogates),
    "formulas": _with_value(_formula),
    "markup": _with_value(_markup),
    "100,000 columns": _many_columns,
    "names twice": _double_names,
    "odd names": _odd_names,
}

# --- bytes ------------------------------------------------------------------------------------------------------------


def _truncated(rng: Random, data: bytes) -> bytes:
    """At a random place, in the last bytes or in the first ones."""
    place = rng.choice(
        (rng.randrange(len(data)), len(data) - rng.randint(1, min(len(data), 30)), rng.randint(0, min(len(data), 30)))
    )
    return data[:place]


def _damaged(rng: Random, data: bytes) -> bytes:
    """1 to 50 bytes changed, put in or taken away."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 5, 50))):
        at = rng.randrange(len(changed) + 1)
        n_bytes = rng.choice((1, 1, 2, 8))
        new = (
            rng.randbytes(n_bytes)
            if rng.random() < 0.7
            else rng.choice((b"\0", b"\xff", b"\x80", b"\x7f", b'"', b"\n")) * n_bytes
        )
        changed[at : at + rng.choice((0, n_bytes, n_bytes))] = new if rng.random() < 0.7 else b""
    return bytes(changed)


def _spliced(rng: Random, data: bytes) -> bytes:
    """The beginning of one file and the end of another."""
    other = _good(rng, rng.choice(list(FORMS.values())))
    first, second = (data, other) if rng.random() < 0.7 else (other, data)
    return first[: rng.randrange(len(first) + 1)] + second[rng.randrange(len(second)) :]


def _good(rng: Random, form: Form) -> bytes:
    return form.pack(form.write(form.records(rng)))


def _doubled(rng: Random, data: bytes) -> bytes:
    return data * rng.randint(2, 3)


def _wrong_mark(rng: Random, data: bytes) -> bytes:
    return (
        rng.choice(
            (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0", b"\0\0\xfe\xff", b"\xef\xbb", b"\xef\xbb\xbf" * 3)
        )
        + data
    )


_ENCODINGS = (
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "gbk",
    "gb18030",
    "big5",
    "shift-jis",
    "euc-kr",
    "latin-1",
    "cp1252",
    "utf-7",
    "hz",
)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace") if len(data.decode("utf-8", "ignore")) > len(data) // 4 else data.decode("latin-1")


def _encoded_again(rng: Random, data: bytes) -> bytes:
    return _text(data).encode(rng.choice(_ENCODINGS), "replace")


def _mixed_encodings(rng: Random, data: bytes) -> bytes:
    return b"".join(line.encode(rng.choice(_ENCODINGS), "replace") for line in _text(data).splitlines(keepends=True))


def _nul(rng: Random, data: bytes) -> bytes:
    """Between the bytes, for spaces, in front, or a megabyte of them at the end."""
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: b"\0".join((data[: len(data) // 2], data[len(data) // 2 :])),
        lambda: data.replace(b" ", b"\0"),
        lambda: b"\0" * rng.choice((1, 512, 300_000)) + data,
        lambda: data + b"\0" * 1_000_000,
    )
    return rng.choice(ways)()


def _line_ends(rng: Random, data: bytes) -> bytes:
    plain = data.replace(b"\r\n", b"\n")
    return rng.choice(
        (
            plain.replace(b"\n", b"\r"),
            plain.replace(b"\n", b"\r\r\n"),
            plain.replace(b"\n", "\u2028".encode()),
            plain.replace(b"\n", b"\x0b"),
        )
    )


def _one_line(rng: Random, data: bytes) -> bytes:
    """10 MB without a line end. Of a gzip file, what it unpacks to: many good ones behind each other would be one good file."""
    if data.startswith(b"\x1f\x8b"):
        return gzip.compress(_one_line(rng, gzip.decompress(data)), 1, mtime=0)
    line = data.replace(b"\n", b" ").replace(b"\r", b" ") or b"x"
    return line * (10_000_000 // len(line) + 1)


def _open_quotes(rng: Random, data: bytes) -> bytes:
    """A quotation mark more, somewhere; or every second one away."""
    at = rng.randrange(len(data) + 1)
    ways = (
        data[:at] + b'"' + data[at:],
        b'"' + data,
        b'"' + data * (300_000 // len(data)),
        data[: data.rfind(b'"')] if b'"' in data else data + b'"',
    )
    return rng.choice(ways)


def _tops(rng: Random, data: bytes) -> bytes:
    """100,000 brackets around everything."""
    opening, closing = rng.choice(
        ((b"[", b"]"), (b'{"data":', b"}"), (b"(", b")"), (b"<div>", b"</div>"), (b"> ", b""), (b"<<", b">>"))
    )
    return opening * 100_000 + data + closing * (100_000 if rng.random() < 0.5 else 0)


def _tiny_records(rng: Random, data: bytes) -> bytes:
    """Fifty thousand lines with next to nothing in them."""
    line = rng.choice((b"{}\n", b"[]\n", b"1\n", b",\n", b"\n", b"a\n", b'{"a":1},\n', b'""\n', b"#\n", b"<p>\n"))
    return data[: rng.choice((0, len(data)))] + line * 50_000


def _nearly_nothing(rng: Random, data: bytes) -> bytes:
    """Nothing, one byte, one sign, white space."""
    return rng.choice(
        (
            b"",
            bytes([rng.randrange(256)]),
            b"{",
            b"[",
            b'"',
            b"\n",
            b" " * 5_000,
            b"\xef\xbb\xbf",
            b"\0",
            b"null",
            b"[]",
            b"{}",
            data[:1],
        )
    )


BYTES: dict[str, Callable[[Random, bytes], bytes]] = {
    "truncated": _truncated,
    "bytes changed": _damaged,
    "spliced": _spliced,
    "doubled": _doubled,
    "wrong mark": _wrong_mark,
    "encoded again": _encoded_again,
    "mixed encodings": _mixed_encodings,
    "NUL bytes": _nul,
    "line ends": _line_ends,
    "10 MB in a line": _one_line,
    "open quotes": _open_quotes,
    "100,000 brackets": _tops,
    "tiny records": _tiny_records,
    "nearly nothing": _nearly_nothing,
}

# --- names ------------------------------------------------------------------------------------------------------------


def _other_suffix(rng: Random, form: Form) -> str:
    others = sorted(
        {other.suffix for other in FORMS.values()} - {form.suffix} | {"", ".exe", ".py", ".JSONL", ".jsonl.bak", ".xls", ".doc"}
    )
    return "rows" + rng.choice(others)


def _odd_name(rng: Random, form: Form) -> str:
    names = (
        "😀",
        "../../etc/passwd",
        "a\u202eslx.",
        "a\0b",
        "\u200b",
        "C:\\temp\\a",
        "-rf",
        "<img src=x onerror=alert(1)>",
        "n" * 5_000,
        "{name} %s",
        "a\nb",
        "\ud800",
        "",
    )
    return rng.choice(names) + form.suffix


NAMES: dict[str, Callable[[Random, Form], str]] = {"wrong suffix": _other_suffix, "odd name": _odd_name}
