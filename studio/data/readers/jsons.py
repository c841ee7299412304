"""JSONL and JSON: one object a line; an array; an array under `data` or `rows`; an object of columns; one record.

Lines and arrays stream. An object of columns has to be read whole and is therefore bounded.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from studio.data.readers.base import MAX_COLUMNS, MAX_RECORD_CHARS, Found, Refused, refused
from studio.data.rows import json_type
from studio.errors import DataError

__all__ = ["IsRecord", "is_table", "json_records", "jsonl_records", "parsed"]

#: A JSON object is read whole. Parsed, it may need 24 times its size (`{},{},…`), and an import has 512 MB.
MAX_OBJECT_BYTES = 20 * 2**20

#: More lists and objects in one record are no training data, and each needs 70 bytes.
MAX_PARTS = 250_000
_MANY_CHARS = 1_000_000  # shorter records cannot hold enough parts to matter

_CHUNK_CHARS = 1 << 19
_SPACE = " \t\r\n"
_SPACES = re.compile(f"[{_SPACE}]*")
_WRAPPER = re.compile(r'\s*\{\s*"(?:data|rows)"\s*:\s*(?=\[\s*\{)')
_WRAPPER_CHARS = 1000

IsRecord = Callable[[dict[str, Any]], bool]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        double = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise DataError("error.data.duplicate_key", column=double[:100].encode("utf-8", "replace").decode())
    return values


# One decoder for all lines: json.loads would build a new one for every call with a hook.
_scan = json.JSONDecoder(object_pairs_hook=_unique).raw_decode


def parsed(text: str) -> Any:
    """The JSON value of a whole text without spaces around it. Raises JSONDecodeError, and DataError for what is valid JSON and
    still no data: the same name twice in one object, endless nesting, numbers of thousands of digits, millions of parts.
    """
    value, end = _value(text, 0)
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def _value(text: str, at: int) -> tuple[Any, int]:
    if len(text) - at > _MANY_CHARS and text.count("{", at) + text.count("[", at) > MAX_PARTS * 4:
        raise DataError("error.data.too_many_parts", limit=MAX_PARTS)
    try:
        return _scan(text, at)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise DataError("error.data.json_too_deep") from None
    except ValueError:  # Python refuses to turn thousands of digits into an int, which would take minutes
        raise DataError("error.data.number_too_long") from None


def _check_parts(value: Any) -> None:
    """Refuse a record whose many small values would take minutes and gigabytes to check one by one."""
    waiting, n_parts = [value], 0
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict | list):
            n_parts += len(item)
            if n_parts > MAX_PARTS:
                raise DataError("error.data.too_many_parts", limit=MAX_PARTS)
            waiting += [inner for inner in (item.values() if isinstance(item, dict) else item) if isinstance(inner, dict | list)]


# --- one object a line ------------------------------------------------------------------------------------------------


def jsonl_records(path: Path, encoding: str) -> Iterator[Found | Refused]:
    limit = MAX_RECORD_CHARS + 1
    with path.open(encoding=encoding) as file:
        for number in itertools.count(1):
            text = file.readline(limit)
            if not text:
                return
            if len(text) == limit:
                yield refused(number, DataError("error.data.record_too_long", limit=limit - 1), text)
                skip_line(file.readline, text)
            elif text := text.strip():
                yield _json_line(text, number)


def skip_line(readline: Callable[[int], str], text: str) -> None:
    """Read on to the end of a line whose beginning was too long already."""
    while text and not text.endswith("\n"):
        text = readline(_CHUNK_CHARS)


def _json_line(text: str, number: int) -> Found | Refused:
    try:
        value = parsed(text)
        if len(text) > _MANY_CHARS:
            _check_parts(value)
    except json.JSONDecodeError as error:
        return refused(number, DataError("error.data.line_not_json", line=number, column=error.colno, reason=error.msg), text)
    except DataError as error:
        return refused(number, error, text)
    return Found(number, value, text)


# --- arrays and objects -----------------------------------------------------------------------------------------------


def json_records(path: Path, encoding: str, name: str, is_record: IsRecord) -> Iterator[Found | Refused]:
    """The records of a JSON file. `is_record` tells a record from an object of columns, which may look alike."""
    with path.open(encoding=encoding) as file:
        head = file.read(_WRAPPER_CHARS)
        wrapper = _WRAPPER.match(head)
        while head and not head.strip(_SPACE):
            head = file.read(_WRAPPER_CHARS)
    if head.lstrip(_SPACE).startswith("[") or wrapper:
        return _array_records(path, encoding, name, wrapper.end() if wrapper else 0)
    return _object_records(path, encoding, name, is_record)


class _Text:
    """A window over a long text that moves on with the reading, and knows lines and columns of the whole."""

    def __init__(self, read: Callable[[int], str], name: str) -> None:
        self._read = read
        self._name = name
        self._line, self._column = 1, 1  # of the window's first sign
        self.text = ""
        self.at = 0
        self.is_whole = False  # nothing is left to read

    def more(self) -> None:
        """Drop what was consumed, and read as much again as is left: few attempts at a long element."""
        self._moved(self.at)
        self.text, self.at = self.text[self.at :], 0
        chunk = self._read(max(_CHUNK_CHARS, len(self.text)))
        self.is_whole = not chunk
        self.text += chunk

    def _moved(self, n_chars: int) -> None:
        self._line, self._column = self._place(n_chars)

    def _place(self, at: int) -> tuple[int, int]:
        breaks = self.text.count("\n", 0, at)
        column = at - self.text.rfind("\n", 0, at) if breaks else self._column + at
        return self._line + breaks, column

    def next_sign(self) -> str:
        """The next sign that is no space, not consumed; "" at the end."""
        while True:
            self.at = _SPACES.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text) or self.is_whole:
                return self.text[self.at : self.at + 1]
            self.more()

    def broken(self, reason: str, at: int) -> DataError:
        line, column = self._place(at)
        return DataError("error.data.json_broken", field="file", name=self._name, line=line, column=column, reason=reason)

    def element(self) -> tuple[Any, str]:
        """The value that begins here and its text; consumed. Raises DataError where there is none, and `record_too_long`."""
        while True:
            try:
                value, end = _value(self.text, self.at)
            except json.JSONDecodeError as error:
                # An error near the window's end, or a text that only lacks its closing mark, may be one that is only half read.
                is_cut = error.pos > len(self.text) - 16 or error.msg.startswith("Unterminated string")
                if self.is_whole or not is_cut:
                    raise self.broken(error.msg, error.pos) from None
            else:
                if end < len(self.text) or self.is_whole:
                    text = self.text[self.at : end]
                    self.at = end
                    return value, text
            if len(self.text) - self.at > MAX_RECORD_CHARS:
                raise DataError("error.data.record_too_long", field="file", limit=MAX_RECORD_CHARS)
            self.more()


def _array_records(path: Path, encoding: str, name: str, skipped: int) -> Iterator[Found | Refused]:
    with path.open(encoding=encoding) as file:
        text = _Text(file.read, name)
        text.more()
        text.at = skipped
        text.next_sign()
        text.at += 1  # the bracket
        if text.next_sign() == "]":
            text.at += 1
        else:
            yield from _elements(text)
        if skipped:
            _rest_of_wrapper(text)
        if text.next_sign():
            raise text.broken("Extra data", text.at)


def _elements(text: _Text) -> Iterator[Found | Refused]:
    for number in itertools.count(1):
        text.next_sign()
        try:
            value, source = text.element()
            if len(source) > _MANY_CHARS:
                _check_parts(value)
        except DataError as error:
            if error.key != "error.data.duplicate_key":  # of everything else it is not known where the next element begins
                raise DataError(error.key, field="file", **error.params) from None
            yield refused(number, error, text.text[text.at : text.at + 1000])
            _skip_element(text)
        else:
            yield Found(number, value, source)
        sign = text.next_sign()
        text.at += 1
        if sign == "]":
            return
        if sign != ",":
            raise text.broken("Expecting ',' delimiter", text.at - 1)


def _skip_element(text: _Text) -> None:
    """Consume a valid element that holds one name twice."""
    plain = json.JSONDecoder().raw_decode
    while True:
        try:
            _, text.at = plain(text.text, text.at)
            return
        except json.JSONDecodeError as error:
            if text.is_whole or len(text.text) - text.at > MAX_RECORD_CHARS:
                raise text.broken(error.msg, error.pos) from None
            text.more()
        except (RecursionError, ValueError):
            raise DataError("error.data.json_too_deep", field="file") from None


def _rest_of_wrapper(text: _Text) -> None:
    """Behind the records of `{"data": […]`: other fields of the wrapper say nothing about rows."""
    while text.next_sign() == ",":
        text.at += 1
        text.next_sign()
        text.element()
        if text.next_sign() != ":":
            raise text.broken("Expecting ':' delimiter", text.at)
        text.at += 1
        text.next_sign()
        text.element()
    if text.next_sign() != "}":
        raise text.broken("Expecting ',' delimiter", text.at)
    text.at += 1


def _object_records(path: Path, encoding: str, name: str, is_record: IsRecord) -> Iterator[Found | Refused]:
    size = path.stat().st_size
    if size > MAX_OBJECT_BYTES:
        raise DataError("error.data.json_too_large", field="file", name=name, size_bytes=size, limit_bytes=MAX_OBJECT_BYTES)
    text = path.read_text(encoding).strip(_SPACE)
    try:
        value = parsed(text)
    except json.JSONDecodeError as error:
        place: dict[str, Any] = {"line": error.lineno, "column": error.colno}
        raise DataError("error.data.json_broken", field="file", name=name, reason=error.msg, **place) from None
    except DataError as error:
        raise DataError(error.key, field="file", **error.params) from None
    if not isinstance(value, dict):
        raise DataError("error.data.json_top_level", field="file", name=name, found=json_type(value))
    if is_record(value) or not is_table(value):
        _check_parts(value)
        return iter([Found(1, value, text)])
    return _by_columns(value, name)


def is_table(value: dict[str, Any]) -> bool:
    return bool(value) and all(isinstance(column, list) and column for column in value.values())


def _by_columns(value: dict[str, list[Any]], name: str) -> Iterator[Found | Refused]:
    if len(value) > MAX_COLUMNS:
        raise DataError("error.data.too_many_columns", field="file", found=len(value), limit=MAX_COLUMNS)
    lengths = {column: len(cells) for column, cells in value.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{column[:40]}: {length}" for column, length in itertools.islice(lengths.items(), 40))
        raise DataError("error.data.columns_unequal", field="file", name=name, found=found)
    return _rows_of(value)


def _rows_of(columns: dict[str, list[Any]]) -> Iterator[Found | Refused]:
    for number, cells in enumerate(zip(*columns.values(), strict=True), start=1):
        if sum(len(cell) for cell in cells if isinstance(cell, str)) > MAX_RECORD_CHARS:
            yield refused(number, DataError("error.data.record_too_long", limit=MAX_RECORD_CHARS), "")
        else:
            yield Found(number, dict(zip(columns, cells, strict=True)))
