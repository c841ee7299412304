"""What a shape is: which columns it needs and may read, and how a record of it becomes a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from studio.data.formats.parts import Record
from studio.data.rows import NewRow

__all__ = ["Format", "Names", "Shape"]

Names = tuple[str, ...]


class Format(Protocol):
    """One shape. `required` are the columns without which it is another shape; `columns` all those it may read."""

    @property
    def name(self) -> str: ...
    @property
    def required(self) -> Names: ...
    @property
    def columns(self) -> frozenset[str]: ...
    def __hash__(self) -> int: ...

    def detect(self, record: Record) -> bool:
        """Whether names and kinds of values are those of this shape. Says nothing yet about empty or wrong contents."""

    def row(self, record: Record) -> NewRow:
        """The row without carried columns, not checked yet. Raises DataError where a value cannot be read at all."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A shape of the studio's own. Equal only to itself, so that it is a quick key.

    `optional` has the names that a part may have, for every part that may be there; a record's first one is read.
    """

    name: str

    @property
    def required(self) -> Names:
        raise NotImplementedError

    @property
    def optional(self) -> tuple[Names, ...]:
        return ()

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(self.required).union(*self.optional)

    def unread(self, names: Names) -> frozenset[str]:
        """Columns of a record that have a part's name, and are not read because another one has that part."""
        double: list[str] = []
        for part in self.optional:
            double += [name for name in part if name in names][1:]
        return frozenset(double)

    @property
    def takes_all(self) -> bool:
        """Whether it reads one column and would leave the words of every other one aside."""
        return False

    def evidence(self) -> tuple[str, dict[str, Any]] | None:
        """What, beside the names, speaks for this shape: a message key and its parameters."""
        return None

    def detect(self, record: Record) -> bool:
        raise NotImplementedError

    def row(self, record: Record) -> NewRow:
        raise NotImplementedError
