"""One record and its shape become a checked row."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from studio.data.formats.base import Format, Names, Shape
from studio.data.formats.names import CARRIED, EXTRA, PART_NAMES, column_name
from studio.data.formats.parts import Record, from_json
from studio.data.rows import MAX_LABEL, SPLITS, NewRow, check_content, check_storable, is_plain_text, shown
from studio.errors import DataError

__all__ = ["Plan", "column_names", "normalised", "plan_of", "to_row"]

_SPLIT_NAMES = {**{name: name for name in SPLITS}, **dict.fromkeys(("valid", "val", "dev", "eval"), "validation")}

# Plans of wider records are not kept: a file of strange columns in every record must not fill the memory.
_MAX_KEPT_COLUMNS = 200


class Plan(NamedTuple):
    """What to do with records of the same columns: all that depends on names only.

    `names` are the columns in the form that is compared, None where the record has them so already. `others` are those that
    go into `extra`, as (key in the record, name there). `rivals` have the name of a part that the shape does not read.
    """

    names: Names | None
    missing: Names
    carried: Names
    others: tuple[tuple[Any, str], ...]
    has_extra: bool
    rivals: Names


def normalised(record: Mapping[Any, Any]) -> dict[str, Any]:
    """The record by column names in the form that is compared. Raises DataError where two columns become one."""
    return dict(zip(_unique_names(tuple(record)), record.values(), strict=True))


def column_names(record: Mapping[Any, Any]) -> str:
    """The columns in words, at most 40 of them."""
    return ", ".join(shown(str(name).strip()) for name in list(record)[:40])


def to_row(record: Mapping[Any, Any], shape: Format, *, origin: dict[str, Any] | None = None) -> NewRow:
    """One record as a checked row; columns that no part of the row uses go into `extra` under their own names.

    Raises DataError that names the field at fault.
    """
    plan = plan_of(tuple(record), shape)
    values = record if plan.names is None else dict(zip(plan.names, record.values(), strict=True))
    if plan.missing:
        raise DataError(
            "error.data.missing_columns",
            field=plan.missing[0],
            missing=", ".join(plan.missing),
            columns=column_names(record),
            shape=shape.name,
        )
    row = shape.row(values)
    check_content(row.kind, row.content)
    extra = {name: record[key] for key, name in plan.others} if plan.others else {}
    if plan.has_extra:
        _unfold(extra, values[EXTRA])
    if row.extra:
        extra |= row.extra
    if extra:
        check_storable(extra)
    carried = _carried(values, plan.carried) if plan.carried else {}
    return NewRow(row.kind, row.content, extra=extra or None, origin=origin, **carried)


def plan_of(columns: tuple[Any, ...], shape: Format) -> Plan:
    """Raises DataError where two columns have the same name."""
    return _kept_plan(columns, shape) if len(columns) <= _MAX_KEPT_COLUMNS else _plan(columns, shape)


def _plan(columns: tuple[Any, ...], shape: Format) -> Plan:
    names = _unique_names(columns)
    unread = shape.unread(names) if isinstance(shape, Shape) else frozenset()
    used = (shape.columns - unread) | {*CARRIED, EXTRA}
    return Plan(
        None if names == columns else names,
        tuple(name for name in shape.required if name not in names),
        tuple(name for name in CARRIED if name in names),
        tuple((key, str(key).strip()) for key, name in zip(columns, names, strict=True) if name not in used),
        EXTRA in names and EXTRA not in shape.columns,
        tuple(name for name in names if name in PART_NAMES and name not in used),
    )


_kept_plan = functools.lru_cache(256)(_plan)


def _unique_names(columns: Iterable[Any]) -> Names:
    names = tuple(column_name(str(column)) for column in columns)
    if len(set(names)) < len(names):
        double = next(name for index, name in enumerate(names) if name in names[:index])
        raise DataError("error.data.duplicate_column", field=double, column=double)
    return names


def _unfold(extra: dict[str, Any], value: Any) -> None:
    """Add what the column `extra` holds: its own fields where it is an object, as the studio writes it, else the value."""
    inner = from_json(value)
    if isinstance(inner, dict) and not inner.keys() & extra.keys():
        extra |= inner
    elif value not in (None, ""):
        extra[EXTRA] = value


# --- carried columns --------------------------------------------------------------------------------------------------


def _carried(record: Record, names: Names) -> dict[str, Any]:
    """The fields of a row that its record carries beside its shape."""
    found: dict[str, Any] = {}
    for name in names:
        if name == "split":
            found[name] = _split(record)
        elif name == "tags":
            tags = (tag.strip() for tag in _texts(record, name, "[,;\uff0c\uff1b\u3001]"))
            found[name] = tuple(dict.fromkeys(tag for tag in tags if tag))
        elif name == "references":
            found[name] = tuple(reference for reference in _texts(record, name) if reference.strip())
        else:
            found[name] = _short_text(record, name)
    if not all(value is None or (type(value) is str and is_plain_text(value)) for value in found.values()):
        check_storable({name: list(value) if isinstance(value, tuple) else value for name, value in found.items()})
    return found


def _split(record: Record) -> str | None:
    value = record.get("split")
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    found = _SPLIT_NAMES.get(value.strip().lower()) if isinstance(value, str) else None
    if found is None:
        raise DataError("error.data.unknown_split", field="split", found=shown(value), expected=", ".join(_SPLIT_NAMES))
    return found


def _texts(record: Record, name: str, divider: str = "") -> list[str]:
    """A list of texts; one text is divided at `divider`, or is the only one."""
    value = record.get(name)
    if isinstance(unpacked := from_json(value), list):
        value = unpacked
    if value is None:
        return []
    if isinstance(value, str):
        return re.split(divider, value) if divider else [value]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DataError("error.data.not_text", field=name, where=name, found=shown(value))
    return value


def _short_text(record: Record, name: str) -> str | None:
    value = record.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise DataError("error.data.not_text", field=name, where=name, found=shown(value))
    value = (value or "").strip()
    if len(value) > MAX_LABEL:
        raise DataError("error.data.label_too_long", field=name, where=name, n=len(value), limit=MAX_LABEL)
    return value or None
