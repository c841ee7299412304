"""Parquet and Arrow (file, Feather and stream) to records, batch by batch. Runs in a process of its own (`guard`)."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from studio.data.readers.base import FileReason, Found, Opened, ReadOptions, Refused, column_names, refused
from studio.errors import DataError

__all__ = ["open_file"]

_BATCH_ROWS = 256

#: Equal rows take next to no room; more of them for each byte of the file were made to fill a disk.
_MAX_ROWS_PER_BYTE = 100


def open_file(path: Path, name: str, form: str, options: ReadOptions, known: frozenset[str]) -> Opened:
    if form == "parquet":
        import pyarrow.parquet as pq  # takes three times as long to load as all the rest

        file = pq.ParquetFile(path, pre_buffer=False)
        column_names(list(file.schema_arrow.names))
        _check_rows(file.metadata.num_rows, path, name)
        reason = FileReason("data.file.parquet", {"n_rows": file.metadata.num_rows})
        return Opened(_records(file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False)), [reason], options)
    source = pa.OSFile(str(path), "rb")
    batches, schema = _arrow_batches(source)
    column_names(list(schema.names))
    records = _records(_checked(batches, path, name))
    return Opened(records, [FileReason("data.file.arrow", {"n_columns": len(schema.names)})], options)


def _check_rows(n_rows: int, path: Path, name: str) -> None:
    if n_rows > _MAX_ROWS_PER_BYTE * path.stat().st_size:
        raise DataError("error.data.too_many_rows", field="file", name=name, n=n_rows)


def _checked(batches: Iterable[Any], path: Path, name: str) -> Iterator[Any]:
    for batch in batches:
        _check_rows(batch.num_rows, path, name)
        yield batch


def _arrow_batches(source: Any) -> tuple[Iterator[Any], Any]:
    is_file = source.read(6) == b"ARROW1"
    source.seek(0)
    if not is_file:
        stream = pa.ipc.open_stream(source)
        return iter(stream), stream.schema
    file = pa.ipc.open_file(source)
    return (file.get_batch(index) for index in range(file.num_record_batches)), file.schema


def _records(batches: Iterable[Any]) -> Iterator[Found | Refused]:
    number = 0
    for batch in batches:
        batch.validate(full=True)  # a hostile file may hold offsets that point outside of its own data
        for start in range(0, batch.num_rows, _BATCH_ROWS):
            part = batch.slice(start, _BATCH_ROWS)
            columns = {name: _cells(column) for name, column in zip(part.schema.names, part.columns, strict=True)}
            for index in range(part.num_rows):
                number += 1
                try:
                    yield Found(number, {name: _plain(cells[index], name) for name, cells in columns.items()})
                except DataError as error:
                    yield refused(number, error, "")


def _cells(column: Any) -> list[Any]:
    """Python's values of a column. Nanoseconds are cut to microseconds, which is all that Python's clock knows."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    values: list[Any] = column.to_pylist()
    return values


def _plain(value: Any, where: str) -> Any:
    """A value as JSON can hold it. Raises DataError for bytes that are no text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None  # how tables write that nothing is there
    if isinstance(value, dict):
        return {str(name): _plain(inner, f"{where}.{name}") for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, where) for inner in value]
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise DataError("error.data.bytes_value", field=where[:100], where=where[:100], n_bytes=len(value)) from None
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return str(value)  # decimals, durations, identifiers
