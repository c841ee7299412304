"""When a mend may stand: the check finds nothing in the new row, and the row can be stored. Otherwise a person decides."""

from __future__ import annotations

from studio.data.checks.base import RowCheck, RowView
from studio.data.rows import NewRow, check_content
from studio.errors import DataError

__all__ = ["settled"]


def settled(check: RowCheck, old: NewRow, new: NewRow) -> list[NewRow]:
    """The row that should stand in the place of `old`: `new`, or `old` itself where the mend did not do."""
    return [old] if check.spots(RowView(new)) or not _can_be_stored(new) else [new]


def _can_be_stored(row: NewRow) -> bool:
    """A mend may empty an answer, or make the two answers of a preference the same."""
    try:
        check_content(row.kind, row.content)
    except DataError:
        return False
    return True
