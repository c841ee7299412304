"""Files to records to rows: every format, streaming, with every refused record explained.

The content decides what a file is, its suffix is only a hint (`readers/sniff.py`). What is wrong with a whole file raises
DataError, at once where its beginning shows it; what is wrong with one record becomes a `Refused`, and the rest goes on. Start
at `read_rows`; `inspect_file` is the same reading with limits and counts, and asks where the shape is not sure.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from studio.data import formats
from studio.data.formats import Detection, Format, Reason
from studio.data.formats.plain import Text
from studio.data.readers.base import MAX_COLUMNS, FileReason, Found, Opened, ReadOptions, Refused, excerpt_of, refused
from studio.data.readers.csvs import open_csv
from studio.data.readers.guard import open_guarded
from studio.data.readers.jsons import json_records, jsonl_records
from studio.data.readers.prose import markdown_records, text_records
from studio.data.readers.sniff import GUARDED, form_of
from studio.data.rows import NewRow, json_type
from studio.errors import DataError

__all__ = ["Inspection", "ReadOptions", "Refused", "inspect_file", "read_rows"]

KEPT_REFUSED = 50
KEPT_PREVIEW = 20
KEPT_RECORDS = 5

_DETECT_RECORDS = 200
_DETECT_CHARS = 4_000_000  # the shape is told from records that are kept in memory: few where they are long
_DOCUMENTS = frozenset({"text", "markdown", "docx", "pdf", "html"})
_PIECE = Text("text", "text")


@dataclass(frozen=True)
class Inspection:
    """What an import would do. Counts cover what was read: all of the file, or its beginning where `truncated`. `splits` counts
    the good rows that name one.

    Where the shape is not sure, `shape` is "" and there are no good rows: `detection` has a suggestion, `columns` and `records`
    (the first ones, as the file gives them) are what a person needs to decide. `reasons` tell what the file is and by which
    signs; `options` are those it was read with, the guessed ones included.
    """

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
    detection: Detection | None = None
    reasons: tuple[Reason, ...] = ()
    records: tuple[dict[str, Any], ...] = ()
    options: ReadOptions = field(default_factory=ReadOptions)
    sheets: tuple[str, ...] = ()


@dataclass
class _Source:
    """A file whose form is known, its first records, and all of them from the first one on."""

    file_format: str
    encoding: str
    opened: Opened
    first: list[Found | Refused]
    columns: tuple[str, ...]
    detection: Detection | None
    shape: Format | None

    @property
    def records(self) -> Iterator[Found | Refused]:
        return itertools.chain(self.first, self.opened.records)


def read_rows(
    path: Path, name: str, *, mapping: Mapping[str, str | None] | None = None, options: ReadOptions | None = None
) -> Iterator[NewRow | Refused]:
    """All rows of a file in order, each with `origin`; refused records in their places.

    `name` is what people call the file; `mapping` as in `formats.mapped`. Raises DataError for trouble with the whole
    file: now, where its beginning shows it, or when the reading comes to it (a JSON array that breaks off).
    """
    source = _open_source(path, name, mapping, options)
    if source.shape is None:
        columns = _shown(source.columns)
        raise DataError("error.data.unknown_shape", field="file", columns=columns, shapes=formats.expected_shapes())
    return _rows(source.records, source.shape, name)


def inspect_file(
    path: Path,
    name: str,
    *,
    mapping: Mapping[str, str | None] | None = None,
    options: ReadOptions | None = None,
    limit_rows: int = 10_000,
    limit_bytes: int = 5_000_000,
    on_good: Callable[[NewRow], None] = lambda row: None,
) -> Inspection:
    """Read the beginning of a file as an import would. Raises DataError as `read_rows` does, but not for an unsure shape.

    Stops before the record that would pass `limit_rows`, and after the one that passes `limit_bytes` (characters, for text).
    `on_good` is given every good row that is read.
    """
    source = _open_source(path, name, mapping, options)
    good: list[NewRow] = []
    kept: list[Refused] = []
    by_key: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    n_bytes = n_good = n_read = 0
    truncated = False
    for record in source.records:
        if n_read >= limit_rows or n_bytes > limit_bytes:
            truncated = True
            break
        n_read += 1
        n_bytes += len(record.text) if isinstance(record, Found) else len(record.excerpt)
        result = record if source.shape is None else _row(record, source.shape, name)
        if isinstance(result, Refused):
            by_key[result.key] += 1
            kept += [result] if len(kept) < KEPT_REFUSED else []
        elif isinstance(result, NewRow):
            n_good += 1
            on_good(result)
            splits.update([result.split] if result.split else [])
            good += [result] if len(good) < KEPT_PREVIEW else []
    return Inspection(
        source.file_format,
        source.encoding,
        source.shape.name if source.shape else "",
        source.columns,
        n_read,
        n_good,
        by_key.total(),
        tuple(kept),
        dict(by_key),
        tuple(good),
        truncated,
        dict(splits),
        source.detection,
        tuple(Reason(*reason) for reason in source.opened.reasons),
        tuple(itertools.islice(_objects(source.first), KEPT_RECORDS)),
        source.opened.used,
        source.opened.sheets,
    )


def _rows(records: Iterator[Found | Refused], shape: Format, name: str) -> Iterator[NewRow | Refused]:
    for record in records:
        yield _row(record, shape, name)


def _row(record: Found | Refused, shape: Format, name: str) -> NewRow | Refused:
    if isinstance(record, Refused):
        return record
    line, value, _, place = record
    try:
        if not isinstance(value, dict):
            raise DataError("error.data.record_not_an_object", found=json_type(value))
        if len(value) > MAX_COLUMNS:
            raise DataError("error.data.too_many_columns", found=len(value), limit=MAX_COLUMNS)
        origin = {"type": "file", "ref": name, "line": line} if place is None else {"type": "document", "ref": name, **place}
        return formats.to_row(value, shape, origin=origin)
    except DataError as error:
        return refused(line, error, excerpt_of(record))


# --- which file is it? ------------------------------------------------------------------------------------------------


def _open_source(path: Path, name: str, mapping: Mapping[str, str | None] | None, options: ReadOptions | None) -> _Source:
    options = options or ReadOptions()
    options.check()
    wanted = formats.mapped(mapping) if mapping else None
    known = formats.known_columns() | (wanted.columns if wanted else frozenset())
    form = form_of(path, name, options, known, _is_record)
    opened = _opened(path, name, form.name, replace(options, encoding=form.encoding or None), known)
    opened.reasons = [*form.reasons, *opened.reasons]
    first = _first(opened.records)
    if not first:
        raise DataError("error.data.empty_file", field="file", name=name)
    columns = _columns(first)
    if mapping:
        _check_mapping(mapping, columns)
    detection = None
    shape: Format | None = wanted or (_PIECE if form.name in _DOCUMENTS else None)
    if shape is None:
        detection = formats.detect(list(_objects(first)) or _raise_first(first[0], name))
        shape = detection.shape if detection.is_sure else None
    return _Source(form.name, form.encoding, opened, first, columns, detection, shape)


def _opened(path: Path, name: str, form: str, options: ReadOptions, known: frozenset[str]) -> Opened:
    encoding = options.encoding or ""
    if form in GUARDED:
        return open_guarded(path, name, form, options, known)
    if form == "csv":
        return open_csv(path, name, encoding, options, known)
    if form == "jsonl":
        return Opened(jsonl_records(path, encoding), [FileReason("data.file.jsonl", {})], options)
    if form == "json":
        return Opened(json_records(path, encoding, name, _is_record), [FileReason("data.file.json", {})], options)
    if form == "markdown":
        return Opened(markdown_records(path, encoding), [FileReason("data.file.markdown", {})], options)
    return Opened(text_records(path, encoding), [FileReason("data.file.text", {})], options)


def _first(records: Iterator[Found | Refused]) -> list[Found | Refused]:
    found: list[Found | Refused] = []
    n_chars = 0
    for record in records:
        found.append(record)
        n_chars += len(record.text) if isinstance(record, Found) else 0
        if len(found) == _DETECT_RECORDS or n_chars > _DETECT_CHARS:
            break
    return found


def _is_record(value: dict[str, Any]) -> bool:
    """Whether one object on its own is a record of some shape, and no object of columns."""
    return len(value) <= MAX_COLUMNS and formats.detect([value]).is_sure


def _objects(records: list[Found | Refused]) -> Iterator[dict[str, Any]]:
    found = (record.value for record in records if isinstance(record, Found))
    return (value for value in found if isinstance(value, dict) and len(value) <= MAX_COLUMNS)


def _raise_first(found: Found | Refused, name: str) -> list[dict[str, Any]]:
    """No record is an object that could be a row: the first one says why."""
    if isinstance(found, Found) and isinstance(found.value, dict):
        raise DataError("error.data.too_many_columns", field="file", found=len(found.value), limit=MAX_COLUMNS)
    if isinstance(found, Found):
        raise DataError("error.data.record_not_an_object", field="file", found=json_type(found.value))
    if found.key == "error.data.line_not_json":
        raise DataError("error.data.json_broken", field="file", name=name, **found.params)
    raise DataError(found.key, field="file", **found.params)


def _columns(first: list[Found | Refused]) -> tuple[str, ...]:
    """All column names of the first records, in the order in which they appear."""
    names = dict.fromkeys(column.strip() for record in _objects(first) for column in record)
    return tuple(itertools.islice(names, MAX_COLUMNS))


def _check_mapping(mapping: Mapping[str, str | None], columns: tuple[str, ...]) -> None:
    present = {formats.column_name(column) for column in columns}
    for part, column in mapping.items():
        if part != "as" and column and formats.column_name(column) not in present:
            shown = {"column": column[:100], "columns": _shown(columns)}
            raise DataError("error.data.mapping_unknown_column", field=part, part=part, **shown)


def _shown(columns: tuple[str, ...]) -> str:
    return ", ".join(column[:60] for column in columns[:40])
