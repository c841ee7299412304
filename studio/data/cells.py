"""Cells of a CSV file that no spreadsheet runs as a formula, and back again.

    =1+1      →  '=1+1           a formula for a spreadsheet; behind an apostrophe it is text
    '=1+1     →  ''=1+1          was text already: one more, so that taking one away gives back what was there
    it's      →  it's            no formula: stays as it is

`escape_cell` never maps two texts to the same cell and `unescape_cell` is its inverse. Which beginnings are formulas: OWASP,
"CSV Injection" (= + - @ tab, carriage return, line feed, and their full-width forms), also behind spaces.

A foreign file may mean its apostrophes. So a file of this studio in which a cell was changed has one more column, `MARK`,
and only a file with that column is unescaped. Knows no file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["MARK", "escape_cell", "unescape_cell", "unescaped"]

#: Name of the column that says: cells of this file were escaped. Its own cells count those of their row.
MARK = "escaped_cells"

_FORMULA = r"(?:[\t\r\n]|[\s\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])"
_RISKY = re.compile(f"'*{_FORMULA}")
_ESCAPED = re.compile(f"'+{_FORMULA}")


def escape_cell(text: str) -> str:
    """The text as it may stand in a cell: with an apostrophe in front where a spreadsheet would take it for a formula."""
    return f"'{text}" if _RISKY.match(text) else text


def unescape_cell(text: str) -> str:
    """What `escape_cell` was given. Only for files that carry `MARK`."""
    return text[1:] if _ESCAPED.match(text) else text


def unescaped(record: Mapping[str, str]) -> dict[str, str]:
    """One CSV record by column, as it was before it was written; a record of a foreign file stays as it is."""
    if MARK not in record:
        return dict(record)
    return {column: unescape_cell(cell) for column, cell in record.items() if column != MARK}
