"""Files to records to rows: JSONL, JSON, CSV and TSV in any encoding, streaming, with every refused record explained.

The content decides what a file is, its suffix is only a hint. What is wrong with a whole file raises DataError at once;
what is wrong with one record becomes a `Refused`, and the rest goes on. Start at `read_rows`; `inspect_file` is the
same reading with limits and counts.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.data import formats
from studio.data.encodings import detect_encoding
from studio.data.formats import Format
from studio.data.rows import NewRow, json_type
from studio.errors import DataError

__all__ = ["Inspection", "Refused", "inspect_file", "read_rows"]

MAX_RECORD_CHARS = 16_000_000  # longer "lines" are a broken file, and must not fill the memory
MAX_JSON_BYTES = 512 * 1024 * 1024  # a JSON array has to be read whole; JSONL has no limit
KEPT_REFUSED = 50
KEPT_PREVIEW = 20

_DETECT_RECORDS = 100  # the shape is that of the first record among these that has one
_EXCERPT_CHARS = 200
_DELIMITERS = (",", "\t", ";", "|")

# The csv module knows only one limit for the whole process, 128 KiB by default: too little for a document in a cell.
csv.field_size_limit(MAX_RECORD_CHARS)


@dataclass(frozen=True)
class Refused:
    """A record that became no row: its line (the element's index in a JSON array), the reason, how it begins."""

    line: int
    key: str
    params: dict[str, Any]
    excerpt: str


@dataclass(frozen=True)
class Inspection:
    """What an import would do. Counts cover what was read: all of the file, or its beginning where `truncated`. `splits` counts
    the good rows that name one."""

    file_format: str
    encoding: str
    shape: str
    columns: tuple[str, ...]
    n_read: int
    n_good: int
    n_refused: int
    refused: tuple[Refused, ...]
    refused_by_key: dict[str, int]
    preview: tuple[NewRow, ...]
    truncated: bool
    splits: dict[str, int]


@dataclass(frozen=True)
class _Found:
    """One record as the file gives it. `n_bytes` is its size in UTF-8."""

    line: int
    value: Any
    excerpt: str
    n_bytes: int


@dataclass(frozen=True)
class _Source:
    """A file whose form is known, and its records from the first one on."""

    file_format: str
    encoding: str
    records: Iterator[_Found | Refused]
    columns: tuple[str, ...]
    shape: Format


def read_rows(path: Path, name: str, *, mapping: Mapping[str, str | None] | None = None) -> Iterator[NewRow | Refused]:
    """All rows of a file in order, each with `origin`; refused records in their places.

    `name` is what people call the file; `mapping` as in `formats.mapped`. Raises DataError for trouble with the whole
    file now, not when the first row is taken.
    """
    source = _open_source(path, name, mapping)
    return (result for _, result in _results(source, name))


def inspect_file(
    path: Path,
    name: str,
    *,
    mapping: Mapping[str, str | None] | None = None,
    limit_rows: int = 10_000,
    limit_bytes: int = 5_000_000,
) -> Inspection:
    """Read the beginning of a file as an import would. Raises DataError as `read_rows` does.

    Stops before the record that would pass `limit_rows`, and after the one that passes `limit_bytes` (of UTF-8).
    """
    source = _open_source(path, name, mapping)
    good: list[NewRow] = []
    refused: list[Refused] = []
    by_key: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    n_bytes = n_good = 0
    truncated = False
    for size, result in _results(source, name):
        if n_good + by_key.total() >= limit_rows or n_bytes > limit_bytes:
            truncated = True
            break
        n_bytes += size
        if isinstance(result, Refused):
            by_key[result.key] += 1
            refused += [result] if len(refused) < KEPT_REFUSED else []
            continue
        n_good += 1
        splits.update([result.split] if result.split else [])
        good += [result] if len(good) < KEPT_PREVIEW else []
    n_refused = by_key.total()
    return Inspection(
        source.file_format,
        source.encoding,
        source.shape.name,
        source.columns,
        n_good + n_refused,
        n_good,
        n_refused,
        tuple(refused),
        dict(by_key),
        tuple(good),
        truncated,
        dict(splits),
    )


def _results(source: _Source, name: str) -> Iterator[tuple[int, NewRow | Refused]]:
    """Each record's size in bytes, and what became of it."""
    for found in source.records:
        if isinstance(found, Refused):
            yield len(found.excerpt.encode("utf-8", "replace")), found
            continue
        try:
            origin = {"type": "file", "ref": name, "line": found.line}
            row = formats.to_row(_object(found.value), source.shape, origin=origin)
        except DataError as error:
            yield found.n_bytes, _refused(found.line, error, found.excerpt)
        else:
            yield found.n_bytes, row


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError("error.data.record_not_an_object", found=json_type(value))
    return value


def _refused(line: int, error: DataError, text: str) -> Refused:
    # A lone surrogate may stand in the text itself; what is kept must be storable.
    excerpt = text[:_EXCERPT_CHARS].encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{SYMBOL FOR NULL}")
    return Refused(line, error.key, error.params, excerpt)


# --- which file is it? ------------------------------------------------------------------------------------------------


def _open_source(path: Path, name: str, mapping: Mapping[str, str | None] | None) -> _Source:
    encoding = detect_encoding(path, name)
    head = _head(path, encoding)
    if not head:
        raise DataError("error.data.empty_file", field="file", name=name)
    wanted = formats.mapped(mapping) if mapping else None
    file_format = _file_format(head, Path(name).suffix.lower())
    if file_format == "csv":
        header, delimiter = _csv_header(path, encoding, name, wanted)
        records = _csv_records(path, encoding, header, delimiter)
    elif file_format == "json":
        records = _json_records(_load_json(path, encoding, name))
    else:
        records = _jsonl_records(path, encoding)
    first = list(itertools.islice(records, _DETECT_RECORDS))
    shape = wanted or _detect_shape(first, name)
    columns = _columns(first)
    if wanted:
        _check_mapping(wanted, columns)
    return _Source(file_format, encoding, _chained(first, records), columns, shape)


def _chained(first: list[_Found | Refused], rest: Iterator[_Found | Refused]) -> Iterator[_Found | Refused]:
    yield from first
    yield from rest


def _head(path: Path, encoding: str) -> list[str]:
    """The first 50 lines that are not blank, each at most a mebibyte of characters."""
    with path.open(encoding=encoding) as file:
        lines = iter(lambda: file.readline(1 << 20), "")
        return list(itertools.islice((line for line in lines if line.strip()), 50))


def _file_format(head: list[str], suffix: str) -> str:
    """`jsonl`, `json` or `csv`, by how the text begins.

    A text that begins with `{` may be JSONL or one pretty-printed object. If its first line is an object on its own,
    further lines make it JSONL; a single line is a record if some shape fits it, else an object of columns or of
    `data`. If its first line is broken, it is JSONL where most lines begin an object of their own.
    """
    first = head[0].lstrip()
    is_jsonl_name = suffix in (".jsonl", ".ndjson")
    if first[0] not in "{[":
        return "jsonl" if is_jsonl_name else "json" if suffix == ".json" else "csv"
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        n_objects = sum(line.startswith("{") for line in head)
        return "jsonl" if first[0] == "{" and n_objects * 2 > len(head) else "json"
    if len(head) > 1:
        return "jsonl"
    is_record = isinstance(value, dict) and (_has_shape(value) or (is_jsonl_name and not _is_table(value)))
    return "jsonl" if is_record else "json"


def _has_shape(value: dict[str, Any]) -> bool:
    try:
        formats.find_format(value)
    except DataError as error:
        return error.key == "error.data.ambiguous_shape"
    return True


def _detect_shape(first: list[_Found | Refused], name: str) -> Format:
    """The shape of the first record that has one. Raises DataError where none of them has."""
    if not first:
        raise DataError("error.data.empty_file", field="file", name=name)
    unknown: DataError | None = None
    for found in first:
        if isinstance(found, _Found) and isinstance(found.value, dict):
            try:
                return formats.find_format(found.value)
            except DataError as error:
                if error.key != "error.data.unknown_shape":
                    raise
                unknown = unknown or error
    if unknown:
        raise unknown
    return _raise_first(first[0], name)


def _raise_first(found: _Found | Refused, name: str) -> Format:
    """No record is an object: the first one says why."""
    if isinstance(found, _Found):
        raise DataError("error.data.record_not_an_object", field="file", found=json_type(found.value))
    if found.key == "error.data.line_not_json":
        raise DataError("error.data.json_broken", field="file", name=name, **found.params)
    raise DataError(found.key, field="file", **found.params)


def _columns(first: list[_Found | Refused]) -> tuple[str, ...]:
    """All column names of the first records, in the order in which they appear."""
    records = (found.value for found in first if isinstance(found, _Found) and isinstance(found.value, dict))
    return tuple(dict.fromkeys(column.strip() for record in records for column in record))


def _check_mapping(shape: Format, columns: tuple[str, ...]) -> None:
    present = {column.lower() for column in columns}
    system = getattr(shape, "system", "")
    for part, column in zip(("question", "answer", "system"), (*shape.required, system), strict=True):
        if column and column not in present:
            raise DataError("error.data.mapping_unknown_column", field=part, part=part, column=column, columns=", ".join(columns))


# --- JSON -------------------------------------------------------------------------------------------------------------


def _parsed(text: str, key: str, **params: Any) -> Any:
    """JSON as a value, or DataError: `key` with line, column and reason, `too_deep`, `number_too_long`."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = {"line": error.lineno, "column": error.colno, "reason": error.msg}
        raise DataError(key, field="file", **{**place, **params}) from None
    except RecursionError:
        raise DataError("error.data.json_too_deep", field="file") from None
    except ValueError:  # Python refuses to turn thousands of digits into an int, which would take minutes
        raise DataError("error.data.number_too_long", field="file") from None


def _jsonl_records(path: Path, encoding: str) -> Iterator[_Found | Refused]:
    with path.open(encoding=encoding) as file:
        for number in itertools.count(1):
            text = file.readline(MAX_RECORD_CHARS + 1)
            if not text:
                return
            if len(text) > MAX_RECORD_CHARS:
                error = DataError("error.data.record_too_long", limit=MAX_RECORD_CHARS)
                yield _refused(number, error, text)
                _skip_line(file.readline)
            elif text.strip():
                yield _json_line(text.strip(), number)


def _skip_line(readline: Callable[[int], str]) -> None:
    while (rest := readline(MAX_RECORD_CHARS)) and not rest.endswith("\n"):
        pass


def _json_line(text: str, number: int) -> _Found | Refused:
    try:
        value = _parsed(text, "error.data.line_not_json", line=number)
    except DataError as error:
        return _refused(number, error, text)
    return _Found(number, value, text[:_EXCERPT_CHARS], len(text.encode("utf-8", "replace")))


def _load_json(path: Path, encoding: str, name: str) -> list[Any]:
    """The records of a JSON file: an array, the array under `data` or `rows`, an object of columns, or one record."""
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise DataError("error.data.json_too_large", field="file", name=name, size_bytes=size, limit_bytes=MAX_JSON_BYTES)
    value = _parsed(path.read_text(encoding), "error.data.json_broken", name=name)
    if isinstance(value, list):
        if not value:
            raise DataError("error.data.empty_file", field="file", name=name)
        return value
    if not isinstance(value, dict):
        raise DataError("error.data.json_top_level", field="file", name=name, found=json_type(value))
    if _has_shape(value) or not _is_table(value):
        return [value]
    return _wrapped(value) or _by_columns(value, name)


def _wrapped(value: dict[str, Any]) -> list[Any] | None:
    """`{"data": [{…}, …]}` or `{"rows": [{…}, …]}`."""
    inner = next(iter(value.values())) if len(value) == 1 else None
    is_wrapped = next(iter(value)) in ("data", "rows") and isinstance(inner, list) and bool(inner)
    return inner if is_wrapped and isinstance(inner, list) and isinstance(inner[0], dict) else None


def _is_table(value: dict[str, Any]) -> bool:
    return bool(value) and all(isinstance(column, list) and column for column in value.values())


def _by_columns(value: dict[str, list[Any]], name: str) -> list[Any]:
    lengths = {column: len(cells) for column, cells in value.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{column}: {length}" for column, length in lengths.items())
        raise DataError("error.data.columns_unequal", field="file", name=name, found=found)
    return [dict(zip(value, cells, strict=True)) for cells in zip(*value.values(), strict=True)]


def _json_records(values: list[Any]) -> Iterator[_Found | Refused]:
    for number, value in enumerate(values, start=1):
        try:
            text = json.dumps(value, ensure_ascii=False)
        except RecursionError:
            yield _refused(number, DataError("error.data.json_too_deep"), "")
            continue
        yield _Found(number, value, text[:_EXCERPT_CHARS], len(text.encode("utf-8", "replace")))


# --- CSV --------------------------------------------------------------------------------------------------------------


def _csv_header(path: Path, encoding: str, name: str, wanted: Format | None) -> tuple[list[str], str]:
    """The header's cells and the delimiter: the one under which most header cells are known names, then most cells.

    Raises DataError where the first line looks like data.
    """
    known = formats.known_columns() | (wanted.columns if wanted else frozenset())
    choices = [(_csv_head(path, encoding, delimiter), delimiter) for delimiter in _DELIMITERS]

    def score(choice: tuple[list[list[str]], str]) -> tuple[int, float, int]:
        lines, _ = choice
        width = len(lines[0]) if lines else 0
        same = sum(len(line) == width for line in lines) / max(1, len(lines))
        return _n_known(lines[0] if lines else [], known), same if width > 1 else 0.0, width

    lines, delimiter = max(choices, key=score)
    if not lines:
        raise DataError("error.data.csv_broken", field="file", line=1, reason="unexpected end of data")
    header = lines[0]
    if not _n_known(header, known) and _looks_like_data(header):
        raise DataError("error.data.csv_no_header", field="file", name=name, found=" | ".join(cell[:40] for cell in header[:10]))
    return header, delimiter


def _n_known(header: list[str], known: frozenset[str]) -> int:
    return sum(cell.strip().lower() in known for cell in header)


def _looks_like_data(header: list[str]) -> bool:
    """Whether a first line without a single known name is data and no header.

    A name is short, there once, no number and no sentence; one cell that is none of this gives data away. Only asked
    where no name is known, so that a header such as `question, What a long remark this is.` is never refused.
    """
    names = [cell.strip() for cell in header]
    if not any(names) or "" in names or len(set(names)) < len(names):
        return True
    return any(
        len(name) > 64
        or "\n" in name
        or name.endswith((".", "!", "?", "\N{IDEOGRAPHIC FULL STOP}"))
        or any(sign in name for sign in (". ", "? ", "! ", "\uff0c", "\uff1f", "\uff01", "\uff1b", "\N{IDEOGRAPHIC FULL STOP}"))
        or name.replace(".", "", 1).lstrip("+-").isdigit()
        for name in names
    )


def _csv_head(path: Path, encoding: str, delimiter: str) -> list[list[str]]:
    """Up to 50 records under one delimiter; those before the first that this delimiter breaks."""
    lines: list[list[str]] = []
    with path.open(encoding=encoding, newline="") as file:
        try:
            for cells in csv.reader(file, delimiter=delimiter, strict=True):
                lines += [cells] if any(cell.strip() for cell in cells) else []
                if len(lines) == 50:
                    break
        except csv.Error:
            pass  # the reading proper reports it, with its line
    return lines


def _csv_records(path: Path, encoding: str, header: list[str], delimiter: str) -> Iterator[_Found | Refused]:
    names = [cell.strip() or f"column {index}" for index, cell in enumerate(header, start=1)]
    if len({name.lower() for name in names}) < len(names):
        double = next(name for index, name in enumerate(names) if name.lower() in [other.lower() for other in names[:index]])
        raise DataError("error.data.duplicate_column", field="file", column=double)
    is_header = True
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        while True:
            number = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield _refused(number, DataError("error.data.csv_broken", line=number, reason=str(error)), "")
                continue
            if not any(cell.strip() for cell in cells):
                continue
            if is_header:
                is_header = False
                continue
            yield _csv_record(names, cells, number, delimiter)


def _csv_record(names: list[str], cells: list[str], number: int, delimiter: str) -> _Found | Refused:
    text = delimiter.join(cells)
    if len(cells) != len(names):
        return _refused(number, DataError("error.data.csv_cells", line=number, found=len(cells), expected=len(names)), text)
    return _Found(number, dict(zip(names, cells, strict=True)), text[:_EXCERPT_CHARS], len(text.encode("utf-8")))
