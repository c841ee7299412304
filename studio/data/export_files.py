"""Records to files, one at a time: JSON lines, a JSON array, CSV, Parquet. Knows no kind of row and no database.

A `Layout` says which columns a table has; files of JSON hold what each record has. Text files are UTF-8, CSV with a byte-order
mark, without which Excel takes it for the machine's old code page.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TextIO

from studio.data.cells import MARK, escape_cell
from studio.data.export_shapes import Holds, Record

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FileFormat", "Layout", "Sink", "cell_text", "open_sink", "text_sink"]

FileFormat = Literal["jsonl", "json", "csv", "parquet"]

#: Rows that a row group of Parquet holds, and about how many characters: what is in memory at a time.
_GROUP_ROWS = 2_000
_GROUP_CHARS = 16_000_000

#: At these the reader divides a text of tags.
_DIVIDERS = re.compile("[,;\uff0c\uff1b\u3001]")


@dataclass(frozen=True)
class Layout:
    """The columns of a table in their order. `fields` are those of a column's turns; `note` is kept in Parquet's metadata."""

    columns: Mapping[str, Holds]
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_escaped: bool = False
    note: str = ""


class Sink(Protocol):
    def write(self, record: Record) -> None: ...
    def close(self) -> None: ...


def open_sink(file_format: FileFormat, path: Path, layout: Layout) -> Sink:
    if file_format == "parquet":
        return _Parquet(path, layout)
    stream = path.open("w", encoding="utf-8-sig" if file_format == "csv" else "utf-8", newline="")
    return text_sink(file_format, stream, layout)


def text_sink(file_format: FileFormat, stream: TextIO, layout: Layout) -> Sink:
    """Writes to a stream that it closes. Parquet is no text: it is shown as JSON lines."""
    if file_format == "csv":
        return _Csv(stream, layout)
    return _JsonArray(stream) if file_format == "json" else _JsonLines(stream)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


class _JsonLines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, record: Record) -> None:
        self._stream.write(_json(record) + "\n")

    def close(self) -> None:
        self._stream.close()


class _JsonArray:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._before = "[\n"

    def write(self, record: Record) -> None:
        self._stream.write(self._before + _json(record))
        self._before = ",\n"

    def close(self) -> None:
        self._stream.write("\n]\n")
        self._stream.close()


def cell_text(value: Any, holds: Holds = "text") -> str:
    """A value as a cell holds it before it is escaped: a text as it is, nothing for None, short words joined by commas where
    no comma stands in one, anything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, str) and holds != "json":
        return value
    if holds == "words" and not any(_DIVIDERS.search(word) or word.startswith("[") for word in value):
        return ", ".join(value)
    return _json(value)


class _Csv:
    def __init__(self, stream: TextIO, layout: Layout) -> None:
        self._stream = stream
        self._layout = layout
        self._writer = csv.writer(stream)
        self._writer.writerow([*layout.columns, *([MARK] if layout.is_escaped else [])])

    def write(self, record: Record) -> None:
        texts = [cell_text(record.get(name), holds) for name, holds in self._layout.columns.items()]
        if not self._layout.is_escaped:
            self._writer.writerow(texts)
            return
        cells = [escape_cell(text) for text in texts]
        n_escaped = sum(cell != text for cell, text in zip(cells, texts, strict=True))
        self._writer.writerow([*cells, str(n_escaped)])

    def close(self) -> None:
        self._stream.close()


class _Parquet:
    """`json` columns, and what tools were called with, are texts of JSON: their inner types differ from row to row."""

    def __init__(self, path: Path, layout: Layout) -> None:
        import pyarrow.parquet as pq

        self._layout = layout
        self._schema = _schema(layout)
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[Record] = []
        self._n_chars = 0

    def write(self, record: Record) -> None:
        row = {name: _arrow_value(record.get(name), holds) for name, holds in self._layout.columns.items()}
        self._rows.append(row)
        self._n_chars += len(str(row))
        if len(self._rows) >= _GROUP_ROWS or self._n_chars >= _GROUP_CHARS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows, self._n_chars = [], 0

    def close(self) -> None:
        self._flush()
        self._writer.close()


def _schema(layout: Layout) -> pa.Schema:
    import pyarrow as pa

    plain = {
        "text": pa.string(),
        "json": pa.string(),
        "texts": pa.list_(pa.string()),
        "words": pa.list_(pa.string()),
        "pairs": pa.list_(pa.list_(pa.string())),
        "number": pa.float64(),
        "whole": pa.int64(),
        "truth": pa.bool_(),
    }

    def turns(column: str) -> pa.DataType:
        return pa.list_(pa.struct([(name, pa.string()) for name in layout.fields[column]]))

    columns = [(name, turns(name) if holds == "turns" else plain[holds]) for name, holds in layout.columns.items()]
    return pa.schema(columns, metadata={"finetune_studio": layout.note} if layout.note else None)


def _arrow_value(value: Any, holds: Holds) -> Any:
    if value is None:
        return None
    if holds == "json":
        return _json(value)
    if holds == "number":
        return float(value)
    if holds == "turns":
        return [{key: part if isinstance(part, str) else _json(part) for key, part in turn.items()} for turn in value]
    return value
