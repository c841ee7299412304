"""Shapes of records, and how each becomes a row.

A record is one JSON object or one line of a table. A shape is recognised by exact column names and by what their values are,
never by a part of a name. Knows no file. Start at `detect` and `to_row`; a new shape is one class and one line in
`shapes.FORMATS`.
"""

from studio.data.formats.base import Format
from studio.data.formats.detection import Detection, Reason, detect, find_format
from studio.data.formats.mapping import TARGETS, Part, mapped
from studio.data.formats.names import CARRIED, column_name
from studio.data.formats.parts import Record
from studio.data.formats.reading import normalised, to_row
from studio.data.formats.shapes import FORMATS, expected_shapes, known_columns

__all__ = [
    "CARRIED",
    "FORMATS",
    "TARGETS",
    "Detection",
    "Format",
    "Part",
    "Reason",
    "Record",
    "column_name",
    "detect",
    "expected_shapes",
    "find_format",
    "known_columns",
    "mapped",
    "normalised",
    "to_row",
]
